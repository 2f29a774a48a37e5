//! Serves the API server's requests to nodes: logs, commands, connections, proxied requests, usage.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use crate::api::machines::{
    Amount, Deprecated, ExecIo, ExecRequest, ExecResult, LogOptions, Machines, NodeUsage, PodUsage,
    ProxyTarget, Usage,
};
use crate::api::meta::status::Status;
use crate::scenario::format::DeprecatedRequest;

use super::Cluster;
use super::engine::Engine;
use super::kubelet::{PodRun, Run, State, upgrade};
use super::logs::{self, Line, Words};
use super::node_http::Reply;
use super::object::{self, text};
use super::shell;
use super::{node_http, usage};

/// The kubelet's error when the runtime is down.
pub(super) const NO_RUNTIME: &str = "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused\"";

/// The lines sent to a reader at once.
const PIECE: usize = 200;

pub(super) fn run_of<'a>(engine: &'a Engine, ns: &str, pod: &str) -> Result<&'a PodRun, Status> {
    let object = engine.cache.find("pods", ns, pod).ok_or_else(|| Status::not_found("pods", pod))?;
    engine
        .runs
        .get(object::uid(object))
        .ok_or_else(|| Status::bad_request(format!("pod {pod} does not have a host assigned")))
}

/// The run whose log is requested. The errors are worded as captured (captures/logs/400-*).
fn logged_run(engine: &Engine, ns: &str, pod: &str, o: &LogOptions) -> Result<(Run, String), Status> {
    let run = run_of(engine, ns, pod)?;
    let mains = run.containers.iter().find(|c| c.main()).map(|c| c.name.clone()).unwrap_or_default();
    let name = if o.container.is_empty() { mains } else { o.container.clone() };
    let (_, c) = run
        .container(&name)
        .ok_or_else(|| Status::bad_request(format!("container {name} is not valid for pod {pod}")))?;
    if o.previous {
        // After a crash, the run that ended last is the previous one of the next run.
        let previous = match (&c.state, c.attempt) {
            (State::Ended(_), n) if n > 0 && c.reason.as_ref().is_some_and(|r| r.0 == "CrashLoopBackOff") => {
                c.run.clone()
            }
            _ => c.previous.clone(),
        };
        let found = previous.map(|r| (r, name.clone()));
        return found.ok_or_else(|| {
            Status::bad_request(format!("previous terminated container {name:?} in pod {pod:?} not found"))
        });
    }
    c.run.clone().map(|r| (r, name.clone())).ok_or_else(|| {
        let why = match c.reason.as_ref().map(|r| r.0.as_str()) {
            Some("ErrImagePull" | "ImagePullBackOff") => "trying and failing to pull image",
            Some("InvalidImageName") => "InvalidImageName",
            Some("ErrImageNeverPull") => "ErrImageNeverPull",
            Some("CreateContainerConfigError") => "CreateContainerConfigError",
            _ if c.main()
                && run.inits > 0
                && !run.containers.iter().take(run.inits).all(|i| i.ended().is_some_and(|e| e.code == 0)) =>
            {
                "PodInitializing"
            }
            _ => "ContainerCreating",
        };
        Status::bad_request(format!("container {name:?} in pod {pod:?} is waiting to start: {why}"))
    })
}

fn lines_of(
    engine: &Engine,
    ns: &str,
    pod: &str,
    run: &Run,
    name: &str,
    from: Option<jiff::Timestamp>,
) -> Vec<Line> {
    let Ok(pod_run) = run_of(engine, ns, pod) else { return Vec::new() };
    let container = pod_run.container(name).map(|c| c.1);
    let idle = container.map_or(0.0, |c| pod_run.container_memory(c, engine.now()));
    let memory = |t: Duration| run.behaviour.memory.as_ref().map_or(idle, |m| m.at(t));
    logs::lines(run, &Words { run: pod_run, memory: &memory }, from, engine.now())
}

/// The id of a container whose log cannot be read, because the runtime is down.
fn unreadable(engine: &Engine, ns: &str, pod: &str, container: &str) -> Option<String> {
    let run = run_of(engine, ns, pod).ok()?;
    let down = engine.machines.get(&run.node).is_some_and(|m| !m.runtime);
    run.container(container).filter(|_| down)?.1.id.clone()
}

