//! `patchbay-bench`: see the library's documentation and README.md.

use std::process::ExitCode;

use clap::Parser;

#[allow(clippy::print_stderr, reason = "a command's errors go to standard error")]
fn main() -> ExitCode {
    match patchbay_bench::run::run(patchbay_bench::cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("patchbay-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
