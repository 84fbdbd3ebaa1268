//! What calls cost in a day, and which of them go too far.
//!
//! A meter counts for one extension, or for the whole switch. A running call pays for each step of its price when the step
//! begins. If the cap has no room for the next step, the call has to end there, so that no cap is ever passed; with a cap of
//! minutes all running calls end together when it is used up.

use crate::hours::Calendar;
use model::{LegId, Price, SpendingCap, Spent};
use std::collections::BTreeMap;
use stdx::UnixMillis;

/// How much of a cap is used up when the operator is told first, per cent.
const FIRST_ALERT: u8 = 80;

/// Counts what is spent in a day.
#[derive(Debug)]
pub struct Meter {
    cap: SpendingCap,
    day: String,
    day_ends: UnixMillis,
    /// What calls that are over have spent today.
    finished: Spent,
    running: BTreeMap<LegId, Running>,
    /// The highest alert given today.
    alerted: u8,
}

#[derive(Debug)]
struct Running {
    since: UnixMillis,
    price: Price,
    /// Paid so far, in all days.
    paid: u64,
    /// What of it belongs to earlier days.
    before: Spent,
    /// It was told to end, and no longer pays.
    stopped: bool,
}

/// What a meter has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// So much of the cap is used up: 80 or 100 per cent.
    Alert {
        /// Per cent.
        percent: u8,
        /// Spent today.
        spent: Spent,
    },
    /// This call, by its leg to the trunk, must end now.
    Stop(LegId),
}

impl Meter {
    /// Nothing is spent yet.
    pub fn new(cap: SpendingCap, now: UnixMillis, calendar: &Calendar) -> Self {
        Self {
            cap,
            day: calendar.day(now),
            day_ends: calendar.next_day(now),
            finished: Spent::default(),
            running: BTreeMap::new(),
            alerted: 0,
        }
    }

    /// The day that is counted, `2026-11-21`.
    pub fn day(&self) -> &str {
        &self.day
    }

    /// What calls that are over have spent today: what must survive.
    pub fn finished(&self) -> Spent {
        self.finished
    }

    /// Adds what an earlier process counted; alerts that it gave are not given again.
    pub fn restore(&mut self, spent: Spent) {
        self.finished = plus(self.finished, spent);
        self.alerted = self.level(self.finished);
    }

    /// No call is running.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Spent today, the begun steps of running calls included.
    pub fn spent(&self, now: UnixMillis) -> Spent {
        self.running.values().fold(self.finished, |sum, call| plus(sum, call.today(now)))
    }

    /// May one more call of this price begin?
    pub fn may_begin(&mut self, price: Price, now: UnixMillis, calendar: &Calendar, news: &mut Vec<News>) -> bool {
        self.settle(now, calendar, news);
        let spent = self.spent(now);
        let room =
            self.cap.cost.is_none_or(|cap| spent.cost.saturating_add(price.of(1)) <= cap || price.per_minute == 0)
                && self.cap_ms().is_none_or(|cap| spent.talked_ms < cap);
        if !room {
            self.alert(100, now, news);
        }
        room
    }

    /// A call was answered.
    pub fn begin(&mut self, call: LegId, price: Price, now: UnixMillis, calendar: &Calendar, news: &mut Vec<News>) {
        self.roll(now, calendar);
        let running = Running { since: now, price, paid: 0, before: Spent::default(), stopped: false };
        self.running.insert(call, running);
        self.settle(now, calendar, news);
    }

    /// A call is over. What it spent counts from now on as finished.
    pub fn end(&mut self, call: LegId, now: UnixMillis, calendar: &Calendar, news: &mut Vec<News>) {
        self.roll(now, calendar);
        if let Some(call) = self.running.remove(&call) {
            let talked = now.saturating_sub(call.since);
            let spent = Spent {
                cost: call.price.of(talked).saturating_sub(call.before.cost),
                talked_ms: talked.saturating_sub(call.before.talked_ms),
            };
            self.finished = plus(self.finished, spent);
        }
        self.settle(now, calendar, news);
    }

