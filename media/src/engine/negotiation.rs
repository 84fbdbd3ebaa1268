//! Offer and answer for one audio stream: RFC 3264.
//!
//! The first audio section over plain RTP is ours; every other section is refused with port 0, in its place.

use super::formats::{Allowed, add_events, add_laws, has_audio, is_digits, or_transcoded, playable};
use super::secure::{Keying, Srtp};
use super::types::SdpRefusal;
use crate::browser::{Link, Peer, mid_of};
use crate::codec::Codec;
use crate::sdp::{Address, Attribute, Direction, Format, Media, Session};
use crate::srtp::sdes::Crypto;
use bytes::Bytes;
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use stdx::Entropy;

/// What the peer's last description says, as far as we use it.
#[derive(Debug)]
pub(super) struct Remote {
    /// Its sections, to refuse those that are not ours.
    sections: Vec<Section>,
    ours: usize,
    /// Where it wants its sound; `None` if it names a host we do not resolve, or wants none.
    pub(super) address: Option<SocketAddr>,
    pub(super) rtcp: Option<SocketAddr>,
    pub(super) rtcp_mux: bool,
    /// It takes VoIP metrics in extended reports (RFC 3611 §5.1).
    pub(super) extended: bool,
    /// From the peer's side, with `c=0.0.0.0` counted as not receiving.
    pub(super) direction: Direction,
    stated: Direction,
    pub(super) ptime: Option<u16>,
    maxptime: Option<u16>,
    /// Its keys, if it has any for us.
    pub(super) crypto: Option<Crypto>,
    /// The way to it, if it is a browser.
    peer: Option<Peer>,
    /// In its order; unknown ones included, whose encoding is empty.
    pub(super) formats: Vec<Format>,
    /// As it came, for another process that goes on with it.
    text: Box<[u8]>,
}

/// What is repeated of a section that is refused.
#[derive(Debug)]
struct Section {
    kind: String,
    proto: String,
    format: String,
    mid: String,
}

impl Remote {
    /// Reads a description for a port at `local`, which may be one to a browser.
    pub(super) fn read(sdp: &[u8], local: IpAddr, keying: &Keying, browser: bool) -> Result<Self, SdpRefusal> {
        let session = Session::parse(sdp).map_err(|e| SdpRefusal::new(399, e.text()))?;
        let ours = if browser { browser_section(&session)? } else { our_section(&session, keying)? };
        let media = &session.media[ours];
        let peer = browser.then(|| Peer::read(&session, media)).transpose()?;
        let connection = media.connection.as_ref().or(session.connection.as_ref());
        // Where a browser is, its checks tell: RFC 8839 §4.1.1 has 0.0.0.0 there.
        let connection = connection.filter(|_| !browser);
        if connection.is_none() && !browser {
            return Err(SdpRefusal::new(399, "No c= line"));
        }
        let ip = connection.and_then(Address::ip);
        if ip.is_some_and(|ip| ip.is_ipv4() != local.is_ipv4()) {
            return Err(SdpRefusal::new(301, "Incompatible network address formats"));
        }
        if ip.is_some_and(|ip| ip.is_multicast() || ip == IpAddr::from([255; 4])) {
            return Err(SdpRefusal::new(330, "Multicast not available"));
        }
        let silent = ip.is_some_and(|ip| ip.is_unspecified());
        let stated = media.direction.or(session.direction).unwrap_or_default();
        let formats: Vec<Format> = media.formats.iter().filter(|f| is_relayable(f)).cloned().collect();
        let address = ip.filter(|_| !silent).map(|ip| SocketAddr::new(ip, media.port));
        Ok(Self {
            ours,
            address,
            rtcp: rtcp_address(media, address),
            rtcp_mux: media.rtcp_mux,
            extended: media.attributes.iter().chain(&session.attributes).any(takes_voip_metrics),
            direction: if silent { not_receiving(stated) } else { stated },
            stated,
            ptime: media.ptime,
            maxptime: media.maxptime,
            crypto: keying.line(media),
            peer,
            formats,
            sections: session.media.iter().map(section).collect(),
            text: sdp.into(),
        })
    }

    /// True if it asks us to be silent or will be: hold, in any of its spellings.
    pub(super) fn is_holding(&self) -> bool {
        self.direction != Direction::SendRecv
    }

    /// True if it wants our sound.
    pub(super) fn receives(&self) -> bool {
        matches!(self.direction, Direction::SendRecv | Direction::RecvOnly)
    }
}

