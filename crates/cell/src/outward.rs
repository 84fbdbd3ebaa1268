//! Calls that leave by trunks: the way's terms, who the trunk is told calls, and on whose behalf.

use crate::cell::Cell;
use crate::conversation::{CallerId, Way};
use crate::io::Body;
use call::{GoOn, Input, Party, PartyKind, Stage, Target};
use model::{CallId, CallerHeader, LegId, LegNo, Outcome, Price};
use route::{Decision, Hop, Source};
use serde::{Deserialize, Serialize};
use sip_stack::message::{Message, NameAddr, Uri};
use std::time::Instant;
use stdx::UnixMillis;

/// How far above its limit a worker goes for emergency calls.
pub(crate) const EMERGENCY_ROOM: usize = 64;

/// Ports that a worker keeps for emergency calls, two for each call.
pub(crate) const EMERGENCY_PORTS: usize = 16;

/// What a call by a trunk is subject to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// What carries the caller's number.
    pub(crate) headers: Vec<CallerHeader>,
    /// What it may be offered, best first; empty: all.
    pub(crate) codecs: Vec<String>,
    /// What it costs.
    pub(crate) price: Price,
    /// The extension that pays; `None`: nobody in particular.
    pub(crate) billed: Option<String>,
    /// Ahead of every limit.
    pub(crate) emergency: bool,
}

/// A leg to a trunk, for what it costs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OutLeg {
    pub(crate) trunk: String,
    pub(crate) terms: Terms,
    pub(crate) answered_at: Option<UnixMillis>,
    pub(crate) ended_at: Option<UnixMillis>,
}

/// Stages that wait until it is known that there is money for them.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) stages: Vec<Stage>,
    /// How many have not said yes.
    pub(crate) answers: usize,
}

/// Who wants a number: an owned [`Source`].
enum Asker {
    Extension(String),
    Trunk { name: String, address: std::net::IpAddr, caller: String },
}

impl Cell {
    /// Where a number leads that is called on the wish of this leg.
    pub(crate) fn decide(&mut self, id: CallId, number: &str, by: LegNo, now: Instant) -> Option<Decision> {
        let asker = self.asker(id, by)?;
        let at = self.config.wall.at(now);
        let decision = match &asker {
            Asker::Trunk { name, address, caller } => {
                let from = Source::Trunk { name, address: Some(*address), caller };
                self.directory.find(number, from, at, &mut self.entropy)
            }
            Asker::Extension(extension) => {
                let known = self.directory.extension(extension);
                let (rights, outside) = known.map(|e| (e.rights, e.outside_number.clone())).unwrap_or_default();
                let on_behalf = self.forwarded_caller(id, by);
                let from =
                    Source::Extension { number: extension, outside: &outside, rights, on_behalf: on_behalf.as_deref() };
                self.directory.find(number, from, at, &mut self.entropy)
            }
        };
        Some(decision)
    }

    fn asker(&self, id: CallId, by: LegNo) -> Option<Asker> {
        if let Some(forwarder) = self.forwarder(id, by) {
            return Some(Asker::Extension(forwarder.to_owned()));
        }
        let conversation = self.conversations.get(&id)?;
        if by == LegId::CALLER {
            let caller = conversation.call.caller();
            return Some(match &caller.kind {
                PartyKind::Extension => Asker::Extension(caller.number.clone()),
                PartyKind::Trunk(name) => {
                    let address = conversation.legs.get(&by)?.flow.remote.ip();
                    Asker::Trunk { name: name.clone(), address, caller: caller.number.clone() }
                }
            });
        }
        Some(match conversation.call.trunk_of(by) {
            Some(trunk) => Asker::Trunk {
                name: trunk.to_owned(),
                address: conversation.legs.get(&by)?.flow.remote.ip(),
                caller: conversation.call.caller().number.clone(),
            },
            None => Asker::Extension(conversation.call.number_of(by)?.to_owned()),
        })
    }

    /// A decision for trunks, as stages of the call. They wait if somebody has to say first that there is money for them.
    pub(crate) fn go_out(&mut self, id: CallId, by: LegNo, decision: Decision, now: Instant) {
        let Decision::Trunks { mut hops, go_on, ring, record, emergency } = decision else { return };
        if self.as_wished(id, by, &mut hops) {
            return self.facts.push_back((id, Input::Nowhere(Outcome::Unreachable)));
        }
        let billed = match self.asker(id, by) {
            Some(Asker::Extension(number)) => Some(number),
            Some(Asker::Trunk { .. }) | None => None,
        };
        let by_caller = self.records_caller(id);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let record = record || by_caller;
        let name = conversation.call.caller().name.clone();
        let go_on = go_on.map_or(GoOn::Always, GoOn::On);
        let price = hops.iter().map(|hop| hop.price).max_by_key(|price| price.of(1)).unwrap_or_default();
        let mut stages = Vec::with_capacity(hops.len());
        for Hop { trunk, number, caller, headers, price, codecs } in hops {
            let record = record || self.directory.trunk(&trunk).is_some_and(|trunk| trunk.record);
            let kind = PartyKind::Trunk(trunk.clone());
            let party = Party { number: number.clone(), name: String::new(), kind };
            let terms = Terms { headers, codecs, price, billed: billed.clone(), emergency };
            let caller = CallerId { number: caller, name: name.clone() };
            conversation.contacts.push(Way::Trunk { trunk, number, caller, terms });
            stages.push(Stage { targets: vec![Target { party, record }], ring, go_on: go_on.clone() });
        }
        let payers = if emergency { Vec::new() } else { self.payers(billed.as_deref()) };
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if payers.is_empty() {
            return self.located_outside(id, stages, now);
        }
        conversation.waiting = Some(Waiting { stages, answers: payers.len() });
        for whose in payers {
            self.send_payer(&whose.clone(), Body::MaySpend { call: id, whose, price }, now);
        }
    }

