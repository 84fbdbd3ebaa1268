//! What every API asks of the switch.

use crate::events::EventBus;
use crate::problem::{Kind, Problem};
use axum::extract::ws::WebSocket;
use model::{
    AgentStatus, Answer, AudioFormat, Ban, CallId, Command, Conference, LegNo, Listening, LiveCall, Query, QueueStatus,
    Refusal, Registration, Reply, Seen, SeenFilter, Spending, TextMessage, TrunkStatus,
};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The switch as APIs see it. The program implements it over its cells' inboxes; tests implement it over a list.
pub trait Switch: Clone + Send + Sync + 'static {
    /// Does what is asked, or says why not. Answers within seconds, with [`Refusal::Overloaded`] rather than late.
    fn command(&self, command: Command) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// Answers a question, gathered from all cells.
    fn query(&self, query: Query) -> impl Future<Output = Result<Answer, Refusal>> + Send;

    /// What happens, in order.
    fn events(&self) -> EventBus;

    /// SIP messages that fit, from now on. Bounded: who reads too slowly misses some.
    fn watch(&self, filter: SeenFilter) -> mpsc::Receiver<Seen>;

    /// Connects a program with the sound of a leg; what comes back takes its WebSocket.
    fn audio(&self, at: (CallId, LegNo), wish: AudioRequest)
    -> impl Future<Output = Result<Connected, Refusal>> + Send;

    /// Has a recogniser listen to what a leg says, as long as the leg is there.
    fn recognise(&self, at: (CallId, LegNo)) -> impl Future<Output = Result<(), Refusal>> + Send;
}

/// How a program wants to be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioRequest {
    /// The form of the sound.
    pub format: AudioFormat,
    /// What it hears.
    pub listening: Listening,
    /// It is heard by the leg's party.
    pub speaks: bool,
    /// What it said and was not heard yet is dropped when the party begins to speak.
    pub barge_in: bool,
}

/// Takes a program's WebSocket.
pub type Connected = Box<dyn FnOnce(WebSocket) + Send>;

/// A switch that has not answered by then is overloaded.
const PATIENCE: Duration = Duration::from_secs(5);

type Asked<T> = Pin<Box<dyn Future<Output = Result<T, Refusal>> + Send>>;

/// A [`Switch`] whose type nobody needs to know, so that the routes are compiled once, here.
#[derive(Clone)]
pub(crate) struct AnySwitch(Arc<dyn Erased>);

trait Erased: Send + Sync {
    fn command(&self, command: Command) -> Asked<Reply>;
    fn query(&self, query: Query) -> Asked<Answer>;
    fn audio(&self, at: (CallId, LegNo), wish: AudioRequest) -> Asked<Connected>;

    fn recognise(&self, at: (CallId, LegNo)) -> Asked<()>;

    fn watch(&self, filter: SeenFilter) -> mpsc::Receiver<Seen>;
}

impl<S: Switch> Erased for S {
    fn command(&self, command: Command) -> Asked<Reply> {
        let switch = self.clone();
        Box::pin(async move { Switch::command(&switch, command).await })
    }

    fn query(&self, query: Query) -> Asked<Answer> {
        let switch = self.clone();
        Box::pin(async move { Switch::query(&switch, query).await })
    }

    fn audio(&self, at: (CallId, LegNo), wish: AudioRequest) -> Asked<Connected> {
        let switch = self.clone();
        Box::pin(async move { Switch::audio(&switch, at, wish).await })
    }

    fn recognise(&self, at: (CallId, LegNo)) -> Asked<()> {
        let switch = self.clone();
        Box::pin(async move { Switch::recognise(&switch, at).await })
    }

    fn watch(&self, filter: SeenFilter) -> mpsc::Receiver<Seen> {
        Switch::watch(self, filter)
    }
}

impl AnySwitch {
    pub(crate) fn new(switch: impl Switch) -> Self {
        Self(Arc::new(switch))
    }

    pub(crate) async fn command(&self, command: Command) -> Result<(), Problem> {
        self.do_command(command).await.map(drop)
    }

    pub(crate) async fn do_command(&self, command: Command) -> Result<Reply, Problem> {
        in_time(self.0.command(command)).await
    }

    /// The same, with the switch's own refusal: for dialects, which have words of their own for it.
    pub(crate) async fn ask(&self, command: Command) -> Result<Reply, Refusal> {
        tokio::time::timeout(PATIENCE, self.0.command(command)).await.unwrap_or(Err(Refusal::Overloaded))
    }

    pub(crate) async fn messages(&self, extension: Option<String>) -> Result<Vec<TextMessage>, Problem> {
        match in_time(self.0.query(Query::Messages { extension })).await? {
            Answer::Messages(list) => Ok(list),
            other => Err(Problem::ours(&format!("messages asked, answered {other:?}"))),
        }
    }

