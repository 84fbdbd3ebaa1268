//! Frames that a page says, and the wishes in them (section 4.5).

use super::names::{Refused, State};
use super::session::Session;
use model::{CallId, Command, Duty, LegNo};
use serde_json::{Value, json};

/// The longest name that a page gives to a command, bytes.
const MAX_ID: usize = 64;

/// A command on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) cmd: String,
    pub(crate) data: Value,
}

/// What a frame is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    /// The page is there.
    Ping,
    Request(Request),
    /// An object that is neither.
    Bad,
    /// No object at all.
    Nonsense,
}

impl Frame {
    pub(crate) fn of(text: &str) -> Self {
        let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else { return Self::Nonsense };
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) if (1..=MAX_ID).contains(&text.len()) => Some(text),
            _ => None,
        };
        match (text("id"), text("cmd")) {
            (_, Some(cmd)) if cmd == "ping" => Self::Ping,
            (Some(id), Some(cmd)) => {
                Self::Request(Request { id, cmd, data: fields.remove("data").unwrap_or_else(|| json!({})) })
            }
            _ => Self::Bad,
        }
    }
}

/// What a page wants done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    LogIn,
    LogOut(Command),
    /// Another state of the agent.
    State(State, Command),
    /// A call to this number.
    Call(String),
    /// Something about a call, which the reply names.
    Do(CallId, Command),
    /// The same, for phones that take it; others do nothing.
    Offhook(CallId, Command),
    /// It is so already.
    Already(CallId),
    /// The other party goes to a queue of this number on the wire.
    ToQueue(CallId, LegNo, String),
    /// The other party goes to an extension; it is asked first, if `consults`.
    ToPhone {
        call: CallId,
        leg: LegNo,
        to: String,
        consults: bool,
    },
}

/// What a command means where the agent is now.
pub(crate) fn wish(cmd: &str, data: &Value, session: &Session) -> Result<Wish, Refused> {
    if cmd == "login" {
        return if session.account.extension().is_empty() { Err(Refused::NoExtension) } else { Ok(Wish::LogIn) };
    }
    if !COMMANDS.contains(&cmd) {
        return Err(Refused::UnknownCmd);
    }
    if !session.is_signed_in() {
        return Err(Refused::NotLoggedIn);
    }
    let agent = session.account.agent.clone();
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    let duty = |state, duty| match session.is_in_call() {
        true => Err(Refused::InCall),
        false => Ok(Wish::State(state, Command::SetAgent { agent: agent.clone(), duty })),
    };
    match cmd {
        "logout" if session.is_in_call() => Err(Refused::InCallLogout),
        "logout" => Ok(Wish::LogOut(Command::LogOutAgent { agent })),
        "ready" => duty(State::Ready, Duty::Ready),
        "busy" => duty(State::Busy, Duty::Busy(String::new())),
        "rest" => duty(State::Rest, Duty::Rest(String::new())),
        "makecall" if session.is_in_call() => Err(Refused::ExtBusy),
        "makecall" => number(text("to")).map(Wish::Call),
        "offhook" => {
            let (own, leg) = session.ringing().ok_or(Refused::NothingRings)?;
            Ok(Wish::Offhook(own.id, Command::Answer { call: own.id, leg }))
        }
        "hangup" => {
            let own = session.current().ok_or(Refused::NoCall)?;
            let leg = own.mine.or(own.ringing.first().copied()).ok_or(Refused::NoCall)?;
            Ok(Wish::Do(own.id, Command::Release { call: own.id, leg }))
        }
        _ => in_conversation(cmd, text("to"), text("type"), session),
    }
}

/// What is for one who speaks.
fn in_conversation(cmd: &str, to: &str, kind: &str, session: &Session) -> Result<Wish, Refused> {
    let own = session.current().ok_or(Refused::NoCall)?;
    let (call, leg) = (own.id, own.mine.ok_or(Refused::NoCall)?);
    let consulting = || if own.consulting { Ok(()) } else { Err(Refused::NoConsult) };
    match cmd {
        "hold" if own.held => Ok(Wish::Already(call)),
        "hold" => Ok(Wish::Do(call, Command::Hold { call, leg })),
        "unhold" if !own.held => Ok(Wish::Already(call)),
        "unhold" => Ok(Wish::Do(call, Command::Answer { call, leg })),
        "consultComplete" => consulting().map(|()| Wish::Do(call, Command::CompleteConsult { call, leg })),
        "consultCancel" => consulting().map(|()| Wish::Do(call, Command::CancelConsult { call, leg })),
        _ if own.consulting => Err(Refused::Consulting),
        "consult" => Ok(Wish::ToPhone { call, leg, to: number(to)?, consults: true }),
        "transfer" => match kind {
            "to_phone" => Ok(Wish::ToPhone { call, leg, to: number(to)?, consults: false }),
            "to_queue" if !to.is_empty() => Ok(Wish::ToQueue(call, leg, to.to_owned())),
            _ => Err(Refused::BadParam),
        },
        _ => Err(Refused::UnknownCmd),
    }
}

const COMMANDS: [&str; 14] = [
    "logout",
    "ready",
    "busy",
    "rest",
    "makecall",
    "offhook",
    "hangup",
    "hold",
    "unhold",
    "transfer",
    "consult",
    "consultComplete",
    "consultCancel",
    "login",
];

/// A number without blanks and hyphens: 1 to 32 of `0-9*#+` (section 3).
pub(crate) fn number(text: &str) -> Result<String, Refused> {
    let number: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let fits = (1..=32).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit() || b"*#+".contains(&b));
    if fits { Ok(number) } else { Err(Refused::BadParam) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_what_the_contract_says_or_nothing() {
        let request = Request { id: "7".into(), cmd: "makecall".into(), data: json!({ "to": "1" }) };
        assert_eq!(Frame::of(r#"{"id":"7","cmd":"makecall","data":{"to":"1"}}"#), Frame::Request(request));
        for ping in [r#"{"cmd":"ping"}"#, r#"{"cmd":"ping","id":"1"}"#] {
            assert_eq!(Frame::of(ping), Frame::Ping);
        }
        let long = format!(r#"{{"id":"{}","cmd":"busy"}}"#, "x".repeat(65));
        for bad in ["{}", r#"{"id":"1"}"#, r#"{"cmd":"busy"}"#, r#"{"id":1,"cmd":"busy"}"#, &long] {
            assert_eq!(Frame::of(bad), Frame::Bad, "{bad}");
        }
        for nonsense in ["", "[]", "null", "{", "\"x\"", "\u{0}"] {
            assert_eq!(Frame::of(nonsense), Frame::Nonsense, "{nonsense}");
        }
    }

    #[test]
    fn numbers_are_stripped_and_then_checked() {
        assert_eq!(number(" 0512-8766 0011 "), Ok("051287660011".to_owned()));
        assert_eq!(number("*72#+1"), Ok("*72#+1".to_owned()));
        for bad in ["", " - ", "12a", "1;2", "一", &"1".repeat(33)] {
            assert_eq!(number(bad), Err(Refused::BadParam), "{bad}");
        }
    }
}
