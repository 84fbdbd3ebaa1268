//! What survives: SQL for records and settings, a log-structured store for hot state.
//!
//! [`Store`] is the slow, complete truth: extensions, users, call records, settings, in SQLite; the ladders of calls in files beside it. [`Hot`] is the
//! fast one: what must outlive `kill -9` and cannot wait for SQL. [`RecordWriter`] carries finished calls from the
//! one to the other, each exactly once.

mod audit;
mod config;
mod deliveries;
mod error;
mod extensions;
mod hot;
mod ladders;
mod queues;
mod record_writer;
mod records;
mod reports;
mod routing;
mod secrets;
mod sql;
mod throttle;
mod users;
mod voicemail;
mod webhooks;

pub use audit::{AuditEntry, AuditFilter, MAX_AUDIT_PAGE};
pub use config::Config;
pub use deliveries::{Delivery, MAX_DEAD_PAGE, NewDelivery, Tried};
pub use error::{HotError, LoginRefusal, StoreError};
pub use extensions::{Imported, NewExtension, Put, ha1, valid_number};
pub use hot::{Batch, Hot, HotEntry, HotSync};
pub use ladders::Ladders;
pub use record_writer::{Kept, RecordWriter, WriterFigures};
pub use records::{Filter, MAX_PAGE, Page};
pub use reports::{AgentCounts, QueueCounts, Report};
pub use routing::StoredRouting;
pub use sql::Store;
pub use users::{Account, NewUser, md5_hex};
pub use webhooks::{MAX_WEBHOOKS, Webhook, webhook_secret};
