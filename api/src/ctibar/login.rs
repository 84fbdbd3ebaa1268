//! What a toolbar needs at its login: the agent behind an account, its skill groups, the telephone in the page.

use super::acd::Acd;
use super::names::Refused;
use crate::problem::Problem;
use crate::state::App;
use crate::token::unix_seconds;
use model::{Agent, Command, MediaKind, User};
use serde_json::{Value, json};

/// The agent of an account: who usually sits at its extension, or who bears its name.
pub(super) async fn agent_of(app: &App, user: &User) -> Result<Option<Agent>, Problem> {
    let Some(extension) = &user.extension else { return Ok(None) };
    let agents = app.store.agents().await?;
    let named = |agent: &&Agent| agent.name == user.username && agent.extension.is_empty();
    let found = agents.iter().find(|agent| agent.extension == *extension).or_else(|| agents.iter().find(named));
    Ok(found.cloned())
}

/// The name of the agent of an account, if there is none yet.
pub(super) fn name_for(user: &User) -> String {
    let agent = Agent { name: user.username.clone(), ..Agent::default() };
    match agent.check() {
        Ok(()) => agent.name,
        Err(_) => user.extension.clone().unwrap_or_default(),
    }
}

/// An account whose extension nobody sits at has an agent from now on, who serves no queue yet.
pub(super) async fn make_agent(app: &App, user: &User) -> Result<Agent, Refused> {
    let known = agent_of(app, user).await.map_err(|_| Refused::Internal)?;
    if let Some(agent) = known {
        return Ok(agent);
    }
    let extension = user.extension.clone().ok_or(Refused::NoExtension)?;
    let mut agent = Agent { name: name_for(user), extension, ..Agent::default() };
    if app.store.agent(&agent.name).await.map_err(|_| Refused::Internal)?.is_some() {
        // Somebody else bears that name.
        agent.name.clone_from(&agent.extension);
    }
    if !app.store.put_agent(&agent).await.map_err(|_| Refused::Internal)? {
        return Err(Refused::Internal);
    }
    tracing::info!(user = user.id, agent = agent.name, "an account has an agent from now on");
    app.switch.ask(Command::PutAgent(Box::new(agent.clone()))).await.map_err(Refused::of)?;
    Ok(agent)
}

/// The data of onLogin without the state.
pub(super) async fn data(app: &App, user: &User, token: &str, agent: Option<&Agent>) -> Result<Value, Problem> {
    let queues = app.store.queues().await?;
    let served = agent.into_iter().flat_map(|agent| &agent.queues);
    let groups = served.filter_map(|member| queues.iter().find(|queue| queue.name == member.queue));
    let groups: Vec<Value> = groups.map(|queue| Acd::of_queue(queue).json()).collect();
    let number = user.extension.clone().unwrap_or_default();
    let extension = app.store.extension(&number).await?;
    let webrtc = extension.filter(|known| known.media != MediaKind::Rtp).map(|_| {
        json!({
            "wsUrl": "/sip", "uri": format!("sip:{number}@{}", app.store.realm()), "authUser": number,
            "password": token, "iceServers": app.ice.for_user(&number, unix_seconds()),
        })
    });
    Ok(json!({
        "user": user.username, "nickname": user.nickname, "extNo": number, "webrtc": webrtc, "queues": groups,
    }))
}
