//! The program `patchbay`.
fn main() {}
