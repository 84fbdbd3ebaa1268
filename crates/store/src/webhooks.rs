//! Webhooks: who is told of events by HTTP. What they have not taken yet is in `deliveries`.

use crate::{Store, StoreError, secrets, sql};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// The most webhooks.
pub const MAX_WEBHOOKS: usize = 64;

/// A receiver of events.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its number; 0 for one that is to be added.
    pub id: i64,
    /// What people call it; may be empty.
    pub name: String,
    /// Where its requests go.
    pub url: String,
    /// The names of the events it is told of; empty: all.
    pub kinds: Vec<String>,
    /// What its requests are signed with.
    pub secret: String,
    /// Is it told?
    pub active: bool,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("id", &self.id).field("active", &self.active).finish_non_exhaustive()
    }
}

impl Webhook {
    /// Is it told of events of this name?
    pub fn wants(&self, kind: &str) -> bool {
        self.active && (self.kinds.is_empty() || self.kinds.iter().any(|known| known == kind))
    }
}

/// A secret for a webhook: 64 hex digits.
pub fn webhook_secret() -> Result<String, StoreError> {
    Ok(sql::hex(&secrets::random::<32>()?))
}

impl Store {
    /// All webhooks, by number.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, StoreError> {
        let rows = sqlx::query("SELECT * FROM webhooks ORDER BY id").fetch_all(&self.0.readers).await?;
        rows.iter().map(|row| self.webhook_of(row)).collect()
    }

    /// Waits for webhooks to be others. May wake without reason.
    pub fn webhook_changes(&self) -> tokio::sync::futures::Notified<'_> {
        self.0.webhooks.notified()
    }

    /// One webhook.
    pub async fn webhook(&self, id: i64) -> Result<Option<Webhook>, StoreError> {
        let row = sqlx::query("SELECT * FROM webhooks WHERE id = ?1").bind(id).fetch_optional(&self.0.readers).await?;
        row.as_ref().map(|row| self.webhook_of(row)).transpose()
    }

    /// Adds one, and gives it its number. [`StoreError::Full`].
    pub async fn add_webhook(&self, mut webhook: Webhook) -> Result<Webhook, StoreError> {
        let mut transaction = self.begin().await?;
        let count: i64 = sqlx::query("SELECT count(*) FROM webhooks").fetch_one(&mut *transaction).await?.try_get(0)?;
        if count >= MAX_WEBHOOKS as i64 {
            return Err(StoreError::Full("webhooks"));
        }
        let sql = "INSERT INTO webhooks (name, url, kinds, secret, active) VALUES (?1, ?2, ?3, x'', ?4) RETURNING id";
        let row = sqlx::query(sql)
            .bind(&webhook.name)
            .bind(&webhook.url)
            .bind(joined(&webhook.kinds))
            .bind(webhook.active)
            .fetch_one(&mut *transaction)
            .await?;
        webhook.id = row.try_get(0)?;
        // Sealed for its own row, whose number is known only now.
        let sealed = self.0.secrets.seal(&label(webhook.id), webhook.secret.as_bytes())?;
        let sql = "UPDATE webhooks SET secret = ?2 WHERE id = ?1";
        sqlx::query(sql).bind(webhook.id).bind(sealed).execute(&mut *transaction).await?;
        transaction.commit().await?;
        self.0.webhooks.notify_waiters();
        Ok(webhook)
    }

    /// Changes one, found by its number; false if there is none.
    pub async fn change_webhook(&self, webhook: &Webhook) -> Result<bool, StoreError> {
        let sealed = self.0.secrets.seal(&label(webhook.id), webhook.secret.as_bytes())?;
        let sql = "UPDATE webhooks SET name = ?2, url = ?3, kinds = ?4, secret = ?5, active = ?6 WHERE id = ?1";
        let done = sqlx::query(sql)
            .bind(webhook.id)
            .bind(&webhook.name)
            .bind(&webhook.url)
            .bind(joined(&webhook.kinds))
            .bind(sealed)
            .bind(webhook.active)
            .execute(&self.0.writer)
            .await?;
        self.0.webhooks.notify_waiters();
        Ok(done.rows_affected() > 0)
    }

    /// Removes one with everything it was still to be told; false if there was none.
    pub async fn remove_webhook(&self, id: i64) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM webhooks WHERE id = ?1").bind(id).execute(&self.0.writer).await?;
        self.0.webhooks.notify_waiters();
        Ok(done.rows_affected() > 0)
    }

    fn webhook_of(&self, row: &SqliteRow) -> Result<Webhook, StoreError> {
        let id: i64 = row.try_get("id")?;
        let kinds: String = row.try_get("kinds")?;
        let secret = self.0.secrets.open_sealed(&label(id), row.try_get("secret")?);
        Ok(Webhook {
            id,
            name: row.try_get("name")?,
            url: row.try_get("url")?,
            kinds: kinds.split(',').filter(|kind| !kind.is_empty()).map(str::to_owned).collect(),
            secret: secret
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or(StoreError::Damaged("secret of a webhook"))?,
            active: row.try_get("active")?,
        })
    }
}

fn label(id: i64) -> String {
    format!("webhook/{id}")
}

/// As the column has them.
fn joined(kinds: &[String]) -> String {
    if kinds.is_empty() { String::new() } else { format!(",{},", kinds.join(",")) }
}
