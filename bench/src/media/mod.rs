//! The sound of all calls: one packet each 20 ms on every leg, stamped, and an account of what arrives.

mod leg;
mod packet;
mod tally;

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result, bail};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::guard;
use crate::net::{MS, Nanos, Udp, wall};
use crate::samples::Samples;
use crate::sip::sdp::Codec;
use leg::Leg;
use packet::{Stamp, read_packet};
use tally::Verdict;

/// Ticks of 1 ms in the interval of a stream: legs are spread over them.
const SLOTS: u64 = 20;
const INTERVAL: Nanos = SLOTS * MS;
const HIGHEST_PORT: u16 = 60_000;

/// Which party of a call a leg belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The caller.
    A,
    /// The callee.
    B,
}

/// What is counted per side.
#[derive(Debug, Default, Clone, Copy)]
pub struct SideFigures {
    /// Packets sent in the window.
    pub sent: u64,
    /// Packets received in the window.
    pub received: u64,
    /// Different packets that were sent in the window by the other side and arrived here, whenever.
    pub arrived: u64,
}

/// What the streams of a run amounted to.
#[derive(Default)]
pub struct Figures {
    /// The callers' side.
    pub a: SideFigures,
    /// The callees' side.
    pub b: SideFigures,
    /// Added one-way delay from A to B.
    pub delay_ab: Samples,
    /// Added one-way delay from B to A.
    pub delay_ba: Samples,
    /// How far inter-arrival times were from 20 ms.
    pub jitter: Samples,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicated: u64,
    /// Packets of another call's stream.
    pub crossed: u64,
    /// Packets without our stamp.
    pub foreign: u64,
    /// Packets the kernel would not send.
    pub send_errors: u64,
    /// Legs that were told to send outside the loopback network, and did not.
    pub refused_remote: u64,
}

/// All legs of a run.
pub struct Media {
    legs: Vec<Leg>,
    epoll: Epoll,
    ready: Vec<EpollEvent>,
    codec: Codec,
    ips: [Ipv4Addr; 2],
    first_port: u16,
    next_port: [u16; 2],
    allow_remote: bool,
    measuring: bool,
    /// What was counted so far.
    pub figures: Figures,
}

impl Media {
    /// No legs yet; ports start at `first_port` on either party's address.
    pub fn new(ips: [Ipv4Addr; 2], first_port: u16, codec: Codec, allow_remote: bool) -> Result<Self> {
        let first_port = first_port & !1;
        if first_port >= HIGHEST_PORT {
            bail!("--rtp-base {first_port} leaves no ports below {HIGHEST_PORT}");
        }
        Ok(Self {
            legs: Vec::new(),
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("creating an epoll set")?,
            ready: vec![EpollEvent::empty(); 512],
            codec,
            ips,
            first_port,
            next_port: [first_port; 2],
            allow_remote,
            measuring: false,
            figures: Figures::default(),
        })
    }

    /// Opens a leg with sockets for RTP and RTCP; returns its number and port.
    pub fn open(&mut self, side: Side) -> Result<(usize, u16)> {
        let ip = self.ips[side as usize];
        for _ in 0..2000 {
            let port = self.take_port(side);
            let Ok(rtp) = Udp::bind(SocketAddrV4::new(ip, port), None) else { continue };
            // Held open, so that reports sent to it do not bounce.
            let Ok(rtcp) = Udp::bind(SocketAddrV4::new(ip, port + 1), None) else { continue };
            let id = self.legs.len();
            let event = EpollEvent::new(EpollFlags::EPOLLIN, id as u64);
            self.epoll.add(&rtp, event).context("watching an RTP socket")?;
            self.legs.push(Leg::new(side, id as u32, self.codec.payload_type(), (rtp, rtcp)));
            return Ok((id, port));
        }
        bail!("no free pair of RTP ports on {ip} from {} on: choose another --rtp-base", self.first_port)
    }

    /// The next port of a side, without opening anything.
    pub fn take_port(&mut self, side: Side) -> u16 {
        let next = &mut self.next_port[side as usize];
        let port = *next;
        *next = if port + 2 >= HIGHEST_PORT { self.first_port } else { port + 2 };
        port
    }

