//! The newest events, numbered without a hole, and which numbers each is about.

use super::schema;
use axum::extract::ws::Utf8Bytes;
use model::{CallId, Event, EventBody};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};
use stdx::UnixMillis;

/// How many events are kept at most, and how much memory they may take by estimate. The oldest go first.
const KEPT: usize = 65_536;
const KEPT_BYTES: usize = 16 << 20;

/// Calls whose parties are known from their earlier events. Of calls beyond it, agents see only events that name them.
const CALLS: usize = 65_536;

/// Parties that are known of one call; conferences have more, and their members see what names them.
const PARTIES: usize = 32;

/// One event with its place in the order.
#[derive(Debug)]
pub struct Told {
    /// Its number: one more than that of the event before it, within one run of the program.
    pub sequence: u64,
    /// When.
    pub at: UnixMillis,
    /// What.
    pub body: EventBody,
    /// The parties of its call, as known by then.
    parties: Option<Arc<Vec<String>>>,
    /// Its JSON, made once for all who read it.
    line: OnceLock<Utf8Bytes>,
}

impl Told {
    /// Its JSON.
    pub fn line(&self) -> Utf8Bytes {
        self.line.get_or_init(|| schema::value(self).to_string().into()).clone()
    }

    /// Is it about this number, or about a call in which that has a part?
    pub fn concerns(&self, number: &str) -> bool {
        let own = || self.body.numbers().into_iter().flatten().any(|known| known == number);
        let parties = || self.parties.iter().flat_map(|all| all.iter()).any(|known| known == number);
        let legs = || matches!(&self.body, EventBody::CallEnded { record } if record.legs.iter().any(|leg| leg.number == number));
        own() || parties() || legs()
    }

    /// The numbers that it is about, and those with a part in its call.
    pub(crate) fn concerned(&self) -> impl Iterator<Item = &str> {
        let legs = match &self.body {
            EventBody::CallEnded { record } => &record.legs[..],
            _ => &[],
        };
        let parties = self.parties.iter().flat_map(|all| all.iter()).map(String::as_str);
        let own = self.body.numbers().into_iter().flatten();
        own.chain(parties).chain(legs.iter().map(|leg| leg.number.as_str()))
    }

    /// Memory that it takes, roughly.
    fn weight(&self) -> usize {
        let more = match &self.body {
            EventBody::CallEnded { record } => {
                record.legs.iter().map(|leg| 768 + 32 * leg.quality.as_ref().map_or(0, |q| q.over_time.len())).sum()
            }
            EventBody::MessageReceived { message }
            | EventBody::MessageDelivered { message }
            | EventBody::MessageFailed { message } => message.body.len(),
            _ => 0,
        };
        // Once read, its JSON is kept too.
        512 + 2 * more
    }
}

/// Events that somebody asked for and that are kept no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first number that is missing.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// What comes next from a number on.
#[derive(Debug)]
pub(super) enum Since {
    Event(Arc<Told>),
    Gap(Gap),
    Nothing,
}

/// The newest events.
#[derive(Debug)]
pub(super) struct Ring {
    told: VecDeque<Arc<Told>>,
    next: u64,
    weight: usize,
    calls: BTreeMap<CallId, Arc<Vec<String>>>,
    limits: (usize, usize),
}

impl Ring {
    /// Empty; the first event gets the number `first`.
    pub(super) fn new(first: u64) -> Self {
        Self { told: VecDeque::new(), next: first, weight: 0, calls: BTreeMap::new(), limits: (KEPT, KEPT_BYTES) }
    }

    #[cfg(test)]
    fn with_limits(first: u64, events: usize, octets: usize) -> Self {
        Self { limits: (events, octets), ..Self::new(first) }
    }

    /// Numbers an event and keeps it.
    pub(super) fn put(&mut self, Event { at, body }: Event) {
        let parties = self.parties_of(&body);
        let told = Told { sequence: self.next, at, body, parties, line: OnceLock::new() };
        self.next += 1;
        self.weight += told.weight();
        self.told.push_back(Arc::new(told));
        while self.told.len() > self.limits.0 || self.weight > self.limits.1 {
            let Some(oldest) = self.told.pop_front() else { break };
            self.weight -= oldest.weight();
        }
    }

