//! Client side of an INVITE: RFC 3261 §17.1.1 with `Accepted` from RFC 6026 §7.2.

use std::time::Duration;

use bytes::Bytes;

use super::{Class, Effects, Outcome, Timer, Timing};

/// The machine. It is born by sending the INVITE.
#[derive(Debug)]
pub(crate) struct InviteClient {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing heard yet.
    Calling { invite: Bytes, resend_in: Duration },
    /// A provisional response came.
    Proceeding,
    /// 300–699 came; the ACK is kept for its repetitions.
    Completed { ack: Bytes },
    /// A 2xx came; its repetitions and those of other forks go to the user, who acknowledges them.
    Accepted,
}

impl InviteClient {
    pub(crate) fn start(invite: Bytes, timing: &Timing, out: &mut Effects) -> Self {
        out.send(invite.clone());
        if !timing.reliable {
            out.set(Timer::A, timing.t1);
        }
        out.set(Timer::B, timing.patience());
        Self { state: State::Calling { invite, resend_in: timing.t1 } }
    }

    /// Of a former process, which may have heard something of it.
    pub(crate) fn proceeding() -> Self {
        Self { state: State::Proceeding }
    }

    /// True once a response came and none was final: only now may a CANCEL be sent (§9.1).
    pub(crate) fn is_proceeding(&self) -> bool {
        matches!(self.state, State::Proceeding)
    }

    /// A response. `ack` makes the ACK for a failure (§17.1.1.3); it is asked at most once per transaction.
    pub(crate) fn on_response(
        &mut self,
        class: Class,
        ack: impl FnOnce() -> Bytes,
        timing: &Timing,
        out: &mut Effects,
    ) {
        match (&self.state, class) {
            (State::Calling { .. }, Class::Provisional) => {
                out.cancel(Timer::A);
                out.cancel(Timer::B);
                out.deliver();
                self.state = State::Proceeding;
            }
            (State::Proceeding, Class::Provisional) => out.deliver(),
            (State::Calling { .. } | State::Proceeding, Class::Success) => {
                out.cancel(Timer::A);
                out.cancel(Timer::B);
                out.set(Timer::M, timing.patience());
                out.deliver();
                self.state = State::Accepted;
            }
            (State::Calling { .. } | State::Proceeding, Class::Failure) => {
                let ack = ack();
                out.cancel(Timer::A);
                out.cancel(Timer::B);
                out.send(ack.clone());
                out.set(Timer::D, timing.d());
                out.deliver();
                self.state = State::Completed { ack };
            }
            (State::Completed { ack }, Class::Failure) => out.resend(ack),
            (State::Accepted, Class::Success) => out.deliver(),
            // Overtaken by the final response, or a proxy that forwarded two finals against §16.7.
            (State::Completed { .. }, Class::Provisional | Class::Success)
            | (State::Accepted, Class::Provisional | Class::Failure) => {}
        }
    }

    /// A timer ran out.
    pub(crate) fn on_timer(&mut self, timer: Timer, out: &mut Effects) {
        match (&mut self.state, timer) {
            (State::Calling { invite, resend_in }, Timer::A) => {
                *resend_in *= 2;
                out.resend(invite);
                out.set(Timer::A, *resend_in);
            }
            (State::Calling { .. }, Timer::B) => out.finish(Outcome::Timeout),
            (State::Completed { .. }, Timer::D) | (State::Accepted, Timer::M) => out.finish(Outcome::Done),
            // A timer that lost its race with a message.
            (State::Calling { .. } | State::Proceeding | State::Completed { .. } | State::Accepted, _) => {}
        }
    }

    /// The transport could not deliver what we sent.
    pub(crate) fn on_send_failed(&mut self, out: &mut Effects) {
        match self.state {
            State::Calling { .. } => out.finish(Outcome::TransportFailed),
            // The user has the final response already; without a way to the peer there is nothing left to repeat.
            State::Completed { .. } => out.finish(Outcome::Done),
            // Nothing of this transaction is under way (§17.1.4); an ACK for a 2xx is the user's.
            State::Proceeding | State::Accepted => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Effect, Effect::*};
    use super::*;

    const STATES: [&str; 4] = ["calling", "proceeding", "completed", "accepted"];

    fn machine(state: &str) -> InviteClient {
        let state = match state {
            "calling" => State::Calling { invite: bytes("INVITE"), resend_in: ms(500) },
            "proceeding" => State::Proceeding,
            "completed" => State::Completed { ack: bytes("ACK") },
            _ => State::Accepted,
        };
        InviteClient { state }
    }

    fn name(machine: &InviteClient) -> &'static str {
        match machine.state {
            State::Calling { .. } => "calling",
            State::Proceeding => "proceeding",
            State::Completed { .. } => "completed",
            State::Accepted => "accepted",
        }
    }

