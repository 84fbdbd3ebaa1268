//! SIP ladders of the newest calls, as bytes that whoever writes them understands.

use crate::{FinishedCall, Store, StoreError};
use model::CallId;
use sqlx::{Row, SqliteConnection};

impl Store {
    /// The trace of a call, as it was given; `None` if none was kept, or so many newer ones that it had to go.
    pub async fn trace(&self, call: CallId) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT entries FROM traces WHERE call = ?1";
        let row = sqlx::query(sql).bind(call.as_bytes().as_slice()).fetch_optional(&self.0.readers).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Adds traces and drops the oldest beyond the limit.
    pub(crate) async fn insert_traces(
        &self,
        to: &mut SqliteConnection,
        calls: impl Iterator<Item = &FinishedCall>,
    ) -> Result<(), StoreError> {
        let mut last = None;
        for call in calls.filter(|call| !call.trace.is_empty()) {
            let done = sqlx::query("INSERT OR IGNORE INTO traces (call, entries) VALUES (?1, ?2)")
                .bind(call.record.id.as_bytes().as_slice())
                .bind(&call.trace)
                .execute(&mut *to)
                .await?;
            last = Some(done.last_insert_rowid());
        }
        if let Some(last) = last {
            let oldest = last - i64::from(self.0.keep_traces);
            sqlx::query("DELETE FROM traces WHERE seq <= ?1").bind(oldest).execute(to).await?;
        }
        Ok(())
    }
}
