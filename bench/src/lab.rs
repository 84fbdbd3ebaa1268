//! The parties of a run with sockets and time: turns what arrives into calls to the machines, and back.

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::callee::{self, Callee};
use crate::caller::{self, Caller, Plan};
use crate::media::{Media, Side};
use crate::net::{MS, Nanos, Udp, reserve_descriptors, wall};
use crate::pace::{Pace, Wake};
use crate::sip::text::Message;

/// Datagrams taken from one socket before the others have their turn.
const BATCH: usize = 400;
/// A target that has said nothing for so long is not there.
const DEAF: Duration = Duration::from_secs(5);

/// Held calls are hung up at the rate of their set-up times this.
const TIMES_FASTER: u64 = 10;

/// What a run needs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The calling party.
    pub plan: Plan,
    /// How many calls.
    pub calls: usize,
    /// Calls started per second.
    pub rate: u64,
    /// The called party's address, if it is ours to play.
    pub callee: Option<SocketAddrV4>,
    /// How long it rings.
    pub ring: Nanos,
    /// Whether both parties send sound.
    pub streams: bool,
    /// First RTP port.
    pub rtp_base: u16,
    /// Whether sound may leave the machine.
    pub allow_remote: bool,
}

impl Setup {
    fn calls_at_once(&self) -> u64 {
        let all = self.calls as u64;
        let Some(hold) = self.plan.hold else { return all };
        // One second more for what set-up and tear-down take.
        all.min(self.rate * (hold + self.ring + 1_000 * MS).div_ceil(1_000 * MS))
    }
}

/// Both parties of all calls of a run.
pub struct Lab {
    setup: Setup,
    /// The calling party.
    pub caller: Caller,
    /// The called party.
    pub callee: Callee,
    /// The sound.
    pub media: Media,
    /// The metronome.
    pub pace: Pace,
    sip_a: Option<Udp>,
    sip_b: Option<Udp>,
    legs_a: Vec<Option<usize>>,
    legs_b: Vec<Option<usize>>,
    tick: u64,
}

impl Lab {
    /// Binds the parties' sockets.
    pub fn open(setup: Setup) -> Result<Self> {
        let mut lab = Self::silent(setup)?;
        lab.sip_a = Some(Udp::bind_signalling("the calling party", lab.setup.plan.local)?);
        if let Some(addr) = lab.setup.callee {
            lab.sip_b = Some(Udp::bind_signalling("the called party", addr)?);
        }
        Ok(lab)
    }

    /// No signalling: both sides of call `i` talk to ports `base + 2i` and `base + 2i + 1` of the target.
    pub fn open_static(setup: Setup, base: u16) -> Result<Self> {
        let mut lab = Self::silent(setup)?;
        let target = *lab.setup.plan.target.ip();
        for i in 0..lab.setup.calls {
            let Some(port) = u16::try_from(usize::from(base) + 2 * i).ok().filter(|p| *p < u16::MAX) else {
                bail!("--relay-base {base} leaves no ports for {} calls", lab.setup.calls);
            };
            for (side, port) in [(Side::A, port), (Side::B, port + 1)] {
                let (leg, _) = lab.media.open(side)?;
                lab.media.point(leg, SocketAddrV4::new(target, port));
            }
        }
        Ok(lab)
    }

    fn silent(setup: Setup) -> Result<Self> {
        if setup.streams {
            // RTP and RTCP of two parties; calls that a target forks or retries need a few more.
            reserve_descriptors(setup.calls_at_once() * 4 + 200)?;
        }
        let callee_addr = setup.callee.unwrap_or(setup.plan.local);
        let ips = [*setup.plan.local.ip(), *callee_addr.ip()];
        let media = Media::new(ips, setup.rtp_base, setup.plan.codec, setup.allow_remote)?;
        Ok(Self {
            caller: Caller::new(setup.plan.clone()),
            callee: Callee::new(callee_addr, setup.plan.codec, setup.ring, setup.calls * 2 + 100),
            media,
            pace: Pace::default(),
            sip_a: None,
            sip_b: None,
            legs_a: Vec::new(),
            legs_b: Vec::new(),
            tick: 0,
            setup,
        })
    }

