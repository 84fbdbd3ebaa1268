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

    /// The first final or provisional answer with this status to each call, by its Call-ID line.
    fn answers(&self, status: &str) -> std::collections::BTreeMap<String, Duration> {
        let with = self.seen.iter().rev().filter(|sent| sent.text.starts_with(status));
        with.map(|sent| (call_id(&sent.text), sent.after)).collect()
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

/// A phone of an office that begins anew.
struct Beginner {
    user: String,
    from: String,
    /// What it says, again and again until it is answered: when next, and the pause after that.
    says: String,
    next: u64,
    pause: u64,
    registered: bool,
}

impl Beginner {
    fn say(&mut self, text: String, at: u64) {
        (self.says, self.next, self.pause) = (text, at, 500);
    }
}

/// 1500 phones behind one address, whose power comes back; their router has given each another port.
#[test]
fn an_office_that_begins_all_at_once_is_registered_within_seconds() {
    let mut busy = Busy::new(2.0);
    for n in 0..1500 {
        let command = Command::PutExtension(Box::new(extension(&format!("2{n:04}"))));
        busy.world.worker.handle_input(Input::Command { ticket: 0, command }, busy.world.now);
    }
    busy.world.sent();
    let mut phones: Vec<Beginner> = (0..1500u64)
        .map(|n| {
            let (user, from) = (format!("2{n:04}"), format!("203.0.113.1:{}", 10_000 + n));
            let contact = format!("Contact: <sip:{user}@10.0.0.1>\r\nExpires: 600\r\n");
            let says = busy.world.request("REGISTER", &user, &contact);
            Beginner { user, from, says, next: n / 3, pause: 500, registered: false }
        })
        .collect();
    let mut took = None;
    for ms in 0..40_000u64 {
        for phone in phones.iter_mut().filter(|phone| !phone.registered && phone.next <= ms) {
            busy.offer(&phone.from, phone.says.clone());
            (phone.next, phone.pause) = (ms + phone.pause, (phone.pause * 2).min(4000));
        }
        busy.tick();
        for Sent { to, text, .. } in std::mem::take(&mut busy.seen) {
            let Some(phone) = phones.iter_mut().find(|phone| phone.from == to.to_string()) else { continue };
            if text.starts_with("SIP/2.0 200") {
                phone.registered = true;
            } else if text.starts_with("SIP/2.0 401") && !phone.says.contains("Authorization") {
                let proof = proof(&phone.user, PASSWORD, "REGISTER", "sip:192.0.2.1", &text);
                let contact = format!("Contact: <sip:{}@10.0.0.1>\r\nExpires: 600\r\n", phone.user);
                let says = busy.world.request("REGISTER", &phone.user, &format!("{contact}{proof}"));
                phone.say(says, ms);
            }
        }
        if phones.iter().all(|phone| phone.registered) {
            took = Some(ms);
            break;
        }
    }
    let left = phones.iter().filter(|phone| !phone.registered).count();
    assert!(took.is_some_and(|ms| ms < 20_000), "{left} phones are left after {took:?} ms");
}

/// Under four times what can be read, nobody who dials an emergency number is turned away.
#[test]
fn emergency_calls_are_never_shed() {
    let mut busy = Busy {
        world: World::with(|config| {
            config.numbers.emergency = vec!["110".to_owned()];
            config.trunks[0].target = Some(TRUNK.to_owned());
        }),
        ..Busy::new(1.0)
    };
    let phone = "203.0.113.1:5060";
    assert!(busy.world.register("100", phone, "<sip:100@203.0.113.1>").starts_with("SIP/2.0 200"));
    let to = |request: String, number: &str| request.replace("101@", &format!("{number}@"));
    let (mut urgent, mut others) = (Vec::new(), Vec::new());
    for ms in 0..10_000u64 {
        for _ in 0..4 {
            let request = busy.world.request("INVITE", "555", "");
            busy.offer(TRUNK, request);
        }
        if ms > 3_000 && ms % 50 == 0 {
            let request = to(busy.world.request("INVITE", "100", ""), "110");
            urgent.push(call_id(&request));
            busy.offer(phone, request);
            let request = to(busy.world.request("INVITE", "100", ""), "0571");
            others.push(call_id(&request));
            busy.offer(phone, request);
        }
        busy.tick();
    }
    assert!(busy.world.worker.stats().shedding > 500);
    let share = |calls: &[String], status: &str| {
        let answers = busy.answers(status);
        calls.iter().filter(|call| answers.contains_key(*call)).count()
    };
    // All but the latest, which waits: what matters is that it is asked for its password, as when nothing is going on.
    assert!(share(&urgent, "SIP/2.0 401") >= urgent.len() - 1, "{} of {}", share(&urgent, "SIP/2.0 401"), urgent.len());
    assert_eq!(share(&urgent, "SIP/2.0 503"), 0);
    assert!(share(&others, "SIP/2.0 503") > others.len() / 3, "{} of {}", share(&others, "SIP/2.0 503"), others.len());
}

/// What belongs to calls that exist, and registrations that are renewed, wait for no new call.
#[test]
fn renewals_and_requests_of_calls_are_answered_at_once_while_new_calls_are_turned_away() {
    let mut busy = Busy::new(1.0);
    let phone = "203.0.113.1:5060";
    assert!(busy.world.register("100", phone, "<sip:100@203.0.113.1>").starts_with("SIP/2.0 200"));
    let mut asked: Vec<(u64, String, &str)> = Vec::new();
    for ms in 0..8_000u64 {
        for _ in 0..4 {
            let request = busy.world.request("INVITE", "555", "");
            busy.offer(TRUNK, request);
        }
        if ms % 50 == 0 {
            let renewal = busy.world.request("REGISTER", "100", "Contact: <sip:100@203.0.113.1>\r\nExpires: 600\r\n");
            asked.push((ms, call_id(&renewal), "SIP/2.0 401"));
            busy.offer(phone, renewal);
            // Of a call that is none: the answer is as quick as one of a call that is.
            let bye = busy.world.request("BYE", "555", "").replace("To: <sip:101@192.0.2.1>", "To: <sip:101@h>;tag=t");
            asked.push((ms, call_id(&bye), "SIP/2.0 481"));
            busy.offer(TRUNK, bye);
        }
        busy.tick();
    }
    for _ in 0..100 {
        busy.tick();
    }
    let refused = busy.seen.iter().filter(|sent| sent.text.starts_with("SIP/2.0 503")).count();
    assert!(refused > 4_000, "{refused}");
    let mut slowest = Duration::ZERO;
    let (challenged, unknown) = (busy.answers("SIP/2.0 401"), busy.answers("SIP/2.0 481"));
    for (ms, call, status) in asked {
        let after = if status == "SIP/2.0 401" { challenged.get(&call) } else { unknown.get(&call) };
        let after = after.unwrap_or_else(|| panic!("{call}, sent at {ms} ms, is not answered {status}"));
        slowest = slowest.max(after.saturating_sub(Duration::from_millis(ms)));
    }
    assert!(slowest < Duration::from_millis(30), "{slowest:?}");
}
