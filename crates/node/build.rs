//! Puts what npm built (api/web) where the program takes it from. Without npm the program is built all the same, and says what is missing.

use std::path::PathBuf;
use std::{env, fs};

/// What pages are made of, and what stands in for it: a script, a style or a page each says what is missing in its own way.
const FILES: [(&str, StandIn); 10] = [
    ("softphone.js", StandIn::Script),
    ("softphone.d.ts", StandIn::Comment),
    ("demo.html", StandIn::Page),
    ("ctibar.js", StandIn::Script),
    ("ctibar.d.ts", StandIn::Comment),
    ("ctibar-demo.html", StandIn::Page),
    ("agent.js", StandIn::Script),
    ("agent.css", StandIn::Comment),
    ("agent.html", StandIn::Page),
    ("icon.svg", StandIn::Picture),
];

#[derive(Clone, Copy)]
enum StandIn {
    Script,
    Comment,
    Page,
    Picture,
}

impl StandIn {
    fn text(self) -> String {
        let missing = "This Patchbay was built without its pages: run `make web`, then build again.";
        match self {
            Self::Script => format!("throw new Error(\"{missing}\");\n"),
            Self::Comment => format!("/* {missing} */\n"),
            Self::Page => format!("<!doctype html><meta charset=\"utf-8\"><p>{missing}\n"),
            Self::Picture => format!("<svg xmlns=\"http://www.w3.org/2000/svg\"><!-- {missing} --></svg>\n"),
        }
    }
}

fn main() {
    let folder = |name| env::var_os(name).map(PathBuf::from);
    let (Some(here), Some(out)) = (folder("CARGO_MANIFEST_DIR"), folder("OUT_DIR")) else { return };
    let dist = here.join("../../api/web/dist");
    // The folder itself, so that its appearance is seen.
    println!("cargo:rerun-if-changed={}", dist.display());
    for (name, stand_in) in FILES {
        let built = fs::read(dist.join(name));
        if built.is_err() {
            println!(
                "cargo:warning=api/web/dist/{name} is not there: the program says so to whoever asks for it; `make web` builds it"
            );
        }
        let content = built.unwrap_or_else(|_| stand_in.text().into_bytes());
        if let Err(error) = fs::write(out.join(name), content) {
            println!("cargo:error=writing {name}: {error}");
        }
    }
}
