//! Client side of every request but INVITE and ACK: RFC 3261 §17.1.2.

use std::time::Duration;

use bytes::Bytes;

use super::{Class, Effects, Outcome, Timer, Timing};

/// The machine. It is born by sending the request.
#[derive(Debug)]
pub(crate) struct Client {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing heard yet.
    Trying { request: Bytes, resend_in: Duration },
    /// A provisional response came: the request is repeated at T2 only.
    Proceeding { request: Bytes },
    /// The final response came; its repetitions are swallowed.
    Completed,
}

impl Client {
    pub(crate) fn start(request: Bytes, timing: &Timing, out: &mut Effects) -> Self {
        out.send(request.clone());
        if !timing.reliable {
            out.set(Timer::E, timing.t1);
        }
        out.set(Timer::F, timing.patience());
        Self { state: State::Trying { request, resend_in: timing.t1 } }
    }

    /// A response.
    pub(crate) fn on_response(&mut self, class: Class, timing: &Timing, out: &mut Effects) {
        match (&self.state, class) {
            (State::Trying { request, .. }, Class::Provisional) => {
                out.deliver();
                self.state = State::Proceeding { request: request.clone() };
            }
            (State::Proceeding { .. }, Class::Provisional) => out.deliver(),
            (State::Trying { .. } | State::Proceeding { .. }, Class::Success | Class::Failure) => {
                out.cancel(Timer::E);
                out.cancel(Timer::F);
                out.set(Timer::K, timing.linger());
                out.deliver();
                self.state = State::Completed;
            }
            (State::Completed, _) => {}
        }
    }

    /// A timer ran out.
    pub(crate) fn on_timer(&mut self, timer: Timer, timing: &Timing, out: &mut Effects) {
        match (&mut self.state, timer) {
            (State::Trying { request, resend_in }, Timer::E) => {
                *resend_in = (*resend_in * 2).min(timing.t2);
                out.resend(request);
                out.set(Timer::E, *resend_in);
            }
            (State::Proceeding { request }, Timer::E) => {
                out.resend(request);
                out.set(Timer::E, timing.t2);
            }
            (State::Trying { .. } | State::Proceeding { .. }, Timer::F) => out.finish(Outcome::Timeout),
            (State::Completed, Timer::K) => out.finish(Outcome::Done),
            // A timer that lost its race with a message.
            (State::Trying { .. } | State::Proceeding { .. } | State::Completed, _) => {}
        }
    }

    /// The transport could not deliver what we sent.
    pub(crate) fn on_send_failed(&mut self, out: &mut Effects) {
        match self.state {
            State::Trying { .. } | State::Proceeding { .. } => out.finish(Outcome::TransportFailed),
            State::Completed => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Effect, Effect::*};
    use super::*;

    const STATES: [&str; 3] = ["trying", "proceeding", "completed"];

    fn machine(state: &str) -> Client {
        let state = match state {
            "trying" => State::Trying { request: bytes("BYE"), resend_in: ms(500) },
            "proceeding" => State::Proceeding { request: bytes("BYE") },
            _ => State::Completed,
        };
        Client { state }
    }

    fn name(machine: &Client) -> &'static str {
        match machine.state {
            State::Trying { .. } => "trying",
            State::Proceeding { .. } => "proceeding",
            State::Completed => "completed",
        }
    }

    #[track_caller]
    fn step(from: &str, act: impl FnOnce(&mut Client, &mut Effects), to: &str, expect: &[Effect]) {
        let mut m = machine(from);
        assert_eq!(effects(|out| act(&mut m, out)), expect, "from {from}");
        assert_eq!(name(&m), to, "from {from}");
    }

    #[test]
    fn start() {
        let expect = [Send(bytes("BYE")), Set(Timer::E, ms(500)), Set(Timer::F, ms(32_000))];
        assert_eq!(effects(|o| drop(Client::start(bytes("BYE"), &UDP, o))), expect);
        let expect = [Send(bytes("BYE")), Set(Timer::F, ms(32_000))];
        assert_eq!(effects(|o| drop(Client::start(bytes("BYE"), &TCP, o))), expect);
    }

    #[test]
    fn responses() {
        step("trying", |m, o| m.on_response(Class::Provisional, &UDP, o), "proceeding", &[Deliver]);
        step("proceeding", |m, o| m.on_response(Class::Provisional, &UDP, o), "proceeding", &[Deliver]);
        for class in [Class::Success, Class::Failure] {
            for from in ["trying", "proceeding"] {
                let done = |k| [Cancel(Timer::E), Cancel(Timer::F), Set(Timer::K, k), Deliver];
                step(from, |m, o| m.on_response(class, &UDP, o), "completed", &done(ms(5000)));
                step(from, |m, o| m.on_response(class, &TCP, o), "completed", &done(ms(0)));
            }
        }
        for class in [Class::Provisional, Class::Success, Class::Failure] {
            step("completed", |m, o| m.on_response(class, &UDP, o), "completed", &[]);
        }
    }

    #[test]
    fn every_timer_in_every_state() {
        for from in STATES {
            for timer in EVERY_TIMER {
                let expect = match (from, timer) {
                    ("trying", Timer::E) => vec![Resend(bytes("BYE")), Set(Timer::E, ms(1000))],
                    ("proceeding", Timer::E) => vec![Resend(bytes("BYE")), Set(Timer::E, ms(4000))],
                    ("trying" | "proceeding", Timer::F) => vec![Finish(Outcome::Timeout)],
                    ("completed", Timer::K) => vec![Finish(Outcome::Done)],
                    _ => vec![],
                };
                step(from, |m, o| m.on_timer(timer, &UDP, o), from, &expect);
            }
        }
    }

    #[test]
    fn transport_failure() {
        step("trying", |m, o| m.on_send_failed(o), "trying", &[Finish(Outcome::TransportFailed)]);
        step("proceeding", |m, o| m.on_send_failed(o), "proceeding", &[Finish(Outcome::TransportFailed)]);
        step("completed", |m, o| m.on_send_failed(o), "completed", &[]);
    }

    #[test]
    fn the_pause_between_repetitions_doubles_up_to_t2() {
        let mut m = machine("trying");
        let pauses: Vec<_> = (0..5)
            .flat_map(|_| effects(|o| m.on_timer(Timer::E, &UDP, o)))
            .filter_map(|e| if let Set(Timer::E, after) = e { Some(after) } else { None })
            .collect();
        assert_eq!(pauses, [ms(1000), ms(2000), ms(4000), ms(4000), ms(4000)]);
    }
}
