//! The outbox: what webhooks are to be told and have not taken yet. It outlives `kill -9`; a record's row is written in the
//! transaction that writes the record.

use crate::{Store, StoreError, records, sql};
use model::{CallId, CallRecord};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use stdx::UnixMillis;

/// How many may wait for one webhook. Beyond it events are not taken, and records still are: they are small here.
const MAX_WAITING: i64 = 100_000;

/// How many given-up ones are kept for one webhook; the oldest go first.
const MAX_DEAD: i64 = 10_000;

/// The most of one page.
pub const MAX_DEAD_PAGE: u32 = 500;

/// What somebody is to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its number, the same with each try.
    pub id: i64,
    /// The event's name.
    pub kind: String,
    /// Since when it waits.
    pub created_at: UnixMillis,
    /// The call whose record is told, and the record if it is there.
    pub record: Option<(CallId, Option<Box<CallRecord>>)>,
    /// What is told if it is no record: JSON.
    pub body: String,
    /// How often it was tried.
    pub tries: u32,
    /// What came of the last try.
    pub last: String,
}

/// An event for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// The webhook.
    pub webhook: i64,
    /// The event's name.
    pub kind: &'static str,
    /// When it happened.
    pub at: UnixMillis,
    /// The event as JSON.
    pub body: String,
}

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// It was taken.
    Taken,
    /// It was not; again at this time.
    Again(UnixMillis, String),
    /// It was not, and is given up.
    Dead(String),
}

impl Store {
    /// Waits for something new to deliver. May wake without reason.
    pub fn delivery_news(&self) -> tokio::sync::futures::Notified<'_> {
        self.0.deliveries.notified()
    }

    /// Keeps events for webhooks, all at once. Those for a webhook that has too many waiting are not taken; how many, is given back.
    pub async fn put_deliveries(&self, new: &[NewDelivery]) -> Result<usize, StoreError> {
        let mut transaction = self.begin().await?;
        let mut refused = 0;
        for delivery in new {
            let sql = "INSERT INTO deliveries (webhook, kind, created_at, body, due_at) \
                       SELECT id, ?2, ?3, ?4, 0 FROM webhooks WHERE id = ?1 AND (SELECT count(*) FROM \
                       (SELECT 1 FROM deliveries WHERE webhook = ?1 AND dead = 0 LIMIT ?5)) < ?5";
            let done = sqlx::query(sql)
                .bind(delivery.webhook)
                .bind(delivery.kind)
                .bind(delivery.at.cast_signed())
                .bind(&delivery.body)
                .bind(MAX_WAITING)
                .execute(&mut *transaction)
                .await?;
            refused += usize::from(done.rows_affected() == 0);
        }
        transaction.commit().await?;
        self.0.deliveries.notify_waiters();
        Ok(refused)
    }

    /// What a webhook is to be told now, the oldest first.
    pub async fn due_deliveries(&self, webhook: i64, now: UnixMillis, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let sql = "SELECT d.*, c.record FROM deliveries d LEFT JOIN calls c ON c.id = d.call \
                   WHERE d.webhook = ?1 AND d.dead = 0 AND d.due_at <= ?2 ORDER BY d.id LIMIT ?3";
        let query = sqlx::query(sql).bind(webhook).bind(now.cast_signed()).bind(limit);
        query.fetch_all(&self.0.readers).await?.iter().map(delivery_of).collect()
    }

    /// When the next delivery of a webhook is due; `None` if nothing waits.
    pub async fn next_delivery(&self, webhook: i64) -> Result<Option<UnixMillis>, StoreError> {
        let sql = "SELECT min(due_at) FROM deliveries WHERE webhook = ?1 AND dead = 0";
        let at: Option<i64> = sqlx::query(sql).bind(webhook).fetch_one(&self.0.readers).await?.try_get(0)?;
        Ok(at.map(i64::cast_unsigned))
    }

    /// Notes what came of tries.
    pub async fn settle_deliveries(&self, tried: &[(i64, Tried)]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut died = false;
        for (id, what) in tried {
            let query = match what {
                Tried::Taken => sqlx::query("DELETE FROM deliveries WHERE id = ?1").bind(id),
                Tried::Again(at, last) => {
                    let sql = "UPDATE deliveries SET tries = tries + 1, due_at = ?2, last = ?3 WHERE id = ?1";
                    sqlx::query(sql).bind(id).bind(at.cast_signed()).bind(last)
                }
                Tried::Dead(last) => {
                    died = true;
                    let sql = "UPDATE deliveries SET tries = tries + 1, dead = 1, last = ?2 WHERE id = ?1";
                    sqlx::query(sql).bind(id).bind(last)
                }
            };
            query.execute(&mut *transaction).await?;
        }
        if died {
            forget_oldest_dead(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Gives up what has waited for a webhook since before `before`; gives back the numbers.
    pub async fn expire_deliveries(&self, webhook: i64, before: UnixMillis) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM deliveries WHERE webhook = ?1 AND dead = 0 AND created_at < ?2 AND tries > 0)";
        let any = sqlx::query(sql).bind(webhook).bind(before.cast_signed()).fetch_one(&self.0.readers).await?;
        if !any.try_get::<bool, _>(0)? {
            return Ok(Vec::new());
        }
        let mut transaction = self.begin().await?;
        let sql = "UPDATE deliveries SET dead = 1 WHERE webhook = ?1 AND dead = 0 AND created_at < ?2 RETURNING id";
        let rows = sqlx::query(sql).bind(webhook).bind(before.cast_signed()).fetch_all(&mut *transaction).await?;
        forget_oldest_dead(&mut transaction).await?;
        transaction.commit().await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// What was given up for a webhook, the newest first, from below this number on.
    pub async fn dead_deliveries(
        &self,
        webhook: i64,
        below: Option<i64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let sql = "SELECT d.*, c.record FROM deliveries d LEFT JOIN calls c ON c.id = d.call \
                   WHERE d.webhook = ?1 AND d.dead = 1 AND d.id < ?2 ORDER BY d.id DESC LIMIT ?3";
        let below = below.unwrap_or(i64::MAX);
        let query = sqlx::query(sql).bind(webhook).bind(below).bind(limit.clamp(1, MAX_DEAD_PAGE));
        query.fetch_all(&self.0.readers).await?.iter().map(delivery_of).collect()
    }

    /// Has what was given up tried again: this one, or all; gives back how many.
    pub async fn resend_deliveries(
        &self,
        webhook: i64,
        delivery: Option<i64>,
        now: UnixMillis,
    ) -> Result<u64, StoreError> {
        // As if it were new, or its age would give it up again.
        let sql = "UPDATE deliveries SET dead = 0, tries = 0, due_at = 0, created_at = ?3 \
                   WHERE webhook = ?1 AND dead = 1 AND (?2 IS NULL OR id = ?2)";
        let query = sqlx::query(sql).bind(webhook).bind(delivery).bind(now.cast_signed());
        let done = query.execute(&self.0.writer).await?;
        self.0.deliveries.notify_waiters();
        Ok(done.rows_affected())
    }

    /// How many wait, and how many were given up, for a webhook.
    pub async fn count_deliveries(&self, webhook: i64) -> Result<(u64, u64), StoreError> {
        let sql = "SELECT coalesce(sum(dead = 0), 0), coalesce(sum(dead), 0) FROM deliveries WHERE webhook = ?1";
        let row = sqlx::query(sql).bind(webhook).fetch_one(&self.0.readers).await?;
        Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), row.try_get::<i64, _>(1)?.cast_unsigned()))
    }
}

