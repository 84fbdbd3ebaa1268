//! The names that the model's enums have in JSON, for the API's description.

use model::{AutoAnswer, BanReason, Direction, InbandDtmf, LegState, MediaKind, MessageState, Outcome, Role, Side};
use serde::Serialize;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

const OUTCOMES: [Outcome; 12] = [
    Outcome::Answered,
    Outcome::Busy,
    Outcome::NoAnswer,
    Outcome::Cancelled,
    Outcome::Rejected,
    Outcome::Unreachable,
    Outcome::Unallocated,
    Outcome::Forbidden,
    Outcome::Incompatible,
    Outcome::Congestion,
    Outcome::MediaTimeout,
    Outcome::SwitchFailure,
];

fn one_of<T: Serialize>(what: &str, all: &[T]) -> Object {
    let names = all.iter().filter_map(|value| serde_json::to_value(value).ok());
    ObjectBuilder::new().schema_type(Type::String).description(Some(what)).enum_values(Some(names)).build()
}

pub(crate) fn outcomes() -> Object {
    one_of("What came of it", &OUTCOMES)
}

pub(crate) fn directions() -> Object {
    let all = [Direction::Internal, Direction::Inbound, Direction::Outbound, Direction::Unknown];
    one_of("Where from and to", &all)
}

pub(super) fn roles() -> Object {
    let all = [Role::Admin, Role::Supervisor, Role::Agent, Role::Integrator];
    one_of(
        "`admin`: everything; `supervisor`: sees everything, ends calls; `agent`: its own extension's; `integrator`: a \
         program, as supervisor",
        &all,
    )
}

pub(super) fn leg_origins() -> Object {
    one_of(
        "`caller`: it placed the call; `dialled`: it was called for the number dialled; `diverted`: a phone sent the call on \
         to it; `transferred`: a party sent the other to it; `picked_up`: it took a call that rang elsewhere; `replaced`: it \
         took the place of a party; `from_call`: it came from another call; `listening`: it listens to the others; `summoned`: \
         it was called first, and the call placed on its behalf; `offered`: an agent there was asked to take a caller of a queue",
        &[
            "caller",
            "dialled",
            "diverted",
            "transferred",
            "picked_up",
            "replaced",
            "from_call",
            "listening",
            "summoned",
            "offered",
        ],
    )
}

pub(super) fn auto_answers() -> Object {
    one_of(
        "By which headers its phones are asked to answer by themselves. `usual`: Call-Info and Alert-Info, which most know; \
         `call_info`, `alert_info`: one of them; `plain_alert_info`: Alert-Info without an address, for old phones; \
         `answer_mode`: Answer-Mode (RFC 5373)",
        &AutoAnswer::ALL,
    )
}

pub(super) fn rights() -> Object {
    one_of(
        "How far it may call, each including those before it; `default`: as the configuration says for all",
        &["default", "internal", "local", "national", "international"],
    )
}

pub(super) fn srtp() -> Object {
    one_of(
        "Whether its sound is encrypted; `offered`: if the phone wants it; `default`: as the configuration says for all",
        &["default", "off", "offered", "required"],
    )
}

pub(super) fn inband_dtmf() -> Object {
    one_of(
        "Whether keys are listened for in its sound; `auto`: if its phone has no RTP events (RFC 4733)",
        &InbandDtmf::ALL,
    )
}

pub(super) fn media_kinds() -> Object {
    one_of(
        "By what kind of media it speaks. `auto`: what it offers, and called by WebSocket it is offered WebRTC; `rtp`: RTP or \
         SRTP with keys in session descriptions; `webrtc`: ICE and DTLS-SRTP",
        &MediaKind::ALL,
    )
}

pub(super) fn ban_reasons() -> Object {
    let all = [BanReason::Failures, BanReason::ManyUsers, BanReason::Scanner, BanReason::Operator];
    one_of(
        "`failures`: very many wrong passwords; `many_users`: wrong passwords for many users; `scanner`: it says so itself; \
         `operator`: by hand",
        &all,
    )
}

pub(super) fn sides() -> Object {
    one_of("Which side ended it", &[Side::Caller, Side::Callee, Side::System])
}

pub(super) fn message_states() -> Object {
    let all = [MessageState::Waiting, MessageState::Delivered, MessageState::Failed, MessageState::Expired];
    one_of("How it stands", &all)
}

pub(super) fn leg_states() -> Object {
    let all = [
        LegState::Dialing,
        LegState::Ringing,
        LegState::Queued,
        LegState::Talking,
        LegState::Held,
        LegState::Listening,
        LegState::Announcement,
        LegState::Ending,
    ];
    one_of("What the leg is doing", &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_outcome_is_missing_from_the_description() {
        for outcome in OUTCOMES {
            // A new outcome does not compile here until it is added above.
            match outcome {
                Outcome::Answered
                | Outcome::Busy
                | Outcome::NoAnswer
                | Outcome::Cancelled
                | Outcome::Rejected
                | Outcome::Unreachable
                | Outcome::Unallocated
                | Outcome::Forbidden
                | Outcome::Incompatible
                | Outcome::Congestion
                | Outcome::MediaTimeout
                | Outcome::SwitchFailure => {}
            }
        }
        let described = serde_json::to_value(outcomes()).unwrap();
        let names: Vec<_> = OUTCOMES.iter().map(|outcome| outcome.name()).collect();
        assert_eq!(described["enum"], serde_json::json!(names));
    }
}
