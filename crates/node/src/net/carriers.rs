//! Sound over TCP (RFC 6544, RFC 4571), for pages whose UDP is shut: beside the socket that browser legs share there is a listener with the
//! same number, and what pages send by its connections reaches the core like datagrams.
//!
//! A stranger may connect and is soon sent away: until the core has answered a check of his he may say a few things in a few seconds, and of
//! too many strangers the longest unproven goes. What a slow reader does not take is dropped, the oldest first.

use media::browser::over_tcp;
use rustix::event::epoll;
use rustix::fd::BorrowedFd;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Connections of one worker; one more is closed at once.
const MAX_CONNECTIONS: usize = 1024;
/// Of these, such that have proved nothing; for one more the oldest of them is closed.
const MAX_STRANGERS: usize = 128;
/// What a stranger may say before he must have proved himself, and for how long.
const STRANGERS_FRAMES: u32 = 16;
const STRANGERS_TIME: Duration = Duration::from_secs(5);
/// A page asks for consent every few seconds (RFC 7675 §5.1); after this silence nobody is there.
const IDLE: Duration = Duration::from_secs(40);
/// The longest packet; who announces a longer one speaks something else.
const MAX_FRAME: usize = 1600;
/// What is read of a connection at one time.
const READ: usize = 8192;
/// What waits for a slow reader: about a second of sound.
const MAX_WAITING: usize = 12 * 1024;
/// How often connections are looked through for those whose time is over.
const SWEEP: Duration = Duration::from_secs(1);
/// How long the system keeps connections until we take them.
const BACKLOG: i32 = 128;
/// Connections taken at one time.
const ACCEPTS: usize = 32;

/// The listener of a worker, and its connections.
#[derive(Debug, Default)]
pub struct Carriers {
    listener: Option<TcpListener>,
    tried: bool,
    slots: Vec<Option<Carrier>>,
    by_peer: BTreeMap<SocketAddr, usize>,
    sweep_at: Option<Instant>,
    /// Packets that a slow reader did not take in time.
    pub dropped: u64,
}

/// A connection.
#[derive(Debug)]
struct Carrier {
    stream: TcpStream,
    /// As the core knows it.
    peer: SocketAddr,
    input: Vec<u8>,
    /// Packets with their lengths; of the first so much is sent.
    waiting: VecDeque<Vec<u8>>,
    sent: usize,
    queued: usize,
    /// The core has answered a check of it.
    proven: bool,
    frames: u32,
    since: Instant,
    heard: Instant,
}

impl Carriers {
    /// Listens beside the shared socket, once; whatever comes of it is told.
    pub fn listen(&mut self, at: SocketAddr, data: u64, poll: BorrowedFd<'_>) -> Option<io::Result<()>> {
        if std::mem::replace(&mut self.tried, true) {
            return None;
        }
        let bound = bind(at).and_then(|listener| {
            epoll::add(poll, &listener, epoll::EventData::new_u64(data), epoll::EventFlags::IN)?;
            Ok(listener)
        });
        Some(bound.map(|listener| self.listener = Some(listener)))
    }

    /// When [`Carriers::sweep`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Connections that there are.
    pub fn len(&self) -> usize {
        self.by_peer.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.by_peer.is_empty()
    }

