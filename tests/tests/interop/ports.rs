//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

// Below the range from which the kernel gives ports to clients (32768 and up).
const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;
static NEXT: AtomicU16 = AtomicU16::new(0);

/// `count` neighbours of which nobody uses one, by UDP or TCP, the first of them even.
pub(crate) fn block(count: u16) -> u16 {
    // Two runs at the same time begin at different places.
    let offset = (std::process::id() as u16).wrapping_mul(64) % (LAST - FIRST);
    for _ in 0..1_000 {
        let span = count + count % 2;
        let first = FIRST + (offset + NEXT.fetch_add(span, Ordering::Relaxed)) % (LAST - FIRST) / 2 * 2;
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
