//! Where a dialled number leads, and why.
//!
//! The router knows numbers, routes, trunks, hours, rights and the black list; it asks for extensions. It decides and explains
//! in the same steps, so that `patchbay route test` tells exactly what a call would meet.

use crate::caller::{Calling, called_number, caller_number, shown_caller};
use crate::dial_string::DialString;
use crate::hours::{Calendar, Hours};
use crate::number::NumberPlan;
use crate::rewrite::{Patterns, replace, rewrite};
use crate::rights::Classes;
use crate::table::{Table, forms};
use model::{
    BlackList, CallerHeader, Dialling, Numbers, Outcome, Price, Program, Rights, RightsRules, Route, RouteTarget,
    StarCodes, Trunk, Ways,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;
use stdx::UnixMillis;

/// How long an emergency call may ring at one trunk.
const EMERGENCY_RING: Duration = Duration::from_secs(60);

/// Everything the operator says about the ways of calls.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How numbers are read, emergency numbers, clocks.
    pub numbers: Numbers,
    /// Which rights which numbers take.
    pub rights: RightsRules,
    /// With whom nobody speaks.
    pub black_list: BlackList,
    /// The ways out.
    pub trunks: Vec<Trunk>,
    /// Which number goes which way.
    pub routes: Vec<Route>,
}

/// Who wants to reach a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// An extension that proved who it is.
    Extension {
        /// Its number.
        number: &'a str,
        /// Its number beyond the trunks; empty: none.
        outside: &'a str,
        /// Its own rights; `None`: as for all.
        rights: Option<Rights>,
        /// Whose call it forwards: the caller's number, for trunks that are shown it as it is.
        on_behalf: Option<&'a str>,
    },
    /// A trunk.
    Trunk {
        /// Its name.
        name: &'a str,
        /// Where it calls from.
        address: Option<IpAddr>,
        /// The caller's number as [`Router::shown_caller`] makes it.
        caller: &'a str,
    },
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It reaches an extension.
    Extension {
        /// Its number.
        number: String,
        /// Record it whatever the extension says.
        record: bool,
    },
    /// It goes out, over one of these after the other.
    Trunks {
        /// In the order in which they are tried; never empty.
        hops: Vec<Hop>,
        /// After which outcomes the next is tried; `None`: after all.
        go_on: Option<BTreeSet<Outcome>>,
        /// How long each may ring.
        ring: Duration,
        /// Record it.
        record: bool,
        /// Ahead of every limit.
        emergency: bool,
    },
    /// It reaches a conference.
    Conference {
        /// Its name.
        name: String,
    },
    /// It reaches a queue.
    Queue {
        /// Its name.
        name: String,
    },
    /// It reaches a ring group.
    RingGroup {
        /// Its name.
        name: String,
        /// Record it whatever its members say.
        record: bool,
    },
    /// It reaches a mailbox, to leave a message.
    Mailbox {
        /// Its name.
        name: String,
    },
    /// The caller hears a prompt.
    Prompt {
        /// Its name.
        name: String,
        /// How often; 0: until the caller hangs up.
        times: u32,
    },
    /// A program says where.
    Program {
        /// The number that was dialled.
        number: String,
        /// Which, and how it is asked.
        program: Program,
    },
    /// An agent's phone tells the switch something.
    DialString(DialString),
    /// It reaches nobody.
    Refused {
        /// What came of it.
        outcome: Outcome,
        /// Why, for the operator.
        note: String,
    },
}

/// One trunk that a call may take, with everything that the trunk wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The trunk.
    pub trunk: String,
    /// The called number as it wants it.
    pub number: String,
    /// The caller's number as it wants it.
    pub caller: String,
    /// What carries the caller's number.
    pub headers: Vec<CallerHeader>,
    /// What the call costs there.
    pub price: Price,
    /// The codecs it is offered, best first; empty: all.
    pub codecs: Vec<String>,
}

/// Chance and turns, which the router takes from outside.
pub trait Draw {
    /// A number below the bound.
    fn below(&mut self, bound: u64) -> u64;
    /// How many calls have gone by this trunk before.
    fn turn(&mut self, trunk: &str) -> u64;
}

/// A trunk made ready.
#[derive(Clone, Debug)]
struct Line {
    dialling: Dialling,
    hours: Hours,
    callable: bool,
}

