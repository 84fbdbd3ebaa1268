//! Programs and a recogniser on real sockets, with a small switch that has one leg.

use crate::switch::{NodeSwitch, PASSED};
use crate::worker::{Ask, Inbox};
use api::Switch as _;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use futures_util::{SinkExt as _, StreamExt as _};
use media::rtp::Header;
use model::{AudioFormat, AudioWish, CallId, Command, EventBody, Listening, Refusal, Reply};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::broadcast;
use tokio::time::{interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

const LONG: Duration = Duration::from_secs(20);

fn call() -> CallId {
    CallId::new(0, &mut stdx::Entropy::seeded(5))
}

fn pcm(hertz: f32, samples: usize) -> Vec<i16> {
    media::testing::tone(hertz, samples)
}

fn octets(pcm: &[i16], big: bool) -> Vec<u8> {
    pcm.iter().flat_map(|s| if big { s.to_be_bytes() } else { s.to_le_bytes() }).collect()
}

fn samples(octets: &[u8], big: bool) -> Vec<i16> {
    let sample = |pair: &[u8]| {
        let pair = [pair[0], pair[1]];
        if big { i16::from_be_bytes(pair) } else { i16::from_le_bytes(pair) }
    };
    octets.chunks_exact(2).map(sample).collect()
}

fn loud(pcm: &[i16]) -> bool {
    pcm.iter().map(|s| i64::from(s.unsigned_abs())).sum::<i64>() / pcm.len().max(1) as i64 > 1_000
}

/// A switch with one leg, which says a tone as long as it is told to.
struct Leg {
    switch: NodeSwitch,
    events: api::EventReader,
    speaks: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
    /// What programs said to it, and how many of them there are.
    heard: Arc<Mutex<Vec<i16>>>,
    programs: Arc<Mutex<usize>>,
}

impl Leg {
    async fn new(recogniser: Option<&str>) -> Self {
        let inboxes: Arc<[Inbox]> = vec![Inbox::new().unwrap()].into();
        let bus = api::EventBus::new(0);
        let events = bus.reader();
        let switch = NodeSwitch::new(Arc::clone(&inboxes), bus, broadcast::channel(PASSED).0);
        let switch = switch.with_recogniser(stdx::Wall::new(std::time::Instant::now(), 1), recogniser);
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let leg = Self {
            switch,
            events,
            speaks: Arc::default(),
            gone: Arc::default(),
            heard: Arc::default(),
            programs: Arc::default(),
        };
        let address = socket.local_addr().unwrap();
        let target: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let (programs, known) = (Arc::clone(&leg.programs), Arc::clone(&target));
        tokio::spawn(async move {
            loop {
                sleep(Duration::from_millis(1)).await;
                let Some(Ask::Command(command, answer)) = inboxes[0].take_ask() else { continue };
                let result = match *command {
                    Command::OpenAudio { leg: 1, wish: AudioWish { port, .. }, .. } => {
                        *known.lock().unwrap() = Some(SocketAddr::from(([127, 0, 0, 1], port)));
                        *programs.lock().unwrap() += 1;
                        Ok(Reply::Audio { id: 1, address })
                    }
                    Command::CloseAudio { .. } => {
                        *programs.lock().unwrap() -= 1;
                        Ok(Reply::Done)
                    }
                    _ => Err(Refusal::NoSuchLeg),
                };
                drop(answer.send(result));
            }
        });
        let (speaks, gone, out) = (Arc::clone(&leg.speaks), Arc::clone(&leg.gone), Arc::clone(&socket));
        tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(20));
            let voice = pcm(1_000.0, 160);
            for sequence in 0u16.. {
                ticks.tick().await;
                let Some(to) = *target.lock().unwrap() else { continue };
                if gone.load(Ordering::Relaxed) {
                    let bye = [0x80, 200, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1, 0, 0, 0, 1];
                    drop(out.send_to(&bye, to).await);
                    return;
                }
                let says = if speaks.load(Ordering::Relaxed) { octets(&voice, true) } else { vec![0; 320] };
                let mut packet = vec![0x80, 96];
                packet.extend(sequence.to_be_bytes());
                packet.extend((u32::from(sequence) * 160).to_be_bytes());
                packet.extend([0, 0, 0, 1]);
                packet.extend(says);
                drop(out.send_to(&packet, to).await);
            }
        });
        let heard = Arc::clone(&leg.heard);
        tokio::spawn(async move {
            let mut buffer = [0; 2_048];
            while let Ok((len, _)) = socket.recv_from(&mut buffer).await {
                let header = Header::parse(&buffer[..len]).unwrap();
                heard.lock().unwrap().extend(samples(&buffer[header.payload_at..len], true));
            }
        });
        leg
    }

    /// A WebSocket to its sound, as the API opens it.
    async fn connect(
        &self,
        barge_in: bool,
    ) -> tokio_tungstenite::WebSocketStream<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let switch = self.switch.clone();
        let open = move |socket: WebSocketUpgrade| async move {
            let (format, listening) = (AudioFormat::Pcm8, Listening::Says);
            let wish = api::AudioRequest { format, listening, speaks: true, barge_in };
            let connected = switch.audio((call(), 1), wish).await.unwrap();
            socket.on_upgrade(async move |socket| connected(socket))
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(open))).await });
        tokio_tungstenite::connect_async(url).await.unwrap().0
    }

    fn heard_loud(&self) -> bool {
        let heard = self.heard.lock().unwrap();
        loud(&heard[heard.len().saturating_sub(800)..])
    }
}

