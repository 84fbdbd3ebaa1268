//! The running switch: everything put together, and taken apart again in order.

use crate::config::Config;
use crate::dns::Resolver;
use crate::edge::{self, Edge};
use crate::errands::Errands;
use crate::fetch::Fetcher;
use crate::first_run;
use crate::hep::Exporter;
use crate::http::{VERSION, Watch, watch_routes};
use crate::library::{Library, Shelf};
use crate::net::sound::{Sockets, bind_address};
use crate::net::{Listeners, Stock, resolve};
use crate::recorder::archive::Archive;
use crate::recorder::upload::Uploads;
use crate::recorder::{self, Recorder};
use crate::run_file::{RunFile, lock};
use crate::switch::{self, NodeSwitch};
use crate::worker::{self, Inbox, Order, Parts, Shell, StoreKeeper};
use cell::Input;
use model::{Command, Extension};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stdx::{Entropy, Wall};
use store::{Hot, HotSync, RecordWriter, Store};
use tracing::{info, warn};

/// Why the switch did not start: one line for the operator, which says what to do.
pub type StartError = Box<dyn Error + Send + Sync>;

/// Addresses that a page is told, beside the one it signals to.
const CANDIDATES: usize = 8;

/// After the last call was hung up: how long phones may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long the records of the last calls may take to get into the database. What does not get there is found at the next start.
const LAST_RECORDS: Duration = Duration::from_secs(10);

/// A running switch.
pub struct Server {
    config: Config,
    switch: NodeSwitch,
    inboxes: Arc<[Inbox]>,
    workers: Vec<JoinHandle<()>>,
    recorder: Recorder,
    recorder_thread: JoinHandle<()>,
    records: RecordWriter,
    store: Store,
    ready: Arc<AtomicBool>,
    edge: Edge,
    run_file: RunFile,
    _lock: std::fs::File,
}

impl Server {
    /// Starts everything. Accounts of the first start are printed to stdout.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let since = Instant::now();
        for warning in config.warnings() {
            warn!("{warning}");
        }
        raise_file_limit();
        let mut entropy = Entropy::from_seed(seed()?);
        let store =
            Store::open(store::Config { keep_ladders: config.store.traces, ..store::Config::new(&config.data_dir) })
                .await
                .map_err(|e| format!("opening the data in {}: {e}", config.data_dir.display()))?;
        let lock = lock(&config.data_dir)?;
        let sync = if config.store.sync_every_write { HotSync::EveryCommit } else { HotSync::default() };
        let hot = Hot::open(&config.data_dir.join("hot"), sync)?;
        // Before any socket of a worker: they share addresses, and would share them with another program of ours.
        let addresses = resolve(&config.sip.listen)?;
        let edge_listeners = edge::Listeners::bind(&config)?;
        let served = edge_listeners.served(&addresses);
        let locals = edge_listeners.locals(&config, &addresses);
        let http_address = served.http.first().copied().unwrap_or(config.http.listen);
        let kept = StoreKeeper::kept(&hot)?;
        let events = api::EventBus::new(store.first_event().await?);
        let (passed, _) = tokio::sync::broadcast::channel(switch::PASSED);
        let hep = config.hep.settings().map(Exporter::start).transpose();
        let hep = hep.map_err(|e| format!("reaching the capture server of [hep]: {e}"))?;
        load_g729(&config)?;
        let workers = config.worker_count();
        let inboxes: Arc<[Inbox]> = (0..workers).map(|_| Inbox::new()).collect::<Result<Vec<_>, _>>()?.into();
        let settings = recorder::Settings {
            dir: config.recordings_dir(),
            min_free: config.recording.min_free_mb << 20,
            masters: config.recording.masters()?,
            events: events.clone(),
        };
        let archive = Archive {
            folder: config.recordings_dir(),
            masters: settings.masters.clone(),
            objects: config.recording_store.objects()?,
        };
        let uploads = Uploads::default();
        let mut edge = Edge::new(&config, &edge_listeners, locals.clone(), Arc::clone(&inboxes))?;
        let (recorder, recorder_thread) = recorder::start(settings, Arc::clone(&inboxes))?;
        let records = RecordWriter::start(store.clone(), hot.clone(), |_| {});
        let (source, volume) = (config.media.music.clone(), config.media.music_volume);
        let music = tokio::task::spawn_blocking(move || crate::music::load(&source, volume)).await??;
        crate::music::prepare(&music);

