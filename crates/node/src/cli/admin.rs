//! Extensions, users, calls, records: what the API offers, for hands.

use super::client::with_store;
use super::ladder::{TraceLine, ladder};
use super::table::{moment, table};
use super::{Client, Shape, Trouble, say};
use crate::config::Config;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use store::NewExtension;

/// The shortest password the API takes.
const SHORTEST_PASSWORD: usize = 8;

#[derive(Debug, Subcommand)]
pub(super) enum Extension {
    /// Show all
    List {
        #[command(flatten)]
        shape: Shape,
    },
    /// Add one; without --password one is made and shown
    Add {
        /// Its number, which is also the SIP user
        number: String,
        #[command(flatten)]
        settings: ExtensionSettings,
    },
    /// Change one
    Set {
        /// Its number
        number: String,
        #[command(flatten)]
        settings: ExtensionSettings,
    },
    /// Remove one
    Remove {
        /// Its number
        number: String,
    },
    /// Add or change many from a CSV file with the columns number,name,password
    Import {
        /// The file
        file: PathBuf,
        /// Take passwords of fewer than eight characters (a laboratory may want that)
        #[arg(long)]
        allow_weak_passwords: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct ExtensionSettings {
    /// Display name
    #[arg(long)]
    name: Option<String>,
    /// SIP password, at least 8 characters
    #[arg(long)]
    password: Option<String>,
    /// May it register and call?
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    enabled: Option<bool>,
    /// Record its calls?
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    record: Option<bool>,
    /// How long it rings, 5 to 600 seconds
    #[arg(long)]
    ring_seconds: Option<u16>,
    /// How many calls it may have at once
    #[arg(long)]
    max_calls: Option<u16>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Role {
    Admin,
    Supervisor,
    Agent,
    Integrator,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Supervisor => "supervisor",
            Self::Agent => "agent",
            Self::Integrator => "integrator",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Show all
    List {
        #[command(flatten)]
        shape: Shape,
    },
    /// Add one; without --password one is made and shown
    Add {
        /// Account name
        username: String,
        #[command(flatten)]
        settings: UserSettings,
    },
    /// Change one
    Set {
        /// Account name
        username: String,
        #[command(flatten)]
        settings: UserSettings,
    },
    /// Remove one
    Remove {
        /// Account name
        username: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct UserSettings {
    /// Display name
    #[arg(long)]
    nickname: Option<String>,
    /// Password, at least 8 characters
    #[arg(long)]
    password: Option<String>,
    /// What it may do [default for a new user: agent]
    #[arg(long)]
    role: Option<Role>,
    /// Its extension; "" for none
    #[arg(long)]
    extension: Option<String>,
    /// May it log in?
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    enabled: Option<bool>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Call {
    /// Show all
    List {
        #[command(flatten)]
        shape: Shape,
    },
    /// End one
    Hangup {
        /// Its id, or the beginning of it
        call: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Cdr {
    /// Show the newest
    List {
        /// How many, at most 500
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Only of this caller
        #[arg(long)]
        caller: Option<String>,
        /// Only to this number
        #[arg(long)]
        callee: Option<String>,
        /// Only with this party
        #[arg(long)]
        number: Option<String>,
        /// Only with this outcome, such as answered, busy, no_answer
        #[arg(long)]
        outcome: Option<String>,
        #[command(flatten)]
        shape: Shape,
    },
    /// Show one with its legs
    Show {
        /// Its id, or the beginning of it; "last" is the newest
        call: String,
        #[command(flatten)]
        shape: Shape,
    },
}

pub(super) fn extension(config: &Config, action: Extension) -> Result<(), Trouble> {
    let client = Client::connect(config)?;
    match action {
        Extension::List { shape } => {
            let list = client.get("/extensions")?;
            show(shape, &list, || {
                let rows = rows(&list, &["number", "name", "enabled", "record", "ring_seconds", "max_calls"]);
                table(&["number", "name", "enabled", "record", "ring s", "calls"], &rows)
            });
        }
        Extension::Add { number, settings } => {
            let password = settings.password.clone().map_or_else(make_password, Ok)?;
            let made = settings.password.is_none();
            let mut body = extension_body(&settings);
            body.insert("number".to_owned(), number.clone().into());
            body.insert("password".to_owned(), password.clone().into());
            client.post("/extensions", &Value::Object(body))?;
            say(&added("extension", &number, made.then_some(&password)));
        }
        Extension::Set { number, settings } => {
            let mut body = extension_body(&settings);
            if let Some(password) = settings.password {
                body.insert("password".to_owned(), password.into());
            }
            client.put(&format!("/extensions/{}", escape(&number)), &Value::Object(body))?;
            say(&format!("extension {number} changed"));
        }
        Extension::Remove { number } => {
            client.delete(&format!("/extensions/{}", escape(&number)))?;
            say(&format!("extension {number} removed"));
        }
        Extension::Import { file, allow_weak_passwords } => import(config, &client, &file, allow_weak_passwords)?,
    }
    Ok(())
}

fn extension_body(settings: &ExtensionSettings) -> Map<String, Value> {
    let all = [
        ("name", settings.name.clone().map(Value::from)),
        ("enabled", settings.enabled.map(Value::from)),
        ("record", settings.record.map(Value::from)),
        ("ring_seconds", settings.ring_seconds.map(Value::from)),
        ("max_calls", settings.max_calls.map(Value::from)),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn import(config: &Config, client: &Client, file: &Path, weak: bool) -> Result<(), Trouble> {
    let text = std::fs::read_to_string(file).map_err(|e| Trouble(format!("reading {}: {e}", file.display())))?;
    let list = read_csv(&text).map_err(|e| Trouble(format!("{}: {e}", file.display())))?;
    let count = |e: &NewExtension| e.password.chars().count() < SHORTEST_PASSWORD;
    let short = list.iter().filter(|e| count(e)).count();
    let done = if short == 0 {
        let list: Vec<Value> =
            list.iter().map(|e| json!({ "number": e.number, "name": e.name, "password": e.password })).collect();
        client.post("/extensions/import", &json!({ "extensions": list }))?
    } else if weak {
        // The API refuses them by rule; the owner of the data folder may put them there, and then the server takes what is there.
        let numbers: Vec<String> = list.iter().map(|e| e.number.clone()).collect();
        let imported = with_store(config, async |store| {
            store.import_extensions(list).await.map_err(|e| Trouble(format!("importing: {e}")))
        })?;
        for number in numbers {
            client.put(&format!("/extensions/{}", escape(&number)), &json!({}))?;
        }
        json!({ "added": imported.added, "changed": imported.changed })
    } else {
        return Err(Trouble(format!(
            "{short} passwords have fewer than {SHORTEST_PASSWORD} characters: scanners find them within hours; \
             lengthen them, or say --allow-weak-passwords where no stranger can reach this server"
        )));
    };
    say(&format!("{} extensions added, {} changed", done["added"], done["changed"]));
    Ok(())
}

/// `number,name,password` per line, with or without that line as a head; fields may be in double quotes.
fn read_csv(text: &str) -> Result<Vec<NewExtension>, String> {
    let mut list = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() || (index == 0 && line.trim_start().starts_with("number")) {
            continue;
        }
        let fields = csv_fields(line).ok_or_else(|| format!("line {}: a quote is not closed", index + 1))?;
        let [number, name, password] = fields.as_slice() else {
            return Err(format!("line {}: {} fields instead of number,name,password", index + 1, fields.len()));
        };
        list.push(NewExtension { number: number.clone(), name: name.clone(), password: password.clone() });
    }
    Ok(list)
}

/// The fields of a line (RFC 4180 without line breaks in fields). `None` if a quote is not closed.
fn csv_fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next()? {
                    (_, '"') if chars.peek().is_some_and(|(_, c)| *c == '"') => {
                        chars.next();
                        field.push('"');
                    }
                    (at, '"') => break at + 1,
                    (_, c) => field.push(c),
                }
            };
            fields.push(field);
            match quoted[end..].strip_prefix(',') {
                Some(more) => rest = more,
                None => return Some(fields),
            }
        } else if let Some((field, more)) = rest.split_once(',') {
            fields.push(field.trim().to_owned());
            rest = more;
        } else {
            fields.push(rest.trim().to_owned());
            return Some(fields);
        }
    }
}

pub(super) fn user(client: &Client, action: User) -> Result<(), Trouble> {
    match action {
        User::List { shape } => {
            let list = client.get("/users")?;
            show(shape, &list, || {
                let rows = rows(&list, &["id", "username", "nickname", "role", "extension", "enabled"]);
                table(&["id", "user", "name", "role", "extension", "enabled"], &rows)
            });
        }
        User::Add { username, settings } => {
            let made = settings.password.is_none();
            let password = settings.password.map_or_else(make_password, Ok)?;
            let body = json!({
                "username": username,
                "password": password,
                "nickname": settings.nickname.unwrap_or_default(),
                "role": settings.role.unwrap_or(Role::Agent).name(),
                "extension": settings.extension.filter(|e| !e.is_empty()),
                "enabled": settings.enabled.unwrap_or(true),
            });
            client.post("/users", &body)?;
            say(&added("user", &username, made.then_some(&password)));
        }
        User::Set { username, settings } => {
            let old = find_user(client, &username)?;
            let mut body = json!({
                "username": username,
                "nickname": settings.nickname.map_or_else(|| old["nickname"].clone(), Value::from),
                "role": settings.role.map_or_else(|| old["role"].clone(), |r| r.name().into()),
                "extension": settings.extension.map_or_else(|| old["extension"].clone(), |e| if e.is_empty() { Value::Null } else { e.into() }),
                "enabled": settings.enabled.map_or_else(|| old["enabled"].clone(), Value::from),
            });
            if let Some(password) = settings.password {
                body["password"] = password.into();
            }
            client.put(&format!("/users/{}", old["id"]), &body)?;
            say(&format!("user {username} changed"));
        }
        User::Remove { username } => {
            client.delete(&format!("/users/{}", find_user(client, &username)?["id"]))?;
            say(&format!("user {username} removed"));
        }
    }
    Ok(())
}

fn find_user(client: &Client, username: &str) -> Result<Value, Trouble> {
    let Value::Array(users) = client.get("/users")? else { return Err(Trouble("no list of users came".to_owned())) };
    let found = users.into_iter().find(|user| user["username"] == username);
    found.ok_or_else(|| Trouble(format!("there is no user {username}; `patchbay user list` shows all")))
}

pub(super) fn call(client: &Client, action: Call) -> Result<(), Trouble> {
    match action {
        Call::List { shape } => {
            let list = client.get("/calls")?;
            show(shape, &list, || {
                let rows: Vec<Vec<String>> = items(&list)
                    .map(|call| {
                        let legs: Vec<String> = items(&call["legs"])
                            .map(|leg| format!("{}:{}", text(&leg["number"]), text(&leg["state"])))
                            .collect();
                        let started = call["started_at"].as_u64().map(moment).unwrap_or_default();
                        vec![text(&call["id"]), text(&call["caller"]), text(&call["callee"]), started, legs.join(" ")]
                    })
                    .collect();
                table(&["call", "caller", "callee", "started (UTC)", "legs"], &rows)
            });
        }
        Call::Hangup { call } => {
            let list = client.get("/calls")?;
            let ids: Vec<String> = items(&list).map(|c| text(&c["id"])).filter(|id| id.starts_with(&call)).collect();
            match ids.as_slice() {
                [id] => {
                    client.delete(&format!("/calls/{id}"))?;
                    say(&format!("call {id} is being ended"));
                }
                [] => return Err(Trouble(format!("there is no call {call} now; `patchbay call list` shows all"))),
                _ => return Err(Trouble(format!("{} calls begin with {call}; write more of the id", ids.len()))),
            }
        }
    }
    Ok(())
}

pub(super) fn cdr(client: &Client, action: Cdr) -> Result<(), Trouble> {
    match action {
        Cdr::List { limit, caller, callee, number, outcome, shape } => {
            let mut path = format!("/records?limit={limit}");
            for (key, value) in [("caller", caller), ("callee", callee), ("number", number), ("outcome", outcome)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{key}={}", escape(&value)));
                }
            }
            let page = client.get(&path)?;
            show(shape, &page, || {
                let rows: Vec<Vec<String>> = items(&page["items"]).map(record_row).collect();
                let list =
                    table(&["started (UTC)", "caller", "callee", "outcome", "talked", "ended by", "call"], &rows);
                format!("{list}\n{} of {}", rows.len(), page["total"])
            });
        }
        Cdr::Show { call, shape } => {
            let record = client.get(&format!("/records/{}", find_record(client, &call)?))?;
            show(shape, &record, || describe(&record));
        }
    }
    Ok(())
}

fn record_row(record: &Value) -> Vec<String> {
    vec![
        record["started_at"].as_u64().map(moment).unwrap_or_default(),
        text(&record["caller"]),
        text(&record["callee"]),
        text(&record["outcome"]),
        format!("{:.1} s", record["talk_ms"].as_f64().unwrap_or(0.0) / 1000.0),
        text(&record["ended_by"]),
        text(&record["id"]),
    ]
}

/// A record in words, with the quality of each leg.
pub(crate) fn describe(record: &Value) -> String {
    let mut lines = vec![
        format!("call      {}", text(&record["id"])),
        format!("from, to  {} → {} ({})", text(&record["caller"]), text(&record["callee"]), text(&record["direction"])),
    ];
    for (name, key) in
        [("started", "started_at"), ("ringing", "ringing_at"), ("answered", "answered_at"), ("ended", "ended_at")]
    {
        if let Some(at) = record[key].as_u64() {
            lines.push(format!("{name:<9} {} UTC", moment(at)));
        }
    }
    let cause = &record["cause"];
    lines.push(format!(
        "outcome   {}, ended by {} (SIP {}, Q.850 {})",
        text(&record["outcome"]),
        text(&record["ended_by"]),
        cause["sip"],
        cause["q850"]
    ));
    if record["note"].as_str().is_some_and(|note| !note.is_empty()) {
        lines.push(format!("note      {}", text(&record["note"])));
    }
    if record["recording"].is_object() {
        let recording = &record["recording"];
        let whole = if recording["complete"] == true {
            String::new()
        } else {
            format!(", incomplete: {}", text(&recording["note"]))
        };
        let seconds = recording["length_ms"].as_f64().unwrap_or(0.0) / 1000.0;
        lines.push(format!("recording {} ({seconds:.1} s{whole})", text(&recording["path"])));
    }
    lines.push(quality(record));
    lines.join("\n")
}

/// What reached the switch from each party.
pub(crate) fn quality(record: &Value) -> String {
    let number =
        |value: &Value, digits: usize| value.as_f64().map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"));
    let rows: Vec<Vec<String>> = items(&record["legs"])
        .map(|leg| {
            let q = &leg["quality"];
            vec![
                text(&leg["number"]),
                text(&leg["outcome"]),
                text(&leg["codec"]),
                number(&q["received"], 0),
                number(&q["loss_percent"], 2),
                number(&q["jitter_ms"], 2),
                number(&q["rtt_ms"], 1),
                number(&q["mos"], 2),
                number(&q["sent"], 0),
                number(&q["remote_loss_percent"], 2),
            ]
        })
        .collect();
    table(
        &["leg", "outcome", "codec", "received", "lost %", "jitter ms", "rtt ms", "MOS", "sent", "lost there %"],
        &rows,
    )
}

pub(super) fn trace(client: &Client, call: &str, full: bool, json: bool) -> Result<(), Trouble> {
    let id = find_record(client, call)?;
    let lines = client.get(&format!("/records/{id}/trace"))?;
    if json {
        say(&lines.to_string());
        return Ok(());
    }
    say(&ladder(&trace_lines(lines)?, full));
    Ok(())
}

pub(crate) fn trace_lines(lines: Value) -> Result<Vec<TraceLine>, Trouble> {
    serde_json::from_value(lines).map_err(|e| Trouble(format!("the trace cannot be read: {e}")))
}

/// The whole id of a record: given whole, by its beginning among the newest 500, or as `last`.
fn find_record(client: &Client, call: &str) -> Result<String, Trouble> {
    if call.parse::<model::CallId>().is_ok() {
        return Ok(call.to_owned());
    }
    let wanted = if call == "last" { 1 } else { 500 };
    let page = client.get(&format!("/records?limit={wanted}"))?;
    let ids = items(&page["items"]).map(|r| text(&r["id"]));
    let found: Vec<String> = ids.filter(|id| call == "last" || id.starts_with(call)).collect();
    match found.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(Trouble(format!("no record of call {call}; `patchbay cdr list` shows the newest"))),
        _ => Err(Trouble(format!("{} calls begin with {call}; write more of the id", found.len()))),
    }
}

fn added(what: &str, name: &str, made: Option<&String>) -> String {
    match made {
        Some(password) => format!("{what} {name} added, password {password} (shown only now)"),
        None => format!("{what} {name} added"),
    }
}

fn make_password() -> Result<String, Trouble> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| Trouble(format!("the system gives no randomness: {e}")))?;
    Ok(stdx::Entropy::from_seed(seed).token(12))
}

fn show(shape: Shape, value: &Value, text: impl FnOnce() -> String) {
    if shape.json { say(&value.to_string()) } else { say(&text()) }
}

fn rows(list: &Value, keys: &[&str]) -> Vec<Vec<String>> {
    items(list).map(|item| keys.iter().map(|key| text(&item[*key])).collect()).collect()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// Percent-encodes what has a meaning in a URL.
pub(crate) fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_files_of_all_sorts_are_read() {
        let text = "\u{feff}number,name,password\r\n1001,Ana,secret-1\n\n\"1002\",\"Li, \"\"Ming\"\"\",secret-2\n1003,,secret-3\n";
        let list = read_csv(text).unwrap();
        let told: Vec<_> = list.iter().map(|e| (e.number.as_str(), e.name.as_str(), e.password.as_str())).collect();
        assert_eq!(told, [("1001", "Ana", "secret-1"), ("1002", "Li, \"Ming\"", "secret-2"), ("1003", "", "secret-3")]);
        assert!(read_csv("1001,Ana").err().unwrap().contains("line 1: 2 fields"));
        assert!(read_csv("number,name,password\n1001,\"Ana,x").err().unwrap().contains("line 2: a quote"));
    }

    #[test]
    fn numbers_with_signs_travel_in_urls() {
        assert_eq!(escape("*9#+1.a"), "%2A9%23%2B1.a");
    }
}
