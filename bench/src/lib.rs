//! Load driver for any SIP target, and packet-path benchmarks.
