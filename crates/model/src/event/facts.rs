//! What can be said of every event alike: its name, its call, its queue, the numbers it is about.

use super::EventBody;
use crate::CallId;

impl EventBody {
    /// Every name that [`EventBody::kind`] gives, in alphabetical order.
    pub const KINDS: [&str; 52] = [
        "agent_changed",
        "agent_offered",
        "asr_failed",
        "asr_result",
        "call_answered",
        "call_ended",
        "call_forwarded",
        "call_started",
        "call_transferred",
        "caller_answered",
        "caller_verified",
        "conference_entered",
        "conference_left",
        "conference_recording",
        "consultation",
        "disk_low",
        "dtmf",
        "handed_over",
        "leg_dialing",
        "leg_diverted",
        "leg_ended",
        "leg_held",
        "leg_listening",
        "leg_replaced",
        "leg_ringing",
        "message_delivered",
        "message_failed",
        "message_received",
        "offer_missed",
        "playback_ended",
        "playback_started",
        "progress_heard",
        "push_wanted",
        "quality_changed",
        "queue_entered",
        "queue_left",
        "recording_changed",
        "recording_failed",
        "registration_changed",
        "ring_group_called",
        "satisfaction_given",
        "settings_changed",
        "sound_alarm",
        "source_banned",
        "spending_alert",
        "supervised",
        "transfer_done",
        "transfer_failed",
        "trunk_changed",
        "voice_activity",
        "voicemail_left",
        "webhook_failed",
    ];

