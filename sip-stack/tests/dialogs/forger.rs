//! Somebody who hears the network and says what he likes in others' names.

use bytes::Bytes;
use std::collections::VecDeque;
use stdx::Entropy;

const MEMORY: usize = 48;
const METHODS: [&str; 15] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "PRACK",
    "UPDATE",
    "OPTIONS",
    "REGISTER",
    "INFO",
    "REFER",
    "NOTIFY",
    "MESSAGE",
    "SUBSCRIBE",
    "PUBLISH",
    "DANCE",
];
const STATUSES: [&str; 18] = [
    "100", "180", "183", "199", "200", "202", "302", "401", "407", "408", "422", "481", "487", "491", "500", "503",
    "600", "999",
];

/// What he has heard, for each side that he may talk to.
#[derive(Default)]
pub(crate) struct Forger {
    heard: VecDeque<(usize, Bytes)>,
}

impl Forger {
    pub(crate) fn hear(&mut self, to: usize, data: &Bytes) {
        if self.heard.len() == MEMORY {
            self.heard.pop_front();
        }
        self.heard.push_back((to, data.clone()));
    }

    /// A message of his, and to whom: what he heard, changed in a few places.
    pub(crate) fn speak(&self, entropy: &mut Entropy) -> Option<(usize, Bytes)> {
        let (to, data) = self.heard.get(entropy.below(self.heard.len() as u64) as usize)?;
        let mut text = String::from_utf8(data.to_vec()).ok()?;
        for _ in 0..entropy.below(4) {
            text = change(text, entropy);
        }
        let to = if entropy.chance(0.1) { 1 - to } else { *to };
        Some((to, text.into()))
    }
}

fn change(text: String, entropy: &mut Entropy) -> String {
    let pick = |list: &[&'static str], entropy: &mut Entropy| list[entropy.below(list.len() as u64) as usize];
    match entropy.below(11) {
        // Another method, in the first line and in CSeq.
        0 | 1 => {
            let method = pick(&METHODS, entropy);
            let old = value_of(&text, "CSeq").and_then(|cseq| cseq.split(' ').nth(1)).unwrap_or("INVITE").to_owned();
            let text = with_value(&text, "CSeq", &|cseq| cseq.replace(&old, method));
            if text.starts_with("SIP/") { text } else { text.replacen(&old, method, 1) }
        }
        2 if text.starts_with("SIP/2.0 ") && text.len() > 11 => {
            format!("SIP/2.0 {}{}", pick(&STATUSES, entropy), &text[11..])
        }
        2 | 3 => {
            let by = entropy.below(5);
            with_value(&text, "CSeq", &|cseq| {
                let (seq, method) = cseq.split_once(' ').unwrap_or(("1", "INVITE"));
                format!("{} {method}", seq.parse::<u64>().unwrap_or(1).saturating_add(by).saturating_sub(2))
            })
        }
        4 => {
            let branch = entropy.token(8);
            with_value(&text, "Via", &|via| via.replace("branch=z9hG4bK", &format!("branch=z9hG4bK{branch}")))
        }
        5 => {
            let name = pick(&["From", "To"], entropy);
            let tag = pick(&[";tag=forged", "", ";tag=x;tag=y"], entropy);
            with_value(&text, name, &|value| format!("{}{tag}", value.split(";tag=").next().unwrap_or_default()))
        }
        // As if the other side had said it.
        6 => {
            let (from, to) = (value_of(&text, "From").map(str::to_owned), value_of(&text, "To").map(str::to_owned));
            let text = with_value(&text, "From", &|_| to.clone().unwrap_or_default());
            with_value(&text, "To", &|_| from.clone().unwrap_or_default())
        }
        7 => {
            let line = pick(
                &[
                    "Require: 100rel\r\n",
                    "RSeq: 1\r\n",
                    "RSeq: 4294967295\r\n",
                    "RAck: 1 1 INVITE\r\n",
                    "Session-Expires: 90;refresher=uas\r\n",
                    "Session-Expires: 1\r\n",
                    "Session-Expires: 4294967295;refresher=uac\r\n",
                    "Supported: timer, 100rel\r\n",
                    "Allow: UPDATE\r\n",
                    "Allow: INVITE\r\n",
                    "Min-SE: 4000000000\r\n",
                    "Min-SE: 500\r\n",
                    "Contact: <sip:nobody@nowhere.invalid>\r\n",
                    "Record-Route: <sip:10.9.9.9>\r\n",
                    "Max-Forwards: 0\r\n",
                    "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\", stale=true\r\n",
                ],
                entropy,
            );
            text.replacen("\r\n", &format!("\r\n{line}"), 1)
        }
        8 => {
            let name =
                pick(&["Require", "RSeq", "RAck", "Contact", "Session-Expires", "Allow", "Call-ID", "Via"], entropy);
            match text.find(&format!("\r\n{name}: ")) {
                Some(at) => {
                    let end = text[at + 2..].find("\r\n").map_or(text.len(), |len| at + 2 + len);
                    format!("{}{}", &text[..at], &text[end..])
                }
                None => text,
            }
        }
        9 => match text.find("\r\n\r\n") {
            Some(at) if entropy.chance(0.5) => with_value(&text[..at + 4], "Content-Length", &|_| "0".to_owned()),
            Some(at) => {
                let text = with_value(&text[..at + 4], "Content-Length", &|_| "5".to_owned());
                format!("{text}offer")
            }
            None => text,
        },
        _ => {
            let mut cut = entropy.below(text.len() as u64 + 1) as usize;
            while !text.is_char_boundary(cut) {
                cut -= 1;
            }
            if entropy.chance(0.1) { text[..cut].to_owned() } else { text }
        }
    }
}

fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find(&format!("\r\n{name}: "))? + name.len() + 4;
    text[start..].split("\r\n").next()
}

fn with_value(text: &str, name: &str, change: &dyn Fn(&str) -> String) -> String {
    let Some(value) = value_of(text, name) else { return text.to_owned() };
    let at = value.as_ptr() as usize - text.as_ptr() as usize;
    format!("{}{}{}", &text[..at], change(value), &text[at + value.len()..])
}
