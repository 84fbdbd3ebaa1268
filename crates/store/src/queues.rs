//! Queues, agents and ring groups: how they are set up.

use crate::{Store, StoreError};
use model::{Agent, MAX_AGENTS, MAX_QUEUES, MAX_RING_GROUPS, Queue, RingGroup};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

impl Store {
    /// All queues, by name.
    pub async fn queues(&self) -> Result<Vec<Queue>, StoreError> {
        let rows = sqlx::query("SELECT settings FROM queues ORDER BY name").fetch_all(&self.0.readers).await?;
        rows.iter().map(settings_of).collect()
    }

    /// One queue.
    pub async fn queue(&self, name: &str) -> Result<Option<Queue>, StoreError> {
        let sql = "SELECT settings FROM queues WHERE name = ?1";
        let row = sqlx::query(sql).bind(name).fetch_optional(&self.0.readers).await?;
        row.as_ref().map(settings_of).transpose()
    }

    /// Adds or changes a queue; false if there are too many.
    pub async fn put_queue(&self, queue: &Queue) -> Result<bool, StoreError> {
        let sql = "INSERT INTO queues (name, settings) SELECT ?1, ?2 \
            WHERE (SELECT count(*) FROM queues WHERE name <> ?1) < ?3 \
            ON CONFLICT (name) DO UPDATE SET settings = ?2";
        self.put(sql, (&queue.name, queue), MAX_QUEUES).await
    }

    /// Removes a queue; false if there was none.
    pub async fn remove_queue(&self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM queues WHERE name = ?1").bind(name).execute(&self.0.writer).await?;
        Ok(done.rows_affected() > 0)
    }

    /// All agents, by name.
    pub async fn agents(&self) -> Result<Vec<Agent>, StoreError> {
        let rows = sqlx::query("SELECT settings FROM agents ORDER BY name").fetch_all(&self.0.readers).await?;
        rows.iter().map(settings_of).collect()
    }

    /// One agent.
    pub async fn agent(&self, name: &str) -> Result<Option<Agent>, StoreError> {
        let sql = "SELECT settings FROM agents WHERE name = ?1";
        let row = sqlx::query(sql).bind(name).fetch_optional(&self.0.readers).await?;
        row.as_ref().map(settings_of).transpose()
    }

    /// Adds or changes an agent; false if there are too many.
    pub async fn put_agent(&self, agent: &Agent) -> Result<bool, StoreError> {
        let sql = "INSERT INTO agents (name, settings) SELECT ?1, ?2 \
            WHERE (SELECT count(*) FROM agents WHERE name <> ?1) < ?3 \
            ON CONFLICT (name) DO UPDATE SET settings = ?2";
        self.put(sql, (&agent.name, agent), MAX_AGENTS).await
    }

    /// Removes an agent; false if there was none.
    pub async fn remove_agent(&self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM agents WHERE name = ?1").bind(name).execute(&self.0.writer).await?;
        Ok(done.rows_affected() > 0)
    }

    /// All ring groups, by name.
    pub async fn ring_groups(&self) -> Result<Vec<RingGroup>, StoreError> {
        let rows = sqlx::query("SELECT settings FROM ring_groups ORDER BY name").fetch_all(&self.0.readers).await?;
        rows.iter().map(settings_of).collect()
    }

    /// One ring group.
    pub async fn ring_group(&self, name: &str) -> Result<Option<RingGroup>, StoreError> {
        let sql = "SELECT settings FROM ring_groups WHERE name = ?1";
        let row = sqlx::query(sql).bind(name).fetch_optional(&self.0.readers).await?;
        row.as_ref().map(settings_of).transpose()
    }

    /// Adds or changes a ring group; false if there are too many.
    pub async fn put_ring_group(&self, group: &RingGroup) -> Result<bool, StoreError> {
        let sql = "INSERT INTO ring_groups (name, settings) SELECT ?1, ?2 \
            WHERE (SELECT count(*) FROM ring_groups WHERE name <> ?1) < ?3 \
            ON CONFLICT (name) DO UPDATE SET settings = ?2";
        self.put(sql, (&group.name, group), MAX_RING_GROUPS).await
    }

    /// Removes a ring group; false if there was none.
    pub async fn remove_ring_group(&self, name: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM ring_groups WHERE name = ?1").bind(name).execute(&self.0.writer).await?;
        Ok(done.rows_affected() > 0)
    }

    pub(crate) async fn put<T: Serialize>(
        &self,
        sql: &'static str,
        (name, settings): (&str, &T),
        most: usize,
    ) -> Result<bool, StoreError> {
        let settings = serde_json::to_string(settings).map_err(|_| StoreError::Damaged("settings"))?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let query = sqlx::query(sql).bind(name.to_owned()).bind(settings).bind(most);
        Ok(query.execute(&self.0.writer).await?.rows_affected() > 0)
    }
}

fn settings_of<T: DeserializeOwned>(row: &SqliteRow) -> Result<T, StoreError> {
    let text: String = row.try_get(0)?;
    serde_json::from_str(&text).map_err(|_| StoreError::Damaged("settings of a queue or an agent"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use model::{LeaveReason, Member, Overflow};

    #[tokio::test]
    async fn queues_and_agents_are_there_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Config::new(dir.path())).await.unwrap();
        let overflow_for = [(LeaveReason::Key, Overflow::Prompt("bye".to_owned()))].into();
        let sales = Queue { overflow_for, leave_key: Some('#'), ..Queue::new("sales") };
        assert!(store.put_queue(&Queue::new("sales")).await.unwrap());
        assert!(store.put_queue(&sales).await.unwrap());
        let queues = vec![Member { queue: "sales".to_owned(), penalty: 2 }];
        let ana = Agent { name: "ana".to_owned(), queues, ..Agent::default() };
        assert!(store.put_agent(&ana).await.unwrap());
        let door = RingGroup { name: "door".to_owned(), members: vec!["101".to_owned()], ..RingGroup::default() };
        assert!(store.put_ring_group(&door).await.unwrap());
        store.close().await;

        let store = Store::open(Config::new(dir.path())).await.unwrap();
        assert_eq!(store.queues().await.unwrap(), std::slice::from_ref(&sales));
        assert_eq!(store.queue("sales").await.unwrap(), Some(sales));
        assert_eq!(store.agent("ana").await.unwrap(), Some(ana.clone()));
        assert_eq!(store.agents().await.unwrap(), [ana]);
        assert_eq!(store.ring_groups().await.unwrap(), std::slice::from_ref(&door));
        assert_eq!(store.ring_group("door").await.unwrap(), Some(door));
        assert!(store.remove_ring_group("door").await.unwrap() && !store.remove_ring_group("door").await.unwrap());
        assert!(store.remove_queue("sales").await.unwrap() && !store.remove_queue("sales").await.unwrap());
        assert!(store.remove_agent("ana").await.unwrap() && !store.remove_agent("ana").await.unwrap());
        assert_eq!((store.queue("sales").await.unwrap(), store.agent("ana").await.unwrap()), (None, None));
    }
}