/// The first section with keys if keys are wanted, else the first without.
fn our_section(session: &Session, keying: &Keying) -> Result<usize, SdpRefusal> {
    let audio = || session.media.iter().enumerate().filter(|(_, m)| m.is_audio());
    let possible = || audio().filter(|(_, m)| m.port != 0 && keying.accepts(m));
    let keyed = possible().find(|(_, m)| keying.line(m).is_some());
    if let Some((i, _)) = keyed.or_else(|| possible().next()) {
        return Ok(i);
    }
    match audio().find(|(_, m)| m.port != 0) {
        Some(_) => Err(SdpRefusal::new(302, "Incompatible transport protocol")),
        None => Err(SdpRefusal::new(304, "Media type not available")),
    }
}

/// The first section of sound that a browser would send.
fn browser_section(session: &Session) -> Result<usize, SdpRefusal> {
    let possible = |m: &&Media| m.is_audio() && m.port != 0;
    match session.media.iter().position(|m| possible(&m) && m.is_dtls_rtp()) {
        Some(i) => Ok(i),
        None if session.media.iter().any(|m| possible(&m)) => {
            Err(SdpRefusal::new(302, "Incompatible transport protocol"))
        }
        None => Err(SdpRefusal::new(304, "Media type not available")),
    }
}

fn crypto_line(line: &Crypto) -> Attribute {
    Attribute { name: "crypto".to_owned(), value: Some(line.to_string()) }
}

fn takes_voip_metrics(attribute: &Attribute) -> bool {
    let value = attribute.value.as_deref().unwrap_or_default();
    attribute.name.eq_ignore_ascii_case("rtcp-xr") && value.split(' ').any(|w| w.eq_ignore_ascii_case("voip-metrics"))
}

/// Offered to everybody, answered to whom asks for it.
fn voip_metrics() -> Attribute {
    Attribute { name: "rtcp-xr".to_owned(), value: Some("voip-metrics".to_owned()) }
}

fn section(media: &Media) -> Section {
    let format = match (media.formats.first(), media.tokens.first()) {
        (Some(format), _) => format.pt.to_string(),
        (None, Some(token)) => token.clone(),
        (None, None) => "0".to_owned(),
    };
    Section { kind: media.kind.clone(), proto: media.proto.clone(), format, mid: mid_of(media) }
}

fn not_receiving(stated: Direction) -> Direction {
    match stated {
        Direction::SendRecv | Direction::SendOnly => Direction::SendOnly,
        Direction::RecvOnly | Direction::Inactive => Direction::Inactive,
    }
}

fn rtcp_address(media: &Media, address: Option<SocketAddr>) -> Option<SocketAddr> {
    let address = address?;
    if media.rtcp_mux {
        return Some(address);
    }
    match &media.rtcp {
        Some((0, _)) => None,
        Some((port, named)) => {
            let ip = named.as_ref().and_then(Address::ip).filter(|ip| ip.is_ipv4() == address.is_ipv4());
            Some(SocketAddr::new(ip.unwrap_or(address.ip()), *port))
        }
        None => address.port().checked_add(1).map(|port| SocketAddr::new(address.ip(), port)),
    }
}

/// Redundancy formats name other payload numbers inside their packets, so they cannot be renumbered; 72 to 76 look
/// like RTCP (RFC 5761 §4).
fn is_relayable(format: &Format) -> bool {
    let redundancy = ["red", "ulpfec", "parityfec", "flexfec"];
    !(72..=76).contains(&format.pt) && !redundancy.iter().any(|r| format.encoding.eq_ignore_ascii_case(r))
}

/// What a former process kept of a port.
pub(super) struct Saved<'a> {
    pub(super) number: u16,
    session_id: u32,
    version: u64,
    /// The last offer was the peer's.
    asked: bool,
    own: &'a [u8],
    peer: &'a [u8],
}

impl<'a> Saved<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (first, rest) = bytes.split_at_checked(bytes.iter().position(|b| *b == b'\n')?)?;
        let mut words = std::str::from_utf8(first).ok()?.split(' ');
        let mut next = || words.next();
        let (number, session_id, version) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
        let (asked, len) = (next()? == "1", next()?.parse().ok()?);
        let (own, peer) = rest[1..].split_at_checked(len)?;
        Some(Self { number, session_id, version, asked, own, peer })
    }
}

