//! The STUN and TURN servers that pages are told of, with credentials that lapse.

use crate::config::WebRtc;
use api::{IceServer, IceServers};

/// As the configuration has them.
#[derive(Debug)]
pub struct Configured(WebRtc);

impl Configured {
    /// Those of `[webrtc]`.
    pub fn new(settings: &WebRtc) -> Self {
        Self(settings.clone())
    }
}

impl IceServers for Configured {
    fn for_user(&self, user: &str, now: u64) -> Vec<IceServer> {
        let (relays, open): (Vec<String>, Vec<String>) =
            self.0.ice_servers.iter().cloned().partition(|url| url.starts_with("turn"));
        let open = IceServer { urls: open, username: None, credential: None };
        let mut all = vec![open];
        // Without a secret none is configured.
        if let Some(secret) = &self.0.turn_secret {
            let until = now + self.0.turn.as_secs();
            let (username, credential) = media::browser::turn_credentials(secret, user, until);
            all.push(IceServer { urls: relays, username: Some(username), credential: Some(credential) });
        }
        all.retain(|server| !server.urls.is_empty());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_get_credentials_and_others_none() {
        let urls = |list: &[&str]| list.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let settings = WebRtc {
            tcp: true,
            ice_servers: urls(&["stun:a", "turn:a?transport=udp", "turns:a:443"]),
            turn_secret: Some("north".to_owned()),
            turn: std::time::Duration::from_secs(60),
        };
        let all = Configured::new(&settings).for_user("100", 1_699_999_940);
        assert_eq!((all.len(), &all[0].urls, &all[0].username), (2, &urls(&["stun:a"]), &None));
        assert_eq!(all[1].urls, urls(&["turn:a?transport=udp", "turns:a:443"]));
        assert_eq!(all[1].username.as_deref(), Some("1700000000:100"));
        assert_eq!(all[1].credential.as_deref(), Some("mHdZ9BsnWmvX+Jv1epxRGnccgTY="));
        assert!(Configured::new(&WebRtc::default()).for_user("100", 0).is_empty());
    }
}
