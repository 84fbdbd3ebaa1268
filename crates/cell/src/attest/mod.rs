//! Callers' numbers under signature (STIR/SHAKEN): checked where a trunk's calls come in, signed where calls go out
//! (RFC 8224, RFC 8588).
//!
//! A check may have to wait: for the signer's certificate, which the shell fetches ([`crate::Output::Fetch`]), and for the cell
//! that remembers the signature, for each is good for one call only. While a call waits nobody is looked for; both waits are
//! bounded, and a call whose certificate does not come in time is one whose number could not be checked.

mod certificates;
mod date;
mod inbound;
mod outbound;

pub(crate) use certificates::Certificates;
pub(crate) use inbound::Check;

/// With what numbers are checked and signed.
#[derive(Clone, Debug, Default)]
pub struct Stir {
    /// Whose certificates count.
    pub roots: stir::Roots,
    /// What we sign with; without it nothing is signed.
    pub signer: Option<stir::Signer>,
    /// Beginnings of our own numbers, in their canonical form (digits, country code first): for them we vouch (attestation A).
    pub own_numbers: Vec<String>,
    /// A UUID that stands for this switch (RFC 8588 §5).
    pub origid: String,
}

/// What a cell remembers for its checks.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) certificates: Certificates,
    /// As home of signatures: those of the last minutes.
    pub(crate) replays: stir::Replays,
}
