//! What a user agent makes of one message, and the table it is compared with.

use bytes::Bytes;
use patchbay_sip_stack::message::{
    Abilities, Message, Method, Name, ParseErrorKind, ResponseBuilder, Status, validate, validate_response,
};
use std::path::Path;

/// How a message is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Well-formed and served.
    Accepted,
    /// Malformed, answered by the parser or by `validate` with this status and phrase, which tells what is wrong.
    Malformed(u16, &'static str),
    /// Well-formed, answered with this status because we cannot do what it wants.
    Refused(u16),
    /// Dropped without an answer.
    Dropped,
}

/// One message and what is to become of it.
pub(crate) struct Row {
    /// The clause of the RFC.
    pub(crate) section: &'static str,
    /// The file's name without its ending.
    pub(crate) file: &'static str,
    pub(crate) verdict: Verdict,
    /// What must have been read, of messages that were.
    pub(crate) fields: fn(&Message),
}

impl Row {
    pub(crate) const fn new(section: &'static str, file: &'static str, verdict: Verdict) -> Self {
        Self { section, file, verdict, fields: |_| {} }
    }

    pub(crate) const fn with(self, fields: fn(&Message)) -> Self {
        Self { fields, ..self }
    }
}

/// Judges every row and prints the table; all rows that differ fail together.
pub(crate) fn check(title: &str, dir: &Path, ending: &str, rows: &[Row]) {
    let mut wrong = Vec::new();
    println!("{title}");
    for row in rows {
        let bytes = std::fs::read(dir.join(format!("{}.{ending}", row.file))).unwrap();
        let (verdict, message) = judge(bytes.into());
        println!("  {:9} {:34} {verdict:?}", row.section, row.file);
        if verdict != row.verdict {
            wrong.push(format!("{} {}: {verdict:?} instead of {:?}", row.section, row.file, row.verdict));
        }
        if let Some(message) = message {
            (row.fields)(&message);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// All files of a folder are in the table, and nothing else.
pub(crate) fn check_complete(dir: &Path, ending: &str, rows: &[Row]) {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(&format!(".{ending}")).map(str::to_owned))
        .collect();
    let mut listed: Vec<_> = rows.iter().map(|row| row.file.to_owned()).collect();
    files.sort();
    listed.sort();
    assert_eq!(files, listed);
}

/// What the endpoint does with a datagram before any transaction, and the message where one was read.
pub(crate) fn judge(bytes: Bytes) -> (Verdict, Option<Message>) {
    let message = match Message::parse_datagram(bytes) {
        Ok(message) => message,
        Err(error) => {
            let Some(status) = error.status() else { return (Verdict::Dropped, None) };
            assert_ne!(error.kind(), ParseErrorKind::KeepAlive);
            check_reply(error.partial().unwrap(), status, error.reply().unwrap());
            return (Verdict::Malformed(status.code(), error.kind().phrase()), None);
        }
    };
    let verdict = if message.is_request() {
        if let Err((status, phrase)) = validate(&message) {
            let reply = ResponseBuilder::new(&message, status).phrase(phrase).to_tag("us").finish();
            check_reply(&message, status, reply);
            Verdict::Malformed(status.code(), phrase)
        } else if let Err(refused) = Abilities::default().check(&message) {
            let reply = ResponseBuilder::new(&message, refused.status).to_tag("us");
            let reply = match &refused.header {
                Some((name, value)) => reply.header(*name, value).finish(),
                None => reply.finish(),
            };
            check_reply(&message, refused.status, reply);
            Verdict::Refused(refused.status.code())
        } else {
            Verdict::Accepted
        }
    } else {
        match validate_response(&message) {
            Ok(()) => Verdict::Accepted,
            Err(_) => Verdict::Dropped,
        }
    };
    (verdict, Some(message))
}

/// The answer is a SIP message of its own which its sender can match.
fn check_reply(request: &Message, status: Status, reply: Bytes) {
    let reply = Message::parse_datagram(reply).unwrap();
    assert_eq!(reply.status(), Some(status));
    for name in [Name::Via, Name::CallId, Name::CSeq, Name::From] {
        assert!(reply.headers(name).eq(request.headers(name)), "{name} is copied");
    }
    assert_ne!(request.method(), Some(Method::Ack));
}
