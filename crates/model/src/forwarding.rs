//! Calls that an extension does not take itself: where they go, and what its phone may dial to say so.

use crate::Overflow;
use serde::{Deserialize, Serialize};

/// How often a call may be forwarded on one way to somebody; once more, or in a circle, and it ends as unreachable (482).
pub const MAX_FORWARDS: usize = 5;

/// Where calls to an extension go instead. None of these counts for callers whom a queue offers to its agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forwards {
    /// All of them.
    pub always: Option<Overflow>,
    /// Those that find it busy, refused or not to be disturbed.
    pub busy: Option<Overflow>,
    /// Those that ring in vain.
    pub no_answer: Option<Overflow>,
    /// Those that find no phone registered, or none that can be reached.
    pub offline: Option<Overflow>,
    /// What is forwarded if it is not answered rings so long, seconds; 0: as long as any call to it.
    pub no_answer_seconds: u16,
}

/// Why a call was forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardReason {
    /// All calls are.
    Always,
    /// It was busy, or refused, or not to be disturbed.
    Busy,
    /// It rang in vain.
    NoAnswer,
    /// No phone of it could be reached.
    Offline,
}

impl ForwardReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Always, Self::Busy, Self::NoAnswer, Self::Offline];

    /// The stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Offline => "offline",
        }
    }
}

/// An extension that forwarded a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardedFrom {
    /// Its number.
    pub number: String,
    /// Why.
    pub why: ForwardReason,
}

impl Forwards {
    /// Where calls go for this reason.
    pub fn for_reason(&self, why: ForwardReason) -> Option<&Overflow> {
        match why {
            ForwardReason::Always => self.always.as_ref(),
            ForwardReason::Busy => self.busy.as_ref(),
            ForwardReason::NoAnswer => self.no_answer.as_ref(),
            ForwardReason::Offline => self.offline.as_ref(),
        }
    }

    /// Where calls go for this reason, to be changed.
    fn for_reason_mut(&mut self, why: ForwardReason) -> &mut Option<Overflow> {
        match why {
            ForwardReason::Always => &mut self.always,
            ForwardReason::Busy => &mut self.busy,
            ForwardReason::NoAnswer => &mut self.no_answer,
            ForwardReason::Offline => &mut self.offline,
        }
    }

    /// What is wrong with them for an extension of this number.
    ///
    /// # Errors
    ///
    /// In words for whoever sets them.
    pub fn check(&self, own: &str) -> Result<(), String> {
        if self.no_answer_seconds != 0 && !(5..=600).contains(&self.no_answer_seconds) {
            return Err("forward.no_answer_seconds is from 5 to 600, or 0".to_owned());
        }
        for to in ForwardReason::ALL.into_iter().filter_map(|why| self.for_reason(why)) {
            to.check()?;
            match to {
                Overflow::Extension(number) | Overflow::Number(number) if number == own => {
                    return Err("an extension cannot forward calls to itself".to_owned());
                }
                Overflow::HangUp => return Err("calls are forwarded to somebody; hang_up is nobody".to_owned()),
                Overflow::Extension(_)
                | Overflow::Number(_)
                | Overflow::Queue(_)
                | Overflow::Prompt(_)
                | Overflow::RingGroup(_)
                | Overflow::Mailbox(_) => {}
            }
        }
        Ok(())
    }
}

/// What an extension's own phone may change of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtensionWish {
    /// Calls go elsewhere for this reason, or no longer.
    Forward(ForwardReason, Option<Overflow>),
    /// It takes no calls, or does again.
    DoNotDisturb(bool),
    /// A second call rings while it is in one, or finds it busy.
    CallWaiting(bool),
}

impl crate::Extension {
    /// Changes what its phone wished.
    ///
    /// # Errors
    ///
    /// What is wrong with the wish; nothing is changed then.
    pub fn obey(&mut self, wish: ExtensionWish) -> Result<(), String> {
        match wish {
            ExtensionWish::Forward(why, to) => {
                let mut forward = self.forward.clone();
                *forward.for_reason_mut(why) = to;
                forward.check(&self.number)?;
                self.forward = forward;
            }
            ExtensionWish::DoNotDisturb(on) => self.do_not_disturb = on,
            ExtensionWish::CallWaiting(on) => self.call_waiting = on,
        }
        Ok(())
    }
}

/// What phones dial to tell the switch something of their extension; an empty code is not known. A number of an extension goes
/// before, and a code that takes a number is followed by it at once: `*72101`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StarCodes {
    /// All calls go to the number that follows.
    pub forward_always: String,
    /// No longer.
    pub forward_always_off: String,
    /// Calls that find it busy go to the number that follows.
    pub forward_busy: String,
    /// No longer.
    pub forward_busy_off: String,
    /// Calls that it does not answer go to the number that follows.
    pub forward_no_answer: String,
    /// No longer.
    pub forward_no_answer_off: String,
    /// Calls while no phone is there go to the number that follows.
    pub forward_offline: String,
    /// No longer.
    pub forward_offline_off: String,
    /// It takes no calls.
    pub do_not_disturb: String,
    /// It does again.
    pub do_not_disturb_off: String,
    /// A second call rings.
    pub call_waiting: String,
    /// It finds it busy.
    pub call_waiting_off: String,
    /// The messages in its mailbox are heard, or in the one whose name follows.
    pub voicemail: String,
}

impl Default for StarCodes {
    fn default() -> Self {
        let code = |digits: &str| format!("*{digits}");
        Self {
            forward_always: code("72"),
            forward_always_off: code("73"),
            forward_busy: code("90"),
            forward_busy_off: code("91"),
            forward_no_answer: code("92"),
            forward_no_answer_off: code("93"),
            forward_offline: code("94"),
            forward_offline_off: code("95"),
            do_not_disturb: code("78"),
            do_not_disturb_off: code("79"),
            call_waiting: code("43"),
            call_waiting_off: code("44"),
            voicemail: code("98"),
        }
    }
}

