//! Ports as bytes, so that a call outlives its process.

use super::Engine;
use super::negotiation::Saved;
use super::types::{NoPorts, PortId};
use std::net::IpAddr;
use std::time::Instant;

/// The number of the RTP port in a snapshot: its peer sends there until it is told otherwise.
pub fn number_of(snapshot: &[u8]) -> Option<u16> {
    Some(Saved::read(snapshot)?.number)
}

impl Engine {
    /// What has to be kept of a port to go on with it in another process: its number, and what both sides said last (RFC 3264); some 600
    /// bytes. `None` before both have spoken, and of a browser: its handshake cannot be carried on.
    pub fn snapshot(&self, id: PortId) -> Option<Vec<u8>> {
        self.ports.get(id)?.terms.save()
    }

    /// Opens a port with this number if it is in stock, else as [`Engine::open`] does.
    pub fn open_at(&mut self, number: u16, local: IpAddr, now: Instant) -> Result<PortId, NoPorts> {
        match self.stock.iter().position(|free| *free == number).and_then(|at| self.stock.remove(at)) {
            Some(number) => Ok(self.open_number(number, local, now)),
            None => self.open(local, now),
        }
    }

    /// Goes on with what was agreed on a port of a former process; say before what it is allowed and whether it is secure. False, and
    /// nothing changed, if the snapshot cannot be used.
    ///
    /// Sound flows at once if the port has the number it had. With SRTP it is heard from the peer at once, and the peer hears it after
    /// the next offer, which has new keys.
    pub fn resume(&mut self, id: PortId, snapshot: &[u8], now: Instant) -> bool {
        let (Some(port), Some(saved)) = (self.ports.get_mut(id), Saved::read(snapshot)) else { return false };
        port.terms.ready(&mut self.entropy);
        if !port.terms.resume(&saved) {
            return false;
        }
        self.settled(id, now);
        if let Some(security) = self.ports.get_mut(id).and_then(|port| port.security.as_mut()) {
            security.comes_late();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Answer, Config, Engine, Srtp};
    use super::*;
    use stdx::{Entropy, Wall};

    fn engine(now: Instant) -> Engine {
        let mut engine = Engine::new(Config::new(Wall::new(now, 1_000_000)), Entropy::seeded(1));
        engine.stock([20_000, 20_002, 20_004, 20_006]);
        engine
    }

    fn description(port: u16, more: &str) -> String {
        format!(
            "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n{more}"
        )
    }

    fn body(offer: &[u8]) -> Vec<String> {
        let differs = |line: &&str| !line.starts_with("o=") && !line.contains("crypto");
        String::from_utf8_lossy(offer).lines().filter(differs).map(str::to_owned).collect()
    }

    #[test]
    fn a_port_goes_on_in_another_process_with_its_number_its_peer_and_its_formats() {
        let (now, local) = (stdx::testing::start(), [192, 0, 2, 1].into());
        let mut engine = engine(now);
        let (asked, asks) = (engine.open(local, now).unwrap(), engine.open(local, now).unwrap());
        assert_eq!(engine.snapshot(asked), None);
        engine.set_remote_offer(asked, description(4_000, "a=sendonly\r\n").as_bytes(), now).unwrap();
        engine.make_offer(asks, Some(asked), now);
        engine.set_remote_answer(asks, description(5_000, "").as_bytes(), now).unwrap();
        engine.make_answer(asked, Answer::Joined(asks), now).unwrap();
        let kept = [asked, asks].map(|port| engine.snapshot(port).unwrap());
        assert!(kept.iter().all(|kept| kept.len() < 700), "{:?}", kept.each_ref().map(Vec::len));
        let offers = [asked, asks].map(|port| engine.make_offer(port, None, now));

        let mut again = self::engine(now);
        for (kept, offer) in kept.iter().zip(&offers).rev() {
            let port = again.open_at(number_of(kept).unwrap(), local, now).unwrap();
            assert!(again.resume(port, kept, now));
            assert_eq!(again.local_port(port), number_of(kept).unwrap());
            assert_eq!(again.is_held(port), number_of(kept) == Some(20_000));
            let offered = again.make_offer(port, None, now);
            assert_eq!(body(&offered), body(offer));
            assert!(offered != *offer, "another version");
            for cut in 0..kept.len() {
                let _ = again.resume(port, &kept[..cut], now);
            }
        }
        assert_eq!(again.free_ports(), 2);
    }

    #[test]
    fn a_secure_port_has_new_keys_and_is_secure_before_the_peer_knows_them() {
        let (now, local) = (stdx::testing::start(), [192, 0, 2, 1].into());
        let mut engine = engine(now);
        let port = engine.open(local, now).unwrap();
        engine.secure(port, Srtp::Offered);
        let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
        engine.set_remote_offer(port, description(4_000, key).as_bytes(), now).unwrap();
        let answer = engine.make_answer(port, Answer::Own, now).unwrap();
        let kept = engine.snapshot(port).unwrap();
        let mut again = Engine::new(Config::new(Wall::new(now, 1_000_000)), Entropy::seeded(2));
        again.stock([20_000]);
        let port = again.open_at(20_000, local, now).unwrap();
        again.secure(port, Srtp::Offered);
        assert!(again.resume(port, &kept, now) && again.is_secure(port));
        let line =
            |sdp: &[u8]| String::from_utf8_lossy(sdp).lines().find(|l| l.contains("SHA1_80 ")).map(str::to_owned);
        let offer = again.make_offer(port, None, now);
        assert!(line(&offer).is_some() && line(&offer) != line(&answer), "{offer:?}");
    }
}
