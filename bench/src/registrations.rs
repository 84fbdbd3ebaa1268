//! Users that register with digest, each once: REGISTER, challenge, REGISTER with proof, 200. No sockets, no clock.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;

use crate::deadlines::Deadlines;
use crate::net::{MS, Nanos};
use crate::samples::Samples;
use crate::sip::digest::{Algorithm, Challenge, Credentials};
use crate::sip::text::Message;

const T1: Nanos = 500 * MS;
const MOST_SENT: u32 = 7;

/// What registers where.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The registrar.
    pub target: SocketAddrV4,
    /// Host part of the address of record.
    pub domain: String,
    /// Where the users are.
    pub local: SocketAddrV4,
    /// Number of the first user.
    pub first: u64,
    /// How many users take turns.
    pub users: u64,
    /// A user's password is this and the user's number.
    pub password: String,
    /// Wished lifetime in seconds.
    pub expires: u32,
    /// The only hash to answer, if not the strongest offered.
    pub algorithm: Option<Algorithm>,
    /// Distinguishes this run from earlier ones.
    pub run: String,
}

/// What the registrations of a run amounted to.
#[derive(Default)]
pub struct Figures {
    /// Accepted registrations.
    pub ok: u64,
    /// Final answers by code; 408 where none came, 401 where there was nothing we may answer.
    pub codes: BTreeMap<u16, u64>,
    /// Retransmitted requests.
    pub again: u64,
    /// First REGISTER to 200.
    pub whole: Samples,
    /// Messages that concerned this run.
    pub heard: u64,
}

struct Task {
    since: Nanos,
    sent: u32,
    proof: Option<(&'static str, Challenge)>,
    over: bool,
}

/// The registering users.
pub struct Registrations {
    plan: Plan,
    tasks: Vec<Task>,
    open: usize,
    deadlines: Deadlines,
    /// What was counted so far.
    pub figures: Figures,
    out: VecDeque<String>,
}

impl Registrations {
    /// Users none of whom has registered yet.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let (tasks, out) = (Vec::new(), VecDeque::new());
        Self { plan, tasks, open: 0, deadlines: Deadlines::default(), figures: Figures::default(), out }
    }

    /// Starts the next registration.
    pub fn register(&mut self, now: Nanos) {
        self.tasks.push(Task { since: now, sent: 1, proof: None, over: false });
        self.open += 1;
        let i = self.tasks.len() - 1;
        self.send(i);
        self.deadlines.set(i, now + T1);
    }

    /// How many were started.
    #[must_use]
    pub fn started(&self) -> usize {
        self.tasks.len()
    }

