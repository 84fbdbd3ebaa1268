//! Somebody who belongs to no call and sends what he likes.

use crate::g711::Law;
use crate::network::Packet;
use crate::rtp::Rtp;
use crate::sound::{self, Sound};
use crate::world::{Inner, SWITCH};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

/// A stranger with an address of his own.
#[derive(Clone)]
pub struct Stranger {
    pub(crate) inner: Rc<RefCell<Inner>>,
    pub(crate) address: SocketAddr,
}

impl std::fmt::Debug for Stranger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stranger({})", self.address)
    }
}

impl Stranger {
    /// His address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What his voice sounds like: no phone's.
    pub fn voice(&self) -> Sound {
        Sound::Voice(3100)
    }

    /// Sends bytes to an address.
    pub fn send(&self, to: SocketAddr, data: impl Into<Vec<u8>>) {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        inner.plan(now, Packet { from: self.address, to, data: data.into() });
    }

    /// Sends bytes to the switch's SIP port.
    pub fn send_sip(&self, data: impl Into<Vec<u8>>) {
        self.send(SWITCH, data);
    }

    /// Speaks to an address for a while: a valid stream of A-law, 20 ms a packet.
    pub fn speak(&self, to: SocketAddr, time: Duration) {
        let mut inner = self.inner.borrow_mut();
        let (now, ssrc, first) = (inner.now, inner.entropy.u32(), inner.entropy.u32() as u16);
        let Sound::Voice(hertz) = self.voice() else { return };
        for n in 0..time.as_millis() as u64 / 20 {
            let packet = Rtp {
                marker: n == 0,
                payload_type: Law::A.payload_type(),
                sequence: first.wrapping_add(n as u16),
                timestamp: (n * 160) as u32,
                ssrc,
                payload: (0..160).map(|k| Law::A.encode(sound::voice_sample(hertz, n * 160 + k))).collect(),
            };
            let packet = Packet { from: self.address, to, data: packet.bytes() };
            inner.plan(now + Duration::from_millis(20 * n), packet);
        }
    }

    /// Sends noise to an address: `count` packets of random length and content over `time`.
    pub fn babble(&self, to: SocketAddr, count: u32, time: Duration) {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        for n in 0..count {
            let mut data = vec![0; inner.entropy.below(400) as usize];
            inner.entropy.fill(&mut data);
            // Half of it looks like RTP at first sight.
            if n % 2 == 0 && !data.is_empty() {
                data[0] = 0x80;
            }
            inner.plan(now + time * n / count.max(1), Packet { from: self.address, to, data });
        }
    }
}
