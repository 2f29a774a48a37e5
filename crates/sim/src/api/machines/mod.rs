//! The API server's requests to nodes: logs, exec, port-forward, proxied HTTP, usage.

pub(in crate::api) mod exec;
pub(in crate::api) mod logs;
pub(in crate::api) mod metrics;
pub(in crate::api) mod portforward;
pub(in crate::api) mod proxy;

use crate::api::meta::status::Status;
use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// `PodLogOptions`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogOptions {
    /// Empty: the pod's only container. The API server refuses the request if there are several.
    pub container: String,
    pub follow: bool,
    pub previous: bool,
    /// The number of lines from the end.
    pub tail_lines: Option<u64>,
    pub since_seconds: Option<u64>,
    pub since_time: Option<Timestamp>,
    /// Prefixes each line with its RFC 3339 time in nanoseconds and a space.
    pub timestamps: bool,
    /// In bytes.
    pub limit_bytes: Option<u64>,
}

/// The command to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExecRequest {
    pub container: String,
    /// Empty for attach.
    pub command: Vec<String>,
    pub stdin: bool,
    pub tty: bool,
}

/// The streams of a running command. `stdin` and `resize` end when the client closes them.
#[derive(Debug)]
pub struct ExecIo {
    pub stdin: mpsc::Receiver<Bytes>,
    pub stdout: mpsc::Sender<Bytes>,
    pub stderr: mpsc::Sender<Bytes>,
    /// Terminal size as (columns, rows).
    pub resize: mpsc::Receiver<(u16, u16)>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq)]
pub enum ExecResult {
    Exited(i32),
    /// The runtime could not run the command; the text is the runtime's.
    Failed(String),
}

/// The target of a proxied request.
#[derive(Clone, Debug, PartialEq)]
pub enum ProxyTarget {
    /// The kubelet, or another port of the node. `port` is 0 for the kubelet.
    Node {
        name: String,
        port: u16,
    },
    Pod {
        ns: String,
        name: String,
        https: bool,
        port: u16,
    },
}

/// The content of one `metrics.k8s.io` answer.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    pub nodes: Vec<NodeUsage>,
    pub pods: Vec<PodUsage>,
}

/// Cores and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    pub cpu_cores: f64,
    pub memory_bytes: u64,
}

#[derive(Clone, Debug)]
pub struct NodeUsage {
    pub name: String,
    pub timestamp: Timestamp,
    pub window: Duration,
    pub amount: Amount,
}

#[derive(Clone, Debug)]
pub struct PodUsage {
    pub ns: String,
    pub name: String,
    pub timestamp: Timestamp,
    pub window: Duration,
    /// Container names and amounts.
    pub containers: Vec<(String, Amount)>,
}

/// The nodes with their kubelets and containers, as the API server sees them. Errors are the API server's
/// answers, worded as in `captures/logs` and `captures/proxy`.
pub trait Machines: Send + Sync + 'static {
    /// `GET pods/NAME/log`: bytes as the kubelet sends them. The receiver ends with the log; with `follow` it
    /// may never end.
    fn log(&self, ns: &str, pod: &str, options: &LogOptions) -> Result<mpsc::Receiver<Bytes>, Status>;

    /// Starts a command, or attaches if it is empty. The future ends with the command.
    fn exec(
        &self,
        ns: &str,
        pod: &str,
        exec: ExecRequest,
        io: ExecIo,
    ) -> Result<BoxFuture<'static, ExecResult>, Status>;

    /// A byte stream to a port in the pod's network namespace, for port-forward.
    fn dial(&self, ns: &str, pod: &str, port: u16) -> Result<DuplexStream, Status>;

    /// An HTTP request through the pod or node proxy. Services have been resolved to a pod.
    fn http(
        &self,
        target: ProxyTarget,
        method: &str,
        path_and_query: &str,
        body: Bytes,
    ) -> BoxFuture<'static, Result<http::Response<Bytes>, Status>>;

    /// The usage in `metrics.k8s.io`; None without a metrics server.
    fn usage(&self) -> Option<Usage>;

    /// The API server's version, where the machines that run it have one: `v1.27.3`.
    fn server_version(&self) -> Option<String> {
        None
    }

    /// The deprecated APIs that clients request.
    fn deprecated_requests(&self) -> Vec<Deprecated> {
        Vec::new()
    }
}

/// A deprecated API that was requested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deprecated {
    pub group: String,
    pub version: String,
    pub resource: String,
    /// Such as `1.29`; empty where none is set.
    pub removed_release: String,
}

/// No nodes: every request gets 503.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMachines;

fn nobody() -> Status {
    Status::unavailable("there are no machines behind this API server")
}

impl Machines for NoMachines {
    fn log(&self, _: &str, _: &str, _: &LogOptions) -> Result<mpsc::Receiver<Bytes>, Status> {
        Err(nobody())
    }

    fn exec(
        &self,
        _: &str,
        _: &str,
        _: ExecRequest,
        _: ExecIo,
    ) -> Result<BoxFuture<'static, ExecResult>, Status> {
        Err(nobody())
    }

    fn dial(&self, _: &str, _: &str, _: u16) -> Result<DuplexStream, Status> {
        Err(nobody())
    }

    fn http(
        &self,
        _: ProxyTarget,
        _: &str,
        _: &str,
        _: Bytes,
    ) -> BoxFuture<'static, Result<http::Response<Bytes>, Status>> {
        Box::pin(std::future::ready(Err(nobody())))
    }

    fn usage(&self) -> Option<Usage> {
        None
    }
}
