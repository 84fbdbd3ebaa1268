//! Phones that are asked to answer by themselves: the headers by which a caller asks, and by which we do.

use model::AutoAnswer;
use sip_stack::endpoint::Headers;
use sip_stack::message::{Message, Name};

/// The headers that make a phone answer by itself at once.
pub(crate) fn auto_answer(way: AutoAnswer, host: &str) -> Headers {
    let call_info = || ("Call-Info".to_owned(), format!("<sip:{host}>;answer-after=0").into_bytes());
    // The address leads nowhere, so that no phone looks for a ring tone there.
    let alert = b"<http://127.0.0.1>;info=alert-autoanswer;delay=0".to_vec();
    let alert_info = || ("Alert-Info".to_owned(), alert.clone());
    match way {
        AutoAnswer::Usual => vec![call_info(), alert_info()],
        AutoAnswer::CallInfo => vec![call_info()],
        AutoAnswer::AlertInfo => vec![alert_info()],
        AutoAnswer::PlainAlertInfo => vec![("Alert-Info".to_owned(), b"info=alert-autoanswer".to_vec())],
        AutoAnswer::AnswerMode => vec![("Answer-Mode".to_owned(), b"Auto".to_vec())],
    }
}

/// Whether a caller asks the called phone to answer by itself, in any of the ways that phones know.
pub(crate) fn asks_to_answer(request: &Message) -> bool {
    let says = |name: Name, words: &[&str]| {
        request.headers(name).any(|value| {
            let value = String::from_utf8_lossy(value).to_ascii_lowercase();
            words.iter().any(|word| value.contains(word))
        })
    };
    says(Name::CallInfo, &["answer-after="])
        || says(Name::AlertInfo, &["alert-autoanswer", "auto answer", "ring answer", "answer-after="])
        || says(Name::AnswerMode, &["auto"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_write_in_any_way_asks_to_answer() {
        for way in AutoAnswer::ALL {
            let lines: String = auto_answer(way, "192.0.2.1:5060")
                .into_iter()
                .map(|(name, value)| format!("{name}: {}\r\n", String::from_utf8_lossy(&value)))
                .collect();
            let invite =
                |lines: &str| Message::parse_datagram(format!("INVITE sip:1@h SIP/2.0\r\n{lines}\r\n").into()).unwrap();
            assert!(asks_to_answer(&invite(&lines)), "{lines}");
        }
        let ringer =
            "INVITE sip:1@h SIP/2.0\r\nAlert-Info: <http://h/ring.wav>\r\nCall-Info: <http://h>;purpose=icon\r\n\r\n";
        assert!(!asks_to_answer(&Message::parse_datagram(ringer.into()).unwrap()));
    }
}
