//! User-Agents by name: which family of phones, or of scanners, a request comes from.

/// A name with `*` for any run of characters, compared without regard to case: `baresip v1.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// From its text.
    pub fn new(text: &str) -> Self {
        Self(text.to_ascii_lowercase())
    }

    /// Its text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name fits. Takes time in proportion to the name, whatever the pattern.
    pub fn fits(&self, name: &[u8]) -> bool {
        let mut parts = self.0.as_bytes().split(|b| *b == b'*');
        let first = parts.next().unwrap_or_default();
        if !starts(name, first) {
            return false;
        }
        let mut rest = &name[first.len()..];
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            match find(rest, part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.len() >= last.len() && starts(&rest[rest.len() - last.len()..], last)
    }
}

fn starts(name: &[u8], part: &[u8]) -> bool {
    name.len() >= part.len() && name[..part.len()].eq_ignore_ascii_case(part)
}

fn find(name: &[u8], part: &[u8]) -> Option<usize> {
    (0..=name.len().checked_sub(part.len())?).find(|at| starts(&name[*at..], part))
}

/// Phones that are known to give up at the sight of any challenge but MD5.
///
/// baresip before 2.0 reads the last challenge and refuses other algorithms; SIPp reads the first header only and its usual
/// builds know MD5.
pub fn md5_only() -> Vec<Pattern> {
    ["baresip v0.*", "baresip v1.*", "SIPp*"].map(Pattern::new).to_vec()
}

/// Programs that scan for open switches and call themselves by name.
pub fn scanners() -> Vec<Pattern> {
    [
        "friendly-scanner*",
        "*sipvicious*",
        "sipcli*",
        "sundayddr*",
        "pplsip*",
        "VaxSIPUserAgent*",
        "sip-scan*",
        "*siparmyknife*",
    ]
    .map(Pattern::new)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything_and_case_does_not_matter() {
        let fits = |pattern: &str, name: &str| Pattern::new(pattern).fits(name.as_bytes());
        for (pattern, name) in [
            ("SIPp", "sipp"),
            ("baresip v1.*", "baresip v1.0.0 (x86_64/linux)"),
            ("*sipvicious*", "my SIPVicious!"),
            ("a*b*c", "a--b--c"),
            ("*", ""),
            ("a*a", "aa"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("SIPp", "SIPp 3"), ("baresip v1.*", "baresip v2.0"), ("a*a", "a"), ("a*b*c", "acb"), ("", "x")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
        assert!(scanners().iter().any(|p| p.fits(b"friendly-scanner")));
        assert!(md5_only().iter().any(|p| p.fits(b"SIPp")));
    }
}