    /// Lets running calls pay for the steps they have begun; those for which there is no room must end.
    pub fn settle(&mut self, now: UnixMillis, calendar: &Calendar, news: &mut Vec<News>) {
        self.roll(now, calendar);
        let mut total = self.spent(now).cost;
        let out_of_minutes = self.cap_ms().is_some_and(|cap| self.spent(now).talked_ms >= cap);
        let mut stopped = false;
        for (id, call) in self.running.iter_mut().filter(|(_, call)| !call.stopped) {
            let due = call.price.of(now.saturating_sub(call.since) + 1).saturating_sub(call.paid);
            let too_dear = due > 0 && self.cap.cost.is_some_and(|cap| total.saturating_add(due) > cap);
            if too_dear || out_of_minutes {
                call.stopped = true;
                stopped = true;
                news.push(News::Stop(*id));
            } else {
                call.paid += due;
                total = total.saturating_add(due);
            }
        }
        let level = if stopped { 100 } else { self.level(self.spent(now)) };
        if level > 0 {
            self.alert(level, now, news);
        }
    }

    /// When [`Meter::settle`] has something to do. Far from a cap that is seldom; near it, at each step.
    pub fn next_settle(&self, now: UnixMillis) -> Option<UnixMillis> {
        let running = || self.running.values().filter(|call| !call.stopped);
        let count = running().count() as u64;
        if count == 0 {
            return None;
        }
        let spent = self.spent(now);
        let first = |cap: u64| (u128::from(cap) * u128::from(FIRST_ALERT)).div_ceil(100) as u64;
        let thresholds = |cap: u64| [first(cap), cap].into_iter();
        let minutes = self.cap_ms().and_then(|cap| {
            let next = thresholds(cap).find(|at| *at > spent.talked_ms)?;
            Some(now + (next - spent.talked_ms).div_ceil(count))
        });
        let cost = self.cap.cost.and_then(|cap| {
            let per_minute: u64 = running().map(|call| call.price.per_minute).fold(0, u64::saturating_add);
            let begun: u64 = running().map(|call| call.price.of(1)).fold(0, u64::saturating_add);
            let boundary = running().filter(|call| call.price.per_minute > 0).map(|call| call.next_step(now)).min()?;
            let next = thresholds(cap).find(|at| *at > spent.cost).unwrap_or(cap);
            // Until then, whatever steps begin, the threshold cannot be reached.
            let room = next.saturating_sub(spent.cost).saturating_sub(begun);
            let safe = u128::from(room) * 60_000 / u128::from(per_minute.max(1));
            Some(boundary.max(now.saturating_add(u64::try_from(safe).unwrap_or(u64::MAX))))
        });
        // At midnight everything is counted anew.
        [minutes, cost].into_iter().flatten().min().map(|at| at.min(self.day_ends).max(now + 1))
    }

    fn cap_ms(&self) -> Option<u64> {
        self.cap.minutes.map(|minutes| u64::from(minutes) * 60_000)
    }

    /// At midnight everything begins anew; what running calls have used belongs to the day that ended.
    fn roll(&mut self, now: UnixMillis, calendar: &Calendar) {
        if now < self.day_ends {
            return;
        }
        for call in self.running.values_mut() {
            let talked_ms = self.day_ends.saturating_sub(call.since);
            call.paid = call.paid.max(call.price.of(talked_ms));
            call.before = Spent { cost: call.paid, talked_ms };
        }
        self.finished = Spent::default();
        self.alerted = 0;
        self.day = calendar.day(now);
        self.day_ends = calendar.next_day(now);
    }

    /// Which alert this much spending deserves.
    fn level(&self, spent: Spent) -> u8 {
        let share = |spent: u64, cap: u64| {
            if cap == 0 { 100 } else { (u128::from(spent) * 100 / u128::from(cap)).min(100) as u8 }
        };
        let cost = self.cap.cost.map_or(0, |cap| share(spent.cost, cap));
        let minutes = self.cap_ms().map_or(0, |cap| share(spent.talked_ms, cap));
        match cost.max(minutes) {
            100 => 100,
            FIRST_ALERT.. => FIRST_ALERT,
            _ => 0,
        }
    }

