//! The sockets of sound: two per leg, each bound to its own port, found by the port's number.
//!
//! This module is the seam behind which other ways may be tried (ports shared by many legs, io_uring): the worker knows only
//! `bind`, `close`, `receive`, `send`, and that readiness arrives with the port's number.

use super::Carriers;
use media::browser::is_over_tcp;
use media::engine::{Channel, Packet};
use rustix::event::epoll;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use socket2::{Domain, Protocol, Socket, Type};
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
}

#[derive(Debug)]
struct Pair {
    rtp: OwnedFd,
    rtcp: OwnedFd,
}

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
        Self { first, pairs: std::iter::repeat_with(|| None).take(count).collect(), bind_to }
    }

    /// The address that all of them are bound to.
    pub fn address(&self) -> IpAddr {
        self.bind_to
    }

    /// Binds `number` and `number + 1` and has `poll` tell their readiness with their own numbers as data.
    pub fn bind(&mut self, number: u16, poll: BorrowedFd<'_>) -> Bound {
        let Some(index) = self.index(number) else { return Bound::Taken };
        match self.open(number).and_then(|rtp| Ok(Pair { rtp, rtcp: self.open(number + 1)? })) {
            Ok(pair) => {
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

    /// Closes both sockets of a number; that also takes them out of the poll set.
    pub fn close(&mut self, number: u16) {
        if let Some(index) = self.index(number) {
            self.pairs[index] = None;
        }
    }

    /// Receives one packet; `None` if none waits. `port` is the number readiness came with: even RTP, odd RTCP.
    #[inline]
    pub fn receive(&self, port: u16, packet: &mut Packet) -> Option<SocketAddr> {
        let (fd, _) = self.socket(port)?;
        let (_, len, from) = recvfrom(fd, packet.room(), RecvFlags::DONTWAIT | RecvFlags::TRUNC).ok()?;
        packet.filled(len);
        let from = SocketAddr::try_from(from?).ok()?;
        Some(match from {
            SocketAddr::V6(v6) => SocketAddr::new(v6.ip().to_canonical(), v6.port()),
            SocketAddr::V4(_) => from,
        })
    }

    /// Sends one packet from a port; false if the system did not take it (its buffer is full, or there is no way there).
    #[inline]
    pub fn send(&self, number: u16, channel: Channel, to: SocketAddr, data: &[u8]) -> bool {
        let port = match channel {
            Channel::Rtp => number,
            Channel::Rtcp => number | 1,
        };
        let Some((fd, v6)) = self.socket(port) else { return false };
        let sent = match to {
            SocketAddr::V4(to) if v6 => {
                let mapped = SocketAddrV6::new(to.ip().to_ipv6_mapped(), to.port(), 0, 0);
                sendto(fd, data, SendFlags::DONTWAIT, &mapped)
            }
            to => sendto(fd, data, SendFlags::DONTWAIT, &to),
        };
        sent.is_ok()
    }

    /// The same, or by its connection to who speaks by TCP.
    #[inline]
    pub fn send_or(&self, carriers: &mut Carriers, number: u16, channel: Channel, to: SocketAddr, data: &[u8]) -> bool {
        if is_over_tcp(to) { carriers.send(to, data) } else { self.send(number, channel, to, data) }
    }

    fn index(&self, number: u16) -> Option<usize> {
        let index = usize::from(number.checked_sub(self.first)? / 2);
        (index < self.pairs.len()).then_some(index)
    }

    #[inline]
    fn socket(&self, port: u16) -> Option<(BorrowedFd<'_>, bool)> {
        let pair = self.pairs.get(usize::from(port.checked_sub(self.first)? / 2))?.as_ref()?;
        let fd = if port.is_multiple_of(2) { &pair.rtp } else { &pair.rtcp };
        Some((fd.as_fd(), self.bind_to.is_ipv6()))
    }

    fn open(&self, port: u16) -> io::Result<OwnedFd> {
        let address = SocketAddr::new(self.bind_to, port);
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!self.bind_to.is_unspecified())?;
            socket.set_tclass_v6(SOUND_TOS)?;
        } else {
            socket.set_tos_v4(SOUND_TOS)?;
        }
        socket.bind(&address.into())?;
        Ok(socket.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(sockets.receive(port, &mut packet), Some(peer.local_addr().unwrap()));
            assert_eq!(packet.as_slice(), b"sound");
            assert_eq!(sockets.receive(port, &mut packet), None);
            assert!(sockets.send(first + 2, channel, peer.local_addr().unwrap(), b"back"));
            assert_eq!(peer.recv_from(&mut [0; 16]).unwrap().1.port(), port);
        }
        assert_eq!(sockets.receive(first, &mut packet), None);
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
            assert_eq!(sockets.receive(first, &mut Packet::new()), Some(peer.local_addr().unwrap()));
            assert!(sockets.send(first, Channel::Rtp, peer.local_addr().unwrap(), b"y"));
            assert_eq!(peer.recv_from(&mut [0; 4]).unwrap(), (1, SocketAddr::new(ip, first)));
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
