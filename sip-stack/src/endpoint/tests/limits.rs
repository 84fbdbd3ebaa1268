//! Limits with their answers, and that nothing is left when all is over.

use super::*;

#[test]
fn too_many_sessions_or_transactions_are_503_with_retry_after() {
    let mut b = Bench::with(Config { max_sessions: 3, max_transactions: 5, ..Config::default() });
    for _ in 0..3 {
        b.incoming();
    }
    let invite = b.request("INVITE", "", "");
    b.receive(invite.clone());
    let seconds: u32 = b.sent[0].retry_after().unwrap().unwrap();
    assert!((5..=15).contains(&seconds));
    let flow = b.flow;
    assert_eq!(b.act(|sip, now| sip.invite(invite_to(flow), now)), Err(Overloaded));
    // Other requests still have room, until the transactions are used up.
    for _ in 0..3 {
        let options = b.request("OPTIONS", "", "");
        b.receive(options);
    }
    assert_eq!(b.sent(), ["503", "503"]);
    assert_eq!((b.events().len(), b.sip.stats().overloaded), (2, 3));
    // The refused caller's ACK is no stray, its CANCEL finds nothing.
    b.receive(invite.replace("INVITE", "CANCEL"));
    assert_eq!(b.sent(), ["481"]);
}

#[test]
fn a_call_can_be_ended_however_full_it_is() {
    let mut b = Bench::with(Config { max_transactions: 2, ..Config::default() });
    let (_, invite, tag) = b.answered();
    for _ in 0..3 {
        let options = b.request("OPTIONS", "", "");
        b.receive(options);
    }
    b.sent();
    b.events();
    b.receive(in_dialog(&invite, &tag, "OPTIONS", 2));
    b.receive(in_dialog(&invite, &tag, "BYE", 3));
    assert_eq!(b.sent(), ["503", "200"]);
    assert!(matches!(b.event(), Event::Ended { how: Ended::RemoteBye, .. }));
}

#[test]
fn ten_thousand_calls_leave_nothing() {
    let mut b = Bench::with(Config { trace: false, ..Config::default() });
    for _ in 0..10_000 {
        let (_, invite, tag) = b.answered();
        b.receive(in_dialog(&invite, &tag, "BYE", 2));
        assert!(matches!(b.event(), Event::Ended { .. }));
        b.sent.clear();
        b.pass(ms(10));
    }
    b.pass(secs(32));
    b.assert_clean();
    assert_eq!(b.sip.stats().timeouts + b.sip.stats().unacknowledged + b.sip.stats().stray_acks, 0);
}

#[test]
fn noise_of_every_kind_neither_panics_nor_leaves_anything() {
    let mut entropy = Entropy::seeded(3);
    let mut b = Bench::new();
    let (_, invite, tag) = b.answered();
    let seeds: Vec<String> = ["ACK", "BYE", "CANCEL", "INVITE", "OPTIONS", "REGISTER"]
        .into_iter()
        .flat_map(|method| [b.request(method, "", "v=0"), in_dialog(&invite, &tag, method, 5)])
        .chain(["SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKpb0000x\r\n\r\n".to_owned()])
        .collect();
    for _ in 0..30_000 {
        let mut data = seeds[entropy.below(seeds.len() as u64) as usize].clone().into_bytes();
        for _ in 0..entropy.below(6) {
            let at = entropy.below(data.len() as u64) as usize;
            match entropy.below(3) {
                0 => data[at] = entropy.u32() as u8,
                1 => data[at] = b"\r\n :;,<>\"@=0"[entropy.below(12) as usize],
                _ => drop(data.drain(at..(at + entropy.below(20) as usize).min(data.len()))),
            }
        }
        // A changed transport of our Via cannot change where answers go: `Bench` checks that.
        b.sip.handle_input(Input::Datagram { flow: b.flow, data: data.into() }, b.now);
        while let Some(output) = b.sip.poll_output() {
            match output {
                Output::Event(Event::Incoming { session, .. }) if entropy.chance(0.5) => {
                    b.sip.accept(session, Bytes::new(), b.now);
                }
                Output::Event(Event::Incoming { session, .. }) => {
                    b.sip.reject(session, Status::NOT_FOUND, Vec::new(), b.now);
                }
                Output::Event(Event::Reoffered { session, .. }) => b.sip.hangup(session, None, b.now),
                Output::Event(Event::Request { id, .. }) => b.sip.answer_options(id, b.now),
                Output::Transmit { flow, .. } => assert_eq!(flow, b.flow),
                Output::Event(_) | Output::Trace(_) => {}
            }
        }
    }
    b.sent.clear();
    for event in b.events() {
        if let Event::Confirmed { session, .. } = event {
            b.act(|sip, now| sip.hangup(session, None, now));
        }
    }
    let open: Vec<_> = b.sip.sessions.keys().collect();
    for session in open {
        b.act(|sip, now| sip.hangup(session, None, now));
    }
    b.pass(secs(100));
    b.assert_clean();
}
