//! Signing what we let out.

use crate::Call;
use crate::passport::{Attestation, Claims, Dest, Head, Orig, encode, encode_bytes};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use std::sync::Arc;

/// A key that is none: not PKCS #8, or not for P-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError;

impl std::fmt::Display for KeyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is no private key for P-256 in the form of PKCS #8 (\"BEGIN PRIVATE KEY\")")
    }
}

impl std::error::Error for KeyError {}

/// A key, and where its certificate is. Clones share it.
#[derive(Clone)]
pub struct Signer {
    key: Arc<EcdsaKeyPair>,
    x5u: String,
}

impl Signer {
    /// From the key in DER (PKCS #8) and the URL of its certificate.
    pub fn new(pkcs8: &[u8], x5u: &str) -> Result<Self, KeyError> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| KeyError)?;
        Ok(Self { key: Arc::new(key), x5u: x5u.to_owned() })
    }

    /// From the key in PEM.
    pub fn from_pem(pem: &[u8], x5u: &str) -> Result<Self, KeyError> {
        use rustls_pki_types::pem::PemObject as _;
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| KeyError)?;
        Self::new(key.secret_pkcs8_der(), x5u)
    }

    /// The value of an Identity header for a call that goes out now (Unix seconds). `origid` is a UUID that tells its origin
    /// without telling who it is.
    pub fn sign(&self, call: &Call, attest: Attestation, origid: &str, now: u64) -> String {
        let head = Head {
            alg: "ES256".to_owned(),
            ppt: Some("shaken".to_owned()),
            typ: "passport".to_owned(),
            x5u: self.x5u.clone(),
        };
        let claims = Claims {
            attest: Some(attest),
            dest: Dest { tn: vec![call.dest.clone()] },
            iat: now,
            orig: Orig { tn: call.orig.clone() },
            origid: Some(origid.to_owned()),
        };
        let signed = format!("{}.{}", encode(&head), encode(&claims));
        // It can fail only if the system gives no randomness; then the header is one that nobody accepts.
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).map(|s| encode_bytes(s.as_ref()));
        format!("{signed}.{};info=<{}>;alg=ES256;ppt=shaken", signature.unwrap_or_default(), self.x5u)
    }
}

// Keys do not belong into logs.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.x5u)
    }
}
