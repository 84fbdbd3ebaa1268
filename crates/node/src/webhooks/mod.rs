//! Telling programs by HTTP what happened: each webhook gets its events, at least once.
//!
//! Everything goes through the outbox in the store. A call's record is put there in the transaction that stores it, so none is
//! lost to `kill -9`; other events are put there as they come from the bus, and the last moment before a crash may be missing.
//! Each webhook has a task of its own: a receiver that is slow, dead or mad costs nobody else anything.

mod post;
mod receiver;

pub(crate) use post::{check, client, is_reachable};

use crate::config;
use crate::server::StartError;
use api::{EventBus, EventReader, Next, Told};
use model::EventBody;
use post::Poster;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::{NewDelivery, Store, StoreError, Webhook};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::warn;

/// Events that are put into the outbox at once.
const MANY: usize = 256;

/// A store that does not answer is asked again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// How webhooks are told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Receivers may be at private addresses, and on this host.
    pub private: bool,
    /// A receiver answers within this.
    pub patience: Duration,
    /// What a receiver has not taken for so long is given up.
    pub give_up: Duration,
    /// How long after the first failure it is tried again; twice as long each further time.
    pub retry: Duration,
}

impl Settings {
    /// Those of the configuration.
    pub fn of(config: &config::Webhooks) -> Self {
        let give_up = Duration::from_secs(u64::from(config.give_up_hours) * 3600);
        Self { private: config.private, patience: config.timeout, give_up, retry: Duration::from_secs(1) }
    }
}

type Hooks = Arc<Vec<Webhook>>;

/// Begins to tell, on the current runtime, what happens from now on and what an earlier run had left.
pub fn start(store: Store, bus: &EventBus, settings: Settings) -> Result<(), StartError> {
    let poster = Poster::new(settings)?;
    let (to, hooks) = watch::channel(Hooks::default());
    tokio::spawn(collect(store.clone(), bus.reader(), hooks));
    tokio::spawn(manage(store, bus.clone(), poster, settings, to));
    Ok(())
}

/// Keeps one task for each active webhook, and everybody told of which there are.
async fn manage(store: Store, bus: EventBus, poster: Poster, settings: Settings, to: watch::Sender<Hooks>) {
    let mut running: BTreeMap<i64, (Webhook, JoinHandle<()>)> = BTreeMap::new();
    loop {
        let changed = store.webhook_changes();
        tokio::pin!(changed);
        // From here on no change is missed.
        changed.as_mut().enable();
        let hooks = match store.webhooks().await {
            Ok(hooks) => hooks,
            Err(error) => {
                if matches!(error, StoreError::Damaged(_)) {
                    tracing::error!(%error, "webhooks");
                }
                sleep(AGAIN).await;
                continue;
            }
        };
        running.retain(|_, (known, task)| {
            let stays = known.active && hooks.contains(known) && !task.is_finished();
            if !stays {
                // What was under way may have arrived: it is told again, under the same number.
                task.abort();
            }
            stays
        });
        for hook in hooks.iter().filter(|hook| hook.active) {
            running.entry(hook.id).or_insert_with(|| {
                let (store, bus, poster) = (store.clone(), bus.clone(), poster.clone());
                (hook.clone(), tokio::spawn(receiver::serve(store, bus, poster, hook.clone(), settings)))
            });
        }
        to.send_replace(Arc::new(hooks));
        changed.await;
    }
}

/// Puts events into the outbox.
async fn collect(store: Store, mut reader: EventReader, hooks: watch::Receiver<Hooks>) {
    let mut batch = Vec::new();
    while let Some(next) = reader.next().await {
        let hooks = Arc::clone(&hooks.borrow());
        gather(next, &hooks, &mut batch);
        while batch.len() < MANY
            && let Some(next) = reader.try_next()
        {
            gather(next, &hooks, &mut batch);
        }
        while !batch.is_empty() {
            match store.put_deliveries(&batch).await {
                Ok(refused) => {
                    if refused > 0 {
                        warn!(refused, "a webhook has too many events waiting: newer ones are not kept for it");
                    }
                    batch.clear();
                }
                Err(error) => {
                    // The bus keeps a while meanwhile.
                    warn!(%error, "events for webhooks wait: the database does not take them");
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

fn gather(next: Next, hooks: &[Webhook], batch: &mut Vec<NewDelivery>) {
    match next {
        Next::Event(told) => {
            for hook in hooks.iter().filter(|hook| hook.wants(told.body.kind()) && may_hear(hook, &told)) {
                let body = told.line().as_str().to_owned();
                batch.push(NewDelivery { webhook: hook.id, kind: told.body.kind(), at: told.at, body });
            }
        }
        Next::Gap(gap) => warn!(?gap, "events were missed; webhooks are not told of them"),
    }
}

/// Records have a way of their own; and no receiver is told that it was not told.
fn may_hear(hook: &Webhook, told: &Told) -> bool {
    match &told.body {
        EventBody::CallEnded { .. } => false,
        EventBody::WebhookFailed { webhook, .. } => *webhook != hook.id,
        _ => true,
    }
}

/// The wall clock, Unix milliseconds.
fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
