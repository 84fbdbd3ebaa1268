//! What a simulation wants of the other side of a browser leg, whichever library plays it.

use super::page::{Heard, Page, Sent};
use std::net::SocketAddr;
use std::time::Instant;

/// A page's sound: descriptions, checks, handshake, packets. After each call take what it sends and heard.
pub trait Peer: std::fmt::Debug {
    /// Its first offer, or one with another direction. `restart` begins ICE anew.
    fn offer(&mut self, direction: &str, restart: bool, now: Instant) -> Vec<u8>;
    /// The answer to its offer; why it cannot use it otherwise.
    fn take_answer(&mut self, sdp: &[u8], now: Instant) -> Result<(), String>;
    /// True if its offer has not been answered.
    fn is_waiting(&self) -> bool;
    /// Its answer to an offer; why it cannot use it otherwise.
    fn answer(&mut self, sdp: &[u8], now: Instant) -> Result<Vec<u8>, String>;
    /// Speaks a frame, encoded for a payload type. With it a key is pressed for 100 ms.
    fn speak(&mut self, payload_type: u8, timestamp: u64, payload: &[u8], key: Option<u8>, now: Instant);
    /// A datagram came.
    fn handle_datagram(&mut self, from: SocketAddr, to: SocketAddr, data: &[u8], now: Instant);
    /// Time passed.
    fn handle_timeout(&mut self, now: Instant);
    /// When time matters next.
    fn poll_timeout(&self) -> Option<Instant>;
    /// What it wants sent.
    fn take_sent(&mut self) -> Vec<Sent>;
    /// What it heard.
    fn take_heard(&mut self) -> Vec<Heard>;
    /// Keys that came as events.
    fn take_digits(&mut self) -> String;
}

impl Peer for Page {
    fn offer(&mut self, direction: &str, restart: bool, _now: Instant) -> Vec<u8> {
        Page::offer(self, direction, restart)
    }

    fn take_answer(&mut self, sdp: &[u8], now: Instant) -> Result<(), String> {
        Page::take_answer(self, sdp, now)
    }

    fn is_waiting(&self) -> bool {
        Page::is_waiting(self)
    }

    fn answer(&mut self, sdp: &[u8], now: Instant) -> Result<Vec<u8>, String> {
        Page::answer(self, sdp, now)
    }

    fn speak(&mut self, payload_type: u8, timestamp: u64, payload: &[u8], key: Option<u8>, now: Instant) {
        Page::speak(self, payload_type, timestamp, payload, key, now);
    }

    fn handle_datagram(&mut self, from: SocketAddr, to: SocketAddr, data: &[u8], now: Instant) {
        Page::handle_datagram(self, from, to, data, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        Page::handle_timeout(self, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Page::poll_timeout(self)
    }

    fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    fn take_heard(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.heard)
    }

    fn take_digits(&mut self) -> String {
        std::mem::take(&mut self.digits)
    }
}
