//! A page by the `rtc` crate.

use media::testing::{Frame, Peer, Sent};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_PCMA, MIME_TYPE_TELEPHONE_EVENT, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::configuration::{RTCConfigurationBuilder, RTCOfferOptions};
use rtc::peer_connection::message::{RTCMessage, TaggedRTCMessage};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCDtlsRole, RTCIceCandidate};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpSenderId, RTCRtpTransceiverDirection};
use rtc::sansio::Protocol;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const SSRC: u32 = 0x5eed;
const A_LAW: u8 = 8;
const EVENTS: u8 = 126;
const KEYS: &[u8] = b"0123456789*#ABCD";

/// One that begins the handshake where it answers.
pub(crate) fn active(at: SocketAddr, now: Instant) -> Box<dyn Peer> {
    Box::new(RtcPeer::new(at, RTCDtlsRole::Client, now))
}

/// One that waits for it.
pub(crate) fn passive(at: SocketAddr, now: Instant) -> Box<dyn Peer> {
    Box::new(RtcPeer::new(at, RTCDtlsRole::Server, now))
}

struct RtcPeer {
    connection: RTCPeerConnection,
    sender: RTCRtpSenderId,
    at: SocketAddr,
    waiting: bool,
    sequence: u16,
    timeout: Option<Instant>,
    sent: Vec<Sent>,
    heard: Vec<Frame>,
    digits: String,
    last_press: Option<u32>,
}

impl std::fmt::Debug for RtcPeer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtcPeer").field("at", &self.at).finish_non_exhaustive()
    }
}

fn codec(mime_type: &str, payload_type: u8, fmtp: &str) -> RTCRtpCodecParameters {
    let rtp_codec = RTCRtpCodec {
        mime_type: mime_type.to_owned(),
        clock_rate: 8_000,
        channels: 0,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: Vec::new(),
    };
    RTCRtpCodecParameters { rtp_codec, payload_type }
}

impl RtcPeer {
    fn new(at: SocketAddr, role: RTCDtlsRole, now: Instant) -> Self {
        let mut engine = MediaEngine::default();
        let voice = codec(MIME_TYPE_PCMA, A_LAW, "");
        for codec in [voice.clone(), codec(MIME_TYPE_TELEPHONE_EVENT, EVENTS, "0-15")] {
            engine.register_codec(codec, RtpCodecKind::Audio).unwrap();
        }
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_configuration(RTCConfigurationBuilder::new().build())
            .with_setting_engine(SettingEngineBuilder::new().with_answering_dtls_role(role).build())
            .with_media_engine(engine)
            .build(now)
            .unwrap();
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(SSRC), ..Default::default() },
            codec: voice.rtp_codec,
            ..Default::default()
        };
        let (stream, track, label) = ("stream".to_owned(), "track".to_owned(), "voice".to_owned());
        let track = MediaStreamTrack::new(stream, track, label, RtpCodecKind::Audio, vec![encoding]);
        let sender = connection.add_track(track).unwrap();
        Self {
            connection,
            sender,
            at,
            waiting: false,
            sequence: 0,
            timeout: Some(now),
            sent: Vec::new(),
            heard: Vec::new(),
            digits: String::new(),
            last_press: None,
        }
    }

    fn name_address(&mut self) {
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: self.at.ip().to_string(),
            port: self.at.port(),
            component: 1,
            ..Default::default()
        };
        let candidate = CandidateHostConfig { base_config, ..Default::default() }.new_candidate_host().unwrap();
        let candidate = RTCIceCandidate::from(&candidate).to_json().unwrap();
        self.connection.add_local_candidate(candidate).unwrap();
    }

    fn described(&self) -> Vec<u8> {
        self.connection.local_description().map(|description| description.sdp.into_bytes()).unwrap_or_default()
    }

    fn send_rtp(&mut self, payload_type: u8, timestamp: u32, payload: &[u8], now: Instant) {
        let header = rtc::rtp::Header {
            version: 2,
            payload_type,
            sequence_number: self.sequence,
            timestamp,
            ssrc: SSRC,
            ..Default::default()
        };
        self.sequence = self.sequence.wrapping_add(1);
        let packet = rtc::rtp::Packet { header, payload: payload.to_vec().into() };
        if let Some(mut sender) = self.connection.rtp_sender(self.sender) {
            // What comes before the handshake is over is heard by nobody.
            let _ = sender.write_rtp(now, packet);
        }
    }

    /// The number that keys have here.
    fn events(&mut self) -> Option<u8> {
        let mut sender = self.connection.rtp_sender(self.sender)?;
        let codecs = &sender.get_parameters().rtp_parameters.codecs;
        let events = |codec: &&RTCRtpCodecParameters| {
            codec.rtp_codec.mime_type.eq_ignore_ascii_case(MIME_TYPE_TELEPHONE_EVENT)
                && codec.rtp_codec.clock_rate == 8_000
        };
        codecs.iter().find(events).map(|codec| codec.payload_type)
    }

    fn hear(&mut self, packet: &rtc::rtp::Packet) {
        let header = &packet.header;
        if Some(header.payload_type) == self.events() {
            if self.last_press.replace(header.timestamp) != Some(header.timestamp) {
                let key = packet.payload.first().and_then(|event| KEYS.get(usize::from(*event)));
                self.digits.extend(key.map(|key| char::from(*key)));
            }
            return;
        }
        let (payload_type, timestamp) = (header.payload_type, header.timestamp);
        self.heard.push(Frame { payload_type, timestamp, payload: packet.payload.to_vec() });
    }

    fn drain(&mut self, now: Instant) {
        while let Some(out) = self.connection.poll_write() {
            let (from, to) = (out.transport.local_addr, out.transport.peer_addr);
            self.sent.push(Sent { from, to, data: out.message.to_vec() });
        }
        while self.connection.poll_event().is_some() {}
        while let Some(TaggedRTCMessage { message, .. }) = self.connection.poll_read() {
            if let RTCMessage::RtpPacket(_, packet) = message {
                self.hear(&packet);
            }
        }
        self.timeout = self.connection.poll_timeout().map(|at| at.max(now + Duration::from_millis(1)));
    }
}