        let accounts = first_run::accounts(&store, &mut entropy).await?;
        let extensions = store.extensions().await?;
        let (queues, agents) = (store.queues().await?, store.agents().await?);
        let (ring_groups, mailboxes) = (store.ring_groups().await?, store.mailboxes().await?);
        let routing = store.routing().await?.to_model();
        let now = Instant::now();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_millis() as u64);
        let wall = Wall::new(now, unix);
        // All sockets are bound before the first thread reads any: the kernel spreads peers over those that exist.
        let listeners =
            (0..workers).map(|_| Listeners::bind(&addresses, config.sip.advertised)).collect::<Result<Vec<_>, _>>()?;
        let certificate = media::browser::Certificate::generate().map(Arc::new);
        if certificate.is_none() {
            warn!("no certificate for browsers could be made: pages get no sound");
        }
        let candidates = candidates(&config, &locals);
        let browsers =
            certificate.map(|certificate| media::browser::Settings { certificate, candidates, tcp: config.webrtc.tcp });
        let mut shells = Vec::new();
        let handle = tokio::runtime::Handle::current();
        let resolver = Resolver::new(handle.clone(), Arc::clone(&inboxes));
        let library = Library::new(handle.clone(), config.prompts_dir(), config.media.speech(), Arc::clone(&inboxes));
        let of_stir = |e: String| format!("[stir] {e}");
        let stir = config.stir.to_cell().map_err(of_stir)?;
        let fetching = config.stir.fetching().map_err(of_stir)?;
        let fetcher = Fetcher::new(handle.clone(), Arc::clone(&inboxes), fetching)?;
        let switch = NodeSwitch::new(Arc::clone(&inboxes), events.clone(), passed.clone());
        let switch = switch.with_recogniser(wall, config.asr.url.as_deref());
        let errands = Errands::new(handle, Arc::clone(&inboxes), store.clone(), switch.clone(), archive.clone())?;
        for (number, listeners) in (0..workers).zip(listeners) {
            let mut cell = cell_config(&config, store.realm(), number, wall);
            cell.locals = locals.clone();
            cell.seal = Some(sip_stack::seal::Seal::new(store.jwt_key()));
            cell.sounds.music = Arc::clone(&music);
            cell.stir = stir.clone();
            cell.queues.clone_from(&queues);
            cell.agents.clone_from(&agents);
            cell.ring_groups.clone_from(&ring_groups);
            cell.mailboxes.clone_from(&mailboxes);
            cell.browsers.clone_from(&browsers);
            let mut core = cell::Worker::new(cell, entropy.fork(), now);
            restore(&mut core, &kept, &extensions, &routing, now);
            let (first, last) = Stock::share(config.media.ports.first, config.media.ports.last, number, workers);
            shells.push(Shell::new(Parts {
                number,
                core,
                keeper: StoreKeeper::new(hot.clone(), records.clone(), store.ladders().clone()),
                inboxes: Arc::clone(&inboxes),
                listeners,
                streams: edge.streams.clone(),
                sockets: Sockets::new(first, last, bind_address(&addresses.0)),
                stock: Stock::new(first, last),
                tcp: config.webrtc.tcp,
                recorder: recorder.clone(),
                events: events.clone(),
                resolver: resolver.clone(),
                library: library.clone(),
                fetcher: fetcher.clone(),
                errands: errands.clone(),
                passed: passed.clone(),
                hep: hep.clone(),
            })?);
        }
        let workers = shells.into_iter().map(worker::spawn).collect::<Result<Vec<_>, _>>()?;

        tokio::spawn(recorder::retain::run(config.recordings_dir(), config.recording.rules()));
        if let Some(format) = config.recording.conversion() {
            tokio::spawn(recorder::convert::run(config.recordings_dir(), format, archive.masters.clone()));
        }
        if let Some(objects) = archive.objects.clone() {
            let settings = config.recording_store.upload(config.recordings_dir(), &config.recording);
            tokio::spawn(recorder::upload::run(settings, objects, uploads.clone()));
        }
        if let Some(url) = config.push.url.clone() {
            tokio::spawn(crate::push::carry(url, events.reader()));
        }
        crate::webhooks::start(store.clone(), &events, crate::webhooks::Settings::of(&config.webhooks))?;
        let ready = Arc::new(AtomicBool::new(true));
        let watch = Watch {
            switch: switch.clone(),
            store: store.clone(),
            records: records.clone(),
            recorder: recorder.clone(),
            uploads,
            streams: edge.streams.clone(),
            hep: hep.clone(),
            ready: Arc::clone(&ready),
            since,
        };
        edge.serve(&config, edge_listeners, &router(&config, &switch, &store, archive, watch), &store);
        let run_file = RunFile::write(&config.data_dir, http_address, &addresses.0)?;
        if let Some(accounts) = accounts {
            show_accounts(&accounts, &served);
            first_run::shown(&store).await?;
        }
        let list = |all: &[SocketAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let edge::Served { udp, tcp, tls, https, .. } = &served;
        let (sip, tcp, tls, https) = (list(udp), list(tcp), list(tls), list(https));
        info!(version = VERSION, sip, tcp, tls, http = %http_address, https, workers = workers.len(), extensions = extensions.len(), "ready");
        Ok(Self {
            config,
            switch,
            inboxes,
            workers,
            recorder,
            recorder_thread,
            records,
            store,
            ready,
            edge,
            run_file,
            _lock: lock,
        })
    }

    /// Loads the certificates anew.
    pub fn reload(&self) {
        self.edge.reload();
    }

    /// Ends in order: no new calls, wait for those that run, good-bye to the rest, everything written. `hurry` ends the waiting.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        let drain = self.config.call.drain;
        self.ready.store(false, Ordering::Release);
        self.order(Order::Drain);
        if self.live().await.0 > 0 {
            info!(calls = self.live().await.0, seconds = drain.as_secs(), "no new calls; waiting for those that run");
            tokio::select! {
                () = self.until_quiet(drain, |calls, _| calls == 0) => {}
                () = hurry => warn!("asked again: ending all calls now"),
            }
        }
        let left = self.live().await.0;
        if left > 0 {
            info!(calls = left, "ending the calls that still run");
        }
        self.order(Order::HangUpAll);
        self.until_quiet(FAREWELL, |calls, sessions| calls == 0 && sessions == 0).await;
        self.order(Order::Stop);
        let (workers, recorder, recorder_thread) = (self.workers, self.recorder, self.recorder_thread);
        let ended = tokio::task::spawn_blocking(move || {
            let workers_ended = workers.into_iter().all(|w| w.join().is_ok());
            recorder.stop();
            recorder_thread.join().is_ok() && workers_ended
        });
        if !ended.await.unwrap_or(false) {
            tracing::error!("a thread panicked");
        }
        if !self.records.flush(LAST_RECORDS).await {
            warn!("not all call records are in the database yet; the next start brings them there");
        }
        api::Switch::events(&self.switch).close();
        self.edge.close().await;
        self.run_file.remove();
        self.store.close().await;
        info!("stopped");
    }

    fn order(&self, order: Order) {
        for inbox in self.inboxes.iter() {
            inbox.order(order);
        }
    }

    /// Calls and SIP sessions that exist now.
    async fn live(&self) -> (usize, usize) {
        let figures = self.switch.figures(Duration::from_secs(1)).await;
        let counts = || figures.iter().flatten().map(|f| f.counts);
        // A trunk that is told that we go is worth waiting for like a phone that says good-bye.
        (counts().map(|c| c.calls).sum(), counts().map(|c| c.sessions + c.leaving).sum())
    }

    async fn until_quiet(&self, within: Duration, quiet: impl Fn(usize, usize) -> bool) {
        let until = tokio::time::Instant::now() + within;
        while tokio::time::Instant::now() < until {
            let (calls, sessions) = self.live().await;
            if quiet(calls, sessions) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The switch speaks G.729 itself if the operator has a library for it.
fn load_g729(config: &Config) -> Result<(), String> {
    let Some(path) = &config.media.g729 else { return Ok(()) };
    let library = crate::g729::Bcg729::load(path).map_err(|e| format!("loading the library of [media] g729: {e}"))?;
    if !media::codec::g729::install(Box::new(library)) {
        tracing::debug!("another server of this process has brought the library for G.729 already");
    }
    Ok(())
}

/// What a cell is told at its start.
fn cell_config(config: &Config, realm: &str, number: u16, wall: Wall) -> cell::Config {
    let cells = config.worker_count();
    let calls = (config.limits.calls as usize).div_ceil(cells.into());
    let mut cell = cell::Config::new(realm, wall);
    cell.cell = number;
    cell.cells = cells;
    cell.server = format!("Patchbay/{VERSION}");
    cell.digest.clone_from(&config.sip.digest);
    cell.digest_for = crate::config::digest_for(&config.sip.digest_for);
    cell.security = config.security.to_cell();
    cell.trunks = config.model_trunks();
    cell.routes = config.model_routes();
    let routing = config.routing().unwrap_or_else(|problem| {
        // It was right when the configuration was read; a file that it names may have changed since.
        warn!(problem, "settings of numbers");
        route::Settings::default()
    });
    cell.numbers = routing.numbers;
    cell.rights = routing.rights;
    cell.black_list = routing.black_list;
    let limits = &config.limits;
    let cap = |cost, minutes| model::SpendingCap { cost, minutes };
    cell.extension_cap = cap(limits.extension_cost_per_day, limits.extension_minutes_per_day);
    cell.total_cap = cap(limits.cost_per_day, limits.minutes_per_day);
    cell.policy.announce = config.call.announce;
    cell.policy.gateways = config.sip.message_gateways.iter().cloned().collect();
    cell.policy.proxy.clone_from(&config.sip.proxy);
    cell.policy.watch = config.sip.watch == crate::config::Watch::All;
    cell.policy.record_all = config.call.record;
    cell.policy.record_mixed = config.recording.mixed;
    cell.policy.record_beep = match config.recording.beep {
        crate::config::Beep::None => cell::Beep::Nobody,
        crate::config::Beep::Both => cell::Beep::Both,
        crate::config::Beep::Caller => cell::Beep::Caller,
        crate::config::Beep::Callee => cell::Beep::Callee,
    };
    let beep_seconds = config.recording.beep_seconds;
    cell.policy.record_beep_every = (beep_seconds > 0).then(|| Duration::from_secs(beep_seconds.into()));
    cell.policy.record_file_octets = u64::from(config.recording.max_file_mb) * 1_000_000;
    cell.policy.record_name.clone_from(&config.recording.name);
    cell.policy.forking = match config.call.forking {
        crate::config::Forking::All => cell::Forking::All,
        crate::config::Forking::Q => cell::Forking::ByPreference,
    };
    cell.identity = cell::Identity {
        trust_trunks: config.sip.trust_trunk_identity,
        tell_trunks: config.sip.identity_to_trunks,
        tell_phones: config.sip.identity_to_phones,
        pass_diversion: config.sip.pass_diversion,
        pass_headers: config.sip.pass_headers.clone(),
    };
    cell.policy.redirect = match config.call.redirect {
        crate::config::Redirect::Off => cell::Redirect::Off,
        crate::config::Redirect::Extensions => cell::Redirect::Extensions,
        crate::config::Redirect::Routes => cell::Redirect::Routes,
    };
    cell.policy.latest_early_media = config.call.early_media == crate::config::EarlyMedia::Latest;
    cell.policy.pick_up = config.call.pick_up;
    cell.policy.recall = config.call.recall;
    cell.policy.media_timeout = config.media.timeout;
    cell.policy.srtp = config.media.srtp;
    cell.policy.tell_speech = config.media.voice_events;
    cell.policy.max_calls = calls;
    cell.policy.kept_messages = (config.trace.kept_mb as usize) << 20;
    cell.policy.grace = config.sip.grace;
    cell.policy.session_expires = Some(config.sip.session_expires).filter(|expires| !expires.is_zero());
    cell.policy.reliable_ringing = config.sip.reliable_ringing;
    cell.policy.max_contacts = config.limits.contacts.into();
    cell.policy.replace_oldest = config.limits.contacts_full == crate::config::ContactsFull::Replace;
    cell.policy.service_route.clone_from(&config.sip.service_route);
    if config.push.url.is_some() {
        cell.policy.push_providers.clone_from(&config.push.providers);
        cell.policy.push_wait = config.push.wait;
    }
    cell.sounds.country = config.media.country;
    cell.sounds.prompts = crate::prompts::reasons(config.call.language);
    cell
}

/// Where pages find our ports for sound, beside the address that their signalling reached: a proxy may stand there.
fn candidates(config: &Config, locals: &cell::Locals) -> Vec<IpAddr> {
    let own = locals.all.iter().map(|local| local.address.ip()).filter(|ip| !ip.is_loopback());
    let mut all: Vec<IpAddr> = Vec::new();
    for ip in config.media.candidates.iter().copied().chain(config.sip.advertised).chain(own) {
        if !all.contains(&ip) && all.len() < CANDIDATES {
            all.push(ip);
        }
    }
    all
}

/// What an earlier run kept, and who may call: before the first datagram.
fn restore(
    core: &mut cell::Worker,
    kept: &[(Vec<u8>, Vec<u8>)],
    extensions: &[Extension],
    routing: &model::Routing,
    now: Instant,
) {
    // Nobody waits for the ticket of these; the shell's own begin at 1.
    let command = Command::SetRouting(Box::new(routing.clone()));
    core.handle_input(Input::Command { ticket: 0, command }, now);
    for (key, value) in kept {
        core.restore(key, value, now);
    }
    for extension in extensions {
        let command = Command::PutExtension(Box::new(extension.clone()));
        core.handle_input(Input::Command { ticket: 0, command }, now);
    }
}

/// What HTTP shows: the API, and beside it health and metrics.
fn router(config: &Config, switch: &NodeSwitch, store: &Store, archive: Archive, watch: Watch) -> axum::Router {
    let black_list = config.routing().map(|all| all.black_list).unwrap_or_default();
    let state = api::ApiState {
        switch: switch.clone(),
        store: store.clone(),
        recordings_dir: config.recordings_dir(),
        recordings: Arc::new(archive),
        prompts: Arc::new(Shelf::new(config.prompts_dir())),
        login: api::LoginSettings::default(),
        ice: Arc::new(crate::ice::Configured::new(&config.webrtc)),
        ctibar: api::CtibarSettings { recognition: config.asr.url.is_some(), ..api::CtibarSettings::default() },
        configured: model::Routing { routes: config.model_routes(), black_list },
        version: VERSION,
    };
    api::router(state).merge(watch_routes(watch)).merge(crate::sdk::routes())
}

#[expect(clippy::print_stdout, reason = "passwords belong on the operator's terminal, not into a log")]
fn show_accounts(accounts: &first_run::Accounts, served: &edge::Served) {
    print!("{}", first_run::boxed(accounts, served));
}

fn seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| format!("the system gives no randomness: {e}"))?;
    Ok(seed)
}

/// Each leg needs two descriptors: take what the system allows.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err()
    {
        warn!(limit = soft, "the limit of open files could not be raised; each call needs four");
    }
}
