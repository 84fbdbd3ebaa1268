//! The sockets of sound: two per leg, each bound to its own port, found by the port's number.
//!
//! This module is the seam behind which other ways may be tried (ports shared by many legs, io_uring): the worker knows only
//! `bind`, `close`, `receive`, `send`, and that readiness arrives with the port's number.
//!
//! Whose sound has come from one address for some seconds gets a socket of its own, connected to that address and bound to the same port: the
//! system finds the way for each packet no more, which saves 6 to 9 % of what a relayed packet costs. The first socket stays open for
//! everybody else, so that a phone that moves is heard as before; where sound is to go elsewhere the connected one is closed again.

use super::Carriers;
use media::browser::is_over_tcp;
use media::engine::{Channel, Packet};
use rustix::event::epoll;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::net::{RecvFlags, SendFlags, recv, recvfrom, send, sendto};
use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// DSCP EF, what RFC 4594 §4.2 gives telephone sound.
const SOUND_TOS: u32 = 46 << 2;

/// The sockets of a range of ports.
#[derive(Debug)]
pub struct Sockets {
    first: u16,
    pairs: Vec<Option<Pair>>,
    bind_to: IpAddr,
    /// Connected sockets have descriptors below this: what is above is for new calls.
    spare_from: RawFd,
}

#[derive(Debug)]
struct Pair {
    rtp: OwnedFd,
    rtcp: OwnedFd,
    /// Who speaks, and for how many packets.
    speaker: Option<SocketAddr>,
    steady: u16,
    connected: Option<Connected>,
}

/// The socket of one speaker.
#[derive(Debug)]
struct Connected {
    socket: OwnedFd,
    peer: SocketAddr,
}

/// As sockets of that family write it.
#[inline]
fn in_family(v6: bool, address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v6 => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
        address => address,
    }
}

/// How many packets from one address make a speaker: five seconds of most phones, so that short calls do not pay for another socket.
const STEADY: u16 = 250;

/// Added to the port's number in what tells that its connected socket is ready.
const CONNECTED: u64 = 1 << 16;

/// What became of a wish to bind.
#[derive(Debug)]
pub enum Bound {
    /// Both sockets are ready.
    Yes,
    /// Another program holds one of the two ports.
    Taken,
    /// The system has no more room (file descriptors, memory).
    NoRoom(io::Error),
}

/// Where sound is received when signalling is received at `listen`: at its address if there is only one, else everywhere.
pub fn bind_address(listen: &[SocketAddr]) -> IpAddr {
    match listen {
        [first, rest @ ..] if rest.iter().all(|a| a.ip() == first.ip()) => first.ip(),
        _ if listen.iter().all(SocketAddr::is_ipv4) => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    }
}

impl Sockets {
    /// Room for the ports `first..=last`; nothing is bound yet.
    pub fn new(first: u16, last: u16, bind_to: IpAddr) -> Self {
        let count = (usize::from(last) + 1).saturating_sub(usize::from(first)).div_ceil(2);
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let spare_from = RawFd::try_from(limit / 4 * 3).unwrap_or(RawFd::MAX);
        Self { first, pairs: std::iter::repeat_with(|| None).take(count).collect(), bind_to, spare_from }
    }

    /// The address that all of them are bound to.
    pub fn address(&self) -> IpAddr {
        self.bind_to
    }

