//! Bytes that no client sends, on the sockets of the embedded API server: it answers the next one all the same, and
//! nothing in it has panicked.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support {
    pub mod wire;
}

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use khud_sim::{Sim, SimOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Panics anywhere in this process; those in the server's tasks are told to nobody else.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// For the server to hang up by itself, before it is hung up on.
const WAIT: Duration = Duration::from_millis(20);

static SERVER: LazyLock<(Runtime, Sim)> = LazyLock::new(|| {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        before(info);
    }));
    let runtime = Runtime::new().unwrap();
    let sim = runtime.block_on(support::wire::start(SimOptions::default(), std::env::temp_dir()));
    (runtime, sim)
});

/// Writes each of `pieces` and reads whatever comes back.
async fn say(url: &str, pieces: &[Vec<u8>]) {
    let mut socket = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    for piece in pieces {
        if socket.write_all(piece).await.is_err() {
            return;
        }
    }
    let mut answer = vec![0; 64 << 10];
    while let Ok(Ok(n)) = tokio::time::timeout(WAIT, socket.read(&mut answer)).await {
        if n == 0 {
            return;
        }
    }
}

/// Runs each case, and asks after each whether the server is still well.
fn hold(cases: u32, pieces: impl Strategy<Value = Vec<Vec<u8>>>) {
    let (runtime, sim) = &*SERVER;
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let held = TestRunner::new(config).run(&pieces, |pieces| {
        let reply = runtime.block_on(async {
            say(sim.url(), &pieces).await;
            support::wire::get(sim.url(), "/api/v1/namespaces/prod/pods/shell").await
        });
        prop_assert_eq!(reply.status, 200);
        prop_assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something in the server has panicked");
        Ok(())
    });
    held.unwrap();
}

#[test]
fn requests_that_are_none() {
    let word = prop_oneof![
        3 => prop::sample::select(vec!["GET", "POST", "PATCH", "/api/v1/pods", "/api/v1/pods?watch=1&timeoutSeconds=1", "HTTP/1.1", "HTTP/9", "\r\n",
            "Host: x", "Content-Length: 5", "Content-Length: -1", "Transfer-Encoding: chunked", "ffffffffffffffff\r\n", "0\r\n\r\n",
            "Connection: Upgrade", "Upgrade: websocket", "Upgrade: SPDY/3.1", "Authorization: Bearer", "Impersonate-User: \u{e9}", "Expect: 100-continue"])
            .prop_map(|s| s.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    let sep = prop::sample::select(vec![&b" "[..], b"\r\n", b"\r\n\r\n", b""]);
    let line = prop::collection::vec((word, sep), 0..12)
        .prop_map(|all| all.into_iter().map(|(word, sep)| [word, sep.to_vec()].concat()).collect());
    hold(150, line);
}

/// A frame as a client masks it, or not, of a length that it has, or not.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let data = prop_oneof![
        Just(b"\xff\x00".to_vec()),
        Just(b"\x04{\"Width\":80,\"Height\":24}".to_vec()),
        Just(b"\x04{\"Width\":-1}".to_vec()),
        Just(Vec::new()),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    let opcode = prop_oneof![6 => Just(2_u8), 1 => 0..16_u8];
    (opcode, any::<bool>(), prop::bool::weighted(0.9), prop::bool::weighted(0.9), data).prop_map(
        |(opcode, reserved, masked, honest, data)| {
            let first = 0x80 | opcode | if reserved && !honest { 0x40 } else { 0 };
            let len = if honest { data.len() } else { data.len() * 1000 };
            let mut out = vec![first];
            let mask_bit = if masked { 0x80 } else { 0 };
            match len {
                0..126 => out.push(mask_bit | len as u8),
                _ => {
                    out.push(mask_bit | 127);
                    out.extend_from_slice(&(len as u64).to_be_bytes());
                }
            }
            if masked {
                out.extend_from_slice(&[0; 4]);
            }
            out.extend_from_slice(&data);
            out
        },
    )
}

#[test]
fn frames_that_break_the_channel_protocols() {
    let place = prop::sample::select(vec![
        ("exec?command=cat&stdin=1&stdout=1&stderr=1", "v5.channel.k8s.io"),
        ("exec?command=cat&stdin=1&stdout=1", "v4.channel.k8s.io"),
        ("attach?stdin=1&stdout=1&tty=1", "v5.channel.k8s.io"),
        ("portforward?ports=80&ports=81", "v4.channel.k8s.io"),
    ]);
    let key = BASE64_STANDARD.encode([7; 16]);
    let pieces = (place, prop::collection::vec(frame(), 0..8)).prop_map(move |((place, protocol), frames)| {
        let head = format!(
            "GET /api/v1/namespaces/prod/pods/shell/{place} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
        );
        [vec![head.into_bytes()], frames].concat()
    });
    hold(150, pieces);
}
