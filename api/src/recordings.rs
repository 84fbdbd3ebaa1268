//! Recordings that are no plain files of the folder, as the API sees them: encrypted, or in a store of objects.

use axum::body::Bytes;
use futures_core::Stream;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where recordings are found that the folder does not have as they are.
pub trait Recordings: Send + Sync + 'static {
    /// Removes the recording of a path; nothing if there is none.
    fn remove<'a>(&'a self, path: &'a str) -> Later<'a, ()>;

    /// The recording of a path, as it stands in its record.
    fn find<'a>(&'a self, path: &'a str) -> Later<'a, Result<Arc<dyn Recording>, RecordingTrouble>>;
}

/// One of them.
pub trait Recording: Send + Sync + 'static {
    /// Its length, as it is read.
    fn octets(&self) -> u64;
    /// What it is: `wav`, `mp3` or `opus`.
    fn suffix(&self) -> &str;
    /// These octets of it.
    fn read(self: Arc<Self>, range: Range<u64>) -> Later<'static, io::Result<Vec<u8>>>;
}

/// Why a recording cannot be had.
#[derive(Debug)]
pub enum RecordingTrouble {
    /// It is nowhere.
    Missing,
    /// It was encrypted for a key that the switch does not have.
    NoKey,
    /// Where it is, does not answer as it should; why.
    Unreachable(String),
}

/// No other recordings than the folder's.
#[derive(Clone, Copy, Debug)]
pub struct NoRecordings;

impl Recordings for NoRecordings {
    fn remove<'a>(&'a self, _: &'a str) -> Later<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn find<'a>(&'a self, _: &'a str) -> Later<'a, Result<Arc<dyn Recording>, RecordingTrouble>> {
        Box::pin(std::future::ready(Err(RecordingTrouble::Missing)))
    }
}

/// Octets that are read at one time.
const PIECE: u64 = 256 << 10;

/// A part of a recording, piece by piece: as fast as it is fetched.
pub(crate) struct Pieces {
    recording: Arc<dyn Recording>,
    left: Range<u64>,
    reading: Option<Later<'static, io::Result<Vec<u8>>>>,
}

impl Pieces {
    pub(crate) fn new(recording: Arc<dyn Recording>, part: Range<u64>) -> Self {
        Self { recording, left: part, reading: None }
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.reading.is_none() && this.left.is_empty() {
            return Poll::Ready(None);
        }
        let (recording, left) = (&this.recording, &mut this.left);
        let reading = this.reading.get_or_insert_with(|| {
            let piece = left.start..left.end.min(left.start + PIECE);
            left.start = piece.end;
            Arc::clone(recording).read(piece)
        });
        let read = ready!(reading.as_mut().poll(context));
        this.reading = None;
        if read.is_err() {
            this.left = 0..0;
        }
        Poll::Ready(Some(read.map(Bytes::from)))
    }
}
