//! What is over: call records.

use super::names;
use model::{
    CallRecord, Cause, Direction, LegOrigin, LegRecord, Outcome, ProgressHeard, Quality, QualityMoment, RecordingFile,
    Side, Verification,
};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Some call records, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordPage {
    /// The records.
    pub(crate) items: Vec<RecordOut>,
    /// How many match in all, on all pages.
    pub(crate) total: u64,
    /// `cursor` of the next page; `null` on the last.
    pub(crate) next: Option<String>,
}

/// A finished call.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordOut {
    /// The call's UUID.
    id: String,
    /// Who called.
    caller: String,
    /// The caller's display name; empty if none.
    caller_name: String,
    /// What was dialled.
    callee: String,
    #[schema(schema_with = names::directions)]
    direction: Direction,
    /// The trunk it came from or went to.
    trunk: Option<String>,
    /// When it reached the switch.
    started_at: u64,
    /// When the first called phone rang.
    ringing_at: Option<u64>,
    /// When the called party answered.
    answered_at: Option<u64>,
    /// When it was over.
    ended_at: u64,
    /// From its start to the first ringing.
    setup_ms: Option<u64>,
    /// How long the parties could speak; 0 if nobody answered.
    talk_ms: u64,
    #[schema(schema_with = names::outcomes)]
    outcome: Outcome,
    #[schema(schema_with = names::sides)]
    ended_by: Side,
    /// Why it ended.
    cause: CauseOut,
    /// What exactly went wrong; empty where nothing did.
    note: String,
    /// Every party, the caller first.
    legs: Vec<LegRecordOut>,
    /// What was recorded; `null` if nothing.
    recording: Option<RecordingOut>,
    /// The files after the first: of a recording that was begun again, or became too long for one file.
    more_recordings: Vec<RecordingOut>,
    /// What it cost, in millionths of the currency; `null` if it was not answered by way of a trunk.
    cost: Option<u64>,
    /// Its price in millionths per minute; `null` as `cost`.
    price_per_minute: Option<u64>,
    /// What the client that placed it wanted kept.
    variables: BTreeMap<String, String>,
    /// What the signature of the caller's number was worth; `null` if nobody looked at it.
    verification: Option<VerificationOut>,
    /// Its way through a queue, the last one; `null` if it was in none.
    queue: Option<QueueVisitOut>,
    /// The extensions that forwarded it, the first first.
    forwarded_from: Vec<ForwardedFromOut>,
    /// How the caller said it was served; `null`: it was not asked, or did not answer.
    satisfaction: Option<u8>,
    /// It went on after the switch had died: how long nobody could speak; `null` if it did not.
    outage_ms: Option<u64>,
}

/// An extension that forwarded a call.
#[derive(Serialize, ToSchema)]
pub(crate) struct ForwardedFromOut {
    /// Its number.
    number: String,
    /// Why: `always`, `busy`, `no_answer` or `offline`.
    why: &'static str,
}

impl From<model::ForwardedFrom> for ForwardedFromOut {
    fn from(from: model::ForwardedFrom) -> Self {
        Self { number: from.number, why: from.why.name() }
    }
}

/// A call's way through a queue.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueueVisitOut {
    /// Which queue.
    queue: String,
    /// It came.
    entered_at: u64,
    /// The phone of an agent rang for it, the last time.
    ringing_at: Option<u64>,
    /// The agent who was asked last, and who took it if one did; empty if nobody was.
    agent: String,
    /// An agent took it.
    answered_at: Option<u64>,
    /// How often an agent was asked.
    attempts: u32,
    /// It waited no longer.
    left_at: Option<u64>,
}

impl From<model::QueueVisit> for QueueVisitOut {
    fn from(visit: model::QueueVisit) -> Self {
        let model::QueueVisit { queue, entered_at, ringing_at, agent, answered_at, attempts, left_at } = visit;
        Self { queue, entered_at, ringing_at, agent, answered_at, attempts, left_at }
    }
}

/// A cause in the two languages of signalling.
#[derive(Serialize, ToSchema)]
pub(crate) struct CauseOut {
    /// SIP status.
    sip: u16,
    /// ITU-T Q.850 cause.
    q850: u8,
}

