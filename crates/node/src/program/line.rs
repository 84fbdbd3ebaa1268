//! The way between a leg and a program: a socket at the loopback, and the port at its other end.

use crate::switch::NodeSwitch;
use api::Switch as _;
use media::codec::Codec;
use model::{AudioFormat, AudioWish, CallId, Command, LegNo, Listening, Refusal, Reply};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::UdpSocket;
use tokio::sync::OwnedSemaphorePermit;

/// Programs at one time, of all calls; one more is refused as overload.
pub(crate) const MAX_LINES: usize = 256;

/// A connected program. Closes its port when it is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) call: CallId,
    pub(crate) leg: LegNo,
    switch: NodeSwitch,
    id: u64,
    socket: UdpSocket,
    to: SocketAddr,
    _permit: OwnedSemaphorePermit,
}

impl Line {
    /// Connects with a leg.
    pub(crate) async fn open(
        switch: &NodeSwitch,
        (call, leg): (CallId, LegNo),
        (format, listening, speaks): (AudioFormat, Listening, bool),
    ) -> Result<Self, Refusal> {
        let permit = switch.line_permit().ok_or(Refusal::Overloaded)?;
        let bound = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let (socket, port) = bound.and_then(|socket| Ok((socket.local_addr()?.port(), socket))).map_or_else(
            |e| {
                tracing::warn!("no socket for a program: {e}");
                Err(Refusal::Overloaded)
            },
            |(port, socket)| Ok((socket, port)),
        )?;
        let wish = AudioWish { format, listening, speaks, port };
        match switch.command(Command::OpenAudio { call, leg, wish }).await? {
            Reply::Audio { id, address } => {
                Ok(Self { call, leg, switch: switch.clone(), id, socket, to: address, _permit: permit })
            }
            _ => Err(Refusal::WrongState),
        }
    }

    /// A datagram of the switch; others' are left out.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let (len, from) = self.socket.recv_from(buffer).await?;
            if from.port() == self.to.port() {
                return Ok(len);
            }
        }
    }

    /// Sends a packet to the switch. What the kernel has no room for is lost, as on any network.
    pub(crate) fn send(&self, packet: &[u8]) {
        drop(self.socket.try_send_to(packet, self.to));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let (switch, command) = (self.switch.clone(), Command::CloseAudio { call: self.call, id: self.id });
        tokio::spawn(async move {
            // The call may be over, and its ports with it.
            drop(switch.command(command).await);
        });
    }
}

/// How the engine calls a format.
pub(crate) fn codec_of(format: AudioFormat) -> Codec {
    match format {
        AudioFormat::Pcm8 => Codec::L16(8_000),
        AudioFormat::Pcm16 => Codec::L16(16_000),
        AudioFormat::Opus => Codec::Opus,
    }
}
