//! Programs that hear a leg, and speak to it: each has a port of its own, whose other end is the shell of this machine.
//!
//! So sound for a program takes the way of all sound: mixed, encoded and sent by the engine, without a lock and without a
//! queue that could grow here. A program that does not read harms nobody.

use crate::cell::Cell;
use media::engine::{Answer, PortId};
use model::{AudioFormat, AudioWish, CallId, LegNo, Listening, Refusal, Reply};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

/// Programs that a call has at one time; one more is refused.
const MAX_PROGRAMS: usize = 4;

/// A program.
#[derive(Debug)]
pub(crate) struct Program {
    id: u64,
    leg: LegNo,
    port: PortId,
    listening: Listening,
    speaks: bool,
}

impl Cell {
    /// Connects a program with a leg.
    pub(crate) fn open_audio(
        &mut self,
        (call, leg): (CallId, LegNo),
        wish: AudioWish,
        now: Instant,
    ) -> Result<Reply, Refusal> {
        let conversation = self.conversations.get(&call).ok_or(Refusal::NoSuchCall)?;
        let end = conversation.legs.get(&leg).ok_or(Refusal::NoSuchLeg)?;
        if end.port.is_none() || end.asking.is_some() || !conversation.call.has_spoken(leg) {
            return Err(Refusal::WrongState);
        }
        if conversation.programs.len() >= MAX_PROGRAMS {
            return Err(Refusal::Overloaded);
        }
        let local = Some(end.flow.local.ip()).filter(IpAddr::is_ipv4).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let port = self.media.open(local, now).map_err(|_| Refusal::Overloaded)?;
        let offered = self.media.set_remote_offer(port, offer(&wish).as_bytes(), now);
        if offered.is_err() || self.media.make_answer(port, Answer::Own, now).is_none() {
            self.media.close(port, now);
            return Err(Refusal::WrongState);
        }
        let address = SocketAddr::new(local, self.media.local_port(port));
        let conversation = self.conversations.get_mut(&call).ok_or(Refusal::NoSuchCall)?;
        conversation.last_program += 1;
        let (id, AudioWish { listening, speaks, .. }) = (conversation.last_program, wish);
        conversation.programs.push(Program { id, leg, port, listening, speaks });
        self.seat_programs(call, now);
        Ok(Reply::Audio { id, address })
    }

    /// A program goes.
    pub(crate) fn close_audio(&mut self, call: CallId, id: u64, now: Instant) -> Result<Reply, Refusal> {
        let conversation = self.conversations.get_mut(&call).ok_or(Refusal::NoSuchCall)?;
        let place = conversation.programs.iter().position(|program| program.id == id).ok_or(Refusal::NoSuchLeg)?;
        let program = conversation.programs.remove(place);
        self.media.close(program.port, now);
        self.seat_parties(call, now);
        Ok(Reply::Done)
    }

    /// A leg is gone, and its programs with it; without one, all of the call.
    pub(crate) fn close_programs(&mut self, call: CallId, leg: Option<LegNo>, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&call) else { return };
        let goes = |program: &Program| leg.is_none_or(|leg| program.leg == leg);
        let (gone, stay) = std::mem::take(&mut conversation.programs).into_iter().partition(goes);
        conversation.programs = stay;
        let gone: Vec<Program> = gone;
        for program in gone {
            self.media.close(program.port, now);
        }
    }

    /// Programs hear what they shall, and are heard by whom they shall.
    pub(crate) fn seat_programs(&mut self, call: CallId, now: Instant) {
        let Some(known) = self.conversations.get(&call).filter(|c| !c.programs.is_empty()) else { return };
        let programs: Vec<PortId> = known.programs.iter().map(|program| program.port).collect();
        let mut rows: Vec<(PortId, Vec<PortId>)> = Vec::new();
        for program in &known.programs {
            let Some(port) = known.port(program.leg) else { continue };
            let others = self.media.hearing(port).iter().copied().filter(|heard| !programs.contains(heard));
            let row = match program.listening {
                Listening::Says => vec![port],
                Listening::Hears => others.collect(),
                Listening::Both => others.chain([port]).collect(),
            };
            rows.push((program.port, row));
        }
        for (port, row) in rows {
            self.media.hear(port, &row, now);
        }
        self.seat_parties(call, now);
    }

    /// Whom a leg hears beside its partner: supervisors who speak to it, and programs.
    pub(crate) fn also_heard_by(&self, call: CallId, leg: LegNo) -> Vec<PortId> {
        let Some(known) = self.conversations.get(&call) else { return Vec::new() };
        let supervisors = known.supervisors.iter().filter(|s| s.is_heard_by(leg));
        let supervisors = supervisors.filter_map(|s| self.port_of_leg(s.at));
        let programs = known.programs.iter().filter(|program| program.speaks && program.leg == leg);
        supervisors.chain(programs.map(|program| program.port)).collect()
    }
}

/// What the shell would offer for a program.
fn offer(wish: &AudioWish) -> String {
    let (port, here) = (wish.port, Ipv4Addr::LOCALHOST);
    let format = match wish.format {
        AudioFormat::Pcm8 => "L16/8000",
        AudioFormat::Pcm16 => "L16/16000",
        AudioFormat::Opus => "opus/48000/2",
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 {here}\r\ns=-\r\nc=IN IP4 {here}\r\nt=0 0\r\nm=audio {port} RTP/AVP 96\r\na=rtpmap:96 {format}\r\n\
         a=ptime:20\r\na=rtcp-mux\r\n"
    )
}
