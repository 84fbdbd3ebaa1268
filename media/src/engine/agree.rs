//! Offer and answer, for the ports of an engine.

use super::types::{Answer, PortId, SdpRefusal};
use super::{Engine, Timer};
use bytes::Bytes;
use std::time::Instant;

const NO_SUCH_PORT: SdpRefusal = SdpRefusal::new(399, "No media port");

impl Engine {
    /// Allows a port these codecs only, in this order of preference, by their encoding names: `PCMA`, `G722`, `opus`,
    /// `L16/16000` (one of several clocks), `G729` (relayed only) … An empty list allows all, which is the default.
    ///
    /// Holds for offers made and answers given from now on. Codecs of the list that the switch speaks are offered even if
    /// the other side has them not; what both sides share comes first. An offer for which none is left is empty.
    pub fn allow(&mut self, id: PortId, codecs: &[String]) {
        if let Some(port) = self.ports.get_mut(id) {
            port.terms.allowed.0 = (!codecs.is_empty()).then(|| codecs.into());
        }
    }

    /// Offers on this port hold all that the switch would turn into what the other side has, not G.711 alone: for a phone that
    /// has refused a shorter offer. An offer is kept short, since a phone that has more than one of its codecs may choose
    /// another than the other side's, and then every packet must be transcoded.
    pub fn offer_more(&mut self, id: PortId) {
        if let Some(port) = self.ports.get_mut(id) {
            port.terms.wide = true;
        }
    }

    /// True if [`Engine::offer_more`] would offer something that was not in this port's last offer.
    pub fn could_offer_more(&self, id: PortId) -> bool {
        self.ports.get(id).is_some_and(|port| port.terms.could_offer_more())
    }

    /// The peer offers (an INVITE with a description). Refused with 488, and nothing changed, if it cannot be read, has
    /// no plain RTP audio, or names an address of the other family.
    pub fn set_remote_offer(&mut self, id: PortId, sdp: &[u8], _now: Instant) -> Result<(), SdpRefusal> {
        let port = self.ports.get_mut(id).ok_or(NO_SUCH_PORT)?;
        port.terms.ready(&mut self.entropy);
        port.terms.offered(sdp)?;
        port.follow();
        Ok(())
    }

    /// Our offer on a port: what `towards` was offered (or has agreed to), in its order and with its payload numbers;
    /// without it, what was offered here before, else PCMU, PCMA and telephone-event.
    ///
    /// So `None` makes a late offer, for an INVITE without a description, and repeats the session under a new version
    /// for a re-INVITE without one. [`Engine::set_remote_answer`] takes the answer, [`Engine::withdraw_offer`] a refusal.
    pub fn make_offer(&mut self, id: PortId, towards: Option<PortId>, now: Instant) -> Bytes {
        let towards = towards.and_then(|t| self.ports.get(t));
        let (formats, ptime) = towards.map_or((None, Some(20)), |t| (t.terms.to_pass_on(), t.terms.ptime()));
        let Some(port) = self.ports.get_mut(id) else {
            stdx::never!(true, "an offer for a closed port");
            return Bytes::new();
        };
        port.terms.ready(&mut self.entropy);
        let offer = port.terms.offer(formats, ptime);
        self.follow_link(id, now);
        self.plan_around(id, now);
        offer
    }

    /// The peer has refused our offer: what was agreed before stands.
    pub fn withdraw_offer(&mut self, id: PortId, now: Instant) {
        if let Some(port) = self.ports.get_mut(id) {
            port.terms.withdraw();
        }
        self.plan_around(id, now);
    }

    /// The peer answers our offer. Another answer to the same offer (a fork, or early media before the final one)
    /// replaces the first.
    pub fn set_remote_answer(&mut self, id: PortId, sdp: &[u8], now: Instant) -> Result<(), SdpRefusal> {
        let port = self.ports.get_mut(id).ok_or(NO_SUCH_PORT)?;
        port.terms.answered(sdp)?;
        self.settled(id, now);
        Ok(())
    }

    /// Our answer to the peer's offer; `None` if it cannot be given so: [`Answer::Early`] when the offer prefers a codec
    /// the switch cannot play, [`Answer::Joined`] when nothing has been agreed there that was offered here, [`Answer::Own`]
    /// when it offers nothing that the switch can decode.
    ///
    /// Once an answer was given, it is repeated byte for byte until the next offer (RFC 3261 §13.2.1).
    pub fn make_answer(&mut self, id: PortId, answer: Answer, now: Instant) -> Option<Bytes> {
        if let Some(given) = self.ports.get(id)?.terms.answer_given() {
            return Some(given);
        }
        let formats = match answer {
            Answer::Early => self.ports.get(id)?.terms.playable()?,
            Answer::Own => self.ports.get(id)?.terms.convertible()?,
            Answer::Joined(peer) => self.ports.get(id)?.terms.matching(&self.ports.get(peer)?.terms.send)?,
        };
        let text = self.ports.get_mut(id)?.terms.answer(formats);
        self.settled(id, now);
        Some(text)
    }

    /// Answers a re-INVITE without asking the other side: another address, hold and retrieve, a choice among what is
    /// agreed. Refused with 488, and nothing changed, if it leaves nothing of that.
    pub fn reanswer(&mut self, id: PortId, sdp: &[u8], now: Instant) -> Result<Bytes, SdpRefusal> {
        let port = self.ports.get_mut(id).ok_or(NO_SUCH_PORT)?;
        port.terms.ready(&mut self.entropy);
        let text = port.terms.reanswer(sdp)?;
        self.settled(id, now);
        Ok(text)
    }

    /// True if the peer takes keys as RTP events (RFC 4733).
    pub fn takes_digits(&self, id: PortId) -> bool {
        self.ports.get(id).is_some_and(|port| port.terms.send.iter().any(super::formats::is_digits))
    }

    /// True if the peer holds us: its last description says that it does not want to hear, or will not speak.
    pub fn is_held(&self, id: PortId) -> bool {
        self.ports.get(id).is_some_and(super::port::Port::is_held)
    }

    /// Both sides have spoken.
    pub(super) fn settled(&mut self, id: PortId, now: Instant) {
        self.follow_link(id, now);
        if let Some(port) = self.ports.get_mut(id) {
            port.follow();
            port.take_keys(now);
            if port.mouth.is_some() {
                port.ready_mouth();
            }
            port.heard = now;
            port.watch.begin(now);
            let silent_at = now + self.config.timeout_of(port);
            self.timers.set(Timer::Silence(id), silent_at);
            if self.timers.get(&Timer::Report(id)).is_none() {
                // The first report comes after half the interval: RFC 3550 §6.2.
                let wait = super::report::interval(self.config.rtcp_interval / 2, &mut self.entropy);
                self.timers.set(Timer::Report(id), self.clock.next(super::report::TOGETHER, now + wait));
            }
        }
        self.plan_around(id, now);
    }
}
