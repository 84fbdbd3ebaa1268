//! A program is asked where a call leads ([`model::Program`]).
//!
//! It is told `{"call", "from", "to", "trunk"}` and answers with one of `{"extension": "1001"}`, `{"queue": "sales"}`, `{"ring_group": "shop"}`,
//! `{"mailbox": "1001"}`, `{"number": "8613…"}` (by the caller's own rights and routes), `{"prompt": "closed"}`, `{"reject": "busy"}`. Whatever else it says, and
//! silence, leads where the route says otherwise.

use crate::cell::Cell;
use crate::errands::Purpose;
use crate::io::Errand;
use call::Input;
use model::{CallId, LegNo, Outcome, Overflow, Program};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// How often programs are asked about one call: a number that one gives may lead to another.
const MAX_ASKED: u8 = 4;

/// A question under way.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    call: CallId,
    by: LegNo,
    otherwise: Overflow,
}

#[derive(Serialize)]
struct Question<'a> {
    call: CallId,
    from: &'a str,
    to: &'a str,
    trunk: Option<&'a str>,
}

/// What a program may say.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    To(Overflow),
    Not(Rejected),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rejected {
    reject: Reject,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reject {
    Busy,
    Forbidden,
    NotFound,
    Unavailable,
}

/// Where a program says that a call leads, or how it fails.
fn way(answer: &str) -> Result<Result<Overflow, Outcome>, String> {
    match serde_json::from_str(answer).map_err(|e| e.to_string())? {
        Said::To(Overflow::HangUp) => Err("it does not say where".to_owned()),
        Said::To(to) => to.check().map(|()| Ok(to)),
        Said::Not(Rejected { reject }) => Ok(Err(match reject {
            Reject::Busy => Outcome::Busy,
            Reject::Forbidden => Outcome::Forbidden,
            Reject::NotFound => Outcome::Unallocated,
            Reject::Unavailable => Outcome::Unreachable,
        })),
    }
}

impl Cell {
    /// The call waits for what a program says.
    pub(crate) fn ask_program(&mut self, id: CallId, by: LegNo, to: &str, program: Program, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Program { url, wait_ms, otherwise } = program;
        let asked = Asked { call: id, by, otherwise };
        conversation.programs_asked += 1;
        if conversation.programs_asked > MAX_ASKED {
            warn!(call = %id, "the programs that say where calls lead send this one round and round");
            return self.program_silent(asked, now);
        }
        let call = &conversation.call;
        let question =
            Question { call: id, from: call.number_of(by).unwrap_or_default(), to, trunk: call.trunk_of(by) };
        let Ok(question) = serde_json::to_string(&question) else { return self.program_silent(asked, now) };
        let errand = Errand::AskProgram { url, wait: Duration::from_millis(wait_ms.into()), question };
        if !self.send_for(errand, Purpose::Program(asked.clone())) {
            self.program_silent(asked, now);
        }
    }

    pub(crate) fn program_said(&mut self, asked: Asked, answer: &str, now: Instant) {
        match way(answer) {
            Ok(way) => {
                info!(call = %asked.call, "a program has said where a call leads");
                self.lead(asked.call, asked.by, way, now);
            }
            Err(why) => {
                warn!(call = %asked.call, "a program says what cannot be done: {why}");
                self.program_silent(asked, now);
            }
        }
    }

    pub(crate) fn program_silent(&mut self, Asked { call, by, otherwise }: Asked, now: Instant) {
        self.lead(call, by, Ok(otherwise), now);
    }

    /// The caller may have gone meanwhile.
    fn lead(&mut self, id: CallId, by: LegNo, way: Result<Overflow, Outcome>, now: Instant) {
        let Some(conversation) = self.conversations.get(&id) else { return };
        let record = conversation.record;
        match way {
            Ok(to) => self.send_on(id, by, to, record, now),
            Err(outcome) => self.facts.push_back((id, Input::Nowhere(outcome))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_one_way_or_nothing() {
        let to = |answer| way(answer).ok().and_then(Result::ok);
        assert_eq!(to(r#"{"queue": "sales"}"#), Some(Overflow::Queue("sales".into())));
        assert_eq!(to(r#"{"extension": "1001"}"#), Some(Overflow::Extension("1001".into())));
        assert_eq!(to(r#"{"number": "057112345678"}"#), Some(Overflow::Number("057112345678".into())));
        assert_eq!(to(r#"{"prompt": "closed"}"#), Some(Overflow::Prompt("closed".into())));
        assert_eq!(way(r#"{"reject": "busy"}"#), Ok(Err(Outcome::Busy)));
        for wrong in [
            "",
            "{}",
            "null",
            "[]",
            "\"queue\"",
            "\"hang_up\"",
            r#"{"reject": "busy", "queue": "a"}"#,
            r#"{"queue": 7}"#,
            r#"{"queue": "a", "extension": "1"}"#,
            r#"{"reject": "please"}"#,
            r#"{"extension": ""}"#,
            r#"{"number": "sip:1@2"}"#,
            r#"{"prompt": "../x"}"#,
        ] {
            assert!(way(wrong).is_err(), "{wrong}");
        }
    }
}
