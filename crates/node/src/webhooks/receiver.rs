//! One webhook: what it has not taken yet is tried until it is, or too old.
//!
//! Deliveries begin in order, a few at a time; one that fails is tried again later, while others pass it. A receiver that takes
//! nothing at all is asked more and more seldom, with one delivery at a time.

use super::post::{Poster, Refused};
use super::{AGAIN, Settings, unix_ms};
use api::EventBus;
use model::{Event, EventBody};
use std::time::Duration;
use stdx::Entropy;
use store::{Delivery, Store, Tried, Webhook};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

/// How many are under way at one time.
const AT_ONCE: u32 = 8;

/// After so many failures without a success the receiver counts as dead.
const TROUBLED: u32 = 16;

/// The longest distance of two tries: of one delivery, and of a dead receiver.
const LONGEST: Duration = Duration::from_secs(600);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Nothing is due: look again after this at the latest.
const IDLE: Duration = Duration::from_secs(60);

/// The most events of given-up deliveries at one time.
const MANY_DEAD: usize = 100;

/// Tells a webhook everything that it is to be told, for as long as it is not stopped.
pub(super) async fn serve(store: Store, bus: EventBus, poster: Poster, hook: Webhook, settings: Settings) {
    let mut seed = [0; 32];
    if getrandom::fill(&mut seed).is_err() {
        debug!("no randomness: all receivers are asked in step");
    }
    let mut receiver = Receiver { store, bus, poster, hook, settings, entropy: Entropy::from_seed(seed), failures: 0 };
    loop {
        if let Err(error) = receiver.round().await {
            debug!(%error, webhook = receiver.hook.id, "deliveries wait: the database does not answer");
            sleep(AGAIN).await;
        }
    }
}

struct Receiver {
    store: Store,
    bus: EventBus,
    poster: Poster,
    hook: Webhook,
    settings: Settings,
    entropy: Entropy,
    /// In a row.
    failures: u32,
}

impl Receiver {
    /// Waits until something is due, and tries it.
    async fn round(&mut self) -> Result<(), store::StoreError> {
        let id = self.hook.id;
        let store = self.store.clone();
        let news = store.delivery_news();
        tokio::pin!(news);
        // From here on nothing new is missed.
        news.as_mut().enable();
        let width = if self.failures >= TROUBLED { 1 } else { AT_ONCE };
        let due = store.due_deliveries(id, unix_ms(), width).await?;
        if due.is_empty() {
            let wait = match store.next_delivery(id).await? {
                Some(at) => Duration::from_millis(at.saturating_sub(unix_ms()) + 1).min(IDLE),
                None => IDLE,
            };
            // New, or due: either is looked for.
            drop(timeout(wait, news).await);
            return Ok(());
        }
        let tried = self.try_all(due).await;
        while let Err(error) = store.settle_deliveries(&tried).await {
            // Told and not noted: better wait here than tell it again and again.
            debug!(%error, webhook = id, "what a receiver took cannot be noted yet");
            sleep(AGAIN).await;
        }
        let given_up: Vec<i64> =
            tried.iter().filter(|(_, what)| matches!(what, Tried::Dead(_))).map(|(id, _)| *id).collect();
        self.tell(&given_up);
        if self.failures > 0 {
            let before = unix_ms().saturating_sub(self.settings.give_up.as_millis() as u64);
            let expired = store.expire_deliveries(id, before).await?;
            self.tell(&expired);
        }
        if self.failures >= TROUBLED {
            sleep(self.pause()).await;
        }
        Ok(())
    }

    async fn try_all(&mut self, due: Vec<Delivery>) -> Vec<(i64, Tried)> {
        let mut under_way = JoinSet::new();
        let mut tried = Vec::with_capacity(due.len());
        for delivery in due {
            let Some(body) = api::delivery_body(&delivery) else {
                tried.push((delivery.id, Tried::Dead("the call's record is gone".to_owned())));
                continue;
            };
            let (poster, hook) = (self.poster.clone(), self.hook.clone());
            under_way.spawn(async move {
                let result = poster.post(&hook, delivery.id, body).await;
                (delivery, result)
            });
        }
        while let Some(done) = under_way.join_next().await {
            // One that panicked is due still.
            let Ok((delivery, result)) = done else { continue };
            tried.push((delivery.id, self.judge(&delivery, result)));
        }
        tried
    }

    fn judge(&mut self, delivery: &Delivery, result: Result<(), Refused>) -> Tried {
        let id = self.hook.id;
        match result {
            Ok(()) => {
                if self.failures >= TROUBLED {
                    info!(webhook = id, "a receiver takes events again");
                }
                self.failures = 0;
                Tried::Taken
            }
            Err(Refused { why, for_good }) => {
                self.failures += 1;
                if self.failures == TROUBLED {
                    warn!(webhook = id, why, "a receiver does not take events; it is asked more seldom");
                }
                let age = Duration::from_millis(unix_ms().saturating_sub(delivery.created_at));
                if for_good || age >= self.settings.give_up {
                    return Tried::Dead(why);
                }
                let wait = (self.settings.retry * 2u32.saturating_pow(delivery.tries.min(16))).min(LONGEST);
                Tried::Again(unix_ms() + self.jittered(wait).as_millis() as u64, why)
            }
        }
    }

    /// How long a dead receiver is left alone.
    fn pause(&mut self) -> Duration {
        let more = (self.failures - TROUBLED).min(10);
        let pause = (self.settings.retry * 2u32.pow(more)).min(LONGEST_PAUSE);
        self.jittered(pause)
    }

    /// From three quarters to five quarters of it, so that receivers behind one proxy are not asked all at once.
    fn jittered(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(0.75 + self.entropy.below(500) as f64 / 1000.0)
    }

    fn tell(&self, given_up: &[i64]) {
        if given_up.len() > MANY_DEAD {
            warn!(webhook = self.hook.id, deliveries = given_up.len(), "deliveries were given up");
        }
        for delivery in given_up.iter().take(MANY_DEAD) {
            let body = EventBody::WebhookFailed { webhook: self.hook.id, delivery: *delivery };
            self.bus.put(Event { at: unix_ms(), body });
        }
    }
}
