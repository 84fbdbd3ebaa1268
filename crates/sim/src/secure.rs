//! A phone's SRTP: one suite, one key a call (RFC 4568).

use media::srtp::sdes::Crypto;
use media::srtp::{MasterKey, OVERHEAD, Receiver, Sender, Suite};
use stdx::Entropy;

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

/// The keys of one call.
pub(crate) struct Secure {
    line: Crypto,
    sender: Sender,
    receiver: Option<(Crypto, Receiver)>,
}

impl Secure {
    pub(crate) fn new(entropy: &mut Entropy) -> Option<Self> {
        let mut octets = [0; 30];
        entropy.fill(&mut octets);
        let key = MasterKey::new(SUITE, &octets)?;
        Some(Self { sender: Sender::new(&key)?, line: Crypto { tag: 1, key, identifier: 0 }, receiver: None })
    }

    /// Our line of a description; in an answer it has the tag of the one it accepts.
    pub(crate) fn line(&self) -> String {
        format!("a=crypto:{}\r\n", self.line)
    }

    /// Takes the other side's key from its description. False if there is none for us.
    pub(crate) fn take(&mut self, description: &[u8]) -> bool {
        let text = String::from_utf8_lossy(description);
        let mut lines = text.lines().filter_map(|line| Crypto::parse(line.strip_prefix("a=crypto:")?));
        let Some(theirs) = lines.find(|line| line.key.suite() == SUITE) else { return false };
        self.line.tag = theirs.tag;
        if self.receiver.as_ref().is_none_or(|(known, _)| *known != theirs)
            && let Some(receiver) = Receiver::new(&theirs.key, theirs.identifier)
        {
            self.receiver = Some((theirs, receiver));
        }
        true
    }

    pub(crate) fn seal(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + OVERHEAD, 0);
        let sealed = self.sender.seal_rtp(&mut buffer, packet.len()).unwrap_or(0);
        buffer.truncate(sealed);
        buffer
    }

    /// What a packet says; `None` if its tag does not fit.
    pub(crate) fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = packet.to_vec();
        let opened = self.receiver.as_mut()?.1.open_rtp(&mut buffer).ok()?;
        buffer.truncate(opened);
        Some(buffer)
    }

    pub(crate) fn seal_report(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + OVERHEAD, 0);
        let sealed = self.sender.seal_rtcp(&mut buffer, packet.len()).unwrap_or(0);
        buffer.truncate(sealed);
        buffer
    }

    pub(crate) fn open_report(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = packet.to_vec();
        let opened = self.receiver.as_mut()?.1.open_rtcp(&mut buffer).ok()?;
        buffer.truncate(opened);
        Some(buffer)
    }
}