    #[track_caller]
    fn step(from: &str, act: impl FnOnce(&mut InviteClient, &mut Effects), to: &str, expect: &[Effect]) {
        let mut m = machine(from);
        assert_eq!(effects(|out| act(&mut m, out)), expect, "from {from}");
        assert_eq!(name(&m), to, "from {from}");
    }

    #[test]
    fn start() {
        let expect = [Send(bytes("INVITE")), Set(Timer::A, ms(500)), Set(Timer::B, ms(32_000))];
        assert_eq!(effects(|o| drop(InviteClient::start(bytes("INVITE"), &UDP, o))), expect);
        let expect = [Send(bytes("INVITE")), Set(Timer::B, ms(32_000))];
        assert_eq!(effects(|o| drop(InviteClient::start(bytes("INVITE"), &TCP, o))), expect);
    }

    #[test]
    fn responses() {
        let ack = || bytes("ACK");
        let quiet = [Cancel(Timer::A), Cancel(Timer::B)];
        let with = |tail: &[Effect]| [&quiet[..], tail].concat();

        let provisional = |m: &mut InviteClient, o: &mut Effects| m.on_response(Class::Provisional, ack, &UDP, o);
        step("calling", provisional, "proceeding", &with(&[Deliver]));
        step("proceeding", provisional, "proceeding", &[Deliver]);
        step("completed", provisional, "completed", &[]);
        step("accepted", provisional, "accepted", &[]);

        let success = |m: &mut InviteClient, o: &mut Effects| m.on_response(Class::Success, ack, &UDP, o);
        step("calling", success, "accepted", &with(&[Set(Timer::M, ms(32_000)), Deliver]));
        step("proceeding", success, "accepted", &with(&[Set(Timer::M, ms(32_000)), Deliver]));
        step("completed", success, "completed", &[]);
        step("accepted", success, "accepted", &[Deliver]);

        let failure = |m: &mut InviteClient, o: &mut Effects| m.on_response(Class::Failure, ack, &UDP, o);
        let acked = |d| with(&[Send(bytes("ACK")), Set(Timer::D, d), Deliver]);
        step("calling", failure, "completed", &acked(ms(32_000)));
        step("proceeding", failure, "completed", &acked(ms(32_000)));
        step("completed", failure, "completed", &[Resend(bytes("ACK"))]);
        step("accepted", failure, "accepted", &[]);
        step("proceeding", |m, o| m.on_response(Class::Failure, ack, &TCP, o), "completed", &acked(ms(0)));
    }

    #[test]
    fn every_timer_in_every_state() {
        for from in STATES {
            for timer in EVERY_TIMER {
                let expect = match (from, timer) {
                    ("calling", Timer::A) => vec![Resend(bytes("INVITE")), Set(Timer::A, ms(1000))],
                    ("calling", Timer::B) => vec![Finish(Outcome::Timeout)],
                    ("completed", Timer::D) | ("accepted", Timer::M) => vec![Finish(Outcome::Done)],
                    _ => vec![],
                };
                step(from, |m, o| m.on_timer(timer, o), from, &expect);
            }
        }
    }

    #[test]
    fn transport_failure() {
        step("calling", |m, o| m.on_send_failed(o), "calling", &[Finish(Outcome::TransportFailed)]);
        step("proceeding", |m, o| m.on_send_failed(o), "proceeding", &[]);
        step("completed", |m, o| m.on_send_failed(o), "completed", &[Finish(Outcome::Done)]);
        step("accepted", |m, o| m.on_send_failed(o), "accepted", &[]);
    }

    #[test]
    fn the_pause_between_repetitions_doubles_without_bound() {
        let mut m = machine("calling");
        let pauses: Vec<_> = (0..5)
            .flat_map(|_| effects(|o| m.on_timer(Timer::A, o)))
            .filter_map(|e| if let Set(Timer::A, after) = e { Some(after) } else { None })
            .collect();
        assert_eq!(pauses, [ms(1000), ms(2000), ms(4000), ms(8000), ms(16_000)]);
    }
}
