//! One event of every kind.

use model::{CallId, CallRecord, EventBody};
use serde_json::{Value, json};

pub(crate) fn one_of_each(call: CallId, record: &CallRecord) -> Vec<EventBody> {
    let leg = |event: &str, more: Value| {
        let mut body = json!({ "event": event, "call": call, "leg": 1 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let cause = json!({ "sip": 486, "q850": 17 });
    let message = model::TextMessage {
        id: "m1".into(),
        from: "100".into(),
        to: "101".into(),
        via: None,
        content_type: "text/plain".into(),
        body: b"hello".to_vec(),
        at: 1,
        expires_at: 2,
        state: model::MessageState::Waiting,
        status: 0,
    };
    let quality =
        json!({ "at_ms": 1, "loss_percent": 0.5, "jitter_ms": 1.5, "rtt_ms": null, "mos": 4.0, "remote_mos": null });
    let spent = json!({ "cost": 1, "talked_ms": 2 });
    let all = [
        json!({ "event": "call_started", "call": call, "caller": "100", "callee": "101", "direction": "internal" }),
        json!({ "event": "call_forwarded", "call": call, "from": "101", "to": "102", "why": "no_answer" }),
        json!({ "event": "ring_group_called", "call": call, "group": "door" }),
        json!({ "event": "voicemail_left", "call": call, "mailbox": "101", "from": "100", "length_ms": 3000 }),
        json!({ "event": "satisfaction_given", "call": call, "queue": "sales", "agent": "ana", "score": 5 }),
        leg("asr_failed", json!({})),
        leg("asr_result", json!({ "text": "yes", "complete": true })),
        leg("call_answered", json!({})),
        leg("call_transferred", json!({ "by": 0, "to": "102" })),
        leg("caller_answered", json!({})),
        leg("conference_entered", json!({ "conference": "board", "number": "101", "members": 2 })),
        leg("conference_left", json!({ "conference": "board", "members": 1 })),
        json!({ "event": "consultation", "call": call, "by": 0, "leg": 2, "number": "102", "step": "ringing" }),
        leg("dtmf", json!({ "digit": "#", "duration_ms": 100 })),
        leg("handed_over", json!({ "by": 0, "to": "102" })),
        leg("leg_dialing", json!({ "number": "101" })),
        leg("leg_diverted", json!({ "number": "102" })),
        leg("leg_ended", json!({ "outcome": "busy", "cause": cause })),
        leg("leg_held", json!({ "held": true })),
        leg("leg_listening", json!({ "number": "103", "to": 0 })),
        leg("leg_replaced", json!({ "by": 2, "number": "103" })),
        leg("leg_ringing", json!({ "early_media": false })),
        leg("playback_ended", json!({ "played_ms": 10, "how": "stopped" })),
        leg("playback_started", json!({})),
        leg("progress_heard", json!({ "heard": { "signal": "busy", "confidence": 90, "at_ms": 10 } })),
        leg("quality_changed", json!({ "quality": quality })),
        leg("sound_alarm", json!({ "alarm": "one_way", "on": true })),
        leg("supervised", json!({ "by": "103", "how": "whisper" })),
        leg("voice_activity", json!({ "speaking": true, "level_dbov": -20 })),
        json!({ "event": "transfer_done", "call": call, "by": 0, "leg": 2 }),
        json!({ "event": "transfer_failed", "call": call, "by": 0, "cause": cause }),
        json!({ "event": "caller_verified", "call": call,
            "verification": { "verdict": "passed", "attestation": "A", "origid": "x", "note": "" } }),
        json!({ "event": "push_wanted", "extension": "100", "provider": "fcm", "prid": "token", "param": "" }),
        json!({ "event": "registration_changed", "extension": "100", "change": "added", "contact": "sip:a", "remote": "192.0.2.1:5060" }),
        json!({ "event": "disk_low", "low": true, "free_mb": 3 }),
        json!({ "event": "conference_recording", "conference": "board", "wish": "stop", "note": "the disk is full" }),
        json!({ "event": "recording_changed", "call": call, "wish": "pause" }),
        json!({ "event": "recording_failed", "call": call, "note": "the disk is full" }),
        json!({ "event": "queue_entered", "queue": "sales", "call": call, "position": 1 }),
        json!({ "event": "queue_left", "queue": "sales", "call": call, "waited_ms": 10, "how": { "sent": "full" } }),
        json!({ "event": "agent_offered", "queue": "sales", "call": call, "agent": "ana", "extension": "100" }),
        json!({ "event": "offer_missed", "queue": "sales", "call": call, "agent": "ana", "why": "no_answer" }),
        json!({ "event": "agent_changed", "agent": "ana", "extension": "100", "state": { "busy": "lunch" }, "next": { "rest": "tea" } }),
        json!({ "event": "settings_changed", "object": "extension", "id": "100", "change": "changed" }),
        json!({ "event": "source_banned", "source": "192.0.2.1", "reason": "scanner", "until": 9, "times": 1 }),
        json!({ "event": "spending_alert", "extension": null, "percent": 80, "spent": spent }),
        json!({ "event": "trunk_changed", "trunk": "t", "state": "up", "registration": null, "note": "" }),
        json!({ "event": "webhook_failed", "webhook": 1, "delivery": 2 }),
    ];
    let mut all: Vec<EventBody> = all.into_iter().map(|body| serde_json::from_value(body).unwrap()).collect();
    let message = Box::new(message);
    all.push(EventBody::MessageReceived { message: message.clone() });
    all.push(EventBody::MessageDelivered { message: message.clone() });
    all.push(EventBody::MessageFailed { message });
    all.push(EventBody::CallEnded { record: Box::new(record.clone()) });
    all
}
