//! Recordings as files: whole or in part, and never anything else of the disk.

use super::records;
use crate::caller::Caller;
use crate::extract::Call;
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::App;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tower_http::services::ServeFile;

/// Download a recording
///
/// Stereo, the caller on the left, the called party on the right. One range of bytes may be asked for.
#[utoipa::path(get, path = "/records/{id}/recording", tag = "records",
    params(
        ("id" = String, Path, description = "The call's UUID"),
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
    ))]
pub(super) async fn download(
    caller: Caller,
    State(app): State<App>,
    Call(id): Call,
    request: Request,
) -> Result<Response, Problem> {
    let record = records::find(&app, &caller, id).await?;
    let recording = record.recording.ok_or(Kind::NoRecording)?;
    let path = kept(&app.recordings_dir, &recording.path).await?;
    let kind = content_type(&path);

    let served = ServeFile::new(&path).try_call(file_request(&request)).await;
    let mut response = served.map_err(|e| Problem::ours(&e))?.map(Body::new).into_response();
    if response.status().is_success() {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or("wav");
        if let Ok(name) = HeaderValue::from_str(&format!("inline; filename=\"{id}.{suffix}\"")) {
            headers.insert(header::CONTENT_DISPOSITION, name);
        }
    }
    Ok(response)
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

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(|suffix| suffix.to_str()) {
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
