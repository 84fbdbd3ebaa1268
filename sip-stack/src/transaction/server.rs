//! Server side of every request but INVITE and ACK: RFC 3261 §17.2.2.

use bytes::Bytes;

use super::{Class, Effects, Outcome, Timer, Timing};

/// The machine. It is born when the request arrives.
#[derive(Debug)]
pub(crate) struct Server {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing said yet.
    Trying,
    /// A provisional response is given.
    Proceeding { last: Bytes },
    /// The final response is given and kept for repetitions of the request.
    Completed { last: Bytes },
}

impl Server {
    pub(crate) fn new() -> Self {
        Self { state: State::Trying }
    }

    /// The request came again.
    pub(crate) fn on_repetition(&mut self, out: &mut Effects) {
        match &self.state {
            State::Proceeding { last } | State::Completed { last } => out.resend(last),
            State::Trying => {}
        }
    }

    /// Our user responds.
    pub(crate) fn respond(&mut self, class: Class, response: Bytes, timing: &Timing, out: &mut Effects) {
        match (&self.state, class) {
            (State::Trying | State::Proceeding { .. }, Class::Provisional) => {
                out.send(response.clone());
                self.state = State::Proceeding { last: response };
            }
            (State::Trying | State::Proceeding { .. }, Class::Success | Class::Failure) => {
                out.send(response.clone());
                out.set(Timer::J, if timing.reliable { std::time::Duration::ZERO } else { timing.patience() });
                self.state = State::Completed { last: response };
            }
            // Too late: the final response is given.
            (State::Completed { .. }, _) => {}
        }
    }

    /// A timer ran out.
    pub(crate) fn on_timer(&mut self, timer: Timer, out: &mut Effects) {
        match (&self.state, timer) {
            (State::Completed { .. }, Timer::J) => out.finish(Outcome::Done),
            // A timer that lost its race with a message.
            (State::Trying | State::Proceeding { .. } | State::Completed { .. }, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Effect, Effect::*};
    use super::*;

    const STATES: [&str; 3] = ["trying", "proceeding", "completed"];

    fn machine(state: &str) -> Server {
        let state = match state {
            "trying" => State::Trying,
            "proceeding" => State::Proceeding { last: bytes("100") },
            _ => State::Completed { last: bytes("200") },
        };
        Server { state }
    }

    fn name(machine: &Server) -> &'static str {
        match machine.state {
            State::Trying => "trying",
            State::Proceeding { .. } => "proceeding",
            State::Completed { .. } => "completed",
        }
    }

    #[track_caller]
    fn step(from: &str, act: impl FnOnce(&mut Server, &mut Effects), to: &str, expect: &[Effect]) {
        let mut m = machine(from);
        assert_eq!(effects(|out| act(&mut m, out)), expect, "from {from}");
        assert_eq!(name(&m), to, "from {from}");
    }

    #[test]
    fn repeated_request() {
        step("trying", |m, o| m.on_repetition(o), "trying", &[]);
        step("proceeding", |m, o| m.on_repetition(o), "proceeding", &[Resend(bytes("100"))]);
        step("completed", |m, o| m.on_repetition(o), "completed", &[Resend(bytes("200"))]);
    }

    #[test]
    fn responses() {
        for from in ["trying", "proceeding"] {
            let expect = [Send(bytes("183"))];
            step(from, |m, o| m.respond(Class::Provisional, bytes("183"), &UDP, o), "proceeding", &expect);
            for class in [Class::Success, Class::Failure] {
                let expect = [Send(bytes("x")), Set(Timer::J, ms(32_000))];
                step(from, |m, o| m.respond(class, bytes("x"), &UDP, o), "completed", &expect);
                let expect = [Send(bytes("x")), Set(Timer::J, ms(0))];
                step(from, |m, o| m.respond(class, bytes("x"), &TCP, o), "completed", &expect);
            }
        }
        for class in [Class::Provisional, Class::Success, Class::Failure] {
            step("completed", |m, o| m.respond(class, bytes("x"), &UDP, o), "completed", &[]);
        }
    }

    #[test]
    fn every_timer_in_every_state() {
        for from in STATES {
            for timer in EVERY_TIMER {
                let expect =
                    if (from, timer) == ("completed", Timer::J) { vec![Finish(Outcome::Done)] } else { vec![] };
                step(from, |m, o| m.on_timer(timer, o), from, &expect);
            }
        }
    }
}
