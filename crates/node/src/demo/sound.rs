//! A telephone's sound: G.711 over RTP, twenty milliseconds at a time.

use media::g711::Law;
use media::rtp::{HEADER, Header};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Samples of a packet.
const FRAME: usize = 160;
const TICK: Duration = Duration::from_millis(20);

/// More than a call of the demo can hold, so that a wild timestamp costs no memory.
const MOST: usize = 120 * 8000;

/// Between two repetitions of a speech.
const PAUSE: usize = 2400;

/// What a phone has heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// 8 kHz, placed by RTP timestamp.
    pub(super) sound: Vec<i16>,
    received: u64,
    first: Option<(u16, u32)>,
    highest: u64,
    jitter: f64,
    transit: Option<f64>,
    latest: Option<Instant>,
    gap: Duration,
}

impl Heard {
    /// Loss, jitter and the longest gap in words.
    pub(super) fn describe(&self) -> String {
        let expected = self.highest + 1;
        let lost = expected.saturating_sub(self.received);
        format!(
            "{} packets, {:.2} % lost, jitter {:.2} ms, longest gap {} ms",
            self.received,
            lost as f64 * 100.0 / expected as f64,
            self.jitter / 8.0,
            self.gap.as_millis()
        )
    }

    fn packet(&mut self, datagram: &[u8], since: Instant, now: Instant) {
        let Some(header) = Header::parse(datagram) else { return };
        let law = match header.payload_type {
            0 => Law::Mu,
            8 => Law::A,
            _ => return,
        };
        let (sequence, timestamp) = *self.first.get_or_insert((header.sequence, header.timestamp));
        self.received += 1;
        self.highest = self.highest.max(u64::from(header.sequence.wrapping_sub(sequence)));
        // RFC 3550 A.8, in units of the timestamp.
        let transit =
            now.duration_since(since).as_secs_f64() * 8000.0 - f64::from(header.timestamp.wrapping_sub(timestamp));
        if let Some(before) = self.transit.replace(transit) {
            self.jitter += ((transit - before).abs() - self.jitter) / 16.0;
        }
        if let Some(before) = self.latest.replace(now) {
            self.gap = self.gap.max(now.duration_since(before));
        }
        let at = header.timestamp.wrapping_sub(timestamp) as usize;
        let payload = &datagram[header.payload_at..header.payload_at + header.payload_len];
        if at + payload.len() <= MOST {
            self.sound.resize(self.sound.len().max(at + payload.len()), 0);
            for (place, octet) in self.sound[at..].iter_mut().zip(payload) {
                *place = law.decode(*octet);
            }
        }
    }
}

/// Both directions of a telephone's sound.
pub(super) struct Line<'a> {
    pub(super) socket: &'a UdpSocket,
    pub(super) remote: SocketAddr,
    pub(super) payload_type: u8,
    pub(super) ssrc: u32,
}

impl Line<'_> {
    /// Speaks (again and again) and listens until `over` says so, which is asked fifty times a second.
    pub(super) fn talk(&self, speech: &[i16], mut over: impl FnMut(Duration) -> bool) -> io::Result<Heard> {
        // What came before the conversation, such as a ringing tone, is not part of it.
        self.socket.set_nonblocking(true)?;
        while self.socket.recv(&mut [0; 16]).is_ok() {}
        self.socket.set_nonblocking(false)?;
        let law = if self.payload_type == 0 { Law::Mu } else { Law::A };
        let cycle = speech.len() + PAUSE;
        let (start, mut heard) = (Instant::now(), Heard::default());
        for frame in 0u32.. {
            let due = start + TICK * frame;
            loop {
                let left = due.saturating_duration_since(Instant::now());
                if left < Duration::from_micros(100) {
                    break;
                }
                self.socket.set_read_timeout(Some(left))?;
                let mut datagram = [0; 2048];
                match self.socket.recv(&mut datagram) {
                    Ok(len) => heard.packet(&datagram[..len], start, Instant::now()),
                    Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                    // The other side may be gone already; its signalling will say so.
                    Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(e) => return Err(e),
                }
            }
            if over(due.duration_since(start)) {
                break;
            }
            let mut packet = [0x80; HEADER + FRAME];
            packet[1] = self.payload_type | if frame == 0 { 0x80 } else { 0 };
            packet[2..4].copy_from_slice(&(frame as u16).to_be_bytes());
            packet[4..8].copy_from_slice(&frame.wrapping_mul(FRAME as u32).to_be_bytes());
            packet[8..HEADER].copy_from_slice(&self.ssrc.to_be_bytes());
            for (i, octet) in packet[HEADER..].iter_mut().enumerate() {
                let at = (frame as usize * FRAME + i) % cycle;
                *octet = law.encode(speech.get(at).copied().unwrap_or(0));
            }
            // A full buffer or a port that is gone is a lost packet, nothing more.
            let _ = self.socket.send_to(&packet, self.remote);
        }
        Ok(heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_lines_hear_each_other_and_count_what_is_missing() {
        let (a, b) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let remote = b.local_addr().unwrap();
        let line = Line { socket: &a, remote, payload_type: 8, ssrc: 1 };
        let speech: Vec<i16> = (0..1600).map(|i| (i * 10) as i16).collect();
        line.talk(&speech, |at| at >= Duration::from_millis(200)).unwrap();
        let (mut heard, start) = (Heard::default(), Instant::now());
        b.set_nonblocking(true).unwrap();
        let mut buf = [0; 2048];
        let mut n = 0;
        while let Ok(len) = b.recv(&mut buf) {
            n += 1;
            if n != 4 {
                heard.packet(&buf[..len], start, start + TICK * n);
            }
        }
        assert_eq!((n, heard.received, heard.highest), (10, 9, 9));
        assert!(heard.describe().contains("9 packets, 10.00 % lost"), "{}", heard.describe());
        assert!(heard.sound[3 * 160..4 * 160].iter().all(|s| *s == 0));
        assert!((heard.sound[1000] - speech[1000]).abs() < 400);
        heard.packet(b"not sound", start, start);
        assert_eq!(heard.received, 9);
    }
}
