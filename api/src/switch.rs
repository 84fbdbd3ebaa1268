//! What every API asks of the switch.

use model::{Answer, Command, Event, Query, Refusal, Reply};
use std::future::Future;
use tokio::sync::broadcast;

/// The switch as APIs see it. The program implements it over its cells' inboxes; tests implement it over a list.
pub trait Switch: Clone + Send + Sync + 'static {
    /// Does what is asked, or says why not. Answers within seconds, with [`Refusal::Overloaded`] rather than late.
    fn command(&self, command: Command) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// Answers a question, gathered from all cells.
    fn query(&self, query: Query) -> impl Future<Output = Result<Answer, Refusal>> + Send;

    /// What happens from now on. Bounded: who reads too slowly is told how many events it missed.
    fn subscribe(&self) -> broadcast::Receiver<Event>;
}
