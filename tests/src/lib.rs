//! Stories, ladders, torture messages and interop with real clients.