/// Every webhook that wants them is to be told of these records: part of the transaction that stores them.
pub(crate) async fn put_records<'a>(
    on: &mut SqliteConnection,
    new: impl Iterator<Item = &'a CallRecord>,
) -> Result<bool, StoreError> {
    let rows: Vec<_> = new.map(|record| (sql::hex(record.id.as_bytes()), record.ended_at.cast_signed())).collect();
    if rows.is_empty() {
        return Ok(false);
    }
    let rows = serde_json::to_string(&rows).map_err(|_| StoreError::Damaged("call record, for writing"))?;
    let sql = "INSERT INTO deliveries (webhook, kind, created_at, call, due_at) \
               SELECT w.id, 'call_ended', c.value->>1, unhex(c.value->>0), 0 FROM json_each(?1) c, webhooks w \
               WHERE w.active AND (w.kinds = '' OR instr(w.kinds, ',call_ended,') > 0)";
    Ok(sqlx::query(sql).bind(rows).execute(on).await?.rows_affected() > 0)
}

async fn forget_oldest_dead(on: &mut SqliteConnection) -> Result<(), StoreError> {
    let sql = "DELETE FROM deliveries WHERE dead = 1 AND id <= coalesce((SELECT d.id FROM deliveries d \
               WHERE d.webhook = deliveries.webhook AND d.dead = 1 ORDER BY d.id DESC LIMIT 1 OFFSET ?1), 0)";
    sqlx::query(sql).bind(MAX_DEAD).execute(on).await?;
    Ok(())
}

fn delivery_of(row: &SqliteRow) -> Result<Delivery, StoreError> {
    let call: Option<&[u8]> = row.try_get("call")?;
    let record = match call {
        Some(bytes) => {
            let id = bytes.try_into().map(CallId::from_bytes).map_err(|_| StoreError::Damaged("call id"))?;
            let known: Option<&str> = row.try_get("record")?;
            Some((id, known.map(records::record_of_json).transpose()?.map(Box::new)))
        }
        None => None,
    };
    Ok(Delivery {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        created_at: row.try_get::<i64, _>("created_at")?.cast_unsigned(),
        record,
        body: row.try_get::<Option<String>, _>("body")?.unwrap_or_default(),
        tries: row.try_get("tries")?,
        last: row.try_get("last")?,
    })
}
