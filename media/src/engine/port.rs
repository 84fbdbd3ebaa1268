//! A leg's media end: everything that belongs to one port.

use super::activity::{Activity, EVERY, power_of};
use super::alarms::Watch;
use super::browser::Browser;
use super::digits::Digits;
use super::hear::{BusId, Levels, Way};
use super::inband::{KeyEar, LastKeys};
use super::inbound::Inbound;
use super::keys::Keys;
use super::mouth::Mouth;
use super::negotiation::Terms;
use super::outbound::Outbound;
use super::player::Player;
use super::progress::ProgressEar;
use super::quality::{Moment, Quality, RemoteView, mos_of, rating};
use super::recorder::Side;
use super::report::Reports;
use super::routes::Routes;
use super::secure::Security;
use super::types::{InbandDtmf, PortId, RecordingId};
use super::voice::{Rates, Voice};
use crate::g711::Law;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use stdx::Entropy;

/// A packet's time and the time until a phone plays it, added to the network's delay in the E-model.
const PACKET_MS: f32 = 20.0;

/// What a packet looks at stands together, at the end, where the port's place in its map is written too: with thousands of ports, lines of
/// memory that were not looked at lately are most of what a packet costs.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Port {
    pub(super) terms: Terms,
    pub(super) reports: Reports,
    pub(super) digits: Digits,
    /// When keys are listened for in its sound.
    pub(super) inband: InbandDtmf,
    pub(super) last_keys: LastKeys,
    /// Who hears it gets its keys otherwise than as tones.
    pub(super) hides_tones: bool,
    /// Its owner presses keys for it by signalling.
    pub(super) signalled: bool,
    /// It is among those to whom the switch speaks.
    pub(super) spoken_to: bool,
    /// Its recording holds what it hears, not what its peer says: it has no peer.
    pub(super) is_tape: bool,
    /// Its row of the hear-matrix, ordered, and its column.
    pub(super) hears: Vec<PortId>,
    pub(super) heard_by: Vec<PortId>,
    /// By which way it hears, and whose packets it gets if they are relayed to it.
    pub(super) way: Way,
    pub(super) relayed_from: Option<PortId>,
    /// The sum it shares.
    pub(super) bus: Option<BusId>,
    /// What its peer says, decoded; made by the first packet that is wanted so.
    pub(super) voice: Option<Box<Voice>>,
    /// What the switch says to its peer, encoded.
    pub(super) mouth: Option<Box<Mouth>>,
    pub(super) levels: Levels,
    /// What was seen when its report was last due.
    pub(super) watch: Watch,
    /// When it was opened, in the clock's microseconds.
    pub(super) opened: u64,
    /// How long nothing may come of the peer; `None`: as for all ports.
    pub(super) patience: Option<Duration>,
    /// The digits' timer is set.
    pub(super) listening: bool,

    pub(super) player: Option<Player>,
    /// What the switch presses.
    pub(super) keys: Keys,
    /// Whether and how loud its peer speaks.
    pub(super) activity: Activity,
    pub(super) outbound: Outbound,
    pub(super) inbound: Inbound,
    /// When anything of the peer came last, or the count began anew.
    pub(super) heard: Instant,
    pub(super) recording: Option<(RecordingId, Side)>,
    /// To whom its packets pass in place.
    pub(super) relay_to: Option<PortId>,
    /// At which rates its voice is wanted; `None` if not at all.
    pub(super) wanted: Option<Rates>,
    pub(super) routes: Routes,
    /// What listens for keys in its sound.
    pub(super) key_ear: Option<Box<KeyEar>>,
    /// What listens for call progress.
    pub(super) progress: Option<Box<ProgressEar>>,
    /// SRTP, once its keys are agreed.
    pub(super) security: Option<Box<Security>>,
    /// The way to a browser.
    pub(super) browser: Option<Box<Browser>>,
    pub(super) number: u16,
    /// The payload type of the last sound received.
    pub(super) heard_as: Option<u8>,
    /// A recording writes its packets as they come; else what is decoded of them.
    pub(super) records_packets: bool,
    /// Its digits pass on as they come.
    pub(super) digits_relayed: bool,
    pub(super) started: bool,
    /// True if the peer wants our sound.
    pub(super) sending: bool,
    /// True if the peer sends RTCP to the RTP port.
    pub(super) mux: bool,
}

