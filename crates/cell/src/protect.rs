//! Bans and trust of the whole switch: decided in one cell, known in all.

use crate::cell::Cell;
use crate::hot;
use crate::io::{Body, Output};
use crate::tap::{Passed, is_message};
use bytes::Bytes;
use model::{EventBody, Seen, SeenFilter};
use sip_stack::auth::{Ban, BanReason};
use sip_stack::endpoint::Flow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tracing::{debug, info};

/// A flow that is vouched for so long already is not told to the others again.
const TOLD_FOR: Duration = Duration::from_secs(600);

impl Cell {
    /// Bans a source everywhere.
    pub(crate) fn ban(&mut self, source: IpAddr, reason: BanReason, now: Instant) {
        let Some(ban) = self.screen.ban(source, reason, now) else { return };
        self.stats.bans += 1;
        let Ban { source, until, times, .. } = ban;
        info!(reason = reason.name(), times, seconds = (until - now).as_secs(), "a source is banned");
        debug!(%source, "a source is banned");
        self.out.push_back(Output::Keep { key: hot::ban(source), value: hot::ban_value(&ban, &self.config.wall) });
        self.send_others(|| Body::Banned(ban));
        let until = self.config.wall.at(until);
        self.tell(EventBody::SourceBanned { source, reason: reason_of(reason), until, times }, now);
    }

    /// Lifts a ban. Every cell is told so by itself.
    pub(crate) fn unban(&mut self, source: IpAddr, now: Instant) {
        if self.screen.bans.remove(source, now) {
            info!("a ban was lifted");
            self.out.push_back(Output::Forget { key: hot::ban(sip_stack::auth::source_of(source)) });
        }
    }

    /// The bans that hold now, as this cell knows them.
    pub(crate) fn bans(&self, now: Instant) -> Vec<model::Ban> {
        let wall = &self.config.wall;
        let shown = |ban: &Ban| model::Ban {
            source: ban.source,
            reason: reason_of(ban.reason),
            since: wall.at(ban.since),
            until: wall.at(ban.until),
            times: ban.times,
            dropped: ban.dropped,
        };
        self.screen.bans.list(now).map(shown).collect()
    }

    pub(crate) fn restore_ban(&mut self, source: IpAddr, value: &[u8], now: Instant) {
        let memory = self.config.security.bans.memory;
        match hot::ban_of(source, value, &self.config.wall).filter(|ban| now < ban.until + memory) {
            Some(ban) => self.screen.bans.put(ban, now),
            None => self.out.push_back(Output::Forget { key: hot::ban(source) }),
        }
    }

    /// Somebody has proved by this flow who it is: from now on it goes before strangers, in every cell, for the socket that
    /// its messages come to may be any.
    pub(crate) fn vouch(&mut self, remote: SocketAddr, until: Instant, now: Instant) {
        self.vouch_for(remote, until, false, now);
    }

    /// The same of a phone that has registered.
    pub(crate) fn vouch_for_phone(&mut self, remote: SocketAddr, until: Instant, now: Instant) {
        self.vouch_for(remote, until, true, now);
    }

    fn vouch_for(&mut self, remote: SocketAddr, until: Instant, phone: bool, now: Instant) {
        let new = phone && !self.screen.is_phone(remote);
        if phone {
            self.screen.note_phone(remote, until, now);
        }
        let news = new && self.screen.is_phone(remote);
        let known = self.screen.vouched_until(remote);
        self.screen.vouch(remote, until, now);
        if news || known.is_none_or(|known| known + TOLD_FOR < until) {
            self.send_others(|| Body::Vouched { remote, until, phone });
        }
    }

    /// Of a thousand new calls so many are turned away from now on.
    pub(crate) fn shed(&mut self, share: u16, now: Instant) {
        if share == self.stats.shedding && share == 0 {
            return;
        }
        if (share == 0) != (self.stats.shedding == 0) {
            tracing::warn!(per_mille = share, "new calls are turned away while messages wait too long");
        }
        self.stats.shedding = share;
        self.sip.shed(share, self.config.wall.at(now));
    }

    fn send_others(&mut self, body: impl Fn() -> Body) {
        let me = self.config.cell;
        for other in (0..self.config.cells).filter(|cell| *cell != me) {
            self.send(other, body());
        }
    }
}

impl Cell {
    /// A SIP message passes.
    pub(crate) fn tap(&mut self, sent: bool, flow: Flow, data: &Bytes, now: Instant) {
        if !is_message(data) {
            return;
        }
        let passed = Passed { at: self.config.wall.at(now), sent, flow, data: data.clone() };
        if self.watched {
            self.out.push_back(Output::Passed(passed.clone()));
        }
        self.ring.push(passed);
    }

    /// The kept messages that fit.
    pub(crate) fn seen(&self, filter: &SeenFilter) -> Vec<Seen> {
        self.ring.find(filter)
    }
}

fn reason_of(reason: BanReason) -> model::BanReason {
    match reason {
        BanReason::Failures => model::BanReason::Failures,
        BanReason::ManyUsers => model::BanReason::ManyUsers,
        BanReason::Scanner => model::BanReason::Scanner,
        BanReason::Operator => model::BanReason::Operator,
    }
}
