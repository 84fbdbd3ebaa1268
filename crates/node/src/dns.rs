//! Questions of the workers to the domain name system, and their answers.
//!
//! The resolver follows the system's configuration (`/etc/resolv.conf`, `/etc/hosts`) and keeps answers, also those that there is
//! nothing, for as long as the zone allows.

use crate::worker::Inbox;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverOpts};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use sip_stack::locate::{Failure, Question, Record};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

/// An answer comes within this, or is [`Failure::Unavailable`].
const PATIENCE: Duration = Duration::from_secs(9);

/// How long a server is waited for before it is asked again, or another one is.
const TRY: Duration = Duration::from_secs(2);

/// Questions under way at one time, of all workers; more wait within their patience.
const UNDER_WAY: usize = 256;

/// Names that are remembered.
const REMEMBERED: u64 = 4_096;

/// A server that says "no such record" without saying for how long is believed for this long, and nobody for longer than the second.
const SHORTEST_NO: Duration = Duration::from_secs(5);
const LONGEST_NO: Duration = Duration::from_secs(300);

/// Asks for the workers.
#[derive(Clone)]
pub struct Resolver {
    handle: Handle,
    inboxes: Arc<[Inbox]>,
    /// `None`: the system names no server that could be asked.
    system: Option<Arc<TokioResolver>>,
    room: Arc<Semaphore>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// Over the runtime of the caller, with the system's configuration.
    pub fn new(handle: Handle, inboxes: Arc<[Inbox]>) -> Self {
        let built = TokioResolver::builder_tokio().and_then(|mut builder| {
            set(builder.options_mut());
            builder.build()
        });
        let system = match built {
            Ok(resolver) => Some(Arc::new(resolver)),
            Err(e) => {
                warn!("no name server can be asked, so only addresses can be called: {e}; look at /etc/resolv.conf");
                None
            }
        };
        Self { handle, inboxes, system, room: Arc::new(Semaphore::new(UNDER_WAY)) }
    }

    /// Asks; the answer goes to the worker's inbox. How many are under way is limited by [`cell::MAX_QUESTIONS`] per worker.
    pub fn ask(&self, worker: u16, ticket: u64, question: Question) {
        let this = self.clone();
        self.handle.spawn(async move {
            let answers = this.answer(question).await;
            if let Some(inbox) = this.inboxes.get(usize::from(worker)) {
                inbox.put_resolved(ticket, answers);
            }
        });
    }

    async fn answer(&self, question: Question) -> Result<Vec<Record>, Failure> {
        let Some(system) = &self.system else { return Err(Failure::Unavailable) };
        let until = Instant::now() + PATIENCE;
        let found = timeout_at(until, async {
            let _room = self.room.acquire().await.map_err(|_| Failure::Unavailable)?;
            look_up(system, &question).await
        });
        found.await.unwrap_or(Err(Failure::Unavailable))
    }
}

fn set(options: &mut ResolverOpts) {
    options.timeout = TRY;
    options.attempts = 2;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.cache_size = REMEMBERED;
    options.negative_min_ttl = Some(SHORTEST_NO);
    options.negative_max_ttl = Some(LONGEST_NO);
}

async fn look_up(resolver: &TokioResolver, question: &Question) -> Result<Vec<Record>, Failure> {
    let (Question::Naptr(name) | Question::Srv(name) | Question::Addresses(name)) = question;
    // A name of the configuration is a whole one: no search list may turn it into another.
    let mut name = Name::from_utf8(name).map_err(|_| Failure::NoName)?;
    name.set_fqdn(true);
    let found = match question {
        Question::Naptr(_) => resolver.lookup(name, RecordType::NAPTR).await,
        Question::Srv(_) => resolver.lookup(name, RecordType::SRV).await,
        // Both families at once, and the system's own file of hosts first.
        Question::Addresses(_) => resolver.lookup_ip(name).await.map(|found| found.as_lookup().clone()),
    };
    match found {
        Ok(found) => Ok(found.answers().iter().filter_map(|record| read(&record.data, record.ttl)).collect()),
        Err(e) if e.is_nx_domain() => Err(Failure::NoName),
        Err(e) if e.is_no_records_found() => Ok(Vec::new()),
        Err(_) => Err(Failure::Unavailable),
    }
}

