//! What goes into an endpoint and what comes out of it.

use bytes::Bytes;

use super::flow::Flow;
use super::subscription::{SubscriptionId, Turn};
use crate::message::{Message, Name, Status};

/// Extra header lines: name and value.
pub type Headers = Vec<(String, Vec<u8>)>;

slotmap::new_key_type! {
    /// One INVITE dialog usage, from either side. Never used again after its end.
    pub struct SessionId;
    pub(crate) struct TxId;
}

/// A request other than INVITE and ACK that waits for its final response, in either direction. Never used again after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) TxId);

/// What the network says.
#[derive(Clone, Debug)]
pub enum Input {
    /// One datagram, or one message (or keep-alive) cut from a stream.
    Datagram {
        /// Where it came from.
        flow: Flow,
        /// The bytes as received.
        data: Bytes,
    },
    /// The same of an emergency call: it is not turned away for overload ([`super::Endpoint::shed`]), and there is some room
    /// for it where there is none for others (RFC 5390 §5).
    Urgent {
        /// Where it came from.
        flow: Flow,
        /// The bytes as received.
        data: Bytes,
    },
    /// The transport could not deliver to this flow: ICMP, a refused connection, a lost stream.
    SendFailed {
        /// Where we sent to.
        flow: Flow,
    },
}

/// What the endpoint wants done or known, in order.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "an output lives for one poll; a box would cost every event an allocation"
)]
pub enum Output {
    /// Send these bytes.
    Transmit {
        /// From where to where.
        flow: Flow,
        /// One datagram.
        data: Bytes,
    },
    /// Something happened that the owner of the calls has to know.
    Event(Event),
    /// A message of a session, for the ladder that is kept of it.
    Trace(Trace),
}

/// What happened.
///
/// After `Rejected` and `Ended`, and after our own `reject` and `hangup`, a session is gone: no further event names it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new INVITE. 100 Trying is already on its way; authenticate it, then `provisional`, `accept`, `reject` or `hangup`.
    Incoming {
        /// The new session.
        session: SessionId,
        /// The INVITE.
        request: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// A 101–199 to our INVITE. Of several forks each has its own To tag. If our INVITE asked for an offer and this is it (`Require`
    /// lists `100rel`), say `acknowledge`; without `100rel` it is only a foretaste of the offer in the 2xx.
    Provisional {
        /// Our session.
        session: SessionId,
        /// 101–199.
        status: Status,
        /// The response, perhaps with early media.
        message: Message,
    },
    /// A 2xx to our INVITE; the ACK is already on its way. Unless our INVITE asked for an offer and this is it: then say
    /// `acknowledge`.
    Accepted {
        /// Our session.
        session: SessionId,
        /// The response with its body.
        message: Message,
    },
    /// Our INVITE failed for good. 408 without a message: nobody answered (timer B); 503 without: the transport failed.
    Rejected {
        /// The session, already gone.
        session: SessionId,
        /// 300–699.
        status: Status,
        /// The response; none if the failure is our own finding.
        message: Option<Message>,
    },
    /// The ACK for our 2xx (first or re-INVITE) arrived. Its body is the answer if our 2xx carried an offer. Or a PRACK with the
    /// answer to the offer in our provisional response.
    Confirmed {
        /// The session.
        session: SessionId,
        /// The ACK or PRACK.
        message: Message,
    },
    /// A re-INVITE, or an UPDATE or PRACK with an offer: say `answer_reinvite`.
    Reoffered {
        /// The session.
        session: SessionId,
        /// The request; a re-INVITE without a body asks us for an offer.
        request: Message,
    },
    /// The final response to our own re-INVITE or UPDATE; a 2xx is already acknowledged, unless our re-INVITE asked for an offer and
    /// this is it: then say `acknowledge`. The session goes on whatever it says: where the RFC ends the dialog (408, 481), `Ended`
    /// follows.
    Reanswered {
        /// The session.
        session: SessionId,
        /// 200–699; 491 only if that came again and again (RFC 3261 §14.1).
        status: Status,
        /// The response; none if the failure is our own finding.
        message: Option<Message>,
    },
    /// The session is over, by the other side or for lack of one.
    Ended {
        /// The session, already gone.
        session: SessionId,
        /// How it ended.
        how: Ended,
        /// The peer's Reason header (RFC 3326), if it sent one.
        reason: Option<ReasonHeader>,
        /// The peer's BYE or CANCEL, if that ended it.
        request: Option<Message>,
    },
    /// Any other request that is well-formed and allowed (REGISTER, OPTIONS; INFO, REFER, NOTIFY, MESSAGE …): say `respond`.
    Request {
        /// To answer it by.
        id: RequestId,
        /// The request.
        request: Message,
        /// Where it came from.
        flow: Flow,
        /// The session whose dialog it belongs to.
        session: Option<SessionId>,
    },
    /// Something happened to a subscription that a peer holds with us.
    Subscription {
        /// Which.
        id: SubscriptionId,
        /// What.
        turn: Turn,
    },
    /// The final response to a request of ours.
    Responded {
        /// Which one.
        id: RequestId,
        /// None: no answer (timer F), or the transport failed.
        message: Option<Message>,
    },
}

