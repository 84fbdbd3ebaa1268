//! Which streams there are, and the queue of each.

use bytes::Bytes;
use sip_stack::endpoint::{Flow, Transport};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Notify, mpsc};

/// Messages that wait to be sent by one stream.
const MESSAGES: usize = 512;

/// Octets that wait to be sent by one stream.
const OCTETS: usize = 256 << 10;

/// Other addresses by which a peer of one stream may be known (RFC 5923).
const ALIASES: usize = 4;

/// How many streams that are gone are remembered. To the address of an older one a connection is tried, in vain.
const GONE: usize = 16_384;

/// The way into a stream's queue.
#[derive(Clone, Debug)]
pub(super) struct Line {
    id: u64,
    queue: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    stop: Arc<Notify>,
}

/// The way out of it.
#[derive(Debug)]
pub(super) struct Outgoing {
    queue: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
}

impl Line {
    /// False if the peer reads too slowly.
    pub(super) fn put(&self, data: Bytes) -> bool {
        let size = data.len();
        if self.waiting.fetch_add(size, Ordering::Relaxed) + size > OCTETS {
            return false;
        }
        self.queue.try_send(data).is_ok()
    }

    /// Ends the stream.
    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }

    pub(super) async fn stopped(&self) {
        self.stop.notified().await;
    }
}

impl Outgoing {
    /// What waits, as one piece; `None` when nothing can come any more.
    pub(super) async fn next(&mut self, piece: &mut Vec<u8>) -> Option<()> {
        piece.clear();
        piece.extend_from_slice(&self.message().await?);
        while piece.len() < 16 << 10
            && let Ok(more) = self.queue.try_recv()
        {
            self.waiting.fetch_sub(more.len(), Ordering::Relaxed);
            piece.extend_from_slice(&more);
        }
        Some(())
    }

    /// One message.
    pub(super) async fn message(&mut self) -> Option<Bytes> {
        let message = self.queue.recv().await?;
        self.waiting.fetch_sub(message.len(), Ordering::Relaxed);
        Some(message)
    }
}

/// All streams.
#[derive(Debug, Default)]
pub(super) struct Table {
    last: u64,
    lines: BTreeMap<(Transport, SocketAddr), Line>,
    /// Where a peer says that it can be reached too.
    aliases: BTreeMap<(Transport, SocketAddr), (SocketAddr, u64)>,
    /// From where peers came whose streams are gone, the latest last.
    gone: VecDeque<(Transport, SocketAddr)>,
    gone_set: BTreeSet<(Transport, SocketAddr)>,
}

impl Table {
    /// The stream that leads to a peer.
    pub(super) fn find(&self, transport: Transport, remote: SocketAddr) -> Option<Line> {
        let direct = self.lines.get(&(transport, remote));
        let line = direct.or_else(|| {
            let (known_as, id) = self.aliases.get(&(transport, remote))?;
            self.lines.get(&(transport, *known_as)).filter(|line| line.id == *id)
        })?;
        Some(line.clone()).filter(|line| !line.queue.is_closed())
    }

    /// A new stream. Of two to the same peer the later one counts.
    pub(super) fn open(&mut self, flow: Flow) -> (Line, Outgoing) {
        self.last += 1;
        let (sender, queue) = mpsc::channel(MESSAGES);
        let waiting = Arc::new(AtomicUsize::new(0));
        let line = Line { id: self.last, queue: sender, waiting: Arc::clone(&waiting), stop: Arc::default() };
        self.lines.insert((flow.transport, flow.remote), line.clone());
        (line, Outgoing { queue, waiting })
    }

    /// True if a peer came to us from there, and no longer is: nobody listens there.
    pub(super) fn came_from(&self, transport: Transport, remote: SocketAddr) -> bool {
        self.gone_set.contains(&(transport, remote))
    }

    /// Remembers that a peer came from there.
    pub(super) fn note_gone(&mut self, flow: Flow) {
        let key = (flow.transport, flow.remote);
        if self.gone_set.insert(key) {
            self.gone.push_back(key);
        }
        if self.gone.len() > GONE
            && let Some(oldest) = self.gone.pop_front()
        {
            self.gone_set.remove(&oldest);
        }
    }

