//! A switch that is a list, and an API in front of it.
#![allow(dead_code, reason = "each test file uses its part")]

mod events;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use model::{
    Answer, CallId, CallRecord, Cause, Command, Direction, LegRecord, LegState, LiveCall, LiveLeg, Outcome, Quality,
    Query, RecordingFile, Refusal, Registration, Reply, Role, Side, TrunkStatus,
};
use patchbay_api::{ApiState, EventBus, IceServer, IceServers, LoginSettings, Switch, router};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stdx::Entropy;
use store::{Batch, Config, Hot, HotSync, Kept, NewExtension, NewUser, RecordWriter, Store, md5_hex};
use tempfile::TempDir;
use tower::ServiceExt;

/// Every test user's password.
pub(crate) const PASSWORD: &str = "correct horse";

#[derive(Clone)]
pub(crate) struct FakeSwitch(pub(crate) Arc<Mutex<Inside>>);

pub(crate) struct Inside {
    pub(crate) events: EventBus,
    pub(crate) calls: Vec<LiveCall>,
    pub(crate) registrations: Vec<Registration>,
    pub(crate) trunks: Vec<TrunkStatus>,
    pub(crate) bans: Vec<model::Ban>,
    pub(crate) seen: Vec<model::Seen>,
    pub(crate) spending: Vec<model::Spending>,
    pub(crate) messages: Vec<model::TextMessage>,
    pub(crate) commands: Vec<Command>,
    /// Tokens that it was told of at logins.
    pub(crate) tokens: Vec<Command>,
    pub(crate) refuses: Option<Refusal>,
    pub(crate) panics: bool,
    /// Routes make no sense to it.
    pub(crate) refuses_routing: bool,
}

impl Default for FakeSwitch {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Inside {
            events: EventBus::new(1_000),
            calls: Vec::new(),
            registrations: Vec::new(),
            trunks: Vec::new(),
            bans: Vec::new(),
            seen: Vec::new(),
            spending: Vec::new(),
            messages: Vec::new(),
            commands: Vec::new(),
            tokens: Vec::new(),
            refuses: None,
            panics: false,
            refuses_routing: false,
        })))
    }
}

impl Switch for FakeSwitch {
    async fn command(&self, command: Command) -> Result<Reply, Refusal> {
        let mut inside = self.0.lock().unwrap();
        if let Some(refusal) = inside.refuses {
            return Err(refusal);
        }
        if inside.refuses_routing && matches!(command, Command::SetRouting(_)) {
            return Err(Refusal::BadRouting);
        }
        if let Command::Hangup { call } = command {
            let before = inside.calls.len();
            inside.calls.retain(|live| live.id != call);
            if inside.calls.len() == before {
                return Err(Refusal::NoSuchCall);
            }
        }
        let reply = match &command {
            Command::SendMessage(_) => Reply::Message { id: "m1".to_owned() },
            Command::Confer { .. } => Reply::Conference { name: "made".to_owned() },
            Command::Originate(_) | Command::Invite { .. } | Command::Supervise { .. } => {
                Reply::Call { id: model::CallId::new(0, &mut stdx::Entropy::seeded(9)) }
            }
            _ => Reply::Done,
        };
        match command {
            Command::KnowToken { .. } => inside.tokens.push(command),
            other => inside.commands.push(other),
        }
        Ok(reply)
    }

    async fn query(&self, query: Query) -> Result<Answer, Refusal> {
        let inside = self.0.lock().unwrap();
        match (inside.refuses, query) {
            _ if inside.panics => {
                drop(inside);
                panic!("a fault of the switch");
            }
            (Some(refusal), _) => Err(refusal),
            (None, Query::Spending) => Ok(Answer::Spending(inside.spending.clone())),
            (None, Query::Conferences) => Ok(Answer::Conferences(Vec::new())),
            (None, Query::Queues) => Ok(Answer::Queues(Vec::new())),
            (None, Query::Agents) => Ok(Answer::Agents(Vec::new())),
            (None, Query::Trunks) => Ok(Answer::Trunks(inside.trunks.clone())),
            (None, Query::Calls) => Ok(Answer::Calls(inside.calls.clone())),
            (None, Query::Seen(filter)) => {
                let fits = |seen: &&model::Seen| filter.fits(seen.remote.ip(), seen.text.as_bytes());
                Ok(Answer::Seen(inside.seen.iter().filter(fits).cloned().collect()))
            }
            (None, Query::Bans) => Ok(Answer::Bans(inside.bans.clone())),
            (None, Query::Messages { .. }) => Ok(Answer::Messages(inside.messages.clone())),
            (None, Query::Registrations { extension }) => {
                let wanted = |r: &&Registration| extension.as_ref().is_none_or(|wanted| *wanted == r.extension);
                Ok(Answer::Registrations(inside.registrations.iter().filter(wanted).cloned().collect()))
            }
        }
    }

