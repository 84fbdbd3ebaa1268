//! Parameters behind a semicolon: `;tag=4711;lr;name="a;b"` (RFC 3261 §7.3.1).

use super::scan::{Split, is_token, trim, unquote};
use bytes::{BufMut, Bytes, BytesMut};
use std::borrow::Cow;

/// A parameter list as it was written, first semicolon included; empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Bytes);

impl Params {
    /// Reads header parameters strictly: nothing, or semicolons each followed by a name and perhaps `=` and a value.
    pub(super) fn parse(bytes: &Bytes) -> Option<Self> {
        let text = trim(bytes);
        let Some((&first, list)) = text.split_first() else { return Some(Self::default()) };
        let fine = first == b';'
            && Split::new(list, b';').all(|param| {
                let (name, value) = name_and_value(param);
                is_token(name) && value.is_none_or(is_value)
            });
        fine.then(|| Self(bytes.slice_ref(text)))
    }

    /// Takes URI parameters as they are: those are looked up, not judged.
    pub(super) fn lenient(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Names and values in their order; a value keeps its quotes, a parameter without `=` has none.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> + '_ {
        let list = self.0.strip_prefix(b";").unwrap_or(&self.0);
        Split::new(list, b';').map(name_and_value).filter(|(name, _)| !name.is_empty())
    }

    /// The value of the first parameter of this name, in any case; empty for a parameter without value.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(value.unwrap_or_default())
    }

    /// The same without quotes and their escapes.
    pub fn unquoted(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.get(name).map(unquote)
    }

    /// Whether there is such a parameter, with or without value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets one parameter; any of that name goes first. A value that is no token must come quoted.
    ///
    /// Bytes that would end the parameter or the line are left out.
    pub fn set(&mut self, name: &str, value: Option<&[u8]>) {
        self.remove(name);
        let mut out = BytesMut::with_capacity(self.0.len() + name.len() + value.map_or(0, <[u8]>::len) + 2);
        out.put_slice(&self.0);
        out.put_u8(b';');
        out.put_slice(name.as_bytes());
        if let Some(value) = value {
            out.put_u8(b'=');
            let quoted = matches!(value, [b'"', .., b'"']);
            let breaks = |b: &u8| matches!(b, b'\r' | b'\n' | 0) || !quoted && matches!(b, b';' | b',' | b' ' | b'"');
            out.extend(value.iter().filter(|&b| !breaks(b)).copied());
        }
        self.0 = out.freeze();
    }

    /// Takes out every parameter of this name.
    pub fn remove(&mut self, name: &str) {
        if !self.has(name) {
            return;
        }
        let mut out = BytesMut::with_capacity(self.0.len());
        for (found, value) in self.iter().filter(|(found, _)| !found.eq_ignore_ascii_case(name.as_bytes())) {
            out.put_u8(b';');
            out.put_slice(found);
            if let Some(value) = value {
                out.put_u8(b'=');
                out.put_slice(value);
            }
        }
        self.0 = out.freeze();
    }

    /// The list as it goes on the wire, first semicolon included.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

/// A quoted string, or anything without blanks and quotes: peers put more into values than tokens and hosts.
fn is_value(value: &[u8]) -> bool {
    match value {
        [b'"', ..] => super::scan::quoted_end(value) == Some(value.len()),
        _ => !value.is_empty() && !value.iter().any(|b| matches!(b, b' ' | b'\t' | b'"' | b',' | b'<' | b'>')),
    }
}

fn name_and_value(param: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'=', param) {
        Some(at) => (trim(&param[..at]), Some(trim(&param[at + 1..]))),
        None => (param, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Option<Params> {
        Params::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn names_fold_case_and_blanks_around_signs_go() {
        let params = parse(" ; Tag = 98asjd8 ;lr; x=\"a;\\\"b\" ").unwrap();
        assert_eq!(params.get("tag"), Some(&b"98asjd8"[..]));
        assert_eq!(params.get("LR"), Some(&b""[..]));
        assert_eq!(params.unquoted("x").unwrap(), &b"a;\"b"[..]);
        assert!(!params.has("y"));
    }

    #[test]
    fn empty_parameters_and_stray_separators_are_refused() {
        for bad in [";;", ";", "a=b", ";a=", ";a=b c", ";a=\"b", ";=b", ";;,;,,", ";a=\"b\"c"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn set_replaces_and_cannot_break_the_line() {
        let mut params = parse(";tag=1;lr").unwrap();
        params.set("tag", Some(b"2\r\nEvil: 1;x"));
        assert_eq!(&params.as_bytes()[..], b";lr;tag=2Evil:1x");
        params.set("q", None);
        params.remove("LR");
        assert_eq!(&params.as_bytes()[..], b";tag=2Evil:1x;q");
    }
}
