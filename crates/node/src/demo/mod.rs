//! `patchbay demo`: two built-in phones register, one calls the other, both speak, and everything is checked by ear.
//!
//! The phones are small programs of their own: nothing of the switch is in them, so they are also a test of it.

mod listen;
mod message;
mod phone;
mod sound;
mod throwaway;

use crate::cli::{Client, TraceLine, Trouble, describe, escape, ladder, say, trace_lines};
use crate::config::Config;
use crate::prompts;
use crate::run_file::{Running, reachable};
use clap::Args;
use listen::likeness;
use phone::{Phone, Talk};
use serde_json::{Value, json};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use throwaway::Throwaway;

/// How long the two talk.
const TALK: Duration = Duration::from_secs(5);

/// A sound that contains a speech is at least so much like it, one that does not is less. 1 is the same, 0 is nothing of it.
const ALIKE: f32 = 0.6;
const UNLIKE: f32 = 0.4;

/// Which server, and what becomes of it.
#[derive(Debug, Args)]
pub struct Options {
    /// Start a server of its own on free ports, with data that are thrown away
    #[arg(long, conflicts_with_all = ["server", "sip"])]
    throwaway: bool,
    /// The API of a server elsewhere, such as http://192.0.2.1:9999 [default: the one running here]
    #[arg(long, value_name = "URL", requires_all = ["user", "password"])]
    server: Option<String>,
    /// Its SIP address [default: port 5060 of that host, or what the server running here listens on]
    #[arg(long, value_name = "HOST:PORT")]
    sip: Option<String>,
    /// Who logs in there: an administrator
    #[arg(long)]
    user: Option<String>,
    /// That user's password
    #[arg(long)]
    password: Option<String>,
    /// Keep the throw-away data, and say where
    #[arg(long, requires = "throwaway")]
    keep: bool,
}

/// Runs the demo. `load` reads the configuration of the server that runs here, if that is wanted.
pub fn run(options: &Options, load: impl FnOnce() -> Result<Config, Trouble>) -> Result<(), Trouble> {
    if options.throwaway {
        let server = Throwaway::start(options.keep)?;
        say(&format!("✓ a throw-away server runs: SIP {}, API {}", server.sip(), server.base()));
        let client = Client::connect(server.config())?;
        let shown = demo(&client, server.sip(), Some(server.config().recordings_dir()));
        let ended = server.stop();
        return shown.and(ended);
    }
    let sip = options.sip.as_deref().map(resolve).transpose()?;
    if let Some(server) = &options.server {
        let (user, password) =
            (options.user.as_deref().unwrap_or_default(), options.password.as_deref().unwrap_or_default());
        let client = Client::log_in(server, user, password)?;
        let sip = sip.map_or_else(|| resolve(&default_sip(server)), Ok)?;
        return demo(&client, sip, None);
    }
    let config = load()?;
    let client = Client::connect(&config)?;
    let listening = Running::read(&config.data_dir).and_then(|r| r.sip.first().copied()).map(reachable);
    let sip =
        sip.or(listening).ok_or_else(|| Trouble("the server tells no SIP address; name it with --sip".to_owned()))?;
    demo(&client, sip, Some(config.recordings_dir()))
}

fn resolve(address: &str) -> Result<SocketAddr, Trouble> {
    let wrong = |why: &str| Trouble(format!("{address} is no SIP address ({why}); write it like 192.0.2.1:5060"));
    address.to_socket_addrs().map_err(|e| wrong(&e.to_string()))?.next().ok_or_else(|| wrong("nothing found"))
}

/// Port 5060 of a URL's host.
fn default_sip(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let end = host.rfind(':').filter(|at| !host[*at..].contains(']')).unwrap_or(host.len());
    format!("{}:5060", &host[..end])
}

/// Extensions that exist as long as this does.
struct Guests<'a> {
    client: &'a Client,
    numbers: Vec<String>,
    password: String,
}