    fn watch(&self, filter: model::SeenFilter) -> tokio::sync::mpsc::Receiver<model::Seen> {
        let (to, watcher) = tokio::sync::mpsc::channel(16);
        for seen in &self.0.lock().unwrap().seen {
            if filter.fits(seen.remote.ip(), seen.text.as_bytes()) {
                to.try_send(seen.clone()).unwrap();
            }
        }
        watcher
    }

    async fn audio(
        &self,
        (call, _): (model::CallId, model::LegNo),
        _: patchbay_api::AudioRequest,
    ) -> Result<patchbay_api::Connected, Refusal> {
        match self.0.lock().unwrap().calls.iter().any(|known| known.id == call) {
            true => Ok(Box::new(drop)),
            false => Err(Refusal::NoSuchCall),
        }
    }

    async fn recognise(&self, _: (model::CallId, model::LegNo)) -> Result<(), Refusal> {
        Ok(())
    }

    fn events(&self) -> EventBus {
        self.0.lock().unwrap().events.clone()
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {:?}", self.status, String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a problem, after a look at the whole of it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        let code = body["code"].as_str().unwrap().to_owned();
        assert_eq!(body["type"], format!("urn:patchbay:problem:{code}"));
        assert!(body["title"].as_str().unwrap().len() > 5 && body["detail"].as_str().unwrap().len() > 5);
        code
    }
}

/// One server that anybody may use, and one with credentials.
struct FakeIce;

impl IceServers for FakeIce {
    fn for_user(&self, user: &str, now: u64) -> Vec<IceServer> {
        let open = IceServer { urls: vec!["stun:turn.test".into()], username: None, credential: None };
        let urls = vec!["turn:turn.test".into(), "turns:turn.test".into()];
        let username = Some(format!("{}:{user}", now + 60));
        vec![open, IceServer { urls, username, credential: Some("secret".into()) }]
    }
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
    pub(crate) hot: Hot,
    pub(crate) switch: FakeSwitch,
    pub(crate) router: Router,
    pub(crate) entropy: Mutex<Entropy>,
}

