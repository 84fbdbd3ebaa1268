//! Byte scanning that every view shares: white space, tokens, quoted strings, lists, percent escapes.

use std::borrow::Cow;

const TOKEN: u8 = 1;
const DIGIT: u8 = 2;
const HEX: u8 = 4;

/// Character classes of RFC 3261 §25.1 by byte.
static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut c = 0;
    while c < 256 {
        let b = c as u8;
        if b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
        {
            table[c] |= TOKEN;
        }
        if b.is_ascii_digit() {
            table[c] |= DIGIT;
        }
        if b.is_ascii_hexdigit() {
            table[c] |= HEX;
        }
        c += 1;
    }
    table
};

pub(super) fn is_token_char(b: u8) -> bool {
    CLASS[usize::from(b)] & TOKEN != 0
}

/// One or more token characters.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_token_char(b))
}

pub(super) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t')
}

/// Without leading and trailing blanks and line ends.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// A decimal number that fits `u32`; nothing but digits.
pub(super) fn number(bytes: &[u8]) -> Option<u32> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u32, |n, &b| match CLASS[usize::from(b)] & DIGIT {
        0 => None,
        _ => n.checked_mul(10)?.checked_add(u32::from(b - b'0')),
    })
}

/// Where the quoted string that opens `bytes` ends: the index after its closing quote.
///
/// A quoted string in a double-byte charset (GBK, Big5) may hold 0x5C as a second byte, which reads as an escape and can swallow the
/// closing quote or lose its own byte. So text that is not UTF-8 is read in pairs; the plain reading remains where that finds no end.
pub(super) fn quoted_end(bytes: &[u8]) -> Option<usize> {
    let plain = quoted_end_by(bytes, false);
    let inner = bytes.get(1..plain.unwrap_or(bytes.len())).unwrap_or_default();
    match std::str::from_utf8(inner) {
        Ok(_) => plain,
        Err(_) => quoted_end_by(bytes, true).or(plain),
    }
}

fn quoted_end_by(bytes: &[u8], pairs: bool) -> Option<usize> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ if pairs && is_pair(&bytes[at..]) => at += 2,
            _ => at += 1,
        }
    }
}

/// Whether these bytes begin with a character of a double-byte charset. The second byte is never a quote.
fn is_pair(bytes: &[u8]) -> bool {
    matches!(bytes, [0x81..=0xfe, 0x40..=0x7e | 0x80..=0xfe, ..])
}

/// The text inside a quoted string, escapes undone. Bytes that are not UTF-8 are read in pairs, so that a second byte 0x5C stays.
pub(super) fn unescape_quoted(inner: &[u8]) -> Cow<'_, [u8]> {
    if !inner.contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let pairs = std::str::from_utf8(inner).is_err();
    let mut out = Vec::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&b) = inner.get(at) {
        let len = if b == b'\\' || pairs && is_pair(&inner[at..]) { 2 } else { 1 };
        let part = &inner[at..inner.len().min(at + len)];
        out.extend_from_slice(if b == b'\\' { &part[1..] } else { part });
        at += len;
    }
    Cow::Owned(out)
}

/// Text as the inside of a quoted string. Line ends and NULs, for which RFC 3261 knows no escape, become spaces.
pub(super) fn escape_quoted(text: &[u8], out: &mut Vec<u8>) {
    let pairs = std::str::from_utf8(text).is_err();
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        match b {
            _ if pairs && is_pair(&text[at..]) => {
                out.extend_from_slice(&text[at..at + 2]);
                at += 1;
            }
            b'"' | b'\\' => out.extend([b'\\', b]),
            b'\r' | b'\n' | 0 => out.push(b' '),
            _ => out.push(b),
        }
        at += 1;
    }
}

/// A parameter value without its quotes, if it has any.
pub(super) fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    match value {
        [b'"', inner @ .., b'"'] => unescape_quoted(inner),
        _ => Cow::Borrowed(value),
    }
}

/// The first place of `wanted` outside quoted strings and angle brackets, or the end.
///
/// An unbalanced quote or bracket swallows the rest: nobody can tell where its value ends.
pub(super) fn find_outside(bytes: &[u8], wanted: u8) -> usize {
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        match b {
            b'"' => match quoted_end(&bytes[at..]) {
                Some(len) => at += len,
                None => return bytes.len(),
            },
            b'<' => match memchr::memchr(b'>', &bytes[at..]) {
                Some(len) => at += len + 1,
                None => return bytes.len(),
            },
            _ if b == wanted => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Splits a list at its commas, minding quotes and angle brackets; each value trimmed, empty ones left in for the reader to judge.
#[derive(Debug, Clone)]
pub(super) struct Split<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Split<'a> {
    pub(super) fn new(bytes: &'a [u8], separator: u8) -> Self {
        Self { rest: Some(bytes), separator }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let end = find_outside(rest, self.separator);
        self.rest = rest.get(end + 1..);
        Some(trim(&rest[..end]))
    }
}

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).map(|d| d as u8)
}

/// The byte of an escape `%41` at the start of `bytes`.
pub(super) fn escaped_byte(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'%', high, low, ..] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// Percent escapes undone; what is no proper escape stays as it is.
pub(super) fn unescape_uri(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        match escaped_byte(&bytes[at..]) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(b);
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}

/// Writes `bytes` with everything escaped that is neither alphanumeric, a mark, nor in `also`.
pub(super) fn escape_uri(bytes: &[u8], also: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &b in bytes {
        let mark = matches!(b, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')');
        if b.is_ascii_alphanumeric() || mark || also.contains(&b) {
            out.push(b);
        } else {
            out.extend([b'%', DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_outside_quotes_and_brackets() {
        let values: Vec<_> = Split::new(br#""a, \"b" <sip:x,y@h>;q=1 , sip:c@h,<sip:d@h>"#, b',').collect();
        assert_eq!(values, [&br#""a, \"b" <sip:x,y@h>;q=1"#[..], b"sip:c@h", b"<sip:d@h>"]);
        assert_eq!(Split::new(b"a,,", b',').count(), 3);
        assert_eq!(Split::new(b"\"a, b", b',').count(), 1, "an open quote swallows the rest");
    }

    #[test]
    fn a_double_byte_backslash_before_the_quote_is_no_escape() {
        // 0xB5 0x5C is one GBK character.
        assert_eq!(quoted_end(b"\"\xb5\\\" <sip:a@b>"), Some(4));
        assert_eq!(unescape_quoted(b"\xb5\\x"), &b"\xb5\\x"[..]);
        assert_eq!(quoted_end(br#""a\" <sip:a@b>"#), None, "plain text has no such excuse");
        assert_eq!(unescape_quoted(br#"a\"b\\"#), &br#"a"b\"#[..]);
    }

    #[test]
    fn numbers_are_digits_that_fit() {
        assert_eq!(number(b"0068"), Some(68));
        assert_eq!(number(b"4294967295"), Some(u32::MAX));
        for bad in [&b"4294967296"[..], b"", b"-1", b"+1", b"1 ", b"99999999999999999999999"] {
            assert_eq!(number(bad), None);
        }
    }
}
