//! The addresses signalling is served on, and which socket a flow belongs to.

use super::udp::UdpSocket;
use sip_stack::endpoint::{Flow, Transport};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Why an address could not be bound.
#[derive(Debug)]
pub struct BindError {
    setting: &'static str,
    address: SocketAddr,
    source: io::Error,
}

impl BindError {
    /// `setting` is what the operator can correct.
    pub fn new(setting: &'static str, address: SocketAddr, source: io::Error) -> Self {
        Self { setting, address, source }
    }

    fn udp(address: SocketAddr, source: io::Error) -> Self {
        Self::new("[sip] listen", address, source)
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, address, source } = self;
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "address {address} is in use by another program; stop that, or choose another port in {setting}"
                )
            }
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "address {address} is no address of this host; correct {setting}")
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "address {address} needs a privilege; choose a port above 1023 in {setting}")
            }
            _ => write!(f, "binding address {address} of {setting}: {source}"),
        }
    }
}

impl std::error::Error for BindError {}

/// Addresses with real port numbers, tested to be free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved(pub Vec<SocketAddr>);

/// Tests that nobody else holds the addresses, and gives those with port 0 a free port. Must come before any [`Listeners::bind`]:
/// our workers share their sockets' address, so a second program of ours would be let in without a word.
pub fn resolve(addresses: &[SocketAddr]) -> Result<Resolved, BindError> {
    let probe = |&address: &SocketAddr| {
        let domain = socket2::Domain::for_address(address);
        let bound = socket2::Socket::new(domain, socket2::Type::DGRAM, None).and_then(|s| {
            if address.is_ipv6() {
                s.set_only_v6(true)?;
            }
            s.bind(&address.into())?;
            std::net::UdpSocket::from(s).local_addr()
        });
        bound.map_err(|source| BindError::udp(address, source))
    };
    addresses.iter().map(probe).collect::<Result<_, _>>().map(Resolved)
}

/// The signalling sockets of one worker.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<UdpSocket>,
    advertised: Option<IpAddr>,
}

impl Listeners {
    /// Binds a socket of this worker for each address.
    pub fn bind(addresses: &Resolved, advertised: Option<IpAddr>) -> Result<Self, BindError> {
        let bind = |&address: &SocketAddr| UdpSocket::bind(address).map_err(|source| BindError::udp(address, source));
        Ok(Self { sockets: addresses.0.iter().map(bind).collect::<Result<_, _>>()?, advertised })
    }

    /// The sockets, for the poll set.
    pub fn sockets(&self) -> &[UdpSocket] {
        &self.sockets
    }

    /// The next datagram of a socket, with the flow it came by.
    pub fn receive(&mut self, index: usize) -> io::Result<Option<(Flow, bytes::Bytes)>> {
        let Some(socket) = self.sockets.get_mut(index) else { return Ok(None) };
        let advertised = self.advertised;
        Ok(socket.receive()?.map(|r| (flow(advertised, r.local, r.remote), r.data)))
    }

    /// The next flow of a socket by which something could not be delivered.
    pub fn next_error(&mut self, index: usize) -> Option<Flow> {
        let (local, remote) = self.sockets.get_mut(index)?.next_error()?;
        Some(flow(self.advertised, local, remote))
    }

    /// Sends one datagram by a flow.
    pub fn send(&self, flow: &Flow, data: &[u8]) -> io::Result<()> {
        let Some(socket) = self.socket_of(flow.local, flow.remote) else {
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "no SIP address of that kind"));
        };
        let told = flow.local.ip();
        let source = if Some(told) == self.advertised { socket.bound().ip() } else { told };
        socket.send(source, flow.remote, data)
    }

    fn socket_of(&self, local: SocketAddr, remote: SocketAddr) -> Option<&UdpSocket> {
        let exact = |s: &&UdpSocket| s.bound() == local;
        let same_family = |s: &&UdpSocket| s.bound().is_ipv4() == remote.is_ipv4();
        let same_port = |s: &&UdpSocket| same_family(s) && s.bound().port() == local.port();
        let mut sockets = self.sockets.iter();
        sockets.clone().find(exact).or_else(|| sockets.clone().find(same_port)).or_else(|| sockets.find(same_family))
    }
}

/// The flow of a datagram between two addresses: peers outside private networks know us by the advertised address.
fn flow(advertised: Option<IpAddr>, local: SocketAddr, remote: SocketAddr) -> Flow {
    let local = match advertised {
        Some(ip) if ip.is_ipv4() == local.is_ipv4() && !is_private(remote.ip()) => SocketAddr::new(ip, local.port()),
        Some(_) | None => local,
    };
    Flow { transport: Transport::Udp, local, remote }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_in_use_is_a_clear_error_and_port_0_becomes_a_real_one() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = resolve(&[taken.local_addr().unwrap()]).unwrap_err().to_string();
        assert!(error.contains("in use") && error.contains("[sip] listen"), "{error}");
        let error = resolve(&[at("192.0.2.1:5060")]).unwrap_err().to_string();
        assert!(error.contains("no address of this host"), "{error}");
        assert_ne!(resolve(&[at("127.0.0.1:0")]).unwrap().0[0].port(), 0);
    }

    #[test]
    fn a_second_program_cannot_share_our_workers_address() {
        let resolved = resolve(&[at("127.0.0.1:0")]).unwrap();
        let _ours = Listeners::bind(&resolved, None).unwrap();
        assert!(resolve(&resolved.0).is_err());
    }

    #[test]
    fn only_peers_outside_know_us_by_the_advertised_address() {
        let advertised = Some("203.0.113.5".parse().unwrap());
        let flow = |remote| flow(advertised, at("10.0.0.2:5060"), at(remote)).local.to_string();
        assert_eq!(flow("198.51.100.7:5060"), "203.0.113.5:5060");
        assert_eq!(flow("10.0.0.9:5060"), "10.0.0.2:5060");
        assert_eq!(flow("127.0.0.1:5060"), "10.0.0.2:5060");
    }

    #[test]
    fn a_flow_by_the_advertised_address_leaves_by_the_real_socket() {
        let resolved = resolve(&[at("127.0.0.1:0")]).unwrap();
        let listeners = Listeners::bind(&resolved, Some("203.0.113.5".parse().unwrap())).unwrap();
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = SocketAddr::new("203.0.113.5".parse().unwrap(), resolved.0[0].port());
        listeners.send(&Flow::udp(local, peer.local_addr().unwrap()), b"x").unwrap();
        assert_eq!(peer.recv_from(&mut [0; 8]).unwrap(), (1, resolved.0[0]));
    }
}