impl Port {
    pub(super) fn new(number: u16, local: IpAddr, entropy: &mut Entropy, now: Instant) -> Self {
        Self {
            number,
            // The sign bit stays clear: some phones read session ids as signed.
            terms: Terms::new(local, number, entropy.u32() >> 1),
            inbound: Inbound::default(),
            outbound: Outbound::new(entropy.u32(), entropy.u32() as u16, entropy.u32()),
            routes: Routes::none(),
            reports: Reports::new(entropy),
            digits: Digits::default(),
            inband: InbandDtmf::default(),
            key_ear: None,
            last_keys: LastKeys::default(),
            progress: None,
            hides_tones: false,
            signalled: false,
            player: None,
            keys: Keys::default(),
            spoken_to: false,
            recording: None,
            is_tape: false,
            hears: Vec::new(),
            heard_by: Vec::new(),
            way: Way::None,
            relayed_from: None,
            relay_to: None,
            bus: None,
            voice: None,
            wanted: None,
            mouth: None,
            levels: Levels::default(),
            activity: Activity::default(),
            watch: Watch::new(now),
            opened: 0,
            security: None,
            browser: None,
            records_packets: true,
            digits_relayed: false,
            heard_as: None,
            patience: None,
            heard: now,
            started: false,
            sending: false,
            mux: false,
            listening: false,
        }
    }

    /// Takes over what the peer's new description says of addresses and directions.
    pub(super) fn follow(&mut self) {
        let Some(remote) = &self.terms.remote else { return };
        self.mux = remote.rtcp_mux;
        self.sending = remote.receives() && !self.terms.send.is_empty();
        // Where a browser is, its checks tell.
        if self.browser.is_some() {
            return;
        }
        // On hold with c=0.0.0.0 the stream has not moved.
        if remote.address.is_some() || !remote.is_holding() {
            self.inbound.source.expect(remote.address);
        }
    }

    /// True if the peer holds us, or is not going to send.
    pub(super) fn is_held(&self) -> bool {
        self.terms.remote.as_ref().is_some_and(super::negotiation::Remote::is_holding)
    }

    /// True if a sound of the switch can be sent.
    pub(super) fn has_voice(&self) -> bool {
        self.speech().is_some()
    }

    /// The payload type of events, and its ticks in 10 ms: of the clock that sound has, if there are several (RFC 4733 §2.5.1.2).
    pub(super) fn event_type(&self) -> Option<(u8, u16)> {
        let events = || self.terms.send.iter().filter(|f| f.is_telephone_event());
        let clock = self.terms.send.iter().find(|f| f.is_sound()).map_or(8_000, |f| f.clock);
        let format = events().find(|f| f.clock == clock).or_else(|| events().next())?;
        Some((format.pt, (format.clock / 100).clamp(1, u32::from(u16::MAX)) as u16))
    }

    /// True while the switch itself speaks to the peer.
    pub(super) fn has_floor(&self) -> bool {
        self.player.is_some() || self.keys.next().is_some()
    }

    /// Where RTP goes, if any is wanted.
    #[inline]
    pub(super) fn rtp_target(&self) -> Option<SocketAddr> {
        if self.sending { self.target() } else { None }
    }

    /// Where its packets go; to a browser nothing goes before there are keys.
    #[inline]
    fn target(&self) -> Option<SocketAddr> {
        match &self.browser {
            None => self.inbound.source.target(),
            Some(browser) => browser.target().filter(|_| self.security.is_some()),
        }
    }

    /// Where RTCP goes: where the peer's comes from, else where its description says, unless its RTP came from
    /// another address than that described.
    pub(super) fn rtcp_target(&self) -> Option<SocketAddr> {
        let remote = self.terms.remote.as_ref()?;
        let rtp = self.target()?;
        if self.mux {
            return Some(rtp);
        }
        match self.reports.from {
            Some(from) if self.inbound.source.trusts(from.ip()) => Some(from),
            Some(_) | None if remote.address == Some(rtp) => remote.rtcp,
            Some(_) | None => rtp.port().checked_add(1).map(|port| SocketAddr::new(rtp.ip(), port)),
        }
    }