impl<'a> Guests<'a> {
    fn invite(client: &'a Client) -> Result<Self, Trouble> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| Trouble(format!("the system gives no randomness: {e}")))?;
        let mut entropy = stdx::Entropy::from_seed(seed);
        let (group, password) = (entropy.token(6), entropy.token(16));
        let mut guests = Self { client, numbers: Vec::new(), password };
        for who in ["ling", "rose"] {
            let number = format!("demo-{group}-{who}");
            let extension =
                json!({ "number": number, "password": guests.password, "name": format!("Demo {who}"), "record": true });
            client.post("/extensions", &extension)?;
            guests.numbers.push(number);
        }
        Ok(guests)
    }

    fn leave(mut self) -> Result<(), Trouble> {
        self.remove()
    }

    fn remove(&mut self) -> Result<(), Trouble> {
        self.numbers.drain(..).try_for_each(|number| self.client.delete(&format!("/extensions/{}", escape(&number))))
    }
}

impl Drop for Guests<'_> {
    fn drop(&mut self) {
        // Only after a failure, which is what will be told.
        let _ = self.remove();
    }
}

fn demo(client: &Client, sip: SocketAddr, recordings: Option<PathBuf>) -> Result<(), Trouble> {
    let guests = Guests::invite(client)?;
    let [ling, rose] = [&guests.numbers[0], &guests.numbers[1]];
    say(&format!("✓ two throw-away extensions: {ling} (speaks Mandarin), {rose} (speaks English)"));
    let speeches = prompts::DEMO.map(prompts::samples);
    let talks = conversation(ling, rose, &guests.password, sip, &speeches)?;
    let record = find_record(client, ling)?;
    let id = record["id"].as_str().unwrap_or_default().to_owned();
    let recorded = client.get_bytes(&format!("/records/{id}/recording"))?;
    let trace = find_trace(client, &id)?;
    guests.leave()?;

    say(&format!("\n{}", ladder(&trace, false)));
    say(&format!("\n{}\n", describe(&record)));
    for (name, talk) in ["ling", "rose"].iter().zip(&talks) {
        say(&format!("{name} heard: {}", talk.heard.describe()));
    }
    let path = record["recording"]["path"].as_str().unwrap_or_default();
    match recordings {
        Some(dir) => say(&format!("\nrecording: {}", dir.join(path).display())),
        None => say(&format!(
            "\nrecording: {path} in the server's folder of recordings, or /patchbay/v1/records/{id}/recording"
        )),
    }
    verdict(&talks, &speeches, &recorded, &trace)
}

/// The call itself: both phones in threads of their own, each telling what it does.
fn conversation(
    ling: &str,
    rose: &str,
    password: &str,
    sip: SocketAddr,
    speeches: &[Vec<i16>; 2],
) -> Result<[Talk; 2], Trouble> {
    let (tell, told) = mpsc::channel::<String>();
    let mut caller = Phone::new("ling", ling, password, sip, tell.clone()).map_err(Trouble)?;
    let mut callee = Phone::new("rose", rose, password, sip, tell).map_err(Trouble)?;
    for phone in [&mut caller, &mut callee] {
        phone.register(true).map_err(Trouble)?;
    }
    std::thread::scope(|scope| {
        let answering = scope.spawn(|| {
            let talk = callee.answer(&speeches[1], TALK * 4);
            // The other side of the channel ends when both phones are done with it.
            let gone = callee.register(false);
            drop(callee);
            gone.and(talk)
        });
        let calling = scope.spawn(|| {
            let talk = caller.call(rose, &speeches[0], TALK);
            let gone = caller.register(false);
            drop(caller);
            gone.and(talk)
        });
        for line in told {
            say(&format!("✓ {line}"));
        }
        let told = |thread: std::thread::ScopedJoinHandle<'_, Result<Talk, String>>| match thread.join() {
            Ok(talk) => talk.map_err(Trouble),
            Err(_) => Err(Trouble("a phone of the demo panicked".to_owned())),
        };
        let (calling, answering) = (told(calling), told(answering));
        Ok([calling?, answering?])
    })
}