    /// Sound of that leg goes there from now on.
    pub fn point(&mut self, leg: usize, remote: SocketAddrV4) {
        if guard::check("the target's media address", remote, self.allow_remote).is_err() {
            self.figures.refused_remote += 1;
            return;
        }
        self.legs[leg].remote = Some(remote);
    }

    /// The leg falls silent, and keeps listening.
    pub fn hush(&mut self, leg: usize) {
        self.legs[leg].remote = None;
    }

    /// The leg's sockets are closed.
    pub fn close(&mut self, leg: usize) {
        self.hush(leg);
        if let Some((rtp, _)) = self.legs[leg].sockets.take() {
            // Closing would end the watch as well; a failure changes nothing.
            let _ = self.epoll.delete(&rtp);
        }
    }

    /// Opens or closes the measuring window.
    pub fn measure(&mut self, on: bool) {
        self.measuring = on;
    }

    /// How many legs a side has, and how many of them heard anything.
    #[must_use]
    pub fn legs(&self, side: Side) -> (usize, usize) {
        let of_side = self.legs.iter().filter(|l| l.side == side);
        (of_side.clone().count(), of_side.filter(|l| l.last_arrival.is_some()).count())
    }

    /// Sends the packets of one tick.
    pub fn send(&mut self, tick: u64) {
        let slot = (tick % SLOTS) as usize;
        for leg in self.legs.iter_mut().skip(slot).step_by(SLOTS as usize) {
            let Some(sent) = leg.send(self.measuring, wall()) else { continue };
            match (sent, leg.side) {
                (false, _) => self.figures.send_errors += 1,
                (true, Side::A) => self.figures.a.sent += u64::from(self.measuring),
                (true, Side::B) => self.figures.b.sent += u64::from(self.measuring),
            }
        }
    }

    /// Takes what has arrived; bounded, so that a flood does not stop the ticks.
    pub fn receive(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        for _ in 0..8 {
            let n = self.epoll.wait(&mut ready, EpollTimeout::ZERO).unwrap_or(0);
            for event in &ready[..n] {
                self.receive_on(event.data() as usize);
            }
            if n < ready.len() {
                break;
            }
        }
        self.ready = ready;
    }

    fn receive_on(&mut self, id: usize) {
        let mut buf = [0u8; 2048];
        let leg = &mut self.legs[id];
        // At 50 packets/s one is waiting at a time; epoll tells again if there are more.
        for _ in 0..2 {
            let Some(got) = leg.sockets.as_ref().and_then(|(rtp, _)| rtp.receive(&mut buf)) else { return };
            let stamp = read_packet(&buf[..got.len]);
            account(leg, stamp, got.at, self.measuring, &mut self.figures);
        }
    }
}

fn account(leg: &mut Leg, stamp: Option<Stamp>, at: Nanos, measuring: bool, figures: &mut Figures) {
    let since_last = leg.last_arrival.replace(at).and_then(|last| at.checked_sub(last));
    let verdict = stamp.map(|s| (s, leg.tally.accept(s.stream, s.count)));
    match verdict {
        None => figures.foreign += 1,
        Some((_, Verdict::Crossed)) => figures.crossed += 1,
        Some((_, Verdict::Duplicate)) => figures.duplicated += 1,
        Some((_, Verdict::Late)) => figures.reordered += 1,
        Some((_, Verdict::Next)) => {}
    }
    let Figures { a, b, delay_ab, delay_ba, jitter, .. } = figures;
    let (side, delay) = match leg.side {
        Side::A => (a, delay_ba),
        Side::B => (b, delay_ab),
    };
    if measuring {
        side.received += 1;
        if let Some(since) = since_last {
            jitter.record(since.abs_diff(INTERVAL));
        }
    }
    if let Some((stamp, Verdict::Next | Verdict::Late)) = verdict
        && stamp.counted
    {
        side.arrived += 1;
        delay.record(at.saturating_sub(stamp.sent_at));
    }
}