    pub(super) fn quality(&self) -> Quality {
        let figures = self.figures(self.inbound.received, self.inbound.lost());
        Quality {
            codec: self.codec_name().to_owned(),
            sent: self.outbound.packets,
            received: self.inbound.received,
            lost: self.inbound.lost(),
            late: self.inbound.late,
            duplicates: self.inbound.duplicates,
            discarded: self.inbound.discarded,
            forged: self.inbound.forged,
            jitter_ms: figures.jitter_ms,
            max_jitter_ms: self.inbound.max_jitter_ms,
            rtt_ms: figures.rtt_ms,
            mos: (self.inbound.received > 0).then(|| mos_of(self.rating(figures))),
            remote: self.remote_view(),
            level_dbov: self.activity.level_dbov(),
            moments: self.watch.moments.clone(),
        }
    }

    /// What was received last, or agreed first.
    fn codec_name(&self) -> &str {
        let heard = self.heard_as.and_then(|pt| self.terms.receive.iter().find(|f| f.pt == pt));
        heard.or_else(|| self.terms.send.first()).map_or("", |f| f.encoding.as_str())
    }

    /// How it is now, with these counts.
    pub(super) fn figures(&self, received: u64, lost: u64) -> Figures {
        Figures {
            loss_percent: lost as f32 * 100.0 / (received + lost).max(1) as f32,
            jitter_ms: self.inbound.jitter_ms(),
            rtt_ms: self.reports.rtt.map(|rtt| rtt.as_secs_f32() * 1_000.0),
        }
    }

    /// The E-model's rating of what came.
    pub(super) fn rating(&self, figures: Figures) -> f32 {
        rating(self.codec_name(), figures.loss_percent, figures.delay_ms())
    }

    /// How we sound to the peer: by its extended report if it sends any, else from its reception report.
    fn remote_view(&self) -> Option<RemoteView> {
        let view = self.reports.view?;
        let there = Figures {
            loss_percent: (view.lost as f32 * 100.0 / view.sent.max(1) as f32).min(100.0),
            jitter_ms: view.jitter as f32 * 10.0 / f32::from(self.outbound.clock()),
            ..self.figures(0, 0)
        };
        let told = self.reports.voip.map(|voip| voip.mos_cq).filter(|mos| (10..=50).contains(mos));
        let mos = told.map_or_else(|| mos_of(self.rating(there)), |mos| f32::from(mos) / 10.0);
        let Figures { loss_percent, jitter_ms, .. } = there;
        Some(RemoteView { lost: view.lost, loss_percent, jitter_ms, mos })
    }

    /// How it was while `came` packets came and `gone` did not, until `at`.
    pub(super) fn moment(&self, at: Duration, came: u64, gone: u64) -> Moment {
        let now = self.figures(came, gone);
        let Figures { loss_percent, jitter_ms, rtt_ms } = now;
        let remote_mos = self.remote_view().map(|remote| remote.mos);
        Moment { at, loss_percent, jitter_ms, rtt_ms, mos: mos_of(self.rating(now)), remote_mos }
    }

    /// A packet of G.711 is looked at: one of several, for all of them. True or false if the peer has begun or ceased to speak.
    #[cold]
    pub(super) fn look_at(&mut self, law: Law, payload: &[u8]) -> Option<bool> {
        let ms = payload.len() as u32 / 8 * u32::from(EVERY);
        self.activity.hear(power_of(law, payload), ms)
    }
}

/// What the E-model wants to know of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) loss_percent: f32,
    pub(super) jitter_ms: f32,
    pub(super) rtt_ms: Option<f32>,
}

impl Figures {
    /// Mouth to ear: the way, a packet, and a jitter buffer that holds back about twice the jitter.
    fn delay_ms(self) -> f32 {
        self.rtt_ms.unwrap_or(0.0) / 2.0 + PACKET_MS + 2.0 * self.jitter_ms
    }
}
