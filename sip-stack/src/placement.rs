//! Which cell owns a message: a pure function of its bytes, so that a retransmission, a CANCEL, an ACK and a BYE always
//! meet their transaction.
//!
//! Our tags and branches carry the cell that made them. What carries neither is placed by its address of record
//! (REGISTER, SUBSCRIBE, PUBLISH) or its Call-ID.

use std::borrow::Cow;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use stdx::Entropy;

use crate::endpoint::CellTag;

/// Begins our tags; a cell's number of four hexadecimal digits follows.
const TAG: &[u8] = b"pb";
/// Begins our branches, after RFC 3261's cookie.
const BRANCH: &[u8] = b"z9hG4bKpb";
/// Header lines that are looked at before we give up.
const MAX_LINES: usize = 512;

/// Who should get a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The cell that gave the To tag of this request, the branch of this response, or the tag in its Replaces or Join.
    Cell(CellTag),
    /// The home of this address of record: [`aor_hash`] of its user part.
    Aor(u64),
    /// Whoever the hash of the Call-ID falls to. Keep-alives and garbage have one too.
    CallId(u64),
}

/// Reads no more of a datagram than it needs, and never fails.
pub fn owner_hint(data: &[u8]) -> Hint {
    let start = data.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(data.len());
    let data = &data[start..];
    let (line, headers) = split_line(data);
    if line.len() >= 8 && line[..8].eq_ignore_ascii_case(b"SIP/2.0 ") {
        of_response(headers)
    } else {
        of_request(line, headers)
    }
}

/// What a datagram seems to be, at a glance: enough to decide whether and when it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A message of something that exists already: a response, ACK, BYE, CANCEL, PRACK, or a request with a To tag.
    Established,
    /// Line ends, NUL bytes, STUN.
    KeepAlive,
    /// REGISTER.
    Register,
    /// An INVITE that begins a call.
    Invite,
    /// SUBSCRIBE or PUBLISH outside any dialog.
    Subscribe,
    /// MESSAGE outside any dialog.
    Message,
    /// Any other request, and garbage.
    Other,
}

/// What a datagram seems to be. Reads no more than it needs, and never fails.
pub fn kind_hint(data: &[u8]) -> Kind {
    // STUN begins with two zero bits, and no text does with a byte so small (RFC 8489 §5).
    if data.iter().take(32).all(|b| matches!(b, b'\r' | b'\n' | 0)) || data[0] < 2 {
        return Kind::KeepAlive;
    }
    let start = data.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(data.len());
    let (line, headers) = split_line(&data[start..]);
    if line.len() >= 8 && line[..8].eq_ignore_ascii_case(b"SIP/2.0 ") {
        return Kind::Established;
    }
    let kind = match line.split(|b| *b == b' ').next().unwrap_or_default() {
        b"ACK" | b"BYE" | b"CANCEL" | b"PRACK" => return Kind::Established,
        b"REGISTER" => return Kind::Register,
        b"INVITE" => Kind::Invite,
        b"SUBSCRIBE" | b"PUBLISH" => Kind::Subscribe,
        b"MESSAGE" => Kind::Message,
        _ => Kind::Other,
    };
    let to = lines(headers).find(|(name, _)| is(name, b"to", b't')).map(|(_, value)| value);
    if to.is_some_and(|to| param(after_address(to), b"tag").is_some()) { Kind::Established } else { kind }
}

/// The User-Agent of a request; none if it names none.
pub fn user_agent_hint(data: &[u8]) -> Option<&[u8]> {
    let (_, headers) = split_line(data);
    lines(headers).find(|(name, _)| name.eq_ignore_ascii_case(b"user-agent")).map(|(_, value)| value)
}

/// Whether a request answers a challenge.
pub fn credentials_hint(data: &[u8]) -> bool {
    let (_, headers) = split_line(data);
    let is_answer =
        |name: &[u8]| name.eq_ignore_ascii_case(b"authorization") || name.eq_ignore_ascii_case(b"proxy-authorization");
    lines(headers).any(|(name, _)| is_answer(name))
}

/// The user of a request's URI as it is written: the number that is called.
pub fn called_hint(data: &[u8]) -> Option<&[u8]> {
    let uri = split_line(data).0.split(|b| *b == b' ').nth(1)?;
    let (scheme, rest) = uri.split_at(uri.iter().position(|b| *b == b':')?);
    let rest = &rest[1..];
    if scheme.eq_ignore_ascii_case(b"tel") {
        return Some(&rest[..rest.iter().position(|b| *b == b';').unwrap_or(rest.len())]);
    }
    let user = &rest[..rest.iter().position(|b| *b == b'@')?];
    Some(&user[..user.iter().position(|b| matches!(b, b';' | b':')).unwrap_or(user.len())])
}

