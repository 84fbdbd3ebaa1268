//! What is asked of the domain name system, and what it answers.

use std::net::IpAddr;
use std::time::Duration;

/// One question. Names carry no final dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// The NAPTR records of a domain (RFC 3263 §4.1).
    Naptr(String),
    /// The SRV records of a service name such as `_sip._udp.example.com` (RFC 3263 §4.2).
    Srv(String),
    /// The A and AAAA records of a host.
    Addresses(String),
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// RFC 3403 §4.1.
    Naptr {
        /// How long it may be remembered.
        ttl: Duration,
        /// The lowest goes first.
        order: u16,
        /// Among those of one order, the lowest goes first.
        preference: u16,
        /// `s`: the replacement is an SRV name; others mean nothing to SIP.
        flags: String,
        /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T` …
        service: String,
        /// Empty for SIP.
        regexp: String,
        /// The name to go on with.
        replacement: String,
    },
    /// RFC 2782.
    Srv {
        /// How long it may be remembered.
        ttl: Duration,
        /// The lowest goes first.
        priority: u16,
        /// Among those of one priority: the share of it.
        weight: u16,
        /// Where on the host.
        port: u16,
        /// The host; `.` or empty: the service does not exist here.
        target: String,
    },
    /// A or AAAA.
    Address {
        /// How long it may be remembered.
        ttl: Duration,
        /// The address.
        ip: IpAddr,
    },
}

/// Why there is no answer. A name that exists without records of the kind asked for is an empty answer, and no failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The name does not exist (NXDOMAIN).
    NoName,
    /// Nobody answered in time, or with an error (SERVFAIL): it may be different later.
    Unavailable,
}
