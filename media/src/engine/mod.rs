//! Ports, bridges, sounds and recordings: the packet path of one shard.

mod packet;
mod quality;
mod recorder;
mod types;

pub use packet::Packet;
pub use quality::{Quality, RemoteView};
pub use recorder::Page;
pub use types::{
    Answer, Channel, Config, Datagram, EndReason, Event, Forward, NoPorts, Output, PortId, RecordingId, SdpRefusal,
    Sound,
};

use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use stdx::Entropy;

/// All ports of one shard.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    entropy: Entropy,
}

#[allow(unused_variables, missing_docs, clippy::todo)]
impl Engine {
    pub fn new(config: Config, entropy: Entropy) -> Self {
        Self { config, entropy }
    }
    pub fn stock(&mut self, ports: impl IntoIterator<Item = u16>) {
        todo!()
    }
    pub fn free_ports(&self) -> usize {
        todo!()
    }
    pub fn open_ports(&self) -> usize {
        todo!()
    }
    pub fn open(&mut self, local: IpAddr, now: Instant) -> Result<PortId, NoPorts> {
        todo!()
    }
    pub fn local_port(&self, port: PortId) -> u16 {
        todo!()
    }
    pub fn port_by_number(&self, number: u16) -> Option<PortId> {
        todo!()
    }
    pub fn close(&mut self, port: PortId, now: Instant) -> Option<Quality> {
        todo!()
    }
    /// The address the peer's signalling comes from: where a port behind NAT may speak from although its SDP says otherwise.
    pub fn hint_source(&mut self, port: PortId, signalling: IpAddr) {
        todo!()
    }
    pub fn set_remote_offer(&mut self, port: PortId, sdp: &[u8], now: Instant) -> Result<(), SdpRefusal> {
        todo!()
    }
    pub fn make_offer(&mut self, port: PortId, towards: Option<PortId>, now: Instant) -> Bytes {
        todo!()
    }
    pub fn set_remote_answer(&mut self, port: PortId, sdp: &[u8], now: Instant) -> Result<(), SdpRefusal> {
        todo!()
    }
    pub fn make_answer(&mut self, port: PortId, answer: Answer, now: Instant) -> Option<Bytes> {
        todo!()
    }
    pub fn reanswer(&mut self, port: PortId, sdp: &[u8], now: Instant) -> Result<Bytes, SdpRefusal> {
        todo!()
    }
    pub fn bridge(&mut self, a: PortId, b: PortId, now: Instant) {
        todo!()
    }
    pub fn unbridge(&mut self, port: PortId, now: Instant) {
        todo!()
    }
    /// False if the port cannot carry it (no G.711 agreed yet): then nothing is played and no `Played` comes.
    pub fn play(&mut self, port: PortId, sound: Sound, repeat: bool, now: Instant) -> bool {
        todo!()
    }
    pub fn stop(&mut self, port: PortId) {
        todo!()
    }
    pub fn record(&mut self, left: PortId, right: PortId, now: Instant) -> RecordingId {
        todo!()
    }
    pub fn stop_recording(&mut self, recording: RecordingId, now: Instant) {
        todo!()
    }
    pub fn give_back(&mut self, recording: RecordingId, page: Page) {
        todo!()
    }
    pub fn handle_packet(
        &mut self,
        port: PortId,
        channel: Channel,
        from: SocketAddr,
        packet: &mut Packet,
        now: Instant,
    ) -> Option<Forward> {
        todo!()
    }
    pub fn handle_timeout(&mut self, now: Instant) {
        todo!()
    }
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
    pub fn quality(&self, port: PortId, now: Instant) -> Quality {
        todo!()
    }
}
