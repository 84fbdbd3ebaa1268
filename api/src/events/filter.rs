//! Which events one wants, and may see.

use super::ring::Told;
use crate::caller::Scope;
use model::{CallId, EventBody};

/// Everything that is given must hold.
pub(crate) struct Filter {
    /// Whose events one may see.
    pub(crate) scope: Scope,
    /// Names of events; `None`: all.
    pub(crate) kinds: Option<Vec<&'static str>>,
    /// About this number, or a call in which it has a part.
    pub(crate) extension: Option<String>,
    /// About this call.
    pub(crate) call: Option<CallId>,
    /// About this queue.
    pub(crate) queue: Option<String>,
}

impl Filter {
    /// Is this one wanted?
    pub(crate) fn fits(&self, told: &Told) -> bool {
        let allowed = match &self.scope {
            Scope::All => true,
            Scope::Own(extension) => told.concerns(extension),
            Scope::Nothing => false,
        };
        allowed
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&told.body.kind()))
            && self.call.is_none_or(|call| told.body.call() == Some(call))
            && self.queue.as_deref().is_none_or(|queue| told.body.queue() == Some(queue))
            && self.extension.as_deref().is_none_or(|extension| told.concerns(extension))
    }
}

/// Names of events with commas between them; the first that is none is the error.
pub(crate) fn kinds(text: &str) -> Result<Vec<&'static str>, String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| EventBody::KINDS.into_iter().find(|known| *known == name).ok_or_else(|| name.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::bus::{EventBus, Next};
    use super::*;
    use model::Event;

    #[test]
    fn names_are_known_or_refused() {
        assert_eq!(kinds("call_started, dtmf"), Ok(vec!["call_started", "dtmf"]));
        assert_eq!(kinds("call_started,nonsense"), Err("nonsense".to_owned()));
    }

    #[test]
    fn each_condition_must_hold_and_rights_come_first() {
        let call = CallId::new(0, &mut stdx::Entropy::seeded(1));
        let bus = EventBus::new(0);
        let mut reader = bus.reader();
        bus.put(Event { at: 0, body: EventBody::LegDialing { call, leg: 1, number: "100".into() } });
        let Some(Next::Event(told)) = reader.try_next() else { panic!("nothing") };
        let all = || Filter { scope: Scope::All, kinds: None, extension: None, call: None, queue: None };
        assert!(all().fits(&told));
        assert!(Filter { scope: Scope::Own("100".into()), ..all() }.fits(&told));
        assert!(!Filter { scope: Scope::Own("101".into()), ..all() }.fits(&told));
        assert!(!Filter { scope: Scope::Own("101".into()), extension: Some("100".into()), ..all() }.fits(&told));
        assert!(!Filter { scope: Scope::Nothing, ..all() }.fits(&told));
        assert!(Filter { kinds: Some(vec!["leg_dialing"]), ..all() }.fits(&told));
        assert!(!Filter { kinds: Some(vec!["dtmf"]), ..all() }.fits(&told));
        assert!(Filter { call: Some(call), extension: Some("100".into()), ..all() }.fits(&told));
        let other = CallId::new(0, &mut stdx::Entropy::seeded(2));
        assert!(!Filter { call: Some(other), ..all() }.fits(&told));
        assert!(!Filter { queue: Some("sales".into()), ..all() }.fits(&told));
    }
}
