//! Who said what to whom, as text for golden files.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// One SIP message as it was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Rung {
    at: Instant,
    from: String,
    to: String,
    what: String,
}

/// The SIP messages since the last [`Ladder::restart`].
#[derive(Debug)]
pub(crate) struct Ladder {
    origin: Instant,
    rungs: Vec<Rung>,
}

impl Ladder {
    pub(crate) fn new(now: Instant) -> Self {
        Self { origin: now, rungs: Vec::new() }
    }

    /// Forgets what was; times count from now.
    pub(crate) fn restart(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    pub(crate) fn push(&mut self, at: Instant, from: &str, to: &str, what: String) {
        self.rungs.push(Rung { at, from: from.to_owned(), to: to.to_owned(), what });
    }

    /// One line per moment and direction: seconds, who, to whom, what.
    pub(crate) fn text(&self) -> String {
        let width = |name: fn(&Rung) -> &str| self.rungs.iter().map(|r| name(r).chars().count()).max().unwrap_or(0);
        let (left, right) = (width(|r| &r.from), width(|r| &r.to));
        let mut text = String::new();
        let mut rungs = self.rungs.iter().peekable();
        while let Some(rung) = rungs.next() {
            let mut what = rung.what.clone();
            while let Some(next) =
                rungs.next_if(|next| (next.at, &next.from, &next.to) == (rung.at, &rung.from, &rung.to))
            {
                let _ = write!(what, ", {}", next.what);
            }
            let since: Duration = rung.at.saturating_duration_since(self.origin);
            let _ = writeln!(text, "{:7.3}  {:left$} → {:right$}  {what}", since.as_secs_f64(), rung.from, rung.to);
        }
        text
    }
}

/// What a message is called on a ladder: `INVITE 101`, `BYE`, `180`.
pub(crate) fn title(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(data);
    let mut words = text.lines().next().unwrap_or_default().split(' ');
    match (words.next(), words.next()) {
        (Some("SIP/2.0"), Some(status)) => status.to_owned(),
        (Some(method @ ("INVITE" | "REGISTER")), Some(uri)) => {
            let again = text.lines().any(|l| l.to_ascii_lowercase().starts_with("to:") && l.contains(";tag="));
            let user = if method == "REGISTER" { aor(&text) } else { user(uri) };
            format!("{method} {user}{}", if again { " (again)" } else { "" })
        }
        (Some(method), _) => method.to_owned(),
        _ => String::new(),
    }
}

fn user(uri: &str) -> String {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split(['@', ';', '>']).next().unwrap_or_default().to_owned()
}

fn aor(text: &str) -> String {
    let to = text.lines().find(|line| line.to_ascii_lowercase().starts_with("to:")).unwrap_or_default();
    to.split_once('<').map(|(_, uri)| user(uri)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_one_moment_share_a_line() {
        let t0 = stdx::testing::start();
        let mut ladder = Ladder::new(t0);
        ladder.push(t0, "phone", "switch", title(b"INVITE sip:sales@192.0.2.1 SIP/2.0\r\n\r\n"));
        ladder.push(t0 + Duration::from_millis(10), "switch", "phone", title(b"SIP/2.0 100 Trying\r\n\r\n"));
        ladder.push(t0 + Duration::from_millis(10), "switch", "phone", title(b"SIP/2.0 200 OK\r\n\r\n"));
        assert_eq!(ladder.text(), "  0.000  phone  → switch  INVITE sales\n  0.010  switch → phone   100, 200\n");
    }
}