impl StarCodes {
    /// Every code with its name.
    fn all(&self) -> [(&'static str, &str); 13] {
        [
            ("forward_always", &self.forward_always),
            ("forward_always_off", &self.forward_always_off),
            ("forward_busy", &self.forward_busy),
            ("forward_busy_off", &self.forward_busy_off),
            ("forward_no_answer", &self.forward_no_answer),
            ("forward_no_answer_off", &self.forward_no_answer_off),
            ("forward_offline", &self.forward_offline),
            ("forward_offline_off", &self.forward_offline_off),
            ("do_not_disturb", &self.do_not_disturb),
            ("do_not_disturb_off", &self.do_not_disturb_off),
            ("call_waiting", &self.call_waiting),
            ("call_waiting_off", &self.call_waiting_off),
            ("voicemail", &self.voicemail),
        ]
    }

    /// What is wrong with them.
    ///
    /// # Errors
    ///
    /// In words for whoever sets them.
    pub fn check(&self) -> Result<(), String> {
        let mut known: Vec<&str> = Vec::new();
        for (name, code) in self.all().into_iter().filter(|(_, code)| !code.is_empty()) {
            let digits = |b: u8| b.is_ascii_digit() || b"*#".contains(&b);
            if code.len() < 2 || code.len() > 8 || !code.bytes().all(digits) {
                return Err(format!("{name}: \"{code}\" is no code: 2 to 8 of 0-9, * and #"));
            }
            if known.contains(&code) {
                return Err(format!("{name}: \"{code}\" has another meaning already"));
            }
            known.push(code);
        }
        Ok(())
    }

    /// Whose messages a phone wants to hear that dialled this: its own if no mailbox is named.
    pub fn mailbox<'a>(&self, dialled: &'a str) -> Option<Option<&'a str>> {
        let name = dialled.strip_prefix(self.voicemail.as_str()).filter(|_| !self.voicemail.is_empty())?;
        Some(Some(name).filter(|name| !name.is_empty()))
    }

    /// What a phone wishes that dialled this; `None` if it is none of the codes.
    pub fn read(&self, dialled: &str) -> Option<ExtensionWish> {
        let is = |code: &str| !code.is_empty() && dialled == code;
        for (code, on) in [(&self.do_not_disturb, true), (&self.do_not_disturb_off, false)] {
            if is(code) {
                return Some(ExtensionWish::DoNotDisturb(on));
            }
        }
        for (code, on) in [(&self.call_waiting, true), (&self.call_waiting_off, false)] {
            if is(code) {
                return Some(ExtensionWish::CallWaiting(on));
            }
        }
        let forwards = [
            (ForwardReason::Always, &self.forward_always, &self.forward_always_off),
            (ForwardReason::Busy, &self.forward_busy, &self.forward_busy_off),
            (ForwardReason::NoAnswer, &self.forward_no_answer, &self.forward_no_answer_off),
            (ForwardReason::Offline, &self.forward_offline, &self.forward_offline_off),
        ];
        for (why, on, off) in forwards {
            if is(off) {
                return Some(ExtensionWish::Forward(why, None));
            }
            let number = dialled.strip_prefix(on.as_str()).filter(|number| !on.is_empty() && !number.is_empty());
            if let Some(number) = number {
                return Some(ExtensionWish::Forward(why, Some(Overflow::Number(number.to_owned()))));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_no_others() {
        let codes = StarCodes { forward_busy: String::new(), ..StarCodes::default() };
        let to = |number: &str| Some(Overflow::Number(number.to_owned()));
        for (dialled, wish) in [
            ("*72101", Some(ExtensionWish::Forward(ForwardReason::Always, to("101")))),
            ("*92013900138000", Some(ExtensionWish::Forward(ForwardReason::NoAnswer, to("013900138000")))),
            ("*73", Some(ExtensionWish::Forward(ForwardReason::Always, None))),
            ("*78", Some(ExtensionWish::DoNotDisturb(true))),
            ("*79", Some(ExtensionWish::DoNotDisturb(false))),
            ("*44", Some(ExtensionWish::CallWaiting(false))),
            ("*72", None),
            ("*90101", None),
            ("*781", None),
            ("72101", None),
            ("", None),
        ] {
            assert_eq!(codes.read(dialled), wish, "{dialled}");
        }
    }

    #[test]
    fn codes_mean_one_thing_each() {
        assert_eq!(StarCodes::default().check(), Ok(()));
        assert_eq!(StarCodes::default().mailbox("*98"), Some(None));
        assert_eq!(StarCodes::default().mailbox("*98sales"), Some(Some("sales")));
        assert_eq!(StarCodes::default().mailbox("98"), None);
        let twice = StarCodes { call_waiting: "*72".to_owned(), ..StarCodes::default() };
        assert!(twice.check().is_err());
        for code in ["*", "*7a", "*12345678"] {
            let odd = StarCodes { do_not_disturb: code.to_owned(), ..StarCodes::default() };
            assert!(odd.check().is_err(), "{code}");
        }
    }

    #[test]
    fn forwards_lead_to_somebody_else() {
        let to = |to: Overflow| Forwards { busy: Some(to), ..Forwards::default() }.check("101");
        assert_eq!(to(Overflow::Extension("102".to_owned())), Ok(()));
        assert!(to(Overflow::Extension("101".to_owned())).is_err());
        assert!(to(Overflow::HangUp).is_err());
        assert!(to(Overflow::Number("1\r\n".to_owned())).is_err());
        assert!(Forwards { no_answer_seconds: 4, ..Forwards::default() }.check("101").is_err());
    }
}