async fn until(what: impl Fn() -> bool) {
    timeout(LONG, async {
        while !what() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_program_hears_a_leg_and_is_heard_until_the_party_speaks() {
    let leg = Leg::new(None).await;
    let (mut sink, mut source) = leg.connect(true).await.split();
    // Silence first, then it says five seconds at once, which are heard in time.
    let first = timeout(LONG, source.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.into_data().len(), 320);
    sink.send(Message::Binary(octets(&pcm(500.0, 40_000), false).into())).await.unwrap();
    until(|| leg.heard_loud()).await;
    assert!(leg.heard.lock().unwrap().len() < 40_000, "not all at once");
    leg.speaks.store(true, Ordering::Relaxed);
    let (mut interrupted, mut heard) = (false, Vec::new());
    while !(interrupted && heard.len() > 4_000) {
        match timeout(LONG, source.next()).await.unwrap().unwrap().unwrap() {
            Message::Text(text) => interrupted |= text.contains("\"interrupted\""),
            Message::Binary(sound) => heard.extend(samples(&sound, false)),
            _ => {}
        }
    }
    assert!(loud(&heard[heard.len() - 800..]), "the program hears the party");
    // Nothing more of it comes to the party.
    sleep(Duration::from_millis(200)).await;
    let len = leg.heard.lock().unwrap().len();
    sleep(Duration::from_millis(300)).await;
    assert!(len < 40_000 && leg.heard.lock().unwrap().len() == len);
    // The leg goes, and the program is told.
    leg.gone.store(true, Ordering::Relaxed);
    let mut ended = false;
    while let Some(Ok(message)) = timeout(LONG, source.next()).await.unwrap() {
        ended |= matches!(message, Message::Text(text) if text.contains("\"ended\""));
    }
    assert!(ended);
    until(|| *leg.programs.lock().unwrap() == 0).await;
}

#[tokio::test]
async fn a_program_that_never_reads_and_one_that_leaves_harm_nobody() {
    let leg = Leg::new(None).await;
    let idle = leg.connect(false).await;
    sleep(Duration::from_millis(300)).await;
    // It has read nothing, and another one is served as ever.
    let (_, mut source) = leg.connect(false).await.split();
    assert!(timeout(LONG, source.next()).await.unwrap().unwrap().is_ok());
    drop((idle, source));
    until(|| *leg.programs.lock().unwrap() == 0).await;
    let wish =
        api::AudioRequest { format: AudioFormat::Pcm8, listening: Listening::Says, speaks: false, barge_in: false };
    assert!(matches!(leg.switch.audio((call(), 7), wish).await, Err(Refusal::NoSuchLeg)));
}

/// A recogniser that understands "tone" as soon as it has heard half a second of one; the first session breaks off.
async fn recogniser(listener: TcpListener, sessions: Arc<Mutex<usize>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let session = {
            let mut sessions = sessions.lock().unwrap();
            *sessions += 1;
            *sessions
        };
        let config = socket.next().await.unwrap().unwrap().into_text().unwrap();
        assert!(config.contains("\"sample_rate\":8000"), "{config}");
        if session == 1 {
            continue;
        }
        let mut heard = Vec::new();
        let mut told = false;
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Binary(sound) => {
                    heard.extend(samples(&sound, false));
                    let last = &heard[heard.len().saturating_sub(4_000)..];
                    let (level, snr) = media::testing::level_of(last, 1_000.0, 8_000);
                    if !told && last.len() == 4_000 && level > 2_000.0 && snr > 10.0 {
                        told = true;
                        drop(socket.send(Message::text("{\"partial\":\"to\"}")).await);
                        drop(socket.send(Message::text("no JSON")).await);
                        drop(socket.send(Message::text("{\"text\":\"tone\"}")).await);
                    }
                }
                Message::Text(text) if text.contains("eof") => {
                    drop(socket.send(Message::text("{\"text\":\"the end\"}")).await);
                    drop(socket.close(None).await);
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn what_a_recogniser_understands_is_told_and_it_is_called_again_when_it_breaks_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let sessions: Arc<Mutex<usize>> = Arc::default();
    tokio::spawn(recogniser(listener, Arc::clone(&sessions)));
    let mut leg = Leg::new(Some(&url)).await;
    leg.speaks.store(true, Ordering::Relaxed);
    assert_eq!(leg.switch.recognise((call(), 7)).await, Err(Refusal::NoSuchLeg));
    leg.switch.recognise((call(), 1)).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 4 {
        let Some(api::Next::Event(event)) = timeout(LONG, leg.events.next()).await.unwrap() else { panic!("no event") };
        match &event.body {
            EventBody::AsrFailed { leg: 1, .. } => told.push("failed".to_owned()),
            EventBody::AsrResult { leg: 1, text, complete, .. } => {
                if *complete {
                    leg.gone.store(true, Ordering::Relaxed);
                }
                told.push(format!("{text} {complete}"));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, ["failed", "to false", "tone true", "the end true"]);
    assert_eq!(*sessions.lock().unwrap(), 2);
    until(|| *leg.programs.lock().unwrap() == 0).await;
}

#[tokio::test]
async fn without_a_recogniser_nobody_is_listened_to() {
    let leg = Leg::new(None).await;
    assert_eq!(leg.switch.recognise((call(), 1)).await, Err(Refusal::WrongState));
    let nowhere = Leg::new(Some("ws://127.0.0.1:1")).await;
    nowhere.switch.recognise((call(), 1)).await.unwrap();
    until(|| *nowhere.programs.lock().unwrap() == 1).await;
    nowhere.gone.store(true, Ordering::Relaxed);
    until(|| *nowhere.programs.lock().unwrap() == 0).await;
}
