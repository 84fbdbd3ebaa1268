//! Ports, bridges, sounds and recordings: the packet path of one shard.
//!
//! [`Engine`] has the methods of every core. After each call drain [`Engine::poll_output`]; then wait for a packet or
//! for [`Engine::poll_timeout`].

mod activity;
mod agree;
mod alarms;
mod browser;
mod bursts;
mod deadlines;
mod digits;
mod extended;
mod formats;
mod hear;
mod inband;
mod inbound;
mod keys;
mod mix;
mod mouth;
mod negotiation;
mod outbound;
mod packet;
mod player;
mod port;
mod progress;
mod quality;
mod recorder;
mod relay;
mod report;
mod resume;
mod routes;
mod secure;
mod sound;
mod source;
mod track;
mod types;
mod voice;

pub(crate) use activity::{Activity, power};
pub use keys::MAX_KEYS;
pub use packet::Packet;
pub use player::Play;
pub use quality::{Moment, Quality, RemoteView, mos};
pub use recorder::Page;
pub use resume::number_of;
pub use secure::Srtp;
pub use types::{
    Alarm, Answer, Channel, Config, Datagram, EndReason, Event, Forward, InbandDtmf, NoPorts, Output, PortId,
    RecordingId, SdpRefusal, Sound,
};

use crate::clip::Clip;
use crate::rtcp::{Report, Sender};
use crate::tones::Tone;
use inband::KeyWay;
use port::Port;
use recorder::Recorder;
use report::Clock;
use slotmap::SlotMap;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdx::Entropy;

/// All ports of one shard.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    entropy: Entropy,
    clock: Clock,
    ports: SlotMap<PortId, Port>,
    recordings: SlotMap<RecordingId, Recorder>,
    /// RTP port numbers nobody has, the longest unused first.
    stock: VecDeque<u16>,
    browsers: browser::Browsers,
    numbers: BTreeMap<u16, PortId>,
    /// Tones that have been played once.
    tones: BTreeMap<Tone, Arc<[Arc<Clip>]>>,
    /// Ports that are decoded, and ports that are mixed for.
    speakers: Vec<PortId>,
    listeners: Vec<PortId>,
    buses: SlotMap<hear::BusId, mix::Bus>,
    /// Ports to which the switch itself speaks, and when their next frames are due.
    spoken_to: Vec<PortId>,
    speak_at: Option<Instant>,
    /// The next frame of all that is mixed; beside the timers, whose tree would be rebuilt every 20 ms.
    mix_at: Option<Instant>,
    /// The time of the last frame mixed.
    mixed_until: Option<Instant>,
    timers: deadlines::Deadlines,
    output: VecDeque<Output>,
}

/// So much may be to do at once before room for it is made.
const BURST: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A press whose end may be lost.
    Digit(PortId),
    Report(PortId),
    Silence(PortId),
    /// Whether anything came where call progress is listened for.
    Progress(PortId),
    /// The handshake with a browser, or its consent.
    Browser(PortId),
    Page(RecordingId),
}

impl Engine {
    /// An engine without ports; give it port numbers with [`Engine::stock`].
    pub fn new(config: Config, entropy: Entropy) -> Self {
        Self {
            clock: Clock::new(config.wall),
            config,
            entropy,
            ports: SlotMap::with_key(),
            recordings: SlotMap::with_key(),
            stock: VecDeque::new(),
            browsers: browser::Browsers::default(),
            numbers: BTreeMap::new(),
            tones: BTreeMap::new(),
            speakers: Vec::new(),
            listeners: Vec::new(),
            buses: SlotMap::with_key(),
            spoken_to: Vec::new(),
            speak_at: None,
            mix_at: None,
            mixed_until: None,
            timers: deadlines::Deadlines::default(),
            output: VecDeque::with_capacity(BURST),
        }
    }

    /// Even RTP port numbers that may be used: the shell has bound each and the odd one above it.
    pub fn stock(&mut self, ports: impl IntoIterator<Item = u16>) {
        for number in ports {
            if !stdx::never!(number % 2 == 1 || number == 0, "RTP port {number} is not even") {
                self.stock.push_back(number);
            }
        }
    }

    /// How many port numbers are in stock.
    pub fn free_ports(&self) -> usize {
        self.stock.len()
    }

    /// How many ports are open.
    pub fn open_ports(&self) -> usize {
        self.ports.len()
    }

    /// Opens a port whose descriptions name `local`.
    pub fn open(&mut self, local: IpAddr, now: Instant) -> Result<PortId, NoPorts> {
        let number = self.stock.pop_front().ok_or(NoPorts)?;
        Ok(self.open_number(number, local, now))
    }

    fn open_number(&mut self, number: u16, local: IpAddr, now: Instant) -> PortId {
        self.clock.begin(now);
        let mut port = Port::new(number, local, &mut self.entropy, now);
        port.opened = self.clock.micros(now);
        let id = self.ports.insert(port);
        self.numbers.insert(number, id);
        id
    }

    /// The number of a port's RTP socket; 0 for a closed one.
    pub fn local_port(&self, id: PortId) -> u16 {
        self.ports.get(id).map_or(0, |p| p.number)
    }

    /// The port that has this RTP port number now.
    pub fn port_by_number(&self, number: u16) -> Option<PortId> {
        self.numbers.get(&number).copied()
    }

