//! The switch as APIs see it: wishes go to the worker that owns the matter, questions to all, with a limit on patience.

use crate::program::{self, MAX_LINES};
use crate::worker::{Ask, Figures, Inbox};
use api::EventBus;
use cell::Passed;
use model::{Answer, CallId, Command, Event, EventBody, LegNo, Query, Refusal, Reply, Seen, SeenFilter};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

/// How long a wish may take in all.
const PATIENCE: Duration = Duration::from_secs(2);

/// A full inbox is tried again at this distance, as long as patience lasts.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// How many messages one who watches them may be behind before he misses some.
pub const PASSED: usize = 1024;

/// Messages that wait for one who watches them and reads slowly. Beyond it he misses some.
const WATCHED: usize = 256;

/// The workers' inboxes and their events. Clones are cheap.
#[derive(Clone, Debug)]
pub struct NodeSwitch {
    inboxes: Arc<[Inbox]>,
    events: EventBus,
    passed: broadcast::Sender<Passed>,
    lines: Arc<Semaphore>,
    wall: Option<stdx::Wall>,
    recogniser: Option<Arc<str>>,
}

impl NodeSwitch {
    /// Over these workers.
    pub fn new(inboxes: Arc<[Inbox]>, events: EventBus, passed: broadcast::Sender<Passed>) -> Self {
        let lines = Arc::new(Semaphore::new(MAX_LINES));
        Self { inboxes, events, passed, lines, wall: None, recogniser: None }
    }

    /// The same, which tells the time of what the shell itself has to announce, and knows a recogniser of speech.
    #[must_use]
    pub fn with_recogniser(self, wall: stdx::Wall, url: Option<&str>) -> Self {
        Self { wall: Some(wall), recogniser: url.map(Arc::from), ..self }
    }

    /// Room for one more program, if there is any.
    pub(crate) fn line_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.lines).try_acquire_owned().ok()
    }

    /// Something that happened in the shell.
    pub(crate) fn announce(&self, body: EventBody) {
        let at = self.wall.map_or(0, |wall| wall.at(Instant::now().into()));
        self.events.put(Event { at, body });
    }

    /// The figures of every worker; `None` for one that does not answer within `patience`.
    pub async fn figures(&self, patience: Duration) -> Vec<Option<Box<Figures>>> {
        let deadline = Instant::now() + patience;
        let mut asked = Vec::with_capacity(self.inboxes.len());
        for inbox in self.inboxes.iter() {
            let (answer, answered) = oneshot::channel();
            asked.push(inbox.put_ask(Ask::Figures(answer)).ok().map(|()| answered));
        }
        let mut figures = Vec::with_capacity(asked.len());
        for answered in asked {
            figures.push(match answered {
                Some(answered) => timeout_at(deadline, answered).await.ok().and_then(Result::ok),
                None => None,
            });
        }
        figures
    }

    /// The worker that is the home of an extension.
    fn home_of(&self, extension: &str) -> usize {
        (sip_stack::placement::aor_hash(extension.as_bytes()) % self.inboxes.len().max(1) as u64) as usize
    }

    async fn ask<T>(
        &self,
        worker: usize,
        ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
        deadline: Instant,
    ) -> Result<T, Refusal> {
        let inbox = self.inboxes.get(worker).ok_or(Refusal::NoSuchCall)?;
        let (answer, answered) = oneshot::channel();
        let mut ask = ask(answer);
        while let Err(back) = inbox.put_ask(ask) {
            if Instant::now() >= deadline {
                return Err(Refusal::Overloaded);
            }
            ask = back;
            sleep(TRY_AGAIN).await;
        }
        match timeout_at(deadline, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            // The worker dropped the question, or did not get to it.
            Ok(Err(_)) | Err(_) => Err(Refusal::Overloaded),
        }
    }
}

