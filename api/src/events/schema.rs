//! Events on the wire, and their description.
//!
//! An event's JSON is that of [`EventBody`], with `sequence` and `at` beside it; a record and a text are told as the other
//! operations tell them.

use super::ring::Told;
use crate::wire::{MessageOut, RecordOut, SpentOut, outcomes};
use model::{Duty, EventBody, LeftHow};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOfBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An event, for the description.
pub(crate) struct EventOut;

/// What a field holds.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    MaybeText,
    Whole,
    MaybeWhole,
    Yes,
    Call,
    Outcome,
    OneOf(&'static [&'static str]),
    MaybeOneOf(&'static [&'static str]),
    /// Another schema of the description.
    Is(&'static str),
}

use Shape::{Call, Is, MaybeOneOf, MaybeText, MaybeWhole, OneOf, Outcome, Text, Whole, Yes};

type Fields = &'static [(&'static str, Shape)];

const ALARMS: &[&str] = &["one_way", "no_sound", "silent"];
const CHANGES: &[&str] = &["added", "changed", "removed"];
const REGISTRATION: &[&str] = &["added", "changed", "removed", "expired"];
const TRUNK_STATES: &[&str] = &["off", "unknown", "up", "down"];
const TRUNK_REGISTRATIONS: &[&str] = &["registering", "registered", "unreachable", "refused"];
const DIRECTIONS: &[&str] = &["internal", "inbound", "outbound", "unknown"];
const WISHES: &[&str] = &["start", "pause", "resume", "stop"];
const SUPERVISION: &[&str] = &["listen", "whisper", "barge"];
const PLAYBACK_ENDS: &[&str] = &["finished", "key", "stopped"];
const BAN_REASONS: &[&str] = &["failures", "many_users", "scanner", "operator"];
const LEFT: &[&str] = &["served", "abandoned", "went", "sent"];
const LEAVE_REASONS: &[&str] = &["closed", "full", "too_long", "too_long_expected", "no_agents", "key"];
const FAILURES: &[&str] = &["no_answer", "rejected", "busy", "unreachable"];
const AGENT_STATES: &[&str] = &["logged_out", "ready", "unavailable", "busy", "rest", "offered", "talking", "wrap_up"];
const DUTIES: &[&str] = &["ready", "busy", "rest"];
const FORWARDS: &[&str] = &["always", "busy", "no_answer", "offline"];
const CONSULT_STEPS: &[&str] = &["calling", "ringing", "answered", "failed", "cancelled", "completed", "abandoned"];
const LEG: [(&str, Shape); 2] = [("call", Call), ("leg", Whole)];

