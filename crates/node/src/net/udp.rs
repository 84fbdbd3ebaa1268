//! One UDP socket for signalling: knows which of our addresses a datagram was sent to, sends from a given one, and hears
//! of ICMP errors.

use bytes::Bytes;
use nix::sys::socket::{
    self, ControlMessage, ControlMessageOwned, MsgFlags, SockaddrLike as _, SockaddrStorage, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// The largest UDP datagram.
const LARGEST: usize = 65_535;

/// Room in the kernel for datagrams that wait while a worker is busy: about a second of a few thousand messages.
const RECEIVE_ROOM: usize = 8 << 20;

/// DSCP CS3, what RFC 4594 §4.1 gives signalling.
const SIGNALLING_TOS: u32 = 24 << 2;

/// What came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// To which of our addresses.
    pub local: SocketAddr,
    /// From where.
    pub remote: SocketAddr,
    /// The datagram.
    pub data: Bytes,
}

/// A bound socket. Several workers bind the same address (SO_REUSEPORT); the kernel spreads peers over them.
#[derive(Debug)]
pub struct UdpSocket {
    socket: std::net::UdpSocket,
    bound: SocketAddr,
    buffer: Box<[u8]>,
    control: Vec<u8>,
}

impl UdpSocket {
    /// Binds. Port 0 takes a free one.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
        socket.set_reuse_port(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
            if address.ip().is_unspecified() {
                setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
            }
        } else {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
            if address.ip().is_unspecified() {
                setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            }
            socket.set_tos_v4(SIGNALLING_TOS)?;
        }
        // The forced size needs a privilege; without it the kernel clamps the second to its limit.
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_ROOM).is_err() {
            socket.set_recv_buffer_size(RECEIVE_ROOM)?;
        }
        socket.bind(&address.into())?;
        let socket = std::net::UdpSocket::from(socket);
        let bound = socket.local_addr()?;
        let control = nix::cmsg_space!(nix::libc::in6_pktinfo, nix::libc::sock_extended_err, nix::libc::sockaddr_in6);
        Ok(Self { socket, bound, buffer: vec![0; LARGEST].into(), control })
    }

    /// The address it is bound to; the IP may be a wildcard.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// The next datagram; `None` if none waits.
    pub fn receive(&mut self) -> io::Result<Option<Received>> {
        if !self.bound.ip().is_unspecified() {
            return match self.socket.recv_from(&mut self.buffer) {
                Ok((len, remote)) => {
                    Ok(Some(Received { local: self.bound, remote, data: Bytes::copy_from_slice(&self.buffer[..len]) }))
                }
                Err(e) => nothing_or(e),
            };
        }
        let (len, remote, local) = {
            let mut parts = [IoSliceMut::new(&mut self.buffer)];
            let message = socket::recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut self.control),
                MsgFlags::MSG_DONTWAIT,
            );
            match message {
                Ok(message) => {
                    let local = local_of(&message, self.bound.port());
                    (message.bytes, message.address.and_then(|a| address_of(&a)), local)
                }
                Err(e) => return nothing_or(e.into()),
            }
        };
        let Some(remote) = remote else { return Ok(None) };
        Ok(Some(Received {
            local: local.unwrap_or(self.bound),
            remote,
            data: Bytes::copy_from_slice(&self.buffer[..len]),
        }))
    }

    /// Sends one datagram, from `source` if the socket is bound to a wildcard.
    pub fn send(&self, source: IpAddr, remote: SocketAddr, data: &[u8]) -> io::Result<()> {
        // An earlier ICMP error may be told at this call instead of at the error queue: it says nothing about this datagram.
        match self.send_once(source, remote, data) {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused || is_unreachable(&e) => {
                self.send_once(source, remote, data)
            }
            result => result,
        }
    }

    fn send_once(&self, source: IpAddr, remote: SocketAddr, data: &[u8]) -> io::Result<()> {
        if !self.bound.ip().is_unspecified() || source.is_unspecified() {
            return self.socket.send_to(data, remote).map(drop);
        }
        let to = SockaddrStorage::from(remote);
        let parts = [IoSlice::new(data)];
        let fd = self.socket.as_raw_fd();
        match source {
            IpAddr::V4(ip) => {
                let address = nix::libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
                let info = nix::libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: address };
                socket::sendmsg(
                    fd,
                    &parts,
                    &[ControlMessage::Ipv4PacketInfo(&info)],
                    MsgFlags::MSG_DONTWAIT,
                    Some(&to),
                )?;
            }
            IpAddr::V6(ip) => {
                let address = nix::libc::in6_addr { s6_addr: ip.octets() };
                let info = nix::libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: 0 };
                socket::sendmsg(
                    fd,
                    &parts,
                    &[ControlMessage::Ipv6PacketInfo(&info)],
                    MsgFlags::MSG_DONTWAIT,
                    Some(&to),
                )?;
            }
        }
        Ok(())
    }

    /// The next ICMP error: our address and the peer that what we sent did not reach. `None` if no more waits.
    pub fn next_error(&mut self) -> Option<(SocketAddr, SocketAddr)> {
        loop {
            let mut parts = [IoSliceMut::new(&mut self.buffer)];
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let fd = self.socket.as_raw_fd();
            let message = socket::recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut self.control), flags).ok()?;
            let local = local_of(&message, self.bound.port()).unwrap_or(self.bound);
            if let Some(remote) = message.address.and_then(|a| address_of(&a)) {
                return Some((local, remote));
            }
        }
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn nothing_or(e: io::Error) -> io::Result<Option<Received>> {
    // Errors of earlier sends are read from the error queue; here they only mean that nothing was received.
    if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted)
        || is_unreachable(&e)
    {
        Ok(None)
    } else {
        Err(e)
    }
}

