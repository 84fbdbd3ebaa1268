//! Server transactions of a phone (RFC 3261 §17.2) and what comes in by them.

use super::line::LineId;
use super::message::{self, Facts};
use super::{GIVE_UP, T1, T2, Timer, Ua};
use rsip::{Header, Request};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One request that came in.
pub(super) struct Server {
    to: SocketAddr,
    last: Option<Vec<u8>>,
    interval: Duration,
    /// Of an INVITE: the call it began.
    pub(super) line: Option<LineId>,
}

/// Requests with the same branch and method are the same (RFC 3261 §17.2.3); ACK finds its INVITE.
fn key(branch: &str, method: &str) -> String {
    format!("{branch} {method}")
}

impl Ua {
    pub(super) fn on_request(&mut self, request: &Request, facts: &Facts, from: SocketAddr, now: Instant) {
        if facts.method == "ACK" {
            return self.on_ack(facts);
        }
        let key = key(&facts.branch, &facts.method);
        if let Some(server) = self.servers.get(&key) {
            if let (Some(last), to) = (server.last.clone(), server.to) {
                self.send(to, last);
            }
            return;
        }
        self.servers.insert(key.clone(), Server { to: from, last: None, interval: T1, line: None });
        if matches!(facts.method.as_str(), "REGISTER" | "INVITE")
            && facts.to_tag.is_none()
            && self.challenges(request, facts, now)
        {
            return;
        }
        match facts.method.as_str() {
            "REGISTER" => self.on_register(request, facts, now),
            "INVITE" if facts.to_tag.is_none() => self.on_invite(request, facts, &key, now),
            "INVITE" => self.on_reinvite(request, facts, now),
            "CANCEL" => self.on_cancel(request, facts, now),
            "BYE" => self.on_bye(request, facts, now),
            "SUBSCRIBE" => self.on_subscribe(request, facts, now),
            "OPTIONS" | "NOTIFY" | "INFO" | "REFER" | "PUBLISH" if facts.to_tag.is_none() => {
                self.on_asked(request, facts, now);
            }
            "NOTIFY" if self.watches(facts) => self.on_notice(request, facts, now),
            "NOTIFY" => self.on_notify(request, facts, now),
            "REFER" => self.on_refer(request, facts, now),
            "INFO" => self.on_info(request, facts, now),
            "OPTIONS" => self.respond(request, facts, 200, None, Vec::new(), &[], now),
            "MESSAGE" => self.on_message(request, facts, now),
            _ => self.respond(request, facts, 501, None, Vec::new(), &[], now),
        }
    }

    /// Sends a response; a final one is repeated to whoever repeats the request.
    #[expect(clippy::too_many_arguments, reason = "a response is made of this")]
    pub(super) fn respond(
        &mut self,
        request: &Request,
        facts: &Facts,
        status: u16,
        tag: Option<&str>,
        extra: Vec<Header>,
        body: &[u8],
        now: Instant,
    ) {
        let key = key(&facts.branch, &facts.method);
        let own = self.entropy.token(8);
        let tag = if status == 100 { None } else { Some(tag.unwrap_or(&own)) };
        let Some(server) = self.servers.get_mut(&key) else { return };
        let to = server.to;
        let mut text = message::response(request, to, status, tag, extra, body).to_string();
        if let Some(loss) = self.overload {
            self.overload_seq += 1;
            let word = format!(";oc={loss};oc-algo=\"loss\";oc-validity=30000;oc-seq={}.0", self.overload_seq);
            text = text.replacen(";oc;oc-algo=\"loss\"", &word, 1);
        }
        let data = text.into_bytes();
        server.last = Some(data.clone());
        self.send(to, data);
        if status >= 200 {
            self.timers.set(Timer::Forget(key.clone()), now + GIVE_UP);
            if facts.method == "INVITE" && status >= 300 {
                self.timers.set(Timer::RepeatResponse(key), now + T1);
            }
        }
    }

    /// Timer G: a refusal is repeated until its ACK.
    pub(super) fn repeat_response(&mut self, key: String, now: Instant) {
        if self.stream.is_some() {
            return;
        }
        let Some(server) = self.servers.get_mut(&key) else { return };
        server.interval = (server.interval * 2).min(T2);
        let (at, to, last) = (now + server.interval, server.to, server.last.clone());
        self.timers.set(Timer::RepeatResponse(key), at);
        if let Some(last) = last {
            self.send(to, last);
        }
    }

    fn on_ack(&mut self, facts: &Facts) {
        let key = key(&facts.branch, "INVITE");
        self.timers.cancel(&Timer::RepeatResponse(key));
        if let Some(line) = self.line_of(facts) {
            let line = &mut self.lines[line];
            if line.ok_cseq == Some(facts.cseq) {
                line.ok = None;
                line.confirmed = true;
            }
        }
    }

    fn on_cancel(&mut self, request: &Request, facts: &Facts, now: Instant) {
        let line = self.servers.get(&key(&facts.branch, "INVITE")).and_then(|server| server.line);
        match line {
            Some(line) => {
                let tag = self.lines[line].local_tag.clone();
                self.respond(request, facts, 200, Some(&tag), Vec::new(), &[], now);
                self.lines[line].reason = message::other(&request.headers, "Reason").map(str::to_owned);
                self.cancelled(line, now);
            }
            None => self.respond(request, facts, 481, None, Vec::new(), &[], now),
        }
    }

    /// Marks the transaction of an INVITE as this call's.
    pub(super) fn bind_server(&mut self, key: &str, line: LineId) {
        if let Some(server) = self.servers.get_mut(key) {
            server.line = Some(line);
        }
    }

    /// Forgets a transaction unanswered: as if the request had never come.
    pub(super) fn ignore(&mut self, key: &str) {
        self.servers.remove(key);
    }

    /// The call that an in-dialog request belongs to.
    pub(super) fn line_of(&self, facts: &Facts) -> Option<LineId> {
        self.lines.iter().rposition(|line| {
            line.call_id == facts.call_id
                && Some(&line.local_tag) == facts.to_tag.as_ref()
                && (line.remote_tag.is_none() || line.remote_tag == facts.from_tag)
        })
    }
}