    /// Its stable name, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AgentChanged { .. } => "agent_changed",
            Self::AgentOffered { .. } => "agent_offered",
            Self::AsrFailed { .. } => "asr_failed",
            Self::AsrResult { .. } => "asr_result",
            Self::CallAnswered { .. } => "call_answered",
            Self::CallEnded { .. } => "call_ended",
            Self::CallForwarded { .. } => "call_forwarded",
            Self::CallStarted { .. } => "call_started",
            Self::CallTransferred { .. } => "call_transferred",
            Self::CallerAnswered { .. } => "caller_answered",
            Self::CallerVerified { .. } => "caller_verified",
            Self::ConferenceEntered { .. } => "conference_entered",
            Self::ConferenceLeft { .. } => "conference_left",
            Self::ConferenceRecording { .. } => "conference_recording",
            Self::Consultation { .. } => "consultation",
            Self::DiskLow { .. } => "disk_low",
            Self::Dtmf { .. } => "dtmf",
            Self::HandedOver { .. } => "handed_over",
            Self::LegDialing { .. } => "leg_dialing",
            Self::LegDiverted { .. } => "leg_diverted",
            Self::LegEnded { .. } => "leg_ended",
            Self::LegHeld { .. } => "leg_held",
            Self::LegListening { .. } => "leg_listening",
            Self::LegReplaced { .. } => "leg_replaced",
            Self::LegRinging { .. } => "leg_ringing",
            Self::MessageDelivered { .. } => "message_delivered",
            Self::MessageFailed { .. } => "message_failed",
            Self::MessageReceived { .. } => "message_received",
            Self::OfferMissed { .. } => "offer_missed",
            Self::PlaybackEnded { .. } => "playback_ended",
            Self::PlaybackStarted { .. } => "playback_started",
            Self::ProgressHeard { .. } => "progress_heard",
            Self::PushWanted { .. } => "push_wanted",
            Self::QualityChanged { .. } => "quality_changed",
            Self::QueueEntered { .. } => "queue_entered",
            Self::QueueLeft { .. } => "queue_left",
            Self::RecordingChanged { .. } => "recording_changed",
            Self::RecordingFailed { .. } => "recording_failed",
            Self::RegistrationChanged { .. } => "registration_changed",
            Self::RingGroupCalled { .. } => "ring_group_called",
            Self::SatisfactionGiven { .. } => "satisfaction_given",
            Self::SettingsChanged { .. } => "settings_changed",
            Self::SoundAlarm { .. } => "sound_alarm",
            Self::SourceBanned { .. } => "source_banned",
            Self::SpendingAlert { .. } => "spending_alert",
            Self::Supervised { .. } => "supervised",
            Self::TransferDone { .. } => "transfer_done",
            Self::TransferFailed { .. } => "transfer_failed",
            Self::TrunkChanged { .. } => "trunk_changed",
            Self::VoiceActivity { .. } => "voice_activity",
            Self::VoicemailLeft { .. } => "voicemail_left",
            Self::WebhookFailed { .. } => "webhook_failed",
        }
    }

    /// The call it is about.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::AgentOffered { call, .. }
            | Self::OfferMissed { call, .. }
            | Self::QueueEntered { call, .. }
            | Self::QueueLeft { call, .. }
            | Self::AsrFailed { call, .. }
            | Self::AsrResult { call, .. }
            | Self::CallAnswered { call, .. }
            | Self::CallForwarded { call, .. }
            | Self::CallStarted { call, .. }
            | Self::CallTransferred { call, .. }
            | Self::CallerAnswered { call, .. }
            | Self::CallerVerified { call, .. }
            | Self::ConferenceEntered { call, .. }
            | Self::ConferenceLeft { call, .. }
            | Self::Consultation { call, .. }
            | Self::Dtmf { call, .. }
            | Self::HandedOver { call, .. }
            | Self::LegDialing { call, .. }
            | Self::LegDiverted { call, .. }
            | Self::LegEnded { call, .. }
            | Self::LegHeld { call, .. }
            | Self::LegListening { call, .. }
            | Self::LegReplaced { call, .. }
            | Self::LegRinging { call, .. }
            | Self::PlaybackEnded { call, .. }
            | Self::PlaybackStarted { call, .. }
            | Self::ProgressHeard { call, .. }
            | Self::QualityChanged { call, .. }
            | Self::RecordingChanged { call, .. }
            | Self::RecordingFailed { call, .. }
            | Self::RingGroupCalled { call, .. }
            | Self::SatisfactionGiven { call, .. }
            | Self::SoundAlarm { call, .. }
            | Self::Supervised { call, .. }
            | Self::TransferDone { call, .. }
            | Self::TransferFailed { call, .. }
            | Self::VoicemailLeft { call, .. }
            | Self::VoiceActivity { call, .. } => Some(*call),
            Self::CallEnded { record } => Some(record.id),
            Self::AgentChanged { .. }
            | Self::ConferenceRecording { .. }
            | Self::DiskLow { .. }
            | Self::MessageDelivered { .. }
            | Self::MessageFailed { .. }
            | Self::MessageReceived { .. }
            | Self::PushWanted { .. }
            | Self::RegistrationChanged { .. }
            | Self::SettingsChanged { .. }
            | Self::SourceBanned { .. }
            | Self::SpendingAlert { .. }
            | Self::TrunkChanged { .. }
            | Self::WebhookFailed { .. } => None,
        }
    }

    /// The queue it is about.
    pub fn queue(&self) -> Option<&str> {
        match self {
            Self::AgentOffered { queue, .. }
            | Self::OfferMissed { queue, .. }
            | Self::QueueEntered { queue, .. }
            | Self::SatisfactionGiven { queue, .. }
            | Self::QueueLeft { queue, .. } => Some(queue),
            _ => None,
        }
    }

    /// The numbers of extensions and parties that it names itself: `None`s are none. A call's other parties are known from its
    /// earlier events; those of a call that is over stand in its record.
    pub fn numbers(&self) -> [Option<&str>; 2] {
        match self {
            Self::CallStarted { caller, callee, .. } => [Some(caller), Some(callee)],
            Self::CallEnded { record } => [Some(&record.caller), Some(&record.callee)],
            Self::CallForwarded { from, to, .. } => [Some(from), Some(to)],
            Self::LegDialing { number, .. }
            | Self::LegListening { number, .. }
            | Self::LegReplaced { number, .. }
            | Self::ConferenceEntered { number, .. }
            | Self::Consultation { number, .. } => [Some(number), None],
            Self::VoicemailLeft { mailbox, from, .. } => [Some(mailbox), Some(from)],
            Self::Supervised { by, .. } => [Some(by), None],
            Self::MessageDelivered { message }
            | Self::MessageFailed { message }
            | Self::MessageReceived { message } => [Some(&message.from), Some(&message.to)],
            Self::PushWanted { extension, .. }
            | Self::RegistrationChanged { extension, .. }
            | Self::AgentOffered { extension, .. }
            | Self::AgentChanged { extension, .. } => [Some(extension), None],
            Self::SpendingAlert { extension, .. } => [extension.as_deref(), None],
            Self::OfferMissed { .. }
            | Self::QueueEntered { .. }
            | Self::QueueLeft { .. }
            | Self::AsrFailed { .. }
            | Self::AsrResult { .. }
            | Self::CallAnswered { .. }
            | Self::CallTransferred { .. }
            | Self::CallerAnswered { .. }
            | Self::CallerVerified { .. }
            | Self::ConferenceLeft { .. }
            | Self::ConferenceRecording { .. }
            | Self::DiskLow { .. }
            | Self::Dtmf { .. }
            | Self::HandedOver { .. }
            | Self::LegDiverted { .. }
            | Self::LegEnded { .. }
            | Self::LegHeld { .. }
            | Self::LegRinging { .. }
            | Self::PlaybackEnded { .. }
            | Self::PlaybackStarted { .. }
            | Self::ProgressHeard { .. }
            | Self::QualityChanged { .. }
            | Self::RecordingChanged { .. }
            | Self::RecordingFailed { .. }
            | Self::RingGroupCalled { .. }
            | Self::SatisfactionGiven { .. }
            | Self::SettingsChanged { .. }
            | Self::SoundAlarm { .. }
            | Self::SourceBanned { .. }
            | Self::TransferDone { .. }
            | Self::TransferFailed { .. }
            | Self::TrunkChanged { .. }
            | Self::VoiceActivity { .. }
            | Self::WebhookFailed { .. } => [None, None],
        }
    }
}
