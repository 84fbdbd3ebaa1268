//! The database.
use crate::{Config, StoreError};

/// Everything that is kept in SQL. Clones share it.
#[derive(Clone)]
pub struct Store;

impl Store {
    /// Opens the store in its folder, makes what is missing and brings the database up to date.
    pub async fn open(config: Config) -> Result<Self, StoreError> { let _ = config; todo!() }
    /// The digest realm, fixed when the store was made.
    pub fn realm(&self) -> &str { todo!() }
    /// The key that signs tokens, made with the store.
    pub fn jwt_key(&self) -> &[u8; 32] { todo!() }
    /// This installation's id, a UUID made with the store.
    pub fn instance_id(&self) -> &str { todo!() }
    /// A setting.
    pub async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> { let _ = key; todo!() }
    /// Sets a setting.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> { let _ = (key, value); todo!() }
    /// Does the database answer? For health checks.
    pub async fn ping(&self) -> Result<(), StoreError> { todo!() }
    /// Closes all connections, after the WAL went into the database.
    pub async fn close(&self) { todo!() }
}
