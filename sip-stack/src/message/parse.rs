//! From bytes to a start line and an index of headers: one pass, no copy but of folded lines.

use super::error::{ParseError, ParseErrorKind};
use super::limits::Limits;
use super::name::Name;
use super::scan::{is_space, is_token, is_token_char, number, trim};
use super::uri::Span;
use super::{Message, Status};
use bytes::Bytes;
use smallvec::SmallVec;

/// What a message begins with; ranges point into its bytes.
#[derive(Debug, Clone)]
pub(super) enum Start {
    Request { method: Span, uri: Span },
    Response { status: Status, reason: Span },
}

/// One header line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) name: Name,
    /// The value was folded and lies in [`Index::unfolded`].
    folded: bool,
    name_len: u16,
    name_at: u32,
    value: Span,
}

impl Slot {
    pub(super) fn spelling<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let at = self.name_at as usize;
        bytes.get(at..at + usize::from(self.name_len)).unwrap_or_default()
    }

    pub(super) fn value<'a>(&self, bytes: &'a [u8], unfolded: &'a [u8]) -> &'a [u8] {
        self.value.of(if self.folded { unfolded } else { bytes })
    }
}

/// Headers of most messages: no allocation up to here.
const USUAL_HEADERS: usize = 24;

/// Start line and headers of a message.
#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) start: Start,
    pub(super) slots: SmallVec<[Slot; USUAL_HEADERS]>,
    /// The folded values, each on one line; empty for most messages.
    pub(super) unfolded: Bytes,
    pub(super) unreadable: u16,
}

/// What [`head`] found.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) index: Index,
    /// Where the body begins.
    pub(super) len: usize,
    pub(super) content_length: Option<u32>,
    /// The first thing that is wrong; the index holds what could be read in spite of it.
    pub(super) problem: Option<ParseErrorKind>,
}

/// Reads a datagram.
pub(super) fn datagram(bytes: Bytes, limits: &Limits) -> Result<Message, ParseError> {
    let skip = leading_line_ends(&bytes);
    if skip == bytes.len() {
        return Err(ParseError::new(ParseErrorKind::KeepAlive, None));
    }
    let bytes = if skip == 0 { bytes } else { bytes.slice(skip..) };
    let head = head(&bytes, limits).map_err(|kind| ParseError::new(kind, None))?;
    let available = bytes.len() - head.len;
    let body_len = head.content_length.map_or(available, |len| len as usize);
    let problem = head
        .problem
        .or_else(|| (body_len > available).then_some(ParseErrorKind::ShortBody))
        .or_else(|| (head.len + body_len > limits.max_message).then_some(ParseErrorKind::TooLarge));
    match problem {
        Some(kind) => {
            let partial = Message { bytes: bytes.slice(..head.len), index: head.index, body_at: head.len };
            Err(ParseError::new(kind, Some(partial)))
        }
        None => {
            let end = head.len + body_len;
            let bytes = if end == bytes.len() { bytes } else { bytes.slice(..end) };
            Ok(Message { bytes, index: head.index, body_at: head.len })
        }
    }
}

/// Line ends (and the NULs some phones send to keep their NAT open) before a message.
pub(super) fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes.iter().position(|b| !matches!(b, b'\r' | b'\n' | 0)).unwrap_or(bytes.len())
}

/// The lines of a head: each with where it begins, where its content ends, and where the next one begins.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Lines<'_> {
    /// The next line, without its end; a bare LF ends a line too, as half the field's test tools send it.
    fn next(&mut self) -> Option<(usize, usize)> {
        let start = self.at;
        let len = memchr::memchr(b'\n', self.bytes.get(start..)?)?;
        self.at = start + len + 1;
        let end = start + len;
        let cr = len > 0 && self.bytes[end - 1] == b'\r';
        Some((start, end - usize::from(cr)))
    }

    fn at_fold(&self) -> bool {
        self.bytes.get(self.at).copied().is_some_and(is_space)
    }
}

