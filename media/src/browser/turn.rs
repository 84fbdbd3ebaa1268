//! Credentials for TURN servers that share a secret with us and know no users: what coturn calls `use-auth-secret`
//! (draft-uberti-behave-turn-rest-00 §2.2).

use crate::srtp::sdes::to_base64;
use aws_lc_rs::hmac;

/// User name and password for a page of `user`, good until `until` (Unix seconds).
pub fn turn_credentials(secret: &str, user: &str, until: u64) -> (String, String) {
    let username = format!("{until}:{user}");
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let password = to_base64(hmac::sign(&key, username.as_bytes()).as_ref());
    (username, password)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_password_is_the_hash_of_the_name() {
        // printf 1700000000:100 | openssl dgst -sha1 -hmac north -binary | base64
        let (username, password) = super::turn_credentials("north", "100", 1_700_000_000);
        assert_eq!((username.as_str(), password.as_str()), ("1700000000:100", "mHdZ9BsnWmvX+Jv1epxRGnccgTY="));
    }
}
