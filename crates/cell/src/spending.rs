//! What is spent in a day: counted at the home of the extension that pays, and for the whole switch in the first cell.

use crate::cell::Cell;
use crate::hot;
use crate::io::{Body, Envelope, Output};
use call::Input;
use model::{CallRecord, EventBody, LegId, Price, SpendingCap, Spent};
use route::{Meter, News};
use std::collections::BTreeMap;
use std::time::Instant;
use stdx::{Timers, UnixMillis};
use tracing::{info, warn};

/// An extension, or (`None`) the whole switch.
pub(crate) type Payer = Option<String>;

/// The meters whose home is this cell: no more than there are extensions with calls by trunks in a day.
#[derive(Debug, Default)]
pub(crate) struct Spending {
    meters: BTreeMap<Payer, Meter>,
    timers: Timers<Payer>,
}

impl Spending {
    pub(crate) fn next(&self) -> Option<Instant> {
        self.timers.next()
    }
}

impl Cell {
    /// Who must say that there is money for a call.
    pub(crate) fn payers(&self, billed: Option<&str>) -> Vec<Payer> {
        let extension = billed.filter(|_| self.config.extension_cap.is_set()).map(|number| Some(number.to_owned()));
        let switch = self.config.total_cap.is_set().then_some(None);
        extension.into_iter().chain(switch).collect()
    }

    fn home_of_payer(&self, whose: &Payer) -> u16 {
        whose.as_deref().map_or(0, |number| self.home_of(number))
    }

    /// A letter to where somebody's spending is counted; that may be this cell.
    pub(crate) fn send_payer(&mut self, whose: &Payer, body: Body, now: Instant) {
        let to = self.home_of_payer(whose);
        if to == self.config.cell {
            self.on_envelope(Envelope { from: to, to, body }, now);
        } else {
            self.send(to, body);
        }
    }

    /// As home of a payer: is there money for one more call?
    pub(crate) fn may_spend(&mut self, whose: &Payer, price: Price, now: Instant) -> bool {
        let mut news = Vec::new();
        let at = self.config.wall.at(now);
        let room = self.meter(whose, at, |meter, calendar| meter.may_begin(price, at, calendar, &mut news));
        self.on_news(whose, news, now);
        room
    }

    /// As home of a payer: a call was answered.
    pub(crate) fn spend(&mut self, whose: &Payer, leg: LegId, price: Price, at: UnixMillis, now: Instant) {
        let mut news = Vec::new();
        self.meter(whose, at, |meter, calendar| meter.begin(leg, price, at, calendar, &mut news));
        self.on_news(whose, news, now);
    }

    /// As home of a payer: a call is over.
    pub(crate) fn spent(&mut self, whose: &Payer, leg: LegId, at: UnixMillis, now: Instant) {
        let mut news = Vec::new();
        let before = self.spending.meters.get(whose).map(|meter| meter.day().to_owned());
        self.meter(whose, at, |meter, calendar| meter.end(leg, at, calendar, &mut news));
        self.keep_spent(whose, before.as_deref());
        self.on_news(whose, news, now);
    }

    pub(crate) fn settle_spending(&mut self, now: Instant) {
        let at = self.config.wall.at(now);
        while let Some(whose) = self.spending.timers.pop_due(now) {
            let mut news = Vec::new();
            self.meter(&whose, at, |meter, calendar| meter.settle(at, calendar, &mut news));
            self.on_news(&whose, news, now);
        }
    }

    fn cap_of(&self, whose: &Payer) -> SpendingCap {
        if whose.is_some() { self.config.extension_cap } else { self.config.total_cap }
    }

    fn meter<T>(&mut self, whose: &Payer, at: UnixMillis, act: impl FnOnce(&mut Meter, &route::Calendar) -> T) -> T {
        let cap = self.cap_of(whose);
        let calendar = self.directory.router().calendar();
        let meter = self.spending.meters.entry(whose.clone()).or_insert_with(|| Meter::new(cap, at, calendar));
        act(meter, calendar)
    }

    fn on_news(&mut self, whose: &Payer, news: Vec<News>, now: Instant) {
        let at = self.config.wall.at(now);
        match self.spending.meters.get(whose).and_then(|meter| meter.next_settle(at)) {
            Some(at) => self.spending.timers.set(whose.clone(), self.config.wall.instant(at)),
            None => self.spending.timers.cancel(whose),
        }
        for one in news {
            match one {
                News::Alert { percent, spent } => self.alert(whose, percent, spent, now),
                News::Stop(leg) => {
                    let to = leg.call.cell() % self.config.cells.max(1);
                    if to == self.config.cell {
                        self.stop_spending(leg);
                    } else {
                        self.send(to, Body::StopSpending { leg });
                    }
                }
            }
        }
    }

    /// This call has to end, for there is no money left for it.
    pub(crate) fn stop_spending(&mut self, leg: LegId) {
        let running = self.conversations.get(&leg.call).and_then(|c| c.out.get(&leg.no));
        if running.is_some_and(|out| out.ended_at.is_none()) {
            info!(call = %leg.call, "the daily spending cap is reached");
            self.facts.push_back((leg.call, Input::CapReached));
        }
    }

