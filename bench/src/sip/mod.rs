//! As much SIP as a load driver speaks, written independently of the switch under test.

pub mod digest;
pub mod sdp;
pub mod text;
