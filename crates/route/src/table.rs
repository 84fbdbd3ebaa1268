//! Routes, found by the beginning of a number: as many steps as the number has digits, however many routes there are.

use crate::hours::Hours;
use crate::number::{Kind, NumberPlan};
use crate::rewrite::{MAX_NUMBER, Pattern};
use model::{NumberFormat, Route};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// All routes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    routes: Vec<(Route, Hours)>,
    /// Per source (`None`: extensions) and pattern, in order of the configuration.
    index: BTreeMap<Option<String>, BTreeMap<Pattern, Vec<usize>>>,
}

impl Table {
    pub(crate) fn new(routes: &[Route]) -> Result<Self, String> {
        let mut table = Self { routes: Vec::with_capacity(routes.len()), index: BTreeMap::new() };
        for (at, route) in routes.iter().enumerate() {
            let hours = Hours::parse(&route.hours).map_err(|e| format!("route {}: {e}", route.number))?;
            let of_source = table.index.entry(route.from_trunk.clone()).or_default();
            of_source.entry(Pattern::new(&route.number)).or_default().push(at);
            table.routes.push((route.clone(), hours));
        }
        // Of routes for the same number those come first that ask for more.
        for places in table.index.values_mut().flat_map(BTreeMap::values_mut) {
            places.sort_by_key(|at| {
                let (route, hours) = &table.routes[*at];
                (route.from_addresses.is_empty(), !hours.are_set())
            });
        }
        Ok(table)
    }

    /// The route that fits one of these forms of a number most closely, and those that would have if they counted now.
    pub(crate) fn find(
        &self,
        forms: &[String],
        trunk: Option<&str>,
        address: Option<IpAddr>,
        is_open: impl Fn(&Hours) -> bool,
    ) -> (Option<&Route>, Vec<&Route>) {
        let mut closed = Vec::new();
        let Some(of_source) = self.index.get(&trunk.map(str::to_owned)) else { return (None, closed) };
        let longest = forms.iter().map(String::len).max().unwrap_or(0).min(MAX_NUMBER);
        let exact = forms.iter().map(|form| Pattern::Exact(form.clone()));
        let begins = (0..=longest).rev().flat_map(|length| forms.iter().filter_map(move |form| form.get(..length)));
        for pattern in exact.chain(begins.map(|begins| Pattern::Begins(begins.to_owned()))) {
            for at in of_source.get(&pattern).into_iter().flatten() {
                let (route, hours) = &self.routes[*at];
                let from_there =
                    route.from_addresses.is_empty() || address.is_some_and(|ip| route.from_addresses.contains(&ip));
                if from_there && is_open(hours) {
                    return (Some(route), closed);
                }
                if from_there {
                    closed.push(route);
                }
            }
        }
        (None, closed)
    }
}

/// The ways in which a number is looked for: as it was dialled, as one dials within the country, and with a plus. So one route
/// for `057188886666` serves carriers that write it `+8657188886666` or `88886666`.
pub(crate) fn forms(number: &str, plan: &NumberPlan) -> Vec<String> {
    let mut forms = vec![number.to_owned()];
    let read = plan.read(number);
    if !matches!(read.kind, Kind::Unknown | Kind::Service) {
        for format in [NumberFormat::National, NumberFormat::PlusE164] {
            let form = plan.write(&read, format, true);
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::RouteTarget;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_longest_open_route_of_the_source_wins(
            patterns in proptest::collection::vec(("[0-2]{0,3}\\*?", 0usize..3, any::<bool>()), 0..15),
            number in "[0-2]{1,5}", source in 0usize..3
        ) {
            let sources = [None, Some("a"), Some("b")];
            let routes: Vec<Route> = patterns.iter().map(|(pattern, source, open)| {
                let mut route = Route::new(pattern, RouteTarget::trunk("x"));
                route.from_trunk = sources[*source].map(str::to_owned);
                route.hours = if *open { vec![] } else { vec!["Mon 00:00-00:01".to_owned()] };
                route
            }).collect();
            let table = Table::new(&routes).unwrap();
            let (found, _) = table.find(std::slice::from_ref(&number), sources[source], None, |hours| !hours.are_set());
            let oracle = routes.iter().filter(|r| r.from_trunk.as_deref() == sources[source] && r.hours.is_empty())
                .filter_map(|r| Pattern::new(&r.number).closeness(&number)).max();
            prop_assert_eq!(found.and_then(|r| Pattern::new(&r.number).closeness(&number)), oracle);
        }
    }
}
