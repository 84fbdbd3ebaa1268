//! The domain name system of a world: a table.

use sip_stack::locate::{Failure, Question, Record};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// What came of a question.
pub(crate) type Answers = Result<Vec<Record>, Failure>;

/// What names stand for. Names that nothing was said about do not exist.
#[derive(Clone, Debug)]
pub struct Zone {
    records: BTreeMap<Question, Vec<Record>>,
    ttl: Duration,
    /// Nobody answers.
    broken: bool,
}

impl Default for Zone {
    fn default() -> Self {
        Self { records: BTreeMap::new(), ttl: Duration::from_secs(300), broken: false }
    }
}

impl Zone {
    /// Records that are added from now on hold for so long.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// A host with its addresses.
    #[must_use]
    pub fn host(mut self, name: &str, addresses: &[&str]) -> Self {
        let ttl = self.ttl;
        let ip = |text: &&str| text.parse::<IpAddr>().unwrap_or_else(|_| panic!("{text} is no address"));
        let records = addresses.iter().map(|text| Record::Address { ttl, ip: ip(text) }).collect();
        self.records.insert(Question::Addresses(name.to_owned()), records);
        self
    }

    /// One more server of a service: `_sip._udp.carrier.test`.
    #[must_use]
    pub fn srv(mut self, service: &str, priority: u16, weight: u16, target: &str, port: u16) -> Self {
        let record = Record::Srv { ttl: self.ttl, priority, weight, port, target: target.to_owned() };
        self.records.entry(Question::Srv(service.to_owned())).or_default().push(record);
        self
    }

    /// One more service of a domain: `SIP+D2U` is found at `replacement`.
    #[must_use]
    pub fn naptr(mut self, domain: &str, order: u16, service: &str, replacement: &str) -> Self {
        let record = Record::Naptr {
            ttl: self.ttl,
            order,
            preference: 10,
            flags: "s".to_owned(),
            service: service.to_owned(),
            regexp: String::new(),
            replacement: replacement.to_owned(),
        };
        self.records.entry(Question::Naptr(domain.to_owned())).or_default().push(record);
        self
    }

    /// Whether anybody answers.
    pub fn set_broken(&mut self, broken: bool) {
        self.broken = broken;
    }

    pub(crate) fn answer(&self, question: &Question) -> Answers {
        match self.records.get(question) {
            _ if self.broken => Err(Failure::Unavailable),
            Some(records) => Ok(records.clone()),
            None => Err(Failure::NoName),
        }
    }
}