fn read(data: &RData, ttl: u32) -> Option<Record> {
    let ttl = Duration::from_secs(ttl.into());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let host = |name: &Name| name.to_utf8().trim_end_matches('.').to_owned();
    Some(match data {
        RData::A(ip) => Record::Address { ttl, ip: IpAddr::V4(ip.0) },
        RData::AAAA(ip) => Record::Address { ttl, ip: IpAddr::V6(ip.0) },
        RData::SRV(srv) => {
            let target = host(&srv.target);
            Record::Srv { ttl, priority: srv.priority, weight: srv.weight, port: srv.port, target }
        }
        RData::NAPTR(naptr) => Record::Naptr {
            ttl,
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: host(&naptr.replacement),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::config::{NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
    use hickory_resolver::proto::rr::Record as Entry;
    use hickory_resolver::proto::rr::rdata::{NAPTR, SRV};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::net::UdpSocket;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    /// What the zone has.
    fn zone(asked: &Name, kind: RecordType) -> Result<Vec<RData>, ResponseCode> {
        let naptr = |preference, service: &str, replacement: &str| {
            RData::NAPTR(NAPTR::new(
                10,
                preference,
                (*b"s").into(),
                service.as_bytes().into(),
                (*b"").into(),
                name(replacement),
            ))
        };
        Ok(match (asked.to_ascii().as_str(), kind) {
            ("carrier.example.", RecordType::NAPTR) => vec![
                naptr(20, "SIP+D2U", "_sip._udp.carrier.example."),
                naptr(10, "SIPS+D2T", "_sips._tcp.carrier.example."),
            ],
            ("_sips._tcp.carrier.example.", RecordType::SRV) => {
                vec![RData::SRV(SRV::new(1, 60, 5061, name("gw.carrier.example.")))]
            }
            ("gw.carrier.example.", RecordType::A) => vec![RData::A("192.0.2.7".parse().unwrap())],
            ("gw.carrier.example.", RecordType::AAAA) => vec![RData::AAAA("2001:db8::7".parse().unwrap())],
            ("carrier.example.", _) => Vec::new(),
            ("_sip._udp.mute.example.", _) => return Err(ResponseCode::ServFail),
            _ => return Err(ResponseCode::NXDomain),
        })
    }

    /// A server of that zone; counts what it is asked.
    async fn serve(asked: Arc<AtomicUsize>) -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut buffer = [0; 4_096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                asked.fetch_add(1, Ordering::Relaxed);
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let query = question.queries[0].clone();
                let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
                answer.add_query(query.clone());
                match zone(&query.name().clone(), query.query_type()) {
                    Ok(found) => {
                        for data in found {
                            answer.add_answer(Entry::from_rdata(query.name().clone(), 300, data));
                        }
                    }
                    Err(code) => answer.metadata.response_code = code,
                }
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        port
    }

    async fn resolver(asked: Arc<AtomicUsize>) -> Resolver {
        let mut server = NameServerConfig::udp("127.0.0.1".parse().unwrap());
        for connection in &mut server.connections {
            connection.port = serve(Arc::clone(&asked)).await;
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        set(builder.options_mut());
        let inboxes: Arc<[Inbox]> = vec![Inbox::new().unwrap()].into();
        let system = Some(Arc::new(builder.build().unwrap()));
        Resolver { handle: Handle::current(), inboxes, system, room: Arc::new(Semaphore::new(UNDER_WAY)) }
    }

    #[tokio::test]
    async fn a_carriers_zone_is_read_and_remembered() {
        let asked = Arc::new(AtomicUsize::new(0));
        let resolver = resolver(Arc::clone(&asked)).await;
        let ask = async |question| resolver.answer(question).await;
        let found = ask(Question::Naptr("carrier.example".into())).await.unwrap();
        let services: Vec<_> = found
            .iter()
            .map(|record| match record {
                Record::Naptr { preference, service, replacement, .. } => {
                    (*preference, service.as_str(), replacement.as_str())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(services.contains(&(10, "SIPS+D2T", "_sips._tcp.carrier.example")), "{services:?}");
        let found = ask(Question::Srv("_sips._tcp.carrier.example".into())).await.unwrap();
        assert!(
            matches!(&found[..], [Record::Srv { priority: 1, weight: 60, port: 5061, target, .. }] if target == "gw.carrier.example"),
            "{found:?}"
        );
        let found = ask(Question::Addresses("gw.carrier.example".into())).await.unwrap();
        let ips: Vec<_> = found
            .iter()
            .map(|record| match record {
                Record::Address { ip, ttl } => (ip.to_string(), ttl.as_secs() <= 300),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ips, [("192.0.2.7".to_owned(), true), ("2001:db8::7".to_owned(), true)]);
        let before = asked.load(Ordering::Relaxed);
        assert_eq!(ask(Question::Addresses("gw.carrier.example".into())).await.unwrap().len(), 2);
        assert_eq!(asked.load(Ordering::Relaxed), before, "it is remembered");
    }

    #[tokio::test]
    async fn nothing_no_name_and_no_answer_are_told_apart() {
        let resolver = resolver(Arc::default()).await;
        let ask = async |question| resolver.answer(question).await;
        assert_eq!(ask(Question::Addresses("carrier.example".into())).await, Ok(Vec::new()));
        assert_eq!(ask(Question::Addresses("nobody.example".into())).await, Err(Failure::NoName));
        assert_eq!(ask(Question::Srv("_sip._udp.mute.example".into())).await, Err(Failure::Unavailable));
        assert_eq!(ask(Question::Addresses("..".into())).await, Err(Failure::NoName));
    }

    #[tokio::test]
    async fn a_workers_question_is_answered_in_its_inbox() {
        let resolver = resolver(Arc::default()).await;
        resolver.ask(0, 7, Question::Addresses("gw.carrier.example".into()));
        for _ in 0..1000 {
            if let Some((ticket, answers)) = resolver.inboxes[0].take_resolved() {
                assert_eq!((ticket, answers.unwrap().len()), (7, 2));
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no answer");
    }
}
