//! What happens: as a stream, or a page at a time.

use crate::caller::{self, Caller};
use crate::events::{EventOut, EventReader, Filter, Next, Pace, kinds, serve};
use crate::extract::Query;
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Utf8Bytes, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use model::CallId;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// The longest message of a client, which has nothing to say.
const MAX_MESSAGE: usize = 4 << 10;

/// The most events of one page, and the most that are looked at for it.
const MAX_PAGE: usize = 1_000;
const MAX_LOOKED_AT: usize = 65_536;

/// Which events; everything that is given must hold.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Names of events with commas between them; left out: all.
    #[param(example = "call_started,call_ended")]
    kinds: Option<String>,
    /// About this number, or a call in which it has a part.
    extension: Option<String>,
    /// About this call, by its UUID.
    call: Option<String>,
    /// About this queue.
    queue: Option<String>,
    /// The first sequence number that is wanted: one more than the last that was seen. Left out: a stream begins now, a page with the
    /// oldest event that is kept.
    from: Option<u64>,
    /// The token, for pages, which cannot send headers with a WebSocket. Only for a WebSocket.
    token: Option<String>,
}

/// Some events, in order.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is put together from what is JSON already; this describes it")]
pub(super) struct EventPage {
    /// The events.
    items: Vec<EventOut>,
    /// `from` of the next page.
    next: u64,
    /// What is kept no longer; `null` if nothing is missing.
    gap: Option<GapOut>,
}

/// Events that are kept no longer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as above")]
pub(super) struct GapOut {
    /// The first sequence number that is missing.
    from: u64,
    /// The last.
    to: u64,
}

/// Follow events
///
/// As a WebSocket: text messages, JSON. First `{"ready":{"next":…}}` with the sequence number that the next event gets, then events. The
/// newest 65 536 (or 16 MB) are kept: who comes back with `from` misses nothing as long as they reach; else, and also where the switch
/// was restarted, `{"gap":{"from":…,"to":…}}` says what is missing. Numbers rise by one and never repeat, also not over restarts (those
/// of another restart begin far higher). Close codes: 1001 shutting down, 4001 read too slowly (a message was not taken within 10 s),
/// 4002 no answer to pings for 60 s, 4003 the login does not count any more. At most 256 clients. Who does not ask for a WebSocket
/// gets a page of at most 1000 kept events. An agent is told what concerns its own extension.
#[utoipa::path(get, path = "/events", tag = "live", params(Which),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = 200, body = EventPage),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`overloaded`: too many clients", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn follow(
    State(app): State<App>,
    headers: HeaderMap,
    Query(which): Query<Which>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let Which { kinds: names, extension, call, queue, from, token } = which;
    let token = token.filter(|_| socket.is_ok());
    let token = caller::token_of(&headers).map(str::to_owned).or(token).ok_or(Kind::NotLoggedIn)?;
    let caller = Caller::of_token(&app, &token).await?;
    let unknown = |name| Problem::because(Kind::BadParameter, format!("there is no event {name:?}"));
    let kinds = names.as_deref().map(kinds).transpose().map_err(unknown)?;
    let id =
        |text: String| text.parse::<CallId>().map_err(|_| Problem::because(Kind::BadParameter, "a call id is a UUID"));
    let filter = Filter { scope: caller.scope(), kinds, extension, call: call.map(id).transpose()?, queue };
    let next = app.events.next_sequence();
    if from.is_some_and(|from| from > next) {
        return Err(Problem::because(
            Kind::BadParameter,
            format!("the next event is {next}: nothing is known beyond it"),
        ));
    }
    let Ok(socket) = socket else {
        // It is the start of a WebSocket, but of none that is understood.
        if headers.contains_key(header::UPGRADE) {
            return Err(Problem::because(Kind::BadParameter, "this is not how a WebSocket is opened (RFC 6455)"));
        }
        let from = from.unwrap_or_else(|| app.events.oldest_sequence());
        return Ok(page(app.events.reader_from(from), &filter));
    };
    let seat = app.events.seat().ok_or(Kind::Overloaded)?;
    let reader = app.events.reader_from(from.unwrap_or(next));
    let counts = move || {
        let (app, token, user) = (app.clone(), token.clone(), caller.0.clone());
        async move { caller::still_counts(&app, &token, &user).await }
    };
    let socket = socket.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(socket
        .on_upgrade(move |socket| async move { serve(socket, reader, filter, seat, Pace::default(), counts).await }))
}

/// What is kept, as one answer; each event as it is told to everybody else.
fn page(mut reader: EventReader, filter: &Filter) -> Response {
    let mut items: Vec<Utf8Bytes> = Vec::new();
    let mut gap = None;
    for _ in 0..MAX_LOOKED_AT {
        match reader.try_next() {
            Some(Next::Event(told)) if filter.fits(&told) => items.push(told.line()),
            Some(Next::Event(_)) => {}
            // Only the first can be one: what comes meanwhile pushes nothing out that was looked at.
            Some(Next::Gap(missing)) => gap = gap.or(Some(missing)),
            None => break,
        }
        if items.len() == MAX_PAGE {
            break;
        }
    }
    let gap = gap.map_or("null".to_owned(), |gap| format!(r#"{{"from":{},"to":{}}}"#, gap.from, gap.to));
    let items = items.iter().map(Utf8Bytes::as_str).collect::<Vec<_>>().join(",");
    let body = format!(r#"{{"items":[{items}],"next":{},"gap":{gap}}}"#, reader.position());
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