    /// Starts all calls at the rate, and returns when each is up, over or given up, or the time is out.
    /// Calls that hang up by themselves are waited for.
    pub fn bring_up(&mut self) -> Result<()> {
        let hold = Duration::from_nanos(self.setup.plan.hold.unwrap_or(0));
        let started = Instant::now();
        let limit = Duration::from_secs(self.setup.calls as u64 / self.setup.rate + 40) + hold;
        let mut next_count = Duration::ZERO;
        while started.elapsed() < limit {
            let due = (started.elapsed().as_micros() as u64 * self.setup.rate / 1_000_000) as usize + 1;
            while self.caller.started() < due.min(self.setup.calls) {
                self.dial()?;
            }
            self.turn()?;
            if self.caller.figures.heard == 0 && started.elapsed() > DEAF {
                let Plan { target, local, .. } = &self.setup.plan;
                bail!("nothing came back from {target} in {DEAF:?}: is it running there, and may {local} call it?");
            }
            if self.caller.started() == self.setup.calls && started.elapsed() >= next_count {
                // Counting visits all calls: now and then is enough.
                next_count = started.elapsed() + Duration::from_millis(20);
                let waiting = if hold.is_zero() { 0 } else { self.caller.up() };
                if self.caller.busy() + waiting == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn()?;
        }
        Ok(())
    }

    /// Hangs up all calls that are up, some times faster than they came, and waits until the target has agreed.
    pub fn hang_up(&mut self) -> Result<()> {
        let (started, rate) = (Instant::now(), self.setup.rate * TIMES_FASTER);
        for i in 0..self.caller.started() {
            while started.elapsed().as_micros() as u64 * rate / 1_000_000 < i as u64 {
                self.turn()?;
            }
            self.caller.hang_up(i, wall());
            self.flush()?;
        }
        let limit = Instant::now() + Duration::from_secs(10);
        while self.caller.busy() > 0 && Instant::now() < limit {
            self.run_for(Duration::from_millis(20))?;
        }
        Ok(())
    }

    fn dial(&mut self) -> Result<()> {
        let (leg, port) = self.open_leg(Side::A)?;
        self.legs_a.push(leg);
        self.caller.dial(port, wall());
        self.flush()
    }

    fn open_leg(&mut self, side: Side) -> Result<(Option<usize>, u16)> {
        if self.setup.streams {
            return self.media.open(side).map(|(leg, port)| (Some(leg), port));
        }
        Ok((None, self.media.take_port(side)))
    }

    fn turn(&mut self) -> Result<()> {
        let sockets: Vec<&Udp> = self.sip_a.iter().chain(&self.sip_b).collect();
        match self.pace.wait(&sockets) {
            Wake::Signalling => self.signalling()?,
            Wake::Ticks(ticks) => {
                for _ in 0..ticks {
                    self.media.receive();
                    self.signalling()?;
                    self.media.send(self.tick);
                    self.tick += 1;
                }
            }
        }
        let now = wall();
        self.caller.handle_timeout(now);
        self.callee.handle_timeout(now);
        self.flush()
    }

    fn signalling(&mut self) -> Result<()> {
        let mut buf = [0u8; 8192];
        for _ in 0..BATCH {
            let Some(got) = self.sip_a.as_ref().and_then(|s| s.receive(&mut buf)) else { break };
            if let Some(message) = Message::parse(&buf[..got.len]) {
                self.caller.handle_message(&message, got.at);
            }
        }
        self.flush()?;
        for _ in 0..BATCH {
            let Some(got) = self.sip_b.as_ref().and_then(|s| s.receive(&mut buf)) else { break };
            let datagram = &buf[..got.len];
            if let (Some(message), Ok(text)) = (Message::parse(datagram), std::str::from_utf8(datagram)) {
                self.callee.handle_message(&message, text, got.from, got.at);
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        while let Some(event) = self.callee.poll_event() {
            self.on_callee(event)?;
        }
        while let Some(event) = self.caller.poll_event() {
            self.on_caller(event);
        }
        // A datagram the kernel does not take is lost, and sent again like any lost one.
        if let Some(socket) = &self.sip_a {
            while let Some(text) = self.caller.poll_send() {
                socket.send(self.setup.plan.target, text.as_bytes());
            }
        }
        if let Some(socket) = &self.sip_b {
            while let Some((to, text)) = self.callee.poll_send() {
                socket.send(to, text.as_bytes());
            }
        }
        Ok(())
    }

    fn on_callee(&mut self, event: callee::Event) -> Result<()> {
        match event {
            callee::Event::Offered { call, caller, at } => {
                if let Some(caller) = caller {
                    self.caller.reached_callee(caller, at);
                }
                let (leg, port) = self.open_leg(Side::B)?;
                self.legs_b.resize(call + 1, None);
                self.legs_b[call] = leg;
                self.callee.ring(call, port, wall());
            }
            callee::Event::Sound(call, remote) => self.point(Side::B, call, remote),
            callee::Event::Ended(call) => self.silence(Side::B, call),
        }
        Ok(())
    }

    fn on_caller(&mut self, event: caller::Event) {
        match event {
            caller::Event::Sound(call, Some(remote)) => self.point(Side::A, call, remote),
            caller::Event::Sound(_, None) => {}
            caller::Event::Ended(call) => self.silence(Side::A, call),
        }
    }

    fn point(&mut self, side: Side, call: usize, remote: SocketAddrV4) {
        if let Some(leg) = self.leg(side, call) {
            self.media.point(leg, remote);
        }
    }

    fn silence(&mut self, side: Side, call: usize) {
        let Some(leg) = self.leg(side, call) else { return };
        if self.setup.plan.hold.is_some() {
            self.media.close(leg);
        } else {
            // Packets on their way still count.
            self.media.hush(leg);
        }
    }

    fn leg(&self, side: Side, call: usize) -> Option<usize> {
        let legs = match side {
            Side::A => &self.legs_a,
            Side::B => &self.legs_b,
        };
        legs.get(call).copied().flatten()
    }
}
