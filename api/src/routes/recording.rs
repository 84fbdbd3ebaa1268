//! Recordings as files: whole or in part, and never anything else of the disk.

use super::records;
use crate::caller::Caller;
use crate::extract::{Call, Query};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::recordings::{Pieces, RecordingTrouble};
use crate::state::App;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::CallId;
use serde::Deserialize;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tower_http::services::ServeFile;

/// Download a recording
///
/// Stereo, the caller on the left, the called party on the right, unless both were mixed. One range of bytes may be asked for.
#[utoipa::path(get, path = "/records/{id}/recording", tag = "records",
    params(
        ("id" = String, Path, description = "The call's UUID"),
        ("file" = Option<u16>, Query, description = "Which of the call's files: 1 (unless told) is the first"),
        ("range" = Option<String>, Header, description = "`bytes=0-1023`, `bytes=1024-` or `bytes=-1024`"),
    ),
    responses(
        (status = 200, description = "The file", content_type = "audio/wav", body = Vec<u8>),
        (status = 206, description = "The part asked for", content_type = "audio/wav", body = Vec<u8>),
        (status = 304, description = "Not modified since the If-Modified-Since given"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`no_such_record`, `no_recording`, `recording_missing`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 416, description = "The file has no such part", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 502, description = "`recording_unreachable`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`recording_locked`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(super) async fn download(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    Query(Which { file }): Query<Which>,
    request: Request,
) -> Result<Response, Problem> {
    let record = records::find(&app, &caller, id).await?;
    let mut files = record.recording.into_iter().chain(record.more_recordings);
    let recording = files.nth(usize::from(file.max(1)) - 1).ok_or(Kind::NoRecording)?;
    serve(&app, id, &recording.path, request).await
}

/// A file, or the part of it that is asked for.
pub(super) async fn serve(app: &App, id: CallId, recorded: &str, request: Request) -> Result<Response, Problem> {
    // A body is no thing to be held while something is waited for.
    let head = request.method() == Method::HEAD;
    let whole = file_request(&request);
    let range = whole.headers().get(header::RANGE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let path = match kept(&app.recordings_dir, recorded).await {
        Ok(path) => path,
        Err(missing) => {
            return elsewhere(app, id, recorded, head, range.as_deref()).await.map_err(|e| e.unwrap_or(missing));
        }
    };
    let kind = content_type(path.extension());

    let served = ServeFile::new(&path).try_call(whole).await;
    let mut response = served.map_err(|e| Problem::ours(&e))?.map(Body::new).into_response();
    if response.status().is_success() {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or("wav");
        headers.extend(named(id, suffix));
    }
    Ok(response)
}

fn named(id: CallId, suffix: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderValue::from_str(&format!("inline; filename=\"{id}.{suffix}\"")).ok()?;
    Some((header::CONTENT_DISPOSITION, name))
}

/// A recording that is encrypted, or in a store of objects; `Err(None)`: there is none.
async fn elsewhere(
    app: &App,
    id: CallId,
    path: &str,
    head: bool,
    range: Option<&str>,
) -> Result<Response, Option<Problem>> {
    let found = app.recordings.find(path).await.map_err(|trouble| match trouble {
        RecordingTrouble::Missing => None,
        RecordingTrouble::NoKey => Some(Kind::RecordingLocked.into()),
        RecordingTrouble::Unreachable(why) => Some(Problem::because(Kind::RecordingUnreachable, why)),
    })?;
    let octets = found.octets();
    let Ok(part) = range.map(|range| part_of(range, octets).ok_or(())).transpose() else {
        let problem = Problem::from(Kind::BadRange).into_response();
        let unsatisfied = HeaderValue::from_str(&format!("bytes */{octets}")).ok();
        return Ok(with(problem, unsatisfied.map(|value| (header::CONTENT_RANGE, value))));
    };
    let sent = part.clone().unwrap_or(0..octets);
    let kind = content_type(Some(found.suffix().as_ref()));
    let mut headers = vec![
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CONTENT_LENGTH, HeaderValue::from(sent.end - sent.start)),
    ];
    headers.extend(named(id, found.suffix()));
    let mut status = StatusCode::OK;
    if part.is_some() {
        status = StatusCode::PARTIAL_CONTENT;
        let range = HeaderValue::from_str(&format!("bytes {}-{}/{octets}", sent.start, sent.end - 1)).ok();
        headers.extend(range.map(|range| (header::CONTENT_RANGE, range)));
    }
    let body = if head { Body::empty() } else { Body::from_stream(Pieces::new(found, sent)) };
    Ok(with((status, body).into_response(), headers))
}

fn with(mut response: Response, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Response {
    response.headers_mut().extend(headers);
    response
}

/// What a range that [`is_one_range`] means of so many octets; `None` if there is nothing of it.
fn part_of(range: &str, octets: u64) -> Option<Range<u64>> {
    let (first, last) = range.split_once('=')?.1.trim().split_once('-')?;
    let part = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => first..last.saturating_add(1).min(octets),
        (Ok(first), Err(_)) => first..octets,
        (Err(_), last) => octets.saturating_sub(last.ok()?)..octets,
    };
    Some(part).filter(|part| !part.is_empty())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    #[serde(default = "first")]
    file: u16,
}

fn first() -> u16 {
    1
}

/// What of the request concerns the file.
fn file_request(request: &Request) -> Request {
    let mut file = Request::new(Body::empty());
    *file.method_mut() = request.method().clone();
    for name in [header::RANGE, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE] {
        if let Some(value) = request.headers().get(&name) {
            file.headers_mut().insert(name, value.clone());
        }
    }
    // RFC 9110 §14.2: a range is for GET, and one that we do not understand, several at once, or one of a state of
    // the file that we cannot check (If-Range) is as none.
    let range = request.headers().get(header::RANGE).and_then(|value| value.to_str().ok());
    let usable = range.is_some_and(is_one_range) && request.method() == Method::GET;
    if !usable || request.headers().contains_key(header::IF_RANGE) {
        file.headers_mut().remove(header::RANGE);
    }
    file
}

/// `bytes=` with one range: `first-last`, `first-` or `-count`.
fn is_one_range(value: &str) -> bool {
    let Some((unit, range)) = value.split_once('=') else { return false };
    let Some((first, last)) = range.trim().split_once('-') else { return false };
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let sensible = match (first, last) {
        ("", count) => number(count).is_some(),
        (first, "") => number(first).is_some(),
        (first, last) => number(first).zip(number(last)).is_some_and(|(first, last)| first <= last),
    };
    unit.trim().eq_ignore_ascii_case("bytes") && sensible
}

/// The recording, or what it has become after the call.
async fn kept(folder: &Path, path: &str) -> Result<PathBuf, Problem> {
    let mut found = below(folder, path).await;
    if let Some(stem) = path.strip_suffix(".wav") {
        for suffix in ["mp3", "opus"] {
            if found.is_err() {
                found = below(folder, &format!("{stem}.{suffix}")).await.or(found);
            }
        }
    }
    found
}

/// A path below the folder, or nothing: neither dots nor links lead out of it.
async fn below(folder: &Path, path: &str) -> Result<PathBuf, Problem> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']);
    if !path.split('/').all(plain) {
        return Err(Problem::ours(&"a record's recording has a path that leads out of the recordings' folder"));
    }
    let real = async |path: PathBuf| match tokio::fs::canonicalize(path).await {
        Ok(path) => Ok(path),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(Problem::from(Kind::RecordingMissing))
        }
        Err(e) => Err(Problem::ours(&format!("looking for a recording: {e}"))),
    };
    let file = real(folder.join(path)).await?;
    if !file.starts_with(real(folder.to_path_buf()).await?) {
        return Err(Problem::ours(&"a recording is a link that leads out of the recordings' folder"));
    }
    match tokio::fs::metadata(&file).await {
        Ok(found) if found.is_file() => Ok(file),
        _ => Err(Kind::RecordingMissing.into()),
    }
}

fn content_type(suffix: Option<&OsStr>) -> &'static str {
    match suffix.and_then(OsStr::to_str) {
        Some("mp3") => "audio/mpeg",
        Some("opus") => "audio/ogg",
        _ => "audio/wav",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_sensible_range_is_a_range() {
        for good in ["bytes=0-0", "bytes=5-", "bytes=-5", "Bytes=0-99999999999", "bytes=-0"] {
            assert!(is_one_range(good), "{good}");
        }
        for bad in ["bytes=", "bytes=-", "bytes=5-4", "bytes=0-1,3-4", "items=0-1", "0-1", "bytes=+1-2", "bytes=a-b"] {
            assert!(!is_one_range(bad), "{bad}");
        }
    }
}