    /// Takes the connections that wait. Readiness of each is told with `data` and its index.
    pub fn accept(&mut self, data: u64, poll: BorrowedFd<'_>, now: Instant) {
        for _ in 0..ACCEPTS {
            let Some(Ok((stream, from))) = self.listener.as_ref().map(TcpListener::accept) else { return };
            if self.by_peer.len() >= MAX_CONNECTIONS {
                continue;
            }
            self.make_room_for_a_stranger();
            let index = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
            let ready = stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).and_then(|()| {
                let data = epoll::EventData::new_u64(data | index as u64);
                Ok(epoll::add(poll, &stream, data, epoll::EventFlags::IN)?)
            });
            if ready.is_err() {
                continue;
            }
            let peer = over_tcp(from);
            let (input, waiting) = (Vec::new(), VecDeque::new());
            let (sent, queued, proven, frames) = (0, 0, false, 0);
            let carrier =
                Carrier { stream, peer, input, waiting, sent, queued, proven, frames, since: now, heard: now };
            if index == self.slots.len() {
                self.slots.push(None);
            }
            self.slots[index] = Some(carrier);
            self.by_peer.insert(peer, index);
            self.sweep_at.get_or_insert(now + SWEEP);
        }
    }

    fn make_room_for_a_stranger(&mut self) {
        let strangers = || self.slots.iter().enumerate().filter_map(|(at, slot)| Some((at, slot.as_ref()?)));
        let strangers = || strangers().filter(|(_, carrier)| !carrier.proven);
        if strangers().count() >= MAX_STRANGERS
            && let Some((oldest, _)) = strangers().min_by_key(|(_, carrier)| carrier.since)
        {
            self.close(oldest);
        }
    }

    /// Reads what a connection has, once; then [`Carriers::next`] gives it packet by packet. False: there is nothing.
    pub fn read(&mut self, index: usize, now: Instant) -> bool {
        let Some(carrier) = self.slots.get_mut(index).and_then(Option::as_mut) else { return false };
        let had = carrier.input.len();
        carrier.input.resize(had + READ, 0);
        let read = carrier.stream.read(&mut carrier.input[had..]);
        carrier.input.truncate(had + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(1..) => {
                carrier.heard = now;
                carrier.flush();
                return true;
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Ok(0) | Err(_) => self.close(index),
        }
        false
    }

    /// Puts the next packet of a connection into `to`, and says from whom it is. Who does not keep to the frames is sent away.
    pub fn next(&mut self, index: usize, to: &mut media::engine::Packet) -> Option<SocketAddr> {
        let carrier = self.slots.get_mut(index)?.as_mut()?;
        loop {
            let [high, low, rest @ ..] = &carrier.input[..] else { return None };
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            let broken = len > MAX_FRAME || (!carrier.proven && carrier.frames >= STRANGERS_FRAMES);
            if broken {
                self.close(index);
                return None;
            }
            let frame = rest.get(..len)?;
            to.copy_from(frame);
            carrier.input.drain(..2 + len);
            if len > 0 {
                carrier.frames = carrier.frames.saturating_add(1);
                return Some(carrier.peer);
            }
        }
    }

    /// The core has answered a check that came by this connection: its far end is no stranger.
    pub fn prove(&mut self, index: usize) {
        if let Some(carrier) = self.slots.get_mut(index).and_then(Option::as_mut) {
            carrier.proven = true;
        }
    }

    /// Sends a packet; false if there is no such connection, or it had to drop something.
    pub fn send(&mut self, to: SocketAddr, data: &[u8]) -> bool {
        let Some(index) = self.by_peer.get(&to).copied() else { return false };
        let Some(carrier) = self.slots.get_mut(index).and_then(Option::as_mut) else { return false };
        let dropped = carrier.send(data);
        self.dropped += dropped;
        dropped == 0
    }

    /// Closes connections whose time is over.
    pub fn sweep(&mut self, now: Instant) {
        if self.sweep_at.is_none_or(|at| at > now) {
            return;
        }
        for index in 0..self.slots.len() {
            let over = self.slots[index].as_ref().is_some_and(|carrier| {
                let (since, limit) =
                    if carrier.proven { (carrier.heard, IDLE) } else { (carrier.since, STRANGERS_TIME) };
                now.saturating_duration_since(since) >= limit
            });
            if over {
                self.close(index);
            }
        }
        while self.slots.last().is_some_and(Option::is_none) {
            self.slots.pop();
        }
        self.sweep_at = (!self.by_peer.is_empty()).then(|| now + SWEEP);
    }

    /// Closing it also takes it out of the poll set.
    fn close(&mut self, index: usize) {
        if let Some(carrier) = self.slots.get_mut(index).and_then(Option::take) {
            self.by_peer.remove(&carrier.peer);
        }
    }
}

impl Carrier {
    /// Sends a packet, or keeps it for later; how many older ones had to go.
    fn send(&mut self, data: &[u8]) -> u64 {
        let Ok(len) = u16::try_from(data.len()) else { return 1 };
        let mut frame = Vec::with_capacity(2 + data.len());
        frame.extend(len.to_be_bytes());
        frame.extend(data);
        self.queued += frame.len();
        self.waiting.push_back(frame);
        self.flush();
        let mut dropped = 0;
        while self.queued > MAX_WAITING {
            // One that is begun has to be ended.
            let oldest = usize::from(self.sent > 0);
            let Some(frame) = self.waiting.remove(oldest) else { break };
            self.queued -= frame.len();
            dropped += 1;
        }
        dropped
    }

    fn flush(&mut self) {
        while let Some(frame) = self.waiting.front() {
            match self.stream.write(&frame[self.sent..]) {
                Ok(sent @ 1..) => self.sent += sent,
                // What is wrong with it is told to whoever reads.
                Ok(0) | Err(_) => return,
            }
            if self.sent == frame.len() {
                self.queued -= frame.len();
                self.sent = 0;
                self.waiting.pop_front();
            }
        }
    }
}

