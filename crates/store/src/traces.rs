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

    /// Adds traces that came later than their calls, in one transaction, and drops the oldest beyond the limit. A trace that is
    /// there already stays as it is.
    pub async fn put_traces(&self, traces: &[(CallId, Vec<u8>)]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut last = None;
        for (call, entries) in traces {
            last = Some(insert(&mut transaction, *call, entries).await?);
        }
        self.drop_old(&mut transaction, last).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Adds traces and drops the oldest beyond the limit.
    pub(crate) async fn insert_traces(
        &self,
        to: &mut SqliteConnection,
        calls: impl Iterator<Item = &FinishedCall>,
    ) -> Result<(), StoreError> {
        let mut last = None;
        for call in calls.filter(|call| !call.trace.is_empty()) {
            last = Some(insert(to, call.record.id, &call.trace).await?);
        }
        self.drop_old(to, last).await
    }

    async fn drop_old(&self, from: &mut SqliteConnection, last: Option<i64>) -> Result<(), StoreError> {
        if let Some(last) = last {
            let oldest = last - i64::from(self.0.keep_traces);
            sqlx::query("DELETE FROM traces WHERE seq <= ?1").bind(oldest).execute(from).await?;
        }
        Ok(())
    }
}

async fn insert(to: &mut SqliteConnection, call: CallId, entries: &[u8]) -> Result<i64, StoreError> {
    let sql = "INSERT OR IGNORE INTO traces (call, entries) VALUES (?1, ?2)";
    let done = sqlx::query(sql).bind(call.as_bytes().as_slice()).bind(entries).execute(to).await?;
    Ok(done.last_insert_rowid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[tokio::test]
    async fn traces_that_come_late_are_kept_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Config { keep_traces: 3, ..Config::new(dir.path()) }).await.unwrap();
        let call = |n: u8| CallId::from_bytes([n; 16]);
        let traces: Vec<_> = (0..5).map(|n| (call(n), vec![n])).collect();
        store.put_traces(&traces[..2]).await.unwrap();
        store.put_traces(&traces[2..]).await.unwrap();
        store.put_traces(&[(call(4), vec![9])]).await.unwrap();
        for n in 0..5 {
            assert_eq!(store.trace(call(n)).await.unwrap(), (n >= 2).then(|| vec![n]));
        }
        store.put_traces(&[]).await.unwrap();
    }
}