    pub(crate) async fn audio(&self, at: (CallId, LegNo), wish: AudioRequest) -> Result<Connected, Problem> {
        in_time(self.0.audio(at, wish)).await
    }

    pub(crate) async fn recognise(&self, at: (CallId, LegNo)) -> Result<(), Problem> {
        in_time(self.0.recognise(at)).await
    }

    pub(crate) async fn conferences(&self) -> Result<Vec<Conference>, Problem> {
        match in_time(self.0.query(Query::Conferences)).await? {
            Answer::Conferences(list) => Ok(list),
            other => Err(Problem::ours(&format!("conferences asked, answered {other:?}"))),
        }
    }

    pub(crate) async fn calls(&self) -> Result<Vec<LiveCall>, Problem> {
        match in_time(self.0.query(Query::Calls)).await? {
            Answer::Calls(calls) => Ok(calls),
            other => Err(Problem::ours(&format!("calls asked, answered {other:?}"))),
        }
    }

    pub(crate) async fn registrations(&self, extension: Option<String>) -> Result<Vec<Registration>, Problem> {
        match in_time(self.0.query(Query::Registrations { extension })).await? {
            Answer::Registrations(list) => Ok(list),
            other => Err(Problem::ours(&format!("registrations asked, answered {other:?}"))),
        }
    }
}

impl AnySwitch {
    pub(crate) async fn queues(&self) -> Result<Vec<QueueStatus>, Problem> {
        match in_time(self.0.query(Query::Queues)).await? {
            Answer::Queues(list) => Ok(list),
            other => Err(Problem::ours(&format!("queues asked, answered {other:?}"))),
        }
    }

    pub(crate) async fn agents(&self) -> Result<Vec<AgentStatus>, Problem> {
        match in_time(self.0.query(Query::Agents)).await? {
            Answer::Agents(list) => Ok(list),
            other => Err(Problem::ours(&format!("agents asked, answered {other:?}"))),
        }
    }

    pub(crate) async fn trunks(&self) -> Result<Vec<TrunkStatus>, Problem> {
        match in_time(self.0.query(Query::Trunks)).await? {
            Answer::Trunks(list) => Ok(list),
            other => Err(Problem::ours(&format!("trunks asked, answered {other:?}"))),
        }
    }

    pub(crate) async fn bans(&self) -> Result<Vec<Ban>, Problem> {
        match in_time(self.0.query(Query::Bans)).await? {
            Answer::Bans(list) => Ok(list),
            other => Err(Problem::ours(&format!("bans asked, answered {other:?}"))),
        }
    }

    pub(crate) async fn seen(&self, filter: SeenFilter) -> Result<Vec<Seen>, Problem> {
        match in_time(self.0.query(Query::Seen(filter))).await? {
            Answer::Seen(list) => Ok(list),
            _ => Err(Problem::ours(&"messages asked, something else answered")),
        }
    }

    pub(crate) fn watch(&self, filter: SeenFilter) -> mpsc::Receiver<Seen> {
        self.0.watch(filter)
    }

    pub(crate) async fn spending(&self) -> Result<Vec<Spending>, Problem> {
        match in_time(self.0.query(Query::Spending)).await? {
            Answer::Spending(list) => Ok(list),
            other => Err(Problem::ours(&format!("spending asked, answered {other:?}"))),
        }
    }
}

async fn in_time<T>(asked: Asked<T>) -> Result<T, Problem> {
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(refusal)) => Err(refusal.into()),
        Err(_) => Err(Kind::Overloaded.into()),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchCall | Refusal::NoSuchLeg => Kind::NoSuchCall,
            Refusal::NoSuchExtension => Kind::NoSuchExtension,
            Refusal::NoSuchTrunk => Kind::NoSuchTrunk,
            Refusal::NoSuchConference => Kind::NoSuchConference,
            Refusal::BadNumber => Kind::BadDestination,
            Refusal::NoRoute => Kind::NoRoute,
            Refusal::BadRouting => Kind::BadRoute,
            Refusal::NotRegistered => Kind::NotRegistered,
            Refusal::NoSuchPrompt => Kind::NoSuchPrompt,
            Refusal::NoSuchQueue => Kind::NoSuchQueue,
            Refusal::NoSuchAgent => Kind::NoSuchAgent,
            Refusal::NotLoggedIn => Kind::AgentNotLoggedIn,
            Refusal::PhoneTaken => Kind::PhoneTaken,
            Refusal::WrongState => Kind::WrongState,
            Refusal::Overloaded => Kind::Overloaded,
            Refusal::ShuttingDown => Kind::ShuttingDown,
        }
        .into()
    }
}
