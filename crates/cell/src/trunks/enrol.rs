//! Our registration with a trunk: the REGISTERs that its machine wishes, from server to server until one answers.

use super::{Due, LineNo};
use crate::cell::Cell;
use model::TrunkRegistration;
use sip_stack::endpoint::{Flow, Outgoing};
use sip_stack::locate::Target;
use sip_stack::message::{Message, Method, Name, NameAddr, Uri};
use sip_stack::registration::{Answer, Register, Standing, Wish};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// The first REGISTERs of all trunks spread over this time.
const SPREAD: Duration = Duration::from_millis(500);

/// What a request of ours was about.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    /// A REGISTER to this server.
    Register { target: Target },
    /// A REGISTER that takes our contact back.
    Leave,
    /// An OPTIONS to this server, sent then.
    Options { target: Target, at: Instant },
}

/// A registration with its dialog-like identity (RFC 3261 §10.2.4: all REGISTERs of one boot share a Call-ID).
#[derive(Debug)]
pub(super) struct Enrol {
    machine: Register,
    call_id: String,
    cseq: u32,
    /// Servers that this round has not tried yet.
    left: Vec<(Target, Flow)>,
    /// How many seconds this round asks for.
    seconds: u32,
    /// The server that knows us.
    at: Option<Target>,
    /// Through which proxies our requests shall go (RFC 3608).
    pub(super) service_route: Vec<NameAddr>,
    pub(super) note: String,
}

impl Enrol {
    pub(super) fn standing(&self) -> Standing {
        self.machine.standing()
    }

    pub(super) fn shown(&self) -> TrunkRegistration {
        match self.machine.standing() {
            Standing::Registering => TrunkRegistration::Registering,
            Standing::Registered => TrunkRegistration::Registered,
            Standing::Unreachable | Standing::Left => TrunkRegistration::Unreachable,
            Standing::Refused => TrunkRegistration::Refused,
        }
    }
}

impl Cell {
    /// Begins to register, if that is wanted and has not begun.
    pub(super) fn enrol(&mut self, no: LineNo, now: Instant) {
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        let Some(seconds) = line.trunk.register_seconds else { return };
        if line.enrol.is_some() || line.trunk.account.is_none() || line.servers.is_none() || self.draining {
            return;
        }
        line.enrol = Some(Enrol {
            machine: Register::new(seconds, SPREAD, &mut self.entropy, now),
            call_id: self.entropy.token(26),
            cseq: 0,
            left: Vec::new(),
            seconds,
            at: None,
            service_route: Vec::new(),
            note: String::new(),
        });
        self.enrol_due(no, now);
    }

    pub(super) fn enrol_due(&mut self, no: LineNo, now: Instant) {
        if let Some(enrol) = self.enrol_of(no) {
            enrol.machine.handle_timeout(now);
        }
        self.go_on_enrolling(no, now);
    }

    /// A server came back. It may have forgotten us, so it is told at once where we are.
    pub(super) fn hurry(&mut self, no: LineNo, now: Instant) {
        if let Some(enrol) = self.enrol_of(no) {
            enrol.machine.hurry();
            self.go_on_enrolling(no, now);
        }
    }

    fn enrol_of(&mut self, no: LineNo) -> Option<&mut Enrol> {
        self.trunks.lines.get_mut(no)?.enrol.as_mut()
    }

    /// Does what the machine wishes, sets its timer, and tells what changed.
    fn go_on_enrolling(&mut self, no: LineNo, now: Instant) {
        while let Some(wish) = self.enrol_of(no).and_then(|enrol| enrol.machine.poll_wish()) {
            match wish {
                Wish::Register { seconds } => self.begin_round(no, seconds, now),
                Wish::Leave => self.say_goodbye(no, now),
            }
        }
        match self.enrol_of(no).and_then(|enrol| enrol.machine.poll_timeout()) {
            Some(at) => self.trunks.timers.set(Due::Enrol(no), at),
            None => self.trunks.timers.cancel(&Due::Enrol(no)),
        }
        self.tell_trunk(no, now);
    }

    fn begin_round(&mut self, no: LineNo, seconds: u32, now: Instant) {
        let mut hops = self.hops(no, now);
        let Some(enrol) = self.enrol_of(no) else { return };
        // Whoever knows us is asked first, so that not two of them have a contact of ours.
        hops.sort_by_key(|(target, _)| Some(target) != enrol.at.as_ref());
        hops.reverse();
        enrol.left = hops;
        enrol.seconds = seconds;
        self.try_next(no, None, now);
    }

    /// The next server of this round; if none is left, the machine hears of it.
    fn try_next(&mut self, no: LineNo, retry_after: Option<Duration>, now: Instant) {
        let Some(enrol) = self.enrol_of(no) else { return };
        let seconds = enrol.seconds;
        let Some((target, flow)) = enrol.left.pop() else {
            return self.enrol_answer(no, Answer::Unreachable { retry_after }, "no server answers", now);
        };
        let id = self.register_request(no, flow, seconds).and_then(|request| self.sip.request(request, now).ok());
        match id {
            Some(id) => drop(self.trunks.requests.insert(id, (no, Sent::Register { target }))),
            None => self.enrol_answer(no, Answer::Unreachable { retry_after: None }, "the switch has no room", now),
        }
    }