    /// Of a call that an API placed, only the trunk remains that was wished, and the number that is to be shown; true if no trunk is left.
    fn as_wished(&mut self, id: CallId, by: LegNo, hops: &mut Vec<Hop>) -> bool {
        if self.forwarder(id, by).is_some() {
            return false;
        }
        let Some(conversation) = self.conversations.get_mut(&id) else { return false };
        let Some(wish) = conversation.originated.as_ref().filter(|_| conversation.call.caller_leg() == by) else {
            return false;
        };
        for hop in hops.iter_mut() {
            hop.caller = wish.shown.clone().unwrap_or_else(|| std::mem::take(&mut hop.caller));
        }
        let Some(trunk) = &wish.trunk else { return false };
        hops.retain(|hop| hop.trunk == *trunk);
        if hops.is_empty() {
            conversation.note = Some("the number does not go out by the trunk that was wished".to_owned());
        }
        hops.is_empty()
    }

    /// Somebody who pays has answered whether there is room for a call.
    pub(crate) fn on_room(&mut self, id: CallId, room: bool, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(waiting) = &mut conversation.waiting else { return };
        waiting.answers -= usize::from(waiting.answers > 0);
        if !room {
            conversation.waiting = None;
            conversation.note = Some("the daily spending cap is reached".to_owned());
            self.facts.push_back((id, Input::Nowhere(Outcome::Forbidden)));
        } else if waiting.answers == 0
            && let Some(waiting) = conversation.waiting.take()
        {
            self.located_outside(id, waiting.stages, now);
        }
    }
}

impl Cell {
    /// By what a call is known if a network sends it back as it was (RFC 3261 §16.3 step 4): who calls which number. Sent back with
    /// another number it is another call.
    pub(crate) fn call_mark(&self, caller: &Party, dialled: &str) -> u64 {
        let (kind, name) = match &caller.kind {
            PartyKind::Trunk(name) => (&b"trunk"[..], name),
            PartyKind::Extension => (&b"extension"[..], &caller.number),
        };
        self.sip.mark(&[b"call", kind, name.as_bytes(), dialled.as_bytes()])
    }

    /// Whether a call has gone out from here by the same decision before.
    pub(crate) fn comes_round(&self, caller: &Party, dialled: &str, request: &Message) -> bool {
        // Few calls have been through more than one proxy, and fewer through us.
        request.vias().nth(1).is_some() && self.sip.has_mark(request, self.call_mark(caller, dialled))
    }
}

/// The headers beside From that carry a caller's number: RFC 3325, draft-ietf-sip-privacy-04, RFC 5806.
pub(crate) fn identity(caller: &CallerId, headers: &[CallerHeader], host: &str, port: u16) -> Vec<(String, Vec<u8>)> {
    let Some(address) = Uri::sip(Some(&caller.number), host, Some(port)).ok().map(NameAddr::new) else {
        return Vec::new();
    };
    let named = address.clone().with_display(caller.name.as_bytes());
    let header = |header: &CallerHeader| match header {
        CallerHeader::From => None,
        CallerHeader::PAssertedIdentity => Some(("P-Asserted-Identity", named.clone())),
        CallerHeader::PPreferredIdentity => Some(("P-Preferred-Identity", named.clone())),
        CallerHeader::RemotePartyId => Some((
            "Remote-Party-ID",
            named
                .clone()
                .with_param("party", Some("calling"))
                .with_param("screen", Some("yes"))
                .with_param("privacy", Some("off")),
        )),
        CallerHeader::Diversion => Some(("Diversion", address.clone().with_param("reason", Some("unconditional")))),
    };
    headers.iter().filter_map(header).map(|(name, value)| (name.to_owned(), value.to_bytes().to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_says_it_in_its_own_way_and_nothing_breaks_out() {
        use CallerHeader::{Diversion, From, PAssertedIdentity, PPreferredIdentity, RemotePartyId};
        let caller = CallerId { number: "057188886666".to_owned(), name: "Ana \"B\"".to_owned() };
        let all = [From, PAssertedIdentity, PPreferredIdentity, RemotePartyId, Diversion];
        let written: Vec<String> = identity(&caller, &all, "192.0.2.1", 5060)
            .into_iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(&value)))
            .collect();
        let named = "\"Ana \\\"B\\\"\" <sip:057188886666@192.0.2.1:5060>";
        assert_eq!(
            written,
            [
                format!("P-Asserted-Identity: {named}"),
                format!("P-Preferred-Identity: {named}"),
                format!("Remote-Party-ID: {named};party=calling;screen=yes;privacy=off"),
                "Diversion: <sip:057188886666@192.0.2.1:5060>;reason=unconditional".to_owned(),
            ]
        );
        let odd = CallerId { number: "1\r\nX: y>".to_owned(), name: "\r\n".to_owned() };
        for (_, value) in identity(&odd, &all, "192.0.2.1", 5060) {
            assert!(!value.iter().any(|b| matches!(b, b'\r' | b'\n')), "{}", value.escape_ascii());
        }
    }
}
