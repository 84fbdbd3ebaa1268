//! HEPv3 export: every SIP message goes, as one UDP packet, to a capture server (Homer, sngrep, heplify).

mod packet;

pub use packet::encode;

use cell::Passed;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Messages that wait for the thread that sends them. Beyond it they are dropped and counted: calls do not wait for their watchers.
const ROOM: usize = 4096;

/// How the capture server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its address.
    pub server: SocketAddr,
    /// Our number there.
    pub id: u32,
    /// Its password, if it wants one.
    pub password: Option<String>,
}

/// Where messages go. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Exporter {
    queue: SyncSender<Passed>,
    figures: Arc<Figures>,
}

#[derive(Debug, Default)]
struct Figures {
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl Exporter {
    /// Starts the thread that sends. It ends when the last clone is gone.
    pub fn start(settings: Settings) -> std::io::Result<Self> {
        let any: SocketAddr = if settings.server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(settings.server)?;
        let (queue, waiting) = sync_channel(ROOM);
        let figures = Arc::new(Figures::default());
        let counted = Arc::clone(&figures);
        std::thread::Builder::new()
            .name("hep".to_owned())
            .spawn(move || send(&waiting, &socket, &settings, &counted))?;
        Ok(Self { queue, figures })
    }

    /// Hands a message over; drops it if too many wait.
    pub fn export(&self, passed: Passed) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.queue.try_send(passed) {
            self.figures.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Messages sent and dropped.
    pub fn figures(&self) -> (u64, u64) {
        (self.figures.sent.load(Ordering::Relaxed), self.figures.dropped.load(Ordering::Relaxed))
    }
}

fn send(waiting: &Receiver<Passed>, socket: &UdpSocket, settings: &Settings, figures: &Figures) {
    let mut packet = Vec::new();
    while let Ok(passed) = waiting.recv() {
        encode(&passed, settings.id, settings.password.as_deref(), &mut packet);
        // An ICMP error of an earlier packet is told here too: nobody listens there, now.
        let counter = if socket.send(&packet).is_ok() { &figures.sent } else { &figures.dropped };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_stack::endpoint::Flow;
    use std::time::{Duration, Instant};

    #[test]
    fn messages_arrive_at_a_capture_server() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let settings = Settings { server: server.local_addr().unwrap(), id: 7, password: None };
        let exporter = Exporter::start(settings).unwrap();
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.7:5062".parse().unwrap());
        for n in 0..100 {
            let data = format!("OPTIONS sip:pbx SIP/2.0\r\nCall-ID: call-{n}\r\n\r\n");
            exporter.export(Passed { at: 1000 + n, sent: n % 2 == 0, flow, data: data.into() });
        }
        let mut buffer = [0; 2000];
        for n in 0..100 {
            let len = server.recv(&mut buffer).unwrap();
            let chunks = packet::tests::decode(&buffer[..len]);
            assert_eq!(chunks[&0x11], format!("call-{n}").as_bytes());
        }
        let until = Instant::now() + Duration::from_secs(5);
        while exporter.figures() != (100, 0) && Instant::now() < until {
            std::thread::yield_now();
        }
        assert_eq!(exporter.figures(), (100, 0));
    }

    #[test]
    fn a_queue_that_is_full_drops_and_counts() {
        let (queue, _waiting) = sync_channel(2);
        let exporter = Exporter { queue, figures: Arc::default() };
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.7:5062".parse().unwrap());
        for _ in 0..5 {
            exporter.export(Passed { at: 0, sent: false, flow, data: bytes::Bytes::new() });
        }
        assert_eq!(exporter.figures(), (0, 3));
    }
}
