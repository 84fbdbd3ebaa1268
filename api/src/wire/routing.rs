//! Routes and blocked numbers on the wire.

use model::{Route, RouteTarget, Ways, WeightedTrunk};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a route leads: exactly one of these is set.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RouteTo {
    /// To this extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extension: Option<String>,
    /// Out by these trunks, in this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trunks: Option<Vec<String>>,
    /// To this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) queue: Option<String>,
    /// To this ring group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ring_group: Option<String>,
    /// To this mailbox, to leave a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mailbox: Option<String>,
    /// To this flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flow: Option<String>,
    /// To this conference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conference: Option<String>,
    /// To this prompt, which the caller hears once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompt: Option<String>,
    /// Where a program says, which is asked for each call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) program: Option<ProgramOut>,
}

/// A program that says where calls lead. It gets `POST` with `{"call", "from", "to", "trunk"}` and answers with one of
/// `{"extension": "1001"}`, `{"queue": "sales"}`, `{"number": "8613…"}`, `{"prompt": "closed"}`, `{"reject": "busy"}`
/// (`busy`, `forbidden`, `not_found`, `unavailable`).
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProgramOut {
    /// Where it is asked, `http:` or `https:`.
    #[schema(example = "http://crm.example/route")]
    pub(crate) url: String,
    /// How long it may take, 50 to 5000 milliseconds; usually 800.
    #[serde(default = "usual_wait")]
    pub(crate) wait_ms: u16,
    /// Where the call leads if it says nothing that can be done, or not in time.
    #[serde(default)]
    #[schema(value_type = super::queues::Overflow, required = false)]
    pub(crate) otherwise: model::Overflow,
}

fn usual_wait() -> u16 {
    model::Program::WAIT_MS
}

/// A route to be added, or what it is to be from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteIn {
    /// What is dialled: whole, or a beginning that ends with `*`; the longest that fits counts.
    #[schema(example = "9*")]
    pub(crate) number: String,
    /// For calls from this trunk; left out: for calls from extensions.
    pub(crate) from_trunk: Option<String>,
    /// Where it leads.
    pub(crate) to: RouteTo,
    /// Record calls that go this way.
    #[serde(default)]
    pub(crate) record: bool,
    /// So many characters of the number are taken away in front.
    #[serde(default)]
    pub(crate) strip: u8,
    /// And this comes in their place.
    #[serde(default)]
    pub(crate) prefix: String,
    /// When it counts, such as `Mon-Fri 09:00-18:00`; empty: always.
    #[serde(default)]
    pub(crate) hours: Vec<String>,
    /// How long the far end may ring, 5 to 600 seconds; usually 60.
    pub(crate) ring_seconds: Option<u16>,
}

/// A route.
#[derive(Serialize, ToSchema)]
pub(crate) struct RouteOut {
    /// Its number; `null`: it stands in the configuration, and is changed there.
    id: Option<i64>,
    /// What is dialled.
    number: String,
    /// For calls from this trunk; `null`: for calls from extensions.
    from_trunk: Option<String>,
    /// Where it leads.
    to: RouteTo,
    /// Are calls that go this way recorded?
    record: bool,
    /// So many characters of the number are taken away in front.
    strip: u8,
    /// And this comes in their place.
    prefix: String,
    /// When it counts; empty: always.
    hours: Vec<String>,
    /// How long the far end may ring, seconds.
    ring_seconds: u16,
}

impl RouteTo {
    /// `None` if not exactly one is set.
    pub(crate) fn to_model(&self) -> Option<RouteTarget> {
        let Self { extension, trunks, queue, ring_group, mailbox, flow, conference, prompt, program } = self;
        let of_trunks = |names: &Vec<String>| {
            let trunks = names.iter().map(|name| WeightedTrunk { trunk: name.clone(), weight: 1 }).collect();
            RouteTarget::Trunks(Ways { trunks, ..Ways::default() })
        };
        let mut all = [
            extension.clone().map(RouteTarget::Extension),
            trunks.as_ref().filter(|names| !names.is_empty()).map(of_trunks),
            queue.clone().map(RouteTarget::Queue),
            ring_group.clone().map(RouteTarget::RingGroup),
            mailbox.clone().map(RouteTarget::Mailbox),
            flow.clone().map(RouteTarget::Flow),
            conference.clone().map(RouteTarget::Conference),
            prompt.clone().map(|name| RouteTarget::Prompt { name, times: 1 }),
            program.clone().map(|ProgramOut { url, wait_ms, otherwise }| {
                RouteTarget::Program(model::Program { url, wait_ms, otherwise })
            }),
        ]
        .into_iter()
        .flatten();
        all.next().filter(|_| all.next().is_none())
    }
}

impl From<RouteTarget> for RouteTo {
    fn from(target: RouteTarget) -> Self {
        let none = Self::default();
        match target {
            RouteTarget::Extension(number) => Self { extension: Some(number), ..none },
            RouteTarget::Trunks(ways) => {
                Self { trunks: Some(ways.trunks.into_iter().map(|way| way.trunk).collect()), ..none }
            }
            RouteTarget::Queue(name) => Self { queue: Some(name), ..none },
            RouteTarget::RingGroup(name) => Self { ring_group: Some(name), ..none },
            RouteTarget::Mailbox(name) => Self { mailbox: Some(name), ..none },
            RouteTarget::Flow(name) => Self { flow: Some(name), ..none },
            RouteTarget::Conference(name) => Self { conference: Some(name), ..none },
            RouteTarget::Prompt { name, times: _ } => Self { prompt: Some(name), ..none },
            RouteTarget::Program(model::Program { url, wait_ms, otherwise }) => {
                Self { program: Some(ProgramOut { url, wait_ms, otherwise }), ..none }
            }
        }
    }
}

impl RouteOut {
    pub(crate) fn new(id: Option<i64>, route: Route) -> Self {
        let Route { number, from_trunk, to, record, strip, prefix, hours, ring_seconds, .. } = route;
        Self { id, number, from_trunk, to: to.into(), record, strip, prefix, hours, ring_seconds }
    }
}

/// In which direction a number is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BlockedSide {
    /// Calls from it are refused.
    Caller,
    /// Calls to it are refused.
    Called,
}

/// A number with which nobody speaks.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockedIn {
    /// Whole, or a beginning that ends with `*`.
    pub(crate) number: String,
    /// In which direction.
    pub(crate) side: BlockedSide,
}

/// A number with which nobody speaks.
#[derive(Serialize, ToSchema)]
pub(crate) struct BlockedOut {
    /// Whole, or a beginning that ends with `*`.
    pub(crate) number: String,
    /// In which direction.
    pub(crate) side: BlockedSide,
    /// It stands in the configuration, and is changed there.
    pub(crate) configured: bool,
}
