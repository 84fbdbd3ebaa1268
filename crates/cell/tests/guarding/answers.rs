//! What strangers are told, and where answers go.

use super::*;

const STRANGER: &str = "203.0.113.9:4000";

/// A guess for a user, many times: everything that is sent back, with the time.
fn guesses(method: &str, user: &str) -> Vec<(Duration, SocketAddr, String)> {
    let mut world = World::new();
    let mut seen = Vec::new();
    for _ in 0..22 {
        let request = world.request(method, user, "");
        let challenged = world.receive(STRANGER, request);
        let uri = if method == "REGISTER" { "sip:192.0.2.1" } else { "sip:101@192.0.2.1" };
        let mut answers = challenged;
        // Who is ignored gets none.
        if let Some(challenge) = answers.iter().find(|sent| sent.text.contains("nonce=")) {
            let guess = proof(user, "guess", method, uri, &challenge.text);
            let request = world.request(method, user, &guess);
            answers.extend(world.receive(STRANGER, request));
        }
        answers.extend(world.run_for(Duration::from_millis(2500)));
        seen.extend(
            answers
                .into_iter()
                .map(|sent| (sent.after, sent.to, sent.text.replace(&format!("sip:{user}@"), "sip:USER@"))),
        );
    }
    seen
}

#[test]
fn an_unknown_user_and_a_wrong_password_get_the_same_bytes_at_the_same_time() {
    for method in ["REGISTER", "INVITE"] {
        let (known, unknown) = (guesses(method, "100"), guesses(method, "999"));
        assert!(known.iter().any(|(_, _, text)| text.starts_with("SIP/2.0 401")), "{method}");
        assert!(known.iter().any(|(_, _, text)| text.starts_with("SIP/2.0 403")), "{method}");
        assert_eq!(known.len(), unknown.len(), "{method}");
        for (known, unknown) in known.iter().zip(&unknown) {
            assert_eq!(known, unknown, "{method}");
        }
    }
}

#[test]
fn an_extension_that_may_not_come_from_there_is_no_other_than_an_unknown_one() {
    let mut world = World::new();
    let mut inside = extension("100");
    inside.allow = vec!["10.0.0.0/8".parse().unwrap()];
    let command = Command::PutExtension(Box::new(inside));
    world.worker.handle_input(Input::Command { ticket: 0, command }, world.now);
    world.sent();
    assert!(world.register("100", STRANGER, "<sip:100@203.0.113.9>").starts_with("SIP/2.0 403"));
    assert!(world.register("100", "10.1.2.3:5060", "<sip:100@10.1.2.3>").starts_with("SIP/2.0 200"));
    assert!(world.register("101", STRANGER, "<sip:101@203.0.113.9>").starts_with("SIP/2.0 200"));
}

#[test]
fn whatever_via_contact_and_route_say_answers_and_calls_go_where_requests_came_from() {
    let mut world = World::new();
    let victim = "192.0.2.66";
    let lies = format!(
        "Contact: <sip:x@{victim}>\r\nRoute: <sip:{victim};lr>\r\nRecord-Route: <sip:{victim};lr>\r\nReply-To: <sip:{victim}>\r\n"
    );
    for method in ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE", "BYE", "NOTIFY", "FOO"] {
        for via in ["10.0.0.9:5060", "192.0.2.66:5060"] {
            for asks in [";rport", ";maddr=192.0.2.66", ";received=192.0.2.66;rport=5060", ""] {
                let request = world.request(method, "100", &lies);
                let request = request.replace("10.0.0.9:5060", via).replace(";rport", asks);
                for sent in world.receive(STRANGER, request) {
                    assert_eq!(sent.to, STRANGER.parse().unwrap(), "{method}: {}", sent.text);
                }
            }
        }
    }
    for sent in world.run_for(Duration::from_secs(40)) {
        assert_eq!(sent.to, STRANGER.parse().unwrap(), "{}", sent.text);
    }
    // A phone that names another's address is reached where it registered from.
    let registered = world.register("101", "203.0.113.10:5062", &format!("<sip:101@{victim}:5060>"));
    assert!(registered.starts_with("SIP/2.0 200"), "{registered}");
    let sdp =
        "v=0\r\no=- 1 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n";
    let body = format!(
        "Contact: <sip:{victim}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let request = world.request("INVITE", "555", "").replace("Content-Length: 0\r\n\r\n", &body);
    let sent = world.receive(TRUNK, request);
    let called = sent.iter().find(|sent| sent.text.starts_with("INVITE ")).expect("the phone is called");
    assert_eq!(called.to, "203.0.113.10:5062".parse().unwrap());
    for sent in sent.iter().chain(&world.run_for(Duration::from_secs(60))) {
        assert_ne!(sent.to.ip(), victim.parse::<IpAddr>().unwrap(), "{}", sent.text);
    }
}

