//! Extensions and users: what the API offers, for hands.

use super::client::with_store;
use super::csv::read_csv;
use super::json::{escape, rows, show};
use super::table::table;
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
    /// Add or change many from a CSV file with the columns number,name,password and, if wished, rights,outside_number
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
    /// How far it may call; default: as the configuration says for all
    #[arg(long)]
    rights: Option<Rights>,
    /// Its number beyond the trunks, which called parties see; "" for none
    #[arg(long)]
    outside_number: Option<String>,
    /// Networks that it may register and call from, such as 192.0.2.0/24; "" for everywhere
    #[arg(long, value_delimiter = ',')]
    allow: Option<Vec<String>>,
    /// May it listen to the calls of others?
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    monitor: Option<bool>,
    /// May its calls ask other phones to answer by themselves?
    #[arg(long, num_args = 0..=1, default_missing_value = "true")]
    intercom: Option<bool>,
    /// By which headers its phones are asked to answer: usual, call_info, alert_info, plain_alert_info, answer_mode
    #[arg(long)]
    auto_answer: Option<String>,
    /// Whether its sound is encrypted; default: as the configuration says for all
    #[arg(long)]
    srtp: Option<Srtp>,
    /// Codecs that it may speak, best first, such as PCMA,G722; "" for all
    #[arg(long, value_delimiter = ',')]
    codecs: Option<Vec<String>>,
    /// Whether keys are listened for in its sound: auto (if its phone has no RTP events), always, never
    #[arg(long)]
    inband_dtmf: Option<String>,
    /// By what kind of media it speaks; auto: what it offers, and called by WebSocket it is offered WebRTC
    #[arg(long)]
    media: Option<MediaKind>,
    /// How many contacts (phones, pages) it may have registered; 0: as the configuration says for all
    #[arg(long)]
    contacts: Option<u16>,
    /// Who may watch it by lamps and presence: default, all, none, or numbers with spaces between
    #[arg(long)]
    watched_by: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Srtp {
    Default,
    Off,
    Offered,
    Required,
}

impl Srtp {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Off => "off",
            Self::Offered => "offered",
            Self::Required => "required",
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum MediaKind {
    Auto,
    Rtp,
    Webrtc,
}

impl MediaKind {
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Rtp => "rtp",
            Self::Webrtc => "webrtc",
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Rights {
    Default,
    Internal,
    Local,
    National,
    International,
}

impl Rights {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Internal => "internal",
            Self::Local => "local",
            Self::National => "national",
            Self::International => "international",
        }
    }
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

pub(super) fn extension(config: &Config, action: Extension) -> Result<(), Trouble> {
    let client = Client::connect(config)?;
    match action {
        Extension::List { shape } => {
            let list = client.get("/extensions")?;
            show(shape, &list, || {
                let keys =
                    ["number", "name", "enabled", "record", "ring_seconds", "max_calls", "rights", "outside_number"];
                table(
                    &["number", "name", "enabled", "record", "ring s", "calls", "rights", "outside"],
                    &rows(&list, &keys),
                )
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
        ("rights", settings.rights.map(|rights| rights.name().into())),
        ("outside_number", settings.outside_number.clone().map(Value::from)),
        ("srtp", settings.srtp.map(|srtp| srtp.name().into())),
        ("codecs", settings.codecs.clone().map(|list| list.into_iter().filter(|name| !name.is_empty()).collect())),
        ("media", settings.media.map(|kind| kind.name().into())),
        ("inband_dtmf", settings.inband_dtmf.clone().map(Value::from)),
        ("allow", settings.allow.clone().map(|list| list.into_iter().filter(|net| !net.is_empty()).collect())),
        ("monitor", settings.monitor.map(Value::from)),
        ("intercom", settings.intercom.map(Value::from)),
        ("auto_answer", settings.auto_answer.clone().map(Value::from)),
        ("contacts", settings.contacts.map(Value::from)),
        ("watched_by", settings.watched_by.clone().map(Value::from)),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

fn import(config: &Config, client: &Client, file: &Path, weak: bool) -> Result<(), Trouble> {
    let text = std::fs::read_to_string(file).map_err(|e| Trouble(format!("reading {}: {e}", file.display())))?;
    let list = read_csv(&text).map_err(|e| Trouble(format!("{}: {e}", file.display())))?;
    let count = |e: &NewExtension| e.password.chars().count() < SHORTEST_PASSWORD;
    let short = list.iter().filter(|e| count(e)).count();
    let done = if short == 0 {
        let list: Vec<Value> = list.iter().map(import_item).collect();
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

fn import_item(new: &NewExtension) -> Value {
    let mut item = json!({ "number": new.number, "name": new.name, "password": new.password });
    if let Some(rights) = new.rights {
        item["rights"] = rights.name().into();
    }
    if let Some(number) = &new.outside_number {
        item["outside_number"] = number.as_str().into();
    }
    item
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
