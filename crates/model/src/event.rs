//! What the switch says while it works.

mod facts;

use crate::{
    AgentState, BanReason, CallId, CallRecord, Cause, Direction, Duty, ForwardReason, LeftHow, LegNo, OfferFailure,
    Outcome, PlaybackEnd, ProgressHeard, QualityMoment, RecordingWish, SoundAlarm, Spent, Supervision, TextMessage,
    TrunkRegistration, TrunkState, Verification,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use stdx::UnixMillis;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub body: EventBody,
}

/// The kinds of things that happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventBody {
    /// A contact of an extension came, stayed or went.
    RegistrationChanged {
        /// The extension.
        extension: String,
        /// What changed.
        change: RegistrationChange,
        /// The contact's URI.
        contact: String,
        /// Where it is, `address:port`.
        remote: String,
    },
    /// A trunk came up or went down, or its registration there changed.
    TrunkChanged {
        /// Its name.
        trunk: String,
        /// Whether it can be called now.
        state: TrunkState,
        /// What came of registering there; `None` where that is not wanted.
        registration: Option<TrunkRegistration>,
        /// Why; empty where all is well.
        note: String,
    },
    /// A call waits for a phone that sleeps: its push service shall wake it (RFC 8599).
    PushWanted {
        /// The extension.
        extension: String,
        /// Whose service, such as `apns` or `fcm`.
        provider: String,
        /// The phone there.
        prid: String,
        /// What the provider wants besides; empty if nothing.
        param: String,
    },
    /// A text reached us.
    MessageReceived {
        /// The text.
        message: Box<TextMessage>,
    },
    /// A text has reached its receiver.
    MessageDelivered {
        /// The text.
        message: Box<TextMessage>,
    },
    /// A text will not reach its receiver: it was refused, or waited too long.
    MessageFailed {
        /// The text.
        message: Box<TextMessage>,
    },
    /// A call reached us.
    CallStarted {
        /// Which.
        call: CallId,
        /// Who calls.
        caller: String,
        /// What was dialled.
        callee: String,
        /// Where from and to, as far as known.
        direction: Direction,
    },
    /// A phone is being called.
    LegDialing {
        /// In which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// Its number.
        number: String,
    },
    /// The signature of the caller's number was looked at.
    CallerVerified {
        /// Of which call.
        call: CallId,
        /// What it is worth.
        verification: Verification,
    },
    /// A phone rings.
    LegRinging {
        /// In which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// True if it sends sound of its own already.
        early_media: bool,
    },
    /// The caller's own phone, which was called first, has answered; now the number is called.
    CallerAnswered {
        /// Which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
    },
    /// A party listens to the others, who do not hear it.
    LegListening {
        /// In which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// Its number.
        number: String,
        /// The leg by whose dialog it came in.
        to: LegNo,
    },
    /// The trunk of a leg has taken its party to another number; both legs are free.
    HandedOver {
        /// In which call.
        call: CallId,
        /// The leg of who wanted it.
        by: LegNo,
        /// The leg whose party went.
        leg: LegNo,
        /// Where to.
        to: String,
    },
    /// The called party answered; the caller and this leg hear each other.
    CallAnswered {
        /// Which.
        call: CallId,
        /// Who answered.
        leg: LegNo,
    },
    /// A leg is gone.
    LegEnded {
        /// In which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// What came of it.
        outcome: Outcome,
        /// Why.
        cause: Cause,
    },
    /// A daily cap of spending is near, or reached.
    SpendingAlert {
        /// The extension whose cap it is; `None`: that of the whole switch.
        extension: Option<String>,
        /// How much of the cap is used up: 80 or 100.
        percent: u8,
        /// What was spent today.
        spent: Spent,
    },
    /// A called phone sent the call on.
    LegDiverted {
        /// In which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// Where to.
        number: String,
    },
    /// A call goes elsewhere, as the extension wants it that it was for.
    CallForwarded {
        /// Which call.
        call: CallId,
        /// The extension.
        from: String,
        /// Where to: a number, or the name of a queue or a prompt.
        to: String,
        /// Why.
        why: ForwardReason,
    },
    /// A call has reached a ring group, whose members are called now.
    RingGroupCalled {
        /// Which call.
        call: CallId,
        /// The group's name.
        group: String,
    },
    /// A caller was asked how it was served.
    SatisfactionGiven {
        /// Which call.
        call: CallId,
        /// Of which queue.
        queue: String,
        /// Who took it.
        agent: String,
        /// What it answered; `None`: nothing.
        score: Option<u8>,
    },
    /// A caller has left a message.
    VoicemailLeft {
        /// By which call.
        call: CallId,
        /// In which mailbox.
        mailbox: String,
        /// Who; empty if that is not known.
        from: String,
        /// Its length, milliseconds.
        length_ms: u64,
    },
    /// A party put the call on hold, or took it back.
    LegHeld {
        /// In which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// On hold.
        held: bool,
    },
    /// A party sends the other to somebody else, who is now looked for.
    CallTransferred {
        /// In which call.
        call: CallId,
        /// The leg of who does.
        by: LegNo,
        /// The leg that is sent.
        leg: LegNo,
        /// Where to.
        to: String,
    },
    /// The new party has answered.
    TransferDone {
        /// In which call.
        call: CallId,
        /// The leg of who wanted it.
        by: LegNo,
        /// The new leg.
        leg: LegNo,
    },
    /// The new party will not answer; who was sent goes back, if there is a way.
    TransferFailed {
        /// In which call.
        call: CallId,
        /// The leg of who wanted it.
        by: LegNo,
        /// Why.
        cause: Cause,
    },
    /// A party asks a third one while the other hears music: how that goes.
    Consultation {
        /// In which call.
        call: CallId,
        /// The leg of who asks.
        by: LegNo,
        /// The leg of the third, as far as there is one.
        leg: Option<LegNo>,
        /// The third's number.
        number: String,
        /// What happened.
        step: ConsultStep,
    },
    /// A party took the place of another: a pick-up, or the end of a transfer with consultation.
    LegReplaced {
        /// In which call.
        call: CallId,
        /// The leg that is gone.
        leg: LegNo,
        /// The new leg.
        by: LegNo,
        /// Its number.
        number: String,
    },
    /// A party is in a conference from now on.
    ConferenceEntered {
        /// The conference.
        conference: String,
        /// The party's call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// Its number.
        number: String,
        /// How many are there now.
        members: usize,
    },
    /// A party is in a conference no longer.
    ConferenceLeft {
        /// The conference.
        conference: String,
        /// The party's call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// How many are left.
        members: usize,
    },
    /// A conference's recording was begun, interrupted or ended, by rule or by command, or could not be written any more.
    ConferenceRecording {
        /// The conference.
        conference: String,
        /// What was wished, and done.
        wish: RecordingWish,
        /// Why it ended, if nobody wished that.
        note: String,
    },
    /// A caller waits in a queue.
    QueueEntered {
        /// The queue.
        queue: String,
        /// The caller's call.
        call: CallId,
        /// At which place; the first is 1.
        position: usize,
    },
    /// A caller waits in a queue no longer.
    QueueLeft {
        /// The queue.
        queue: String,
        /// The caller's call.
        call: CallId,
        /// How long it waited, milliseconds.
        waited_ms: u64,
        /// How it came.
        how: LeftHow,
    },
    /// An agent's phone is called for a caller.
    AgentOffered {
        /// Of which queue.
        queue: String,
        /// The caller's call.
        call: CallId,
        /// Who is asked.
        agent: String,
        /// Where it sits.
        extension: String,
    },
    /// An agent was asked to take a caller and that came to nothing.
    OfferMissed {
        /// Of which queue.
        queue: String,
        /// The caller's call.
        call: CallId,
        /// Who was asked.
        agent: String,
        /// Why; `None`: another one took it, or the caller is gone.
        why: Option<OfferFailure>,
    },
    /// An agent does something else from now on.
    AgentChanged {
        /// Who.
        agent: String,
        /// Where it sits; empty when logged out.
        extension: String,
        /// What it does.
        state: AgentState,
        /// What it will do after the present call, if that is another duty than ready.
        next: Option<Duty>,
    },
    /// A supervisor takes part in a conversation in this way from now on.
    Supervised {
        /// Which call.
        call: CallId,
        /// By which leg.
        leg: LegNo,
        /// The supervisor's extension.
        by: String,
        /// How.
        how: Supervision,
    },
    /// The recogniser has understood something that a party says.
    AsrResult {
        /// In which call.
        call: CallId,
        /// Who says it.
        leg: LegNo,
        /// What.
        text: String,
        /// The phrase is over; else this is what it seems to be so far.
        complete: bool,
    },
    /// The recogniser cannot be reached, or went; it is called again.
    AsrFailed {
        /// In which call.
        call: CallId,
        /// For whom.
        leg: LegNo,
    },
    /// Something is played to a party by command.
    PlaybackStarted {
        /// In which call.
        call: CallId,
        /// To whom.
        leg: LegNo,
    },
    /// What was played to a party by command is over.
    PlaybackEnded {
        /// In which call.
        call: CallId,
        /// To whom.
        leg: LegNo,
        /// How long it was played, milliseconds.
        played_ms: u32,
        /// Why it is over.
        how: PlaybackEnd,
    },
    /// A call's recording was begun, interrupted or ended, by rule or by command.
    RecordingChanged {
        /// In which call.
        call: CallId,
        /// What was wished, and done.
        wish: RecordingWish,
    },
    /// A recording could not be written any more, or not from its start; the call goes on.
    RecordingFailed {
        /// In which call.
        call: CallId,
        /// Why, as in the record.
        note: String,
    },
    /// There is too little room for recordings, or there is enough again.
    DiskLow {
        /// Too little: nothing is recorded.
        low: bool,
        /// How much there is, MB.
        free_mb: u64,
    },
    /// A key was pressed.
    Dtmf {
        /// In which call.
        call: CallId,
        /// By whom.
        leg: LegNo,
        /// `0`–`9`, `*`, `#`, `A`–`D`, `!` for a hook flash.
        digit: char,
        /// For how long, milliseconds.
        duration_ms: u32,
    },
    /// How a leg sounds has changed notably: by 0.3 of opinion score or more, in either direction. At most once in two
    /// seconds for each leg.
    QualityChanged {
        /// In which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// How it was since the last look.
        quality: QualityMoment,
    },
    /// Something is wrong with the sound of a leg, or no longer.
    SoundAlarm {
        /// In which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// What.
        alarm: SoundAlarm,
        /// True if it is so now.
        on: bool,
    },
    /// A party began or ceased to speak. Only where the configuration wants it.
    VoiceActivity {
        /// In which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// True if it speaks now.
        speaking: bool,
        /// The level of its speech, dB below full scale.
        level_dbov: i8,
    },
    /// Something was heard of how a call to a party proceeds: a tone, an announcement, a person or a machine. Each once.
    ProgressHeard {
        /// In which call.
        call: CallId,
        /// Its leg.
        leg: LegNo,
        /// What, and how sure it is.
        heard: ProgressHeard,
    },
    /// A call is over, with its record.
    CallEnded {
        /// All there is to know.
        record: Box<CallRecord>,
    },
    /// A source is not listened to for a while.
    SourceBanned {
        /// Its address.
        source: IpAddr,
        /// Why.
        reason: BanReason,
        /// Until when.
        until: UnixMillis,
        /// How often it has been banned lately.
        times: u32,
    },
    /// Somebody changed what an operator sets.
    SettingsChanged {
        /// What kind of thing: `extension`, `user`, `prompt`, `webhook`, …
        object: String,
        /// Which one: its number, id or name.
        id: String,
        /// What was done to it.
        change: SettingChange,
    },
    /// A receiver did not take what it was to be told, and is not told again.
    WebhookFailed {
        /// Its webhook.
        webhook: i64,
        /// The delivery, to be found in the list of those that failed.
        delivery: i64,
    },
}

/// How a consultation goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsultStep {
    /// The third is looked for.
    Calling,
    /// It rings.
    Ringing,
    /// It answered: the two speak.
    Answered,
    /// It did not answer, or hung up: the first two speak again.
    Failed,
    /// It was let go: the first two speak again.
    Cancelled,
    /// Who asked has left, and the other two speak.
    Completed,
    /// Who heard music hung up; the other two are left.
    Abandoned,
}

/// What was done to a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingChange {
    /// It is new.
    Added,
    /// It is as it was no longer.
    Changed,
    /// It is gone.
    Removed,
}

/// What happened to a registration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationChange {
    /// New.
    Added,
    /// The phone moved to another address, or says something else of itself.
    Changed,
    /// The phone took it back.
    Removed,
    /// The phone did not renew it in time.
    Expired,
}
