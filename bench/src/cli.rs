//! The command line.

use std::net::SocketAddrV4;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::sip::digest::Algorithm;
use crate::sip::sdp::Codec;

/// Load driver for any SIP target: registrations, call set-ups, held calls with sound on both sides.
///
/// The target must take calls from 127.0.0.2 without authentication, send calls to the dialled number (9000)
/// to 127.0.0.3:5090, and know the users 1000, 1001, ... with the passwords pw1000, pw1001, ...
#[derive(Debug, Parser)]
#[command(name = "patchbay-bench", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the driver can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register users with digest at a steady rate.
    Register(RegisterArgs),
    /// Flood the target with what strangers send: OPTIONS, wrong passwords, INVITEs, garbage.
    Flood(FloodArgs),
    /// Set calls up and tear them down at a steady rate.
    Call(CallArgs),
    /// Bring calls up, hold them, with or without sound, and hang up.
    Hold(HoldArgs),
    /// Run the named workloads in order: W1 W1max W2 W2max W2held W3 floor.
    Suite(SuiteArgs),
    /// Print files of result lines as a table.
    Table(TableArgs),
    /// Relay UDP between pairs of ports and do nothing else: the least that a relay can cost.
    Floor(FloorArgs),
}

/// Whom to load, what to account, where to write.
#[derive(Debug, Clone, Args)]
pub struct TargetArgs {
    /// Address of the target's SIP port.
    #[arg(long, default_value = "127.0.0.1:5060")]
    pub target: SocketAddrV4,
    /// Name of the target in the results.
    #[arg(long, default_value = "?")]
    pub peer: String,
    /// Name of this run in the results.
    #[arg(long, default_value = "")]
    pub label: String,
    /// Processes to account.
    #[arg(long, value_delimiter = ',')]
    pub pid: Vec<i32>,
    /// File with the pids to account.
    #[arg(long)]
    pub pidfile: Option<PathBuf>,
    /// Account all descendants of these processes as well.
    #[arg(long)]
    pub tree: bool,
    /// File to append the result line to.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Allow targets, parties and media outside the loopback network.
    #[arg(long)]
    pub allow_remote: bool,
    /// Autogroup priority (-20 to 19) for this session and the target's, on a shared machine; needs root.
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(-20..=19))]
    pub favour: Option<i32>,
}

/// How the parties of calls behave.
#[derive(Debug, Clone, Args)]
pub struct PartyArgs {
    /// Number to dial.
    #[arg(long, default_value = "9000")]
    pub dial: String,
    /// Host part of what is dialled, if it is not the target's address.
    #[arg(long)]
    pub domain: Option<String>,
    /// Address of the calling party.
    #[arg(long, default_value = "127.0.0.2:5080")]
    pub caller: SocketAddrV4,
    /// Address of the called party.
    #[arg(long, default_value = "127.0.0.3:5090")]
    pub callee: SocketAddrV4,
    /// The target answers the calls itself: there is no called party.
    #[arg(long)]
    pub no_callee: bool,
    /// Milliseconds the called party rings.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=25_000))]
    pub ring: u64,
    /// First RTP port of either party.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1024..))]
    pub rtp_base: u16,
    /// Codec of both parties.
    #[arg(long, default_value = "PCMU")]
    pub codec: Codec,
}

/// Options of `register`.
#[derive(Debug, Clone, Args)]
pub struct RegisterArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub target: TargetArgs,
    /// Registrations per second.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub rate: u64,
    /// How many in all.
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u64).range(1..=200_000))]
    pub count: u64,
    /// How many users take turns.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=200_000))]
    pub users: u64,
    /// Number of the first user.
    #[arg(long, default_value_t = 1000)]
    pub first: u64,
    /// A user's password is this and the user's number.
    #[arg(long, default_value = "pw")]
    pub password: String,
    /// Where the users are.
    #[arg(long, default_value = "127.0.0.4:5080")]
    pub local: SocketAddrV4,
    /// Host part of the users' addresses, if it is not the target's.
    #[arg(long)]
    pub domain: Option<String>,
    /// Lifetime asked for, in seconds.
    #[arg(long, default_value_t = 300)]
    pub expires: u32,
    /// Digest to answer.
    #[arg(long, default_value = "strongest")]
    pub algorithm: AlgorithmArg,
}

