//! What the API stands on.

use crate::ctibar::{Bars, CtibarSettings};
use crate::events::EventBus;
use crate::ice::IceServers;
use crate::prompts::Prompts;
use crate::recordings::Recordings;
use crate::switch::{AnySwitch, Switch};
use model::Routing;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::sync::Mutex;

/// Everything the routes need.
#[derive(Clone)]
pub struct ApiState<S> {
    /// The switch.
    pub switch: S,
    /// Extensions, users, records.
    pub store: Store,
    /// The folder that recordings' paths are below.
    pub recordings_dir: PathBuf,
    /// Those that are not there as they are.
    pub recordings: Arc<dyn Recordings>,
    /// The prompts.
    pub prompts: Arc<dyn Prompts>,
    /// How logins are answered.
    pub login: LoginSettings,
    /// Servers that help pages to reach us.
    pub ice: Arc<dyn IceServers>,
    /// How the toolbar of agents is served.
    pub ctibar: CtibarSettings,
    /// Routes and blocked numbers of the configuration, which are read here and changed there.
    pub configured: Routing,
    /// The program's version, shown in the API's description.
    pub version: &'static str,
}

/// How logins are answered.
#[derive(Clone, Debug)]
pub struct LoginSettings {
    /// The `iss` claim of tokens.
    pub issuer: String,
    /// How long a token counts.
    pub token_life: Duration,
}

impl Default for LoginSettings {
    /// As contract A has it: `ipt-server`, 12 hours.
    fn default() -> Self {
        Self { issuer: "ipt-server".into(), token_life: Duration::from_secs(12 * 3600) }
    }
}

/// [`ApiState`] as the routes have it.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) switch: AnySwitch,
    pub(crate) events: EventBus,
    pub(crate) store: Store,
    pub(crate) recordings_dir: PathBuf,
    pub(crate) recordings: Arc<dyn Recordings>,
    pub(crate) prompts: Arc<dyn Prompts>,
    pub(crate) login: LoginSettings,
    pub(crate) ice: Arc<dyn IceServers>,
    pub(crate) ctibar: CtibarSettings,
    /// Agents at their toolbars.
    pub(crate) bars: Bars,
    pub(crate) configured: Routing,
    /// Held while routes are changed.
    pub(crate) routing: Mutex<()>,
}

impl App {
    pub(crate) fn new<S: Switch>(state: ApiState<S>) -> Self {
        let ApiState { switch, store, recordings_dir, recordings, prompts, login, ice, ctibar, configured, version: _ } =
            state;
        let events = switch.events();
        let switch = AnySwitch::new(switch);
        let routing = Mutex::default();
        Self(Arc::new(Parts {
            switch,
            events,
            store,
            recordings_dir,
            recordings,
            prompts,
            login,
            ice,
            ctibar,
            bars: Bars::default(),
            configured,
            routing,
        }))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