/// What is agreed on a port, and what was said last.
#[derive(Debug)]
pub(super) struct Terms {
    local: IpAddr,
    number: u16,
    session_id: u32,
    version: u64,
    /// Our last description.
    text: Bytes,
    /// What the peer might send before our present offer, until that is answered.
    before: Option<Vec<Format>>,
    /// The last offer was the peer's, and whether it has been answered.
    asked: bool,
    answered: bool,
    pub(super) allowed: Allowed,
    /// More than the other side's codecs and G.711 is offered.
    pub(super) wide: bool,
    pub(super) keying: Keying,
    /// The way to the peer, if it is a browser.
    pub(super) link: Option<Box<Link>>,
    pub(super) remote: Option<Remote>,
    /// What the peer may send, in our payload numbers.
    pub(super) receive: Vec<Format>,
    /// What we may send, in the peer's payload numbers; empty until both sides have spoken.
    pub(super) send: Vec<Format>,
}

impl Terms {
    pub(super) fn new(local: IpAddr, number: u16, session_id: u32) -> Self {
        Self {
            local,
            number,
            session_id,
            version: 0,
            text: Bytes::new(),
            before: None,
            asked: false,
            answered: false,
            allowed: Allowed::default(),
            wide: false,
            keying: Keying::default(),
            link: None,
            remote: None,
            receive: Vec::new(),
            send: Vec::new(),
        }
    }

    /// The peer offers.
    pub(super) fn offered(&mut self, sdp: &[u8]) -> Result<(), SdpRefusal> {
        let remote = self.read(sdp)?;
        if !remote.formats.iter().any(|f| f.is_sound() && self.allowed.permits(f)) {
            return Err(NO_COMMON_FORMAT);
        }
        self.adopt(remote, true);
        self.asked = true;
        self.answered = false;
        Ok(())
    }

    /// Makes what descriptions need of randomness.
    pub(super) fn ready(&mut self, entropy: &mut Entropy) {
        self.keying.ready(entropy);
        self.link.iter_mut().for_each(|link| link.ready(entropy));
    }

    fn read(&self, sdp: &[u8]) -> Result<Remote, SdpRefusal> {
        Remote::read(sdp, self.local, &self.keying, self.link.is_some())
    }

    /// The peer's new description holds.
    fn adopt(&mut self, mut remote: Remote, offer: bool) {
        if let (Some(link), Some(peer)) = (&mut self.link, remote.peer.take()) {
            link.adopt(peer, offer);
        }
        self.remote = Some(remote);
    }

    /// The answer that has been given to the present offer.
    pub(super) fn answer_given(&self) -> Option<Bytes> {
        self.answered.then(|| self.text.clone())
    }

    /// What the switch can play itself, out of the present offer.
    pub(super) fn playable(&self) -> Option<Vec<Format>> {
        playable(&self.remote.as_ref().filter(|_| self.asked)?.formats, &self.allowed)
    }

    /// What the switch can turn into sound, out of the present offer, as the peer prefers it.
    pub(super) fn convertible(&self) -> Option<Vec<Format>> {
        let remote = self.remote.as_ref().filter(|_| self.asked)?;
        let ours = |f: &Format| Codec::of(f).is_some() || is_digits(f) || f.is_comfort_noise();
        let chosen = self.allowed.choose(remote.formats.iter().filter(|f| ours(f)).cloned());
        has_audio(&chosen).then_some(chosen)
    }

    /// What has been `agreed` elsewhere, in the present offer's payload numbers; `None` if nothing of it was offered.
    pub(super) fn matching(&self, agreed: &[Format]) -> Option<Vec<Format>> {
        let offer = &self.remote.as_ref().filter(|_| self.asked)?.formats;
        let common = agreed.iter().filter_map(|theirs| {
            let ours = offer.iter().find(|f| f.same_codec(theirs) && self.allowed.permits(f))?;
            // Parameters travel from end to end, the number does not.
            let fmtp = theirs.fmtp.clone().or_else(|| ours.fmtp.clone());
            Some(Format { fmtp, ..ours.clone() })
        });
        or_transcoded(common.collect(), offer, agreed, &self.allowed)
    }

    /// Answers the present offer with these formats.
    pub(super) fn answer(&mut self, formats: Vec<Format>) -> Bytes {
        let direction = self.remote.as_ref().map_or(Direction::SendRecv, |r| r.stated.reversed());
        let ptime = self.remote.as_ref().and_then(|r| r.ptime);
        let theirs = self.remote.as_ref().and_then(|r| r.crypto.clone());
        self.keying.agreed = theirs.and_then(|theirs| Some((theirs.clone(), self.keying.answer(&theirs)?)));
        let ours: Vec<Crypto> = self.keying.agreed.iter().map(|(_, ours)| ours.clone()).collect();
        self.asked = true;
        self.say(&formats, direction, ptime, &ours);
        self.receive.clone_from(&formats);
        self.send = formats;
        self.answered = true;
        self.text.clone()
    }

