//! Programs that say where calls lead ([`model::Program`]): asked by HTTP, answered soon or not at all.

use crate::server::StartError;
use crate::webhooks::{check, client, is_reachable};
use reqwest::{Client, Url};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

/// The largest answer.
const LARGEST: usize = 16 << 10;

/// Questions under way at one time, of all workers; more wait within their time.
const UNDER_WAY: usize = 256;

/// Asks them.
#[derive(Clone)]
pub(crate) struct Programs {
    client: Client,
    room: Arc<Semaphore>,
}

impl Programs {
    pub(crate) fn new() -> Result<Self, StartError> {
        let longest = Duration::from_millis(model::Program::LONGEST_MS.into());
        Ok(Self { client: client(is_reachable, longest)?, room: Arc::new(Semaphore::new(UNDER_WAY)) })
    }

    /// What a program says; `None` if it says nothing in time, and the log says why.
    pub(crate) async fn ask(&self, url: &str, wait: Duration, question: String) -> Option<String> {
        let answer = timeout(wait, self.answer(url, question)).await;
        let answer = answer.unwrap_or_else(|_| Err("it takes too long".to_owned()));
        answer.inspect_err(|why| warn!("a program that says where calls lead is of no help: {why}")).ok()
    }

    async fn answer(&self, url: &str, question: String) -> Result<String, String> {
        let url = Url::parse(url).map_err(|e| e.to_string())?;
        check(&url, is_reachable)?;
        let _room = self.room.acquire().await.map_err(|e| e.to_string())?;
        let request = self.client.post(url).header("Content-Type", "application/json").body(question);
        let mut response = request.send().await.map_err(|e| e.without_url().to_string())?;
        if !response.status().is_success() {
            return Err(format!("it answers HTTP {}", response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|e| e.without_url().to_string())? {
            if body.len() + part.len() > LARGEST {
                return Err("it says too much".to_owned());
            }
            body.extend_from_slice(&part);
        }
        String::from_utf8(body).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// A program that says this to everybody, and what it was asked last.
    async fn program(answer: &'static [u8]) -> (String, tokio::sync::mpsc::Receiver<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/route", listener.local_addr().unwrap());
        let (tell, asked) = tokio::sync::mpsc::channel(8);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut text = Vec::new();
                while !text.ends_with(b"}") && stream.read_buf(&mut text).await.is_ok_and(|len| len > 0) {}
                let _ = tell.send(String::from_utf8_lossy(&text).into_owned()).await;
                let _ = stream.write_all(answer).await;
            }
        });
        (url, asked)
    }

    #[tokio::test]
    async fn a_program_is_asked_and_what_is_no_answer_is_none() {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let (programs, wait) = (Programs::new().unwrap(), Duration::from_secs(20));
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{\"queue\":\"sales\"}";
        let (url, mut asked) = program(good).await;
        let said = programs.ask(&url, wait, r#"{"from":"1","to":"2"}"#.to_owned()).await;
        assert_eq!(said.as_deref(), Some(r#"{"queue":"sales"}"#));
        let asked = asked.recv().await.unwrap();
        assert!(asked.starts_with("POST /route HTTP/1.1") && asked.ends_with(r#"{"from":"1","to":"2"}"#), "{asked}");
        let elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n";
        for wrong in [&b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"[..], elsewhere, b"junk"] {
            let (url, _asked) = program(wrong).await;
            assert_eq!(programs.ask(&url, wait, "{}".to_owned()).await, None);
        }
        let large: &'static [u8] = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b'x'; LARGEST + 1]].concat().leak();
        let (url, _asked) = program(large).await;
        assert_eq!(programs.ask(&url, wait, "{}".to_owned()).await, None);
        assert_eq!(programs.ask("http://169.254.169.254/latest", wait, "{}".to_owned()).await, None);
        let (url, _asked) = program(b"").await;
        assert_eq!(programs.ask(&url, Duration::from_millis(1), "{}".to_owned()).await, None);
    }
}
