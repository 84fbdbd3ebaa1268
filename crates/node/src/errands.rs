//! What workers want done with what is stored: settings that phones change by dialling, messages in mailboxes. One task each; the answer goes to the worker.

use crate::recorder::archive::Archive;
use crate::routing_programs::Programs;
use crate::server::StartError;
use crate::switch::NodeSwitch;
use crate::worker::Inbox;
use api::{Recordings as _, Switch as _};
use cell::{Brought, Errand};
use media::clip::{Clip, Kind};
use model::{Command, EventBody, SettingChange};
use std::sync::Arc;
use std::time::Duration;
use store::{Store, StoreError};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// An errand that takes longer has failed for whoever waits.
const PATIENCE: Duration = Duration::from_secs(9);

/// After this time all that was written of a file is on the disk.
const WRITTEN: Duration = Duration::from_secs(3);

/// Octets of a message that are read to be played: more than ten minutes.
const LONGEST: u64 = 16 << 20;

/// Runs errands. Clones are cheap. How many are under way is limited by [`cell::MAX_ERRANDS`] per worker.
#[derive(Clone)]
pub struct Errands {
    handle: Handle,
    inboxes: Arc<[Inbox]>,
    store: Store,
    switch: NodeSwitch,
    programs: Programs,
    archive: Archive,
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
    pub fn new(
        handle: Handle,
        inboxes: Arc<[Inbox]>,
        store: Store,
        switch: NodeSwitch,
        archive: Archive,
    ) -> Result<Self, StartError> {
        Ok(Self { handle, inboxes, store, switch, programs: Programs::new()?, archive })
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

    /// The lamps of those who own a mailbox show what waits for them.
    async fn tell_lamps(&self, mailbox: &str) -> Result<(), StoreError> {
        let Some(mailbox) = self.store.mailbox(mailbox).await? else { return Ok(()) };
        for extension in mailbox.extensions {
            let (new, old) = self.store.voicemail_counts(&extension).await?;
            // One that is gone has no lamp.
            drop(self.switch.command(Command::SetMessages { extension, new, old }).await);
        }
        Ok(())
    }

    /// A message as it can be played; whatever it has become since it was written.
    async fn sound_of(&self, path: &str) -> Option<Arc<Clip>> {
        let found = self.archive.find(path).await.ok()?;
        let octets = found.octets().min(LONGEST);
        let data = found.read(0..octets).await.ok()?;
        let decode = move || Clip::decode(Kind::sniff(&data)?, &data).ok();
        tokio::task::spawn_blocking(decode).await.ok().flatten().map(Arc::new)
    }

    async fn done(&self, errand: Errand) -> Result<Option<Brought>, StoreError> {
        match errand {
            Errand::Messages { mailbox } => Ok(Some(Brought::Messages(self.store.voicemails(&mailbox).await?))),
            Errand::KeepVoicemail(message) => {
                self.store.keep_voicemail(&message).await?;
                self.tell_lamps(&message.mailbox).await?;
                Ok(Some(Brought::Done))
            }
            Errand::MarkVoicemail { mailbox, id } => {
                self.store.mark_voicemail(&mailbox, id, true).await?;
                self.tell_lamps(&mailbox).await?;
                Ok(Some(Brought::Done))
            }
            Errand::RemoveVoicemail { mailbox, id } => {
                let message = self.store.voicemail(&mailbox, id).await?;
                self.store.remove_voicemail(&mailbox, id).await?;
                if let Some(message) = message {
                    self.archive.remove(&message.path).await;
                }
                self.tell_lamps(&mailbox).await?;
                Ok(Some(Brought::Done))
            }
            Errand::HearVoicemail { path } => Ok(self.sound_of(&path).await.map(|clip| Brought::Sound([clip].into()))),
            Errand::Discard { path } => {
                // Its last page may still be on its way to the disk.
                tokio::time::sleep(WRITTEN).await;
                self.archive.remove(&path).await;
                Ok(Some(Brought::Done))
            }
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
