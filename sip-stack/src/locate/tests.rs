use super::*;
use crate::message::Transport::{self, Tcp, Tls, Udp};
use std::collections::BTreeMap;
use std::time::Duration;
use stdx::Entropy;

/// The world's names.
#[derive(Default)]
struct Table(BTreeMap<Question, Result<Vec<Record>, Failure>>);

const TTL: Duration = Duration::from_secs(100);

impl Table {
    fn naptr(mut self, domain: &str, rows: &[(u16, u16, &str, &str)]) -> Self {
        let row = |(order, preference, service, to): &(u16, u16, &str, &str)| Record::Naptr {
            ttl: TTL,
            order: *order,
            preference: *preference,
            flags: "s".into(),
            service: (*service).into(),
            regexp: String::new(),
            replacement: (*to).into(),
        };
        self.0.insert(Question::Naptr(domain.into()), Ok(rows.iter().map(row).collect()));
        self
    }

    fn srv(mut self, name: &str, rows: &[(u16, u16, &str, u16)]) -> Self {
        let row = |(priority, weight, target, port): &(u16, u16, &str, u16)| Record::Srv {
            ttl: TTL / 2,
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).into(),
        };
        self.0.insert(Question::Srv(name.into()), Ok(rows.iter().map(row).collect()));
        self
    }

    fn host(mut self, name: &str, addresses: &[&str]) -> Self {
        let row = |ip: &&str| Record::Address { ttl: TTL, ip: ip.parse().unwrap() };
        self.0.insert(Question::Addresses(name.into()), Ok(addresses.iter().map(row).collect()));
        self
    }

    fn broken(mut self, question: Question) -> Self {
        self.0.insert(question, Err(Failure::Unavailable));
        self
    }

    fn find(&self, goal: &str, transports: &[Transport]) -> Outcome {
        let mut search = Search::new(goal.parse().unwrap(), transports);
        for _ in 0..100 {
            let Some(question) = search.poll_question() else { break };
            let answer = self.0.get(&question).cloned().unwrap_or(Err(Failure::NoName));
            search.handle_answer(&question, answer);
        }
        search.outcome().expect("every search ends").clone()
    }

    fn targets(&self, goal: &str, transports: &[Transport]) -> Vec<String> {
        let found = self.find(goal, transports).unwrap_or_else(|e| panic!("{goal}: {e:?}"));
        let name = |t: Target| format!("{} {}", t.transport.as_str().to_ascii_lowercase(), t.address);
        found.targets(&mut Entropy::seeded(1)).into_iter().map(name).collect()
    }
}

const ALL: [Transport; 3] = [Udp, Tcp, Tls];

#[test]
fn an_address_needs_no_question() {
    let table = Table::default();
    assert_eq!(table.targets("192.0.2.1", &ALL), ["udp 192.0.2.1:5060"]);
    assert_eq!(table.targets("192.0.2.1:5070", &ALL), ["udp 192.0.2.1:5070"]);
    assert_eq!(table.targets("[2001:db8::1]", &ALL), ["udp [2001:db8::1]:5060"]);
    assert_eq!(table.targets("sip:192.0.2.1;transport=tcp", &ALL), ["tcp 192.0.2.1:5060"]);
    assert_eq!(table.targets("sip:192.0.2.1;transport=tls", &ALL), ["tls 192.0.2.1:5061"]);
    assert_eq!(table.targets("sips:192.0.2.1", &ALL), ["tls 192.0.2.1:5061"]);
    assert_eq!(table.targets("192.0.2.1", &[Tcp]), ["tcp 192.0.2.1:5060"]);
    assert_eq!(table.find("192.0.2.1", &ALL).unwrap().ttl, None);
    assert_eq!(table.find("sips:192.0.2.1", &[Udp, Tcp]), Err(Failure::NoName), "never in the clear");
    assert_eq!(table.find("sips:192.0.2.1;transport=udp", &ALL), Err(Failure::NoName));
}

#[test]
fn an_explicit_port_asks_for_addresses_only() {
    let table = Table::default()
        .host("carrier.test", &["192.0.2.1", "2001:db8::1"])
        .srv("_sip._udp.carrier.test", &[(1, 1, "other.test", 5099)]);
    let both = ["udp 192.0.2.1:5070", "udp [2001:db8::1]:5070"];
    assert_eq!(table.targets("carrier.test:5070", &ALL), both);
    assert_eq!(table.targets("sips:carrier.test:5071", &ALL), ["tls 192.0.2.1:5071", "tls [2001:db8::1]:5071"]);
}

