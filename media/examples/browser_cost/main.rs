//! What browser legs cost, on a quiet machine:
//!
//! * `cargo run --release -p patchbay-media --example browser_cost`: the engine alone, without sockets.
//! * `… --example browser_cost -- --pid N --calls 200 relay`, and `--calls 100 opus`: the whole program, with sockets over loopback. N is the
//!   process of a server as `bench/lab.sh start` runs it: calls from 127.0.0.2 go on from there to 127.0.0.3. This process plays all pages and
//!   phones; what the server takes is told by its own threads' clocks, so that the driver's share, which is printed too, is not in it.
//!
//! Each call is one between a page (ICE, DTLS-SRTP) and a plain phone (PCMU), who both speak all the time.

// A measurement is for a person, and needs a clock, sockets and files.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stdout)]

mod engine;
mod process;
mod sip;

use media::testing::Talents;

const PCMU: Talents = Talents { opus: false, g722: false, g711: true };
const OPUS: Talents = Talents { opus: true, g722: false, g711: false };

fn main() -> Result<(), String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.is_empty() {
        engine::run();
        return Ok(());
    }
    let after = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let number = |name: &str, usual: Option<u32>| match after(name).map(|word| word.parse()) {
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(format!("{name} wants a number")),
        None => usual.ok_or(format!("{name} is missing")),
    };
    let talents = match words.last().map(String::as_str) {
        Some("relay") => PCMU,
        Some("opus") => OPUS,
        _ => return Err("say at the end what is measured: relay, opus".to_owned()),
    };
    let target = after("--target").map_or("127.0.0.1:5060", String::as_str);
    let target = target.parse().map_err(|_| format!("{target} is no address"))?;
    let calls = number("--calls", Some(100))?.min(1_000) as usize;
    process::run(&process::Plan {
        target,
        pid: number("--pid", None)?,
        calls,
        seconds: number("--secs", Some(20))?,
        talents,
    })
}
