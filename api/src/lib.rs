//! The native REST API, and the Switch trait all dialects speak to.

mod state;
mod switch;

pub use state::{ApiState, LoginSettings};
pub use switch::Switch;

/// Everything HTTP that is ours: `/api/v1/base/auth`, `/patchbay/v1/…`. Merge `/healthz` and `/metrics` beside it, and
/// serve it with `into_make_service_with_connect_info::<SocketAddr>()`: logins are throttled by peer address.
pub fn router<S: Switch>(state: ApiState<S>) -> axum::Router { let _ = state; todo!() }
