//! SIP ladders of the newest calls.
use crate::{Store, StoreError};
use model::CallId;

impl Store {
    /// The trace of a call, as it was given.
    pub async fn trace(&self, call: CallId) -> Result<Option<Vec<u8>>, StoreError> { let _ = call; todo!() }
}