/// Tries until it is there.
fn patiently<T>(
    what: &str,
    within: Duration,
    mut get: impl FnMut() -> Result<Option<T>, Trouble>,
) -> Result<T, Trouble> {
    let until = Instant::now() + within;
    loop {
        let problem = match get() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => "not there".to_owned(),
            Err(trouble) => trouble.to_string(),
        };
        if Instant::now() >= until {
            return Err(Trouble(format!("{what} did not come within {} s: {problem}", within.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn find_record(client: &Client, caller: &str) -> Result<Value, Trouble> {
    patiently("the call's record", Duration::from_secs(10), || {
        let page = client.get(&format!("/records?limit=1&caller={}", escape(caller)))?;
        Ok(page["items"].get(0).cloned())
    })
}

fn find_trace(client: &Client, id: &str) -> Result<Vec<TraceLine>, Trouble> {
    say("  (the ladder is complete when the call's last messages can no longer be repeated: some seconds)");
    patiently("the call's ladder", Duration::from_secs(60), || {
        trace_lines(client.get(&format!("/records/{id}/trace"))?).map(Some)
    })
}

/// Everything that must be true, by ear.
fn verdict(talks: &[Talk; 2], speeches: &[Vec<i16>; 2], recorded: &[u8], trace: &[TraceLine]) -> Result<(), Trouble> {
    let [left, right] = channels(recorded)?;
    let mut wrong = Vec::new();
    let mut check = |what: &str, like: f32, right: bool| {
        let sign = if right { '✓' } else { '✗' };
        say(&format!("{sign} {what} (likeness {like:.2})"));
        if !right {
            wrong.push(what.to_owned());
        }
    };
    let mut hears = |what: &str, sound: &[i16], speech: &[i16]| {
        let like = likeness(sound, speech);
        check(what, like, like >= ALIKE);
    };
    hears("ling heard rose", &talks[0].heard.sound, &speeches[1]);
    hears("rose heard ling", &talks[1].heard.sound, &speeches[0]);
    hears("the recording's left channel is ling", &left, &speeches[0]);
    hears("the recording's right channel is rose", &right, &speeches[1]);
    let mut silent = |what: &str, sound: &[i16], speech: &[i16]| {
        let like = likeness(sound, speech);
        check(what, like, like <= UNLIKE);
    };
    silent("rose is not in the left channel", &left, &speeches[1]);
    silent("ling is not in the right channel", &right, &speeches[0]);
    for method in ["INVITE ", "BYE "] {
        if !trace.iter().any(|line| line.text.starts_with(method)) {
            wrong.push(format!("the ladder has no {method}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Trouble(format!("the demo failed: {}", wrong.join("; ")))) }
}

fn channels(wav: &[u8]) -> Result<[Vec<i16>; 2], Trouble> {
    let wrong = |e: &dyn std::fmt::Display| Trouble(format!("the recording cannot be read: {e}"));
    let reader = hound::WavReader::new(wav).map_err(|e| wrong(&e))?;
    if reader.spec().channels != 2 {
        return Err(wrong(&"it is not stereo"));
    }
    let samples: Vec<i16> = reader.into_samples().collect::<Result<_, _>>().map_err(|e| wrong(&e))?;
    let channel = |n: usize| samples.iter().skip(n).step_by(2).copied().collect();
    Ok([channel(0), channel(1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_sip_address_is_guessed_from_its_url() {
        assert_eq!(default_sip("http://192.0.2.1:9999"), "192.0.2.1:5060");
        assert_eq!(default_sip("https://pbx.example/"), "pbx.example:5060");
        assert_eq!(default_sip("http://[2001:db8::1]:9999/x"), "[2001:db8::1]:5060");
        assert_eq!(default_sip("http://[2001:db8::1]"), "[2001:db8::1]:5060");
    }
}