/// Whether a request says that it belongs to an emergency call: a Resource-Priority of the namespace `esnet` (RFC 7135).
pub fn emergency_hint(data: &[u8]) -> bool {
    let (_, headers) = split_line(data);
    let value =
        lines(headers).find(|(name, _)| name.eq_ignore_ascii_case(b"resource-priority")).map(|(_, value)| value);
    let esnet = |value: &[u8]| value.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"esnet."));
    value.is_some_and(|value| value.split(|b| *b == b',').any(|value| esnet(value.trim_ascii())))
}

/// The hash by which the home of an extension is found: of the user part of its address, for phones name the host
/// as they like (address, domain, port).
pub fn aor_hash(user: &[u8]) -> u64 {
    hash(user)
}

/// The hash of a Call-ID, as in [`Hint::CallId`].
pub fn call_id_hash(call_id: &[u8]) -> u64 {
    hash(call_id)
}

/// A new tag of ours.
pub(crate) fn tag(cell: CellTag, entropy: &mut Entropy) -> String {
    format!("pb{:04x}{}", cell.0, entropy.token(16))
}

/// A new branch of ours.
pub(crate) fn branch(cell: CellTag, entropy: &mut Entropy) -> String {
    format!("z9hG4bKpb{:04x}{}", cell.0, entropy.token(16))
}

/// The cell that made this tag, if it looks like ours.
pub fn cell_of_tag(tag: &[u8]) -> Option<CellTag> {
    let digits = tag.strip_prefix(TAG)?.get(..4)?;
    if tag.len() < 16 || !digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().map(CellTag)
}

fn of_response(headers: &[u8]) -> Hint {
    for (name, value) in lines(headers) {
        if is(name, b"via", b'v') {
            // Only the topmost Via is ours; a proxy may have put all of them into one line.
            let first = value.split(|b| *b == b',').next().unwrap_or_default();
            if let Some(cell) = param(first, b"branch")
                && let Some(cell) = cell.strip_prefix(&BRANCH[..BRANCH.len() - TAG.len()]).and_then(cell_of_tag)
            {
                return Hint::Cell(cell);
            }
            break;
        }
    }
    of_call_id(headers)
}

fn of_request(line: &[u8], headers: &[u8]) -> Hint {
    let mut words = line.split(|b| *b == b' ').filter(|w| !w.is_empty());
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut to = None;
    for (name, value) in lines(headers) {
        if is(name, b"to", b't') && to.is_none() {
            to = Some(value);
            if let Some(cell) = param(after_address(value), b"tag").and_then(cell_of_tag) {
                return Hint::Cell(cell);
            }
        } else if (name.eq_ignore_ascii_case(b"replaces") || name.eq_ignore_ascii_case(b"join"))
            && let Some(cell) =
                [&b"to-tag"[..], b"from-tag"].into_iter().find_map(|tag| cell_of_tag(param(value, tag)?))
        {
            return Hint::Cell(cell);
        }
    }
    match method {
        b"REGISTER" => Hint::Aor(hash(&unescaped(user(address(to.unwrap_or(uri)))))),
        // Some phones subscribe to their own affairs at the switch as such.
        b"SUBSCRIBE" | b"PUBLISH" if uri.contains(&b'@') || uri.starts_with(b"tel:") => {
            Hint::Aor(hash(&unescaped(user(uri))))
        }
        b"SUBSCRIBE" | b"PUBLISH" => Hint::Aor(hash(&unescaped(user(address(to.unwrap_or(uri)))))),
        _ => of_call_id(headers),
    }
}

fn of_call_id(headers: &[u8]) -> Hint {
    let id = lines(headers).find(|(name, _)| is(name, b"call-id", b'i')).map_or(&b""[..], |(_, value)| value);
    Hint::CallId(hash(id))
}

/// The same on every node and in every run: owners are agreed upon, not secret.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x5061_7463_6862_6179, 0);
    hasher.write(bytes);
    hasher.finish()
}

fn is(name: &[u8], long: &[u8], compact: u8) -> bool {
    name.eq_ignore_ascii_case(long) || name.len() == 1 && name[0].eq_ignore_ascii_case(&compact)
}

fn split_line(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|b| *b == b'\n') {
        Some(end) => (data[..end].trim_ascii_end(), &data[end + 1..]),
        None => (data, &[]),
    }
}

/// Header lines as (name, value), folds kept inside the value.
fn lines(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let mut end = 0;
        loop {
            match rest[end..].iter().position(|b| *b == b'\n') {
                Some(at) => {
                    end += at + 1;
                    if !matches!(rest.get(end), Some(b' ' | b'\t')) {
                        break;
                    }
                }
                None => {
                    end = rest.len();
                    break;
                }
            }
        }
        let (line, tail) = rest.split_at(end);
        rest = tail;
        let line = line.trim_ascii();
        if line.is_empty() {
            return None;
        }
        let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
        Some((line[..colon].trim_ascii_end(), line.get(colon + 1..).unwrap_or_default().trim_ascii()))
    })
    .take(MAX_LINES)
}

