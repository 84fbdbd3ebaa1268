//! Dialogs of others that run over us: each request finds its way by the routes that we recorded (RFC 3261 §16.12, RFC 5626 §5.3).
//!
//! Nothing is remembered of such a dialog. Its two routes name the flows of both sides, sealed for its Call-ID: whoever is in it can
//! reach the other side in it, and nobody anything else.

use std::time::Instant;

use super::flow::uri_param;
use super::proxy::Hop;
use super::receive::Received;
use super::{Endpoint, Flow};
use crate::message::{Message, Method, Name, NameAddr, Status, Uri};

impl Endpoint {
    /// A Record-Route value: requests of this dialog that carry it come to us, and go on by this flow.
    pub(super) fn route_to(&self, flow: &Flow, call_id: &[u8]) -> String {
        let user = self.seal.flow_user(flow, call_id);
        format!("<sip:{user}@{}{};lr>", flow.local, uri_param(flow.transport))
    }

    /// Where a request in a dialog goes, if its first routes are ours. Each side has both: its own first, then the other's.
    pub(super) fn recorded_way(&self, request: &Message) -> Option<Hop> {
        let call_id = request.call_id().ok()?;
        let ours = |uri: &Uri| self.seal.flow_of_user(uri.user()?, call_id);
        let mut routes: Vec<NameAddr> = request.addrs(Name::Route).collect::<Result<_, _>>().ok()?;
        let mut request_uri = request.uri().ok()?;
        let mut way = None;
        // A strict router has put us into the Request-URI, and what stood there last into the route (§16.4).
        if let Some(flow) = ours(&request_uri) {
            way = Some(flow);
            request_uri = routes.pop()?.uri;
        }
        let own = routes.iter().map_while(|route| ours(&route.uri)).collect::<Vec<_>>();
        let route = routes[own.len()..].iter().map(|route| route.to_bytes().to_vec()).collect();
        let flow = own.last().copied().or(way)?;
        Some(Hop { flow, request_uri, route })
    }

    /// A request in a dialog of others.
    pub(super) fn pass_by_route(&mut self, received: Received, way: Hop, now: Instant) {
        if received.request.method() == Some(Method::Invite) {
            return self.refuse(&received, Status::FORBIDDEN, &[]);
        }
        if let Err((status, headers)) = self.may_pass(&received.request) {
            return self.refuse(&received, status, &headers);
        }
        if self.txs.len() + 2 > self.config.max_transactions {
            return self.refuse_overloaded(&received, now);
        }
        let Received { request, flow, key, .. } = received;
        let upstream = self.add_server(&request, flow, key, None, None, now);
        self.pass(upstream, &request, &[way], true, now);
    }
}