fn usage(engine: &Engine) -> Option<Usage> {
    if !engine.metrics_server {
        return None;
    }
    let now = engine.now();
    let window = Duration::from_secs(15);
    let mut usage = Usage::default();
    let mut names: Vec<&Arc<str>> =
        engine.machines.iter().filter(|(_, m)| m.kubelet).map(|(n, _)| n).collect();
    names.sort();
    for name in names {
        let (cpu, memory) = usage::node_usage(engine, name, now);
        usage.nodes.push(NodeUsage {
            name: name.to_string(),
            timestamp: now,
            window,
            amount: Amount { cpu_cores: cpu, memory_bytes: memory as u64 },
        });
    }
    for (key, pod) in engine.cache.all("pods") {
        let Some(run) =
            engine.runs.get(object::uid(pod)).filter(|r| r.containers.iter().any(|c| c.running()))
        else {
            continue;
        };
        if !engine.machines.get(&run.node).is_some_and(|m| m.kubelet) {
            continue;
        }
        let containers = run.containers.iter().filter(|c| c.running()).map(|c| {
            let amount = Amount {
                cpu_cores: run.container_cpu(c, now),
                memory_bytes: run.container_memory(c, now) as u64,
            };
            (c.name.clone(), amount)
        });
        usage.pods.push(PodUsage {
            ns: key.ns.to_string(),
            name: key.name.to_string(),
            timestamp: now,
            window,
            containers: containers.collect(),
        });
    }
    Some(usage)
}

impl Machines for Cluster {
    fn log(&self, ns: &str, pod: &str, o: &LogOptions) -> Result<mpsc::Receiver<Bytes>, Status> {
        let engine = self.lock();
        let node = text(run_of(&engine, ns, pod).map(|r| &*r.pod)?, "/spec/nodeName").to_owned();
        if !engine.machines.get(&*node).is_some_and(|m| m.kubelet) {
            let ip = engine.machines.get(&*node).map(|m| m.internal_ip.clone()).unwrap_or_default();
            let name = &o.container;
            return Err(Status::internal(format!(
                "Get \"https://{ip}:10250/containerLogs/{ns}/{pod}/{name}\": dial tcp {ip}:10250: connect: no route to host"
            )));
        }
        let (run, name) = logged_run(&engine, ns, pod, o)?;
        let now = engine.now();
        let since = o
            .since_time
            .or_else(|| o.since_seconds.and_then(|s| now.checked_sub(Duration::from_secs(s)).ok()));
        let mut lines = lines_of(&engine, ns, pod, &run, &name, since);
        if let Some(id) = unreadable(&engine, ns, pod, &name) {
            lines = vec![Line {
                at: now,
                text: format!("unable to retrieve container logs for containerd://{id}"),
            }];
        }
        drop(engine);
        if let Some(tail) = o.tail_lines {
            let skip = lines.len().saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX));
            lines.drain(..skip);
        }
        let (tx, rx) = mpsc::channel(16);
        let (cluster, ns, pod, o) = (self.clone(), ns.to_owned(), pod.to_owned(), o.clone());
        tokio::spawn(async move { cluster.send_log(&ns, &pod, &name, run, lines, &o, now, tx).await });
        Ok(rx)
    }

    fn exec(
        &self,
        ns: &str,
        pod: &str,
        exec: ExecRequest,
        io: ExecIo,
    ) -> Result<BoxFuture<'static, ExecResult>, Status> {
        let engine = self.lock();
        let run = run_of(&engine, ns, pod)?;
        let first = run.containers.iter().find(|c| c.main()).map(|c| c.name.clone()).unwrap_or_default();
        let name = if exec.container.is_empty() { first } else { exec.container.clone() };
        let (index, container) = run
            .container(&name)
            .ok_or_else(|| Status::bad_request(format!("container {name} is not valid for pod {pod}")))?;
        if !container.running() {
            return Err(Status::internal(format!(
                "error executing command in container: container not found (\"{name}\")"
            )));
        }
        let (uid, attempt) = (run.uid.clone(), container.attempt);
        if engine.machines.get(&run.node).is_some_and(|m| !m.runtime) {
            return Err(Status::internal(format!("error executing command in container: {NO_RUNTIME}")));
        }
        drop(engine);
        let session = shell::Session::new(self.clone(), uid, index, attempt);
        Ok(Box::pin(shell::run(session, exec, io)))
    }

    fn dial(&self, ns: &str, pod: &str, port: u16) -> Result<DuplexStream, Status> {
        let engine = self.lock();
        let run = run_of(&engine, ns, pod)?;
        if !listens(&engine, run, port) {
            return Err(Status::internal(format!(
                "failed to execute portforward in network namespace: failed to connect to localhost:{port} inside namespace, IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused"
            )));
        }
        drop(engine);
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let target = ProxyTarget::Pod { ns: ns.to_owned(), name: pod.to_owned(), https: false, port };
        tokio::spawn(serve_http(self.clone(), target, ours));
        Ok(theirs)
    }

    fn http(
        &self,
        target: ProxyTarget,
        method: &str,
        path_and_query: &str,
        _body: Bytes,
    ) -> BoxFuture<'static, Result<http::Response<Bytes>, Status>> {
        let reply = node_http::answer(&self.lock(), &target, method, path_and_query);
        let clock = self.store.clock().clone();
        Box::pin(async move {
            let Reply { status, content_type, body, latency } = reply?;
            if !latency.is_zero() {
                let now = clock.now();
                clock.sleep_until(now.checked_add(latency).unwrap_or(now)).await;
            }
            http::Response::builder()
                .status(status)
                .header("content-type", content_type)
                .body(body)
                .map_err(|e| Status::internal(e.to_string()))
        })
    }

    fn usage(&self) -> Option<Usage> {
        usage(&self.lock())
    }

    fn server_version(&self) -> Option<String> {
        upgrade::server_version(&self.lock())
    }

    fn deprecated_requests(&self) -> Vec<Deprecated> {
        let engine = self.lock();
        let of = |r: &DeprecatedRequest| Deprecated {
            group: r.group.clone(),
            version: r.version.clone(),
            resource: r.resource.clone(),
            removed_release: r.removed_release.clone(),
        };
        engine.deprecated_requests.iter().map(of).collect()
    }
}