/// The address inside a To value.
fn address(value: &[u8]) -> &[u8] {
    let value = after_display(value);
    match value.iter().position(|b| *b == b'<') {
        Some(open) => value[open + 1..].split(|b| *b == b'>').next().unwrap_or_default(),
        None => value.split(|b| *b == b';').next().unwrap_or_default(),
    }
}

/// What follows the address of a To value: its own parameters.
fn after_address(value: &[u8]) -> &[u8] {
    let value = after_display(value);
    match value.iter().position(|b| *b == b'>') {
        Some(close) => &value[close + 1..],
        None => value,
    }
}

/// Skips a quoted display name, which may contain anything.
fn after_display(value: &[u8]) -> &[u8] {
    let Some(quoted) = value.strip_prefix(b"\"") else { return value };
    let mut escaped = false;
    for (i, b) in quoted.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return &quoted[i + 1..],
            _ => {}
        }
    }
    value
}

/// The value of `;name=value`.
fn param<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    value.split(|b| *b == b';').skip(1).find_map(|param| {
        let equals = param.iter().position(|b| *b == b'=')?;
        param[..equals].trim_ascii().eq_ignore_ascii_case(name).then(|| param[equals + 1..].trim_ascii())
    })
}

/// The user part of a SIP or tel URI, without password and parameters; the host if there is no user.
fn user(uri: &[u8]) -> &[u8] {
    let uri = uri.trim_ascii();
    let rest = uri.iter().position(|b| *b == b':').map_or(uri, |colon| &uri[colon + 1..]);
    let user = rest.iter().position(|b| *b == b'@').map_or(rest, |at| &rest[..at]);
    user.split(|b| matches!(b, b':' | b';')).next().unwrap_or_default()
}

