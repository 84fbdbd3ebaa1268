//! Questions of the workers to the domain name system, and their answers.

use crate::worker::Inbox;
use sip_stack::locate::{Failure, Question, Record};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// An answer comes within this, or is [`Failure::Unavailable`].
const PATIENCE: Duration = Duration::from_secs(10);

/// The system's resolver does not tell how long an answer holds.
const TTL: Duration = Duration::from_secs(60);

/// Asks for the workers. It knows addresses only: of NAPTR and SRV records it says that there are none.
#[derive(Clone, Debug)]
pub struct Resolver {
    handle: Handle,
    inboxes: Arc<[Inbox]>,
}

impl Resolver {
    /// Over the runtime of the caller.
    pub fn new(handle: Handle, inboxes: Arc<[Inbox]>) -> Self {
        Self { handle, inboxes }
    }

    /// Asks; the answer goes to the worker's inbox. How many are under way is limited by [`cell::MAX_QUESTIONS`] per worker.
    pub fn ask(&self, worker: u16, ticket: u64, question: Question) {
        let this = self.clone();
        self.handle.spawn(async move {
            let answers = tokio::time::timeout(PATIENCE, answer(question)).await.unwrap_or(Err(Failure::Unavailable));
            if let Some(inbox) = this.inboxes.get(usize::from(worker)) {
                inbox.put_resolved(ticket, answers);
            }
        });
    }
}

async fn answer(question: Question) -> Result<Vec<Record>, Failure> {
    match question {
        Question::Naptr(_) | Question::Srv(_) => Ok(Vec::new()),
        Question::Addresses(host) => match tokio::net::lookup_host((host.as_str(), 0)).await {
            Ok(found) => Ok(found.map(|at| Record::Address { ttl: TTL, ip: at.ip() }).collect()),
            Err(_) => Err(Failure::Unavailable),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_workers_question_is_answered_in_its_inbox() {
        let inboxes: Arc<[Inbox]> = vec![Inbox::new().unwrap()].into();
        let resolver = Resolver::new(Handle::current(), Arc::clone(&inboxes));
        let questions = [Question::Addresses("localhost".into()), Question::Srv("_sip._udp.localhost".into())];
        for (ticket, question) in (1..).zip(questions) {
            resolver.ask(0, ticket, question);
        }
        let mut answers = std::collections::BTreeMap::new();
        for _ in 0..1000 {
            answers.extend(std::iter::from_fn(|| inboxes[0].take_resolved()));
            if answers.len() == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let loopback = |answer: &Record| matches!(answer, Record::Address { ip, .. } if ip.is_loopback());
        assert!(answers[&1].as_ref().is_ok_and(|found| found.iter().any(loopback)), "{answers:?}");
        assert_eq!(answers[&2], Ok(Vec::new()));
    }
}