/// Every kind of event with what it means and its fields. A test holds it against what is really said.
#[rustfmt::skip]
const EVENTS: [(&str, &str, Fields); EventBody::KINDS.len()] = [
    ("agent_changed", "An agent does something else from now on", &[("agent", Text), ("extension", Text), ("state", OneOf(AGENT_STATES)), ("reason", Text), ("next", MaybeOneOf(DUTIES))]),
    ("agent_offered", "An agent's phone is called for a caller", &[("queue", Text), ("call", Call), ("agent", Text), ("extension", Text)]),
    ("asr_failed", "The recogniser of speech cannot be reached, or went", &LEG),
    ("asr_result", "The recogniser has understood something", &[LEG[0], LEG[1], ("text", Text), ("complete", Yes)]),
    ("call_answered", "The called party answered", &LEG),
    ("call_ended", "A call is over, with its record", &[("call", Call), ("record", Is("RecordOut"))]),
    ("call_forwarded", "A call goes elsewhere, as the extension wants it that it was for", &[("call", Call), ("from", Text), ("to", Text), ("why", OneOf(FORWARDS))]),
    ("call_started", "A call reached the switch", &[("call", Call), ("caller", Text), ("callee", Text), ("direction", OneOf(DIRECTIONS))]),
    ("call_transferred", "A party sends the other to somebody else", &[("call", Call), ("by", Whole), ("leg", Whole), ("to", Text)]),
    ("caller_answered", "The caller's own phone, called first, has answered", &LEG),
    ("caller_verified", "The signature of the caller's number was looked at", &[("call", Call), ("verification", Is("VerificationOut"))]),
    ("conference_entered", "A party is in a conference from now on", &[("conference", Text), LEG[0], LEG[1], ("number", Text), ("members", Whole)]),
    ("conference_left", "A party is in a conference no longer", &[("conference", Text), LEG[0], LEG[1], ("members", Whole)]),
    ("conference_recording", "A conference's recording was begun, interrupted or ended; `note` says why if nobody wished it", &[("conference", Text), ("wish", OneOf(WISHES)), ("note", Text)]),
    ("consultation", "A party asks a third one while the other hears music", &[("call", Call), ("by", Whole), ("leg", MaybeWhole), ("number", Text), ("step", OneOf(CONSULT_STEPS))]),
    ("disk_low", "There is too little room for recordings, or enough again", &[("low", Yes), ("free_mb", Whole)]),
    ("dtmf", "A key was pressed", &[LEG[0], LEG[1], ("digit", Text), ("duration_ms", Whole)]),
    ("handed_over", "The trunk of a leg took its party to another number", &[("call", Call), ("by", Whole), ("leg", Whole), ("to", Text)]),
    ("leg_dialing", "A phone is being called", &[LEG[0], LEG[1], ("number", Text)]),
    ("leg_diverted", "A called phone sent the call on", &[LEG[0], LEG[1], ("number", Text)]),
    ("leg_ended", "A leg is gone", &[LEG[0], LEG[1], ("outcome", Outcome), ("cause", Is("CauseOut"))]),
    ("leg_held", "A party put the call on hold, or took it back", &[LEG[0], LEG[1], ("held", Yes)]),
    ("leg_listening", "A party listens to the others", &[LEG[0], LEG[1], ("number", Text), ("to", Whole)]),
    ("leg_replaced", "A party took the place of another", &[LEG[0], LEG[1], ("by", Whole), ("number", Text)]),
    ("leg_ringing", "A phone rings", &[LEG[0], LEG[1], ("early_media", Yes)]),
    ("message_delivered", "A text has reached its receiver", &[("message", Is("MessageOut"))]),
    ("message_failed", "A text will not reach its receiver", &[("message", Is("MessageOut"))]),
    ("message_received", "A text reached the switch", &[("message", Is("MessageOut"))]),
    ("offer_missed", "An agent was asked to take a caller, and that came to nothing", &[("queue", Text), ("call", Call), ("agent", Text), ("why", MaybeOneOf(FAILURES))]),
    ("playback_ended", "What was played to a party by command is over", &[LEG[0], LEG[1], ("played_ms", Whole), ("how", OneOf(PLAYBACK_ENDS))]),
    ("playback_started", "Something is played to a party by command", &LEG),
    ("progress_heard", "A tone, an announcement, a person or a machine was heard", &[LEG[0], LEG[1], ("heard", Is("HeardOut"))]),
    ("push_wanted", "A phone that sleeps has to be woken", &[("extension", Text), ("provider", Text), ("prid", Text), ("param", Text)]),
    ("quality_changed", "How a leg sounds has changed notably", &[LEG[0], LEG[1], ("quality", Is("MomentOut"))]),
    ("queue_entered", "A caller waits in a queue", &[("queue", Text), ("call", Call), ("position", Whole)]),
    ("queue_left", "A caller waits in a queue no longer", &[("queue", Text), ("call", Call), ("waited_ms", Whole), ("how", OneOf(LEFT)), ("agent", Text), ("why", MaybeOneOf(LEAVE_REASONS))]),
    ("recording_changed", "A call's recording was begun, interrupted or ended", &[("call", Call), ("wish", OneOf(WISHES))]),
    ("recording_failed", "A recording could not be written any more", &[("call", Call), ("note", Text)]),
    ("registration_changed", "A contact of an extension came, stayed or went", &[("extension", Text), ("change", OneOf(REGISTRATION)), ("contact", Text), ("remote", Text)]),
    ("ring_group_called", "A call has reached a ring group, whose members are called now", &[("call", Call), ("group", Text)]),
    ("satisfaction_given", "A caller was asked how it was served", &[("call", Call), ("queue", Text), ("agent", Text), ("score", MaybeWhole)]),
    ("settings_changed", "Somebody changed what an operator sets", &[("object", Text), ("id", Text), ("change", OneOf(CHANGES))]),
    ("sound_alarm", "Something is wrong with the sound of a leg, or no longer", &[LEG[0], LEG[1], ("alarm", OneOf(ALARMS)), ("on", Yes)]),
    ("source_banned", "A source is not listened to for a while", &[("source", Text), ("reason", OneOf(BAN_REASONS)), ("until", Whole), ("times", Whole)]),
    ("spending_alert", "A daily cap of spending is near, or reached", &[("extension", MaybeText), ("percent", Whole), ("spent", Is("SpentOut"))]),
    ("supervised", "A supervisor takes part in a conversation in this way from now on", &[LEG[0], LEG[1], ("by", Text), ("how", OneOf(SUPERVISION))]),
    ("transfer_done", "The new party of a transfer has answered", &[("call", Call), ("by", Whole), ("leg", Whole)]),
    ("transfer_failed", "The new party of a transfer will not answer", &[("call", Call), ("by", Whole), ("cause", Is("CauseOut"))]),
    ("trunk_changed", "A trunk came up or went down, or its registration changed", &[("trunk", Text), ("state", OneOf(TRUNK_STATES)), ("registration", MaybeOneOf(TRUNK_REGISTRATIONS)), ("note", Text)]),
    ("voice_activity", "A party began or ceased to speak", &[LEG[0], LEG[1], ("speaking", Yes), ("level_dbov", Whole)]),
    ("voicemail_left", "A caller has left a message", &[("call", Call), ("mailbox", Text), ("from", Text), ("length_ms", Whole)]),
    ("webhook_failed", "A receiver did not take what it was to be told, and is not told again", &[("webhook", Whole), ("delivery", Whole)]),
];

