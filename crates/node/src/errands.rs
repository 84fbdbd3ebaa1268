//! What workers want done with what is stored: settings that phones change by dialling. One task each; the answer goes to the worker.

use crate::routing_programs::Programs;
use crate::server::StartError;
use crate::switch::NodeSwitch;
use crate::worker::Inbox;
use api::Switch as _;
use cell::{Brought, Errand};
use model::{Command, EventBody, SettingChange};
use std::sync::Arc;
use std::time::Duration;
use store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// An errand that takes longer has failed for whoever waits.
const PATIENCE: Duration = Duration::from_secs(9);

/// Runs errands. Clones are cheap. How many are under way is limited by [`cell::MAX_ERRANDS`] per worker.
#[derive(Clone)]
pub struct Errands {
    handle: Handle,
    inboxes: Arc<[Inbox]>,
    store: Store,
    switch: NodeSwitch,
    programs: Programs,
}

impl std::fmt::Debug for Errands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Errands").finish_non_exhaustive()
    }
}

impl Errands {
    /// On the runtime of this handle.
    ///
    /// # Errors
    ///
    /// The client that asks programs cannot be made.
    pub fn new(handle: Handle, inboxes: Arc<[Inbox]>, store: Store, switch: NodeSwitch) -> Result<Self, StartError> {
        Ok(Self { handle, inboxes, store, switch, programs: Programs::new()? })
    }

    /// Runs an errand for a worker.
    pub fn run(&self, worker: u16, ticket: u64, errand: Errand) {
        let this = self.clone();
        self.handle.spawn(async move {
            let result = match timeout(PATIENCE, this.done(errand)).await {
                Ok(Ok(brought)) => brought,
                Ok(Err(cause)) => {
                    tracing::error!(%cause, "what a phone wished could not be stored");
                    None
                }
                Err(_) => None,
            };
            if let Some(inbox) = this.inboxes.get(usize::from(worker)) {
                inbox.put_errand(ticket, result);
            }
        });
    }

    async fn done(&self, errand: Errand) -> Result<Option<Brought>, StoreError> {
        match errand {
            Errand::ChangeExtension { number, wish } => {
                let Some(extension) = self.store.change_extension(&number, wish).await? else { return Ok(None) };
                if self.switch.command(Command::PutExtension(Box::new(extension))).await.is_err() {
                    return Ok(None);
                }
                tracing::info!("an extension was changed by its own phone");
                let object = "extension".to_owned();
                self.switch.announce(EventBody::SettingsChanged { object, id: number, change: SettingChange::Changed });
                Ok(Some(Brought::Done))
            }
            Errand::AskProgram { url, wait, question } => {
                Ok(self.programs.ask(&url, wait, question).await.map(Brought::Said))
            }
        }
    }
}