/// Decides where calls go.
#[derive(Clone, Debug)]
pub struct Router {
    plan: NumberPlan,
    calendar: Calendar,
    classes: Classes,
    blocked_callers: Patterns,
    blocked_called: Patterns,
    emergency: BTreeSet<String>,
    emergency_trunks: Vec<String>,
    star_codes: StarCodes,
    lines: BTreeMap<String, Line>,
    table: Table,
}

impl Router {
    /// From settings, or what is wrong with their hours, days or clocks.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let Settings { numbers, rights, black_list, trunks, routes } = settings;
        let mut lines = BTreeMap::new();
        for trunk in trunks {
            let hours = Hours::parse(&trunk.dialling.hours).map_err(|e| format!("trunk {}: {e}", trunk.name))?;
            let line = Line { dialling: trunk.dialling.clone(), hours, callable: trunk.target.is_some() };
            lines.insert(trunk.name.clone(), line);
        }
        let callable =
            || trunks.iter().filter(|trunk| trunk.target.is_some()).map(|trunk| trunk.name.clone()).collect();
        let emergency_trunks = match numbers.emergency_trunks.as_slice() {
            [] => callable(),
            named => named.to_vec(),
        };
        Ok(Self {
            plan: NumberPlan::new(numbers),
            calendar: Calendar::new(&numbers.timezone, &numbers.holidays, &numbers.workdays)?,
            classes: Classes::new(rights),
            blocked_callers: Patterns::new(&black_list.callers),
            blocked_called: Patterns::new(&black_list.called),
            emergency: numbers.emergency.iter().cloned().collect(),
            emergency_trunks,
            star_codes: numbers.star_codes.clone(),
            lines,
            table: Table::new(routes)?,
        })
    }

    /// A router without any route, for a switch whose settings make no sense.
    pub fn nowhere() -> Self {
        Self {
            plan: NumberPlan::new(&Numbers::default()),
            calendar: Calendar::utc(),
            classes: Classes::new(&RightsRules::default()),
            blocked_callers: Patterns::default(),
            blocked_called: Patterns::default(),
            emergency: BTreeSet::new(),
            emergency_trunks: Vec::new(),
            star_codes: StarCodes::default(),
            lines: BTreeMap::new(),
            table: Table::default(),
        }
    }

    /// The clocks that hours and days are meant by.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Is this a number that everybody may always call, and is there a way to it?
    pub fn is_emergency(&self, dialled: &str) -> bool {
        self.emergency.contains(dialled) && !self.emergency_trunks.is_empty()
    }

    /// Is there any such number?
    pub fn has_emergency(&self) -> bool {
        !self.emergency.is_empty() && !self.emergency_trunks.is_empty()
    }

    /// A caller's number that a trunk told, as extensions and records are shown it.
    pub fn shown_caller(&self, trunk: &str, told: &str) -> String {
        match self.lines.get(trunk) {
            Some(line) => shown_caller(&line.dialling, told, &self.plan),
            None => told.to_owned(),
        }
    }

    /// What becomes of a call to this number at this moment. `explain` is told each step.
    pub fn decide(
        &self,
        dialled: &str,
        from: Source<'_>,
        at: UnixMillis,
        is_extension: &dyn Fn(&str) -> bool,
        draw: &mut dyn Draw,
        explain: &mut dyn FnMut(&dyn Fn() -> String),
    ) -> Decision {
        let ask = Ask { from, at, is_extension };
        match from {
            Source::Extension { .. } => self.for_extension(dialled, &ask, draw, explain),
            Source::Trunk { name, caller, .. } => self.for_trunk(dialled, name, caller, &ask, draw, explain),
        }
    }

    fn for_extension(&self, dialled: &str, ask: &Ask<'_>, draw: &mut dyn Draw, explain: Explain<'_>) -> Decision {
        if self.is_emergency(dialled) {
            explain(&|| format!("{dialled} is an emergency number: ahead of rights, hours, black list and limits"));
            let hops =
                self.emergency_trunks.iter().filter_map(|name| self.hop(name, dialled, None, ask, draw)).collect();
            return trunks_or_refused(hops, None, EMERGENCY_RING, false, true);
        }
        if (ask.is_extension)(dialled) {
            explain(&|| format!("{dialled} is an extension"));
            return Decision::Extension { number: dialled.to_owned(), record: false };
        }
        if let Some(said) = DialString::read(dialled, &self.star_codes) {
            explain(&|| format!("{dialled} is for the switch itself: {}", said.meaning()));
            return Decision::DialString(said);
        }
        self.by_route(dialled, None, ask, draw, explain)
    }

    fn for_trunk(
        &self,
        dialled: &str,
        trunk: &str,
        caller: &str,
        ask: &Ask<'_>,
        draw: &mut dyn Draw,
        explain: Explain<'_>,
    ) -> Decision {
        if self.is_blocked_caller(caller) {
            explain(&|| format!("the caller {caller} is on the black list"));
            return refused(Outcome::Forbidden, "the caller is on the black list");
        }
        let number = match self.lines.get(trunk) {
            Some(line) => rewrite(&line.dialling.inbound_rewrite, dialled),
            None => dialled.to_owned(),
        };
        if number != dialled {
            explain(&|| format!("{dialled} is rewritten to {number} by the rules of trunk {trunk}"));
        }
        if (ask.is_extension)(&number) {
            explain(&|| format!("{number} is an extension"));
            return Decision::Extension { number, record: false };
        }
        self.by_route(&number, Some(trunk), ask, draw, explain)
    }

    fn by_route(
        &self,
        number: &str,
        trunk: Option<&str>,
        ask: &Ask<'_>,
        draw: &mut dyn Draw,
        explain: Explain<'_>,
    ) -> Decision {
        let address = match ask.from {
            Source::Trunk { address, .. } => address,
            Source::Extension { .. } => None,
        };
        let forms = forms(number, &self.plan);
        let (found, closed) = self.table.find(&forms, trunk, address, |hours| hours.open_at(ask.at, &self.calendar));
        let clocks = || self.calendar.date_time(ask.at);
        for route in &closed {
            explain(&|| format!("route {} does not count at {} ({})", route.number, clocks(), route.hours.join(", ")));
        }
        let Some(route) = found else {
            let whom = trunk.map_or_else(|| "extensions".to_owned(), |trunk| format!("trunk {trunk}"));
            explain(&|| format!("no route for calls from {whom} fits {}", forms.join(" or ")));
            return if closed.is_empty() {
                refused(Outcome::Unallocated, "")
            } else {
                refused(Outcome::Forbidden, "outside the hours of the route")
            };
        };
        explain(&|| format!("route {} fits", route.number));
        match &route.to {
            RouteTarget::Extension(to) if (ask.is_extension)(to) => {
                explain(&|| format!("it leads to extension {to}"));
                Decision::Extension { number: to.clone(), record: route.record }
            }
            RouteTarget::Extension(to) => {
                explain(&|| format!("it leads to extension {to}, which does not exist or is switched off"));
                refused(Outcome::Unallocated, "the route's extension does not exist")
            }
            RouteTarget::Trunks(ways) => self.out(number, route, ways, ask, draw, explain),
            RouteTarget::Conference(name) => {
                explain(&|| format!("it leads to conference {name}"));
                Decision::Conference { name: name.clone() }
            }
            RouteTarget::Prompt { name, times } => {
                explain(&|| format!("it leads to prompt {name}"));
                Decision::Prompt { name: name.clone(), times: *times }
            }
            RouteTarget::Queue(name) => {
                explain(&|| format!("it leads to queue {name}"));
                Decision::Queue { name: name.clone() }
            }
            RouteTarget::RingGroup(name) => {
                explain(&|| format!("it leads to ring group {name}"));
                Decision::RingGroup { name: name.clone(), record: route.record }
            }
            RouteTarget::Program(program) => {
                explain(&|| format!("the program at {} is asked", program.url));
                Decision::Program { number: number.to_owned(), program: program.clone() }
            }
            RouteTarget::Mailbox(name) => {
                explain(&|| format!("it leads to mailbox {name}"));
                Decision::Mailbox { name: name.clone() }
            }
            RouteTarget::Flow(name) => {
                explain(&|| format!("it leads to {name}, and this version knows no flows"));
                refused(Outcome::Unallocated, "flows are not supported yet")
            }
        }
    }

    /// Out by trunks: rights, black list, order, and what each trunk wants.
    fn out(
        &self,
        number: &str,
        route: &Route,
        ways: &Ways,
        ask: &Ask<'_>,
        draw: &mut dyn Draw,
        explain: Explain<'_>,
    ) -> Decision {
        let outside = replace(number, route.strip, &route.prefix);
        if outside != number {
            explain(&|| format!("the number outside is {outside}"));
        }
        let all_forms = forms(&outside, &self.plan);
        let forms: Vec<&str> = all_forms.iter().map(String::as_str).collect();
        if self.blocked_called.has(number) || forms.iter().any(|form| self.blocked_called.has(form)) {
            explain(&|| format!("{outside} is on the black list"));
            return refused(Outcome::Forbidden, "the number is on the black list");
        }
        let kind = self.plan.read(&outside);
        if let Source::Extension { rights, .. } = ask.from {
            let (has, needed) = (self.classes.of(rights), self.classes.needed(&kind, &forms));
            explain(&|| {
                format!("{:?}: takes the right {}, the extension has {}", kind.kind, needed.name(), has.name())
            });
            if has < needed {
                let note = format!("the extension may not make {} calls", needed.name());
                return refused(Outcome::Forbidden, &note);
            }
        }
        let mut hops = Vec::with_capacity(ways.trunks.len());
        let mut closed = false;
        for name in order(ways, draw) {
            let Some(line) = self.lines.get(name) else { continue };
            if !line.hours.open_at(ask.at, &self.calendar) {
                closed = true;
                explain(&|| format!("trunk {name} may not be called at {}", self.calendar.date_time(ask.at)));
            } else if let Some(hop) = self.hop(name, &outside, Some(route), ask, draw) {
                explain(&|| format!("by trunk {name}: {} for {}", hop.number, hop.caller));
                hops.push(hop);
            } else {
                explain(&|| format!("trunk {name} cannot be called"));
            }
        }
        if hops.is_empty() && closed {
            return refused(Outcome::Forbidden, "outside the hours of the trunk");
        }
        let ring = Duration::from_secs(route.ring_seconds.into());
        trunks_or_refused(hops, Some(ways.go_on.clone()), ring, route.record, false)
    }

    fn hop(&self, name: &str, outside: &str, route: Option<&Route>, ask: &Ask<'_>, draw: &mut dyn Draw) -> Option<Hop> {
        let line = self.lines.get(name).filter(|line| line.callable)?;
        let dialling = &line.dialling;
        let calling = match ask.from {
            Source::Extension { number, outside, on_behalf, .. } => Calling { number, outside, on_behalf },
            Source::Trunk { caller, .. } => Calling { number: caller, outside: "", on_behalf: None },
        };
        let headers = match dialling.caller_headers.as_slice() {
            [] => vec![CallerHeader::From],
            named => named.to_vec(),
        };
        Some(Hop {
            trunk: name.to_owned(),
            number: called_number(dialling, outside, &self.plan),
            caller: caller_number(dialling, calling, draw.turn(name), &self.plan),
            headers,
            // An emergency call goes by no route, and costs nobody anything.
            price: route.map_or(Price::default(), |route| route.price.unwrap_or(dialling.price)),
            codecs: dialling.codecs.clone(),
        })
    }

    fn is_blocked_caller(&self, caller: &str) -> bool {
        let list = &self.blocked_callers;
        !list.is_empty() && forms(caller, &self.plan).iter().any(|form| list.has(form))
    }
}

