//! RTCP packets: RFC 3550 §6.