/// Reads start line and headers. `Err` only for what is no SIP at all; anything else yields as much as can be read.
pub(super) fn head(bytes: &[u8], limits: &Limits) -> Result<Head, ParseErrorKind> {
    let mut lines = Lines { bytes, at: 0 };
    let Some((_, line_end)) = lines.next() else { return Err(not_a_line(bytes)) };
    let (start, mut problem) = start_line(&bytes[..line_end])?;
    if line_end > limits.max_header_len {
        problem = Some(ParseErrorKind::TooLarge);
    }
    let mut reader = Reader { bytes, unfolded: Vec::new(), content_length: None, problem, unreadable: 0, vias: 0 };
    let mut slots = SmallVec::new();
    let len = loop {
        let Some((at, mut end)) = lines.next() else {
            reader.trouble(ParseErrorKind::NoEnd);
            break bytes.len();
        };
        if at == end {
            break lines.at;
        }
        let mut folded = false;
        while lines.at_fold() {
            let Some((_, fold_end)) = lines.next() else { break };
            end = fold_end;
            folded = true;
        }
        if slots.len() == limits.max_headers || end - at > limits.max_header_len {
            reader.trouble(ParseErrorKind::TooLarge);
            // The rest is only skipped, so that the end of the head is still found.
            continue;
        }
        slots.extend(reader.header(at, end, folded, limits));
    };
    let Reader { unfolded, content_length, problem, unreadable, .. } = reader;
    let index = Index { start, slots, unfolded: unfolded.into(), unreadable };
    Ok(Head { index, len, content_length, problem })
}

/// Not even one whole line: a message that was cut, or something else.
fn not_a_line(bytes: &[u8]) -> ParseErrorKind {
    match memchr::memmem::find(bytes, b"SIP/2.0") {
        Some(_) => ParseErrorKind::NoEnd,
        None => ParseErrorKind::NotSip,
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    unfolded: Vec<u8>,
    content_length: Option<u32>,
    problem: Option<ParseErrorKind>,
    unreadable: u16,
    vias: usize,
}

impl Reader<'_> {
    /// Keeps the first problem.
    fn trouble(&mut self, kind: ParseErrorKind) {
        self.problem.get_or_insert(kind);
    }

    /// Reads one header line with its folds.
    fn header(&mut self, at: usize, end: usize, folded: bool, limits: &Limits) -> Option<Slot> {
        let line = &self.bytes[at..end];
        let name_len = line.iter().position(|&b| !is_token_char(b)).unwrap_or(line.len());
        let colon = line[name_len..].iter().position(|&b| !is_space(b)).map(|blanks| name_len + blanks);
        let Some(colon) = colon.filter(|&colon| name_len > 0 && line[colon] == b':') else {
            self.unreadable = self.unreadable.saturating_add(1);
            return None;
        };
        let (Ok(name_at), Ok(name_len16)) = (u32::try_from(at), u16::try_from(name_len)) else {
            self.trouble(ParseErrorKind::TooLarge);
            return None;
        };
        let name = Name::from_bytes(&line[..name_len]);
        let value = match folded {
            true => self.unfold(&line[colon + 1..]),
            false => {
                let text = &line[colon + 1..];
                let lead = text.iter().position(|&b| !is_space(b)).unwrap_or(text.len());
                let text = text[lead..].trim_ascii_end();
                Span::new(at + colon + 1 + lead, at + colon + 1 + lead + text.len())
            }
        };
        let slot = Slot { name, folded, name_len: name_len16, name_at, value };
        match name {
            Name::ContentLength => {
                let len = number(slot.value(self.bytes, &self.unfolded));
                // Several that agree do no harm; those that do not leave the end of the message unknown (RFC 4475 §3.3.9).
                if len.is_none() || self.content_length.is_some() && self.content_length != len {
                    self.trouble(ParseErrorKind::ContentLength);
                }
                self.content_length = len;
            }
            Name::Via => {
                self.vias += 1;
                if self.vias > limits.max_via {
                    self.trouble(ParseErrorKind::TooManyVias);
                }
            }
            _ => {}
        }
        Some(slot)
    }

    /// Copies a folded value, each fold as one space (RFC 3261 §7.3.1).
    fn unfold(&mut self, text: &[u8]) -> Span {
        let start = self.unfolded.len();
        for piece in text.split(|&b| b == b'\n').map(trim).filter(|piece| !piece.is_empty()) {
            if self.unfolded.len() > start {
                self.unfolded.push(b' ');
            }
            self.unfolded.extend_from_slice(piece);
        }
        Span::new(start, self.unfolded.len())
    }
}

