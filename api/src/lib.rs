//! The native REST API, and the Switch trait all dialects speak to.
