//! What holds of every message: what is built is read back, nothing makes the parser panic, a stream may be cut anywhere.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use proptest::test_runner::{Config, RngSeed};

mod anything;
mod reader;
mod roundtrip;
mod stream;

/// The same cases on every run, unless `PROPTEST_RNG_SEED` or `PROPTEST_CASES` ask for others.
fn config() -> Config {
    let usual = Config::default();
    let rng_seed = match usual.rng_seed {
        RngSeed::Random => RngSeed::Fixed(4475),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    Config { rng_seed, failure_persistence: None, ..usual }
}
