//! Transfers with consultation that a trunk does itself (RFC 5589 §7): two parties beyond it, each in a call with the same phone here,
//! are put together there, and all our legs are free.
//!
//! The first is asked by REFER to take our place in the dialog of the second (Replaces, RFC 3891). The call of the second may live in
//! another cell, which is asked first; from then on a BYE of the second is its part of the transfer. Where the trunk will not, or
//! says nothing in time, the two are joined here as ever.

use crate::cell::Cell;
use crate::handing::{Handed, Handing};
use crate::io::{Body, FarEnd, FarEndQuery};
use call::Input;
use model::{CallId, LegNo, Transfers};
use sip_stack::endpoint::SessionId;
use sip_stack::message::{DialogId, Method, Uri};
use std::time::Instant;
use tracing::info;

/// Two parties that their trunk is asked to put together, as the call of the first knows it.
#[derive(Debug)]
pub(crate) struct Together {
    /// The leg that asked for it.
    pub(crate) by: LegNo,
    /// Its dialog in the other call, and the cell of that.
    pub(crate) dialog: DialogId,
    pub(crate) owner: u16,
    /// The other call and its party's number, once they are known.
    pub(crate) found: Option<(CallId, String)>,
}

/// The same, as the call of the second knows it.
#[derive(Debug)]
pub(crate) struct Promise {
    leg: LegNo,
    with: CallId,
    /// The number of the first.
    number: String,
}

impl Cell {
    /// The party that this leg speaks with goes to the one of another dialog: perhaps that is something for its trunk. False: it is not.
    pub(crate) fn ask_for_far_end(
        &mut self,
        id: CallId,
        by: LegNo,
        dialog: &DialogId,
        owner: u16,
        now: Instant,
    ) -> bool {
        let Some((leg, query)) = self.far_end_query(id, by, dialog) else { return false };
        if let Some(conversation) = self.conversations.get_mut(&id) {
            let together = Together { by, dialog: dialog.clone(), owner, found: None };
            let what = Handed::ToParty(together);
            conversation.handing = Some(Handing { leg, taken: false, silent: false, what });
        }
        self.send_or_take(owner, Body::FindFarEnd(Box::new(query)), now);
        true
    }

    fn far_end_query(&self, id: CallId, by: LegNo, dialog: &DialogId) -> Option<(LegNo, FarEndQuery)> {
        let conversation = self.conversations.get(&id)?;
        let call = &conversation.call;
        let leg = call.partner_of(by)?;
        let trunk = call.trunk_of(leg)?.to_owned();
        // A leg that joins two cells has no dialog.
        conversation.session(leg)?;
        if self.directory.trunk(&trunk)?.transfers != Transfers::Refer {
            return None;
        }
        let number = call.number_of(leg)?.to_owned();
        Some((leg, FarEndQuery { call: id, number, dialog: dialog.clone(), by: call.party_of(by)?, trunk }))
    }

    /// A cell looks for the other party.
    pub(crate) fn on_find_far_end(&mut self, query: &FarEndQuery, now: Instant) {
        let end = self.far_end(query).map(Box::new);
        self.send_to_call(query.call, Body::FarEndFound { call: query.call, end }, now);
    }

    fn far_end(&mut self, query: &FarEndQuery) -> Option<FarEnd> {
        let (id, place) = self.leg_of(&query.dialog, &query.by).filter(|(id, _)| *id != query.call)?;
        let conversation = self.conversations.get(&id)?;
        let leg = conversation.call.partner_of(place)?;
        let busy = conversation.handing.is_some() || conversation.promised.is_some();
        if busy || conversation.call.trunk_of(leg) != Some(&query.trunk) {
            return None;
        }
        let refer_to = self.refer_to(conversation.session(leg)?)?;
        let number = conversation.call.number_of(leg)?.to_owned();
        let promise = Promise { leg, with: query.call, number: query.number.clone() };
        self.conversations.get_mut(&id)?.promised = Some(promise);
        Some(FarEnd { call: id, number, refer_to })
    }

