//! `application/simple-message-summary`: whether the message lamp burns (RFC 3842).

/// Voice messages that wait for somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Not heard yet.
    pub new: u32,
    /// Heard and kept.
    pub old: u32,
}

impl Summary {
    /// The content type.
    pub const TYPE: &'static str = "application/simple-message-summary";

    /// The document; `account` is the URI that is called to hear them.
    pub fn to_text(self, account: &str) -> String {
        let Self { new, old } = self;
        let waiting = if new > 0 { "yes" } else { "no" };
        let account: String = account.chars().filter(|c| !c.is_control()).collect();
        format!("Messages-Waiting: {waiting}\r\nMessage-Account: {account}\r\nVoice-Message: {new}/{old} (0/0)\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lamp_burns_for_new_messages_alone() {
        let text = Summary { new: 2, old: 8 }.to_text("sip:100@pbx");
        assert_eq!(text, "Messages-Waiting: yes\r\nMessage-Account: sip:100@pbx\r\nVoice-Message: 2/8 (0/0)\r\n");
        assert!(Summary { new: 0, old: 8 }.to_text("sip:100@pbx").starts_with("Messages-Waiting: no\r\n"));
    }
}
