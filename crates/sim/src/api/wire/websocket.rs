//! The upgrade to WebSocket and its channel protocols (`v4.channel.k8s.io`, `v5.channel.k8s.io`).
use super::body::{Answer, full};
use crate::api::handler::Call;
use crate::api::meta::status::Status;
use bytes::{BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::{HeaderValue, Response, StatusCode, header};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Channel numbers of exec and attach.
pub const STDIN: u8 = 0;
pub const STDOUT: u8 = 1;
pub const STDERR: u8 = 2;
pub const ERROR: u8 = 3;
pub const RESIZE: u8 = 4;
/// v5: the next byte is the channel that was closed.
pub const CLOSE: u8 = 255;

/// The largest message, in bytes.
const MAX_MESSAGE: usize = 16 << 20;
/// The wall time for the closing handshake.
const GOODBYE: Duration = Duration::from_secs(5);

/// The protocols that the client offers.
pub fn offered(call: &Call) -> impl Iterator<Item = &str> {
    let headers = call.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    headers.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).map(str::trim)
}

/// Answers 101 with the first of `protocols` that the client offers, and runs `f` on the socket.
pub fn upgrade(
    call: &mut Call,
    protocols: &[&'static str],
    f: impl FnOnce(Socket, &'static str) -> BoxFuture<'static, ()> + Send + 'static,
) -> Result<Answer, Status> {
    let has = |name: header::HeaderName, wanted: &str| {
        let all = call.headers.get_all(name);
        all.iter()
            .filter_map(|v| v.to_str().ok())
            .any(|v| v.split(',').any(|v| v.trim().eq_ignore_ascii_case(wanted)))
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        let text = if has(header::UPGRADE, "SPDY/3.1") {
            "this server speaks WebSocket and not SPDY: use kubectl 1.30 or newer"
        } else {
            "Upgrade request required"
        };
        return Err(Status::bad_request(text));
    }
    let offered: Vec<String> = offered(call).map(String::from).collect();
    let chosen = protocols.iter().find(|p| offered.iter().any(|o| o == *p)).copied();
    let Some(chosen) = chosen else {
        return Err(Status::bad_request(format!(
            "unable to upgrade: the client offers {offered:?}, the server has {protocols:?}"
        )));
    };
    let key = call.headers.get(header::SEC_WEBSOCKET_KEY).map(|k| derive_accept_key(k.as_bytes()));
    let (Some(key), Some(upgrade)) = (key.and_then(|k| HeaderValue::from_str(&k).ok()), call.upgrade.take())
    else {
        return Err(Status::bad_request("websocket: the request has no Sec-WebSocket-Key"));
    };
    tokio::spawn(async move {
        // Fails if the client has disconnected.
        let Ok(upgraded) = upgrade.await else { return };
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        f(socket, chosen).await;
    });
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(chosen));
    Ok(response)
}

/// A message on a channel.
pub fn message(channel: u8, data: &[u8]) -> Message {
    let mut out = BytesMut::with_capacity(data.len() + 1);
    out.put_u8(channel);
    out.put_slice(data);
    Message::Binary(out.freeze())
}

/// The channel and data of the client's next message; None if the client is gone or breaks the protocol.
pub async fn receive(from: &mut SplitStream<Socket>) -> Option<(u8, Bytes)> {
    loop {
        let mut data = match from.next().await?.ok()? {
            Message::Binary(data) => data,
            Message::Text(text) => Bytes::from(text),
            Message::Close(_) => return None,
            _ => continue,
        };
        if !data.is_empty() {
            let rest = data.split_off(1);
            return Some((data[0], rest));
        }
    }
}

/// Sends a close frame with a code, because clients treat one without a code as an error, and waits for the
/// client's.
pub async fn close(mut to: SplitSink<Socket, Message>, gone: impl Future<Output = ()>) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let sent: Result<(), Error> = to.send(Message::Close(Some(frame))).await;
    if sent.is_ok() {
        let _ = tokio::time::timeout(GOODBYE, gone).await;
    }
}
