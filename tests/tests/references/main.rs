//! Codecs and SRTP against the libraries that the world uses: libgsm, spandsp, libopus, libsrtp2. `make codec-compare`.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test that prints what it measures

mod exact;
mod measure;
mod opus;
mod oracle;
mod secure;
mod transcoding;
