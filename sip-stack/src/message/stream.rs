//! Messages out of a byte stream: TCP, TLS.

use super::Message;
use super::error::{ParseError, ParseErrorKind};
use super::limits::Limits;
use super::parse::{Head, head};
use bytes::{Buf, BytesMut};

/// What a stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every frame is a message, and it is taken apart at once")]
pub enum Frame {
    /// A message.
    Message(Message),
    /// A double line end: the peer wants to hear a single one back (RFC 5626 §4.4.1).
    Ping,
}

/// Cuts a stream into messages, the same ones however the stream was cut into pieces.
///
/// Memory: what has been pushed and not yet taken; take all frames after each push, then it is at most one message within
/// [`Limits::max_message`]. An error after which the next message cannot be found closes the framer: send the error's
/// reply, if it has one, and close the connection.
#[derive(Debug)]
pub struct StreamFramer {
    limits: Limits,
    buf: BytesMut,
    /// How far the search for the end of the head has come.
    searched: usize,
    /// A whole head that waits for its body of so many bytes.
    waiting: Option<(Head, usize)>,
    closed: bool,
}

impl StreamFramer {
    /// A framer at the start of a connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, buf: BytesMut::new(), searched: 0, waiting: None, closed: false }
    }

    /// Takes in what was read. After a fatal error it is ignored.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.closed {
            self.buf.extend_from_slice(bytes);
        }
    }

    /// Whether nothing can come any more; close the connection.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Bytes that wait for the rest of their message.
    pub fn buffered(&self) -> usize {
        self.buf.len()
    }

    /// The next message, keep-alive or error; `None` if more bytes are needed or the framer is closed.
    pub fn pop(&mut self) -> Option<Result<Frame, ParseError>> {
        if self.closed {
            return None;
        }
        if self.waiting.is_none() {
            if self.skip_line_ends() {
                return Some(Ok(Frame::Ping));
            }
            match self.find_head()? {
                Ok(waiting) => self.waiting = Some(waiting),
                Err(error) => return Some(Err(self.close(error))),
            }
        }
        let (_, body_len) = self.waiting.as_ref()?;
        let total = self.waiting.as_ref().map(|(head, _)| head.len)? + body_len;
        if self.buf.len() < total {
            return None;
        }
        let (head, _) = self.waiting.take()?;
        let bytes = self.buf.split_to(total).freeze();
        self.searched = 0;
        let body_at = head.len;
        Some(match head.problem {
            None => Ok(Frame::Message(Message { bytes, index: head.index, body_at })),
            Some(kind) => {
                let partial = Message { bytes: bytes.slice(..body_at), index: head.index, body_at };
                Err(ParseError::new(kind, Some(partial)))
            }
        })
    }

    /// Skips line ends between messages; true if a double one was among them and came first.
    fn skip_line_ends(&mut self) -> bool {
        loop {
            match self.buf[..] {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.buf.advance(4);
                    return true;
                }
                // What follows decides whether this was half a ping.
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return false,
                [b'\r', b'\n', ..] => self.buf.advance(2),
                [b'\n' | b'\r' | 0, ..] => self.buf.advance(1),
                _ => return false,
            }
        }
    }

    /// Looks for the end of the head and reads it: the head and the length of its body.
    fn find_head(&mut self) -> Option<Result<(Head, usize), ParseError>> {
        if matches!(self.buf.first(), None | Some(b'\r')) {
            return None;
        }
        let Some(len) = self.head_end() else {
            let too_large = self.buf.len() > self.limits.max_message;
            return too_large.then(|| Err(ParseError::new(ParseErrorKind::TooLarge, None)));
        };
        if len > self.limits.max_message {
            return Some(Err(ParseError::new(ParseErrorKind::TooLarge, None)));
        }
        let head = match head(&self.buf[..len], &self.limits) {
            Ok(head) => head,
            // Nothing of it is SIP, or it is a response that no one can use. The latter's length is still good, but not worth a second way.
            Err(kind) => return Some(Err(ParseError::new(kind, None))),
        };
        let problem = match (head.problem, head.content_length) {
            (Some(kind), _) if kind.is_fatal() => Some(kind),
            (_, None) => Some(ParseErrorKind::NoContentLength),
            (_, Some(body)) => {
                let total = (body as usize).saturating_add(head.len);
                (total > self.limits.max_message).then_some(ParseErrorKind::TooLarge)
            }
        };
        match (problem, head.content_length) {
            (None, Some(body)) => Some(Ok((head, body as usize))),
            (problem, _) => {
                let bytes = self.buf.split_to(head.len).freeze();
                let partial = Message { body_at: bytes.len(), bytes, index: head.index };
                let kind = problem.unwrap_or(ParseErrorKind::NoContentLength);
                Some(Err(ParseError::new(kind, Some(partial))))
            }
        }
    }

    /// The length of the head, its empty line included.
    fn head_end(&mut self) -> Option<usize> {
        loop {
            let at = self.searched + memchr::memchr(b'\n', &self.buf[self.searched..])?;
            match self.buf[at + 1..] {
                [b'\n', ..] => return Some(at + 2),
                [b'\r', b'\n', ..] => return Some(at + 3),
                [] | [b'\r'] => {
                    self.searched = at;
                    return None;
                }
                _ => self.searched = at + 1,
            }
        }
    }

    fn close(&mut self, error: ParseError) -> ParseError {
        self.closed = true;
        self.buf = BytesMut::new();
        error
    }
}

impl Default for StreamFramer {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}
