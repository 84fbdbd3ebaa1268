//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

// Below the range from which the kernel gives ports to clients (32768 and up), and above what load drivers like to take.
const FIRST: u16 = 24_000;
const LAST: u16 = 32_700;
static NEXT: AtomicU32 = AtomicU32::new(0);

/// `count` neighbours of which nobody uses one, by UDP or TCP, the first of them even.
pub(crate) fn block(count: u16) -> u16 {
    // Two runs at the same time begin at different places.
    let (offset, room) = (std::process::id() % 512 * 64, u32::from(LAST - FIRST));
    for _ in 0..1_000 {
        let span = count + count % 2;
        let at = (offset + NEXT.fetch_add(span.into(), Ordering::Relaxed)) % room / 2 * 2;
        let first = FIRST + at as u16;
        if first + span <= LAST && (first..first + span).all(is_free) {
            return first;
        }
    }
    panic!("no {count} free ports between {FIRST} and {LAST}");
}

/// One port.
pub(crate) fn one() -> u16 {
    block(1)
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// True if somebody receives UDP there. (Trying to bind it would take it away from who is about to.)
pub(crate) fn is_listening(port: u16) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/udp").expect("Linux tells its sockets");
    let local = format!(":{port:04X} ");
    sockets.lines().skip(1).any(|line| line.split_once(": ").is_some_and(|(_, rest)| rest[..14].ends_with(&local)))
}
