//! How a message reaches its receiver: to all its phones at once, one message after the other.

use super::queue::Verdict;
use super::{Attempt, Due, MAX_WAITING, MAX_WAITING_HERE, Sender, Stored};
use crate::cell::Cell;
use crate::hot;
use crate::io::Output;
use bytes::Bytes;
use model::{MessageState, TextMessage};
use sip_stack::endpoint::{Flow, Outgoing, RequestId};
use sip_stack::message::{Message, Method, NameAddr, Status, Uri};
use std::time::{Duration, Instant};

/// After a restart phones are given this long to come back.
const SETTLING: Duration = Duration::from_secs(1);

impl Cell {
    /// As home of the receiver (or of the gateway that it goes by): a new message.
    pub(crate) fn store_message(&mut self, number: &str, mut stored: Stored, now: Instant) {
        let waiting = self.messages.queues.get(number).map_or(0, super::queue::Queue::len);
        let refusal = if self.directory.extension(number).is_none() {
            Some(Status::NOT_FOUND)
        } else if waiting >= MAX_WAITING {
            Some(Status::TEMPORARILY_UNAVAILABLE)
        } else if self.messages.waiting >= MAX_WAITING_HERE {
            Some(Status::SERVICE_UNAVAILABLE)
        } else {
            None
        };
        self.tell_message(&stored.message, now);
        if let Some(status) = refusal {
            self.tell_sender(stored.sender, status, now);
            let message = TextMessage { state: MessageState::Failed, status: status.code(), ..stored.message };
            self.tell_message(&message, now);
            return self.messages.remember(message);
        }
        self.messages.tickets += 1;
        stored.order = format!("{:013}-{:08}", self.config.wall.at(now), self.messages.tickets % 100_000_000);
        let value = postcard::to_allocvec(&stored).unwrap_or_default();
        self.out.push_back(Output::Keep { key: hot::message(number, &stored.order), value });
        self.messages.waiting += 1;
        self.messages.queues.entry(number.to_owned()).or_default().push(stored);
        self.deliver_next(number, now);
    }

    /// A message of the last process.
    pub(crate) fn restore_message(&mut self, number: &str, key: &[u8], value: &[u8], now: Instant) {
        let Ok(stored) = postcard::from_bytes::<Stored>(value) else {
            return self.out.push_back(Output::Forget { key: key.to_vec() });
        };
        self.messages.waiting += 1;
        let queue = self.messages.queues.entry(number.to_owned()).or_default();
        queue.push(stored);
        queue.retry_at(now + SETTLING);
        self.set_queue_timer(number, now);
    }

    /// A phone has registered: what waits for it goes out.
    pub(crate) fn deliver_after_registration(&mut self, number: &str, new: bool, now: Instant) {
        let Some(queue) = self.messages.queues.get_mut(number) else { return };
        if new || queue.is_idle() {
            queue.hurry();
        }
        self.deliver_next(number, now);
    }

    /// Sends the first message of a queue, if nothing hinders.
    pub(super) fn deliver_next(&mut self, number: &str, now: Instant) {
        let Some(queue) = self.messages.queues.get_mut(number) else { return };
        if queue.is_idle() && queue.may_try(now) {
            let ways: Vec<(Flow, Vec<u8>)> =
                self.registrar.contacts(number, now).into_iter().map(|b| (b.flow, b.contact.clone())).collect();
            if ways.is_empty() {
                // Its registration, not the time, brings the next attempt.
                queue.hurry();
                for sender in queue.take_senders() {
                    self.tell_sender(Some(sender), Status::ACCEPTED, now);
                }
            } else {
                self.attempt(number, &ways, now);
            }
        }
        self.set_queue_timer(number, now);
    }

    fn attempt(&mut self, number: &str, ways: &[(Flow, Vec<u8>)], now: Instant) {
        let Some(queue) = self.messages.queues.get_mut(number) else { return };
        let Some(stored) = queue.first().cloned() else { return };
        let attempt = queue.begin(ways.len());
        let id = stored.message.id.clone();
        for (flow, contact) in ways {
            let uri = if stored.message.via.as_deref() == Some(number) {
                // The gateway takes it to the number beyond it.
                beyond(contact, &stored.message.to)
            } else {
                contact.clone()
            };
            match self.send_text(*flow, &uri, &stored, now) {
                Some(request) => {
                    let delivery = Attempt::Delivery { number: number.to_owned(), id: id.clone(), attempt };
                    self.messages.attempts.insert(request, delivery);
                }
                None => self.delivery_answered(number, &id, attempt, Status::SERVICE_UNAVAILABLE, now),
            }
        }
    }

    /// A MESSAGE with this text; `None` if it cannot be sent.
    fn send_text(&mut self, flow: Flow, uri: &[u8], stored: &Stored, now: Instant) -> Option<RequestId> {
        let outgoing = text_request(flow, uri, stored)?;
        self.sip.request(outgoing, now).ok()
    }

    /// A request of ours has its final answer, or none; false if it was no MESSAGE.
    pub(crate) fn on_text_answered(&mut self, id: RequestId, message: Option<&Message>, now: Instant) -> bool {
        let Some(attempt) = self.messages.attempts.remove(&id) else { return false };
        let status = message.and_then(Message::status).unwrap_or(Status::REQUEST_TIMEOUT);
        match attempt {
            Attempt::Delivery { number, id, attempt } => self.delivery_answered(&number, &id, attempt, status, now),
            Attempt::Relay { message, sender } => self.relayed(*message, sender, status, now),
        }
        true
    }