    /// Binds `number` and `number + 1` and has `poll` tell their readiness; the lower 16 bits of the data are their own numbers.
    pub fn bind(&mut self, number: u16, poll: BorrowedFd<'_>) -> Bound {
        let Some(index) = self.index(number) else { return Bound::Taken };
        match self.open(number).and_then(|rtp| Ok((rtp, self.open(number + 1)?))) {
            Ok((rtp, rtcp)) => {
                let pair = Pair { rtp: rtp.into(), rtcp: rtcp.into(), speaker: None, steady: 0, connected: None };
                for (fd, port) in [(&pair.rtp, number), (&pair.rtcp, number + 1)] {
                    let data = epoll::EventData::new_u64(port.into());
                    if let Err(e) = epoll::add(poll, fd, data, epoll::EventFlags::IN) {
                        return Bound::NoRoom(e.into());
                    }
                }
                self.pairs[index] = Some(pair);
                Bound::Yes
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => Bound::Taken,
            Err(e) => Bound::NoRoom(e),
        }
    }

    /// Makes the sockets of a number good for the next call.
    pub fn renew(&mut self, number: u16) {
        if let Some(pair) = self.index(number).and_then(|index| self.pairs[index].as_mut()) {
            (pair.speaker, pair.steady, pair.connected) = (None, 0, None);
        }
    }

    /// Closes all sockets of a number; that also takes them out of the poll set.
    pub fn close(&mut self, number: u16) {
        if let Some(index) = self.index(number) {
            self.pairs[index] = None;
        }
    }

    /// Receives one packet; `None` if none waits. `ready` is what `poll` told: the port's number is its lower 16 bits, even RTP, odd RTCP.
    #[inline]
    pub fn receive(&mut self, ready: u64, packet: &mut Packet, poll: BorrowedFd<'_>) -> Option<SocketAddr> {
        let port = ready as u16;
        let pair = self.pairs.get_mut(usize::from(port.checked_sub(self.first)? / 2))?.as_mut()?;
        let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        if ready & CONNECTED != 0 {
            let Connected { socket, peer } = pair.connected.as_ref()?;
            let (_, len) = recv(socket, packet.room(), flags).ok()?;
            packet.filled(len);
            return Some(*peer);
        }
        let is_rtp = port.is_multiple_of(2);
        let (_, len, from) = recvfrom(if is_rtp { &pair.rtp } else { &pair.rtcp }, packet.room(), flags).ok()?;
        packet.filled(len);
        let from = match SocketAddr::try_from(from?).ok()? {
            SocketAddr::V6(v6) => SocketAddr::new(v6.ip().to_canonical(), v6.port()),
            v4 @ SocketAddr::V4(_) => v4,
        };
        if is_rtp && pair.is_steady(from) {
            self.connect(port, from, poll);
        }
        Some(from)
    }

    /// Sends one packet from a port; false if the system did not take it (its buffer is full, or there is no way there).
    #[inline]
    pub fn send(&mut self, number: u16, channel: Channel, to: SocketAddr, data: &[u8]) -> bool {
        let Some(index) = self.index(number) else { return false };
        let Some(pair) = self.pairs.get_mut(index).and_then(Option::as_mut) else { return false };
        let flags = SendFlags::DONTWAIT;
        let fd = match channel {
            Channel::Rtp => {
                if let Some(Connected { socket, peer }) = &pair.connected {
                    if *peer == to {
                        return send(socket, data, flags).is_ok();
                    }
                    pair.connected = None;
                }
                &pair.rtp
            }
            Channel::Rtcp => &pair.rtcp,
        };
        match in_family(self.bind_to.is_ipv6(), to) {
            SocketAddr::V4(to) => sendto(fd, data, flags, &to),
            SocketAddr::V6(to) => sendto(fd, data, flags, &to),
        }
        .is_ok()
    }

    /// The same, or by its connection to who speaks by TCP.
    #[inline]
    pub fn send_or(
        &mut self,
        carriers: &mut Carriers,
        number: u16,
        channel: Channel,
        to: SocketAddr,
        data: &[u8],
    ) -> bool {
        if is_over_tcp(to) { carriers.send(to, data) } else { self.send(number, channel, to, data) }
    }

    fn index(&self, number: u16) -> Option<usize> {
        let index = usize::from(number.checked_sub(self.first)? / 2);
        (index < self.pairs.len()).then_some(index)
    }

    /// Gives a port's speaker a socket of its own, if there is room.
    #[cold]
    fn connect(&mut self, port: u16, peer: SocketAddr, poll: BorrowedFd<'_>) {
        let to = in_family(self.bind_to.is_ipv6(), peer);
        let made = self.open_beside(port).and_then(|socket| socket.connect(&to.into()).map(|()| socket));
        let Some(pair) = self.index(port).and_then(|index| self.pairs.get_mut(index)?.as_mut()) else { return };
        let _ = SockRef::from(&pair.rtp).set_reuse_address(false);
        let data = epoll::EventData::new_u64(CONNECTED | u64::from(port));
        if let Ok(socket) = made
            && epoll::add(poll, &socket, data, epoll::EventFlags::IN).is_ok()
        {
            pair.connected = Some(Connected { socket: socket.into(), peer });
        }
    }

    /// A second socket on a port of ours. Only we can open it: the first allows it for this moment.
    fn open_beside(&self, port: u16) -> io::Result<Socket> {
        let pair = self.index(port).and_then(|index| self.pairs.get(index)?.as_ref()).ok_or(io::ErrorKind::NotFound)?;
        let socket = self.unbound()?;
        if socket.as_raw_fd() >= self.spare_from {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        socket.set_reuse_address(true)?;
        SockRef::from(&pair.rtp).set_reuse_address(true)?;
        self.bind_socket(socket, port)
    }

    fn open(&self, port: u16) -> io::Result<Socket> {
        self.bind_socket(self.unbound()?, port)
    }

    fn unbound(&self) -> io::Result<Socket> {
        let domain = Domain::for_address(SocketAddr::new(self.bind_to, 0));
        Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))
    }

