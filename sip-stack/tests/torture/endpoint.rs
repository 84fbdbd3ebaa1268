//! The endpoint keeps to the verdicts: the same messages as datagrams.

use crate::verdict::{Verdict, judge};
use bytes::Bytes;
use patchbay_sip_stack::endpoint::{Config, Endpoint, Event, Flow, Input, Output};
use patchbay_sip_stack::message::{Message, Status};
use std::path::Path;

/// What one datagram leads to in an endpoint that has seen nothing before.
pub(crate) fn received(data: Bytes) -> (Vec<Status>, Vec<Event>, u64) {
    let mut endpoint = Endpoint::new(Config::default(), stdx::Entropy::seeded(1));
    let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "203.0.113.9:5062".parse().unwrap());
    endpoint.handle_input(Input::Datagram { flow, data }, stdx::testing::start());
    let (mut statuses, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = endpoint.poll_output() {
        match output {
            Output::Transmit { flow: to, data } => {
                assert_eq!(to, flow, "answers go to the source");
                statuses.push(Message::parse_datagram(data).unwrap().status().unwrap());
            }
            Output::Event(event) => events.push(event),
            Output::Trace(_) => {}
        }
    }
    let stats = endpoint.stats();
    let dropped = stats.malformed_dropped + stats.garbage + stats.stray_responses + stats.stray_acks;
    (statuses, events, dropped)
}

fn check(dir: &Path) -> usize {
    let mut files = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let data = Bytes::from(std::fs::read(&path).unwrap());
        let (verdict, message) = judge(data.clone());
        let (statuses, events, dropped) = received(data);
        let told = format!("{}: {verdict:?}, but {statuses:?} and {} events", path.display(), events.len());
        match verdict {
            // Nobody could tell what such an answer belongs to.
            Verdict::Dropped | Verdict::Malformed(400, "Missing Via") => {
                assert!(statuses.is_empty() && events.is_empty() && dropped == 1, "{told}");
            }
            Verdict::Malformed(status, _) | Verdict::Refused(status) => {
                assert!(statuses == [Status(status)] && events.is_empty(), "{told}");
            }
            Verdict::Accepted if message.is_some_and(|message| message.is_request()) => {
                let served = events.len() == 1 && (statuses.is_empty() || statuses == [Status::TRYING]);
                // Well-formed, but for a dialog we do not have, out of hops, or for a method that is not switched on.
                let refused = events.is_empty() && matches!(statuses[..], [Status(405 | 481 | 483)]);
                assert!(served || refused, "{told}");
            }
            Verdict::Accepted => assert!(statuses.is_empty() && events.is_empty() && dropped == 1, "{told}"),
        }
        files += 1;
    }
    files
}

#[test]
fn the_endpoint_keeps_to_the_verdicts() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    assert!(check(&here.join("rfc4475")) + check(&here.join("rfc5118")) > 60);
    if let Some(dir) = crate::rfc4475::vectors() {
        assert_eq!(check(&dir), 49);
    }
}
