//! Checking the signature of a caller's number (RFC 8224 §6.2).

use super::certificates::Found;
use crate::authorize::number_of;
use crate::cell::{Cell, Timer};
use crate::io::{Body, Fetched, Output};
use model::{CallId, EventBody, Outcome, StirPolicy, Verdict, Verification};
use sip_stack::message::{Message, Name, Status};
use std::time::{Duration, Instant};
use stir::{Failure, Identity, Verified, tn};
use tracing::{debug, info};

/// How long a call waits for a certificate, and then for the memory of signatures.
const PATIENCE: Duration = Duration::from_secs(2);

/// A check that waits for something.
#[derive(Debug)]
pub(crate) struct Check {
    identity: Identity,
    call: stir::Call,
    call_id: String,
    policy: StirPolicy,
    /// The signature is good, if it is used for the first time.
    good: Option<Verified>,
}

impl Cell {
    /// How long the check of a call that comes by this trunk may take.
    pub(crate) fn checking_takes(&self, trunk: Option<&str>) -> Duration {
        let checked = trunk.and_then(|name| self.directory.trunk(name)).is_some_and(|t| t.stir != StirPolicy::Off);
        if checked { 2 * PATIENCE } else { Duration::ZERO }
    }

    /// Checks a call that comes in by a trunk, if the trunk is to be checked. The call may have to wait, see [`Cell::go_on`].
    pub(crate) fn check_caller(&mut self, id: CallId, trunk: &str, request: &Message, now: Instant) {
        let policy = self.directory.trunk(trunk).map_or(StirPolicy::Off, |trunk| trunk.stir);
        if policy == StirPolicy::Off {
            return;
        }
        // Signatures about other things than the caller's number (RFC 8224 §6.2, step 1).
        let ours = |identity: &Identity| matches!(identity.ppt(), None | Some("shaken"));
        let mut read = request.headers(Name::Identity).map(Identity::parse).peekable();
        let missing = read.peek().is_none();
        let junk = read.clone().all(|identity| identity.is_none());
        let Some(identity) = read.flatten().find(ours) else {
            let failure = if junk && !missing { Failure::Invalid } else { Failure::Missing };
            return self.judged(id, policy, &Err(failure));
        };
        let url = identity.info().to_owned();
        let check = Check { identity, call: self.signed_about(request), call_id: call_id(request), policy, good: None };
        match self.attest.certificates.find(&url, id, now) {
            Found::Chain(chain) => self.judge(id, check, &chain, now),
            Found::Nothing => self.judged(id, policy, &Err(Failure::NoCertificate)),
            Found::Waiting => self.wait(id, check, now),
            Found::Ask(ticket) => {
                self.wait(id, check, now);
                self.out.push_back(Output::Fetch { ticket, url });
            }
        }
    }

    /// What a signature has to be about: who calls, as the header says that SHAKEN signs (ATIS-1000074 §5.2.1), and To.
    fn signed_about(&self, request: &Message) -> stir::Call {
        let country = &self.config.numbers.country_code;
        let from = || request.from().map(|from| number_of(&from.uri)).unwrap_or_default();
        let orig = crate::identity::asserted(request).map_or_else(from, |(number, _)| number);
        let dest = request.to().map(|to| number_of(&to.uri)).unwrap_or_default();
        let date = request.header(Name::Date).and_then(super::date::read);
        stir::Call { orig: tn(&orig, country), dest: tn(&dest, country), date }
    }

    fn wait(&mut self, id: CallId, check: Check, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.awaited += 1;
        conversation.check = Some(Box::new(check));
        self.timers.set(Timer::Check(id), now + PATIENCE);
    }

    /// The shell has fetched a certificate, or could not.
    pub(crate) fn fetched(&mut self, ticket: u64, result: Option<Fetched>, now: Instant) {
        let (calls, chain) = self.attest.certificates.fetched(ticket, result, now);
        if chain.is_none() && !calls.is_empty() {
            info!("the certificate of a signer of callers' numbers cannot be had");
        }
        for id in calls {
            let Some(check) = self.taken(id) else { continue };
            match &chain {
                Some(chain) => self.judge(id, check, chain, now),
                None => self.judged(id, check.policy, &Err(Failure::NoCertificate)),
            }
            self.go_on(id, now);
        }
    }

    /// The certificate, or the word of the cell that remembers signatures, did not come in time.
    pub(crate) fn check_late(&mut self, id: CallId, now: Instant) {
        if let Some(check) = self.taken(id) {
            self.judged(id, check.policy, &Err(Failure::NoCertificate));
            self.go_on(id, now);
        }
    }

