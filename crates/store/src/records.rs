//! Call records: written many at a time, read a page at a time.

use crate::{Store, StoreError, deliveries, sql};
use model::{CallId, CallRecord, Direction, Outcome};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};
use std::collections::BTreeSet;
use stdx::UnixMillis;

/// The most records one page has.
pub const MAX_PAGE: u32 = 500;

/// Which records are wanted; everything that is `Some` must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Started at or after.
    pub from: Option<UnixMillis>,
    /// Started before.
    pub to: Option<UnixMillis>,
    /// The caller's number.
    pub caller: Option<String>,
    /// The number dialled.
    pub callee: Option<String>,
    /// Any party's number: caller, callee or a leg.
    pub number: Option<String>,
    /// A party too, additionally to `number`: what an agent may see.
    pub extension: Option<String>,
    /// What came of it.
    pub outcome: Option<Outcome>,
    /// Where from and to.
    pub direction: Option<Direction>,
    /// The page after the one that gave this cursor.
    pub cursor: Option<String>,
    /// How many to skip (after the cursor).
    pub offset: u32,
    /// How many at most; clamped to 1..=[`MAX_PAGE`].
    pub limit: u32,
}

/// Some of the records, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The records.
    pub items: Vec<CallRecord>,
    /// How many match in all, on all pages.
    pub total: u64,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
}

impl Store {
    /// A page of records, the newest first. [`StoreError::BadCursor`].
    pub async fn records(&self, filter: &Filter) -> Result<Page, StoreError> {
        let after =
            filter.cursor.as_deref().map(|text| Cursor::parse(text).ok_or(StoreError::BadCursor)).transpose()?;
        // One snapshot for both questions, so that they agree.
        let mut snapshot = self.0.readers.begin().await?;

        let mut count = QueryBuilder::new("SELECT count(*) FROM calls");
        restrict(&mut count, filter);
        let total: i64 = count.build().fetch_one(&mut *snapshot).await?.try_get(0)?;

        let limit = filter.limit.clamp(1, MAX_PAGE);
        let mut query = QueryBuilder::new("SELECT id, started_at, record FROM calls");
        restrict(&mut query, filter);
        if let Some(after) = after {
            query.push(" AND (started_at, id) < (").push_bind(after.started_at).push(", ");
            query.push_bind(after.id.to_vec()).push(")");
        }
        query.push(" ORDER BY started_at DESC, id DESC LIMIT ").push_bind(i64::from(limit) + 1);
        query.push(" OFFSET ").push_bind(i64::from(filter.offset));
        let mut rows = query.build().fetch_all(&mut *snapshot).await?;
        snapshot.commit().await?;

        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = match rows.last() {
            Some(last) if more => Some(Cursor::of(last)?.to_string()),
            _ => None,
        };
        let items = rows.iter().map(record_of).collect::<Result<_, _>>()?;
        Ok(Page { items, total: total.cast_unsigned(), next })
    }

    /// One record.
    pub async fn record(&self, call: CallId) -> Result<Option<CallRecord>, StoreError> {
        let sql = "SELECT record FROM calls WHERE id = ?1";
        let row = sqlx::query(sql).bind(call.as_bytes().as_slice()).fetch_optional(&self.0.readers).await?;
        row.as_ref().map(record_of).transpose()
    }

    /// Stores finished calls in one transaction; those that are there already stay as they are.
    /// Gives back which were new.
    pub(crate) async fn insert_records(&self, calls: &[CallRecord]) -> Result<Vec<CallId>, StoreError> {
        let mut seen = BTreeSet::new();
        let calls: Vec<_> = calls.iter().filter(|call| seen.insert(call.id)).collect();
        let mut transaction = self.begin().await?;
        let new = insert(&mut transaction, &calls).await?;
        let fresh = calls.iter().copied().filter(|call| new.contains(&call.id));
        let to_be_told = deliveries::put_records(&mut transaction, fresh).await?;
        transaction.commit().await?;
        if to_be_told {
            self.0.deliveries.notify_waiters();
        }
        Ok(new.into_iter().collect())
    }
}