/// How a session ended without our doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The peer hung up.
    RemoteBye,
    /// The caller gave up before we answered; 487 is already sent.
    Cancelled,
    /// Our 2xx was never acknowledged (64·T1), and BYE is already sent (RFC 3261 §13.3.1.4); or our reliable provisional response was
    /// not, and 504 is (RFC 3262 §3).
    NoAck,
    /// The session was not refreshed in time (RFC 4028 §10); BYE is already sent.
    Expired,
    /// The peer knows nothing of the dialog any more, or does not answer in it: 481 or 408 to a re-INVITE (§12.2.1.2).
    Gone,
}

/// The values of the Reason header that matter to a telephone network (RFC 3326).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReasonHeader {
    /// `SIP;cause=…`: 200 on a CANCEL says that the call was answered elsewhere.
    pub sip: Option<u16>,
    /// `Q.850;cause=…`.
    pub q850: Option<u8>,
}

/// One message of a session as it went over the wire, repetitions included.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The session; it may be gone already when its last messages pass.
    pub session: SessionId,
    /// True if we sent it.
    pub sent: bool,
    /// True if we sent these bytes before.
    pub repeated: bool,
    /// Between whom.
    pub flow: Flow,
    /// The message.
    pub data: Bytes,
}

/// A limit of [`super::Config`] is reached: nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded;

impl std::fmt::Display for Overloaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too many sessions or transactions")
    }
}

impl std::error::Error for Overloaded {}

impl ReasonHeader {
    /// From the Reason values of a message; none if it has none that we can read.
    pub fn of(message: &Message) -> Option<Self> {
        let mut found = None::<Self>;
        for value in message.values(Name::Reason) {
            let mut parts = value.split(|b| *b == b';').map(<[u8]>::trim_ascii);
            let protocol = parts.next().unwrap_or_default();
            let cause = parts.find_map(|part| {
                let (name, value) = part.split_at_checked(6)?;
                let value = std::str::from_utf8(value.trim_ascii()).ok()?;
                name.eq_ignore_ascii_case(b"cause=").then(|| value.parse::<u16>().ok())?
            });
            let reason = found.get_or_insert_default();
            if protocol.eq_ignore_ascii_case(b"SIP") {
                reason.sip = reason.sip.or(cause);
            } else if protocol.eq_ignore_ascii_case(b"Q.850") {
                reason.q850 = reason.q850.or(cause.and_then(|cause| u8::try_from(cause).ok()));
            }
        }
        found.filter(|reason| *reason != Self::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_both_protocols_are_read() {
        let of = |lines: &str| {
            let text = format!("BYE sip:a@b SIP/2.0\r\n{lines}\r\n");
            ReasonHeader::of(&Message::parse_datagram(text.into()).unwrap())
        };
        let both = ReasonHeader { sip: Some(200), q850: Some(16) };
        assert_eq!(of("Reason: SIP ;cause=200;text=\"a, b;cause=1\", Q.850;cause=16\r\n"), Some(both));
        assert_eq!(of("Reason: q.850;text=\"x\";cause= 17\r\n"), Some(ReasonHeader { sip: None, q850: Some(17) }));
        assert_eq!(of("Reason: Q.850;cause=300\r\nReason: preemption;cause=1\r\n"), None);
        assert_eq!(of(""), None);
    }
}