impl api::Switch for NodeSwitch {
    async fn command(&self, command: Command) -> Result<Reply, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        let owner = match &command {
            Command::SendMessage(message) => Some(self.home_of(message.via.as_ref().unwrap_or(&message.to))),
            Command::Originate(wish) => Some(self.home_of(&wish.extension)),
            command if command.is_for_desk() => Some(usize::from(cell::DESK)),
            Command::SetMessages { extension, .. } => Some(self.home_of(extension)),
            Command::Invite { conference, .. }
            | Command::Dismiss { conference, .. }
            | Command::Mute { conference, .. }
            | Command::RecordConference { conference, .. }
            | Command::EndConference { conference } => {
                let workers = self.inboxes.len().try_into().unwrap_or(u16::MAX);
                Some(usize::from(cell::conference_home(conference, workers)))
            }
            other => other.call().map(|call| usize::from(call.cell())),
        };
        if let Some(owner) = owner {
            return self.ask(owner, |answer| Ask::Command(Box::new(command), answer), deadline).await?;
        }
        // Every worker hears of it, also after one has refused: they must not differ for longer than they have to.
        let mut result = Ok(Reply::Done);
        for worker in 0..self.inboxes.len() {
            let command = Box::new(command.clone());
            let answer = self.ask(worker, |answer| Ask::Command(command, answer), deadline).await;
            result = result.and(answer.and_then(|answer| answer));
        }
        result
    }

    async fn query(&self, query: Query) -> Result<Answer, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        let mut answers = Vec::with_capacity(self.inboxes.len());
        for worker in 0..self.inboxes.len() {
            let query = query.clone();
            answers.push(self.ask(worker, |answer| Ask::Query(query, answer), deadline).await?);
        }
        Ok(merge(&query, answers))
    }

    fn events(&self) -> EventBus {
        self.events.clone()
    }

    async fn audio(&self, at: (CallId, LegNo), wish: api::AudioRequest) -> Result<api::Connected, Refusal> {
        let line = program::Line::open(self, at, (wish.format, wish.listening, wish.speaks)).await?;
        let wire = media::program::Wire::new(program::codec_of(wish.format), wish.barge_in, 0);
        Ok(Box::new(move |socket| drop(tokio::spawn(program::converse(line, wire, socket)))))
    }

    async fn recognise(&self, at: (CallId, LegNo)) -> Result<(), Refusal> {
        let url = self.recogniser.clone().ok_or(Refusal::WrongState)?;
        program::recognise(self, at, url).await
    }

    fn watch(&self, filter: SeenFilter) -> mpsc::Receiver<Seen> {
        let (to, watcher) = mpsc::channel(WATCHED);
        let mut passed = self.passed.subscribe();
        // A worker shows its messages from its next round on: wake it.
        for inbox in self.inboxes.iter() {
            drop(inbox.put_ask(Ask::Figures(oneshot::channel().0)));
        }
        tokio::spawn(async move {
            loop {
                let passed = tokio::select! {
                    passed = passed.recv() => passed,
                    () = to.closed() => return,
                };
                match passed {
                    Ok(passed) if filter.fits(passed.flow.remote.ip(), &passed.data) => {
                        // One that reads too slowly misses what comes now.
                        if let Err(mpsc::error::TrySendError::Closed(_)) = to.try_send(passed.to_seen()) {
                            return;
                        }
                    }
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        });
        watcher
    }
}

/// One answer of many workers' answers.
fn merge(query: &Query, answers: Vec<Answer>) -> Answer {
    let (mut calls, mut registrations, mut trunks) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bans, mut seen, mut spending) = (Vec::<model::Ban>::new(), Vec::new(), Vec::new());
    let (mut queues, mut agents) = (Vec::new(), Vec::new());
    let (mut messages, mut conferences) = (Vec::new(), Vec::<model::Conference>::new());
    for answer in answers {
        match answer {
            Answer::Calls(more) => calls.extend(more),
            Answer::Registrations(more) => registrations.extend(more),
            Answer::Trunks(more) => trunks.extend(more),
            Answer::Bans(more) => bans.extend(more),
            Answer::Seen(more) => seen.extend(more),
            Answer::Spending(more) => spending.extend(more),
            Answer::Messages(more) => messages.extend(more),
            Answer::Conferences(more) => conferences.extend(more),
            Answer::Queues(more) => queues.extend(more),
            Answer::Agents(more) => agents.extend(more),
        }
    }
    match query {
        Query::Calls => {
            calls.sort_by_key(|call| (call.started_at, call.id));
            Answer::Calls(calls)
        }
        Query::Conferences => {
            conferences.sort_by(|a, b| a.name.cmp(&b.name));
            Answer::Conferences(conferences)
        }
        // The desk alone knows any.
        Query::Queues => Answer::Queues(queues),
        Query::Agents => Answer::Agents(agents),
        Query::Messages { .. } => {
            messages.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
            Answer::Messages(messages)
        }
        Query::Registrations { .. } => {
            registrations.sort_by(|a, b| (&a.extension, &a.contact).cmp(&(&b.extension, &b.contact)));
            Answer::Registrations(registrations)
        }
        Query::Trunks => {
            trunks.sort_by(|a, b| a.name.cmp(&b.name));
            Answer::Trunks(trunks)
        }
        Query::Bans => {
            // Each worker knows each ban, and counts what it dropped itself.
            bans.sort_by_key(|ban| (ban.source, ban.since));
            bans.dedup_by(|more, ban| {
                let same = more.source == ban.source;
                if same {
                    ban.dropped += more.dropped;
                }
                same
            });
            Answer::Bans(bans)
        }
        Query::Seen(_) => {
            seen.sort_by_key(|seen: &Seen| seen.at);
            Answer::Seen(seen)
        }
        Query::Spending => {
            spending.sort_by(|a, b| a.extension.cmp(&b.extension));
            Answer::Spending(spending)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::ASKS;
    use api::Switch as _;
    use model::{CallId, Registration};

    fn switch(workers: usize) -> NodeSwitch {
        let inboxes = (0..workers).map(|_| Inbox::new().unwrap()).collect::<Vec<_>>().into();
        NodeSwitch::new(inboxes, EventBus::new(0), broadcast::channel(PASSED).0)
    }

    fn registration(extension: &str) -> Registration {
        Registration {
            extension: extension.to_owned(),
            contact: "sip:x".to_owned(),
            remote: "192.0.2.1:5060".to_owned(),
            transport: "udp".to_owned(),
            user_agent: String::new(),
            expires_at: 0,
        }
    }

    #[test]
    fn answers_of_all_workers_are_one_in_order() {
        let query = Query::Registrations { extension: None };
        let answers = vec![
            Answer::Registrations(vec![registration("1003")]),
            Answer::Registrations(vec![registration("1001"), registration("1002")]),
        ];
        let Answer::Registrations(list) = merge(&query, answers) else { panic!("another kind") };
        assert_eq!(list.iter().map(|r| r.extension.as_str()).collect::<Vec<_>>(), ["1001", "1002", "1003"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_of_a_worker_that_never_was_is_no_call() {
        let mut entropy = stdx::Entropy::seeded(1);
        let call = CallId::new(7, &mut entropy);
        assert_eq!(switch(2).command(Command::Hangup { call }).await, Err(Refusal::NoSuchCall));
    }

    #[tokio::test(start_paused = true)]
    async fn workers_that_do_not_answer_or_have_no_room_are_overloaded() {
        let switch = switch(2);
        assert_eq!(switch.query(Query::Calls).await, Err(Refusal::Overloaded));
        for _ in 0..ASKS {
            let _ = switch.inboxes[0].put_ask(Ask::Figures(oneshot::channel().0));
        }
        let remove = Command::RemoveExtension { number: "1001".to_owned() };
        assert_eq!(switch.command(remove).await, Err(Refusal::Overloaded));
        assert!(switch.figures(Duration::from_secs(1)).await.iter().all(Option::is_none));
    }
}