    /// The number that the next event gets.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The number of the oldest event that is kept; that of the next one if none is.
    pub(super) fn oldest(&self) -> u64 {
        self.next - self.told.len() as u64
    }

    /// What comes first from this number on.
    pub(super) fn since(&self, from: u64) -> Since {
        let oldest = self.oldest();
        if from < oldest {
            return Since::Gap(Gap { from, to: oldest - 1 });
        }
        match self.told.get((from - oldest) as usize) {
            Some(told) => Since::Event(Arc::clone(told)),
            None => Since::Nothing,
        }
    }

    /// Who has a part in the event's call by now.
    fn parties_of(&mut self, body: &EventBody) -> Option<Arc<Vec<String>>> {
        let call = body.call()?;
        if let EventBody::CallEnded { .. } = body {
            return self.calls.remove(&call);
        }
        if let EventBody::CallStarted { .. } = body
            && self.calls.len() < CALLS
        {
            self.calls.entry(call).or_default();
        }
        let parties = self.calls.get_mut(&call)?;
        for number in body.numbers().into_iter().flatten() {
            if parties.len() < PARTIES && !parties.iter().any(|known| known == number) {
                // Events before this one keep the list as it was.
                Arc::make_mut(parties).push(number.to_owned());
            }
        }
        Some(Arc::clone(parties))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Direction;

    fn digit(call: CallId) -> Event {
        Event { at: 1, body: EventBody::Dtmf { call, leg: 0, digit: '1', duration_ms: 100 } }
    }

    fn call(n: u64) -> CallId {
        CallId::new(0, &mut stdx::Entropy::seeded(n))
    }

    #[test]
    fn the_oldest_go_first_and_a_gap_says_exactly_what_is_missing() {
        let mut ring = Ring::with_limits(1_000, 3, usize::MAX);
        assert!(matches!(ring.since(1_000), Since::Nothing));
        for _ in 0..5 {
            ring.put(digit(call(1)));
        }
        assert_eq!((ring.oldest(), ring.next()), (1_002, 1_005));
        let Since::Gap(gap) = ring.since(1_000) else { panic!("no gap") };
        assert_eq!(gap, Gap { from: 1_000, to: 1_001 });
        for at in 1_002..1_005 {
            let Since::Event(told) = ring.since(at) else { panic!("{at} is kept") };
            assert_eq!(told.sequence, at);
        }
        assert!(matches!(ring.since(1_005), Since::Nothing));
    }

    #[test]
    fn many_large_events_take_no_more_than_they_may() {
        let mut ring = Ring::with_limits(0, 1_000, 10_000);
        let message = model::TextMessage {
            id: "m".into(),
            from: "1".into(),
            to: "2".into(),
            via: None,
            content_type: "text/plain".into(),
            body: vec![b'x'; 1_000],
            at: 0,
            expires_at: 0,
            state: model::MessageState::Waiting,
            status: 0,
        };
        for _ in 0..100 {
            ring.put(Event { at: 0, body: EventBody::MessageReceived { message: Box::new(message.clone()) } });
        }
        assert_eq!(ring.told.len(), 3);
        for _ in 0..100 {
            ring.put(digit(call(1)));
        }
        assert_eq!((ring.told.len(), ring.weight), (19, 19 * 512));
    }

    #[test]
    fn an_event_concerns_whoever_has_a_part_in_its_call_by_then() {
        let mut ring = Ring::new(1);
        let (one, other) = (call(1), call(2));
        let started = EventBody::CallStarted {
            call: one,
            caller: "100".into(),
            callee: "101".into(),
            direction: Direction::Internal,
        };
        ring.put(Event { at: 0, body: started });
        ring.put(digit(one));
        ring.put(Event { at: 0, body: EventBody::LegDialing { call: one, leg: 2, number: "102".into() } });
        ring.put(digit(one));
        ring.put(digit(other));
        let concerns = |at: u64, number: &str| match ring.since(at) {
            Since::Event(told) => told.concerns(number),
            Since::Gap(_) | Since::Nothing => panic!("{at}"),
        };
        assert!(
            concerns(1, "100") && concerns(2, "101") && concerns(3, "102") && concerns(4, "102") && concerns(4, "100")
        );
        assert!(!concerns(2, "102"), "it had no part yet");
        assert!(!concerns(5, "100"), "a call that nobody saw begin");
    }
}