    /// Answers a new offer within what is agreed; nothing changes if that is impossible.
    pub(super) fn reanswer(&mut self, sdp: &[u8]) -> Result<Bytes, SdpRefusal> {
        let remote = self.read(sdp)?;
        let offer = &remote.formats;
        let common: Vec<Format> = if self.send.is_empty() {
            offer.iter().filter(|f| (f.law().is_some() && self.allowed.permits(f)) || is_digits(f)).cloned().collect()
        } else {
            offer.iter().filter(|f| self.send.iter().any(|agreed| agreed.same_codec(f))).cloned().collect()
        };
        let formats = or_transcoded(common, offer, &self.send, &self.allowed).ok_or(NO_COMMON_FORMAT)?;
        self.adopt(remote, true);
        Ok(self.answer(formats))
    }

    /// What to offer to the other side of this port: all it was offered or has agreed to, in its order.
    pub(super) fn to_pass_on(&self) -> Option<Vec<Format>> {
        let remote = self.remote.as_ref()?;
        let open = self.send.is_empty() || (self.asked && !self.answered);
        let source = if open { &remote.formats } else { &self.send };
        let mut formats = self.allowed.choose(source.iter().filter(|f| f.is_known()).cloned());
        add_laws(&mut formats);
        Some(formats)
    }

    /// Offers these formats, or again what has been offered before, or what every phone has.
    ///
    /// An offer within a session has a section for each of the last description's (RFC 3264 §8) and always another
    /// version: who asked for it (a re-INVITE without a description) may take the same version for an old one.
    pub(super) fn offer(&mut self, formats: Option<Vec<Format>>, ptime: Option<u16>) -> Bytes {
        let formats = formats.map(|offered| {
            let transcodable = offered.iter().any(|f| Codec::of(f).is_some());
            let mut formats = self.allowed.choose(offered);
            if transcodable {
                self.allowed.complete(&mut formats);
                if self.wide {
                    self.allowed.widen(&mut formats);
                }
                add_events(&mut formats);
            }
            formats
        });
        let formats = match formats.filter(|f| has_audio(f)) {
            Some(formats) => formats,
            None if self.receive.is_empty() => self.allowed.defaults(),
            None => self.receive.clone(),
        };
        if !has_audio(&formats) {
            return Bytes::new();
        }
        if self.remote.is_some() {
            self.text = Bytes::new();
        }
        let ours = self.keying.offer();
        self.asked = false;
        self.say(&formats, Direction::SendRecv, ptime, &ours);
        let before = std::mem::replace(&mut self.receive, formats);
        self.before.get_or_insert(before);
        self.answered = false;
        self.text.clone()
    }

    /// A wider offer than the last would have something new in it.
    pub(super) fn could_offer_more(&self) -> bool {
        let offered = |codec: Codec| self.receive.iter().any(|f| Codec::of(f) == Some(codec));
        !self.wide && self.receive.iter().any(|f| Codec::of(f).is_some()) && self.allowed.wide().any(|c| !offered(c))
    }

    /// Our offer has been refused: what was agreed before stands.
    pub(super) fn withdraw(&mut self) {
        if let Some(before) = self.before.take().filter(|f| !f.is_empty()) {
            self.receive = before;
        }
    }

    /// The packet time the peer wishes.
    pub(super) fn ptime(&self) -> Option<u16> {
        self.remote.as_ref().and_then(|r| r.ptime)
    }

    /// The peer answers our offer.
    pub(super) fn answered(&mut self, sdp: &[u8]) -> Result<(), SdpRefusal> {
        if self.receive.is_empty() {
            return Err(SdpRefusal::new(399, "Answer without an offer"));
        }
        let remote = self.read(sdp)?;
        let agreed = remote.formats.iter().filter_map(|theirs| {
            let ours = self.receive.iter().find(|ours| {
                // Some leave out the mapping of a number that we have mapped.
                if theirs.is_known() { ours.same_codec(theirs) } else { ours.pt == theirs.pt }
            })?;
            Some(Format { pt: theirs.pt, fmtp: theirs.fmtp.clone(), ..ours.clone() })
        });
        let agreed: Vec<Format> = agreed.collect();
        if !has_audio(&agreed) {
            return Err(NO_COMMON_FORMAT);
        }
        self.keying.answered(remote.crypto.as_ref())?;
        self.send = agreed;
        self.adopt(remote, false);
        self.before = None;
        Ok(())
    }