    /// How many have no outcome yet.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open
    }

    /// Takes a message from the registrar.
    pub fn handle_message(&mut self, message: &Message<'_>, at: Nanos) {
        let (Some(i), Some(code), Some((cseq, _))) = (self.task_of(message), message.code(), message.cseq()) else {
            return;
        };
        self.figures.heard += 1;
        let task = &mut self.tasks[i];
        // A late copy of the challenge answers the first request, not the second.
        let current = if task.proof.is_some() { 2 } else { 1 };
        if task.over || cseq != current || code < 200 {
            return;
        }
        if (code == 401 || code == 407) && task.proof.is_none() {
            let (asks, proves) = match code {
                401 => ("WWW-Authenticate", "Authorization"),
                _ => ("Proxy-Authenticate", "Proxy-Authorization"),
            };
            task.proof = Challenge::choose(message.headers(asks), self.plan.algorithm).map(|c| (proves, c));
            if task.proof.is_some() {
                task.sent = 1;
                self.send(i);
                self.deadlines.set(i, at + T1);
                return;
            }
        }
        if (200..300).contains(&code) {
            self.figures.ok += 1;
            self.figures.whole.record(at.saturating_sub(self.tasks[i].since));
        }
        self.finish(i, code);
    }

    /// Retransmits and gives up what is due.
    pub fn handle_timeout(&mut self, now: Nanos) {
        while let Some(i) = self.deadlines.take_due(now) {
            if self.tasks[i].sent >= MOST_SENT {
                self.finish(i, 408);
                continue;
            }
            self.figures.again += 1;
            self.send(i);
            // Doubling up to T2: RFC 3261 §17.1.2.2.
            self.deadlines.set(i, now + (T1 << self.tasks[i].sent.min(3)));
            self.tasks[i].sent += 1;
        }
    }

    /// The next datagram for the registrar.
    pub fn poll_send(&mut self) -> Option<String> {
        self.out.pop_front()
    }

    fn task_of(&self, message: &Message<'_>) -> Option<usize> {
        let (run, i) = message.header("Call-ID")?.rsplit_once('-')?;
        let i = i.parse().ok()?;
        (run == self.plan.run && i < self.tasks.len()).then_some(i)
    }

    fn finish(&mut self, i: usize, code: u16) {
        self.tasks[i].over = true;
        self.open -= 1;
        self.deadlines.clear(i);
        *self.figures.codes.entry(code).or_default() += 1;
    }

    fn send(&mut self, i: usize) {
        let Plan { target, domain, local, first, users, password, expires, run, .. } = &self.plan;
        let user = (first + i as u64 % users).to_string();
        let uri = format!("sip:{target}");
        let (cseq, proof) = match &self.tasks[i].proof {
            None => (1, String::new()),
            Some((header, challenge)) => {
                let who = Credentials { user: &user, password: &format!("{password}{user}") };
                let answer = challenge.answer(&who, "REGISTER", &uri, &format!("{run}{i}"));
                (2, format!("{header}: {answer}\r\n"))
            }
        };
        self.out.push_back(format!(
            "REGISTER {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK{run}-{i}-{cseq};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{user}@{domain}>;tag={run}r{i}\r\n\
             To: <sip:{user}@{domain}>\r\n\
             Call-ID: {run}-{i}\r\n\
             CSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{user}@{local}>\r\n\
             {proof}Expires: {expires}\r\n\
             User-Agent: patchbay-bench\r\n\
             Content-Length: 0\r\n\r\n"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::text::{Reply, reply};

    fn users() -> Registrations {
        Registrations::new(Plan {
            target: "127.0.0.1:5060".parse().unwrap(),
            domain: "lab".into(),
            local: "127.0.0.4:5080".parse().unwrap(),
            first: 1000,
            users: 2,
            password: "pw".into(),
            expires: 300,
            algorithm: None,
            run: "run".into(),
        })
    }

    fn answer(users: &mut Registrations, request: &str, status: &str, headers: &str, at: Nanos) {
        let request = Message::parse(request.as_bytes()).unwrap();
        let text = reply(&request, &Reply { status, tag: "t", headers, body: "" });
        users.handle_message(&Message::parse(text.as_bytes()).unwrap(), at);
    }

    const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"lab\", nonce=\"n\", qop=\"auth\"\r\n";

    #[test]
    fn a_user_proves_who_it_is_and_is_counted_once() {
        let mut users = users();
        users.register(0);
        let first = users.poll_send().unwrap();
        assert!(first.contains("To: <sip:1000@lab>") && !first.contains("Authorization"));
        answer(&mut users, &first, "401 Unauthorized", CHALLENGE, MS);
        answer(&mut users, &first, "401 Unauthorized", CHALLENGE, MS);
        let second = users.poll_send().unwrap();
        assert!(second.contains("username=\"1000\"") && users.poll_send().is_none());
        answer(&mut users, &second, "200 OK", "", 3 * MS);
        answer(&mut users, &second, "200 OK", "", 4 * MS);
        assert_eq!((users.figures.ok, users.open()), (1, 0));
        assert!((users.figures.whole.spread().unwrap().max - 3.0).abs() < 0.01);
    }

    #[test]
    fn silence_is_a_408_after_seven_tries() {
        let mut users = users();
        users.register(0);
        for ms in (0..33_000).step_by(10) {
            users.handle_timeout(ms * MS);
        }
        assert_eq!((users.figures.again, users.figures.codes[&408], users.open()), (6, 1, 0));
    }

    #[test]
    fn a_wrong_password_is_a_failure_not_a_loop() {
        let mut users = users();
        users.register(0);
        let first = users.poll_send().unwrap();
        answer(&mut users, &first, "401 Unauthorized", CHALLENGE, MS);
        let second = users.poll_send().unwrap();
        answer(&mut users, &second, "401 Unauthorized", CHALLENGE, MS);
        assert_eq!((users.figures.codes[&401], users.open(), users.poll_send()), (1, 0, None));
    }
}