    /// A trunk has answered.
    pub(super) fn relayed(&mut self, message: TextMessage, sender: Option<Sender>, status: Status, now: Instant) {
        let state = if status.is_success() { MessageState::Delivered } else { MessageState::Failed };
        let message = TextMessage { state, status: status.code(), ..message };
        self.tell_message(&message, now);
        self.messages.remember(message);
        // That the trunk is full does not mean that we are (RFC 3261 §16.7, step 6).
        let status = if status == Status::SERVICE_UNAVAILABLE { Status::SERVER_INTERNAL_ERROR } else { status };
        self.tell_sender(sender, status, now);
    }

    fn delivery_answered(&mut self, number: &str, id: &str, attempt: u64, status: Status, now: Instant) {
        let Some(queue) = self.messages.queues.get_mut(number) else { return };
        let (state, status) = match queue.answered(id, attempt, status) {
            Verdict::Open => return,
            Verdict::Delivered => (MessageState::Delivered, Status::OK),
            Verdict::Refused(status) => (MessageState::Failed, status),
            Verdict::Later(_) => {
                queue.retry(now);
                for sender in queue.take_senders() {
                    self.tell_sender(Some(sender), Status::ACCEPTED, now);
                }
                return self.set_queue_timer(number, now);
            }
        };
        if let Some(stored) = queue.pop() {
            self.tell_sender(stored.sender, status, now);
            self.finish_message(number, stored, state, now);
        }
        self.deliver_next(number, now);
    }

    pub(super) fn expire_messages(&mut self, number: &str, now: Instant) {
        let wall_now = self.config.wall.at(now);
        let Some(queue) = self.messages.queues.get_mut(number) else { return };
        for stored in queue.take_expired(wall_now) {
            self.finish_message(number, stored, MessageState::Expired, now);
        }
    }

    /// An extension is gone, and what waits for it.
    pub(crate) fn forget_messages(&mut self, number: &str, now: Instant) {
        while let Some(stored) = self.messages.queues.get_mut(number).and_then(super::queue::Queue::pop) {
            self.finish_message(number, stored, MessageState::Failed, now);
        }
        self.set_queue_timer(number, now);
    }

    fn set_queue_timer(&mut self, number: &str, now: Instant) {
        let due = Due::Queue(number.to_owned());
        let Some(queue) = self.messages.queues.get(number) else { return self.messages.timers.cancel(&due) };
        if queue.is_empty() {
            self.messages.queues.remove(number);
            return self.messages.timers.cancel(&due);
        }
        let (lapse, retry) = queue.due();
        let lapse = lapse.map(|at| self.config.wall.instant(at));
        if let Some(at) = lapse.into_iter().chain(retry).min() {
            // Never at once: what could be done now has been done.
            self.messages.timers.set(due, at.max(now + Duration::from_millis(10)));
        }
    }
}

/// A MESSAGE with this text; `None` if an address in it is none.
pub(super) fn text_request(flow: Flow, uri: &[u8], stored: &Stored) -> Option<Outgoing> {
    let message = &stored.message;
    let request_uri = Uri::from_slice(uri).ok()?;
    let address = |user: &str| {
        let host = match flow.local.ip() {
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let user = if user.is_empty() { "anonymous" } else { user };
        Uri::sip(Some(user), &host, Some(flow.local.port())).ok().map(NameAddr::new)
    };
    let mut headers = stored.headers.clone();
    headers.push(("Date".to_owned(), date(message.at).into_bytes()));
    let (from, to) = (address(&message.from)?, address(&message.to)?);
    Some(Outgoing {
        headers,
        body: Some((message.content_type.clone(), Bytes::copy_from_slice(&message.body))),
        call_id: Some(stored.call_id.clone()),
        ..Outgoing::new(flow, Method::Message, request_uri, from, to)
    })
}

/// The URI of a number beyond a gateway's contact.
fn beyond(contact: &[u8], number: &str) -> Vec<u8> {
    let Ok(uri) = Uri::from_slice(contact) else { return contact.to_vec() };
    let host = String::from_utf8_lossy(uri.host_bytes()).into_owned();
    Uri::sip(Some(number), &host, uri.port()).map_or_else(|_| contact.to_vec(), |uri| uri.as_bytes().to_vec())
}

/// `Sat, 21 Nov 2026 14:00:00 GMT` (RFC 3261 §20.17): a message that waited says since when.
fn date(at: stdx::UnixMillis) -> String {
    let Ok(time) = time::OffsetDateTime::from_unix_timestamp((at / 1000) as i64) else { return String::new() };
    let day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        day[usize::from(time.weekday().number_days_from_monday())],
        time.day(),
        month[usize::from(u8::from(time.month())) - 1],
        time.year(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_sip() {
        assert_eq!(date(1_262_361_600_000), "Fri, 01 Jan 2010 16:00:00 GMT");
        assert_eq!(date(1_795_219_200_000), "Sat, 21 Nov 2026 00:00:00 GMT");
    }

    #[test]
    fn a_number_beyond_a_gateway_keeps_the_gateway_s_address() {
        assert_eq!(beyond(b"sip:2005@10.0.0.9:5062;x=y", "13800138000"), b"sip:13800138000@10.0.0.9:5062");
    }
}
