//! The keys and values of hot state: what a worker must find again after `kill -9`.
//!
//! | key | value |
//! |---|---|
//! | `reg/<extension>/<contact>` | a registered contact (`sip_stack::registrar::Binding::snapshot`) |
//! | `sub/<extension>/<tag>` | a subscription to the extension, with its dialog (postcard) |
//! | `mwi/<extension>` | how many voice messages wait for it: new and old |
//! | `tok/<extension>/<name>` | a token that is good as its password (postcard) |
//! | `msg/<extension>/<time and number>` | a text that waits for the extension (postcard) |
//! | `call/<uuid>` | the record that stands if the switch dies now, and after it what another process needs to go on with the call (postcard: written at every turn of a call, so small and quick) |
//! | `record/<uuid>` | the record of a finished call that SQL may not have yet (postcard) |
//! | `spent/<extension>/<day>` | what its calls of a day that are over have spent (postcard); without an extension: those of the whole switch |
//! | `ban/<address>` | a banned source: reason, since, until, how often |
//! | `desk/image` | queues and agents: who is at work and where, who waits, the figures (postcard; at most 100 ms old) |
//! | `desk/agent/<name>` | an agent as it was told since that image (postcard) |
//! | `vm/<uuid>/<file>` | a message that the database may not have yet (postcard) |
//! | `alive/<cell>` | Unix milliseconds, renewed each second while calls exist |

use crate::resuming::Life;
use model::{CallId, CallRecord, Spent, Voicemail};
use sip_stack::auth::{Ban, BanReason};
use std::net::IpAddr;
use std::time::Instant;
use stdx::{UnixMillis, Wall};

pub(crate) enum Key {
    Registration { number: String },
    Subscription { number: String },
    Summary { number: String },
    Message { number: String },
    Token { number: String },
    Call(CallId),
    Record(CallId),
    Spent { whose: String, day: String },
    Voicemail(CallId),
    Alive,
    Desk,
    Ban(IpAddr),
}

impl Key {
    pub(crate) fn parse(key: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(key).ok()?;
        let (kind, rest) = text.split_once('/')?;
        match kind {
            "reg" => Some(Self::Registration { number: rest.split_once('/')?.0.to_owned() }),
            "sub" => Some(Self::Subscription { number: rest.split_once('/')?.0.to_owned() }),
            "mwi" => Some(Self::Summary { number: rest.to_owned() }),
            "msg" => Some(Self::Message { number: rest.split_once('/')?.0.to_owned() }),
            "tok" => Some(Self::Token { number: rest.split_once('/')?.0.to_owned() }),
            "call" => rest.parse().ok().map(Self::Call),
            "record" => rest.parse().ok().map(Self::Record),
            "spent" => {
                let (whose, day) = rest.split_once('/')?;
                Some(Self::Spent { whose: whose.to_owned(), day: day.to_owned() })
            }
            "vm" => rest.split_once('/')?.0.parse().ok().map(Self::Voicemail),
            "ban" => rest.parse().ok().map(Self::Ban),
            "desk" => Some(Self::Desk),
            "alive" => rest.parse::<u16>().ok().map(|_| Self::Alive),
            _ => None,
        }
    }
}

pub(crate) fn registration(number: &str, contact: &[u8]) -> Vec<u8> {
    let mut key = format!("reg/{number}/").into_bytes();
    key.extend(contact.escape_ascii());
    key
}

pub(crate) fn subscription(number: &str, tag: &[u8]) -> Vec<u8> {
    let mut key = format!("sub/{number}/").into_bytes();
    key.extend(tag.escape_ascii());
    key
}

pub(crate) fn summary(number: &str) -> Vec<u8> {
    format!("mwi/{number}").into_bytes()
}

pub(crate) fn message(number: &str, order: &str) -> Vec<u8> {
    format!("msg/{number}/{order}").into_bytes()
}

/// Named by what it is not good for: half of one of its hashes.
pub(crate) fn token(number: &str, ha1: &model::Ha1) -> Vec<u8> {
    let name: String = ha1.sha512_256[..8].iter().map(|octet| format!("{octet:02x}")).collect();
    format!("tok/{number}/{name}").into_bytes()
}

pub(crate) fn call(id: CallId) -> Vec<u8> {
    format!("call/{id}").into_bytes()
}

pub(crate) fn call_value(record: &CallRecord) -> Vec<u8> {
    postcard::to_allocvec(record).unwrap_or_default()
}

pub(crate) fn call_record(value: &[u8]) -> Option<CallRecord> {
    postcard::from_bytes(value).ok()
}

/// A record, and what is needed to go on with the call.
pub(crate) fn living_value(record: &CallRecord, life: &Life) -> Vec<u8> {
    let value = call_value(record);
    postcard::to_extend(life, value).unwrap_or_else(|_| call_value(record))
}

pub(crate) fn living_call(value: &[u8]) -> Option<(CallRecord, Life)> {
    let (record, rest) = postcard::take_from_bytes(value).ok()?;
    Some((record, postcard::from_bytes(rest).ok()?))
}

pub(crate) fn record(id: CallId) -> Vec<u8> {
    format!("record/{id}").into_bytes()
}

pub(crate) fn spent(whose: &str, day: &str) -> Vec<u8> {
    format!("spent/{whose}/{day}").into_bytes()
}

pub(crate) fn spent_value(spent: Spent) -> Vec<u8> {
    postcard::to_allocvec(&spent).unwrap_or_default()
}

pub(crate) fn spent_of(value: &[u8]) -> Option<Spent> {
    postcard::from_bytes(value).ok()
}

pub(crate) fn voicemail(message: &Voicemail) -> Vec<u8> {
    format!("vm/{}/{}", message.call, message.path).into_bytes()
}

pub(crate) fn voicemail_value(message: &Voicemail) -> Vec<u8> {
    postcard::to_allocvec(message).unwrap_or_default()
}

pub(crate) fn voicemail_of(value: &[u8]) -> Option<Voicemail> {
    postcard::from_bytes(value).ok()
}

pub(crate) fn alive(cell: u16) -> Vec<u8> {
    format!("alive/{cell}").into_bytes()
}

pub(crate) fn alive_value(at: UnixMillis) -> Vec<u8> {
    at.to_string().into_bytes()
}

pub(crate) fn alive_time(value: &[u8]) -> Option<UnixMillis> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

pub(crate) fn ban(source: IpAddr) -> Vec<u8> {
    format!("ban/{source}").into_bytes()
}

pub(crate) fn ban_value(ban: &Ban, wall: &Wall) -> Vec<u8> {
    format!("{} {} {} {}", ban.reason.name(), wall.at(ban.since), wall.at(ban.until), ban.times).into_bytes()
}

/// A ban of an earlier run; what was dropped then is not counted again.
pub(crate) fn ban_of(source: IpAddr, value: &[u8], wall: &Wall) -> Option<Ban> {
    let mut words = std::str::from_utf8(value).ok()?.split(' ');
    let reason = BanReason::from_name(words.next()?)?;
    let mut moment = || -> Option<Instant> { Some(wall.instant(words.next()?.parse().ok()?)) };
    let (since, until) = (moment()?, moment()?);
    Some(Ban { source, reason, since, until, times: words.next()?.parse().ok()?, dropped: 0 })
}