/// An event as JSON.
pub(super) fn value(told: &Told) -> Value {
    let mut value = body(&told.body);
    if let Value::Object(fields) = &mut value {
        fields.insert("sequence".to_owned(), told.sequence.into());
        fields.insert("at".to_owned(), told.at.into());
    }
    value
}

/// The same without its place in the order.
pub(crate) fn body(body: &EventBody) -> Value {
    let of_message = |message: &model::TextMessage| json(&MessageOut::from(message.clone()));
    match body {
        EventBody::CallEnded { record } => {
            let (call, record) = (record.id.to_string(), json(&RecordOut::from((**record).clone())));
            json!({ "event": body.kind(), "call": call, "record": record })
        }
        EventBody::MessageReceived { message }
        | EventBody::MessageDelivered { message }
        | EventBody::MessageFailed { message } => json!({ "event": body.kind(), "message": of_message(message) }),
        EventBody::QueueLeft { queue, call, waited_ms, how } => {
            let (how, agent, why) = match how {
                LeftHow::Served(agent) => ("served", &agent[..], Value::Null),
                LeftHow::Abandoned => ("abandoned", "", Value::Null),
                LeftHow::Went => ("went", "", Value::Null),
                LeftHow::Sent(why) => ("sent", "", json(why)),
            };
            json!({ "event": body.kind(), "queue": queue, "call": call.to_string(), "waited_ms": waited_ms, "how": how,
                "agent": agent, "why": why })
        }
        EventBody::AgentChanged { agent, extension, state, next } => {
            let next = next.as_ref().map(|next| match next {
                Duty::Ready => "ready",
                Duty::Busy(_) => "busy",
                Duty::Rest(_) => "rest",
            });
            json!({ "event": body.kind(), "agent": agent, "extension": extension, "state": state.name(),
                "reason": state.reason(), "next": next })
        }
        other => json(other),
    }
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_else(|e| {
        stdx::never!(true, "an event does not serialise: {e}");
        Value::Null
    })
}

impl Shape {
    fn schema(self) -> RefOr<Schema> {
        let of = |kind: SchemaType| ObjectBuilder::new().schema_type(kind);
        let or_null = |kind: Type| SchemaType::from_iter([kind, Type::Null]);
        let object = match self {
            Text => of(Type::String.into()),
            MaybeText => of(or_null(Type::String)),
            Whole => of(Type::Integer.into()),
            MaybeWhole => of(or_null(Type::Integer)),
            Yes => of(Type::Boolean.into()),
            Call => of(Type::String.into()).format(Some(SchemaFormat::Custom("uuid".to_owned()))),
            OneOf(names) => of(Type::String.into()).enum_values(Some(names.iter().copied())),
            MaybeOneOf(names) => {
                let names = names.iter().map(|name| Value::from(*name)).chain([Value::Null]);
                of(or_null(Type::String)).enum_values(Some(names))
            }
            Outcome => return outcomes().into(),
            Is(name) => return Ref::from_schema_name(name).into(),
        };
        object.into()
    }
}

fn object(name: &str, what: &str, fields: Fields) -> Object {
    let of = |kind: Type| ObjectBuilder::new().schema_type(kind);
    let mut object = of(Type::Object)
        .description(Some(what))
        .property("sequence", of(Type::Integer).description(Some("Its number; they rise and never repeat")))
        .property("at", of(Type::Integer).description(Some("When, Unix milliseconds")))
        .property("event", of(Type::String).enum_values(Some([name])))
        .required("sequence")
        .required("at")
        .required("event");
    for (name, shape) in fields {
        object = object.property(*name, shape.schema()).required(*name);
    }
    object.build()
}

impl PartialSchema for EventOut {
    fn schema() -> RefOr<Schema> {
        let mut all = OneOfBuilder::new().description(Some("Something that happened"));
        for (name, what, fields) in EVENTS {
            all = all.item(object(name, what, fields));
        }
        all.into()
    }
}

impl ToSchema for EventOut {
    fn name() -> Cow<'static, str> {
        "EventOut".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        // The others are those of other operations too.
        schemas.push((SpentOut::name().into(), SpentOut::schema()));
    }
}