/// One party of a finished call.
#[derive(Serialize, ToSchema)]
pub(crate) struct LegRecordOut {
    /// 0 is the caller.
    no: u16,
    /// The party's number.
    number: String,
    /// Where its signalling was, `address:port`; empty if unknown.
    remote: String,
    /// The phone's User-Agent; empty if it told none.
    user_agent: String,
    /// The SIP Call-ID of its dialog.
    sip_call_id: String,
    #[schema(schema_with = names::outcomes)]
    outcome: Outcome,
    /// Why it ended.
    cause: CauseOut,
    /// The codec spoken, for example `PCMA`; empty if no sound was agreed.
    codec: String,
    /// How its sound was; `null` if it never had any.
    quality: Option<QualityOut>,
    /// How it came into the call.
    #[schema(schema_with = names::leg_origins)]
    origin: &'static str,
    /// The leg that diverted or transferred to it, or whose place it took; `null` for others.
    origin_leg: Option<u16>,
    /// The call that it came from; `null` for others.
    origin_call: Option<String>,
    /// When it began to speak with somebody in this call; `null` if it never did.
    answered_at: Option<u64>,
    /// When it was over.
    ended_at: u64,
    /// What was heard of how the call to it proceeded, where that was listened for.
    heard: Vec<HeardOut>,
}

/// A tone, an announcement, a person or a machine.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeardOut {
    /// `ringback`, `busy`, `congestion`, `unobtainable`, `fax_calling`, `fax_answering`, `human`, `machine`, `announcement`.
    signal: &'static str,
    /// How sure that is, percent.
    confidence: u8,
    /// When, milliseconds after the party was called.
    at_ms: u32,
}

/// The sound of one party, as it reached the switch.
#[derive(Serialize, ToSchema)]
pub(crate) struct QualityOut {
    /// RTP packets received.
    received: u64,
    /// Packets that never came.
    lost: u64,
    /// Share of packets lost, per cent.
    loss_percent: f32,
    /// Interarrival jitter at the end.
    jitter_ms: f32,
    /// The worst jitter.
    max_jitter_ms: f32,
    /// Round trip; `null` where the party sent no reports.
    rtt_ms: Option<f32>,
    /// Mean opinion score by the E-model, 1.0 to 4.5; `null` where no sound came.
    mos: Option<f32>,
    /// RTP packets sent to this party.
    sent: u64,
    /// Share lost of what was sent to it, per cent, as it reported; `null` without reports.
    remote_loss_percent: Option<f32>,
    /// How our sound was to the party, by its reports, 1.0 to 4.5; `null` without reports.
    remote_mos: Option<f32>,
    /// The level of its speech, dB below full scale; `null` where none was heard, or its codec was only passed on.
    level_dbov: Option<f32>,
    /// How it was over time: at most 64 stretches of equal length, each with its worst.
    over_time: Vec<MomentOut>,
}

/// How the sound of one party was in a stretch of time.
#[derive(Serialize, ToSchema)]
pub(crate) struct MomentOut {
    /// When the stretch ended, since the party's sound was set up.
    at_ms: u64,
    /// Share of packets lost on their way to the switch, per cent.
    loss_percent: f32,
    /// Jitter.
    jitter_ms: f32,
    /// Round trip; `null` where the party sent no reports.
    rtt_ms: Option<f32>,
    /// How the party sounded, 1.0 to 4.5.
    mos: f32,
    /// How our sound was to the party; `null` without reports.
    remote_mos: Option<f32>,
}

/// What the signature of a caller's number (STIR/SHAKEN) was worth.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerificationOut {
    /// `passed`, `failed`, or `unchecked` where there was nothing to check or no way to.
    verdict: &'static str,
    /// `A`, `B` or `C`: what the signer vouches for; `null` without a good signature.
    attestation: Option<char>,
    /// The signer's name for where the call came from; empty if it gave none.
    origid: String,
    /// Why it did not pass; empty if it did.
    note: String,
}

/// A recording, to be had at `/patchbay/v1/records/{id}/recording`, files after the first with `?file=2` and so on.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecordingOut {
    /// Path below the recordings' folder.
    path: String,
    /// Length of the sound.
    length_ms: u64,
    /// False if something is missing.
    complete: bool,
    /// What is missing and why; empty if complete.
    note: String,
}

