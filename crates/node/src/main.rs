//! The program `patchbay`.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` in the list of mimalloc's options.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// How long a freed page waits for its next use before the kernel gets it back, in milliseconds. The usual 10 ms lie between two
/// calls of a quiet switch, so that each call would fault its pages in anew.
const KEEP_PAGES_MS: std::ffi::c_long = 2000;

#[expect(unsafe_code, reason = "mimalloc's options have no safe face; no other thread exists yet")]
fn keep_pages() {
    // SAFETY: sets a number in a static table that is read with atomics.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, KEEP_PAGES_MS) }
}

fn main() -> ExitCode {
    keep_pages();
    patchbay_node::cli::main()
}
