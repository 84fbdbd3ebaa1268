//! As much SIP as a telephone needs: reading and writing messages as text, and the digest.

use store::md5_hex;

/// A received message.
#[derive(Clone, Debug)]
pub(super) struct Received {
    start: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Received {
    /// Reads a datagram; `None` if it is no SIP.
    pub(super) fn parse(datagram: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(datagram);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?.to_owned();
        let header = |line: &str| line.split_once(':').map(|(n, v)| (full_name(n.trim()), v.trim().to_owned()));
        Some(Self { start, headers: lines.filter_map(header).collect(), body: body.to_owned() })
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The status line without the version.
    pub(super) fn reason(&self) -> &str {
        self.start.strip_prefix("SIP/2.0 ").unwrap_or(&self.start)
    }

    pub(super) fn method(&self) -> Option<&str> {
        if self.status().is_some() { None } else { self.start.split(' ').next() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Sequence number and method.
    pub(super) fn cseq(&self) -> (u32, &str) {
        let mut words = self.header("cseq").unwrap_or_default().split_whitespace();
        (words.next().and_then(|n| n.parse().ok()).unwrap_or(0), words.next().unwrap_or_default())
    }

    /// The URI in the Contact header.
    pub(super) fn contact(&self) -> Option<&str> {
        let contact = self.header("contact")?;
        match contact.split_once('<') {
            Some((_, rest)) => rest.split_once('>').map(|(uri, _)| uri),
            None => Some(contact.split(';').next()?.trim()),
        }
    }

    /// The address and port of the sound, and the payload types, of a session description.
    pub(super) fn sound(&self) -> Option<(String, u16, Vec<u8>)> {
        let line = |kind: &str| self.body.lines().find_map(|l| l.strip_prefix(kind));
        let address = line("c=IN IP4 ").or_else(|| line("c=IN IP6 "))?.trim().to_owned();
        let mut words = line("m=audio ")?.split_whitespace();
        let port = words.next()?.parse().ok()?;
        Some((address, port, words.skip(1).filter_map(|pt| pt.parse().ok()).collect()))
    }
}

fn full_name(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "m" => "contact",
        "l" => "content-length",
        "c" => "content-type",
        other => other,
    }
    .to_owned()
}

/// A message to send: start line, headers, body.
pub(super) fn write(start: &str, headers: &[(&str, String)], body: &str) -> Vec<u8> {
    let mut text = format!("{start}\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str("Content-Type: application/sdp\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text.into_bytes()
}

/// Who proves himself.
pub(super) struct Credentials<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a str,
}

/// The answer to an MD5 challenge of a 401 (RFC 7616); `None` if it offers none.
pub(super) fn authorization(
    challenged: &Received,
    who: &Credentials<'_>,
    method: &str,
    uri: &str,
    cnonce: &str,
) -> Option<String> {
    let md5 = |challenge: &&str| parameter(challenge, "algorithm").is_none_or(|a| a.eq_ignore_ascii_case("md5"));
    let challenge = challenged.all("www-authenticate").find(md5)?;
    let (realm, nonce) = (parameter(challenge, "realm")?, parameter(challenge, "nonce")?);
    let ha1 = md5_hex(&format!("{}:{realm}:{}", who.user, who.password));
    let ha2 = md5_hex(&format!("{method}:{uri}"));
    let response = md5_hex(&format!("{ha1}:{nonce}:00000001:{cnonce}:auth:{ha2}"));
    Some(format!(
        "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
         algorithm=MD5, qop=auth, nc=00000001, cnonce=\"{cnonce}\"",
        who.user
    ))
}

/// A parameter of a challenge, quoted or not.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    let list = challenge.trim_start().split_once(' ').map_or(challenge, |(_, list)| list);
    list.split(',').find_map(|p| {
        let (key, value) = p.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_with_its_short_names() {
        let text = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a;branch=1\r\nm: \"A\" <sip:b@c:5>;x=1\r\nCSeq: 7 INVITE\r\n\r\n\
                    v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 8 0 101\r\n";
        let message = Received::parse(text.as_bytes()).unwrap();
        assert_eq!((message.status(), message.method(), message.cseq()), (Some(200), None, (7, "INVITE")));
        assert_eq!(message.contact(), Some("sip:b@c:5"));
        assert_eq!(message.sound(), Some(("192.0.2.9".to_owned(), 4000, vec![8, 0, 101])));
        assert!(Received::parse(b"\r\n\r\n").is_none_or(|m| m.status().is_none()));
    }

    #[test]
    fn the_digest_is_that_of_the_book() {
        // RFC 2617 §3.5, with its cnonce and nc=00000001.
        let text = "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"testrealm@host.com\", qop=\"auth\", algorithm=SHA-256, nonce=\"x\"\r\n\
                    WWW-Authenticate: Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", qop=\"auth\"\r\n\r\n";
        let challenged = Received::parse(text.as_bytes()).unwrap();
        let who = Credentials { user: "Mufasa", password: "Circle Of Life" };
        let header = authorization(&challenged, &who, "GET", "/dir/index.html", "0a4f113b").unwrap();
        assert!(header.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{header}");
    }
}
