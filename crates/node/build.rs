//! Puts what npm built (api/web) where the program takes it from. Without npm the program is built all the same, and says what is missing.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// What is served below `/sdk`, and what stands in for it.
const FILES: [(&str, &str); 3] = [
    (
        "softphone.js",
        "throw new Error(\"This Patchbay was built without its softphone: run `make web`, then build again.\");\n",
    ),
    ("softphone.d.ts", "// This Patchbay was built without its softphone: run `make web`, then build again.\n"),
    (
        "demo.html",
        "<!doctype html><meta charset=\"utf-8\"><p>This Patchbay was built without its softphone: run <code>make web</code>, then build again.\n",
    ),
];

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api/web/dist");
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    // The folder itself, so that its appearance is seen.
    println!("cargo:rerun-if-changed={}", dist.display());
    for (name, stand_in) in FILES {
        let built = fs::read(dist.join(name));
        if built.is_err() {
            println!(
                "cargo:warning=api/web/dist/{name} is not there: /sdk says so to whoever asks for it; `make web` builds it"
            );
        }
        let content = built.unwrap_or_else(|_| stand_in.as_bytes().to_vec());
        if let Err(error) = fs::write(out.join(name), content) {
            println!("cargo:error=writing {name}: {error}");
        }
    }
}
