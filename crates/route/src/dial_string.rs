//! What an agent's phone may dial instead of a number, to tell the switch something.

use model::{ExtensionWish, StarCodes};

/// Asked of the switch itself by an agent's phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialString {
    /// `agent_login`: the agent is there.
    Login,
    /// `agent_logoff`: the agent is no longer there.
    Logoff,
    /// `fifo+1`, `fifo%2B1` or `fifo1`: the agent works off-hook for this project, as long as this call lasts.
    OffHook {
        /// The project's code.
        project: String,
    },
    /// A star code: messages are heard.
    Voicemail {
        /// Of which mailbox; `None`: its own.
        mailbox: Option<String>,
    },
    /// A star code: the extension's own settings.
    Wish(ExtensionWish),
}

impl DialString {
    /// Reads what was dialled; `None` if it is none of these words. Their case counts, as SIP's user parts do (RFC 3261 §19.1.4).
    pub fn read(dialled: &str, codes: &StarCodes) -> Option<Self> {
        if let Some(wish) = codes.read(dialled) {
            return Some(Self::Wish(wish));
        }
        if let Some(mailbox) = codes.mailbox(dialled) {
            return Some(Self::Voicemail { mailbox: mailbox.map(str::to_owned) });
        }
        match dialled {
            "agent_login" => Some(Self::Login),
            "agent_logoff" => Some(Self::Logoff),
            _ => {
                let code = dialled.strip_prefix("fifo")?;
                // The sign may have been escaped once more than SIP unescapes.
                let signs = ["+", "%2B", "%2b"];
                let project = signs.iter().find_map(|sign| code.strip_prefix(sign)).unwrap_or(code);
                (!project.is_empty()).then(|| Self::OffHook { project: project.to_owned() })
            }
        }
    }

    /// What it asks for, for the operator.
    pub fn meaning(&self) -> String {
        match self {
            Self::Login => "the agent logs in".to_owned(),
            Self::Logoff => "the agent logs off".to_owned(),
            Self::OffHook { project } => format!("the agent works off-hook for project {project}"),
            Self::Wish(ExtensionWish::Forward(why, to)) => {
                let on = if to.is_some() { "on" } else { "off" };
                format!("forwarding is switched {on} ({})", why.name())
            }
            Self::Voicemail { mailbox: None } => "the messages of its mailbox are heard".to_owned(),
            Self::Voicemail { mailbox: Some(name) } => format!("the messages of mailbox {name} are heard"),
            Self::Wish(ExtensionWish::DoNotDisturb(on)) => format!("do not disturb: {on}"),
            Self::Wish(ExtensionWish::CallWaiting(on)) => format!("call waiting: {on}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DialString::{self, Login, Logoff, OffHook};
    use model::StarCodes;

    #[test]
    fn three_words_are_known_in_all_their_forms() {
        let off_hook = |project: &str| Some(OffHook { project: project.to_owned() });
        for (dialled, expected) in [
            ("agent_login", Some(Login)),
            ("agent_logoff", Some(Logoff)),
            ("fifo+1", off_hook("1")),
            ("fifo%2B1", off_hook("1")),
            ("fifo1", off_hook("1")),
            ("fifosales_7", off_hook("sales_7")),
            ("fifo++1", off_hook("+1")),
            ("fifo", None),
            ("fifo+", None),
            ("Agent_Login", None),
            ("agent_login2", None),
            ("1001", None),
        ] {
            assert_eq!(DialString::read(dialled, &StarCodes::default()), expected, "{dialled}");
        }
    }
}
