//! Caller and callee talk to each other, as through a switch that changes nothing.

use super::*;
use crate::caller::{self, Caller, Plan};

/// The two parties and a network that drops datagrams it is told to drop.
struct Pair {
    caller: Caller,
    callee: Callee,
    now: Nanos,
    drop: Vec<&'static str>,
    ladder: Vec<String>,
    sound: usize,
}

impl Pair {
    fn new(hold: Option<Nanos>, ring: Nanos, limit: usize) -> Self {
        let (a, b) = ("127.0.0.2:5080".parse().unwrap(), "127.0.0.3:5090".parse().unwrap());
        let plan = Plan {
            target: b,
            local: a,
            dial: "9000".into(),
            domain: "lab".into(),
            hold,
            codec: Codec::Pcmu,
            run: "run".into(),
        };
        let callee = Callee::new(b, Codec::Pcmu, ring, limit);
        Self { caller: Caller::new(plan), callee, now: 1_000 * MS, drop: vec![], ladder: vec![], sound: 0 }
    }

    fn run_for(&mut self, ms: u64) {
        for _ in 0..ms {
            self.exchange();
            self.now += MS;
            self.caller.handle_timeout(self.now);
            self.callee.handle_timeout(self.now);
        }
        self.exchange();
    }

    fn exchange(&mut self) {
        loop {
            let before = self.ladder.len();
            while let Some(text) = self.caller.poll_send() {
                if self.arrives(&text) {
                    let message = Message::parse(text.as_bytes()).unwrap();
                    self.callee.handle_message(&message, &text, "127.0.0.2:5080".parse().unwrap(), self.now);
                }
            }
            while let Some(event) = self.callee.poll_event() {
                match event {
                    Event::Offered { call, caller, at } => {
                        self.caller.reached_callee(caller.unwrap(), at);
                        self.callee.ring(call, 10_000, self.now);
                    }
                    Event::Sound(..) => self.sound += 1,
                    Event::Ended(_) => {}
                }
            }
            while let Some((_, text)) = self.callee.poll_send() {
                if self.arrives(&text) {
                    self.caller.handle_message(&Message::parse(text.as_bytes()).unwrap(), self.now);
                }
            }
            if self.ladder.len() == before {
                return;
            }
        }
    }

    fn arrives(&mut self, text: &str) -> bool {
        let message = Message::parse(text.as_bytes()).unwrap();
        let name = match message.code() {
            Some(code) => format!("{code} {}", message.cseq().unwrap().1),
            None => message.method().unwrap().to_owned(),
        };
        let dropped = self.drop.iter().position(|d| *d == name);
        if let Some(at) = dropped {
            self.drop.remove(at);
        }
        self.ladder.push(name);
        dropped.is_none()
    }
}

#[test]
fn a_call_is_set_up_held_and_torn_down() {
    let mut pair = Pair::new(Some(2_000 * MS), 0, 10);
    pair.caller.dial(10_000, pair.now);
    pair.run_for(1_000);
    assert_eq!((pair.caller.up(), pair.sound), (1, 1));
    assert_eq!(pair.caller.poll_event(), Some(caller::Event::Sound(0, Some("127.0.0.3:10000".parse().unwrap()))));
    pair.run_for(1_500);
    assert_eq!(pair.ladder, ["INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"]);
    assert_eq!((pair.caller.up(), pair.caller.busy()), (0, 0));
    let figures = &pair.caller.figures;
    assert_eq!(figures.codes[&200], 1);
    assert!(figures.through.spread().is_some() && figures.bye.spread().is_some());
}

#[test]
fn every_lost_datagram_is_sent_again() {
    let mut pair = Pair::new(Some(5_000 * MS), 0, 10);
    pair.drop = vec!["INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"];
    pair.caller.dial(10_000, pair.now);
    pair.run_for(12_000);
    assert!(pair.drop.is_empty(), "{:?}", pair.ladder);
    assert_eq!(pair.caller.busy() + pair.caller.up(), 0);
    assert_eq!((pair.caller.figures.invites_again, pair.caller.figures.byes_again), (1, 2));
    assert_eq!((pair.callee.figures.answers_again, pair.callee.figures.answers_lost), (2, 0));
}

#[test]
fn the_callee_rings_as_long_as_asked() {
    let mut pair = Pair::new(None, 700 * MS, 10);
    pair.caller.dial(10_000, pair.now);
    pair.run_for(600);
    assert_eq!(pair.ladder, ["INVITE", "180 INVITE"]);
    pair.run_for(200);
    assert_eq!(pair.caller.up(), 1);
}

#[test]
fn a_full_callee_refuses_and_the_refusal_is_counted() {
    let mut pair = Pair::new(None, 0, 1);
    pair.caller.dial(10_000, pair.now);
    pair.caller.dial(10_002, pair.now);
    pair.run_for(100);
    assert_eq!((pair.caller.up(), pair.caller.busy()), (1, 0));
    assert_eq!((pair.caller.figures.codes[&503], pair.callee.figures.refused), (1, 1));
}

#[test]
fn a_call_nobody_answers_is_given_up_and_cancelled() {
    let mut pair = Pair::new(None, 60_000 * MS, 10);
    pair.caller.dial(10_000, pair.now);
    pair.run_for(31_000);
    assert_eq!(pair.caller.figures.codes[&408], 1);
    assert_eq!(pair.ladder, ["INVITE", "180 INVITE", "CANCEL", "200 CANCEL", "487 INVITE", "ACK"]);
}
