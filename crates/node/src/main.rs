//! The program `patchbay`.

use std::process::ExitCode;

fn main() -> ExitCode {
    patchbay_node::cli::main()
}
