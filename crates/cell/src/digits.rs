//! Keys pressed in a call: by RTP, or by INFO; each is told once, and reaches the other party in the way it takes.

use crate::cell::Cell;
use bytes::Bytes;
use model::{CallId, EventBody, LegNo};
use sip_stack::endpoint::{RequestId, SessionId};
use sip_stack::message::{Message, Method, Status};
use std::time::{Duration, Instant};

/// How long a key counts as pressed where nothing says it.
const USUAL: Duration = Duration::from_millis(160);

impl Cell {
    /// INFO with a key: `application/dtmf-relay` or `application/dtmf`. Any other INFO in a call is no concern of ours
    /// and gets the 200 of RFC 6086 §4.2.2's legacy usage.
    pub(crate) fn on_info(
        &mut self,
        request_id: RequestId,
        request: &Message,
        session: Option<SessionId>,
        now: Instant,
    ) {
        let Some((id, leg)) = session.and_then(|session| self.sessions.get(session).copied()) else {
            return self.sip.respond(request_id, Status(481), Vec::new(), None, now);
        };
        let kind = request.content_type().unwrap_or_default().split(|b| *b == b';').next().unwrap_or_default();
        let key = match kind.trim_ascii().to_ascii_lowercase().as_slice() {
            b"application/dtmf-relay" => relayed_key(request.body()),
            b"application/dtmf" => digit_of(request.body().trim_ascii()).map(|digit| (digit, USUAL)),
            b"" if request.body().is_empty() => {
                return self.sip.respond(request_id, Status(200), Vec::new(), None, now);
            }
            _ => return self.sip.respond(request_id, Status(415), accepted(), None, now),
        };
        let Some((digit, duration)) = key else {
            return self.sip.respond(request_id, Status(400), Vec::new(), None, now);
        };
        self.sip.respond(request_id, Status(200), Vec::new(), None, now);
        let port = self.conversations.get(&id).and_then(|c| c.legs.get(&leg)?.port);
        if port.is_some_and(|port| !self.media.is_new_key(port, digit, duration, now)) {
            return;
        }
        self.tell_key(id, leg, digit, duration, now);
        self.press_for(id, leg, digit, duration, now);
    }

    /// A key that came by RTP, as an event or `in_band`. The engine carries it on to whoever takes such events too, and a
    /// tone to whoever takes keys in no other way.
    pub(crate) fn on_key(
        &mut self,
        (id, leg): (CallId, LegNo),
        (digit, duration): (char, Duration),
        in_band: bool,
        now: Instant,
    ) {
        self.tell_key(id, leg, digit, duration, now);
        let Some((port, info)) = self.partner_end(id, leg) else { return };
        let has_it = self.media.takes_digits(port) || (in_band && info.is_none());
        if !has_it {
            self.press_for(id, leg, digit, duration, now);
        }
    }

    /// Notes what a message of a party says of what it can do.
    pub(crate) fn note_talents(&mut self, id: CallId, leg: LegNo, message: &Message, now: Instant) {
        let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) else { return };
        end.talents.note(message);
        if let Some(port) = end.port {
            self.media.takes_keys_by_signalling(port, end.talents.info, now);
        }
    }

    fn tell_key(&mut self, call: CallId, leg: LegNo, digit: char, duration: Duration, now: Instant) {
        let duration_ms = duration.as_millis() as u32;
        self.tell(EventBody::Dtmf { call, leg, digit, duration_ms }, now);
        self.key_in_queue(call, leg, digit, now);
        self.key_at_mailbox(call, leg, digit, now);
        self.key_in_survey(call, leg, digit, now);
    }

    fn partner_end(&self, id: CallId, leg: LegNo) -> Option<(media::engine::PortId, Option<SessionId>)> {
        let conversation = self.conversations.get(&id)?;
        let end = conversation.legs.get(&conversation.call.partner_of(leg)?)?;
        Some((end.port?, end.session.filter(|_| end.talents.info)))
    }

    /// Presses a key towards the other party: as RTP events if it takes them, else by INFO if it says it can, else as tones.
    fn press_for(&mut self, id: CallId, leg: LegNo, digit: char, duration: Duration, now: Instant) {
        let Some((port, info)) = self.partner_end(id, leg) else { return };
        if let Some(session) = info.filter(|_| !self.media.takes_digits(port)) {
            let body = format!("Signal={digit}\r\nDuration={}\r\n", duration.as_millis());
            let body = Some(("application/dtmf-relay".to_owned(), Bytes::from(body)));
            let _ = self.sip.request_in(session, Method::Info, Vec::new(), body, now);
        } else if !self.media.digit(port, digit, duration, now) {
            tracing::debug!(call = %id, "a key could not be passed on");
        }
    }
}

fn accepted() -> Vec<(String, Vec<u8>)> {
    vec![("Accept".to_owned(), b"application/dtmf-relay, application/dtmf".to_vec())]
}

/// `Signal=5` and `Duration=160`, one in a line.
fn relayed_key(body: &[u8]) -> Option<(char, Duration)> {
    let (mut digit, mut duration) = (None, USUAL);
    for line in body.split(|b| matches!(b, b'\r' | b'\n')) {
        let Some(at) = line.iter().position(|b| *b == b'=') else { continue };
        let (name, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"Signal") {
            digit = digit_of(value);
        } else if name.eq_ignore_ascii_case(b"Duration") {
            let millis = std::str::from_utf8(value).ok()?.parse::<u64>().ok()?;
            duration = Duration::from_millis(millis.clamp(40, 6_000));
        }
    }
    Some((digit?, duration))
}

/// A key as itself, or as its event number (RFC 4733 §3.2).
fn digit_of(value: &[u8]) -> Option<char> {
    match value {
        [key @ (b'0'..=b'9' | b'*' | b'#' | b'!')] => Some(char::from(*key)),
        [key @ (b'A'..=b'D' | b'a'..=b'd')] => Some(char::from(key.to_ascii_uppercase())),
        b"10" => Some('*'),
        b"11" => Some('#'),
        b"12" => Some('A'),
        b"13" => Some('B'),
        b"14" => Some('C'),
        b"15" => Some('D'),
        b"16" => Some('!'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_both_spellings() {
        let ms = Duration::from_millis;
        assert_eq!(relayed_key(b"Signal= 5\r\nDuration= 100\r\n"), Some(('5', ms(100))));
        assert_eq!(relayed_key(b"signal=11\nduration=99999"), Some(('#', ms(6_000))));
        assert_eq!(relayed_key(b"Signal=*\r\n"), Some(('*', USUAL)));
        assert_eq!(relayed_key(b"Duration=100\r\n"), None);
        assert_eq!(relayed_key(b"Signal=55\r\n"), None);
        assert_eq!(digit_of(b"d"), Some('D'));
    }
}
