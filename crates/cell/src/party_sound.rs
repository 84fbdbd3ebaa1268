//! What is set of a party's sound: encryption, codecs, and how long it may be silent.

use crate::cell::Cell;
use crate::conversation::Way;
use crate::outward::OutLeg;
use call::{Party, PartyKind};
use media::engine::{InbandDtmf, PortId, Srtp};
use model::{CallId, LegNo};
use sip_stack::message::Status;
use std::time::Instant;

impl Cell {
    /// Who is called by a leg: somebody beyond a trunk, or an extension.
    pub(crate) fn party_dialled(&self, id: CallId, leg: LegNo, out: Option<&OutLeg>) -> Party {
        let number = self.conversations.get(&id).and_then(|c| c.call.number_of(leg)).unwrap_or_default().to_owned();
        let kind = out.map_or(PartyKind::Extension, |out| PartyKind::Trunk(out.trunk.clone()));
        Party { number, name: String::new(), kind }
    }

    /// A phone that speaks nothing of what it was offered is called once more, with all that the switch can turn into that.
    /// False if it refused for another reason, or there is nothing more.
    pub(crate) fn offer_more(&mut self, id: CallId, leg: LegNo, status: Status, now: Instant) -> bool {
        let Some(conversation) = self.conversations.get_mut(&id).filter(|_| matches!(status.0, 415 | 488 | 606)) else {
            return false;
        };
        let Some((target, port)) = conversation.legs.get(&leg).and_then(|end| Some((end.target?, end.port?))) else {
            return false;
        };
        let is_phone = matches!(conversation.contacts.get(target), Some(Way::Contact(_)));
        if !is_phone || !self.media.could_offer_more(port) || !conversation.offered_more.insert(leg) {
            return false;
        }
        self.close_port(id, leg, now);
        self.dial_now(id, leg, target, now);
        true
    }

    /// Sets a new port up for a party: by its extension or its trunk, else as for everybody.
    pub(crate) fn prepare_port(&mut self, port: PortId, party: &Party, now: Instant) {
        match &party.kind {
            PartyKind::Extension => {
                let extension = self.directory.extension(&party.number);
                let srtp = extension.and_then(|e| e.srtp).unwrap_or(self.config.policy.srtp);
                self.media.secure(port, in_media(srtp));
                self.media.allow(port, extension.map_or(&[], |e| e.codecs.as_slice()));
                let inband = extension.map_or_else(Default::default, |e| e.inband_dtmf);
                self.media.listen_for_keys(port, keys_in_sound(inband), now);
            }
            PartyKind::Trunk(name) => {
                let Some(trunk) = self.directory.trunk(name) else { return };
                self.media.secure(port, in_media(trunk.srtp));
                self.media.allow(port, &trunk.dialling.codecs);
                self.media.listen_for_keys(port, keys_in_sound(trunk.inband_dtmf), now);
                if let Some(timeout) = trunk.media_timeout {
                    self.media.give_up_after(port, timeout);
                }
            }
        }
    }
}

fn keys_in_sound(when: model::InbandDtmf) -> InbandDtmf {
    match when {
        model::InbandDtmf::Auto => InbandDtmf::Auto,
        model::InbandDtmf::Always => InbandDtmf::Always,
        model::InbandDtmf::Never => InbandDtmf::Never,
    }
}

fn in_media(srtp: model::Srtp) -> Srtp {
    match srtp {
        model::Srtp::Off => Srtp::Off,
        model::Srtp::Offered => Srtp::Offered,
        model::Srtp::Required => Srtp::Required,
    }
}