/// Reads the start line: what it says, and what is wrong with it if one can still tell that it is SIP.
fn start_line(line: &[u8]) -> Result<(Start, Option<ParseErrorKind>), ParseErrorKind> {
    match line.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case(b"SIP/") => Ok((status_line(line)?, None)),
        _ => request_line(line),
    }
}

fn status_line(line: &[u8]) -> Result<Start, ParseErrorKind> {
    let version = line.get(..7).ok_or(ParseErrorKind::StatusLine)?;
    // The phrase may be empty (RFC 4475 §3.1.1.13); some leave out its space too.
    let code = line.get(7..11).filter(|code| code[0] == b' ').ok_or(ParseErrorKind::StatusLine)?;
    let code = number(&code[1..]).and_then(|code| u16::try_from(code).ok());
    let status = code.filter(|code| (100..700).contains(code)).map(Status).ok_or(ParseErrorKind::StatusLine)?;
    if !version.eq_ignore_ascii_case(b"SIP/2.0") || !matches!(line.get(11), None | Some(b' ')) {
        return Err(ParseErrorKind::StatusLine);
    }
    Ok(Start::Response { status, reason: Span::new(line.len().min(12), line.len()) })
}

fn request_line(line: &[u8]) -> Result<(Start, Option<ParseErrorKind>), ParseErrorKind> {
    // Blanks at the end are an error of their own (RFC 4475 §3.1.2.10); what the line means is still plain, for the answer's sake.
    let text = line.trim_ascii_end();
    let version_at = memchr::memrchr(b' ', text).ok_or(ParseErrorKind::NotSip)? + 1;
    let version = &text[version_at..];
    if !version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/")) {
        return Err(ParseErrorKind::NotSip);
    }
    let method_len = memchr::memchr(b' ', text).unwrap_or(text.len());
    if !is_token(&text[..method_len]) {
        return Err(ParseErrorKind::NotSip);
    }
    let uri = Span::new((method_len + 1).min(version_at - 1), version_at - 1);
    let start = Start::Request { method: Span::new(0, method_len), uri };
    let uri = uri.of(line);
    let problem = if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        Some(ParseErrorKind::Version)
    } else if text.len() < line.len()
        || uri.is_empty()
        || uri.iter().any(|b| b.is_ascii_whitespace() || matches!(b, b'<' | b'>' | b'"' | 0))
    {
        Some(ParseErrorKind::RequestLine)
    } else {
        None
    };
    Ok((start, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: i\r\nCSeq: 1 OPTIONS\r\n";

    fn parse(text: impl Into<String>) -> Result<Message, ParseError> {
        Message::parse_datagram(text.into().into())
    }

    fn trouble(text: impl Into<String>) -> (ParseErrorKind, Option<u16>) {
        let error = parse(text).unwrap_err();
        assert_eq!(error.reply().is_some(), error.status().is_some());
        (error.kind(), error.status().map(Status::code))
    }

    #[test]
    fn line_ends_before_the_start_line_are_skipped_and_alone_they_keep_alive() {
        let message = parse(format!("\r\n\r\nOPTIONS sip:c@d SIP/2.0\r\n{HEAD}\r\n")).unwrap();
        assert!(message.as_bytes().starts_with(b"OPTIONS "));
        for idle in ["", "\r\n", "\r\n\r\n", "\0", "\0\0\0\0\n"] {
            assert_eq!(trouble(idle), (ParseErrorKind::KeepAlive, None));
        }
    }

    #[test]
    fn a_bare_line_feed_ends_a_line_too() {
        let text = format!("OPTIONS sip:c@d SIP/2.0\r\n{HEAD}Subject: a\r\n b\r\n\r\nhi").replace("\r\n", "\n");
        let message = parse(text).unwrap();
        assert_eq!((message.header(Name::Subject), message.body()), (Some(&b"a b"[..]), &b"hi"[..]));
        assert!(message.via().is_ok());
    }

    #[test]
    fn a_datagram_is_trimmed_to_its_length_and_without_one_it_is_all_body() {
        let start = format!("OPTIONS sip:c@d SIP/2.0\r\n{HEAD}");
        assert_eq!(parse(format!("{start}Content-Length: 2\r\n\r\nhithere")).unwrap().body(), b"hi");
        assert_eq!(parse(format!("{start}\r\nhithere")).unwrap().body(), b"hithere");
        assert_eq!(trouble(format!("{start}l: 3\r\n\r\nhi")), (ParseErrorKind::ShortBody, Some(400)));
        assert_eq!(trouble(start.clone()), (ParseErrorKind::NoEnd, Some(400)));
        assert_eq!(trouble(format!("{start}Subject: cut")), (ParseErrorKind::NoEnd, Some(400)));
    }

    #[test]
    fn limits_are_answered() {
        let text = |lines: String| format!("OPTIONS sip:c@d SIP/2.0\r\n{HEAD}{lines}l: 0\r\n\r\n");
        assert!(parse(text("X: y\r\n".repeat(250))).is_ok());
        assert_eq!(trouble(text("X: y\r\n".repeat(251))), (ParseErrorKind::TooLarge, Some(513)));
        assert!(parse(text(format!("X: {}\r\n", "y".repeat(8189)))).is_ok());
        assert_eq!(trouble(text(format!("X: {}\r\n", "y".repeat(8190)))), (ParseErrorKind::TooLarge, Some(513)));
        assert_eq!(trouble(text(format!("X: y\r\n {}\r\n", "y".repeat(8190)))), (ParseErrorKind::TooLarge, Some(513)));
        assert!(parse(text("v: SIP/2.0/UDP h\r\n".repeat(69))).is_ok());
        assert_eq!(trouble(text("v: SIP/2.0/UDP h\r\n".repeat(70))), (ParseErrorKind::TooManyVias, Some(483)));
        assert_eq!(
            trouble(text(String::new()).replace("OPTIONS sip:c", &format!("OPTIONS sip:{}", "c".repeat(8190)))),
            (ParseErrorKind::TooLarge, Some(513))
        );
        let body = format!("OPTIONS sip:c@d SIP/2.0\r\n{HEAD}\r\n{}", "x".repeat(65535));
        assert_eq!(trouble(body), (ParseErrorKind::TooLarge, Some(513)));
    }

    #[test]
    fn what_cannot_be_answered_is_not() {
        assert_eq!(trouble("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), (ParseErrorKind::NotSip, None));
        assert_eq!(trouble("\u{1}\u{2}garbage"), (ParseErrorKind::NotSip, None));
        assert_eq!(trouble(format!("SIP/2.0 99 Low\r\n{HEAD}\r\n")), (ParseErrorKind::StatusLine, None));
        assert_eq!(trouble(format!("SIP/3.0 200 OK\r\n{HEAD}\r\n")), (ParseErrorKind::StatusLine, None));
        // An ACK never is, nor is what has nothing to tell its transaction by.
        assert_eq!(trouble(format!("ACK  sip:c@d SIP/2.0\r\n{HEAD}\r\n")), (ParseErrorKind::RequestLine, None));
        assert_eq!(
            trouble("OPTIONS  sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n"),
            (ParseErrorKind::RequestLine, None)
        );
        let response = format!("SIP/2.0 200 OK\r\n{HEAD}Content-Length: 5\r\n\r\n");
        assert_eq!(trouble(response), (ParseErrorKind::ShortBody, None));
    }

    #[test]
    fn lines_that_are_none_are_ignored_and_counted() {
        let message =
            parse(format!("OPTIONS sip:c@d SIP/2.0\r\n{HEAD}no colon\r\n: no name\r\nno token: x\r\nk: a,b\r\n\r\n"))
                .unwrap();
        assert_eq!(message.unreadable_lines(), 3);
        assert_eq!(message.lines().count(), 6);
        assert!(message.lists(Name::Supported, "B"));
    }
}