type Explain<'a> = &'a mut dyn FnMut(&dyn Fn() -> String);

struct Ask<'a> {
    from: Source<'a>,
    at: UnixMillis,
    is_extension: &'a dyn Fn(&str) -> bool,
}

fn refused(outcome: Outcome, note: &str) -> Decision {
    Decision::Refused { outcome, note: note.to_owned() }
}

fn trunks_or_refused(
    hops: Vec<Hop>,
    go_on: Option<BTreeSet<Outcome>>,
    ring: Duration,
    record: bool,
    emergency: bool,
) -> Decision {
    if hops.is_empty() {
        return refused(Outcome::Unreachable, "no trunk of the route can be called");
    }
    Decision::Trunks { hops, go_on, ring, record, emergency }
}

/// The order in which trunks are tried: as written, or by chance, each place in proportion to the weights that are left.
fn order<'a>(ways: &'a Ways, draw: &mut dyn Draw) -> Vec<&'a str> {
    let mut left: Vec<(&str, u64)> = ways.trunks.iter().map(|way| (way.trunk.as_str(), way.weight.into())).collect();
    if !ways.weighted {
        return left.into_iter().map(|(name, _)| name).collect();
    }
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let total: u64 = left.iter().map(|(_, weight)| weight).sum();
        let mut at = draw.below(total.max(1));
        // Those of weight 0 come last, in the order written.
        let chosen = left.iter().position(|(_, weight)| match at.checked_sub(*weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        });
        order.push(left.remove(chosen.unwrap_or(0)).0);
    }
    order
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