    /// Tells a port where its peer's signalling comes from: sound from there is believed sooner, from elsewhere later.
    pub fn hint_source(&mut self, id: PortId, signalling: IpAddr) {
        if let Some(port) = self.ports.get_mut(id) {
            port.inbound.source.hint(signalling);
        }
    }

    /// Silence of a port's peer is told after so long instead of [`Config::media_timeout`], unless the call is held.
    pub fn give_up_after(&mut self, id: PortId, silence: Duration) {
        if let Some(port) = self.ports.get_mut(id) {
            port.patience = Some(silence);
        }
    }

    /// Closes a port: it says BYE by RTCP, leaves its bridge and its recording, and its number is released. `None` if it
    /// is closed already.
    pub fn close(&mut self, id: PortId, now: Instant) -> Option<Quality> {
        self.unbridge(id, now);
        self.stop(id);
        self.leave_recording(id, now);
        self.report(id, true, now);
        self.plan_speaker(id, now);
        let port = self.ports.remove(id)?;
        for timer in [Timer::Digit(id), Timer::Report(id), Timer::Silence(id), Timer::Progress(id), Timer::Browser(id)]
        {
            self.timers.cancel(&timer);
        }
        if let Some(browser) = &port.browser {
            self.browsers.forget(id, browser);
        } else {
            self.numbers.remove(&port.number);
            self.output.push_back(Output::Released(port.number));
        }
        Some(port.quality())
    }

    /// How a port sounds so far; nothing but zeros for a closed one.
    pub fn quality(&self, id: PortId, _now: Instant) -> Quality {
        self.ports.get(id).map(Port::quality).unwrap_or_default()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.mix_at.is_some_and(|at| at <= now) {
            self.mix(now);
        }
        if self.speak_at.is_some_and(|at| at <= now) {
            self.speak(now);
        }
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Digit(id) => self.end_digit(id, now),
                Timer::Report(id) => {
                    self.watch(id, now);
                    self.report(id, false, now);
                    let wait = report::interval(self.config.rtcp_interval, &mut self.entropy);
                    self.timers.set(timer, self.clock.next(report::TOGETHER, now + wait));
                }
                Timer::Silence(id) => self.mind_silence(id, now),
                Timer::Progress(id) => self.mind_progress(id, now),
                Timer::Browser(id) => self.mind_browser(id, now),
                Timer::Page(id) => {
                    let Some(recorder) = self.recordings.get_mut(id) else { continue };
                    recorder.advance(now, &mut self.output);
                    self.timers.set(timer, recorder.deadline());
                }
            }
        }
    }

    /// When [`Engine::handle_timeout`] wants to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.timers.next(), self.mix_at, self.speak_at].into_iter().flatten().min()
    }

    /// The next thing to do or know.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    fn end_digit(&mut self, id: PortId, now: Instant) {
        self.end_tone(id, now);
        let Some(port) = self.ports.get_mut(id) else { return };
        let told = port.digits.overdue(now);
        let tone = port.key_ear.as_ref().and_then(|ear| ear.deadline());
        let open = [port.digits.deadline(), tone].into_iter().flatten().min();
        port.listening = open.is_some();
        if let Some(at) = open {
            self.timers.set(Timer::Digit(id), at);
        }
        if let Some(digit) = told {
            self.tell_digit(id, digit, KeyWay::Events, now);
        }
    }

    fn mind_silence(&mut self, id: PortId, now: Instant) {
        let Some(port) = self.ports.get(id) else { return };
        let silence = now.saturating_duration_since(port.heard);
        let timeout = self.config.timeout_of(port);
        if silence >= timeout {
            self.output.push_back(Output::Event(Event::Silent { port: id, silence }));
            self.timers.set(Timer::Silence(id), now + timeout);
        } else {
            self.timers.set(Timer::Silence(id), port.heard + timeout);
        }
    }

    /// Sends an RTCP report, if there is anything to report and somebody to tell.
    fn report(&mut self, id: PortId, bye: bool, now: Instant) {
        let Some(port) = self.ports.get_mut(id) else { return };
        let Some(to) = port.rtcp_target() else { return };
        let reception = port.inbound.report();
        let sending = port.reports.is_sender(port.outbound.packets);
        if reception.is_none() && port.outbound.packets == 0 {
            return;
        }
        let timestamp = port.outbound.timestamp_at(self.clock.micros(now)).filter(|_| sending);
        let report = Report {
            ssrc: port.outbound.ssrc,
            sender: timestamp.map(|timestamp| Sender {
                ntp: self.clock.ntp(now),
                timestamp,
                packets: port.outbound.packets as u32,
                octets: port.outbound.octets as u32,
            }),
            block: reception.map(|r| port.reports.block(&r, now)),
            voip: reception.and_then(|r| port.voip(r.ssrc)).map(|voip| (voip, bursts::GMIN)),
            cname: &port.reports.cname,
            bye,
        };
        let mut data = Datagram::new();
        report.write(&mut data);
        if port.security.as_mut().is_some_and(|security| !security.seal_datagram(&mut data, true)) {
            return;
        }
        let channel = if port.mux { Channel::Rtp } else { Channel::Rtcp };
        self.output.push_back(Output::Transmit { port: port.number, channel, to, data });
    }
}

impl Config {
    fn timeout_of(&self, port: &Port) -> Duration {
        if port.is_held() { self.held_timeout } else { port.patience.unwrap_or(self.media_timeout) }
    }
}