fn bind(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(at.ip() != IpAddr::from(std::net::Ipv6Addr::UNSPECIFIED))?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::engine::Packet;
    use rustix::fd::{AsFd as _, OwnedFd};

    fn listening() -> (Carriers, OwnedFd, SocketAddr) {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut carriers = Carriers::default();
        assert!(matches!(carriers.listen("127.0.0.1:0".parse().unwrap(), 0, poll.as_fd()), Some(Ok(()))));
        assert!(carriers.listen("127.0.0.1:0".parse().unwrap(), 0, poll.as_fd()).is_none(), "once");
        let at = carriers.listener.as_ref().unwrap().local_addr().unwrap();
        (carriers, poll, at)
    }

    /// Connects, and waits until the connection is there; its index.
    fn connect(carriers: &mut Carriers, poll: &OwnedFd, at: SocketAddr, now: Instant) -> TcpStream {
        let stream = TcpStream::connect(at).unwrap();
        let before = carriers.len();
        while carriers.len() == before && carriers.len() < MAX_STRANGERS {
            carriers.accept(0, poll.as_fd(), now);
        }
        carriers.accept(0, poll.as_fd(), now);
        stream
    }

    /// Reads until something came, or the connection is gone.
    fn packets(carriers: &mut Carriers, index: usize, now: Instant) -> Vec<Vec<u8>> {
        while !carriers.read(index, now) && carriers.slots.get(index).is_some_and(Option::is_some) {
            std::thread::yield_now();
        }
        let mut packet = Packet::new();
        std::iter::from_fn(|| carriers.next(index, &mut packet).map(|_| packet.as_slice().to_vec())).collect()
    }

    fn framed(data: &[u8]) -> Vec<u8> {
        [&(data.len() as u16).to_be_bytes()[..], data].concat()
    }

    #[test]
    fn packets_are_framed_in_both_directions_however_they_are_cut() {
        let (mut carriers, poll, at) = listening();
        let now = Instant::now();
        let mut page = connect(&mut carriers, &poll, at, now);
        let peer = over_tcp(page.local_addr().unwrap());
        let sent = [framed(b"one"), framed(b""), framed(b"two"), framed(b"three")].concat();
        page.write_all(&sent[..12]).unwrap();
        assert_eq!(packets(&mut carriers, 0, now), [b"one".to_vec(), b"two".to_vec()]);
        page.write_all(&sent[12..]).unwrap();
        assert_eq!(packets(&mut carriers, 0, now), [b"three".to_vec()]);
        assert!(carriers.send(peer, b"back") && !carriers.send(over_tcp("192.0.2.1:9".parse().unwrap()), b"x"));
        let mut back = [0; 6];
        page.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"\0\x04back");
        drop(page);
        assert!(packets(&mut carriers, 0, now).is_empty() && carriers.is_empty());
    }

    #[test]
    fn strangers_are_sent_away_soon_and_pages_when_they_are_silent() {
        let (mut carriers, poll, at) = listening();
        let now = Instant::now();
        let (mut page, _quiet) = (connect(&mut carriers, &poll, at, now), connect(&mut carriers, &poll, at, now));
        page.write_all(&framed(b"check")).unwrap();
        assert_eq!(packets(&mut carriers, 0, now).len(), 1);
        carriers.prove(0);
        carriers.sweep(now + STRANGERS_TIME);
        assert_eq!(carriers.len(), 1, "whoever proved himself stays");
        carriers.sweep(now + STRANGERS_TIME + IDLE);
        assert!(carriers.is_empty() && carriers.poll_timeout().is_none());
        // Another protocol, and one who talks without proof.
        let mut web = connect(&mut carriers, &poll, at, now);
        web.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(packets(&mut carriers, 0, now).is_empty() && carriers.is_empty());
        let mut talker = connect(&mut carriers, &poll, at, now);
        talker.write_all(&framed(b"x").repeat(100)).unwrap();
        let heard = packets(&mut carriers, 0, now).len();
        assert!(heard <= STRANGERS_FRAMES as usize && carriers.is_empty(), "{heard}");
        let many: Vec<_> = (0..MAX_STRANGERS + 20).map(|_| connect(&mut carriers, &poll, at, now)).collect();
        assert!(many.len() > MAX_STRANGERS && carriers.len() <= MAX_STRANGERS, "{}", carriers.len());
    }

    #[test]
    fn what_a_slow_reader_does_not_take_is_dropped_and_the_rest_stays_whole() {
        let (mut carriers, poll, at) = listening();
        let now = Instant::now();
        let mut page = connect(&mut carriers, &poll, at, now);
        let peer = over_tcp(page.local_addr().unwrap());
        let mut last = 0_u32;
        while carriers.dropped < 50 {
            last += 1;
            let mut packet = vec![7; 1000];
            packet[..4].copy_from_slice(&last.to_be_bytes());
            carriers.send(peer, &packet);
        }
        assert!(carriers.slots[0].as_ref().unwrap().queued <= MAX_WAITING);
        page.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut read = Vec::new();
        let mut part = vec![0; 1 << 16];
        // Until the very last has come.
        while !read.ends_with(&[7; 996]) || !read.windows(4).rev().take(1010).any(|four| four == last.to_be_bytes()) {
            if let Ok(len) = page.read(&mut part) {
                read.extend_from_slice(&part[..len]);
            }
            carriers.slots[0].as_mut().unwrap().flush();
        }
        assert_eq!(read.len() % 1002, 0, "no packet is torn");
        let numbers: Vec<u32> =
            read.chunks(1002).map(|frame| u32::from_be_bytes([frame[2], frame[3], frame[4], frame[5]])).collect();
        assert!(numbers.is_sorted() && numbers.len() as u64 + carriers.dropped == u64::from(last));
    }
}
