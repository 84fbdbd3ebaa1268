//! How single values are written, and what is said about those that are wrong.

use super::{Music, PortRange};
use media::tones::Country;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, de::Error as _};
use sip_stack::auth::Algorithm;
use sip_stack::message::Method;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// A value, or a list of them, or a string with commas (as the environment gives it).
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<String>),
    One(String),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::Many(many) => many,
            Self::One(one) => one.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect(),
        }
    }
}

fn list<'de, D: Deserializer<'de>, T>(from: D, parse: fn(&str) -> Result<T, String>) -> Result<Vec<T>, D::Error> {
    let many =
        OneOrMany::deserialize(from).map_err(|_| D::Error::custom("expected a list of strings: [\"…\", \"…\"]"))?;
    many.into_vec().iter().map(|s| parse(s).map_err(D::Error::custom)).collect()
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    SocketAddr::from_str(text)
        .map_err(|_| format!("\"{text}\" is no address with a port; write it like \"0.0.0.0:5060\" or \"[::]:5060\""))
}

fn ip(text: &str) -> Result<IpAddr, String> {
    IpAddr::from_str(text)
        .map_err(|_| format!("\"{text}\" is no IP address; write it like \"192.0.2.10\", without a port or a name"))
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    match text {
        "MD5" => Ok(Algorithm::Md5),
        "SHA-256" => Ok(Algorithm::Sha256),
        "SHA-512-256" => Ok(Algorithm::Sha512_256),
        _ => Err(format!("\"{text}\" is no digest algorithm; choose among \"MD5\", \"SHA-256\", \"SHA-512-256\"")),
    }
}

pub(super) fn algorithms<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Algorithm>, D::Error> {
    list(from, algorithm)
}

/// The methods that may be passed on outside calls: those that the switch passes on if it is told nothing.
fn proxied_method(text: &str) -> Result<Method, String> {
    let known = cell::Policy::default().proxy;
    known.iter().find(|method| method.as_bytes() == text.as_bytes()).cloned().ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|method| format!("\"{method}\"")).collect();
        format!("\"{text}\" cannot be passed on; choose among {}", names.join(", "))
    })
}

pub(super) fn proxied<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Method>, D::Error> {
    list(from, proxied_method)
}

pub(super) fn country<'de, D: Deserializer<'de>>(from: D) -> Result<Country, D::Error> {
    let code = String::deserialize(from)?;
    let known = || Country::ALL.map(|(code, _)| code).join(", ");
    Country::named(&code).ok_or_else(|| D::Error::custom(format!("\"{code}\" is none of {}", known())))
}

pub(super) fn music<'de, D: Deserializer<'de>>(from: D) -> Result<Music, D::Error> {
    let pieces = strings(from)?;
    Ok(match pieces.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["melody"] => Music::Melody,
        [] | ["none"] => Music::None,
        _ => Music::Files(pieces.into_iter().map(Into::into).collect()),
    })
}

/// Megabytes that fit into a WAV file, whose lengths are 32 bits.
pub(super) fn file_size<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let megabytes = u32::deserialize(from)?;
    let fits = (1..=4_000).contains(&megabytes);
    if fits { Ok(megabytes) } else { Err(D::Error::custom("must be from 1 to 4000")) }
}

/// A template whose names are all different and stay below the folder.
pub(super) fn recording_name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let template = String::deserialize(from)?;
    if !template.contains("{call}") {
        return Err(D::Error::custom("{call} must be in it, or two recordings could have the same name"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_+.{}".contains(c);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
    if !template.split('/').all(part) || template.len() > 200 {
        return Err(D::Error::custom("write it like \"{yyyy}/{MM}/{dd}/{call}\", without a suffix"));
    }
    Ok(template)
}

/// A level to play at, from −40 to 20 dB.
pub(super) fn decibels<'de, D: Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    let db = f32::deserialize(from)?;
    let known = (-40.0..=20.0).contains(&db);
    known.then_some(db).ok_or_else(|| D::Error::custom(format!("{db} dB is not from -40 to 20")))
}

fn header_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('*').unwrap_or(text);
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%_+`'~".contains(&b);
    match name.bytes().all(token) && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err(format!("\"{text}\" is no header; write its name, or its beginning and a star, like \"X-*\"")),
    }
}

pub(super) fn header_names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    list(from, header_name)
}

pub(super) fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    socket_address(&String::deserialize(from)?).map_err(D::Error::custom)
}

pub(super) fn optional_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    address(from).map(Some)
}

pub(super) fn addresses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SocketAddr>, D::Error> {
    list(from, socket_address)
}

pub(super) fn optional_addresses<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<SocketAddr>>, D::Error> {
    addresses(from).map(Some)
}

pub(super) fn strings<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    list(from, |text| Ok(text.to_owned()))
}

pub(super) fn optional_ip<'de, D: Deserializer<'de>>(from: D) -> Result<Option<IpAddr>, D::Error> {
    ip(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

pub(super) fn sources<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<model::Source>, D::Error> {
    list(from, str::parse)
}

pub(super) fn ips<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpAddr>, D::Error> {
    list(from, ip)
}

/// A positive number of seconds.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let duration = seconds_or_none(from)?;
    if duration.is_zero() { Err(D::Error::custom("must be at least 1 second")) } else { Ok(duration) }
}

pub(super) fn optional_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    seconds(from).map(Some)
}

pub(super) fn seconds_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    match u32::deserialize(from) {
        Ok(seconds) if seconds <= 7 * 24 * 3600 => Ok(Duration::from_secs(seconds.into())),
        Ok(_) => Err(D::Error::custom("must be at most 604800 seconds (a week)")),
        Err(e) => Err(D::Error::custom(format!("{e}; write whole seconds, without quotes and unit"))),
    }
}

/// A telephone number. People forget the quotes, so a bare integer gets a hint of its own: `0571` is no TOML integer anyway.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    struct Number;
    impl Visitor<'_> for Number {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number in quotes")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
        fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
            Err(E::custom(format!("numbers are written in quotes: \"{number}\"")))
        }
    }
    from.deserialize_any(Number)
}

pub(super) fn optional_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    number(from).map(Some)
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no range of ports; write it like \"20000-39999\"");
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let port = |s: &str| s.trim().parse::<u16>().map_err(|_| wrong());
        Ok(Self { first: port(first)?, last: port(last)? })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl<'de> Deserialize<'de> for PortRange {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