    /// Where our place in this dialog can be taken: the peer's own URI, and the dialog as the peer names it (RFC 3891 §3: to-tag is the
    /// tag of who gets the INVITE).
    fn refer_to(&self, session: SessionId) -> Option<Vec<u8>> {
        let [call_id, ours, theirs] = self.sip.dialog_names(session)?;
        let target = Uri::from_slice(&self.sip.remote_target(session)?).ok()?.without_headers();
        let replaces = escaped(&format!("{call_id};to-tag={theirs};from-tag={ours}"));
        Some([b"<", &target.as_bytes()[..], b"?Replaces=", replaces.as_bytes(), b">"].concat())
    }

    /// That cell's answer.
    pub(crate) fn on_far_end_found(&mut self, id: CallId, end: Option<FarEnd>, now: Instant) {
        let handing = self.conversations.get_mut(&id).and_then(|c| c.handing.as_mut());
        let (Some(FarEnd { call: into, number, refer_to }), handing) = (end, handing) else {
            return self.hand_over_failed(id, now);
        };
        let Some(Handing { leg, what: Handed::ToParty(together), .. }) = handing else {
            // The call has ended meanwhile.
            return self.send_to_call(into, Body::PutTogether { call: into, with: id, done: false }, now);
        };
        let leg = *leg;
        together.found = Some((into, number));
        let by = together.by;
        match self.refer_together(id, by, leg, refer_to, now) {
            Some(request) => {
                info!(call = %id, into = %into, leg, "a trunk is asked to put two parties together");
                self.handing.insert(request, id);
            }
            None => self.hand_over_failed(id, now),
        }
    }

    fn refer_together(
        &mut self,
        id: CallId,
        by: LegNo,
        leg: LegNo,
        refer_to: Vec<u8>,
        now: Instant,
    ) -> Option<sip_stack::endpoint::RequestId> {
        let conversation = self.conversations.get(&id)?;
        let end = conversation.legs.get(&leg)?;
        let by = conversation.call.number_of(by).unwrap_or_default();
        let referred_by = crate::effects::address(by, end.flow.local)?.to_bytes().to_vec();
        let headers = vec![("Refer-To".to_owned(), refer_to), ("Referred-By".to_owned(), referred_by)];
        self.sip.request_in(end.session?, Method::Refer, headers, None, now)
    }

    /// Nothing comes of this: the other call is as it was.
    pub(crate) fn not_put_together(&mut self, id: CallId, handing: Option<&Handing>, now: Instant) {
        if let Some(Handing { what: Handed::ToParty(Together { found: Some((into, _)), .. }), .. }) = handing {
            self.send_to_call(*into, Body::PutTogether { call: *into, with: id, done: false }, now);
        }
    }

    /// What became of it, in the call of the second.
    pub(crate) fn on_put_together(&mut self, id: CallId, with: CallId, done: bool) {
        let promised = self.conversations.get_mut(&id).and_then(|c| c.promised.take_if(|p| p.with == with));
        if let Some(Promise { leg, number, .. }) = promised.filter(|_| done) {
            self.facts.push_back((id, Input::PutTogether { leg, with: number }));
        }
    }

    /// The second party has hung up, as who is replaced does, before the first one's trunk has told how it went.
    pub(crate) fn went_as_promised(&mut self, id: CallId, leg: LegNo) -> Option<Input> {
        let conversation = self.conversations.get_mut(&id)?;
        conversation.call.partner_of(leg)?;
        let Promise { number, .. } = conversation.promised.take_if(|promise| promise.leg == leg)?;
        Some(Input::PutTogether { leg, with: number })
    }
}

/// As the value of a header in a URI (RFC 3261 §25.1, `hvalue`).
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 16);
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'~' | b'*' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_travels_in_a_uri() {
        assert_eq!(escaped("a-1@h:5;to-tag=x%;from-tag=~y"), "a-1%40h%3A5%3Bto-tag%3Dx%25%3Bfrom-tag%3D~y");
    }
}
