//! PASSporTs: a JSON web token about a call (RFC 8225), with SHAKEN's claims (RFC 8588).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// What the signer vouches for (RFC 8588 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attestation {
    /// Who calls, and that the number is his: A.
    #[serde(rename = "A")]
    Full,
    /// Who calls, not the number: B.
    #[serde(rename = "B")]
    Partial,
    /// Only by which way the call came: C.
    #[serde(rename = "C")]
    Gateway,
}

impl Attestation {
    /// `A`, `B` or `C`.
    pub fn letter(self) -> char {
        match self {
            Self::Full => 'A',
            Self::Partial => 'B',
            Self::Gateway => 'C',
        }
    }

    /// The attestation of this letter.
    pub fn from_letter(letter: &str) -> Option<Self> {
        [Self::Full, Self::Partial, Self::Gateway]
            .into_iter()
            .find(|a| letter.eq_ignore_ascii_case(&a.letter().to_string()))
    }
}

/// The token's header. The order of the fields is that of the compact form: by name (RFC 8225 §9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ppt: Option<String>,
    pub(crate) typ: String,
    pub(crate) x5u: String,
}

/// The token's claims, in order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attest: Option<Attestation>,
    pub(crate) dest: Dest,
    pub(crate) iat: u64,
    pub(crate) orig: Orig,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origid: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dest {
    #[serde(default)]
    pub(crate) tn: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Orig {
    #[serde(default)]
    pub(crate) tn: String,
}

/// A value as part of a token.
pub(crate) fn encode(value: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

/// A part of a token.
pub(crate) fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Raw bytes as part of a token.
pub(crate) fn encode_bytes(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8588 §8 and RFC 8225 §9: no white space, members by name.
    #[test]
    fn the_form_is_deterministic() {
        let head = Head {
            alg: "ES256".into(),
            ppt: Some("shaken".into()),
            typ: "passport".into(),
            x5u: "https://cert.example.org/passport.cer".into(),
        };
        assert_eq!(
            serde_json::to_string(&head).unwrap(),
            r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://cert.example.org/passport.cer"}"#
        );
        let claims = Claims {
            attest: Some(Attestation::Full),
            dest: Dest { tn: vec!["12155551213".into()] },
            iat: 1_443_208_345,
            orig: Orig { tn: "12155551212".into() },
            origid: Some("123e4567-e89b-12d3-a456-426655440000".into()),
        };
        assert_eq!(
            serde_json::to_string(&claims).unwrap(),
            r#"{"attest":"A","dest":{"tn":["12155551213"]},"iat":1443208345,"orig":{"tn":"12155551212"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#
        );
    }
}
