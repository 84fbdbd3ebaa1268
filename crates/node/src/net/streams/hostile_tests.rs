//! What hostile pages do to WebSockets, over real sockets.

use super::tests::{Bench, options, web, web_with};
use super::*;
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use store::{NewExtension, NewUser, Store};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tungstenite::client::IntoClientRequest as _;

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

/// Opens one, or says with what HTTP refuses it.
async fn open(address: SocketAddr, query: &str) -> Result<Socket, u16> {
    let mut request = format!("ws://{address}/sip{query}").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().unwrap());
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(_) => Err(0),
    }
}

async fn says(bench: &Bench, socket: &mut Socket, call_id: &str) -> Flow {
    socket.send(tungstenite::Message::text(options(call_id, "WS page.invalid"))).await.unwrap();
    bench.message().await.1
}

/// Both ways.
async fn assert_unharmed(bench: &Bench, socket: &mut Socket, flow: Flow, call_id: &str) {
    assert_eq!(says(bench, socket, call_id).await, flow);
    bench.streams.send(&flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n")).unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), tungstenite::Message::text("SIP/2.0 200 OK\r\n\r\n"));
}

#[tokio::test]
async fn a_thousand_half_open_websockets_are_bounded_and_a_page_beside_them_goes_on() {
    let bench = Bench::new(GateLimits { total: 2_000, per_source: 2_000, unproven: 50 }, None);
    let address = web(&bench, &[]).await;
    let mut page = open(address, "").await.unwrap();
    let flow = says(&bench, &mut page, "first").await;
    // Those that say nothing once they are open: fifty are let in, and the rest turned away.
    let mut silent = Vec::new();
    let mut refused = 0;
    for _ in 0..100 {
        match open(address, "").await {
            Ok(socket) => silent.push(socket),
            Err(status) => {
                assert_eq!(status, 503);
                refused += 1;
            }
        }
    }
    assert_eq!((silent.len(), refused, bench.count(Cause::TooManyUnproven)), (50, 50, 50));
    // And those that do not even finish to ask.
    let mut half = Vec::new();
    for _ in 0..900 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /sip HTTP/1.1\r\nHost: x\r\nUpgrade: webso").await.unwrap();
        half.push(stream);
    }
    assert_unharmed(&bench, &mut page, flow, "second").await;
    // Who goes makes room.
    drop(silent);
    let again = async {
        loop {
            match open(address, "").await {
                Ok(socket) => return socket,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let mut late = tokio::time::timeout(Duration::from_secs(20), again).await.expect("there is room again");
    says(&bench, &mut late, "third").await;
}

#[tokio::test]
async fn a_megabyte_in_a_frame_ends_its_stream_and_no_other() {
    let bench = Bench::open();
    let address = web(&bench, &[]).await;
    let mut page = open(address, "").await.unwrap();
    let flow = says(&bench, &mut page, "first").await;
    for piecewise in [false, true] {
        let mut hostile = open(address, "").await.unwrap();
        let size = if piecewise { 60_000 } else { 1 << 20 };
        for n in 0..20 {
            let data = tungstenite::Bytes::from(vec![b'x'; size]);
            let frame = match (piecewise, n) {
                (false, _) => tungstenite::Message::binary(data),
                // One message of many frames.
                (true, n) => {
                    use tungstenite::protocol::frame::Frame;
                    use tungstenite::protocol::frame::coding::{Data, OpCode};
                    let code = if n == 0 { Data::Binary } else { Data::Continue };
                    tungstenite::Message::Frame(Frame::message(data, OpCode::Data(code), false))
                }
            };
            if hostile.send(frame).await.is_err() {
                break;
            }
        }
        let end = async { while let Some(Ok(_)) = hostile.next().await {} };
        tokio::time::timeout(Duration::from_secs(8), end).await.expect("its stream is closed");
    }
    assert_unharmed(&bench, &mut page, flow, "second").await;
}

#[tokio::test]
async fn tokens_that_do_not_count_open_nothing_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(store::Config::new(dir.path().join("data"))).await.unwrap();
    let new = |number: &str| NewExtension {
        number: number.to_owned(),
        password: "only for SIP".to_owned(),
        ..NewExtension::default()
    };
    store.import_extensions(vec![new("100"), new("101")]).await.unwrap();
    let user = async |username: &str, extension: Option<&str>, enabled: bool| {
        let new = NewUser {
            username: username.to_owned(),
            nickname: String::new(),
            role: model::Role::Agent,
            extension: extension.map(str::to_owned),
            enabled,
            password_md5: store::md5_hex("only for the API"),
        };
        store.add_user(new).await.unwrap()
    };
    let hour = Duration::from_secs(3600);
    let of = |user: &model::User| api::mint_token(&store, user, hour).unwrap();
    let (ana, ben) = (user("ana", Some("100"), true).await, user("ben", Some("101"), true).await);
    let (gone, nobody) = (user("gone", Some("100"), false).await, user("nobody", None, true).await);
    let token = of(&ana);
    let forged = format!("{}{}", &token[..token.len() - 4], if token.ends_with("AAAA") { "BBBB" } else { "AAAA" });
    let renamed = of(&model::User { username: "ana".to_owned(), ..ben.clone() });
    let bench = Bench::open();
    let address = web_with(&bench, &[], Some(store.clone())).await;
    let bad = [forged, renamed, of(&gone), of(&nobody), "x".repeat(5_000), String::new()];
    for bad in &bad {
        assert_eq!(open(address, &format!("?token={bad}")).await.err(), Some(401), "{bad}");
    }
    assert_eq!(bench.count(Cause::Handshake), bad.len() as u64);
    // Each good one speaks for its own extension alone.
    let mut sockets = Vec::new();
    for (user, number) in [(&ana, "100"), (&ben, "101")] {
        sockets.push(open(address, &format!("?token={}", of(user))).await.unwrap());
        let told = bench.letter(0).await;
        assert!(matches!(&told, Body::TokenShown { extension, .. } if extension == number), "{told:?}");
    }
}
