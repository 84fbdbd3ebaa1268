//! The native API, one file per thing it is about.

mod agents;
mod audio;
mod audit;
mod bans;
mod calls;
mod conferences;
mod events;
mod extensions;
mod messages;
mod originate;
mod passwords;
mod playback;
mod prompts;
mod queues;
mod recording;
mod records;
mod reports;
mod ring_groups;
mod routing;
mod session;
mod spending;
mod trace;
mod trunks;
mod users;
mod voicemail;
mod webhooks;

use crate::problem::{Kind, Problem};
use crate::state::App;
use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where the native API lives.
pub(crate) const BASE: &str = "/patchbay/v1";

/// The longest request body, bytes, and that of an import.
pub(crate) const MAX_BODY: usize = 64 << 10;
const MAX_IMPORT_BODY: usize = 4 << 20;

/// All routes, with their descriptions.
pub(crate) fn all() -> OpenApiRouter<App> {
    let import = OpenApiRouter::new().routes(routes!(extensions::import)).layer(DefaultBodyLimit::max(MAX_IMPORT_BODY));
    let upload = OpenApiRouter::new()
        .routes(routes!(prompts::get, prompts::put, prompts::remove))
        .layer(DefaultBodyLimit::max(prompts::MAX_FILE));
    OpenApiRouter::new()
        .routes(routes!(session::log_in, session::who_am_i))
        .routes(routes!(session::phone))
        .routes(routes!(users::list, users::add))
        .routes(routes!(users::get, users::change, users::remove))
        .routes(routes!(extensions::list, extensions::add))
        .routes(routes!(extensions::get, extensions::change, extensions::remove))
        .routes(routes!(calls::registrations))
        .routes(routes!(trunks::list))
        .routes(routes!(queues::list))
        .routes(routes!(queues::get, queues::put, queues::remove))
        .routes(routes!(voicemail::list))
        .routes(routes!(voicemail::get, voicemail::put, voicemail::remove))
        .routes(routes!(voicemail::messages))
        .routes(routes!(voicemail::mark, voicemail::discard))
        .routes(routes!(voicemail::audio))
        .routes(routes!(ring_groups::list))
        .routes(routes!(ring_groups::get, ring_groups::put, ring_groups::remove))
        .routes(routes!(agents::list))
        .routes(routes!(agents::get, agents::put, agents::remove))
        .routes(routes!(agents::log_in))
        .routes(routes!(agents::log_out))
        .routes(routes!(agents::set))
        .routes(routes!(spending::list))
        .routes(routes!(calls::list, originate::place))
        .routes(routes!(messages::list, messages::send))
        .routes(routes!(messages::set_voice_messages))
        .routes(routes!(calls::get, calls::hang_up))
        .routes(routes!(trace::trace))
        .routes(routes!(bans::list))
        .routes(routes!(bans::ban, bans::unban))
        .routes(routes!(calls::answer))
        .routes(routes!(calls::hold))
        .routes(routes!(calls::retrieve))
        .routes(routes!(calls::transfer))
        .routes(routes!(events::follow))
        .routes(routes!(webhooks::list, webhooks::add))
        .routes(routes!(webhooks::get, webhooks::change, webhooks::remove))
        .routes(routes!(webhooks::dead))
        .routes(routes!(webhooks::resend))
        .routes(routes!(routing::list, routing::add))
        .routes(routes!(routing::get, routing::put, routing::remove))
        .routes(routes!(routing::blocked, routing::block))
        .routes(routes!(routing::unblock))
        .routes(routes!(audit::list))
        .routes(routes!(audio::connect))
        .routes(routes!(audio::recognise))
        .routes(routes!(conferences::list))
        .routes(routes!(conferences::make))
        .routes(routes!(conferences::invite))
        .routes(routes!(conferences::dismiss))
        .routes(routes!(conferences::mute))
        .routes(routes!(conferences::record))
        .routes(routes!(conferences::end))
        .routes(routes!(conferences::supervise))
        .routes(routes!(playback::play))
        .routes(routes!(playback::stop))
        .routes(routes!(playback::record))
        .routes(routes!(prompts::list))
        .routes(routes!(records::list))
        .routes(routes!(records::get))
        .routes(routes!(records::trace))
        .routes(routes!(recording::download))
        .routes(routes!(reports::queues))
        .routes(routes!(reports::agents))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .merge(import)
        .merge(upload)
        .fallback(nothing_here)
}

async fn nothing_here() -> Problem {
    Kind::NoSuchPath.into()
}
