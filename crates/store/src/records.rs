//! Call records.
use crate::{Store, StoreError};
use model::{CallId, CallRecord, Direction, Outcome};
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
    /// A page of records.
    pub async fn records(&self, filter: &Filter) -> Result<Page, StoreError> { let _ = filter; todo!() }
    /// One record.
    pub async fn record(&self, call: CallId) -> Result<Option<CallRecord>, StoreError> { let _ = call; todo!() }
}
