//! The native API as a program uses it.

use crate::patience::{secs, wait_for};
use crate::sound::Sound;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Response;

/// A logged-in client.
pub(crate) struct Api {
    agent: Agent,
    base: String,
    token: String,
}

impl Api {
    /// Waits until the server is ready.
    pub(crate) fn connect(http: u16) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(secs(5))).build();
        let api = Self { agent: config.into(), base: format!("http://127.0.0.1:{http}"), token: String::new() };
        wait_for("the server", secs(20), || {
            let health = api.agent.get(format!("{}/healthz", api.base)).call().ok()?;
            health.status().is_success().then_some(())
        });
        api
    }

    /// Logs in with a password in the clear.
    pub(crate) fn log_in(&mut self, username: &str, password: &str) {
        let session =
            self.agent.post(self.at("/session")).send_json(json!({ "username": username, "password": password }));
        let session = read(session.expect("the server answers a login"));
        self.token = session["token"].as_str().unwrap_or_else(|| panic!("no token in {session}")).to_owned();
    }

    /// Makes a user, and gives the token of its login.
    pub(crate) fn token_of_new(&self, user: &Value) -> String {
        let request = self.agent.post(self.at("/users")).header("authorization", self.bearer());
        read(request.send_json(user).expect("the server answers"));
        let session = self.agent.post(self.at("/session"));
        let session = read(session.send_json(user_login(user)).expect("the server answers a login"));
        session["token"].as_str().unwrap_or_else(|| panic!("no token in {session}")).to_owned()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        read(self.agent.get(self.at(path)).header("authorization", self.bearer()).call().expect("the server answers"))
    }

    /// Ends a call.
    pub(crate) fn hang_up(&self, call: &Value) {
        let id = call["id"].as_str().expect("a call has an id");
        let request = self.agent.delete(self.at(&format!("/calls/{id}"))).header("authorization", self.bearer());
        assert_eq!(request.call().expect("the server answers").status().as_u16(), 204, "hanging up {call}");
    }

    /// Plays something into a call.
    pub(crate) fn play(&self, call: &Value, wish: &Value) {
        let id = call["id"].as_str().expect("a call has an id");
        let request = self.agent.post(self.at(&format!("/calls/{id}/play"))).header("authorization", self.bearer());
        let status = request.send_json(wish).expect("the server answers").status().as_u16();
        assert_eq!(status, 204, "playing {wish}");
    }

    /// Puts an object there.
    pub(crate) fn put(&self, path: &str, object: &Value) {
        let request = self.agent.put(self.at(path)).header("authorization", self.bearer());
        read(request.send_json(object).expect("the server answers"));
    }

    /// A wish that is done without a word.
    pub(crate) fn post(&self, path: &str, wish: &Value) {
        let request = self.agent.post(self.at(path)).header("authorization", self.bearer());
        assert_eq!(request.send_json(wish).expect("the server answers").status().as_u16(), 204, "{path} {wish}");
    }

    /// Changes an extension.
    pub(crate) fn set_extension(&self, number: &str, settings: &Value) {
        let request = self.agent.put(self.at(&format!("/extensions/{number}"))).header("authorization", self.bearer());
        let changed = read(request.send_json(settings).expect("the server answers"));
        assert_eq!(changed["number"], number, "the changed extension");
    }

    /// Says how many voice messages wait for an extension.
    pub(crate) fn set_voice_messages(&self, number: &str, new: u32, old: u32) {
        let path = self.at(&format!("/extensions/{number}/voice-messages"));
        let request = self.agent.put(path).header("authorization", self.bearer());
        let done = request.send_json(json!({ "new": new, "old": old })).expect("the server answers");
        assert_eq!(done.status().as_u16(), 204, "setting the messages of {number}");
    }

    /// All call records, the newest first.
    pub(crate) fn records(&self) -> Vec<Value> {
        let page = self.get("/records?limit=500");
        page["items"].as_array().unwrap_or_else(|| panic!("no items in {page}")).clone()
    }

    /// Waits until there are `count` records, and gives the newest. There must not be more.
    pub(crate) fn newest_of(&self, count: usize) -> Value {
        let mut records = wait_for("the call's record", secs(20), || {
            let records = self.records();
            (records.len() >= count).then_some(records)
        });
        assert_eq!(records.len(), count, "one record for each call: {records:#?}");
        records.remove(0)
    }

    /// The record of the first call.
    pub(crate) fn oldest(&self) -> Value {
        self.records().pop().expect("there is a record")
    }

    /// The calls that exist now.
    pub(crate) fn calls(&self) -> Vec<Value> {
        let calls = self.get("/calls");
        calls.as_array().unwrap_or_else(|| panic!("no list of calls: {calls}")).clone()
    }

    /// Waits until nobody is in a call.
    pub(crate) fn wait_for_silence(&self) {
        wait_for("the end of all calls", secs(5), || self.calls().is_empty().then_some(()));
    }

    /// How many contacts are registered.
    pub(crate) fn registrations(&self) -> usize {
        let registrations = self.get("/registrations");
        registrations.as_array().unwrap_or_else(|| panic!("no list of registrations: {registrations}")).len()
    }

    /// The recording that belongs to a record.
    pub(crate) fn recording(&self, record: &Value) -> Sound {
        let id = record["id"].as_str().expect("a record has an id");
        let path = self.at(&format!("/records/{id}/recording"));
        let response = self.agent.get(path).header("authorization", self.bearer()).call().expect("the server answers");
        assert_eq!(response.status().as_u16(), 200, "the recording of {record:#}");
        Sound::parse(&response.into_body().read_to_vec().expect("the whole recording"))
    }

    fn at(&self, path: &str) -> String {
        format!("{}/patchbay/v1{path}", self.base)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}

fn read(response: Response<ureq::Body>) -> Value {
    let status = response.status();
    let body = response.into_body().read_to_string().expect("a whole answer");
    assert!(status.is_success(), "{status}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn user_login(user: &Value) -> Value {
    json!({ "username": user["username"], "password": user["password"] })
}
