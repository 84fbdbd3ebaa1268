//! Signing the numbers of callers whom we let out (RFC 8224 §6.1, RFC 8588 §5).

use crate::cell::Cell;
use crate::conversation::{CallerId, Way};
use model::CallId;
use sip_stack::endpoint::Headers;
use std::time::Instant;
use stir::{Attestation, tn};

impl Cell {
    /// Date and Identity of the INVITE to a target; none if that is no trunk that wants them, we have no key, or the caller has no
    /// number that may be told. `headers` is what else the INVITE says.
    pub(crate) fn signature_for(
        &self,
        id: CallId,
        target: usize,
        caller: &CallerId,
        headers: &Headers,
        now: Instant,
    ) -> Headers {
        let stir = &self.config.stir;
        let Some(conversation) = self.conversations.get(&id) else { return Headers::new() };
        let Some(Way::Trunk { trunk, number: called, .. }) = conversation.contacts.get(target) else {
            return Headers::new();
        };
        let wanted = self.directory.trunk(trunk).is_some_and(|trunk| trunk.stir_sign);
        let Some(signer) = stir.signer.as_ref().filter(|_| wanted) else { return Headers::new() };
        let country = &self.config.numbers.country_code;
        let (orig, dest) = (tn(&caller.number, country), tn(called, country));
        // A signature names the caller. Of one who hides, only a trunk hears that is told his number anyway.
        let told = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("P-Asserted-Identity"));
        let hidden = conversation.call.waiting() == 0 && conversation.caller.private && !told;
        if orig.is_empty() || dest.is_empty() || hidden {
            return Headers::new();
        }
        let attestation = match conversation.call.trunk_of(conversation.call.waiting()) {
            Some(_) => Attestation::Gateway,
            None if stir.own_numbers.iter().any(|own| orig.starts_with(own.as_str())) => Attestation::Full,
            None => Attestation::Partial,
        };
        let at = self.config.wall.at(now) / 1000;
        let value = signer.sign(&stir::Call { orig, dest, date: None }, attestation, &stir.origid, at);
        let date = super::date::write(at).into_bytes();
        vec![("Date".to_owned(), date), ("Identity".to_owned(), value.into_bytes())]
    }
}