/// Undoes escapes: `%31%30%30` is 100.
fn unescaped(user: &[u8]) -> Cow<'_, [u8]> {
    if !user.contains(&b'%') {
        return Cow::Borrowed(user);
    }
    let mut out = Vec::with_capacity(user.len());
    let mut rest = user;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|d| first == b'%' && d.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
        out.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: CellTag = CellTag(0x1f);

    fn request(method: &str, to: &str, more: &str) -> Vec<u8> {
        format!(
            "{method} sip:200@pbx SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\nTo: {to}\r\nCall-ID: a@b\r\n{more}\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn every_message_of_a_call_goes_to_one_cell() {
        let mut entropy = Entropy::seeded(1);
        let first = owner_hint(&request("INVITE", "<sip:200@pbx>", ""));
        let Hint::CallId(hash) = first else { panic!("{first:?}") };
        let cells = 7;
        let cell = CellTag((hash % cells) as u16);
        let owner = |data: &[u8]| match owner_hint(data) {
            Hint::Cell(cell) => cell,
            Hint::CallId(hash) | Hint::Aor(hash) => CellTag((hash % cells) as u16),
        };
        let tag = tag(cell, &mut entropy);
        let to = format!("\"a > b;tag=x\" <sip:200@pbx;tag=no>;x=y; TAG = {tag}");
        let branch = branch(cell, &mut entropy);
        for data in [
            request("INVITE", "<sip:200@pbx>", ""),
            request("CANCEL", "<sip:200@pbx>", ""),
            request("ACK", &to, ""),
            request("BYE", &to, ""),
            request("INVITE", &format!("sip:200@pbx;tag={tag}"), ""),
            format!("SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;rport ;branch={branch};received=1.1.1.1, SIP/2.0/UDP x;branch=z\r\n\r\n").into(),
            b"\r\n\r\nCANCEL sip:x SIP/2.0\ni:\r\n a@b\nTo\t: <sip:200@pbx>\n\n".to_vec(),
            request("INVITE", "<sip:300@pbx>", &format!("Replaces: zz;from-tag=1;to-tag={tag}\r\n")),
            request("INVITE", "<sip:300@pbx>", &format!("Join: zz;from-tag={tag};to-tag=1\r\n")),
        ] {
            assert_eq!(owner(&data), cell, "{}", String::from_utf8_lossy(&data));
        }
    }

    #[test]
    fn registrations_go_to_the_home_of_the_user_whatever_the_host() {
        let home = Hint::Aor(aor_hash(b"100"));
        for to in [
            "<sip:100@pbx>",
            "sip:100@10.0.0.1:5060;x=y",
            "\"<\\\"\" <sips:100:pw@pbx;x>;tag=1",
            "<tel:100;phone-context=x>",
            "<sip:1%300@pbx>",
        ] {
            assert_eq!(owner_hint(&request("REGISTER", to, "")), home, "{to}");
        }
        assert_ne!(owner_hint(&request("REGISTER", "<sip:101@pbx>", "")), home);
        assert_eq!(owner_hint(&request("SUBSCRIBE", "<sip:100@pbx>", "")), Hint::Aor(aor_hash(b"200")));
    }

    #[test]
    fn strangers_tags_are_not_taken_for_ours() {
        for tag in ["pb00", "pbzzzz0123456789", "PB001f0123456789", "abc", "pb001Fabcdefghijk", "pb001f"] {
            assert_eq!(cell_of_tag(tag.as_bytes()), None, "{tag}");
        }
        assert_eq!(cell_of_tag(tag(CELL, &mut Entropy::seeded(1)).as_bytes()), Some(CELL));
    }

    #[test]
    fn what_a_datagram_is_shows_at_a_glance() {
        for (method, kind) in [
            ("REGISTER", Kind::Register),
            ("INVITE", Kind::Invite),
            ("SUBSCRIBE", Kind::Subscribe),
            ("MESSAGE", Kind::Message),
            ("OPTIONS", Kind::Other),
            ("BYE", Kind::Established),
            ("ACK", Kind::Established),
        ] {
            assert_eq!(kind_hint(&request(method, "<sip:100@pbx>", "")), kind, "{method}");
        }
        for to in ["<sip:100@pbx;tag=no>;tag=a", "\"<;tag=x>\" <sip:100@pbx> ; tag=a"] {
            assert_eq!(kind_hint(&request("INVITE", to, "")), Kind::Established, "{to}");
        }
        assert_eq!(kind_hint(&request("INVITE", "\";tag=x\" <sip:100@pbx;tag=no>", "")), Kind::Invite);
        assert_eq!(kind_hint(b"SIP/2.0 200 OK\r\n\r\n"), Kind::Established);
        assert_eq!(kind_hint(b"\r\n\r\n"), Kind::KeepAlive);
        assert_eq!(kind_hint(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]), Kind::KeepAlive);
        assert_eq!(kind_hint(b""), Kind::KeepAlive);
        assert_eq!(kind_hint(b"hello"), Kind::Other);
        let scanner = request("OPTIONS", "<sip:100@pbx>", "User-Agent:  friendly-scanner \r\n");
        assert_eq!(user_agent_hint(&scanner), Some(&b"friendly-scanner"[..]));
        assert_eq!(user_agent_hint(b"x"), None);
    }

    #[test]
    fn garbage_has_an_owner_too() {
        let mut entropy = Entropy::seeded(5);
        let seed = request("INVITE", "\"x\\", "Via: SIP/2.0/UDP h;branch=z9hG4bKpb\r\nReplaces: ;to-tag=pb\r\n");
        for _ in 0..20_000 {
            let mut data = seed.clone();
            for _ in 0..entropy.below(12) {
                let at = entropy.below(data.len() as u64) as usize;
                data[at] = b"\r\n\t :;,<>\"\\=@\0\xff"[entropy.below(15) as usize];
            }
            data.truncate(entropy.below(data.len() as u64 + 1) as usize);
            owner_hint(&data);
            kind_hint(&data);
            user_agent_hint(&data);
        }
        for data in [&b""[..], b"\r\n", b"SIP/2.0 ", b"SIP/2.0", b" ", b"REGISTER", b"REGISTER \r\nTo", b"\0\0\0\0"] {
            owner_hint(data);
        }
    }

    #[test]
    fn called_numbers_and_emergencies_are_seen_at_a_glance() {
        for (line, number) in [
            ("INVITE sip:110@h SIP/2.0", Some("110")),
            ("INVITE SIPS:110;x=y:z@h SIP/2.0", Some("110")),
            ("INVITE tel:110;phone-context=+86 SIP/2.0", Some("110")),
            ("INVITE sip:h SIP/2.0", None),
            ("INVITE", None),
            ("", None),
            ("INVITE x SIP/2.0", None),
        ] {
            let data = format!("{line}\r\nTo: <sip:1@h>\r\n\r\n");
            assert_eq!(called_hint(data.as_bytes()), number.map(str::as_bytes), "{line}");
        }
        assert!(credentials_hint(b"REGISTER sip:h SIP/2.0\r\nauthorization: Digest x\r\n\r\n"));
        assert!(!credentials_hint(b"REGISTER sip:h SIP/2.0\r\nTo: <sip:authorization@h>\r\n\r\n"));
        let with = |value: &str| format!("INVITE sip:1@h SIP/2.0\r\nResource-Priority: {value}\r\n\r\n");
        assert!(emergency_hint(with("esnet.1").as_bytes()) && emergency_hint(with("dsn.flash, ESNET.0").as_bytes()));
        assert!(!emergency_hint(with("ets.0").as_bytes()) && !emergency_hint(b"INVITE sip:1@h SIP/2.0\r\n\r\n"));
    }
}
