//! What the media engine reports, told to the calls and to the shell.

use crate::cell::Cell;
use crate::io::Output;
use call::{Input, Party, PartyKind};
use media::engine::{EndReason, Event, NoPorts, PortId};
use model::{EventBody, MediaKind};
use sip_stack::endpoint::{Flow, Transport};
use std::time::Instant;

impl Cell {
    /// Opens a port for a party: to a page if it is one and there are legs to pages, else for plain RTP. `page` is whether it looks like one;
    /// the settings of its extension go before that.
    pub(crate) fn open_leg(
        &mut self,
        party: &Party,
        page: bool,
        (flow, urgent): (Flow, bool),
        now: Instant,
    ) -> Result<PortId, NoPorts> {
        let extension = self.directory.extension(&party.number).filter(|_| party.kind == PartyKind::Extension);
        let page = match extension.map_or(MediaKind::Auto, |extension| extension.media) {
            MediaKind::Auto => page,
            MediaKind::Rtp => false,
            MediaKind::Webrtc => true,
        };
        if page && self.config.browsers.is_some() {
            // Pages share a socket: the first of them takes its number from the stock, and what is kept for emergency calls stays there.
            if self.media.shared_port().is_none() && !self.may_take_port(urgent) {
                return Err(NoPorts);
            }
            self.media.open_browser(flow.local.ip(), now)
        } else {
            self.open_port(flow, urgent, now)
        }
    }

    /// Takes everything the engine has to say; false if that was nothing.
    pub(crate) fn hear_media(&mut self, now: Instant) -> bool {
        let mut news = false;
        while let Some(output) = self.media.poll_output() {
            news = true;
            self.on_media(output, now);
        }
        news
    }

    fn on_media(&mut self, output: media::engine::Output, now: Instant) {
        match output {
            media::engine::Output::Transmit { port, channel, to, data } => {
                self.out.push_back(Output::Rtp { port, channel, to, data });
            }
            media::engine::Output::Page { recording, page } => {
                if !self.on_message_page(recording, &page, now) {
                    self.on_page(recording, &page, now);
                }
                self.out.push_back(Output::RecordingPage { recording: self.recording_key(recording), page });
            }
            media::engine::Output::RecordingEnded { recording, samples, missing, reason } => {
                let note = match reason {
                    EndReason::UnsupportedCodec => "this codec cannot be recorded yet".to_owned(),
                    EndReason::Stopped if missing > 0 => format!("{} ms were not written in time", missing / 8),
                    EndReason::Stopped => String::new(),
                };
                self.on_recording_ended(recording, samples, note, now);
            }
            media::engine::Output::Released(number) => self.out.push_back(Output::Released(number)),
            media::engine::Output::Event(event) => self.on_media_event(event, now),
        }
    }

    fn on_media_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Silent { port, silence } => {
                let Some((id, leg)) = self.ports.get(port).copied() else { return };
                let Some(conversation) = self.conversations.get(&id) else { return };
                // Whether a party of another cell is still there is that cell's business.
                if conversation.legs.get(&leg).is_some_and(|end| end.link.is_some()) {
                    return;
                }
                let joined = conversation.joined_at;
                // Silence while it rang says nothing about the conversation.
                if joined.is_some_and(|at| now.saturating_duration_since(at) >= silence) {
                    self.facts.push_back((id, Input::Silent { leg }));
                }
            }
            Event::Played { port, tag, played, digit } => {
                if let Some(at) = self.ports.get(port).copied()
                    && !self.played(at, (tag, played), digit.is_some(), now)
                    && !self.mailbox_said(at.0, at.1, now)
                    && !self.survey_said(at.0, now)
                {
                    self.facts.push_back((at.0, Input::Announced));
                }
            }
            Event::Dtmf { port, digit, duration, in_band } => {
                if let Some(at) = self.ports.get(port).copied() {
                    self.on_key(at, (digit, duration), in_band, now);
                }
            }
            Event::Quality { port, moment } => self.on_quality(port, &moment, now),
            Event::Alarm { port, alarm, on } => self.on_sound_alarm(port, alarm, on, now),
            Event::Speaking { port, speaking, level_dbov } => {
                if let Some((call, leg)) = self.ports.get(port).copied() {
                    self.tell(EventBody::VoiceActivity { call, leg, speaking, level_dbov }, now);
                }
            }
            Event::Progress { port, signal, confidence, at } => self.on_progress(port, signal, confidence, at, now),
            Event::Insecure { port } => {
                let Some((id, leg)) = self.ports.get(port).copied() else { return };
                tracing::info!(call = %id, leg, "a browser could not be spoken with securely");
                self.facts.push_back((id, Input::Silent { leg }));
            }
            Event::Started { .. } => {}
        }
    }
}

/// True if a phone signals as pages do (RFC 7118).
pub(crate) fn is_by_websocket(flow: Flow) -> bool {
    matches!(flow.transport, Transport::Ws | Transport::Wss)
}

/// The engine's figures in the record's form; none where no sound came and none was sent.
pub(crate) fn quality(heard: &media::engine::Quality) -> Option<model::Quality> {
    (heard.received > 0 || heard.sent > 0).then(|| model::Quality {
        received: heard.received,
        lost: heard.lost,
        loss_percent: heard.loss_percent(),
        jitter_ms: heard.jitter_ms,
        max_jitter_ms: heard.max_jitter_ms,
        rtt_ms: heard.rtt_ms,
        mos: heard.mos,
        sent: heard.sent,
        remote_loss_percent: heard.remote.map(|remote| remote.loss_percent),
        remote_mos: heard.remote.map(|remote| remote.mos),
        level_dbov: heard.level_dbov,
        over_time: heard.moments.iter().map(crate::quality::moment).collect(),
    })
}