impl Cluster {
    #[allow(clippy::too_many_arguments)]
    async fn send_log(
        &self,
        ns: &str,
        pod: &str,
        name: &str,
        run: Run,
        lines: Vec<Line>,
        o: &LogOptions,
        until: jiff::Timestamp,
        tx: mpsc::Sender<Bytes>,
    ) {
        let mut room = o.limit_bytes.unwrap_or(u64::MAX);
        let mut sent_to = until;
        if !send_lines(&tx, &lines, o.timestamps, &mut room).await || !o.follow {
            return;
        }
        let clock = self.store.clock().clone();
        loop {
            let Some(at) = logs::next_moment(&run, run.elapsed(sent_to)) else {
                // No more lines will come: wait for the end of the container.
                if self.follow_ends(ns, pod, name, &run) || tx.is_closed() {
                    return;
                }
                let now = clock.now();
                clock.sleep_until(now.checked_add(Duration::from_secs(5)).unwrap_or(now)).await;
                continue;
            };
            let at = run.since.checked_add(at).unwrap_or(sent_to);
            tokio::select! {
                () = clock.sleep_until(at) => {}
                () = tx.closed() => return,
            }
            let ended = self.follow_ends(ns, pod, name, &run);
            let (lines, now) = {
                let engine = self.lock();
                (lines_of(&engine, ns, pod, &run, name, Some(sent_to)), engine.now())
            };
            sent_to = now;
            if !send_lines(&tx, &lines, o.timestamps, &mut room).await || ended {
                return;
            }
        }
    }

    fn follow_ends(&self, ns: &str, pod: &str, name: &str, run: &Run) -> bool {
        let engine = self.lock();
        let Ok(pod_run) = run_of(&engine, ns, pod) else { return true };
        let current = pod_run.container(name).and_then(|(_, c)| c.run.clone());
        current.is_none_or(|c| c.started != run.started || c.ended.is_some())
    }
}

async fn send_lines(tx: &mpsc::Sender<Bytes>, lines: &[Line], stamps: bool, room: &mut u64) -> bool {
    for piece in lines.chunks(PIECE) {
        let mut out = String::new();
        for line in piece {
            if stamps {
                out.push_str(&line.at.strftime("%Y-%m-%dT%H:%M:%S%.9fZ ").to_string());
            }
            out.push_str(&line.text);
            out.push('\n');
        }
        let keep = usize::try_from(*room).unwrap_or(usize::MAX).min(out.len());
        *room -= keep as u64;
        if tx.send(Bytes::from(out.into_bytes()).slice(..keep)).await.is_err() || *room == 0 {
            return false;
        }
    }
    true
}

/// Serves HTTP/1.1 on a forwarded port, one request after another.
async fn serve_http(cluster: Cluster, target: ProxyTarget, mut stream: DuplexStream) {
    let mut buffer = Vec::new();
    let mut chunk = [0_u8; 4096];
    loop {
        while !buffer.windows(4).any(|w| w == b"\r\n\r\n") {
            match stream.read(&mut chunk).await {
                Ok(n) if n > 0 && buffer.len() < 64 * 1024 => buffer.extend_from_slice(&chunk[..n]),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&buffer).into_owned();
        buffer.clear();
        let mut words = head.lines().next().unwrap_or_default().split_whitespace();
        let (method, path) =
            (words.next().unwrap_or("GET").to_owned(), words.next().unwrap_or("/").to_owned());
        let (status, kind, body) = match cluster.http(target.clone(), &method, &path, Bytes::new()).await {
            Ok(r) => {
                let kind = r
                    .headers()
                    .get("content-type")
                    .and_then(|v| v.to_str().ok())
                    .unwrap_or("text/plain")
                    .to_owned();
                (r.status().as_u16(), kind, r.into_body())
            }
            Err(_) => return,
        };
        let head = format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("OK"),
            body.len()
        );
        if stream.write_all(head.as_bytes()).await.is_err() || stream.write_all(&body).await.is_err() {
            return;
        }
    }
}

/// Whether a process in the pod's network namespace listens on the port.
pub(super) fn listens(engine: &Engine, run: &PodRun, port: u16) -> bool {
    let now = engine.now();
    run.containers.iter().filter(|c| c.running()).filter_map(|c| c.run.as_ref()).any(|r| {
        super::node_http::serves_port(r.behaviour.serves, port)
            || r.hear(port, "/", now) != super::http::Heard::Refused
    })
}
