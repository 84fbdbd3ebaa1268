//! Calls that an API wants placed: an extension's own phone is called first, then the number, by the extension's rights.

use crate::cell::Cell;
use crate::conversation::Conversation;
use crate::io::Body;
use crate::serving::Service;
use crate::signalling::MAX_NUMBER;
use call::{Call, Input, Party, PartyKind, Setup};
use model::{CallId, Originate, Outcome, Refusal, Reply};
use route::{Decision, Source};
use std::time::{Duration, Instant};
use tracing::info;

/// Where a call goes when the extension's phone has answered.
pub(crate) enum Wished {
    /// To the number.
    Number,
    /// To what the switch itself has for it; the number is only shown.
    Elsewhere(Service),
}

/// What was wished of a call beyond who and where to.
#[derive(Clone, Debug)]
pub(crate) struct Originated {
    /// How long the caller's own phone may ring.
    ring: Option<Duration>,
    /// That phone is asked to answer by itself.
    pub(crate) auto_answer: bool,
    /// What the called party is shown.
    pub(crate) shown: Option<String>,
    /// Tones and voices are listened to.
    pub(crate) call_progress: bool,
    /// By this trunk and no other.
    pub(crate) trunk: Option<String>,
}

impl Cell {
    /// As home of the extension: its phone is called now.
    pub(crate) fn originate(&mut self, wish: Originate, now: Instant) -> Result<Reply, Refusal> {
        self.originate_for(wish, Wished::Number, now)
    }

    /// Places a call for a number, or for what this cell has for the extension, whose home then may be another.
    pub(crate) fn originate_for(&mut self, wish: Originate, to_what: Wished, now: Instant) -> Result<Reply, Refusal> {
        let Originate { extension, to, ring_seconds, shown, trunk, only_routed, auto_answer, call_progress, variables } =
            wish;
        let known = self.directory.extension(&extension).ok_or(Refusal::NoSuchExtension)?;
        let (rights, outside) = (known.rights, known.outside_number.clone());
        let caller = Party { number: extension, name: known.name.clone(), kind: PartyKind::Extension };
        if ![Some(&to), shown.as_ref()].into_iter().flatten().all(|number| is_dialable(number)) {
            return Err(Refusal::BadNumber);
        }
        if trunk.as_ref().is_some_and(|name| self.directory.trunk(name).is_none()) {
            return Err(Refusal::NoSuchTrunk);
        }
        if self.draining {
            return Err(Refusal::ShuttingDown);
        }
        if self.conversations.len() >= self.config.policy.max_calls {
            return Err(Refusal::Overloaded);
        }
        let here = matches!(to_what, Wished::Number);
        let asleep = !self.registrar.sleeping(&caller.number, now).is_empty();
        if here && !self.is_registered(&caller.number, now) && !asleep {
            return Err(Refusal::NotRegistered);
        }
        if only_routed && matches!(to_what, Wished::Number) {
            let from = Source::Extension { number: &caller.number, outside: &outside, rights, on_behalf: None };
            let at = self.config.wall.at(now);
            if let Decision::Refused { .. } = self.directory.find(&to, from, at, &mut self.entropy) {
                return Err(Refusal::NoRoute);
            }
        }
        let id = CallId::new(self.config.cell, &mut self.entropy);
        let policy = self.call_policy();
        let setup = Setup { id, caller, dialled: to, wall: self.config.wall, policy, variables };
        let mut conversation = Conversation::new(Call::originate(setup, now));
        let ring = ring_seconds.map(|seconds| Duration::from_secs(seconds.into()));
        conversation.originated = Some(Originated { ring, auto_answer, call_progress, shown, trunk });
        if let Wished::Elsewhere(service) = to_what {
            conversation.service = Some(service);
        }
        info!(call = %id, "call started by command");
        self.conversations.insert(id, conversation);
        self.live(now);
        self.carry_out(id, now);
        Ok(Reply::Call { id })
    }

    /// Asks the extension's home, which also counts the call, where its phones are.
    pub(crate) fn summon(&mut self, id: CallId, number: String, now: Instant) {
        let Some(extension) = self.directory.extension(&number) else {
            return self.facts.push_back((id, Input::Nowhere(Outcome::Unallocated)));
        };
        let usual = Duration::from_secs(extension.ring_seconds.into());
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.record = false;
        conversation.ring = conversation.originated.as_ref().and_then(|wish| wish.ring).unwrap_or(usual);
        conversation.destination = Some(number.clone());
        self.send_home(&number.clone(), Body::Locate { call: id, number }, now);
    }
}

/// Something that a phone could dial, and that breaks out of no header.
fn is_dialable(number: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'*' | b'#' | b'-');
    (1..=MAX_NUMBER).contains(&number.len()) && number.bytes().all(fits)
}
