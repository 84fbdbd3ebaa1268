//! The audit log: who changed what, and when.

use crate::{Store, StoreError};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use stdx::UnixMillis;

/// How many entries are kept; the oldest go first.
const KEPT: i64 = 100_000;

/// The most entries of one page.
pub const MAX_AUDIT_PAGE: u32 = 500;

/// One thing that somebody did, or was not allowed to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number; 0 for one that is to be written. They rise.
    pub id: i64,
    /// When it was done.
    pub at: UnixMillis,
    /// The user's number.
    pub user: i64,
    /// The user's name at that time.
    pub username: String,
    /// The address it came from.
    pub peer: String,
    /// Method and path.
    pub operation: String,
    /// What kind of thing it was done to, such as `extension`.
    pub object: String,
    /// Which one; empty where it has no name.
    pub object_id: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// What was asked for: JSON without secrets.
    pub asked: Option<String>,
    /// What changed, as it was: JSON without secrets.
    pub before: Option<String>,
    /// What changed, as it is: JSON without secrets.
    pub after: Option<String>,
}

/// Which entries; everything that is `Some` must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By this user.
    pub username: Option<String>,
    /// To this kind of thing.
    pub object: Option<String>,
    /// To this one.
    pub object_id: Option<String>,
    /// At or after.
    pub from: Option<UnixMillis>,
    /// Before.
    pub to: Option<UnixMillis>,
    /// Older than the entry of this number.
    pub below: Option<i64>,
    /// How many at most; clamped to 1..=[`MAX_AUDIT_PAGE`].
    pub limit: u32,
}

impl Store {
    /// Writes an entry.
    pub async fn write_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let sql = "INSERT INTO audit (at, user, username, peer, operation, object, object_id, status, asked, before, after) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING id";
        let row = sqlx::query(sql)
            .bind(entry.at.cast_signed())
            .bind(entry.user)
            .bind(&entry.username)
            .bind(&entry.peer)
            .bind(&entry.operation)
            .bind(&entry.object)
            .bind(&entry.object_id)
            .bind(entry.status)
            .bind(&entry.asked)
            .bind(&entry.before)
            .bind(&entry.after)
            .fetch_one(&mut *transaction)
            .await?;
        let id: i64 = row.try_get(0)?;
        sqlx::query("DELETE FROM audit WHERE id <= ?1").bind(id - KEPT).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Entries, the newest first.
    pub async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM audit WHERE true");
        let texts = [("username", &filter.username), ("object", &filter.object), ("object_id", &filter.object_id)];
        for (column, value) in texts {
            if let Some(value) = value {
                query.push(" AND ").push(column).push(" = ").push_bind(value.clone());
            }
        }
        if let Some(from) = filter.from {
            query.push(" AND at >= ").push_bind(i64::try_from(from).unwrap_or(i64::MAX));
        }
        if let Some(to) = filter.to {
            query.push(" AND at < ").push_bind(i64::try_from(to).unwrap_or(i64::MAX));
        }
        if let Some(below) = filter.below {
            query.push(" AND id < ").push_bind(below);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(filter.limit.clamp(1, MAX_AUDIT_PAGE)));
        query.build().fetch_all(&self.0.readers).await?.iter().map(entry_of).collect()
    }
}

fn entry_of(row: &SqliteRow) -> Result<AuditEntry, StoreError> {
    Ok(AuditEntry {
        id: row.try_get("id")?,
        at: row.try_get::<i64, _>("at")?.cast_unsigned(),
        user: row.try_get("user")?,
        username: row.try_get("username")?,
        peer: row.try_get("peer")?,
        operation: row.try_get("operation")?,
        object: row.try_get("object")?,
        object_id: row.try_get("object_id")?,
        status: row.try_get("status")?,
        asked: row.try_get("asked")?,
        before: row.try_get("before")?,
        after: row.try_get("after")?,
    })
}