    fn register_request(&mut self, no: LineNo, flow: Flow, seconds: u32) -> Option<Outgoing> {
        let line = self.trunks.lines.get_mut(no)?;
        let (account, domain) = (line.trunk.account.clone()?, line.domain()?);
        let registrar = Uri::from_slice(format!("sip:{domain}").as_bytes()).ok()?;
        let aor = Uri::from_slice(format!("sip:{}@{domain}", account.username).as_bytes()).ok()?;
        let route = line.proxy_route();
        let enrol = line.enrol.as_mut()?;
        enrol.cseq += 1;
        let mut request =
            Outgoing::new(flow, Method::Register, registrar, NameAddr::new(aor.clone()), NameAddr::new(aor));
        request.contact_user = Some(account.username);
        request.headers =
            vec![("Expires".to_owned(), seconds.to_string().into_bytes()), ("Supported".to_owned(), b"path".to_vec())];
        request.route = route.into_iter().collect();
        request.call_id = Some(enrol.call_id.clone());
        request.cseq = Some(enrol.cseq);
        request.credentials.clone_from(&line.credentials);
        Some(request)
    }

    /// The answer of one server to a REGISTER; `None`: it did not answer.
    pub(super) fn enrolled(&mut self, no: LineNo, target: &Target, message: Option<&Message>, now: Instant) {
        let Some(message) = message else {
            self.hop_failed(no, target, None, now);
            return self.try_next(no, None, now);
        };
        let status = message.status().map_or(0, |status| status.0);
        let retry_after = message.retry_after().ok().flatten().map(|s| Duration::from_secs(s.into()));
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        let user = line.trunk.account.as_ref().map(|account| account.username.clone()).unwrap_or_default();
        let Some(enrol) = line.enrol.as_mut() else { return };
        // Each challenge that was answered took a number.
        enrol.cseq = enrol.cseq.max(message.cseq().map_or(0, |(seq, _)| seq));
        match status {
            200..=299 => {
                enrol.at = Some(target.clone());
                enrol.service_route = message.addrs(Name::ServiceRoute).filter_map(Result::ok).take(8).collect();
                let seconds = granted(message, &user).unwrap_or(enrol.seconds);
                self.hop_works(no, target, now);
                self.enrol_answer(no, Answer::Granted { seconds }, "", now);
            }
            423 => {
                let seconds = message.min_expires().ok().flatten().unwrap_or(0);
                self.enrol_answer(no, Answer::TooBrief { seconds }, "it wants longer registrations than it says", now);
            }
            503 => {
                self.hop_failed(no, target, retry_after, now);
                self.try_next(no, retry_after, now);
            }
            408 | 480 | 500..=599 => {
                self.enrol_answer(no, Answer::Unreachable { retry_after }, &format!("it answers {status}"), now);
            }
            _ => self.enrol_answer(no, Answer::Refused, &format!("it answers {status}"), now),
        }
    }

    fn enrol_answer(&mut self, no: LineNo, answer: Answer, note: &str, now: Instant) {
        let Some(line) = self.trunks.lines.get_mut(no) else { return };
        let Some(enrol) = line.enrol.as_mut() else { return };
        let before = enrol.standing();
        enrol.machine.handle_answer(answer, &mut self.entropy, now);
        enrol.note = if enrol.standing() == Standing::Registered { String::new() } else { note.to_owned() };
        if enrol.standing() != before {
            match enrol.standing() {
                Standing::Registered => info!(trunk = line.trunk.name, "registered with the trunk"),
                Standing::Registering | Standing::Left => {}
                Standing::Unreachable | Standing::Refused => {
                    warn!(trunk = line.trunk.name, reason = note, "not registered with the trunk");
                }
            }
        }
        self.go_on_enrolling(no, now);
    }

    pub(super) fn leave_trunk(&mut self, no: LineNo, now: Instant) {
        if let Some(enrol) = self.enrol_of(no) {
            enrol.machine.leave();
            self.go_on_enrolling(no, now);
        }
    }

    fn say_goodbye(&mut self, no: LineNo, now: Instant) {
        let at = self.enrol_of(no).and_then(|enrol| enrol.at.clone());
        let Some(flow) = at.and_then(|target| self.trunks.lines.get(no)?.flow_to(&self.config.locals, &target)) else {
            return;
        };
        let id = self.register_request(no, flow, 0).and_then(|request| self.sip.request(request, now).ok());
        if let Some(id) = id {
            self.trunks.requests.insert(id, (no, Sent::Leave));
        }
    }
}

/// How long our contact is bound, as the registrar says: at the contact, or for all (RFC 3261 §10.2.4).
fn granted(message: &Message, user: &str) -> Option<u32> {
    let contacts: Vec<NameAddr> = message.contacts().filter_map(Result::ok).take(32).collect();
    let ours = contacts.iter().filter(|contact| contact.uri.user() == Some(user.as_bytes()));
    let at_contact = ours.filter_map(NameAddr::expires).max();
    at_contact.or_else(|| message.expires().ok().flatten())
}
