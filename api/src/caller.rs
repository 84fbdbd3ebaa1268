//! Who asks, and what that person may do and see.

use crate::problem::{Kind, Problem};
use crate::state::App;
use crate::token::{self, Invalid};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use model::{Role, User};

/// A logged-in user, by `Authorization: Bearer` or `x-token`.
pub(crate) struct Caller(pub(crate) User);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::of_token(app, token_of(&parts.headers).ok_or(Kind::NotLoggedIn)?).await
    }
}

/// Does a long connection's token still count, for the same user with the same rights? Where that cannot be found out now, yes.
pub(crate) async fn still_counts(app: &App, token: &str, user: &User) -> bool {
    match token::check(app, token).await {
        Ok(now) => (now.role, &now.extension) == (user.role, &user.extension),
        Err(Invalid::Expired | Invalid::Refused) => false,
        Err(Invalid::Unknown(_)) => true,
    }
}

/// The token of a request's headers.
pub(crate) fn token_of(headers: &HeaderMap) -> Option<&str> {
    let bearer = || {
        let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    };
    let own = || headers.get("x-token")?.to_str().ok();
    bearer().or_else(own).filter(|token| !token.is_empty())
}

/// Whose calls, records, registrations and extensions one sees.
pub(crate) enum Scope {
    /// Everybody's.
    All,
    /// Those of this extension.
    Own(String),
    /// Nobody's: an agent without an extension.
    Nothing,
}

impl Scope {
    /// Does it include what belongs to any of these numbers?
    pub(crate) fn includes<'a>(&self, mut numbers: impl Iterator<Item = &'a str>) -> bool {
        match self {
            Self::All => true,
            Self::Own(extension) => numbers.any(|number| number == extension),
            Self::Nothing => false,
        }
    }
}

impl Caller {
    /// Whom a token stands for.
    pub(crate) async fn of_token(app: &App, token: &str) -> Result<Self, Problem> {
        match token::check(app, token).await {
            Ok(user) => Ok(Self(user)),
            Err(Invalid::Expired) => Err(Kind::TokenExpired.into()),
            Err(Invalid::Refused) => Err(Kind::NotLoggedIn.into()),
            Err(Invalid::Unknown(problem)) => Err(problem),
        }
    }

    /// Settings and users are the administrator's.
    pub(crate) fn must_administer(&self) -> Result<(), Problem> {
        match self.0.role {
            Role::Admin => Ok(()),
            Role::Supervisor | Role::Agent | Role::Integrator => Err(Kind::Forbidden.into()),
        }
    }

    /// Who listens to others' conversations, and speaks in them, has to answer for people.
    pub(crate) fn must_supervise(&self) -> Result<(), Problem> {
        match self.0.role {
            Role::Admin | Role::Supervisor => Ok(()),
            Role::Agent | Role::Integrator => Err(Kind::Forbidden.into()),
        }
    }

    /// What concerns everybody's calls is not for agents.
    pub(crate) fn must_see_all(&self) -> Result<(), Problem> {
        match self.scope() {
            Scope::All => Ok(()),
            Scope::Own(_) | Scope::Nothing => Err(Kind::Forbidden.into()),
        }
    }

    /// A trace shows every party's addresses, also those of others' phones.
    pub(crate) fn must_see_traces(&self) -> Result<(), Problem> {
        match self.0.role {
            Role::Admin | Role::Supervisor | Role::Integrator => Ok(()),
            Role::Agent => Err(Kind::Forbidden.into()),
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        match self.0.role {
            Role::Admin | Role::Supervisor | Role::Integrator => Scope::All,
            Role::Agent => self.0.extension.clone().map_or(Scope::Nothing, Scope::Own),
        }
    }
}
