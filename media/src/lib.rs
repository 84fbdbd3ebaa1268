//! SDP, RTP, ports, bridges, players and recorders, without any I/O.
//!
//! An [`Engine`](engine::Engine) holds the ports of one shard. A port is a leg's media end: it offers and answers SDP,
//! takes packets in, passes them to the port it is bridged with, plays sounds, feeds recordings, speaks RTCP.
//! The shell owns the sockets and the clock:
//!
//! ```
//! use media::engine::{Channel, Config, Engine, Packet};
//! use stdx::{Entropy, Wall};
//!
//! let now = stdx::testing::start();
//! let mut engine = Engine::new(Config::new(Wall::new(now, 0)), Entropy::seeded(1));
//! engine.stock([40_000, 40_002]); // the shell has bound 40000..=40003
//! let local = "192.0.2.1".parse().unwrap();
//! let (caller, callee) = (engine.open(local, now).unwrap(), engine.open(local, now).unwrap());
//! let offer = b"v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\nm=audio 5004 RTP/AVP 8 0\r\n";
//! engine.set_remote_offer(caller, offer, now).unwrap();
//! let onward = engine.make_offer(callee, Some(caller), now);
//! assert!(onward.starts_with(b"v=0"));
//!
//! let mut packet = Packet::new();
//! packet.copy_from(b"\x80 not quite RTP");
//! let forward = engine.handle_packet(caller, Channel::Rtp, "192.0.2.7:5004".parse().unwrap(), &mut packet, now);
//! assert!(forward.is_none());
//! while let Some(_output) = engine.poll_output() {}
//! ```
//!
//! # Modules
//! - [`sdp`]: session descriptions (RFC 8866): parse, print.
//! - [`clip`]: sound that is decoded once and played to many.
//! - [`engine`]: ports, bridges, sounds, recordings: the packet path.
//! - [`rtp`], [`rtcp`]: the two wire formats (RFC 3550).
//! - [`browser`]: legs to browsers: ICE, DTLS-SRTP.
//! - [`codec`]: what the switch can decode and encode, resampling, concealment; [`g711`]: A-law and µ-law.
//! - [`srtp`]: secure RTP, and its keys in session descriptions.
//! - [`dtmf`]: keys heard in the sound itself.
//! - [`spoken`]: numbers, amounts, days and times as words.
//! - [`progress`]: what a called network or party says with tones and voices.
//! - [`tones`]: the sounds of a telephone network, by country.
//! - [`ogg`]: recordings as Opus files.
//! - [`testing`]: voices that are tones, and an ear that finds them.

pub mod browser;
pub mod clip;
pub mod codec;
pub mod dtmf;
pub mod engine;
pub mod g711;
pub mod ogg;
pub mod program;
pub mod progress;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod spoken;
pub mod srtp;
pub mod testing;
pub mod tones;
