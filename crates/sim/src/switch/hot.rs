//! The modelled stores: a hot one that forgets what was not committed, and SQL that lags behind it.

use model::{CallId, CallRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// SQL writes in groups, so late.
const SQL_LAG: Duration = Duration::from_millis(50);
/// What nobody asked to be durable sooner is committed this late.
const COMMIT_LAG: Duration = Duration::from_millis(100);

/// The hot store: what is not committed when the switch is killed is gone.
#[derive(Default, Debug)]
pub(crate) struct Hot {
    committed: BTreeMap<Vec<u8>, Vec<u8>>,
    pending: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    commit_at: Option<Instant>,
    /// What was ever kept: the keys and how many octets, in order.
    pub(crate) kept: Vec<(Vec<u8>, usize)>,
}

impl Hot {
    pub(crate) fn keep(&mut self, key: Vec<u8>, value: Vec<u8>, now: Instant) {
        self.kept.push((key.clone(), value.len()));
        self.pending.push((key, Some(value)));
        self.commit_at.get_or_insert(now + COMMIT_LAG);
    }

    pub(crate) fn forget(&mut self, key: Vec<u8>, now: Instant) {
        self.pending.push((key, None));
        self.commit_at.get_or_insert(now + COMMIT_LAG);
    }

    pub(crate) fn commit(&mut self) {
        self.commit_at = None;
        for (key, value) in self.pending.drain(..) {
            match value {
                Some(value) => self.committed.insert(key, value),
                None => self.committed.remove(&key),
            };
        }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.commit_at
    }

    /// The process dies.
    pub(crate) fn die(&mut self) {
        self.pending.clear();
        self.commit_at = None;
    }

    /// Every pair, in the order of the keys.
    pub(crate) fn scan(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.committed.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The keys that begin like this, as text.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        let text = |key: &Vec<u8>| String::from_utf8_lossy(key).into_owned();
        self.committed.keys().map(text).filter(|key| key.starts_with(prefix)).collect()
    }
}

/// The call records.
#[derive(Default, Debug)]
pub(crate) struct Sql {
    pub(crate) records: Vec<CallRecord>,
    pub(crate) ladders: BTreeMap<CallId, Vec<u8>>,
    waiting: Vec<(Instant, CallRecord)>,
    /// Told in the life of this process: a second time is a fault of the switch, not of the store.
    told: BTreeSet<CallId>,
    /// Records that were told twice within one life.
    pub(crate) twice: Vec<CallId>,
}

impl Sql {
    pub(crate) fn insert(&mut self, record: CallRecord, now: Instant) {
        if !self.told.insert(record.id) {
            self.twice.push(record.id);
        }
        self.waiting.push((now + SQL_LAG, record));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.waiting.first().map(|(at, _)| *at)
    }

    /// Writes what is due; insert or ignore, so that a replay gives no second record. Returns what is safe now.
    pub(crate) fn write(&mut self, now: Instant) -> Vec<CallId> {
        let due = self.waiting.iter().take_while(|(at, _)| *at <= now).count();
        let mut safe = Vec::new();
        for (_, record) in self.waiting.drain(..due) {
            safe.push(record.id);
            if !self.records.iter().any(|known| known.id == record.id) {
                self.records.push(record);
            }
        }
        safe
    }

    /// The process dies.
    pub(crate) fn die(&mut self) {
        self.waiting.clear();
        self.told.clear();
    }
}
