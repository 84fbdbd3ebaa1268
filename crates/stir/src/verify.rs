//! Checking what others signed (RFC 8224 §6.2).

use crate::Call;
use crate::certificate::{CertificateError, Chain, Roots};
use crate::identity::Identity;
use crate::passport::{Attestation, Claims, Dest, Head, Orig, decode, encode};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use std::collections::BTreeMap;

/// How far a signature's time may be from ours, seconds (ATIS-1000074 §5.3.1).
const FRESH: u64 = 60;

/// Signatures that are remembered against repetition. Beyond it the oldest is forgotten.
const REMEMBERED: usize = 50_000;

/// What a good signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What the signer vouches for; none in a PASSporT that is not SHAKEN's.
    pub attestation: Option<Attestation>,
    /// The signer's name for where the call came from.
    pub origid: Option<String>,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is none: 428.
    Missing,
    /// The certificate could not be had: 436.
    NoCertificate,
    /// The certificate is not one that we believe, or not for this number: 437.
    Credential,
    /// The signature is wrong, or for another call: 438.
    Invalid,
    /// It is too old, or from the future: 403.
    Stale,
    /// It has been used for another call already: 438.
    Replayed,
}

impl Failure {
    /// The status that refuses such a call, and its phrase (RFC 8224 §6.2.2).
    pub fn status(self) -> (u16, &'static str) {
        match self {
            Self::Missing => (428, "Use Identity Header"),
            Self::NoCertificate => (436, "Bad Identity Info"),
            Self::Credential => (437, "Unsupported Credential"),
            Self::Invalid | Self::Replayed => (438, "Invalid Identity Header"),
            Self::Stale => (403, "Stale Date"),
        }
    }
}

/// Judges a signature about a call at a time (Unix seconds), with the certificates that were found where it says.
pub fn verify(identity: &Identity, call: &Call, chain: &Chain, roots: &Roots, now: u64) -> Result<Verified, Failure> {
    if identity.alg() != "ES256" || identity.ppt().is_some_and(|ppt| ppt != "shaken") {
        return Err(Failure::Invalid);
    }
    let (signed, signature) = identity.token.rsplit_once('.').ok_or(Failure::Invalid)?;
    let signature = decode(signature).ok_or(Failure::Invalid)?;
    let (signed, claims) =
        if signed == "." { compact(identity, call)? } else { (signed.to_owned(), full(identity, signed)?) };
    if claims.iat.abs_diff(now) > FRESH {
        return Err(Failure::Stale);
    }
    if claims.orig.tn != call.orig || !claims.dest.tn.contains(&call.dest) {
        return Err(Failure::Invalid);
    }
    let key = chain.key(roots, now).map_err(|e| match e {
        CertificateError::Unreadable => Failure::NoCertificate,
        CertificateError::Untrusted | CertificateError::WrongKey => Failure::Credential,
    })?;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
    key.verify(signed.as_bytes(), &signature).map_err(|_| Failure::Invalid)?;
    if !chain.covers(&call.orig) {
        return Err(Failure::Credential);
    }
    Ok(Verified { attestation: claims.attest, origid: claims.origid })
}

fn full(identity: &Identity, signed: &str) -> Result<Claims, Failure> {
    let (head, claims) = signed.split_once('.').ok_or(Failure::Invalid)?;
    let head = decode(head).ok_or(Failure::Invalid)?;
    let head: Head = serde_json::from_slice(&head).map_err(|_| Failure::Invalid)?;
    let claims = decode(claims).ok_or(Failure::Invalid)?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| Failure::Invalid)?;
    let fits = head.typ == "passport"
        && head.alg == "ES256"
        && head.x5u == identity.info()
        && head.ppt.as_deref() == identity.ppt()
        // RFC 8588 §4: both are a must.
        && (identity.ppt().is_none() || claims.attest.is_some() && claims.origid.is_some());
    if fits { Ok(claims) } else { Err(Failure::Invalid) }
}

/// A compact token says nothing: what it would say follows from the message (RFC 8225 §7). SHAKEN's cannot be compact, for
/// attestation and origin stand nowhere else (RFC 8588 §7).
fn compact(identity: &Identity, call: &Call) -> Result<(String, Claims), Failure> {
    if identity.ppt().is_some() {
        return Err(Failure::Invalid);
    }
    let head = Head { alg: "ES256".into(), ppt: None, typ: "passport".into(), x5u: identity.info().to_owned() };
    let claims = Claims {
        attest: None,
        dest: Dest { tn: vec![call.dest.clone()] },
        iat: call.date.ok_or(Failure::Invalid)?,
        orig: Orig { tn: call.orig.clone() },
        origid: None,
    };
    Ok((format!("{}.{}", encode(&head), encode(&claims)), claims))
}

/// The signatures of the last minutes, each with the one call that it is for (RFC 8224 §12.1).
#[derive(Debug, Default)]
pub struct Replays {
    seen: BTreeMap<u128, String>,
    order: std::collections::VecDeque<(u64, u128)>,
}

impl Replays {
    /// Notes a signature that was found good ([`Identity::mark`]); an error if it was used for another call (by its Call-ID).
    pub fn note(&mut self, mark: u128, call_id: &str, now: u64) -> Result<(), Failure> {
        while let Some((at, oldest)) = self.order.front().copied()
            && (now.saturating_sub(at) > 2 * FRESH || self.order.len() >= REMEMBERED)
        {
            self.order.pop_front();
            self.seen.remove(&oldest);
        }
        match self.seen.get(&mark) {
            Some(known) if known == call_id => Ok(()),
            Some(_) => Err(Failure::Replayed),
            None => {
                self.seen.insert(mark, call_id.to_owned());
                self.order.push_back((now, mark));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
