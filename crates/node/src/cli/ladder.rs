//! A call's SIP messages as a drawing.

use serde::Deserialize;
use std::fmt::Write as _;

/// Columns between two lines of life.
const LANE: usize = 30;

/// One message, as the switch kept it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TraceLine {
    /// Unix milliseconds.
    pub at: u64,
    /// True if the switch sent it.
    pub sent: bool,
    /// True if it had been sent before.
    #[serde(default)]
    pub repeated: bool,
    /// The other side, `address:port`.
    pub remote: String,
    /// The message.
    pub text: String,
}

/// Draws the messages: the first peer on the left, the switch, then the other peers in order of their appearance.
pub fn ladder(lines: &[TraceLine], full: bool) -> String {
    let mut lanes: Vec<&str> = Vec::new();
    for line in lines.iter().filter(|l| !l.remote.is_empty()) {
        if !lanes.contains(&line.remote.as_str()) {
            lanes.push(&line.remote);
        }
    }
    // The switch stands second.
    lanes.insert(lanes.len().min(1), "switch");
    let Some(start) = lines.first().map(|l| l.at) else { return "no messages were kept".to_owned() };
    let mut text = String::new();
    let _ = write!(text, "{:>9}", "");
    for lane in &lanes {
        let _ = write!(text, "{lane:^LANE$}");
    }
    trim_end(&mut text);
    for line in lines {
        let seconds = line.at.saturating_sub(start) as f64 / 1000.0;
        let _ = write!(text, "\n{seconds:9.3}");
        match lanes.iter().position(|lane| *lane == line.remote) {
            Some(peer) => text.push_str(&arrow(&lanes, peer, line)),
            None => text.push_str(&format!("  {}", first(&line.text))),
        }
        trim_end(&mut text);
        if full {
            for message_line in line.text.lines() {
                let _ = write!(text, "\n{:>13}{message_line}", "");
            }
            text.push('\n');
        }
    }
    text
}

/// One row: an arrow between the switch and a peer, the lines of life of the others.
fn arrow(lanes: &[&str], peer: usize, line: &TraceLine) -> String {
    let switch = lanes.iter().position(|lane| *lane == "switch").unwrap_or(0);
    let middle = |lane: usize| lane * LANE + LANE / 2;
    let mut row = vec![' '; lanes.len() * LANE];
    for lane in 0..lanes.len() {
        row[middle(lane)] = '│';
    }
    let (from, to) = (middle(switch.min(peer)), middle(switch.max(peer)));
    row[from + 1..to].fill('─');
    // Away from the switch if it sent the message.
    if line.sent == (peer > switch) {
        row[to - 1] = '▶';
    } else {
        row[from + 1] = '◀';
    }
    let label: Vec<char> = format!(" {} ", label(line)).chars().take(to - from - 4).collect();
    let begin = from + 2 + (to - from - 3 - label.len()) / 2;
    row[begin..begin + label.len()].copy_from_slice(&label);
    row.into_iter().collect()
}

/// `INVITE + SDP`, `180 Ringing`, `200 OK (BYE)`.
fn label(line: &TraceLine) -> String {
    let first = first(&line.text);
    let mut label = match first.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let method = header(&line.text, "cseq").and_then(|v| v.split_whitespace().nth(1)).unwrap_or_default();
            if method == "INVITE" { status.to_owned() } else { format!("{status} ({method})") }
        }
        None => first.split(' ').next().unwrap_or_default().to_owned(),
    };
    if header(&line.text, "content-type").or_else(|| header(&line.text, "c")).is_some_and(|t| t.contains("sdp")) {
        label.push_str(" + SDP");
    }
    if line.repeated {
        label.push_str(" again");
    }
    label
}

fn first(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The first header of a name (lower case).
fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let headers = text.lines().skip(1).take_while(|line| !line.is_empty());
    headers
        .filter_map(|line| line.split_once(':'))
        .find(|(n, _)| n.trim().eq_ignore_ascii_case(name))
        .map(|(_, v)| v.trim())
}

fn trim_end(text: &mut String) {
    text.truncate(text.trim_end_matches(' ').len());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: u64, sent: bool, remote: &str, text: &str) -> TraceLine {
        TraceLine { at, sent, repeated: false, remote: remote.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn arrows_lead_from_who_sent_to_who_received() {
        let lines = [
            line(1000, false, "a:1", "INVITE sip:1002@x SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0"),
            line(1001, true, "a:1", "SIP/2.0 100 Trying\r\nCSeq: 1 INVITE\r\n\r\n"),
            line(1002, true, "b:2", "INVITE sip:1002@b SIP/2.0\r\n\r\n"),
            line(1500, false, "b:2", "SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\n\r\n"),
        ];
        let text = ladder(&lines, false);
        // A first line without indentation, so that the others keep theirs.
        expect_test::expect![[r#"
            ladder
                                  a:1                          switch                         b:2
                0.000               │─────── INVITE + SDP ───────▶│                             │
                0.001               │◀─────── 100 Trying ─────────│                             │
                0.002               │                             │────────── INVITE ──────────▶│
                0.500               │                             │◀────── 200 OK (BYE) ────────│"#]]
        .assert_eq(&format!("ladder\n{text}"));
    }

    #[test]
    fn whole_messages_are_shown_on_request_and_nothing_is_no_ladder() {
        let lines = [line(0, false, "a:1", "BYE sip:x SIP/2.0\r\nCall-ID: 7\r\n\r\n"), line(5, false, "", "(3 more)")];
        let text = ladder(&lines, true);
        assert!(text.contains("Call-ID: 7") && text.contains("(3 more)"), "{text}");
        assert_eq!(ladder(&[], false), "no messages were kept");
    }
}