/// Options of `flood`.
#[derive(Debug, Clone, Args)]
pub struct FloodArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub target: TargetArgs,
    /// Messages per second.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=200_000))]
    pub rate: u64,
    /// For how many seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub secs: u64,
    /// Where the flood comes from.
    #[arg(long, default_value = "127.0.1.1:5080")]
    pub local: SocketAddrV4,
    /// From how many addresses, counting up from that.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub sources: u16,
}

/// Which of a target's challenges to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AlgorithmArg {
    /// The strongest offered.
    Strongest,
    /// MD5 only.
    Md5,
    /// SHA-256 only.
    Sha256,
    /// SHA-512-256 only.
    Sha512_256,
}

impl AlgorithmArg {
    /// The only algorithm allowed, if there is one.
    #[must_use]
    pub fn only(self) -> Option<Algorithm> {
        match self {
            Self::Strongest => None,
            Self::Md5 => Some(Algorithm::Md5),
            Self::Sha256 => Some(Algorithm::Sha256),
            Self::Sha512_256 => Some(Algorithm::Sha512_256),
        }
    }
}

/// Options of `call`.
#[derive(Debug, Clone, Args)]
pub struct CallArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub target: TargetArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub party: PartyArgs,
    /// How many calls.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub calls: u64,
    /// Calls started per second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=5_000))]
    pub rate: u64,
    /// Milliseconds from answer to BYE.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(..=600_000))]
    pub hold: u64,
    /// Send sound in both directions.
    #[arg(long)]
    pub streams: bool,
    /// Seconds to wait before the last reading of the target's memory (its transactions live for 32 s).
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=600))]
    pub drain: u64,
}

/// Options of `hold`.
#[derive(Debug, Clone, Args)]
pub struct HoldArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub target: TargetArgs,
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub party: PartyArgs,
    /// How many calls.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub calls: u64,
    /// Calls started per second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=5_000))]
    pub rate: u64,
    /// Length of the measuring window in seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub secs: u64,
    /// Seconds between the last answer and the window.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(..=60))]
    pub settle: u64,
    /// Send no sound.
    #[arg(long)]
    pub no_streams: bool,
    /// No signalling: side A and B of call i send to port BASE+2i and BASE+2i+1 of the target.
    #[arg(long, value_name = "BASE")]
    pub relay_base: Option<u16>,
}

/// Options of `suite`.
#[derive(Debug, Clone, Args)]
pub struct SuiteArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub target: TargetArgs,
    /// The workloads, in the order to run them.
    #[arg(default_values_t = ["W1", "W2", "W2held", "W3"].map(String::from))]
    pub workloads: Vec<String>,
    /// How often to run each.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub repeat: u32,
    /// Measuring window of W3 in seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub secs: u64,
    /// Calls of W3 and floor, one run each.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 300, 600])]
    pub calls: Vec<u64>,
    /// Rates of W2max, one run each.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 200, 400])]
    pub rates: Vec<u64>,
}

/// Options of `table`.
#[derive(Debug, Clone, Args)]
pub struct TableArgs {
    /// Files of result lines.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// Options of `floor`.
#[derive(Debug, Clone, Args)]
pub struct FloorArgs {
    /// How many pairs of ports.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=5_000))]
    pub pairs: u16,
    /// The first port, on 127.0.0.1.
    #[arg(long, default_value_t = 42_000, value_parser = clap::value_parser!(u16).range(1024..=55_000))]
    pub base: u16,
    /// Seconds until it ends by itself.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=900))]
    pub secs: u64,
}