    /// What both sides have said last, as bytes; `None` before both have spoken, and of a browser, whose keys are its process's own.
    pub(super) fn save(&self) -> Option<Vec<u8>> {
        let remote = self.remote.as_ref().filter(|_| self.link.is_none() && !self.send.is_empty())?;
        let Self { number, session_id, version, text, .. } = self;
        let first = format!("{number} {session_id} {version} {} {}\n", u8::from(self.asked), text.len());
        Some([first.as_bytes(), text, &remote.text].concat())
    }

    /// Goes on with what was agreed in a former process. False, and nothing changed, if that cannot be read.
    ///
    /// Keys of ours are new: those of the former process have sealed packets nobody counted. Until the peer knows them, it hears nothing.
    pub(super) fn resume(&mut self, saved: &Saved<'_>) -> bool {
        let Ok(own) = Session::parse(saved.own) else { return false };
        let Ok(remote) = self.read(saved.peer) else { return false };
        let Some(section) = own.media.get(remote.ours) else { return false };
        self.session_id = saved.session_id;
        // The last offer of the former process may have come after this was kept.
        self.version = saved.version + 1;
        self.text = Bytes::copy_from_slice(saved.own);
        self.receive.clone_from(&section.formats);
        if !saved.asked {
            return self.answered(saved.peer).is_ok();
        }
        let theirs = remote.crypto.clone();
        self.keying.agreed = theirs.and_then(|theirs| Some((theirs.clone(), self.keying.answer(&theirs)?)));
        self.send.clone_from(&self.receive);
        self.adopt(remote, true);
        (self.asked, self.answered) = (true, true);
        true
    }

    /// What a first offer is carried by.
    fn transport(&self) -> &'static str {
        match self.keying.policy {
            _ if self.link.is_some() => "UDP/TLS/RTP/SAVPF",
            Srtp::Required => "RTP/SAVP",
            Srtp::Off | Srtp::Offered => "RTP/AVP",
        }
    }

    /// Makes our description; its version moves on only if it says something new (RFC 3264 §8).
    fn say(&mut self, formats: &[Format], direction: Direction, ptime: Option<u16>, keys: &[Crypto]) {
        let text = self.print(self.version, formats, direction, ptime, keys);
        if text != self.text {
            let text = self.print(self.version + 1, formats, direction, ptime, keys);
            self.version += 1;
            self.text = text;
        }
    }

    fn print(
        &self,
        version: u64,
        formats: &[Format],
        direction: Direction,
        ptime: Option<u16>,
        keys: &[Crypto],
    ) -> Bytes {
        let remote = self.remote.as_ref();
        let own = Address::Ip(self.local);
        let mut text = String::with_capacity(512);
        let mut print = || -> std::fmt::Result {
            write!(text, "v=0\r\no=- {} {version} {own}\r\ns=-\r\nc={own}\r\nt=0 0\r\n", self.session_id)?;
            let link = self.link.as_ref();
            text.extend(link.map(|link| link.session_lines(!self.asked)));
            let before = remote.map_or(&[][..], |r| &r.sections[..r.ours]);
            let after = remote.map_or(&[][..], |r| &r.sections[r.ours + 1..]);
            let refused = |text: &mut String, sections: &[Section]| {
                sections.iter().try_for_each(|s| s.refuse(link.is_some(), text))
            };
            refused(&mut text, before)?;
            let media = Media {
                kind: "audio".to_owned(),
                port: self.number,
                proto: remote.map_or(self.transport(), |r| r.sections[r.ours].proto.as_str()).to_owned(),
                formats: formats.to_vec(),
                tokens: Vec::new(),
                connection: None,
                direction: Some(direction),
                rtcp: None,
                rtcp_mux: link.is_some() || remote.is_some_and(|r| r.rtcp_mux),
                ptime,
                maxptime: remote.and_then(|r| r.maxptime),
                attributes: keys
                    .iter()
                    .map(crypto_line)
                    .chain(remote.is_none_or(|r| r.extended).then(voip_metrics))
                    .chain(link.into_iter().flat_map(|link| link.attributes(!self.asked)))
                    .collect(),
            };
            write!(text, "{media}")?;
            refused(&mut text, after)
        };
        stdx::never!(print().is_err(), "a description does not print into memory");
        text.into()
    }
}

impl Section {
    /// Its refusal: port 0 in its place; a browser also wants its name.
    fn refuse(&self, named: bool, text: &mut String) -> std::fmt::Result {
        let Self { kind, proto, format, mid } = self;
        write!(text, "m={kind} 0 {proto} {format}\r\n")?;
        if named && !mid.is_empty() { write!(text, "a=mid:{mid}\r\n") } else { Ok(()) }
    }
}

const NO_COMMON_FORMAT: SdpRefusal = SdpRefusal::new(305, "Incompatible media format");