impl Peer for RtcPeer {
    fn offer(&mut self, direction: &str, restart: bool, now: Instant) -> Vec<u8> {
        let direction = match direction {
            "sendonly" => RTCRtpTransceiverDirection::Sendonly,
            "recvonly" => RTCRtpTransceiverDirection::Recvonly,
            "inactive" => RTCRtpTransceiverDirection::Inactive,
            _ => RTCRtpTransceiverDirection::Sendrecv,
        };
        let first = self.connection.get_transceivers().next();
        if let Some(mut transceiver) = first.and_then(|id| self.connection.rtp_transceiver(id)) {
            transceiver.set_direction(direction);
        }
        let options = RTCOfferOptions { ice_restart: restart };
        let offer = self.connection.create_offer(Some(options)).unwrap();
        self.connection.set_local_description(now, offer).unwrap();
        self.name_address();
        self.waiting = true;
        self.drain(now);
        self.described()
    }

    fn take_answer(&mut self, sdp: &[u8], now: Instant) -> Result<(), String> {
        self.waiting = false;
        let text = String::from_utf8_lossy(sdp).into_owned();
        let answer = RTCSessionDescription::answer(text).map_err(|e| e.to_string())?;
        self.connection.set_remote_description(now, answer).map_err(|e| e.to_string())?;
        self.drain(now);
        Ok(())
    }

    fn is_waiting(&self) -> bool {
        self.waiting
    }

    fn answer(&mut self, sdp: &[u8], now: Instant) -> Result<Vec<u8>, String> {
        let text = String::from_utf8_lossy(sdp).into_owned();
        let offer = RTCSessionDescription::offer(text).map_err(|e| e.to_string())?;
        self.connection.set_remote_description(now, offer).map_err(|e| e.to_string())?;
        let answer = self.connection.create_answer(None).map_err(|e| e.to_string())?;
        self.connection.set_local_description(now, answer).map_err(|e| e.to_string())?;
        self.name_address();
        self.drain(now);
        Ok(self.described())
    }

    fn speak(&mut self, payload_type: u8, timestamp: u64, payload: &[u8], key: Option<u8>, now: Instant) {
        match key.zip(self.events()) {
            // A key that was pressed for 100 ms, told thrice as RFC 4733 §2.5.1.4 wants the end told.
            Some((key, events)) => {
                for _ in 0..3 {
                    self.send_rtp(events, timestamp as u32, &[key, 0x8a, 3, 32], now);
                }
            }
            None => self.send_rtp(payload_type, timestamp as u32, payload, now),
        }
        self.drain(now);
    }

    fn handle_datagram(&mut self, from: SocketAddr, to: SocketAddr, data: &[u8], now: Instant) {
        let transport =
            TransportContext { local_addr: to, peer_addr: from, ecn: None, transport_protocol: TransportProtocol::UDP };
        let _ = self.connection.handle_read(TaggedBytesMut { now, transport, message: data.into() });
        self.drain(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.timeout.is_some_and(|at| at <= now) {
            let _ = self.connection.handle_timeout(now);
            self.drain(now);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn take_sent(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }

    fn take_heard(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.heard)
    }

    fn take_digits(&mut self) -> String {
        std::mem::take(&mut self.digits)
    }
}
