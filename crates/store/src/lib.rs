//! What survives: SQL for records and settings, a log-structured store for hot state.
