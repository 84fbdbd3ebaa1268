//! What webhooks are told.

use crate::events::body_of;
use model::EventBody;
use serde_json::Value;
use store::Delivery;

/// The body of the request that tells it: the event as the stream tells it, and `delivery`, which is the same with each try. `None`:
/// there is nothing to tell any more.
pub fn delivery_body(delivery: &Delivery) -> Option<String> {
    body(delivery).map(|body| body.to_string())
}

pub(crate) fn body(delivery: &Delivery) -> Option<Value> {
    let mut body = match &delivery.record {
        Some((_, record)) => {
            let mut body = body_of(&EventBody::CallEnded { record: record.clone()? });
            body.as_object_mut()?.insert("at".to_owned(), delivery.created_at.into());
            body
        }
        None => serde_json::from_str(&delivery.body).ok()?,
    };
    body.as_object_mut()?.insert("delivery".to_owned(), delivery.id.into());
    Some(body)
}