impl From<CallRecord> for RecordOut {
    fn from(record: CallRecord) -> Self {
        let (setup_ms, talk_ms) = (record.setup_ms(), record.talk_ms());
        Self {
            id: record.id.to_string(),
            caller: record.caller,
            caller_name: record.caller_name,
            callee: record.callee,
            direction: record.direction,
            trunk: record.trunk,
            started_at: record.started_at,
            ringing_at: record.ringing_at,
            answered_at: record.answered_at,
            ended_at: record.ended_at,
            setup_ms,
            talk_ms,
            outcome: record.outcome,
            ended_by: record.ended_by,
            cause: record.cause.into(),
            note: record.note,
            legs: record.legs.into_iter().map(LegRecordOut::from).collect(),
            recording: record.recording.map(RecordingOut::from),
            more_recordings: record.more_recordings.into_iter().map(RecordingOut::from).collect(),
            cost: record.charge.map(|charge| charge.cost),
            price_per_minute: record.charge.map(|charge| charge.price.per_minute),
            variables: record.variables,
            verification: record.verification.map(VerificationOut::from),
            queue: record.queue.map(QueueVisitOut::from),
            forwarded_from: record.forwarded_from.into_iter().map(ForwardedFromOut::from).collect(),
            satisfaction: record.satisfaction,
            outage_ms: record.outage_ms,
        }
    }
}

impl From<Verification> for VerificationOut {
    fn from(verification: Verification) -> Self {
        let Verification { verdict, attestation, origid, note } = verification;
        Self { verdict: verdict.name(), attestation, origid, note }
    }
}

impl From<LegRecord> for LegRecordOut {
    fn from(leg: LegRecord) -> Self {
        let LegRecord { no, number, remote, user_agent, sip_call_id, outcome, cause, codec, quality, .. } = leg;
        let LegRecord { origin, answered_at, ended_at, heard, .. } = leg;
        let (cause, quality) = (cause.into(), quality.map(QualityOut::from));
        let (origin, origin_leg, origin_call) = match origin {
            LegOrigin::Caller => ("caller", None, None),
            LegOrigin::Dialled => ("dialled", None, None),
            LegOrigin::Diverted { from } => ("diverted", Some(from), None),
            LegOrigin::Transferred { by } => ("transferred", Some(by), None),
            LegOrigin::PickedUp { of } => ("picked_up", Some(of), None),
            LegOrigin::Replaced { of } => ("replaced", Some(of), None),
            LegOrigin::Listening { to } => ("listening", Some(to), None),
            LegOrigin::Summoned => ("summoned", None, None),
            LegOrigin::Offered => ("offered", None, None),
            LegOrigin::FromCall { call, of } => ("from_call", Some(of), Some(call.to_string())),
        };
        Self {
            no,
            number,
            remote,
            user_agent,
            sip_call_id,
            outcome,
            cause,
            codec,
            quality,
            origin,
            origin_leg,
            origin_call,
            answered_at,
            ended_at,
            heard: heard.into_iter().map(HeardOut::from).collect(),
        }
    }
}

impl From<ProgressHeard> for HeardOut {
    fn from(ProgressHeard { signal, confidence, at_ms }: ProgressHeard) -> Self {
        Self { signal: signal.name(), confidence, at_ms }
    }
}

impl From<Cause> for CauseOut {
    fn from(Cause { sip, q850 }: Cause) -> Self {
        Self { sip, q850 }
    }
}

impl From<Quality> for QualityOut {
    fn from(quality: Quality) -> Self {
        let Quality { received, lost, loss_percent, jitter_ms, max_jitter_ms, rtt_ms, mos, sent, .. } = quality;
        let Quality { remote_loss_percent, remote_mos, level_dbov, over_time, .. } = quality;
        let over_time = over_time.into_iter().map(MomentOut::from).collect();
        Self {
            received,
            lost,
            loss_percent,
            jitter_ms,
            max_jitter_ms,
            rtt_ms,
            mos,
            sent,
            remote_loss_percent,
            remote_mos,
            level_dbov,
            over_time,
        }
    }
}

impl From<QualityMoment> for MomentOut {
    fn from(QualityMoment { at_ms, loss_percent, jitter_ms, rtt_ms, mos, remote_mos }: QualityMoment) -> Self {
        Self { at_ms, loss_percent, jitter_ms, rtt_ms, mos, remote_mos }
    }
}

impl From<RecordingFile> for RecordingOut {
    fn from(RecordingFile { path, length_ms, complete, note }: RecordingFile) -> Self {
        Self { path, length_ms, complete, note }
    }
}
