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

/// True if somebody receives UDP, or listens for TCP, there. (Trying to bind it would take it away from who is about to.)
pub(crate) fn is_listening(port: u16) -> bool {
    let local = format!(":{port:04X}");
    ["udp", "udp6", "tcp", "tcp6"].iter().any(|kind| {
        let sockets = std::fs::read_to_string(format!("/proc/net/{kind}")).unwrap_or_default();
        sockets.lines().skip(1).any(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (at, state) = (words.next().unwrap_or_default(), words.nth(1).unwrap_or_default());
            // 0A: a TCP socket that listens.
            at.ends_with(&local) && (kind.starts_with("udp") || state == "0A")
        })
    })
}
