//! A store of objects that speaks S3: recordings are put there and read from there.

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use reqwest::{Body, Client, StatusCode, Url};
use rusty_s3::actions::S3Action as _;
use rusty_s3::{Bucket, Credentials, UrlStyle};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// How long a signature counts: a large file on a slow line is under way for a while.
const SIGNED_FOR: Duration = Duration::from_secs(3600);
/// The store takes a connection within this, and says something every so often.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);

/// How the store is reached.
#[derive(Clone)]
pub struct Settings {
    /// Its address, `https://s3.example.com` or `http://127.0.0.1:9000`.
    pub endpoint: Url,
    /// The bucket.
    pub bucket: String,
    /// The region that signatures name.
    pub region: String,
    /// Before every object's name.
    pub prefix: String,
    /// The bucket stands in the path, not in the host's name.
    pub path_style: bool,
    /// Who we are there.
    pub access_key: String,
    /// What proves it.
    pub secret_key: String,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Settings({} {}, secret)", self.endpoint, self.bucket)
    }
}

/// The store. Clones share their connections.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    bucket: Bucket,
    credentials: Credentials,
    prefix: String,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Objects({})", self.bucket.name())
    }
}

type Trouble = Box<dyn std::error::Error + Send + Sync>;

impl Objects {
    /// Nothing is asked of it yet.
    ///
    /// # Errors
    ///
    /// If the endpoint is no address for a bucket.
    pub fn new(settings: Settings) -> Result<Self, Trouble> {
        let style = if settings.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = Bucket::new(settings.endpoint, style, settings.bucket, settings.region)?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()?;
        let credentials = Credentials::new(settings.access_key, settings.secret_key);
        Ok(Self { client, bucket, credentials, prefix: settings.prefix })
    }

    /// Puts a file there under the name that it has below the folder.
    pub async fn put(&self, name: &str, file: &Path) -> Result<(), Trouble> {
        let object = self.object(name);
        let url = self.bucket.put_object(Some(&self.credentials), &object).sign(SIGNED_FOR);
        let file = tokio::fs::File::open(file).await?;
        // S3 takes no body whose length it does not know.
        let octets = file.metadata().await?.len();
        let answer = self.client.put(url).header(CONTENT_LENGTH, octets).body(Body::from(file)).send().await;
        let answer = answer.map_err(without_url)?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(said(status, answer).await),
        }
    }

    /// A part of an object, and how long the whole is; `None` if there is no such object.
    pub async fn read(&self, name: &str, part: Range<u64>) -> Result<Option<(Bytes, u64)>, Trouble> {
        let object = self.object(name);
        let url = self.bucket.get_object(Some(&self.credentials), &object).sign(SIGNED_FOR);
        let range = format!("bytes={}-{}", part.start, part.end.saturating_sub(1));
        let answer = self.client.get(url).header(RANGE, range).send().await.map_err(without_url)?;
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status if status.is_success() => return Err("the store sends no parts of objects".into()),
            status => return Err(said(status, answer).await),
        }
        let range = answer.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let whole = range.and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let whole: u64 = whole.ok_or("the store does not say how long an object is")?;
        if answer.content_length().is_none_or(|octets| octets > part.end - part.start) {
            return Err("the store sends more than was asked for".into());
        }
        Ok(Some((answer.bytes().await.map_err(without_url)?, whole)))
    }

    fn object(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// Signatures stand in URLs, and URLs in errors: nobody shall read them in a log.
fn without_url(e: reqwest::Error) -> Trouble {
    let e = e.without_url();
    let cause = std::error::Error::source(&e).map(|cause| format!(": {cause}")).unwrap_or_default();
    io::Error::other(format!("{e}{cause}")).into()
}

/// What the store says when it refuses.
async fn said(status: StatusCode, mut answer: reqwest::Response) -> Trouble {
    // <Code>AccessDenied</Code>; the rest is for its operator.
    let text = answer.chunk().await.ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&text[..text.len().min(2_000)]).into_owned();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    match code {
        Some(code) => format!("the store says {status}, {}", code.escape_default()).into(),
        None => format!("the store says {status}").into(),
    }
}
