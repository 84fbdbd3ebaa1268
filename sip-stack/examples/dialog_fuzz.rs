//! Random dialogs for long: `make fuzz-dialogs`, or with `PATCHBAY_FUZZ_STEPS` (10 million) and `PATCHBAY_FUZZ_SEED` (1).
//!
//! Stops with the seed of the world at the first broken rule; `PATCHBAY_FUZZ_WORLD` runs that world alone and says every message. At its end it says how long it took and by how much the process grew.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a driver has a clock, a terminal and an environment, and stops at the first surprise"
)]

#[path = "../tests/dialogs/forger.rs"]
mod forger;
#[path = "../tests/dialogs/model.rs"]
mod model;
#[path = "../tests/dialogs/world.rs"]
mod world;

use std::time::Instant;

fn main() {
    let number = |name: &str, usual: u64| {
        std::env::var(name).map_or(usual, |value| value.parse().expect("a number in the environment"))
    };
    if let Some(world) = std::env::var("PATCHBAY_FUZZ_WORLD").ok().and_then(|seed| seed.parse().ok()) {
        println!("{:?}", world::live(world, true));
        return;
    }
    let (seed, steps) = (number("PATCHBAY_FUZZ_SEED", 1), number("PATCHBAY_FUZZ_STEPS", 10_000_000));
    // What the process grows by at first is its warming up.
    let first = world::run(seed, steps / 10);
    let (before, began) = (resident_kib(), Instant::now());
    let run = world::run(seed.wrapping_add(1_000_000), steps - first.steps.min(steps));
    let grown = resident_kib().saturating_sub(before);
    println!("seed {seed}: {} steps, then {} in {:.0?}", first.steps, run.steps, began.elapsed());
    println!("{run:?}");
    println!("resident memory grew by {grown} KiB");
    assert!(grown < 16 * 1024, "memory grows");
}

/// Pages in memory, where the system tells.
fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4
}
