//! A short run of what `make fuzz-dialogs` does for long: two endpoints, their random owners, a bad network and a forger, against a
//! small model of RFC 3261.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a driver of tests stops at the first surprise"
)]

mod forger;
mod model;
mod world;

#[test]
fn random_dialogs_keep_the_rules_and_leave_nothing() {
    let run = world::run(1, 50_000);
    assert!(run.steps >= 50_000 && run.calls > 500 && run.answered > 100, "{run:?}");
    assert!(run.rare.iter().all(|count| *count > 0), "{run:?}");
}