fn is_unreachable(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable)
}

fn local_of(message: &socket::RecvMsg<'_, '_, SockaddrStorage>, port: u16) -> Option<SocketAddr> {
    let ip = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes())),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(IpAddr::from(info.ipi6_addr.s6_addr)),
        _ => None,
    })?;
    Some(SocketAddr::new(ip, port))
}

fn address_of(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(v4.ip().into(), v4.port()));
    }
    debug_assert!(address.len() > 0);
    address.as_sockaddr_in6().map(|v6| SocketAddr::new(v6.ip().into(), v6.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn wait<T>(mut what: impl FnMut() -> Option<T>) -> T {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(found) = what() {
                return found;
            }
            assert!(Instant::now() < until, "nothing came");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_wildcard_socket_knows_the_address_asked_for_and_answers_from_it() {
        let mut ours = UdpSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = ours.bound().port();
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for ip in ["127.0.0.5", "127.0.0.77"] {
            let ip: IpAddr = ip.parse().unwrap();
            peer.send_to(b"hello", (ip, port)).unwrap();
            let received = wait(|| ours.receive().unwrap());
            assert_eq!(received.local, SocketAddr::new(ip, port));
            assert_eq!((received.remote, &received.data[..]), (peer.local_addr().unwrap(), &b"hello"[..]));
            ours.send(received.local.ip(), received.remote, b"answer").unwrap();
            let mut buf = [0; 16];
            assert_eq!(peer.recv_from(&mut buf).unwrap(), (6, SocketAddr::new(ip, port)));
        }
        assert!(ours.receive().unwrap().is_none());
    }

    #[test]
    fn a_port_nobody_listens_on_is_told_as_an_error_and_does_not_disturb_other_sends() {
        for address in ["127.0.0.1:0", "0.0.0.0:0"] {
            let mut ours = UdpSocket::bind(address.parse().unwrap()).unwrap();
            let dead = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let alive = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let source = "127.0.0.1".parse().unwrap();
            ours.send(source, dead, b"anybody?").unwrap();
            ours.send(source, alive.local_addr().unwrap(), b"you!").unwrap();
            let mut buf = [0; 16];
            assert_eq!(alive.recv_from(&mut buf).unwrap().0, 4);
            let (local, remote) = wait(|| ours.next_error());
            assert_eq!((local, remote), (SocketAddr::new(source, ours.bound().port()), dead));
            assert!(ours.receive().unwrap().is_none());
        }
    }

    #[test]
    fn workers_share_an_address() {
        let first = UdpSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(UdpSocket::bind(first.bound()).unwrap().bound(), first.bound());
    }
}
