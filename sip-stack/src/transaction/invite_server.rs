//! Server side of an INVITE: RFC 3261 §17.2.1 with `Accepted` from RFC 6026 §7.1.

use std::time::Duration;

use bytes::Bytes;

use super::{Class, Effects, Outcome, Timer, Timing};

/// The machine. It is born when the INVITE arrives; its user sends 100 Trying as the first response.
#[derive(Debug)]
pub(crate) struct InviteServer {
    state: State,
}

#[derive(Debug)]
enum State {
    /// No final response yet.
    Proceeding { last: Option<Bytes> },
    /// 300–699 sent, not acknowledged.
    Completed { last: Bytes, resend_in: Duration },
    /// Acknowledged; late repetitions of the ACK are swallowed.
    Confirmed,
    /// 2xx sent. The user repeats it; the machine swallows repetitions of the INVITE.
    Accepted,
}

impl InviteServer {
    pub(crate) fn new() -> Self {
        Self { state: State::Proceeding { last: None } }
    }

    /// True while a final response may still be given.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Proceeding { .. })
    }

    /// The INVITE came again.
    pub(crate) fn on_repetition(&mut self, out: &mut Effects) {
        match &self.state {
            State::Proceeding { last: Some(last) } | State::Completed { last, .. } => out.resend(last),
            State::Proceeding { last: None } | State::Confirmed | State::Accepted => {}
        }
    }

    /// An ACK that belongs to this transaction. One for a 2xx has a branch of its own, but old clients reuse the INVITE's.
    pub(crate) fn on_ack(&mut self, timing: &Timing, out: &mut Effects) {
        match self.state {
            State::Completed { .. } => {
                out.cancel(Timer::G);
                out.cancel(Timer::H);
                out.set(Timer::I, timing.linger());
                self.state = State::Confirmed;
            }
            State::Accepted => out.deliver(),
            State::Proceeding { .. } | State::Confirmed => {}
        }
    }

    /// Our user responds. A 2xx in `Accepted` is its repetition.
    pub(crate) fn respond(&mut self, class: Class, response: Bytes, timing: &Timing, out: &mut Effects) {
        match (&mut self.state, class) {
            (State::Proceeding { last }, Class::Provisional) => {
                *last = Some(response.clone());
                out.send(response);
            }
            (State::Proceeding { .. }, Class::Success) => {
                out.send(response);
                out.set(Timer::L, timing.patience());
                self.state = State::Accepted;
            }
            (State::Proceeding { .. }, Class::Failure) => {
                out.send(response.clone());
                if !timing.reliable {
                    out.set(Timer::G, timing.t1);
                }
                out.set(Timer::H, timing.patience());
                self.state = State::Completed { last: response, resend_in: timing.t1 };
            }
            (State::Accepted, Class::Success) => out.resend(&response),
            // Too late: the final response is given.
            (State::Accepted, Class::Provisional | Class::Failure)
            | (State::Completed { .. } | State::Confirmed, _) => {}
        }
    }

    /// A timer ran out.
    pub(crate) fn on_timer(&mut self, timer: Timer, timing: &Timing, out: &mut Effects) {
        match (&mut self.state, timer) {
            (State::Completed { last, resend_in }, Timer::G) => {
                *resend_in = (*resend_in * 2).min(timing.t2);
                out.resend(last);
                out.set(Timer::G, *resend_in);
            }
            (State::Completed { .. }, Timer::H) => out.finish(Outcome::NoAck),
            (State::Confirmed, Timer::I) | (State::Accepted, Timer::L) => out.finish(Outcome::Done),
            // A timer that lost its race with a message.
            (State::Proceeding { .. } | State::Completed { .. } | State::Confirmed | State::Accepted, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Effect, Effect::*};
    use super::*;

    const STATES: [&str; 5] = ["new", "proceeding", "completed", "confirmed", "accepted"];

    fn machine(state: &str) -> InviteServer {
        let state = match state {
            "new" => State::Proceeding { last: None },
            "proceeding" => State::Proceeding { last: Some(bytes("180")) },
            "completed" => State::Completed { last: bytes("486"), resend_in: ms(500) },
            "confirmed" => State::Confirmed,
            _ => State::Accepted,
        };
        InviteServer { state }
    }

    fn name(machine: &InviteServer) -> &'static str {
        match machine.state {
            State::Proceeding { last: None } => "new",
            State::Proceeding { .. } => "proceeding",
            State::Completed { .. } => "completed",
            State::Confirmed => "confirmed",
            State::Accepted => "accepted",
        }
    }

    #[track_caller]
    fn step(from: &str, act: impl FnOnce(&mut InviteServer, &mut Effects), to: &str, expect: &[Effect]) {
        let mut m = machine(from);
        assert_eq!(effects(|out| act(&mut m, out)), expect, "from {from}");
        assert_eq!(name(&m), to, "from {from}");
    }

    #[test]
    fn repeated_invite() {
        step("new", |m, o| m.on_repetition(o), "new", &[]);
        step("proceeding", |m, o| m.on_repetition(o), "proceeding", &[Resend(bytes("180"))]);
        step("completed", |m, o| m.on_repetition(o), "completed", &[Resend(bytes("486"))]);
        step("confirmed", |m, o| m.on_repetition(o), "confirmed", &[]);
        step("accepted", |m, o| m.on_repetition(o), "accepted", &[]);
    }

    #[test]
    fn ack() {
        let acked = |linger| [Cancel(Timer::G), Cancel(Timer::H), Set(Timer::I, linger)];
        step("new", |m, o| m.on_ack(&UDP, o), "new", &[]);
        step("proceeding", |m, o| m.on_ack(&UDP, o), "proceeding", &[]);
        step("completed", |m, o| m.on_ack(&UDP, o), "confirmed", &acked(ms(5000)));
        step("completed", |m, o| m.on_ack(&TCP, o), "confirmed", &acked(ms(0)));
        step("confirmed", |m, o| m.on_ack(&UDP, o), "confirmed", &[]);
        step("accepted", |m, o| m.on_ack(&UDP, o), "accepted", &[Deliver]);
    }

    #[test]
    fn responses() {
        for from in ["new", "proceeding"] {
            let to = "proceeding";
            step(from, |m, o| m.respond(Class::Provisional, bytes("183"), &UDP, o), to, &[Send(bytes("183"))]);
            let expect = [Send(bytes("200")), Set(Timer::L, ms(32_000))];
            step(from, |m, o| m.respond(Class::Success, bytes("200"), &UDP, o), "accepted", &expect);
            let expect = [Send(bytes("404")), Set(Timer::G, ms(500)), Set(Timer::H, ms(32_000))];
            step(from, |m, o| m.respond(Class::Failure, bytes("404"), &UDP, o), "completed", &expect);
            let expect = [Send(bytes("404")), Set(Timer::H, ms(32_000))];
            step(from, |m, o| m.respond(Class::Failure, bytes("404"), &TCP, o), "completed", &expect);
        }
        for from in ["completed", "confirmed"] {
            for class in [Class::Provisional, Class::Success, Class::Failure] {
                step(from, |m, o| m.respond(class, bytes("x"), &UDP, o), from, &[]);
            }
        }
        step("accepted", |m, o| m.respond(Class::Provisional, bytes("x"), &UDP, o), "accepted", &[]);
        step("accepted", |m, o| m.respond(Class::Failure, bytes("x"), &UDP, o), "accepted", &[]);
        let expect = [Resend(bytes("200"))];
        step("accepted", |m, o| m.respond(Class::Success, bytes("200"), &UDP, o), "accepted", &expect);
    }

    #[test]
    fn every_timer_in_every_state() {
        for from in STATES {
            for timer in EVERY_TIMER {
                let expect = match (from, timer) {
                    ("completed", Timer::G) => vec![Resend(bytes("486")), Set(Timer::G, ms(1000))],
                    ("completed", Timer::H) => vec![Finish(Outcome::NoAck)],
                    ("confirmed", Timer::I) | ("accepted", Timer::L) => vec![Finish(Outcome::Done)],
                    _ => vec![],
                };
                step(from, |m, o| m.on_timer(timer, &UDP, o), from, &expect);
            }
        }
    }

    #[test]
    fn the_pause_between_repetitions_doubles_up_to_t2() {
        let mut m = machine("completed");
        let pauses: Vec<_> = (0..5)
            .flat_map(|_| effects(|o| m.on_timer(Timer::G, &UDP, o)))
            .filter_map(|e| if let Set(Timer::G, after) = e { Some(after) } else { None })
            .collect();
        assert_eq!(pauses, [ms(1000), ms(2000), ms(4000), ms(4000), ms(4000)]);
    }
}
