//! The client for TypeScript: the compiler takes it, and it works against the program that made it.

use crate::server::{Server, Setup};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What uses it: everything has its type, and what goes wrong has its code.
const PROGRAM: &str = r#"
import { Patchbay, Problem, type ExtensionOut } from "./client";

declare const process: { argv: string[]; exit(code: number): never };

async function main(): Promise<void> {
  const patchbay = new Patchbay(process.argv[2]);
  const session = await patchbay.logIn("admin", process.argv[3]);
  console.log("logged in as", session.user.role);
  const heard: string[] = [];
  const socket = patchbay.events({ kinds: "settings_changed" }, (message) => {
    if ("ready" in message) heard.push("ready");
    else if ("gap" in message) heard.push("gap");
    else if (message.event === "settings_changed") heard.push(`${message.object} ${message.id} ${message.change}`);
  });
  await new Promise((ready) => { socket.onopen = ready; });
  const added: ExtensionOut = await patchbay.postExtensions({ number: "2001", password: "good enough" });
  console.log("added", added.number);
  const changed = await patchbay.putExtensionsByNumber("2001", { name: "Ana" });
  console.log("changed", changed.name);
  await patchbay.deleteExtensionsByNumber("2001");
  const trail = await patchbay.getAudit({ object: "extension", limit: 3 });
  console.log("trail", trail.map((entry) => entry.status).join(" "));
  try {
    await patchbay.getExtensionsByNumber("2001");
  } catch (problem) {
    console.log(problem instanceof Problem ? problem.code : "another error");
  }
  while (heard.length < 4) await new Promise((soon) => setTimeout(soon, 20));
  console.log(heard.join(", "));
  process.exit(0);
}

void main();
"#;

const SAYS: &str = "logged in as admin
added 2001
changed Ana
trail 204 200 201
no_such_extension
ready, extension 2001 added, extension 2001 changed, extension 2001 removed
";

fn run(what: &str, command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{what}: {e}"));
    let text = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{what}: {text}{}", String::from_utf8_lossy(&stderr));
    text
}

/// A tool of the page's build.
fn tool(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/web/node_modules").join(path)
}

#[test]
fn the_compiler_takes_the_client_and_it_works() {
    let server = Server::start(Setup::default());
    let base = format!("http://{}", server.http());
    let dir = tempfile::tempdir().expect("a folder");
    let client = ureq::get(format!("{base}/sdk/client.ts")).call().expect("the client");
    let client = client.into_body().read_to_string().expect("its text");
    std::fs::write(dir.path().join("client.ts"), client).expect("room on the disk");
    std::fs::write(dir.path().join("program.ts"), PROGRAM).expect("room on the disk");
    let mut compiler = Command::new("timeout");
    compiler.arg("120").arg("node").arg(tool("typescript/bin/tsc")).current_dir(dir.path());
    compiler.args(["--strict", "--target", "es2020", "--module", "commonjs", "--lib", "es2020,dom"]);
    run("the compiler", compiler.arg("program.ts"));
    let mut node = Command::new("timeout");
    node.args([
        "60",
        "node",
        "--no-warnings",
        "--experimental-websocket",
        "program.js",
        &base,
        server.password("admin"),
    ]);
    assert_eq!(run("the program", node.current_dir(dir.path())), SAYS);
    server.finish();
}
