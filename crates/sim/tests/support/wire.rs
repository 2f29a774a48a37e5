//! Shared by the tests of the embedded API server: machines that run real commands, and a plain HTTP client.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each test binary uses its part")]

use bytes::Bytes;
use futures::future::BoxFuture;
use khud_sim::api::machines::{
    Amount, ExecIo, ExecRequest, ExecResult, LogOptions, Machines, NodeUsage, PodUsage, ProxyTarget, Usage,
};
use khud_sim::api::meta::status::Status;
use khud_sim::{Sim, SimOptions};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::mpsc;

/// Machines whose containers are a directory of this one.
pub struct LocalMachines {
    pub root: PathBuf,
}

impl Machines for LocalMachines {
    fn log(&self, _ns: &str, pod: &str, options: &LogOptions) -> Result<mpsc::Receiver<Bytes>, Status> {
        if options.previous {
            let text =
                format!("previous terminated container \"{}\" in pod \"{pod}\" not found", options.container);
            return Err(Status::bad_request(text));
        }
        let (to, from) = mpsc::channel(8);
        let lines = ["one", "two", "three"];
        let skip = options.tail_lines.map_or(0, |n| lines.len().saturating_sub(n as usize));
        let follow = options.follow;
        tokio::spawn(async move {
            for line in &lines[skip..] {
                let _ = to.send(Bytes::from(format!("{line}\n"))).await;
            }
            if follow {
                let _ = to.send(Bytes::from_static(b"followed\n")).await;
                to.closed().await;
            }
        });
        Ok(from)
    }

    fn exec(
        &self,
        _: &str,
        _: &str,
        exec: ExecRequest,
        io: ExecIo,
    ) -> Result<BoxFuture<'static, ExecResult>, Status> {
        // Who attaches meets a process that says what it hears.
        let words = if exec.command.is_empty() { vec!["cat".to_string()] } else { exec.command };
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(&self.root).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Box::pin(async move {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return ExecResult::Failed(error.to_string()),
            };
            let ExecIo { stdin, stdout, stderr, .. } = io;
            let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let feed = tokio::spawn(feed(stdin, input.unwrap()));
            tokio::join!(pump(out.unwrap(), stdout), pump(err.unwrap(), stderr));
            let status = child.wait().await;
            feed.abort();
            ExecResult::Exited(status.ok().and_then(|s| s.code()).unwrap_or(137))
        }))
    }

    fn dial(&self, _: &str, _: &str, port: u16) -> Result<DuplexStream, Status> {
        let (mine, theirs) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(mine);
            let _ = write.write_all(format!("port {port}\n").as_bytes()).await;
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        Ok(theirs)
    }

    fn http(
        &self,
        target: ProxyTarget,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> BoxFuture<'static, Result<http::Response<Bytes>, Status>> {
        let text = format!("{method} {path} {target:?} {}", String::from_utf8_lossy(&body));
        Box::pin(async move {
            if let ProxyTarget::Pod { port: 9999, .. } = target {
                let text =
                    "error trying to reach service: dial tcp 10.244.0.39:9999: connect: connection refused";
                return Err(Status::unavailable(text));
            }
            Ok(http::Response::builder()
                .header("Content-Type", "text/plain; charset=utf-8")
                .body(text.into())
                .unwrap())
        })
    }

    fn usage(&self) -> Option<Usage> {
        let at = "2026-11-21T01:00:00Z".parse().unwrap();
        let window = Duration::from_secs(15);
        let amount = Amount { cpu_cores: 0.25, memory_bytes: 64 << 20 };
        Some(Usage {
            nodes: vec![NodeUsage { name: "node-1".into(), timestamp: at, window, amount }],
            pods: vec![PodUsage {
                ns: "prod".into(),
                name: "shell".into(),
                timestamp: at,
                window,
                containers: vec![("c".into(), amount)],
            }],
        })
    }
}

async fn feed(mut from: mpsc::Receiver<Bytes>, mut to: tokio::process::ChildStdin) {
    while let Some(data) = from.recv().await {
        if to.write_all(&data).await.is_err() {
            return;
        }
    }
}

