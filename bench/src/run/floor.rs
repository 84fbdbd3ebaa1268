//! The floor: a relay that copies packets from one port of a pair to the other, and does nothing else.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use crate::cli::FloorArgs;
use crate::net::reserve_descriptors;

/// Relays until the time is out. What arrives on a port leaves by its partner, to whom that one last heard.
pub(super) fn relay(args: &FloorArgs) -> Result<()> {
    let count = args.pairs * 2;
    reserve_descriptors(u64::from(count) + 50)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut sockets = Vec::new();
    for i in 0..count {
        let port = args.base.checked_add(i).context("--base leaves too few ports: lower it or --pairs")?;
        let addr = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let socket = UdpSocket::bind(addr).with_context(|| format!("binding {addr}: choose another --base"))?;
        socket.set_nonblocking(true)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, u64::from(i)))?;
        sockets.push((socket, None::<SocketAddr>));
    }

    let until = Instant::now() + Duration::from_secs(args.secs);
    let mut ready = vec![EpollEvent::empty(); 4096];
    let mut buf = [0u8; 2048];
    while Instant::now() < until {
        let n = epoll.wait(&mut ready, 500u16).unwrap_or(0);
        for event in &ready[..n] {
            let i = event.data() as usize;
            let Ok((len, from)) = sockets[i].0.recv_from(&mut buf) else { continue };
            sockets[i].1 = Some(from);
            let (partner, remote) = &sockets[i ^ 1];
            if let Some(to) = remote {
                // A packet the kernel does not take is lost, as on any relay.
                let _ = partner.send_to(&buf[..len], to);
            }
        }
    }
    Ok(())
}