    /// The peer of this stream can be sent to as `alias` too.
    pub(super) fn alias(&mut self, flow: Flow, line: &Line, alias: SocketAddr) {
        let of_this = |(remote, id): &&(SocketAddr, u64)| *remote == flow.remote && *id == line.id;
        if alias != flow.remote && self.aliases.values().filter(of_this).count() < ALIASES {
            self.aliases.insert((flow.transport, alias), (flow.remote, line.id));
        }
    }

    /// Forgets a stream; returns its aliases.
    pub(super) fn close(&mut self, flow: Flow, line: &Line) -> Vec<SocketAddr> {
        let key = (flow.transport, flow.remote);
        if self.lines.get(&key).is_some_and(|known| known.id == line.id) {
            self.lines.remove(&key);
        }
        let gone = self.aliases.extract_if(.., |_, (remote, id)| *remote == flow.remote && *id == line.id);
        gone.map(|((_, alias), _)| alias).collect()
    }

    /// How many there are, of TCP, TLS, WS and WSS.
    pub(super) fn count(&self) -> [u64; 4] {
        [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss]
            .map(|transport| self.lines.keys().filter(|(of, _)| *of == transport).count() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(remote: &str) -> Flow {
        let local = "192.0.2.1:5060".parse().unwrap();
        Flow { transport: Transport::Tcp, local, remote: remote.parse().unwrap() }
    }

    #[test]
    fn a_stream_is_found_by_its_peer_and_by_what_the_peer_calls_itself() {
        let mut table = Table::default();
        let phone = flow("198.51.100.7:40000");
        let alias: SocketAddr = "198.51.100.7:5060".parse().unwrap();
        let (line, _out) = table.open(phone);
        assert!(table.find(Transport::Tcp, phone.remote).is_some());
        assert!(table.find(Transport::Tls, phone.remote).is_none() && table.find(Transport::Tcp, alias).is_none());
        table.alias(phone, &line, alias);
        assert_eq!(table.find(Transport::Tcp, alias).unwrap().id, line.id);
        assert_eq!(table.close(phone, &line), [alias]);
        assert!(table.find(Transport::Tcp, alias).is_none() && table.find(Transport::Tcp, phone.remote).is_none());
        assert_eq!(table.count(), [0; 4]);
    }

    #[test]
    fn of_two_streams_to_one_peer_the_later_stays() {
        let mut table = Table::default();
        let phone = flow("198.51.100.7:40000");
        let (first, _a) = table.open(phone);
        let (second, _b) = table.open(phone);
        table.close(phone, &first);
        assert_eq!(table.find(Transport::Tcp, phone.remote).unwrap().id, second.id);
    }

    #[test]
    fn where_peers_came_from_is_remembered_within_bounds() {
        let mut table = Table::default();
        let from = |n: u32| flow(&SocketAddr::from(((n + 7).to_be_bytes(), 4000)).to_string());
        for n in 0..GONE as u32 + 10 {
            table.note_gone(from(n));
            table.note_gone(from(n));
        }
        assert_eq!((table.gone.len(), table.gone_set.len()), (GONE, GONE));
        assert!(table.came_from(Transport::Tcp, from(10).remote) && !table.came_from(Transport::Tcp, from(9).remote));
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_number_and_size_and_leaves_in_order() {
        let mut table = Table::default();
        let (line, mut out) = table.open(flow("198.51.100.7:40000"));
        assert!((0..MESSAGES).all(|n| line.put(Bytes::from(vec![b'a' + (n % 7) as u8; 100]))));
        assert!(!line.put(Bytes::from_static(b"x")));
        let mut piece = Vec::new();
        out.next(&mut piece).await.unwrap();
        assert!(piece.len() >= 16 << 10 && piece[..100] == [b'a'; 100] && piece[100..200] == [b'b'; 100]);
        let (line, mut out) = table.open(flow("198.51.100.7:40001"));
        assert!(line.put(Bytes::from(vec![0; OCTETS])));
        assert!(!line.put(Bytes::from_static(b"x")));
        assert_eq!(out.message().await.unwrap().len(), OCTETS);
        drop((line, table));
        assert!(out.message().await.is_none());
    }
}
