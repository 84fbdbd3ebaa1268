//! The command line.

mod admin;
mod ban;
mod client;
mod csv;
mod history;
mod json;
mod ladder;
mod prompts;
mod route;
mod run;
mod table;
mod trace;
mod trunk;

pub use ladder::{TraceLine, ladder};

pub(crate) use history::describe;
pub(crate) use json::escape;
pub(crate) use trace::trace_lines;

use crate::config::{self, Config};
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) use client::Client;
pub use client::Trouble;

/// A telephone switch in one program: without a command it runs.
#[derive(Debug, Parser)]
#[command(name = "patchbay", version, disable_help_subcommand = true)]
pub struct Cli {
    /// The configuration [default: $PATCHBAY_CONFIG, ./patchbay.toml or /etc/patchbay/patchbay.toml, whichever is there first]
    #[arg(short, long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the switch (what happens without a command)
    Run,
    /// Say whether a configuration is right, without starting anything
    Check {
        /// The file [default: the one that would be used]
        file: Option<PathBuf>,
    },
    /// Let two built-in phones talk for five seconds, and show how it went
    Demo(crate::demo::Options),
    /// Show the SIP messages of a call as a ladder, or those of a number or an address
    Trace(trace::Trace),
    /// Extensions: numbers with SIP passwords
    Extension {
        #[command(subcommand)]
        action: admin::Extension,
    },
    /// Prompts: clips of single words, from which numbers, amounts, dates and times are said
    Prompts {
        #[command(subcommand)]
        action: prompts::Prompts,
    },
    /// Users: people and programs that log in to the API
    User {
        #[command(subcommand)]
        action: admin::User,
    },
    /// Where numbers lead
    Route {
        #[command(subcommand)]
        action: route::Route,
    },
    /// What was spent today on calls by trunks
    Spending {
        #[command(flatten)]
        shape: Shape,
    },
    /// Calls that exist now
    Call {
        #[command(subcommand)]
        action: history::Call,
    },
    /// Sources that nobody listens to for a while
    Ban {
        #[command(subcommand)]
        action: ban::Ban,
    },
    /// Trunks: connections to the PSTN and other switches
    Trunk {
        #[command(subcommand)]
        action: trunk::Trunk,
    },
    /// Records of finished calls
    Cdr {
        #[command(subcommand)]
        action: history::Cdr,
    },
}

/// How results are shown.
#[derive(Clone, Copy, Debug, Args)]
struct Shape {
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match act(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            complain(&trouble);
            ExitCode::FAILURE
        }
    }
}

fn act(cli: Cli) -> Result<(), Trouble> {
    let file = find_config(cli.config.as_deref())?;
    match cli.command.unwrap_or(Command::Run) {
        Command::Run => run::run(load(file.as_deref())?),
        Command::Check { file: named } => check(named.or(file).as_deref()),
        Command::Demo(options) => crate::demo::run(&options, || load(file.as_deref())),
        Command::Trace(what) => trace::trace(&Client::connect(&load(file.as_deref())?)?, what),
        Command::Extension { action } => admin::extension(&load(file.as_deref())?, action),
        Command::User { action } => admin::user(&Client::connect(&load(file.as_deref())?)?, action),
        Command::Route { action } => route::route(&load(file.as_deref())?, action),
        Command::Spending { shape } => history::spending(&Client::connect(&load(file.as_deref())?)?, shape),
        Command::Call { action } => history::call(&Client::connect(&load(file.as_deref())?)?, action),
        Command::Ban { action } => ban::ban(&Client::connect(&load(file.as_deref())?)?, &action),
        Command::Trunk { action } => trunk::trunk(&Client::connect(&load(file.as_deref())?)?, &action),
        Command::Prompts { action } => prompts::prompts(&load(file.as_deref())?, &action),
        Command::Cdr { action } => history::cdr(&Client::connect(&load(file.as_deref())?)?, action),
    }
}