    fn taken(&mut self, id: CallId) -> Option<Check> {
        self.timers.cancel(&Timer::Check(id));
        self.conversations.get_mut(&id)?.check.take().map(|check| *check)
    }

    fn judge(&mut self, id: CallId, check: Check, chain: &stir::Chain, now: Instant) {
        let seconds = self.config.wall.at(now) / 1000;
        match stir::verify(&check.identity, &check.call, chain, &self.config.stir.roots, seconds) {
            Ok(verified) => self.ask_memory(id, Check { good: Some(verified), ..check }, now),
            Err(failure) => self.judged(id, check.policy, &Err(failure)),
        }
    }

    /// A good signature must not have been used for another call; which cell knows follows from the signature.
    fn ask_memory(&mut self, id: CallId, check: Check, now: Instant) {
        let mark = check.identity.mark();
        let to = (mark % u128::from(self.config.cells.max(1))) as u16;
        if to == self.config.cell {
            let new = self.note_signature(mark, &check.call_id, now);
            return self.remembered(id, check, new);
        }
        self.send(to, Body::Signed { call: id, mark, call_id: check.call_id.clone() });
        self.wait(id, check, now);
    }

    /// Whether a signature that was found good is used for the first time, or again for the same call.
    pub(crate) fn note_signature(&mut self, mark: u128, call_id: &str, now: Instant) -> bool {
        self.attest.replays.note(mark, call_id, self.config.wall.at(now) / 1000).is_ok()
    }

    /// The cell that remembers signatures has answered.
    pub(crate) fn on_signature(&mut self, id: CallId, new: bool, now: Instant) {
        if let Some(check) = self.taken(id) {
            self.remembered(id, check, new);
            self.go_on(id, now);
        }
    }

    fn remembered(&mut self, id: CallId, check: Check, new: bool) {
        let result = check.good.filter(|_| new).ok_or(Failure::Replayed);
        self.judged(id, check.policy, &result);
    }

    /// Tells those who watch what the check came to.
    pub(crate) fn tell_verification(&mut self, id: CallId, now: Instant) {
        let verification = self.conversations.get(&id).and_then(|conversation| conversation.verification.clone());
        if let Some(verification) = verification {
            self.tell(EventBody::CallerVerified { call: id, verification }, now);
        }
    }

    /// Notes what the check came to. Under [`StirPolicy::Require`] a call that does not pass it is refused.
    fn judged(&mut self, id: CallId, policy: StirPolicy, result: &Result<Verified, Failure>) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let verification = verification(result);
        debug!(call = %id, verdict = verification.verdict.name(), note = verification.note, "caller's number checked");
        if let (Err(failure), StirPolicy::Require) = (result, policy)
            && conversation.refuse.is_none()
        {
            info!(call = %id, note = verification.note, "call refused: its caller's number is not proved");
            conversation.refuse = Some(Outcome::Forbidden);
            conversation.refuse_with = Some(Status(failure.status().0));
            conversation.note = Some(verification.note.clone());
        }
        conversation.verification = Some(verification);
    }
}

fn verification(result: &Result<Verified, Failure>) -> Verification {
    match result {
        Ok(Verified { attestation, origid }) => Verification {
            verdict: Verdict::Passed,
            attestation: attestation.map(stir::Attestation::letter),
            origid: origid.clone().unwrap_or_default().chars().take(64).collect(),
            note: String::new(),
        },
        Err(failure) => {
            let (verdict, note) = match failure {
                Failure::Missing => (Verdict::Unchecked, "the caller's number is not signed"),
                Failure::NoCertificate => {
                    (Verdict::Unchecked, "the certificate of who signed the caller's number cannot be had")
                }
                Failure::Credential => (Verdict::Failed, "who signed the caller's number is not one that we believe"),
                Failure::Invalid => (Verdict::Failed, "the signature of the caller's number is wrong"),
                Failure::Stale => (Verdict::Failed, "the signature of the caller's number is not of now"),
                Failure::Replayed => {
                    (Verdict::Failed, "the signature of the caller's number was used for another call")
                }
            };
            Verification { verdict, attestation: None, origid: String::new(), note: note.to_owned() }
        }
    }
}

fn call_id(request: &Message) -> String {
    request.call_id().map(crate::signalling::text).unwrap_or_default()
}
