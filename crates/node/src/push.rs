//! Telling a push gateway that a phone has to be woken (RFC 8599): a POST to the address that the operator names.
//!
//! The gateway knows the certificates and tokens of the push services; Patchbay does not.

use api::{EventReader, Next};
use model::EventBody;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

/// Requests under way at one time; while there are so many, further pushes wait, and calls with them.
const AT_ONCE: usize = 16;

/// The gateway answers within this, or the push counts as failed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Carries pushes to `url` for as long as anybody tells events.
pub async fn carry(url: String, mut events: EventReader) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(next) = events.next().await {
        match next {
            Next::Event(told) => {
                let EventBody::PushWanted { extension, provider, prid, param } = &told.body else { continue };
                let extension = extension.clone();
                let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
                let (url, body) = (
                    url.clone(),
                    json!({ "extension": extension, "provider": provider, "prid": prid, "param": param }),
                );
                tokio::task::spawn_blocking(move || {
                    match post(&url, &body.to_string()) {
                        Ok(()) => debug!(extension, "the push gateway was told"),
                        Err(e) => warn!("the push gateway did not take a push: {e}"),
                    }
                    drop(place);
                });
            }
            Next::Gap(missed) => warn!(?missed, "events were missed; a push may be among them"),
        }
    }
}

fn post(url: &str, body: &str) -> Result<(), Box<ureq::Error>> {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    agent.post(url).header("Content-Type", "application/json").send(body).map(drop).map_err(Box::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::EventBus;
    use model::Event;
    use std::io::{Read, Write};

    #[tokio::test]
    async fn a_wanted_push_reaches_the_gateway() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/wake", listener.local_addr().unwrap());
        let gateway = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut got = Vec::new();
            let mut part = [0; 1024];
            while !got.ends_with(b"}") {
                let n = stream.read(&mut part).unwrap();
                got.extend_from_slice(&part[..n]);
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            String::from_utf8(got).unwrap()
        });
        let events = EventBus::new(0);
        let carrier = tokio::spawn(carry(url, events.reader()));
        let (extension, provider) = ("200".to_owned(), "fcm".to_owned());
        let body = EventBody::PushWanted { extension, provider, prid: "token".to_owned(), param: String::new() };
        events.put(Event { at: 0, body });
        let got = tokio::task::spawn_blocking(move || gateway.join().unwrap()).await.unwrap();
        assert!(got.starts_with("POST /wake ") && got.contains("\"prid\":\"token\""), "{got}");
        events.close();
        carrier.await.unwrap();
    }
}