async fn pump(mut from: impl tokio::io::AsyncRead + Unpin, to: mpsc::Sender<Bytes>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 || to.send(Bytes::copy_from_slice(&buffer[..n])).await.is_err() {
            return;
        }
    }
}

/// A server in front of [`LocalMachines`], with namespace `prod`, node `node-1` and the running pod `shell` on it.
pub async fn start(options: SimOptions, root: PathBuf) -> Sim {
    let sim = Sim::start_with(options, |_| Arc::new(LocalMachines { root })).await.unwrap();
    let store = sim.store();
    store.create("namespaces", "", json!({"metadata": {"name": "prod"}})).unwrap();
    store.create("nodes", "", json!({"metadata": {"name": "node-1"}})).unwrap();
    running_pod(&sim, "shell", json!({"app": "shell"}));
    sim
}

/// A ready pod on `node-1` in `prod`.
pub fn running_pod(sim: &Sim, name: &str, labels: Value) {
    use khud_sim::api::store::Part;
    let store = sim.store();
    let spec = json!({"nodeName": "node-1", "containers": [{"name": "c", "image": "busybox:1"}]});
    store
        .create("pods", "prod", json!({"metadata": {"name": name, "labels": labels}, "spec": spec}))
        .unwrap();
    store
        .modify("pods", "prod", name, Part::Status, |p| {
            p["status"] = json!({"phase": "Running", "podIP": "10.244.0.9", "podIPs": [{"ip": "10.244.0.9"}],
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "c", "ready": true, "restartCount": 0, "state": {"running": {}}}]});
        })
        .unwrap();
}

/// The body of a capture's answer and the path that it answers.
pub fn capture(name: &str) -> Value {
    let path = format!("{}/../../tests/captures/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// An answer as it came off the wire.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// The connection ended as HTTP says it should.
    pub whole: bool,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|l| l.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }
}

/// One request on a connection of its own.
pub async fn send(url: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let host = url.trim_start_matches("http://");
    let mut socket = TcpStream::connect(host).await.unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut raw = Vec::new();
    let clean = socket.read_to_end(&mut raw).await.is_ok();
    parse(&raw, clean)
}

pub async fn get(url: &str, path: &str) -> Reply {
    send(url, "GET", path, &[], "").await
}

/// A connection on which an answer keeps coming, such as a watch.
pub struct Wire(BufReader<TcpStream>);

impl Wire {
    /// Sends a GET; what comes back is read line by line.
    pub async fn open(url: &str, path: &str) -> Wire {
        let host = url.trim_start_matches("http://");
        let mut socket = TcpStream::connect(host).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        Wire(BufReader::new(socket))
    }

    /// The next JSON line; None once the connection has ended, in whatever way.
    pub async fn event(&mut self) -> std::io::Result<Option<Value>> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            // Between them stand the head and the lengths of chunks.
            if line.starts_with('{') && line.ends_with('\n') {
                return Ok(Some(serde_json::from_str(&line).unwrap()));
            }
        }
    }
}

fn parse(raw: &[u8], clean: bool) -> Reply {
    let Some(end) = raw.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Reply { status: 0, head: String::new(), body: raw.to_vec(), whole: false };
    };
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    let rest = &raw[end + 4..];
    let (body, whole) = if head.to_lowercase().contains("transfer-encoding: chunked") {
        dechunk(rest)
    } else {
        (rest.to_vec(), true)
    };
    Reply { status, head, body, whole: whole && clean }
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|w| w == b"\r\n") else { return (out, false) };
        let size = usize::from_str_radix(String::from_utf8_lossy(&rest[..end]).trim(), 16).unwrap();
        if size == 0 {
            return (out, true);
        }
        let data = &rest[end + 2..];
        if data.len() < size + 2 {
            out.extend_from_slice(&data[..size.min(data.len())]);
            return (out, false);
        }
        out.extend_from_slice(&data[..size]);
        rest = &data[size + 2..];
    }
}