#[test]
fn a_nonce_of_an_earlier_run_is_stale_and_no_failure() {
    let mut world = World::new();
    let request = world.request("REGISTER", "100", "");
    let challenge = world.receive(STRANGER, request).remove(0).text;
    let proof = proof("100", PASSWORD, "REGISTER", "sip:192.0.2.1", &challenge);
    // Another key, as after a restart.
    let mut later = World::with(|config: &mut Config| config.realm = REALM.to_owned());
    later.worker = Worker::new(Config::new(REALM, Wall::new(later.now, 0)), Entropy::seeded(2), later.now);
    let request = later.request("REGISTER", "100", &proof);
    let answer = later.receive(STRANGER, request).remove(0).text;
    assert!(answer.starts_with("SIP/2.0 401") && answer.contains("stale=true"), "{answer}");
    assert_eq!(later.worker.stats().wrong_credentials, 0);
}

#[test]
fn a_user_who_asks_too_often_is_told_to_wait() {
    let mut world = World::new();
    let mut told = 0;
    for _ in 0..70 {
        told += u32::from(world.register("100", STRANGER, "<sip:100@203.0.113.9>").starts_with("SIP/2.0 503"));
    }
    assert_eq!(told, 20);
    assert!(world.register("101", STRANGER, "<sip:101@203.0.113.9>").starts_with("SIP/2.0 200"));
    world.run_for(Duration::from_secs(10));
    assert!(world.register("100", STRANGER, "<sip:100@203.0.113.9>").starts_with("SIP/2.0 200"));
}

/// A phone that has proved who it is, and names somebody else wherever it may name anybody.
#[test]
fn a_phone_that_names_a_third_party_sends_nothing_there() {
    let mut world = World::new();
    let (phone, other, victim) = ("203.0.113.9:4000", "203.0.113.10:5062", "192.0.2.66");
    let lies = format!("<sip:101@{victim}>\r\nPath: <sip:{victim};lr>\r\nSupported: path");
    assert!(world.register("101", other, &lies).starts_with("SIP/2.0 200"));
    assert!(world.register("100", phone, &format!("<sip:100@{victim}>")).starts_with("SIP/2.0 200"));
    let mut sent = Vec::new();
    let sdp =
        "v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n";
    let offer = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
    for (method, more) in [
        ("SUBSCRIBE", "Event: dialog\r\nExpires: 600\r\n"),
        ("REFER", &format!("Refer-To: <sip:x@{victim}>\r\n")),
        ("MESSAGE", &format!("Refer-To: <sip:x@{victim}>\r\nReply-To: <sip:x@{victim}>\r\n")),
        ("INVITE", ""),
    ] {
        let more =
            format!("{more}Contact: <sip:100@{victim}>\r\nPath: <sip:{victim};lr>\r\nRoute: <sip:{victim};lr>\r\n");
        let with_body = |text: String| match method {
            "INVITE" => text.replace("Content-Length: 0\r\n\r\n", &offer),
            _ => text,
        };
        let request = with_body(world.request(method, "100", &more));
        let mut answers = world.receive(phone, request);
        if let Some(challenge) = answers.iter().find(|sent| sent.text.contains("nonce=")).map(|sent| sent.text.clone())
        {
            let proof = proof("100", PASSWORD, method, "sip:101@192.0.2.1", &challenge).replace(
                "Authorization",
                if challenge.contains("Proxy-Auth") { "Proxy-Authorization" } else { "Authorization" },
            );
            let request = with_body(world.request(method, "100", &(more + &proof)));
            answers.extend(world.receive(phone, request));
        }
        sent.extend(answers);
        sent.extend(world.run_for(Duration::from_millis(100)));
    }
    // The called phone, which is reached where it registered from, wants the call to go elsewhere.
    let of = |sent: &[Sent], start: &str| sent.iter().position(|sent| sent.text.starts_with(start));
    let called = of(&sent, "INVITE ").expect("the phone is called");
    assert_eq!(sent[called].to, other.parse().unwrap());
    let same = |line: &&str| ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name));
    let lines: Vec<String> = sent[called]
        .text
        .lines()
        .filter(same)
        .map(|line| {
            let tag = if line.starts_with("To:") { ";tag=other" } else { "" };
            format!("{line}{tag}\r\n")
        })
        .collect();
    let elsewhere = format!(
        "SIP/2.0 302 Moved\r\n{}Contact: <sip:x@{victim}>\r\nRecord-Route: <sip:{victim};lr>\r\nContent-Length: 0\r\n\r\n",
        lines.concat()
    );
    sent.extend(world.receive(other, elsewhere));
    sent.extend(world.run_for(Duration::from_secs(60)));
    let notify = of(&sent, "NOTIFY ").expect("the subscriber is told");
    assert_eq!(sent[notify].to, phone.parse().unwrap());
    for sent in &sent {
        assert_ne!(sent.to.ip(), victim.parse::<IpAddr>().unwrap(), "{}", sent.text);
    }
}
