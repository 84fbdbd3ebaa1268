//! The running server's HTTP API, as the command line uses it.

use crate::config::Config;
use crate::run_file::Running;
use serde_json::Value;
use std::fmt;
use std::time::Duration;
use store::Store;
use ureq::Agent;
use ureq::http::Response;

/// Long enough for one command.
const TOKEN_LIFE: Duration = Duration::from_secs(300);

/// Why a command did not do what it should: a sentence for the terminal.
#[derive(Debug)]
pub struct Trouble(pub(crate) String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An API with a token.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    base: String,
    token: String,
}

impl Client {
    /// The server that runs with this configuration's data folder. Whoever may read the folder may do everything.
    pub(crate) fn connect(config: &Config) -> Result<Self, Trouble> {
        let running = Running::read(&config.data_dir).ok_or_else(|| not_running(config))?;
        Ok(Self { agent: agent(), base: running.base(), token: with_store(config, mint)? })
    }

    /// A server somewhere, by name and password.
    pub(crate) fn log_in(base: &str, username: &str, password: &str) -> Result<Self, Trouble> {
        let mut client = Self { agent: agent(), base: base.trim_end_matches('/').to_owned(), token: String::new() };
        let login = serde_json::json!({ "username": username, "password": password });
        let session = client.post("/session", &login)?;
        client.token = session["token"].as_str().unwrap_or_default().to_owned();
        Ok(client)
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Trouble> {
        self.read(self.agent.get(self.at(path)).header("authorization", self.bearer()).call())
    }

    /// A GET whose answer is bytes.
    pub(crate) fn get_bytes(&self, path: &str) -> Result<Vec<u8>, Trouble> {
        let answer = self.agent.get(self.at(path)).header("authorization", self.bearer()).call();
        let response = answer.map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return Err(problem(response));
        }
        let limited = response.into_body().into_with_config().limit(1 << 30).read_to_vec();
        limited.map_err(|e| self.unreachable(&e))
    }

    /// A GET whose answer is lines, perhaps without an end.
    pub(crate) fn each_line(&self, path: &str, mut each: impl FnMut(&str)) -> Result<(), Trouble> {
        use std::io::BufRead as _;
        let patient = self.agent.get(self.at(path)).config().timeout_global(None).build();
        let response = patient.header("authorization", self.bearer()).call().map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return Err(problem(response));
        }
        for line in std::io::BufReader::new(response.into_body().into_reader()).lines() {
            each(&line.map_err(|e| Trouble(format!("the server at {} ended: {e}", self.base)))?);
        }
        Ok(())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        self.read(self.agent.post(self.at(path)).header("authorization", self.bearer()).send_json(body))
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Value, Trouble> {
        self.read(self.agent.put(self.at(path)).header("authorization", self.bearer()).send_json(body))
    }

    pub(crate) fn delete(&self, path: &str) -> Result<(), Trouble> {
        self.read(self.agent.delete(self.at(path)).header("authorization", self.bearer()).call()).map(drop)
    }

    fn at(&self, path: &str) -> String {
        format!("{}/patchbay/v1{path}", self.base)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn read(&self, answer: Result<Response<ureq::Body>, ureq::Error>) -> Result<Value, Trouble> {
        let response = answer.map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return Err(problem(response));
        }
        let text = response.into_body().read_to_string().map_err(|e| self.unreachable(&e))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|e| Trouble(format!("the server's answer is no JSON: {e}")))
    }

    fn unreachable(&self, e: &ureq::Error) -> Trouble {
        Trouble(format!("the server at {} does not answer: {e}", self.base))
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        // The server is on this host, or named by the operator; a proxy has no business between.
        .proxy(None)
        .build()
        .into()
}

/// What the server says is wrong.
fn problem(response: Response<ureq::Body>) -> Trouble {
    let status = response.status();
    let body: Value = response
        .into_body()
        .read_to_string()
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let text = |key: &str| body[key].as_str().map(ToOwned::to_owned);
    match (text("title"), text("detail"), text("cause")) {
        (Some(title), Some(detail), Some(cause)) => Trouble(format!("{title}: {cause}. {detail}")),
        (Some(title), Some(detail), None) => Trouble(format!("{title}. {detail}")),
        _ => Trouble(format!("the server answered {status}")),
    }
}

pub(super) fn not_running(config: &Config) -> Trouble {
    Trouble(format!(
        "no server runs with the data in {}; start it with `patchbay run`, or name its configuration with --config",
        config.data_dir.display()
    ))
}

/// Opens the database beside a running server, does something with it, and closes it.
pub(super) fn with_store<T, F>(config: &Config, what: impl FnOnce(Store) -> F) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
{
    if !config.data_dir.join("patchbay.db").exists() {
        return Err(not_running(config));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Trouble(e.to_string()))?.block_on(async {
        let opened =
            Store::open(store::Config { keep_ladders: config.store.traces, ..store::Config::new(&config.data_dir) });
        let store =
            opened.await.map_err(|e| Trouble(format!("opening the data in {}: {e}", config.data_dir.display())))?;
        let done = what(store.clone()).await;
        store.close().await;
        done
    })
}

/// A token of an administrator, signed with the key that lies in the data folder.
async fn mint(store: Store) -> Result<String, Trouble> {
    let users = store.users().await.map_err(|e| Trouble(e.to_string()))?;
    let admin = users
        .iter()
        .find(|user| user.role == model::Role::Admin && user.enabled)
        .ok_or_else(|| Trouble("there is no enabled administrator".to_owned()))?;
    api::mint_token(&store, admin, TOKEN_LIFE).map_err(|e| Trouble(format!("making a token: {e}")))
}