/// What is searched for, as a WHERE clause.
fn restrict(query: &mut QueryBuilder<Sqlite>, filter: &Filter) {
    query.push(" WHERE true");
    if let Some(from) = filter.from {
        query.push(" AND started_at >= ").push_bind(millis(from));
    }
    if let Some(to) = filter.to {
        query.push(" AND started_at < ").push_bind(millis(to));
    }
    if let Some(caller) = &filter.caller {
        query.push(" AND caller = ").push_bind(caller.clone());
    }
    if let Some(callee) = &filter.callee {
        query.push(" AND callee = ").push_bind(callee.clone());
    }
    if let Some(outcome) = filter.outcome {
        query.push(" AND outcome = ").push_bind(outcome.name());
    }
    if let Some(direction) = filter.direction {
        query.push(" AND direction = ").push_bind(direction.name());
    }
    // Caller and callee are parties too, and only parties have an index.
    let ends = [&filter.caller, &filter.callee].into_iter().flatten().filter(|number| !number.is_empty());
    for party in [&filter.number, &filter.extension].into_iter().flatten().chain(ends) {
        query.push(" AND id IN (SELECT call FROM call_parties WHERE number = ").push_bind(without_nul(party));
        if let Some(from) = filter.from {
            query.push(" AND started_at >= ").push_bind(millis(from));
        }
        if let Some(to) = filter.to {
            query.push(" AND started_at < ").push_bind(millis(to));
        }
        query.push(")");
    }
}

/// One statement each for all records and for all parties: a statement costs more than a row.
async fn insert(to: &mut SqliteConnection, calls: &[&CallRecord]) -> Result<BTreeSet<CallId>, StoreError> {
    let sql = "INSERT OR IGNORE INTO calls (id, started_at, caller, callee, outcome, direction, record) \
               SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5, value->>6 \
               FROM json_each(?1) WHERE true RETURNING id";
    let rows = sqlx::query(sql).bind(columns(calls)?).fetch_all(&mut *to).await?;
    let new = rows.iter().map(|row| call_id(row, 0)).collect::<Result<BTreeSet<_>, _>>()?;

    let sql = "INSERT OR IGNORE INTO call_parties (number, started_at, call) \
               SELECT value->>0, value->>1, unhex(value->>2) FROM json_each(?1)";
    let fresh = calls.iter().copied().filter(|call| new.contains(&call.id));
    sqlx::query(sql).bind(parties(fresh)?).execute(to).await?;
    Ok(new)
}

/// The rows as one JSON array. The record itself travels as a text within it, so that it comes out as it went in.
fn columns(calls: &[&CallRecord]) -> Result<String, StoreError> {
    let mut rows = Vec::with_capacity(calls.len());
    for record in calls {
        rows.push((
            sql::hex(record.id.as_bytes()),
            millis(record.started_at),
            without_nul(&record.caller),
            without_nul(&record.callee),
            record.outcome.name(),
            record.direction.name(),
            serde_json::to_string(record).map_err(|_| StoreError::Damaged("call record, for writing"))?,
        ));
    }
    serde_json::to_string(&rows).map_err(|_| StoreError::Damaged("call record, for writing"))
}

/// Every number that had a part in these calls: number, start, call.
fn parties<'a>(calls: impl Iterator<Item = &'a CallRecord>) -> Result<String, StoreError> {
    let rows: BTreeSet<_> = calls
        .flat_map(|record| {
            [&record.caller, &record.callee]
                .into_iter()
                .chain(record.legs.iter().map(|leg| &leg.number))
                .filter(|number| !number.is_empty())
                .map(|number| (without_nul(number), millis(record.started_at), sql::hex(record.id.as_bytes())))
        })
        .collect();
    serde_json::to_string(&rows).map_err(|_| StoreError::Damaged("call record, for writing"))
}

/// SQLite's JSON functions end a text at NUL. A caller may send one; the record keeps it, the columns cannot.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(crate) fn millis(at: UnixMillis) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

pub(crate) fn call_id(row: &SqliteRow, column: usize) -> Result<CallId, StoreError> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map(CallId::from_bytes).map_err(|_| StoreError::Damaged("call id"))
}

fn record_of(row: &SqliteRow) -> Result<CallRecord, StoreError> {
    record_of_json(row.try_get("record")?)
}

pub(crate) fn record_of_json(text: &str) -> Result<CallRecord, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Damaged("call record"))
}

/// The last record of a page: the next page begins after it, however many new ones came meanwhile.
struct Cursor {
    started_at: i64,
    id: [u8; 16],
}

impl Cursor {
    fn of(row: &SqliteRow) -> Result<Self, StoreError> {
        Ok(Self { started_at: row.try_get("started_at")?, id: *call_id(row, 0)?.as_bytes() })
    }

    fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('.')?;
        let id: CallId = id.parse().ok()?;
        Some(Self { started_at: at.parse().ok()?, id: *id.as_bytes() })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.started_at, CallId::from_bytes(self.id))
    }
}