    fn bind_socket(&self, socket: Socket, port: u16) -> io::Result<Socket> {
        let address = SocketAddr::new(self.bind_to, port);
        if address.is_ipv6() {
            socket.set_only_v6(!self.bind_to.is_unspecified())?;
            socket.set_tclass_v6(SOUND_TOS)?;
        } else {
            socket.set_tos_v4(SOUND_TOS)?;
        }
        socket.bind(&address.into())?;
        Ok(socket)
    }
}

impl Pair {
    /// Counts a packet on the socket for everybody. True once for a speaker who stays; one who was connected is asked for no more: either
    /// there was no room, or its sound went elsewhere.
    #[inline]
    fn is_steady(&mut self, from: SocketAddr) -> bool {
        if self.steady >= STEADY {
            return false;
        }
        self.steady = if self.speaker == Some(from) { self.steady + 1 } else { 0 };
        self.speaker = Some(from);
        self.steady == STEADY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    fn poll() -> OwnedFd {
        epoll::create(epoll::CreateFlags::CLOEXEC).unwrap()
    }

    /// A range of eight ports that nobody holds at the moment: a new one each time, below those that port 0 stands for.
    fn free_range() -> u16 {
        static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(28_000);
        loop {
            let port = NEXT.fetch_add(8, std::sync::atomic::Ordering::Relaxed);
            if (port..port + 8).all(|p| std::net::UdpSocket::bind(("127.0.0.1", p)).is_ok()) {
                return port;
            }
        }
    }

    fn ready(poll: &OwnedFd) -> Vec<u64> {
        let mut events = Vec::with_capacity(8);
        let second = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
        epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), Some(&second)).unwrap();
        events.iter().map(|e| e.data.u64()).collect()
    }

    #[test]
    fn a_packet_comes_in_with_its_port_number_and_goes_out_from_a_port() {
        let (poll, first) = (poll(), free_range());
        let mut sockets = Sockets::new(first, first + 7, "127.0.0.1".parse().unwrap());
        assert!(matches!(sockets.bind(first + 2, poll.as_fd()), Bound::Yes));
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut packet = Packet::new();
        for (port, channel) in [(first + 2, Channel::Rtp), (first + 3, Channel::Rtcp)] {
            peer.send_to(b"sound", ("127.0.0.1", port)).unwrap();
            assert_eq!(ready(&poll), [u64::from(port)]);
            assert_eq!(sockets.receive(port.into(), &mut packet, poll.as_fd()), Some(peer.local_addr().unwrap()));
            assert_eq!(packet.as_slice(), b"sound");
            assert_eq!(sockets.receive(port.into(), &mut packet, poll.as_fd()), None);
            assert!(sockets.send(first + 2, channel, peer.local_addr().unwrap(), b"back"));
            assert_eq!(peer.recv_from(&mut [0; 16]).unwrap().1.port(), port);
        }
        assert_eq!(sockets.receive(first.into(), &mut packet, poll.as_fd()), None);
        assert!(!sockets.send(first, Channel::Rtp, peer.local_addr().unwrap(), b"not bound"));
    }

    #[test]
    fn a_socket_for_both_families_speaks_ipv4_as_ipv4() {
        let (poll, first) = (poll(), free_range());
        let mut sockets = Sockets::new(first, first + 7, "::".parse().unwrap());
        assert!(matches!(sockets.bind(first, poll.as_fd()), Bound::Yes));
        for local in ["127.0.0.1", "::1"] {
            let ip: IpAddr = local.parse().unwrap();
            let peer = std::net::UdpSocket::bind((ip, 0)).unwrap();
            peer.send_to(b"x", (ip, first)).unwrap();
            assert_eq!(ready(&poll), [u64::from(first)]);
            let from = sockets.receive(first.into(), &mut Packet::new(), poll.as_fd());
            assert_eq!(from, Some(peer.local_addr().unwrap()));
            assert!(sockets.send(first, Channel::Rtp, peer.local_addr().unwrap(), b"y"));
            assert_eq!(peer.recv_from(&mut [0; 4]).unwrap(), (1, SocketAddr::new(ip, first)));
        }
    }

    #[test]
    fn who_speaks_for_long_has_a_socket_of_its_own_and_others_are_heard_beside_it() {
        for local in ["127.0.0.1", "::"] {
            let (poll, first) = (poll(), free_range());
            let mut sockets = Sockets::new(first, first + 7, local.parse().unwrap());
            assert!(matches!(sockets.bind(first, poll.as_fd()), Bound::Yes));
            let [peer, other] = [(); 2].map(|()| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
            let [here, there] = [&peer, &other].map(|socket| socket.local_addr().unwrap());
            let mut packet = Packet::new();
            let mut hear = |sockets: &mut Sockets, from: &std::net::UdpSocket| {
                from.send_to(b"sound", ("127.0.0.1", first)).unwrap();
                let ready = ready(&poll);
                assert_eq!(ready.len(), 1);
                let came = sockets.receive(ready[0], &mut packet, poll.as_fd());
                assert_eq!((came, packet.as_slice()), (Some(from.local_addr().unwrap()), &b"sound"[..]));
                ready[0]
            };
            let say = |sockets: &mut Sockets, to: &std::net::UdpSocket| {
                assert!(sockets.send(first, Channel::Rtp, to.local_addr().unwrap(), b"back"));
                assert_eq!(to.recv_from(&mut [0; 8]).unwrap(), (4, ([127, 0, 0, 1], first).into()));
            };
            for _ in 0..=STEADY {
                assert_eq!(hear(&mut sockets, &peer), u64::from(first));
            }
            assert_ne!(hear(&mut sockets, &peer), u64::from(first), "not connected");
            say(&mut sockets, &peer);
            // Its RTCP goes its usual way, and who comes from elsewhere is heard, and answered.
            assert!(sockets.send(first, Channel::Rtcp, here, b"report"));
            assert_eq!(peer.recv_from(&mut [0; 8]).unwrap().1.port(), first + 1);
            assert_eq!(hear(&mut sockets, &other), u64::from(first));
            assert_ne!(hear(&mut sockets, &peer), u64::from(first));
            say(&mut sockets, &other);
            assert_eq!(hear(&mut sockets, &peer), u64::from(first), "still connected");
            // Nobody else may have the port meanwhile, and the next call begins anew.
            let thief = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            thief.set_reuse_address(true).unwrap();
            assert!(thief.bind(&SocketAddr::from(([127, 0, 0, 1], first)).into()).is_err());
            sockets.renew(first);
            (0..=STEADY).for_each(|_| assert_eq!(hear(&mut sockets, &other), u64::from(first)));
            assert_ne!(hear(&mut sockets, &other), u64::from(first));
            assert!(there != here);
            sockets.close(first);
            assert!(std::net::UdpSocket::bind(("127.0.0.1", first)).is_ok());
        }
    }

    #[test]
    fn a_taken_port_is_skipped_and_leaves_nothing_behind() {
        let (poll, first) = (poll(), free_range());
        let mut sockets = Sockets::new(first, first + 7, "127.0.0.1".parse().unwrap());
        let other = std::net::UdpSocket::bind(("127.0.0.1", first + 1)).unwrap();
        assert!(matches!(sockets.bind(first, poll.as_fd()), Bound::Taken));
        drop(other);
        assert!(matches!(sockets.bind(first, poll.as_fd()), Bound::Yes));
        sockets.close(first);
        assert!(std::net::UdpSocket::bind(("127.0.0.1", first)).is_ok());
    }

    #[test]
    fn sound_is_received_where_signalling_is() {
        let at = |list: &[&str]| bind_address(&list.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>()).to_string();
        assert_eq!(at(&["192.0.2.1:5060", "192.0.2.1:5080"]), "192.0.2.1");
        assert_eq!(at(&["192.0.2.1:5060", "192.0.2.2:5060"]), "0.0.0.0");
        assert_eq!(at(&["0.0.0.0:5060", "[::]:5060"]), "::");
        assert_eq!(at(&["0.0.0.0:5060"]), "0.0.0.0");
    }
}
