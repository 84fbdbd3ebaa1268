//! One shard of the switch: signalling, sound and calls wired together, without any I/O.
