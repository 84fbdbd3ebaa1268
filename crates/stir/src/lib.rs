//! STIR/SHAKEN: who calls, signed by who lets the call in (RFC 8224, RFC 8225, RFC 8226, RFC 8588).
//!
//! No I/O, no clock: certificates and the time are arguments.
//!
//! ```
//! use patchbay_stir::{Attestation, Call, Identity, Signer, tn};
//! # let key = rcgen::KeyPair::generate().unwrap().serialize_der();
//! let signer = Signer::new(&key, "https://cert.example/me.pem").unwrap();
//! let call = Call { orig: tn("+1 215 555 1212", ""), dest: tn("12155551213", ""), date: None };
//! let header = signer.sign(&call, Attestation::Full, "b4b12d4e-1b1c-4c7f-8c0a-0242ac120002", 1_795_219_200);
//! assert_eq!(Identity::parse(header.as_bytes()).unwrap().info(), "https://cert.example/me.pem");
//! ```

mod certificate;
mod identity;
mod number;
mod passport;
mod sign;
mod verify;

pub use certificate::{CertificateError, Chain, Roots};
pub use identity::Identity;
pub use number::tn;
pub use passport::Attestation;
pub use sign::{KeyError, Signer};
pub use verify::{Failure, Replays, Verified, verify};

/// What a signature is about: the message it came with, or will go with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who calls: a number in its canonical form ([`tn`]).
    pub orig: String,
    /// Who is called.
    pub dest: String,
    /// The message's Date, Unix seconds, if it has one: the time of a compact PASSporT (RFC 8225 §7).
    pub date: Option<u64>,
}
