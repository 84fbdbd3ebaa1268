//! Everything at once: what is read first, who is turned away, and that nothing grows without bound.

use super::*;

/// A worker that reads so many messages a millisecond, and what it is sent.
struct Busy {
    world: World,
    per_ms: f64,
    credit: f64,
    seen: Vec<Sent>,
    most_waiting: usize,
}

impl Busy {
    fn new(per_ms: f64) -> Self {
        Self { world: World::new(), per_ms, credit: 0.0, seen: Vec::new(), most_waiting: 0 }
    }

    fn offer(&mut self, from: &str, text: String) {
        let now = self.world.now;
        self.world.worker.offer(flow(from), text.into_bytes().into(), now, now);
    }

    /// One millisecond of reading and of what is due.
    fn tick(&mut self) {
        self.world.now += Duration::from_millis(1);
        let now = self.world.now;
        self.most_waiting = self.most_waiting.max(self.world.worker.waiting());
        self.credit += self.per_ms;
        while self.credit >= 1.0 && self.world.worker.waiting() > 0 {
            self.credit -= 1.0;
            self.world.worker.work(1, now);
            let sent = self.world.sent();
            // Turning a call away costs a tenth of what taking it costs.
            if sent.iter().all(|sent| sent.text.starts_with("SIP/2.0 503")) && !sent.is_empty() {
                self.credit += 0.9;
            }
            self.seen.extend(sent);
        }
        self.credit = self.credit.min(1.0);
        if self.world.worker.poll_timeout().is_some_and(|at| at <= now) {
            self.world.worker.handle_timeout(now);
            self.seen.extend(self.world.sent());
        }
    }

    fn answered(&self, call: &str, status: &str) -> bool {
        self.seen.iter().any(|sent| sent.text.starts_with(status) && sent.text.contains(call))
    }
}

fn call_id(text: &str) -> String {
    text.lines().find(|line| line.starts_with("Call-ID")).unwrap().to_owned()
}

#[test]
fn a_flood_of_strangers_delays_nobody_who_is_known_and_fills_no_memory() {
    let mut busy = Busy::new(2.0);
    assert!(busy.world.register("100", "203.0.113.1:5060", "<sip:100@203.0.113.1>").starts_with("SIP/2.0 200"));
    let mut calls = Vec::new();
    for ms in 0..5_000u64 {
        // 20 000 a second, from ten sources.
        for n in 0..20u64 {
            let from = format!("203.0.114.{}:4000", (ms * 20 + n) / 4 % 10);
            let method = ["OPTIONS", "REGISTER", "INVITE", "MESSAGE"][(n % 4) as usize];
            let request = busy.world.request(method, "100", "");
            busy.offer(&from, if n == 7 { "garbage".to_owned() } else { request });
        }
        if ms % 20 == 0 {
            let request = busy.world.request("INVITE", "555", "");
            calls.push((ms, call_id(&request)));
            busy.offer(TRUNK, request);
        }
        busy.tick();
    }
    for _ in 0..300 {
        busy.tick();
    }
    assert!(busy.most_waiting <= 1000, "{}", busy.most_waiting);
    // They carry no session description and are refused for it: what matters is that each got that far.
    let reached = calls.iter().filter(|(_, call)| busy.answered(call, "SIP/2.0 100")).count();
    assert_eq!(reached, calls.len());
    let stats = busy.world.worker.stats();
    assert!(stats.screen.limited > 50_000, "{stats:?}");
}

#[test]
fn too_many_calls_of_the_known_are_turned_away_in_time_and_what_exists_goes_first() {
    let mut busy = Busy::new(1.0);
    let (mut options, mut latest) = (Vec::new(), 0);
    for ms in 0..10_000u64 {
        // Four times what can be read.
        for _ in 0..4 {
            let request = busy.world.request("INVITE", "555", "");
            busy.offer(TRUNK, request);
        }
        if ms % 100 == 0 {
            // A registered phone renews, a trunk asks whether we live: known, and no new calls.
            let request = busy.world.request("OPTIONS", "555", "");
            options.push((ms, call_id(&request)));
            busy.offer(TRUNK, request);
        }
        busy.tick();
        if ms == 9_000 {
            latest = busy.seen.len();
        }
    }
    let refused = busy.seen.iter().filter(|sent| sent.text.starts_with("SIP/2.0 503")).collect::<Vec<_>>();
    assert!(refused.len() > 5_000, "{}", refused.len());
    assert!(refused.iter().all(|sent| sent.text.contains("Retry-After: ")));
    assert!(options.iter().filter(|(_, call)| busy.answered(call, "SIP/2.0 200")).count() >= options.len() - 1);
    assert!(busy.most_waiting < 2048 + 100, "{}", busy.most_waiting);
    let served = busy.seen[latest..].iter().filter(|sent| sent.text.starts_with("SIP/2.0 100")).count();
    assert!(served > 200, "{served} calls were taken in the last second");
    // Quiet again: everybody is welcome.
    for _ in 0..5_000 {
        busy.tick();
    }
    assert_eq!(busy.world.worker.waiting(), 0);
    for _ in 0..20 {
        let request = busy.world.request("INVITE", "555", "");
        let call = call_id(&request);
        busy.offer(TRUNK, request);
        for _ in 0..20 {
            busy.tick();
        }
        assert!(busy.answered(&call, "SIP/2.0 100"), "{call}");
    }
    assert_eq!(busy.world.worker.stats().shedding, 0);
}

#[test]
fn a_neighbour_that_supports_it_is_told_how_much_to_hold_back() {
    let mut busy = Busy::new(1.0);
    for _ in 0..3_000 {
        for _ in 0..4 {
            let request = busy.world.request("INVITE", "555", "").replace(";rport", ";oc;oc-algo=\"loss\"");
            busy.offer(TRUNK, request);
        }
        busy.tick();
    }
    let told =
        busy.seen.iter().filter(|sent| sent.text.contains(";oc=") && sent.text.contains(";oc-algo=\"loss\"")).count();
    assert!(told > 1_000, "{told}");
    assert!(busy.seen.iter().all(|sent| !sent.text.contains("oc-algo=\"loss\";oc-algo")));
}
