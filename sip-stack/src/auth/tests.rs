//! A phone with credentials against an authenticator.

use super::*;

const REALM: &str = "pbx.example";
const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

struct Phone {
    user: &'static str,
    password: &'static str,
    algorithm: Algorithm,
    /// None speaks RFC 2069.
    count: Option<u32>,
    uri: &'static str,
}

impl Phone {
    fn new(password: &'static str) -> Self {
        Self { user: "100", password, algorithm: Algorithm::Md5, count: Some(1), uri: "sip:pbx.example" }
    }

    fn authorization(&self, nonce: &str) -> String {
        let ha1 = Ha1::new(self.user, REALM, self.password);
        let nc = self.count.map(|count| format!("{count:08x}"));
        let qop = nc.as_ref().map(|nc| Qop { nc: nc.as_bytes(), cnonce: b"c0", qop: b"auth" });
        let response = digest::response(self.algorithm, &ha1, b"REGISTER", self.uri.as_bytes(), nonce.as_bytes(), qop);
        let qop = nc.map(|nc| format!(", qop=auth, nc={nc}, cnonce=\"c0\"")).unwrap_or_default();
        format!(
            "Authorization: Digest username=\"{}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{}\", response=\"{response}\", \
             algorithm={}{qop}\r\n",
            self.user,
            self.uri,
            self.algorithm.token()
        )
    }
}

struct Server {
    auth: Authenticator,
    now: Instant,
}

impl Server {
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let now = stdx::testing::start();
        Self { auth: Authenticator::with_config(config, CellTag(1), Entropy::seeded(1), now), now }
    }

    fn check(&mut self, authorization: &str) -> Verdict {
        self.check_from(authorization, SOURCE)
    }

    fn check_from(&mut self, authorization: &str, source: IpAddr) -> Verdict {
        let text = format!(
            "REGISTER sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:100@pbx>;tag=a\r\nTo: <sip:100@pbx>\r\n\
             Call-ID: c\r\nCSeq: 1 REGISTER\r\n{authorization}\r\n"
        );
        let request = Message::parse_datagram(text.into()).unwrap();
        let lookup = |user: &str| {
            (user == "100")
                .then(|| ["secret", "other"].map(|known| Ha1::new("100", REALM, known)))
                .into_iter()
                .flatten()
                .collect()
        };
        self.auth.check(&request, REALM, &lookup, source, self.now)
    }

    /// The nonce of a fresh challenge.
    fn nonce(&mut self) -> String {
        nonce_of(&self.check(""))
    }
}