impl World {
    /// Extensions 100 and 101; users admin, boss, ana (100), loner, robot.
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Config::new(dir.path().join("data"))).await.unwrap();
        let hot = Hot::open(&dir.path().join("data/hot"), HotSync::default()).unwrap();
        std::fs::create_dir(dir.path().join("recordings")).unwrap();
        let list = ["100", "101"].map(|number| NewExtension {
            number: number.into(),
            name: format!("Phone {number}"),
            password: "sip secret".into(),
            ..NewExtension::default()
        });
        store.import_extensions(list.into()).await.unwrap();
        let users = [
            ("admin", Role::Admin, None),
            ("boss", Role::Supervisor, None),
            ("ana", Role::Agent, Some("100")),
            ("loner", Role::Agent, None),
            ("robot", Role::Integrator, None),
        ];
        for (username, role, extension) in users {
            let new = NewUser {
                username: username.into(),
                nickname: format!("The {username}"),
                role,
                extension: extension.map(str::to_owned),
                enabled: true,
                password_md5: md5_hex(PASSWORD),
            };
            store.add_user(new).await.unwrap();
        }
        let switch = FakeSwitch::default();
        let router = router(ApiState {
            switch: switch.clone(),
            store: store.clone(),
            recordings_dir: dir.path().join("recordings"),
            recordings: std::sync::Arc::new(Elsewhere),
            prompts: Arc::new(FakePrompts(dir.path().join("prompts"))),
            login: LoginSettings::default(),
            ice: Arc::new(FakeIce),
            ctibar: patchbay_api::CtibarSettings::default(),
            configured: model::Routing {
                routes: vec![model::Route::new("77", model::RouteTarget::Conference("seven".into()))],
                black_list: model::BlackList { callers: Vec::new(), called: vec!["00*".into()] },
            },
            version: "9.8.7",
        });
        Self { dir, store, hot, switch, router, entropy: Mutex::new(Entropy::seeded(1)) }
    }

    pub(crate) fn keep_prompt(&self, name: &str) {
        std::fs::create_dir_all(self.dir.path().join("prompts")).unwrap();
        std::fs::write(self.dir.path().join("prompts").join(name), b"sound").unwrap();
    }

    pub(crate) fn recordings(&self) -> PathBuf {
        self.dir.path().join("recordings")
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Got {
        if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 5000))));
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Got { status: parts.status, headers: parts.headers, body }
    }

    /// A request of a user, by its token (empty: none), with a JSON body unless that is null.
    pub(crate) async fn call(&self, method: &str, path: &str, token: &str, body: Value) -> Got {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Got {
        self.call("GET", path, token, Value::Null).await
    }

    pub(crate) async fn log_in(&self, username: &str) -> String {
        let body = json!({ "username": username, "password": PASSWORD });
        let got = self.call("POST", "/patchbay/v1/session", "", body).await;
        assert_eq!(got.status, 200, "{got:?}");
        got.json()["token"].as_str().unwrap().to_owned()
    }

    /// One event of every kind.
    pub(crate) async fn tell_of_everything(&self, call: CallId, record: CallId) {
        let record = self.store.record(record).await.unwrap().unwrap();
        let bus = self.switch.0.lock().unwrap().events.clone();
        for body in events::one_of_each(call, &record) {
            bus.put(model::Event { at: 5, body });
        }
    }

    /// Two deliveries that a webhook did not take: a record and another event.
    pub(crate) async fn give_up(&self, webhook: i64, record: CallId) {
        let body = json!({ "event": "dtmf", "sequence": 1, "at": 1 }).to_string();
        let new = store::NewDelivery { webhook, kind: "dtmf", at: 1, body };
        self.store.put_deliveries(&[new]).await.unwrap();
        self.record(20, "100", "101", None).await;
        let due = self.store.due_deliveries(webhook, 9, 9).await.unwrap();
        assert_eq!(due.len(), 2, "{record} was before");
        let dead: Vec<_> = due.into_iter().map(|d| (d.id, store::Tried::Dead("HTTP 410".into()))).collect();
        self.store.settle_deliveries(&dead).await.unwrap();
    }

    /// A call between two numbers that exists now.
    pub(crate) fn live_call(&self, caller: &str, callee: &str) -> CallId {
        let id = CallId::new(0, &mut self.entropy.lock().unwrap());
        let leg = |no, number: &str| LiveLeg { no, number: number.into(), state: LegState::Talking };
        self.switch.0.lock().unwrap().calls.push(LiveCall {
            id,
            caller: caller.into(),
            callee: callee.into(),
            direction: Direction::Internal,
            started_at: 1_700_000_000_000,
            answered_at: None,
            recording: true,
            legs: vec![leg(0, caller), leg(1, callee)],
        });
        id
    }

    /// A finished call between two numbers, recorded at `recording` if that is given.
    pub(crate) async fn record(&self, at: u64, caller: &str, callee: &str, recording: Option<&str>) -> CallId {
        let id = CallId::new(0, &mut self.entropy.lock().unwrap());
        let record = CallRecord {
            more_recordings: recording.filter(|path| *path == "a.wav").map(|_| file("a.2.wav")).into_iter().collect(),
            id,
            caller: caller.into(),
            caller_name: "Ana".into(),
            callee: callee.into(),
            direction: Direction::Internal,
            trunk: None,
            started_at: at,
            ringing_at: Some(at + 50),
            answered_at: Some(at + 1000),
            ended_at: at + 5000,
            outcome: Outcome::Answered,
            ended_by: Side::Caller,
            cause: Cause { sip: 200, q850: 16 },
            note: String::new(),
            legs: [(0, caller), (1, callee)].map(|(no, number)| leg(no, number)).into(),
            recording: recording.map(file),
            charge: None,
            variables: std::collections::BTreeMap::new(),
            verification: None,
            queue: None,
            forwarded_from: Vec::new(),
            satisfaction: None,
            outage_ms: None,
        };
        let writer = RecordWriter::start(self.store.clone(), self.hot.clone(), |_| ());
        let trace = br#"[{"at":0,"line":"INVITE"}]"#.to_vec();
        self.store.ladders().keep(record.id, trace);
        assert_eq!(writer.write(record, Batch::default()), Kept::Hot);
        assert!(writer.flush(Duration::from_secs(10)).await);
        id
    }
}

