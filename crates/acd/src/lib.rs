//! Desk: queues and agents. Who waits where, and who is asked to take whom.
//!
//! A [`Desk`] hears facts ([`Input`]) and gives decisions ([`Output`]); it knows no calls beyond their ids. Times are arguments:
//!
//! ```text
//! Enter → Offer → Answered → … → Ended → wrap-up → ready again
//!            └ Failed, or nothing for the ring time → Withdraw → Offer to the next
//! ```
//!
//! Two promises hold after every input. *Nobody waits beside a free agent:* whoever waits without an offer has no agent who is
//! free, serves the queue and may take that caller. *One at a time:* an agent has at most one offer, and none while it talks,
//! wraps up or is away. Only the caller that is offered or served holds an agent; when it leaves, the agent is free at that moment.

mod agent;
mod desk;
mod figures;
mod image;
mod offers;
mod queue;
mod settings;
mod words;

pub use agent::{AgentState, Duty};
pub use desk::Desk;
pub use figures::{AgentFigures, QueueFigures};
pub use image::{AgentImage, Image, Standing};
pub use settings::{AfterNoAnswer, AgentSettings, Announce, Membership, QueueSettings, Strategy, Widening, WrapUp};
pub use words::{Event, Failure, How, Input, OfferId, Output, Reason, Refusal, Wish};