fn nonce_of(verdict: &Verdict) -> String {
    let Verdict::Challenge { headers, .. } = verdict else { panic!("{verdict:?}") };
    let text = String::from_utf8(headers[0].1.clone()).unwrap();
    text.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[track_caller]
fn assert_stale(verdict: &Verdict, expect: bool) {
    let Verdict::Challenge { headers, stale, .. } = verdict else { panic!("{verdict:?}") };
    let says = headers[0].1.windows(10).any(|w| w == b"stale=true");
    assert_eq!((*stale, says), (expect, expect));
}

fn ok() -> Verdict {
    Verdict::Ok { user: "100".to_owned() }
}

fn wrong(user: &str) -> Verdict {
    Verdict::Wrong { user: user.to_owned() }
}

#[test]
fn a_challenge_offers_sha_first_and_md5_alone_to_phones_that_know_nothing_else() {
    let mut server = Server::new();
    let mut offered = |agent: &str| {
        let Verdict::Challenge { status, headers, stale: false } = server.check(agent) else { panic!() };
        let value = String::from_utf8(headers[0].1.clone()).unwrap();
        assert_eq!((status, &headers[0].0[..]), (Status(401), "WWW-Authenticate"));
        assert!(
            value.starts_with("Digest realm=\"pbx.example\", nonce=\"") && value.ends_with(", qop=\"auth\""),
            "{value}"
        );
        let algorithm = |value: &[u8]| {
            let text = String::from_utf8_lossy(value).into_owned();
            text.split("algorithm=").nth(1).unwrap().split(',').next().unwrap().to_owned()
        };
        headers.iter().map(|(_, value)| algorithm(value)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(offered(""), "SHA-256 SHA-512-256 MD5");
    assert_eq!(offered("User-Agent: Snom/10\r\n"), "SHA-256 SHA-512-256 MD5");
    assert_eq!(offered("User-Agent: baresip v1.0.0 (x86_64/linux)\r\n"), "MD5");
    assert_eq!(offered("User-Agent: SIPp\r\n"), "MD5");
    let algorithms = vec![Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];
    let mut server = Server::with(Config { algorithms, ..Config::default() });
    let Verdict::Challenge { headers, .. } = server.check("") else { panic!() };
    let tokens = ["=SHA-512-256,", "=SHA-256,", "=MD5,"];
    assert!(headers.iter().zip(tokens).all(|((_, value), token)| String::from_utf8_lossy(value).contains(token)));
}

#[test]
fn every_algorithm_is_accepted_with_and_without_qop() {
    for algorithm in [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512_256] {
        for count in [Some(1), None] {
            let mut server = Server::new();
            let nonce = server.nonce();
            let phone = Phone { algorithm, count, ..Phone::new("secret") };
            assert_eq!(server.check(&phone.authorization(&nonce)), ok(), "{algorithm:?} {count:?}");
        }
    }
}

#[test]
fn a_nonce_serves_for_many_requests_each_with_a_count_of_its_own() {
    let mut server = Server::new();
    let nonce = server.nonce();
    let mut check = |count| {
        let phone = Phone { count: Some(count), ..Phone::new("secret") };
        server.check(&phone.authorization(&nonce))
    };
    for count in [1, 2, 5, 4, 3] {
        assert_eq!(check(count), ok());
    }
    for replayed in [1, 4, 5] {
        assert_stale(&check(replayed), true);
    }
    assert_eq!(check(6), ok());
}

#[test]
fn without_qop_a_nonce_serves_once() {
    let mut server = Server::new();
    let nonce = server.nonce();
    let phone = Phone { count: None, ..Phone::new("secret") };
    assert_eq!(server.check(&phone.authorization(&nonce)), ok());
    let again = server.check(&phone.authorization(&nonce));
    assert_stale(&again, true);
    assert_eq!(server.check(&phone.authorization(&nonce_of(&again))), ok());
}

#[test]
fn a_nonce_that_is_old_strange_or_anothers_is_stale_whatever_the_password() {
    let mut server = Server::new();
    let nonce = server.nonce();
    let other = IpAddr::from([203, 0, 113, 10]);
    for password in ["secret", "guess"] {
        assert_stale(&server.check_from(&Phone::new(password).authorization(&nonce), other), true);
        assert_stale(&server.check(&Phone::new(password).authorization("invented")), true);
    }
    server.now += Duration::from_secs(300);
    assert_eq!(server.check(&Phone::new("secret").authorization(&nonce)), ok());
    server.now += Duration::from_secs(1);
    let late = Phone { count: Some(2), ..Phone::new("secret") };
    let stale = server.check(&late.authorization(&nonce));
    assert_stale(&stale, true);
    assert_eq!(server.check(&late.authorization(&nonce_of(&stale))), ok());
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_alike() {
    let mut server = Server::new();
    let nonce = server.nonce();
    assert_eq!(server.check(&Phone::new("other").authorization(&nonce)), ok(), "any of its secrets counts");
    let nonce = server.nonce();
    assert_eq!(server.check(&Phone::new("guess").authorization(&nonce)), wrong("100"));
    let stranger = Phone { user: "999", ..Phone::new("secret") };
    assert_eq!(server.check(&stranger.authorization(&nonce)), wrong("999"));
    // Not even with what stands in for the secret of nobody.
    let nobody = digest::response(
        Algorithm::Md5,
        &Ha1::NOBODY,
        b"REGISTER",
        b"sip:pbx.example",
        nonce.as_bytes(),
        Some(Qop { nc: b"00000001", cnonce: b"c0", qop: b"auth" }),
    );
    let honest = stranger.authorization(&nonce);
    let (before, rest) = honest.split_once("response=\"").unwrap();
    let forged = format!("{before}response=\"{nobody}\"{}", &rest[33..]);
    assert_eq!(server.check(&forged), wrong("999"));
    assert_eq!(server.check(&Phone::new("secret").authorization(&nonce)), ok());
}

#[test]
fn credentials_for_another_realm_or_scheme_or_with_parts_missing_are_none() {
    let mut server = Server::new();
    let nonce = server.nonce();
    let good = Phone::new("secret").authorization(&nonce);
    for bad in [
        good.replace("realm=\"pbx.example\"", "realm=\"elsewhere\""),
        good.replace("Digest", "Basic"),
        good.replace("nc=00000001", "nc=1"),
        good.replace("nc=00000001", "nc=zzzzzzzz"),
        good.replace(", cnonce=\"c0\"", ""),
        good.replace("qop=auth", "qop=auth-int"),
        good.replace("algorithm=MD5", "algorithm=MD5-sess"),
        good.replace("username=\"100\", ", ""),
        good.replace("response=", "respond="),
    ] {
        assert_stale(&server.check(&bad), false);
    }
    let several = good.replace("realm=\"pbx.example\"", "realm=\"elsewhere\"") + &good;
    assert_eq!(server.check(&several), ok());
}

#[test]
fn the_uri_of_the_digest_may_name_the_host_differently_but_nobody_else() {
    for (uri, fine) in [
        ("sip:pbx.example", true),
        ("sip:192.0.2.1:5060;transport=udp", true),
        ("sip:100@pbx.example", true),
        ("nonsense", false),
    ] {
        let mut server = Server::new();
        let nonce = server.nonce();
        let phone = Phone { uri, ..Phone::new("secret") };
        assert_eq!(server.check(&phone.authorization(&nonce)), if fine { ok() } else { wrong("100") }, "{uri}");
    }
    assert!(same_target(b"sip:200@10.0.0.1", b"sip:200@pbx;user=phone"));
    assert!(!same_target(b"sip:200@pbx", b"sip:900123@pbx"));
}

#[test]
fn who_keeps_guessing_is_slowed_and_then_ignored() {
    let mut server = Server::new();
    let nonce = server.nonce();
    let guess = Phone::new("guess").authorization(&nonce);
    let mut delays = Vec::new();
    for _ in 0..19 {
        assert_eq!(server.check(&guess), wrong("100"));
        delays.push(server.auth.delay(SOURCE).as_secs());
        assert_eq!(server.auth.delay(SOURCE), Duration::ZERO, "asked once");
    }
    assert_eq!(delays[..9], [0, 0, 0, 0, 1, 2, 4, 8, 8]);
    assert_eq!(server.check(&guess), Verdict::Ignore);
    assert_eq!(server.check(&Phone::new("secret").authorization(&nonce)), Verdict::Ignore);
    assert_eq!(server.check(""), Verdict::Ignore);
    server.now += Duration::from_secs(300);
    let nonce = server.nonce();
    assert_eq!(server.check(&Phone::new("secret").authorization(&nonce)), ok());
}

#[test]
fn a_realm_cannot_break_its_quotes() {
    let mut server = Server::new();
    let Verdict::Challenge { headers, .. } = server.auth.challenge("a\"b\\", None, SOURCE, false, server.now) else {
        panic!()
    };
    assert!(headers[0].1.starts_with(b"Digest realm=\"ab\", "));
}

#[test]
fn one_wrong_phone_behind_an_address_does_not_slow_the_others_but_a_guesser_of_users_is_suspect() {
    let mut server = Server::new();
    let nonce = server.nonce();
    for _ in 0..40 {
        server.check(&Phone { user: "101", ..Phone::new("guess") }.authorization(&nonce));
    }
    assert_eq!(server.check(&Phone { user: "101", ..Phone::new("guess") }.authorization(&nonce)), Verdict::Ignore);
    assert_eq!(server.check(&Phone::new("secret").authorization(&nonce)), ok());
    assert_eq!(server.auth.suspect(), None);
    for user in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"] {
        server.check(&Phone { user, ..Phone::new("guess") }.authorization(&nonce));
    }
    assert_eq!(server.auth.suspect(), Some((SOURCE, BanReason::ManyUsers)));
    assert_eq!(server.auth.suspect(), None, "told once");
}

/// The hash of an unknown user is computed with what stands in for a secret: counted by the work, not by the clock.
#[test]
fn an_unknown_user_and_a_wrong_password_take_the_same_time() {
    let median = |user: &'static str| {
        let mut server = Server::with(Config {
            guard: GuardConfig { ignore_after: u32::MAX, failures: u32::MAX, ..GuardConfig::default() },
            ..Config::default()
        });
        let nonce = server.nonce();
        let guess = Phone { user, algorithm: Algorithm::Sha256, ..Phone::new("guess") }.authorization(&nonce);
        let text = format!(
            "REGISTER sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:100@pbx>;tag=a\r\n\
             To: <sip:100@pbx>\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{guess}\r\n"
        );
        let request = Message::parse_datagram(text.into()).unwrap();
        let secret = Ha1::new("100", REALM, "secret");
        let lookup = |user: &str| (user == "100").then_some(secret).into_iter().collect();
        let mut times: Vec<_> = (0..2000)
            .map(|_| {
                let before = stdx::testing::start();
                server.auth.check(&request, REALM, &lookup, SOURCE, server.now);
                stdx::testing::start() - before
            })
            .collect();
        times.sort();
        times[times.len() / 2].as_nanos() as f64
    };
    let ratio = median("100") / median("999");
    assert!((0.7..1.4).contains(&ratio), "{ratio}");
}