fn leg(no: u16, number: &str) -> LegRecord {
    LegRecord {
        no,
        number: number.into(),
        remote: "192.0.2.7:5060".into(),
        user_agent: "phone/1".into(),
        sip_call_id: "x@y".into(),
        outcome: Outcome::Answered,
        cause: Cause { sip: 200, q850: 16 },
        codec: "PCMA".into(),
        quality: Some(Quality { received: 200, mos: Some(4.4), rtt_ms: None, ..Quality::default() }),
        origin: model::LegOrigin::Dialled,
        answered_at: Some(1_000),
        ended_at: 2_000,
        heard: Vec::new(),
    }
}

fn file(path: &str) -> RecordingFile {
    RecordingFile { path: path.into(), length_ms: 4000, complete: true, note: String::new() }
}

/// Recordings that are no files: `elsewhere.wav` has become MP3 in a store.
struct Elsewhere;

struct Mp3;

impl patchbay_api::Recordings for Elsewhere {
    fn remove<'a>(&'a self, _: &'a str) -> patchbay_api::Later<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn find<'a>(
        &'a self,
        path: &'a str,
    ) -> patchbay_api::Later<'a, Result<Arc<dyn patchbay_api::Recording>, patchbay_api::RecordingTrouble>> {
        Box::pin(std::future::ready(match path {
            "elsewhere.wav" => Ok(Arc::new(Mp3) as Arc<dyn patchbay_api::Recording>),
            "locked.wav" => Err(patchbay_api::RecordingTrouble::NoKey),
            "broken.wav" => Err(patchbay_api::RecordingTrouble::Unreachable("it says 500".into())),
            _ => Err(patchbay_api::RecordingTrouble::Missing),
        }))
    }
}

impl patchbay_api::Recording for Mp3 {
    fn octets(&self) -> u64 {
        600_000
    }

    fn suffix(&self) -> &str {
        "mp3"
    }

    fn read(self: Arc<Self>, range: std::ops::Range<u64>) -> patchbay_api::Later<'static, std::io::Result<Vec<u8>>> {
        Box::pin(std::future::ready(Ok(range.map(|n| (n / 3) as u8).collect())))
    }
}

/// Prompts that are sound if they say so.
struct FakePrompts(PathBuf);

impl FakePrompts {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name.replace('/', "+"))
    }
}

impl patchbay_api::Prompts for FakePrompts {
    fn list(&self) -> std::io::Result<Vec<patchbay_api::PromptInfo>> {
        let Ok(entries) = std::fs::read_dir(&self.0) else { return Ok(Vec::new()) };
        let name = |entry: std::fs::DirEntry| entry.file_name().to_str().unwrap().replace('+', "/");
        let info = |name| patchbay_api::PromptInfo { name, format: "wav".into(), octets: 5, length_ms: None };
        entries.map(|entry| entry.map(name).map(info)).collect()
    }

    fn put(&self, name: &str, data: &[u8]) -> Result<patchbay_api::PromptInfo, patchbay_api::PromptRefusal> {
        if name.contains("..") {
            return Err(patchbay_api::PromptRefusal::Name);
        }
        if data != b"sound" {
            return Err(patchbay_api::PromptRefusal::Sound("it is none".into()));
        }
        std::fs::create_dir_all(&self.0)?;
        std::fs::write(self.path(name), data)?;
        let (name, octets) = (name.to_owned(), data.len() as u64);
        Ok(patchbay_api::PromptInfo { name, format: "wav".into(), octets, length_ms: Some(1) })
    }

    fn remove(&self, name: &str) -> std::io::Result<bool> {
        Ok(std::fs::remove_file(self.path(name)).is_ok())
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.path(name)).filter(|path| path.exists())
    }
}