    fn alert(&mut self, percent: u8, now: UnixMillis, news: &mut Vec<News>) {
        if percent > self.alerted {
            self.alerted = percent;
            news.push(News::Alert { percent, spent: self.spent(now) });
        }
    }
}

impl Running {
    fn today(&self, now: UnixMillis) -> Spent {
        Spent {
            cost: self.paid.saturating_sub(self.before.cost),
            talked_ms: now.saturating_sub(self.since).saturating_sub(self.before.talked_ms),
        }
    }

    /// When its next step begins.
    fn next_step(&self, now: UnixMillis) -> UnixMillis {
        let step = self.price.step_ms();
        self.since + (now.saturating_sub(self.since) / step + 1) * step
    }
}

fn plus(a: Spent, b: Spent) -> Spent {
    Spent { cost: a.cost.saturating_add(b.cost), talked_ms: a.talked_ms.saturating_add(b.talked_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::CallId;
    use proptest::prelude::*;

    const MINUTE: u64 = 60_000;

    fn calendar() -> Calendar {
        Calendar::new("Asia/Shanghai", &[], &[]).unwrap()
    }

    fn call(n: u64) -> LegId {
        LegId { call: CallId::new(0, &mut stdx::Entropy::seeded(n)), no: 1 }
    }

    fn price(per_minute: u64, step_seconds: u16) -> Price {
        Price { per_minute, step_seconds }
    }

    /// Runs a meter until it has nothing more to do, or `until`; what it said, and when.
    fn run(meter: &mut Meter, mut now: u64, until: u64) -> Vec<(u64, News)> {
        let (calendar, mut said) = (calendar(), Vec::new());
        while let Some(next) = meter.next_settle(now).filter(|at| *at <= until) {
            assert!(next > now);
            now = next;
            let mut news = Vec::new();
            meter.settle(now, &calendar, &mut news);
            for one in &news {
                if let News::Stop(id) = one {
                    meter.end(*id, now, &calendar, &mut Vec::new());
                }
            }
            said.extend(news.into_iter().map(|one| (now, one)));
        }
        said
    }

    #[test]
    fn a_call_ends_where_the_next_minute_would_pass_the_cap() {
        let (calendar, mut news) = (calendar(), Vec::new());
        let start = calendar.moment("2026-11-21 10:00").unwrap();
        let mut meter = Meter::new(SpendingCap { cost: Some(1_000_000), minutes: None }, start, &calendar);
        assert!(meter.may_begin(price(100_000, 60), start, &calendar, &mut news));
        meter.begin(call(1), price(100_000, 60), start, &calendar, &mut news);
        assert_eq!(meter.spent(start).cost, 100_000, "the first minute is paid when it begins");
        let said = run(&mut meter, start, start + 60 * MINUTE);
        let spent = |cost, minutes| Spent { cost, talked_ms: minutes * MINUTE };
        assert_eq!(
            said,
            [
                (start + 7 * MINUTE, News::Alert { percent: 80, spent: spent(800_000, 7) }),
                (start + 9 * MINUTE, News::Alert { percent: 100, spent: spent(1_000_000, 9) }),
                (start + 10 * MINUTE, News::Stop(call(1))),
            ]
        );
        assert_eq!(meter.finished(), spent(1_000_000, 10));
        assert!(!meter.may_begin(price(100_000, 60), start + 11 * MINUTE, &calendar, &mut news));
        assert!(meter.may_begin(price(0, 60), start + 11 * MINUTE, &calendar, &mut news), "what is free may go on");
        let tomorrow = calendar.moment("2026-11-22").unwrap();
        assert!(!meter.may_begin(price(100_000, 60), tomorrow - 1, &calendar, &mut news));
        assert!(meter.may_begin(price(100_000, 60), tomorrow, &calendar, &mut news));
        assert_eq!(meter.day(), "2026-11-22");
    }

    #[test]
    fn minutes_are_shared_by_all_calls() {
        let (calendar, mut news) = (calendar(), Vec::new());
        let start = calendar.moment("2026-11-21 10:00").unwrap();
        let mut meter = Meter::new(SpendingCap { cost: None, minutes: Some(10) }, start, &calendar);
        meter.begin(call(1), Price::default(), start, &calendar, &mut news);
        meter.begin(call(2), Price::default(), start + 2 * MINUTE, &calendar, &mut news);
        assert!(news.is_empty());
        let said = run(&mut meter, start + 2 * MINUTE, start + 60 * MINUTE);
        // Two minutes alone, then four together: the ten are used up.
        let stops: Vec<_> =
            said.iter().filter(|(_, one)| matches!(one, News::Stop(_))).map(|(at, _)| at - start).collect();
        assert_eq!(stops, [6 * MINUTE, 6 * MINUTE]);
        assert_eq!(said[0].0 - start, 5 * MINUTE, "the alert at eight of ten minutes");
    }

    #[test]
    fn midnight_gives_room_to_a_call_that_goes_on() {
        let (calendar, mut news) = (calendar(), Vec::new());
        let start = calendar.moment("2026-11-21 23:55").unwrap();
        let mut meter = Meter::new(SpendingCap { cost: Some(600_000), minutes: None }, start, &calendar);
        meter.begin(call(1), price(100_000, 60), start, &calendar, &mut news);
        let said = run(&mut meter, start, start + 60 * MINUTE);
        let stop = said.iter().find(|(_, one)| matches!(one, News::Stop(_))).unwrap();
        assert_eq!(stop.0 - start, 11 * MINUTE, "five minutes yesterday and six today");
        assert_eq!(meter.finished(), Spent { cost: 600_000, talked_ms: 6 * MINUTE });
    }

    #[test]
    fn what_was_counted_before_goes_on_without_a_second_alert() {
        let (calendar, mut news) = (calendar(), Vec::new());
        let start = calendar.moment("2026-11-21 10:00").unwrap();
        let mut meter = Meter::new(SpendingCap { cost: Some(100), minutes: None }, start, &calendar);
        meter.restore(Spent { cost: 85, talked_ms: 1 });
        assert!(meter.may_begin(price(10, 60), start, &calendar, &mut news));
        assert_eq!(news, []);
        assert!(!meter.may_begin(price(20, 60), start, &calendar, &mut news));
        assert!(matches!(news[..], [News::Alert { percent: 100, .. }]));
    }

    proptest! {
        #[test]
        fn no_cap_is_ever_passed_and_nobody_is_stopped_while_there_is_room(
            calls in proptest::collection::vec((0u64..20 * MINUTE, 1u64..400_000, 0usize..3), 1..8),
            cap in 1u64..3_000_000
        ) {
            let calendar = calendar();
            let start = calendar.moment("2026-11-21 10:00").unwrap();
            let mut meter = Meter::new(SpendingCap { cost: Some(cap), minutes: None }, start, &calendar);
            let mut calls = calls;
            calls.sort_unstable();
            let mut now = start;
            for (n, (after, per_minute, step)) in calls.iter().enumerate() {
                let at = start + after;
                for (_, one) in run(&mut meter, now, at) {
                    prop_assert!(meter.spent(at).cost <= cap, "{:?}", one);
                }
                now = at;
                let mut news = Vec::new();
                let price = price(*per_minute, [1, 6, 60][*step]);
                if meter.may_begin(price, now, &calendar, &mut news) {
                    meter.begin(call(n as u64), price, now, &calendar, &mut news);
                    prop_assert!(!news.iter().any(|one| matches!(one, News::Stop(_))));
                }
                prop_assert!(meter.spent(now).cost <= cap);
            }
            run(&mut meter, now, start + 24 * 60 * MINUTE / 2);
            prop_assert!(meter.finished().cost <= cap);
            let cheapest = calls.iter().map(|(_, p, step)| price(*p, [1, 6, 60][*step]).of(1)).max().unwrap();
            if meter.is_idle() && meter.spent(now).cost > 0 {
                prop_assert!(meter.finished().cost + 2 * cheapest > cap || calls.iter().all(|(_, p, _)| *p == 0));
            }
        }
    }
}
