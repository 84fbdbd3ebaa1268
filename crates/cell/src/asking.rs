//! A program is asked where a call leads ([`model::Program`]).
//!
//! It is told `{"call", "from", "to", "trunk"}` and answers with one of `{"extension": "1001"}`, `{"queue": "sales"}`, `{"ring_group": "shop"}`,
//! `{"mailbox": "1001"}`,
//! `{"number": "8613…"}` (by the caller's own rights and routes), `{"prompt": "closed"}`, `{"reject": "busy"}`. Whatever else it says, and
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
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Extension(String),
    Queue(String),
    RingGroup(String),
    Mailbox(String),
    Number(String),
    Prompt(String),
    Reject(Reject),
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reject {
    Busy,
    Forbidden,
    NotFound,
    Unavailable,
}

/// Where a program says that a call leads, or how it fails.
fn way(answer: &str) -> Result<Result<Overflow, Outcome>, String> {
    let to = match serde_json::from_str(answer).map_err(|e| e.to_string())? {
        Said::Extension(number) => Overflow::Extension(number),
        Said::Queue(name) => Overflow::Queue(name),
        Said::RingGroup(name) => Overflow::RingGroup(name),
        Said::Mailbox(name) => Overflow::Mailbox(name),
        Said::Number(number) => Overflow::Number(number),
        Said::Prompt(name) => Overflow::Prompt(name),
        Said::Reject(Reject::Busy) => return Ok(Err(Outcome::Busy)),
        Said::Reject(Reject::Forbidden) => return Ok(Err(Outcome::Forbidden)),
        Said::Reject(Reject::NotFound) => return Ok(Err(Outcome::Unallocated)),
        Said::Reject(Reject::Unavailable) => return Ok(Err(Outcome::Unreachable)),
    };
    to.check()?;
    Ok(Ok(to))
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
        self.settle(now);
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