    fn alert(&mut self, whose: &Payer, percent: u8, spent: Spent, now: Instant) {
        self.stats.spending_alerts += 1;
        match whose {
            Some(number) => {
                warn!(percent, cost = spent.cost, "an extension's daily spending cap is near or reached");
                tracing::debug!(extension = number, percent, "daily spending cap of this extension");
            }
            None => warn!(percent, cost = spent.cost, "the switch's daily spending cap is near or reached"),
        }
        self.tell(EventBody::SpendingAlert { extension: whose.clone(), percent, spent }, now);
    }

    /// Keeps what calls that are over have spent. A day that ended is forgotten.
    fn keep_spent(&mut self, whose: &Payer, before: Option<&str>) {
        let Some(meter) = self.spending.meters.get(whose) else { return };
        let whose = whose.as_deref().unwrap_or_default();
        if let Some(day) = before.filter(|day| *day != meter.day()) {
            self.out.push_back(Output::Forget { key: hot::spent(whose, day) });
        }
        let (key, value) = (hot::spent(whose, meter.day()), hot::spent_value(meter.finished()));
        self.out.push_back(Output::Keep { key, value });
    }

    /// As those see it who watch.
    pub(crate) fn spending_now(&mut self, now: Instant) -> Vec<model::Spending> {
        let at = self.config.wall.at(now);
        let payers: Vec<Payer> = self.spending.meters.keys().cloned().collect();
        let mut all = Vec::with_capacity(payers.len());
        for whose in payers {
            let mut news = Vec::new();
            let cap = self.cap_of(&whose);
            let (day, spent) = self.meter(&whose, at, |meter, calendar| {
                meter.settle(at, calendar, &mut news);
                (meter.day().to_owned(), meter.spent(at))
            });
            self.on_news(&whose, news, now);
            all.push(model::Spending { extension: whose, day, spent, cap });
        }
        all
    }

    // What happens to a call.

    /// A leg was answered: if it goes to a trunk, it costs from now on.
    pub(crate) fn charge_from(&mut self, leg: LegId, now: Instant) {
        let at = self.config.wall.at(now);
        let Some(out) = self.conversations.get_mut(&leg.call).and_then(|c| c.out.get_mut(&leg.no)) else { return };
        if out.answered_at.is_some() {
            return;
        }
        out.answered_at = Some(at);
        let (price, billed, emergency) = (out.terms.price, out.terms.billed.clone(), out.terms.emergency);
        let payers = if emergency { Vec::new() } else { self.payers(billed.as_deref()) };
        if price.per_minute > 0 || !payers.is_empty() {
            self.keep(leg.call, now);
        }
        for whose in payers {
            self.send_payer(&whose.clone(), Body::Spend { leg, whose, price, at }, now);
        }
    }

    /// A leg is gone, or its call is over: it costs nothing more.
    pub(crate) fn charge_until(&mut self, leg: LegId, now: Instant) {
        let at = self.config.wall.at(now);
        let Some(out) = self.conversations.get_mut(&leg.call).and_then(|c| c.out.get_mut(&leg.no)) else { return };
        if out.answered_at.is_none() || out.ended_at.is_some() {
            return;
        }
        out.ended_at = Some(at);
        let (billed, emergency) = (out.terms.billed.clone(), out.terms.emergency);
        let payers = if emergency { Vec::new() } else { self.payers(billed.as_deref()) };
        for whose in payers {
            self.send_payer(&whose.clone(), Body::Spent { leg, whose, at }, now);
        }
    }

    // After a restart.

    /// What an earlier process counted for a day.
    pub(crate) fn restore_spent(&mut self, key: &[u8], whose: &str, day: &str, value: &[u8], now: Instant) {
        let whose = (!whose.is_empty()).then(|| whose.to_owned());
        if self.home_of_payer(&whose) != self.config.cell {
            return;
        }
        let at = self.config.wall.at(now);
        let today = self.directory.router().calendar().day(at) == day;
        let Some(spent) = hot::spent_of(value).filter(|_| today && self.cap_of(&whose).is_set()) else {
            return self.out.push_back(Output::Forget { key: key.to_vec() });
        };
        self.meter(&whose, at, |meter, _| meter.restore(spent));
        self.keep_spent(&whose, None);
    }

    /// What a call had spent that the last process did not bring to its end.
    pub(crate) fn restore_charge(&mut self, record: &CallRecord, ended_at: UnixMillis, now: Instant) {
        let (Some(charge), Some(answered_at)) = (record.charge, record.answered_at) else { return };
        let at = self.config.wall.at(now);
        let calendar = self.directory.router().calendar();
        if calendar.day(answered_at) != calendar.day(at) {
            return;
        }
        let talked_ms = ended_at.saturating_sub(answered_at);
        let spent = Spent { cost: charge.price.of(talked_ms), talked_ms };
        let billed = (record.direction == model::Direction::Outbound).then_some(record.caller.as_str());
        for whose in self.payers(billed) {
            if self.home_of_payer(&whose) == self.config.cell {
                self.meter(&whose, at, |meter, _| meter.restore(spent));
                self.keep_spent(&whose, None);
            }
        }
    }
}
