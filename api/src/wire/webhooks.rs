//! Webhooks on the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Delivery, Webhook};
use utoipa::ToSchema;

/// A webhook to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookIn {
    /// What people call it.
    #[serde(default)]
    pub(crate) name: String,
    /// Where its requests go.
    #[schema(example = "https://crm.example/patchbay")]
    pub(crate) url: String,
    /// Names of the events it is told of; empty: all. Records of calls come with `call_ended`.
    #[serde(default)]
    pub(crate) kinds: Vec<String>,
    /// What its requests are signed with, 16 to 128 printable ASCII characters; left out: one is made.
    pub(crate) secret: Option<String>,
    /// Is it told?
    #[serde(default = "yes")]
    pub(crate) active: bool,
}

/// What is to be changed of a webhook; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookChange {
    /// What people call it.
    pub(crate) name: Option<String>,
    /// Where its requests go.
    pub(crate) url: Option<String>,
    /// Names of the events it is told of; empty: all.
    pub(crate) kinds: Option<Vec<String>>,
    /// What its requests are signed with.
    pub(crate) secret: Option<String>,
    /// Is it told?
    pub(crate) active: Option<bool>,
}

/// A webhook.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookOut {
    /// Its number.
    id: i64,
    /// What people call it.
    name: String,
    /// Where its requests go.
    url: String,
    /// Names of the events it is told of; empty: all.
    kinds: Vec<String>,
    /// Is it told?
    active: bool,
    /// What its requests are signed with: told once, when it is added.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Deliveries that it has not taken yet.
    waiting: u64,
    /// Deliveries that were given up.
    dead: u64,
}

impl WebhookOut {
    pub(crate) fn new(webhook: Webhook, (waiting, dead): (u64, u64)) -> Self {
        let Webhook { id, name, url, kinds, secret: _, active } = webhook;
        Self { id, name, url, kinds, active, secret: None, waiting, dead }
    }

    /// With its secret, for who added it.
    pub(crate) fn added(webhook: Webhook) -> Self {
        let secret = Some(webhook.secret.clone());
        Self { secret, ..Self::new(webhook, (0, 0)) }
    }
}

/// Something that a receiver did not take, and is not told again.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadOut {
    /// The delivery's number, the same with each try.
    id: i64,
    /// The event's name.
    kind: String,
    /// Since when it waited.
    created_at: u64,
    /// How often it was tried.
    tries: u32,
    /// What came of the last try.
    last: String,
    /// The call whose record it was; `null` for other events.
    call: Option<String>,
    /// What it was to be told: the body of the request.
    #[schema(value_type = Option<Object>)]
    body: Option<Value>,
}

impl From<Delivery> for DeadOut {
    fn from(delivery: Delivery) -> Self {
        let body = crate::webhooks::body(&delivery);
        let Delivery { id, kind, created_at, record, tries, last, .. } = delivery;
        Self { id, kind, created_at, tries, last, call: record.map(|(call, _)| call.to_string()), body }
    }
}

/// What is to be sent again.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResendIn {
    /// This delivery; left out: all that were given up.
    pub(crate) delivery: Option<i64>,
}

/// How many are sent again.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResentOut {
    /// Deliveries.
    pub(crate) resent: u64,
}

fn yes() -> bool {
    true
}