/// The example of RFC 3263 §4.1.
#[test]
fn naptr_chooses_the_transport() {
    let table = Table::default()
        .naptr(
            "example.com",
            &[
                (50, 50, "SIPS+D2T", "_sips._tcp.example.com"),
                (90, 50, "SIP+D2T", "_sip._tcp.example.com"),
                (100, 50, "SIP+D2U", "_sip._udp.example.com"),
            ],
        )
        .srv("_sips._tcp.example.com", &[(0, 1, "server3.example.com", 5061)])
        .srv("_sip._tcp.example.com", &[(0, 2, "server2.example.com", 5060), (0, 1, "server1.example.com", 5060)])
        .srv("_sip._udp.example.com", &[(0, 1, "server1.example.com", 5060)])
        .host("server1.example.com", &["192.0.2.1"])
        .host("server2.example.com", &["192.0.2.2"])
        .host("server3.example.com", &["192.0.2.3"]);
    assert_eq!(table.targets("example.com", &ALL), ["tls 192.0.2.3:5061"]);
    let mut tcp = table.targets("example.com", &[Udp, Tcp]);
    tcp.sort();
    assert_eq!(tcp, ["tcp 192.0.2.1:5060", "tcp 192.0.2.2:5060"]);
    assert_eq!(table.targets("example.com", &[Udp]), ["udp 192.0.2.1:5060"]);
    assert_eq!(table.targets("sips:example.com", &ALL), ["tls 192.0.2.3:5061"]);
    assert_eq!(table.find("example.com", &ALL).unwrap().ttl, Some(TTL / 2), "the shortest of all that was used");
}

#[test]
fn without_naptr_the_services_of_our_transports_are_asked_for() {
    let table = Table::default()
        .srv("_sip._udp.carrier.test", &[(20, 0, "b.carrier.test", 5060), (10, 0, "a.carrier.test", 5062)])
        .srv("_sip._tcp.carrier.test", &[(10, 0, "a.carrier.test", 5064)])
        .host("a.carrier.test", &["192.0.2.1"])
        .host("b.carrier.test", &["192.0.2.2"]);
    let all = ["udp 192.0.2.1:5062", "udp 192.0.2.2:5060", "tcp 192.0.2.1:5064"];
    assert_eq!(table.targets("carrier.test", &ALL), all);
    assert_eq!(table.targets("sip:carrier.test;transport=tcp", &ALL), ["tcp 192.0.2.1:5064"]);
    // A domain of old: neither NAPTR nor SRV.
    let table = Table::default().host("carrier.test", &["192.0.2.9"]);
    assert_eq!(table.targets("carrier.test", &ALL), ["udp 192.0.2.9:5060"]);
    assert_eq!(table.targets("sip:carrier.test;transport=tls", &ALL), ["tls 192.0.2.9:5061"]);
    assert_eq!(table.targets("sips:carrier.test", &ALL), ["tls 192.0.2.9:5061"]);
}

#[test]
fn what_cannot_be_found_says_whether_asking_again_may_help() {
    let host = || Table::default().host("carrier.test", &["192.0.2.9"]);
    assert_eq!(Table::default().find("carrier.test", &ALL), Err(Failure::NoName));
    assert_eq!(
        host().srv("_sip._udp.carrier.test", &[(0, 0, ".", 0)]).find("carrier.test", &ALL),
        Err(Failure::NoName)
    );
    let broken = |question| host().broken(question).find("carrier.test", &ALL);
    assert_eq!(broken(Question::Srv("_sip._udp.carrier.test".into())), Err(Failure::Unavailable));
    assert_eq!(broken(Question::Addresses("carrier.test".into())), Err(Failure::Unavailable));
    assert!(broken(Question::Naptr("carrier.test".into())).is_ok(), "many servers know nothing of NAPTR");
    // A server whose address is unknown does not spoil the others.
    let table = host().srv("_sip._udp.carrier.test", &[(1, 0, "lost.test", 5060), (2, 0, "carrier.test", 5066)]);
    assert_eq!(table.targets("carrier.test", &ALL), ["udp 192.0.2.9:5066"]);
}

#[test]
fn weights_share_the_load_within_a_priority() {
    let table = Table::default()
        .srv(
            "_sip._udp.c.test",
            &[(1, 60, "a.test", 1), (1, 20, "b.test", 2), (1, 20, "c.test", 3), (1, 0, "d.test", 4)],
        )
        .host("a.test", &["192.0.2.1"])
        .host("b.test", &["192.0.2.2"])
        .host("c.test", &["192.0.2.3"])
        .host("d.test", &["192.0.2.4"]);
    let found = table.find("c.test", &[Udp]).unwrap();
    let mut entropy = Entropy::seeded(3);
    let mut first = [0; 5];
    for _ in 0..10_000 {
        let targets = found.targets(&mut entropy);
        assert_eq!(targets.len(), 4);
        first[usize::from(targets[0].address.port())] += 1;
    }
    assert!((5600..6400).contains(&first[1]), "{first:?}");
    assert!((1700..2300).contains(&first[2]) && (1700..2300).contains(&first[3]), "{first:?}");
    assert!(first[4] < 50, "{first:?}");
}

#[test]
fn answers_to_nothing_and_floods_of_records_do_no_harm() {
    let rows: Vec<_> = (0..200).map(|n| (1, 1, "a.test", 1000 + n)).collect();
    let addresses: Vec<String> = (0..100).map(|n| format!("192.0.2.{n}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let table = Table::default().srv("_sip._udp.c.test", &rows).host("a.test", &addresses);
    assert_eq!(table.targets("c.test", &[Udp]).len(), 32 * 8);
    let mut search = Search::new("c.test".parse().unwrap(), &ALL);
    search.handle_answer(&Question::Addresses("c.test".into()), Ok(Vec::new()));
    search.handle_answer(&Question::Srv("c.test".into()), Err(Failure::NoName));
    assert_eq!(search.poll_question(), Some(Question::Naptr("c.test".into())));
    assert_eq!((search.poll_question(), search.outcome()), (None, None));
}