fn find_config(named: Option<&Path>) -> Result<Option<PathBuf>, Trouble> {
    if let Some(named) = named {
        return Ok(Some(named.to_owned()));
    }
    if let Some(named) = std::env::var_os("PATCHBAY_CONFIG") {
        return Ok(Some(named.into()));
    }
    Ok(["patchbay.toml", "/etc/patchbay/patchbay.toml"].into_iter().map(PathBuf::from).find(|p| p.exists()))
}

fn load(file: Option<&Path>) -> Result<Config, Trouble> {
    config::load(file, std::env::vars()).map_err(|e| Trouble(e.to_string()))
}

fn check(file: Option<&Path>) -> Result<(), Trouble> {
    let config = load(file)?;
    crate::edge::check_files(&config).map_err(Trouble)?;
    let list = |all: &[std::net::SocketAddr]| {
        let shown: Vec<_> = all.iter().map(ToString::to_string).collect();
        if shown.is_empty() { "none".to_owned() } else { shown.join(" ") }
    };
    let name = file.map_or_else(|| "no file: the defaults".to_owned(), |f| f.display().to_string());
    say(&format!(
        "{name}: right\n  data in {}, {} workers\n  SIP by UDP on {}, TCP on {}, TLS on {}\n  sound on {}, API on {}, by HTTPS on {}\n  {} trunks, {} routes",
        config.data_dir.display(),
        config.worker_count(),
        list(&config.sip.listen),
        list(config.sip_tcp()),
        list(&config.sip_tls()),
        config.media.ports,
        config.http.listen,
        list(&config.https()),
        config.trunks.len(),
        config.routes.len(),
    ));
    for warning in config.warnings() {
        say(&format!("  warning: {warning}"));
    }
    Ok(())
}

/// One result on stdout.
#[expect(clippy::print_stdout, reason = "results of a command line go to stdout")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the end of a command line's patience")]
fn complain(trouble: &Trouble) {
    eprintln!("patchbay: {trouble}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn parse(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("patchbay").chain(words.split_whitespace()))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_are_understood_with_the_configuration_before_or_after() {
        for words in [
            "",
            "run",
            "--config a.toml",
            "check",
            "check a.toml",
            "demo --throwaway",
            "trace last --full",
            "trace --number 1001 --follow",
            "trace --address 192.0.2.7 --json",
            "extension list --json",
            "extension add 1001 --name Ana --password secret-word --record",
            "extension set 1001 --record false --max-calls 3",
            "extension set 1001 --rights local --outside-number 057188886666",
            "route test 913900138000 --from 1001",
            "route test 057188886666 --trunk gateway --caller 13900138000 --address 192.0.2.10 --at 2026-11-21",
            "extension remove 1001",
            "extension import users.csv --allow-weak-passwords",
            "user add ana --role supervisor --password secret-word --extension 1001",
            "user set ana --enabled false",
            "user list",
            "ban list --json",
            "ban add 192.0.2.1",
            "ban remove 2001:db8::1",
            "extension set 1001 --allow 192.0.2.0/24,10.0.0.1",
            "call list",
            "prompts make zh",
            "spending --json",
            "call hangup 0123",
            "cdr list --limit 5 --caller 1001",
            "cdr show last -c a.toml",
        ] {
            parse(words).unwrap_or_else(|e| panic!("{words}: {e}"));
        }
        assert_eq!(parse("cdr list -c a.toml").unwrap().config.as_deref(), Some(Path::new("a.toml")));
        assert_eq!(parse("-c a.toml cdr list").unwrap().config.as_deref(), Some(Path::new("a.toml")));
    }

    #[test]
    fn mistakes_are_told() {
        for words in [
            "dance",
            "extension",
            "extension add",
            "trace",
            "user add ana --role king",
            "extension set 1001 --rights king",
            "route test",
            "route test 1 --from 1001 --trunk a",
            "cdr list --limit x",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }
}
