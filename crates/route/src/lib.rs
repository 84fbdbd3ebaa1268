//! Where a dialled number leads: numbers, routes, hours, rights, callers' numbers, and what a day's calls may cost.
//!
//! Pure: time is an argument, chance comes from a [`Draw`], extensions are asked for. Start with [`Router::decide`].
//!
//! ```
//! use model::{Route, RouteTarget, Trunk};
//! use patchbay_route::{Decision, Draw, Router, Settings, Source};
//!
//! struct First;
//! impl Draw for First {
//!     fn below(&mut self, _: u64) -> u64 { 0 }
//!     fn turn(&mut self, _: &str) -> u64 { 0 }
//! }
//!
//! let mut trunk = Trunk::new("gateway");
//! trunk.target = Some("192.0.2.10:5060".to_owned());
//! let route = Route { strip: 1, ..Route::new("9*", RouteTarget::trunk("gateway")) };
//! let router = Router::new(&Settings { trunks: vec![trunk], routes: vec![route], ..Settings::default() }).unwrap();
//! let caller = Source::Extension { number: "1001", outside: "", rights: None, on_behalf: None };
//! let decision = router.decide("913900138000", caller, 0, &|_| false, &mut First, &mut |_| ());
//! let Decision::Trunks { hops, .. } = decision else { panic!("{decision:?}") };
//! assert_eq!((hops[0].trunk.as_str(), hops[0].number.as_str()), ("gateway", "13900138000"));
//! ```

mod caller;
mod dial_string;
mod hours;
mod number;
mod rewrite;
mod rights;
mod router;
mod spending;
mod table;

pub use dial_string::DialString;
pub use hours::{Calendar, Hours};
pub use number::{Kind, Number, NumberPlan};
pub use rewrite::MAX_NUMBER;
pub use router::{Decision, Draw, Hop, Router, Settings, Source};
pub use spending::{Meter, News};
