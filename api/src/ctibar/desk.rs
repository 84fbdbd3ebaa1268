//! What a page wants, done by the switch.

use super::decode::{Request, Wish, wish};
use super::names::{Refused, State};
use super::session::{Out, Session};
use super::{dial, login};
use crate::state::App;
use model::{Command, Refusal};
use serde_json::{Value, json};

/// Does what a command says. What the page is told after the reply goes to `after`.
pub(super) async fn obey(
    app: &App,
    session: &mut Session,
    token: &str,
    request: &Request,
    after: &mut Vec<Out>,
) -> Result<Value, Refused> {
    let ask = |command| async move { app.switch.ask(command).await.map_err(Refused::of) };
    match wish(&request.cmd, &request.data, session)? {
        Wish::LogIn => log_in(app, session, token, after).await,
        Wish::LogOut(command) => {
            ask(command).await?;
            session.logged_out("client", after);
            Ok(json!({}))
        }
        Wish::State(state, command) => {
            if state == State::Ready {
                let extension = session.account.extension().to_owned();
                let there = app.switch.registrations(Some(extension)).await.map_err(|_| Refused::Internal)?;
                if there.is_empty() {
                    return Err(Refused::ExtOffline);
                }
            }
            session.asks_for_state();
            if let Err(refused) = ask(command).await {
                session.asked_in_vain();
                return Err(refused);
            }
            session.asked_for(state, after);
            Ok(json!({ "state": state.name() }))
        }
        Wish::Call(to) => {
            let call = dial::place(app, session.account.extension(), &to).await?;
            Ok(json!({ "callId": call }))
        }
        Wish::Do(call, command) => {
            ask(command).await?;
            Ok(json!({ "callId": call }))
        }
        Wish::Offhook(call, command) => match app.switch.ask(command).await {
            // A phone that takes no such order rings on.
            Ok(_) | Err(Refusal::WrongState) => Ok(json!({ "callId": call })),
            Err(refusal) => Err(Refused::of(refusal)),
        },
        Wish::Already(call) => Ok(json!({ "callId": call })),
        Wish::ToQueue(call, leg, id) => {
            let to = dial::queue_number(app, &id).await?;
            send(app, Command::Transfer { call, leg, to }).await?;
            Ok(json!({ "callId": call }))
        }
        Wish::ToPhone { call, leg, to, consults } => {
            dial::check_target(app, &to).await?;
            if consults {
                send(app, Command::Consult { call, leg, to }).await?;
                return Ok(json!({ "callId": call, "consultCallId": call }));
            }
            send(app, Command::Transfer { call, leg, to }).await?;
            Ok(json!({ "callId": call }))
        }
    }
}

/// A call that cannot go there in its state stays; there is one, so the target is to blame.
async fn send(app: &App, command: Command) -> Result<(), Refused> {
    match app.switch.ask(command).await {
        Ok(_) => Ok(()),
        Err(Refusal::WrongState | Refusal::BadNumber) => Err(Refused::NoTarget),
        Err(other) => Err(Refused::of(other)),
    }
}

async fn log_in(app: &App, session: &mut Session, token: &str, after: &mut Vec<Out>) -> Result<Value, Refused> {
    let agent = login::make_agent(app, &session.account.user).await?;
    let data = login::data(app, &session.account.user, token, Some(&agent)).await.map_err(|_| Refused::Internal)?;
    session.account.agent.clone_from(&agent.name);
    if !session.is_signed_in() {
        let extension = session.account.extension().to_owned();
        let duty = model::Duty::Busy(String::new());
        let command = Command::LogInAgent { agent: agent.name, extension, queues: Vec::new(), duty };
        app.switch.ask(command).await.map_err(Refused::of)?;
    }
    session.logged_in(data, after);
    Ok(session.login_data())
}
