//! Forwards a local port to a port of a pod, as `kubectl port-forward` does, and goes on to the pod that replaces it.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde::Deserialize;
use tokio::io::{DuplexStream, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::ask::{ProxyAnswer, segment};
use super::connect::Connection;
use super::error::{Failure, tidy};
use crate::world::ask::{Forward, ForwardState};

/// How long the node has to say that nothing listens on the port: it says so at once or never.
const REFUSAL: Duration = Duration::from_millis(500);

/// The largest page that is read through a port-forward, bytes.
const PAGE: usize = 4 << 20;

/// The largest list of pods that is read to find one, bytes.
const PODS: usize = 64 << 20;

/// A local port that is open. Dropping it closes the port and every connection through it.
#[derive(Debug)]
pub struct Forwarding {
    listener: TcpListener,
    reach: Reach,
}

/// The way to the pod: which one it is, as it was last found, is in the state.
#[derive(Clone, Debug)]
struct Reach {
    connection: Connection,
    ask: Arc<Forward>,
    state: watch::Sender<ForwardState>,
}

/// One connection to a port in a pod.
struct Tunnel<R> {
    stream: DuplexStream,
    /// Resolves with the node's reason when the port cannot be used, and with nothing when the tunnel ends.
    refused: R,
}

impl Connection {
    /// Opens the local port, once a first connection through it reached the pod.
    ///
    /// # Errors
    /// The local port is taken, no pod is ready, the API server refuses, or nothing listens on the port in the pod.
    pub async fn forward(&self, ask: Forward) -> Result<Forwarding, Failure> {
        self.renew_before_expiry().await?;
        self.ensure_may_change().await?;
        let listener = listen(ask.local).await?;
        let local = listener.local_addr().map_err(|e| Failure::Protocol(format!("the local port: {e}")))?;
        let (pod, port) = self.find(&ask).await?;
        let state = watch::Sender::new(ForwardState::new(local, pod.as_str().into(), port));
        let reach = Reach { connection: self.clone(), ask: Arc::new(ask), state };
        let tunnel = reach.open().await?;
        if let Ok(Some(why)) = tokio::time::timeout(REFUSAL, tunnel.refused).await {
            return Err(Failure::Protocol(reach.silent(&why)));
        }
        Ok(Forwarding { listener, reach })
    }

    /// The name of the pod that is meant, and the number of its port.
    async fn find(&self, ask: &Forward) -> Result<(String, u16), Failure> {
        let pods = format!("/api/v1/namespaces/{}/pods", segment(&ask.namespace));
        let pod = match &*ask.selector {
            "" => self.read(&format!("{pods}/{}", segment(&ask.pod))).await?,
            selector => {
                #[derive(Deserialize)]
                struct List {
                    items: Vec<Pod>,
                }
                let path = format!("{pods}?labelSelector={}", segment(selector));
                let list: List = self.read(&path).await?;
                // The pod that was named stays the one that is meant as long as it is ready.
                let ready = list.items.into_iter().filter(ready);
                ready.min_by_key(|p| p.metadata.name.as_deref() != Some(&ask.pod)).ok_or_else(|| {
                    Failure::Protocol(format!(
                        "no pod with the labels {selector} is ready in {}",
                        ask.namespace
                    ))
                })?
            }
        };
        let name = pod.metadata.name.clone().unwrap_or_default();
        match number(&ask.port, &pod) {
            Some(port) => Ok((name, port)),
            None => Err(Failure::Protocol(format!("pod {name} has no port named {}", ask.port))),
        }
    }

    /// GETs a path of a port in a pod through a port-forward of its own: also a port that listens on loopback alone.
    ///
    /// # Errors
    /// No connection within `within`, the API server refuses the port-forward, nothing listens, or what answers is no
    /// HTTP server.
    pub async fn forwarded_get(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        path: &str,
        within: Duration,
    ) -> Result<ProxyAnswer, Failure> {
        let broken = |e: &dyn std::fmt::Display| {
            Failure::Protocol(format!("port {port} of pod {namespace}/{pod} gave no answer: {e}"))
        };
        let fetch = async {
            self.ensure_may_change().await?;
            let Tunnel { stream, refused } = self.tunnel(namespace, pod, port).await?;
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
            let (mut sender, connection) = handshake.map_err(|e| broken(&e))?;
            let request = http::Request::get(format!("/{path}"))
                .header(http::header::HOST, format!("localhost:{port}"))
                .body(Empty::<Bytes>::new())
                .map_err(|e| broken(&e))?;
            let answer = async {
                let response = sender.send_request(request).await.map_err(|e| broken(&e))?;
                let status = response.status().as_u16();
                let body =
                    Limited::new(response.into_body(), PAGE).collect().await.map_err(|e| broken(&e))?;
                Ok(ProxyAnswer { status, body: body.to_bytes() })
            };
            let mut answer = pin!(answer);
            let (mut carried, mut refused) = (pin!(connection), pin!(refused));
            let (mut ended, mut silent) = (false, false);
            loop {
                tokio::select! {
                    answer = &mut answer => return answer,
                    // The answer may still be read after the connection ended.
                    _ = &mut carried, if !ended => ended = true,
                    why = &mut refused, if !silent => match why {
                        Some(why) => return Err(broken(&tidy(&why, 300))),
                        None => silent = true,
                    },
                }
            }
        };
        tokio::time::timeout(within, fetch)
            .await
            .map_err(|_| Failure::TimedOut { server: self.server().to_owned(), after: within })?
    }

    /// A connection to a port in a pod.
    async fn tunnel(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<Tunnel<impl Future<Output = Option<String>> + use<>>, Failure> {
        self.renew_before_expiry().await?;
        // kube puts the names into the path as they are.
        if segment(pod) != pod || segment(namespace) != namespace {
            return Err(Failure::Protocol(format!("{namespace}/{pod} is not a valid pod name")));
        }
        let pods: Api<Pod> = Api::namespaced(self.client(), namespace);
        let (after, ports) = (self.request_timeout(), [port]);
        let opened = tokio::time::timeout(after, pods.portforward(pod, &ports)).await;
        let mut forwarder = opened
            .map_err(|_| Failure::TimedOut { server: self.server().to_owned(), after })?
            .map_err(|e| self.not_started(e))?;
        match (forwarder.take_stream(port), forwarder.take_error(port)) {
            (Some(stream), Some(refused)) => Ok(Tunnel { stream, refused }),
            _ => Err(Failure::Protocol("the tunnel has no streams".into())),
        }
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let (status, body) = self.get(path, PODS).await?;
        if status != 200 {
            return Err(self.refused(status, &body));
        }
        serde_json::from_slice(&body).map_err(|e| Failure::Broken {
            server: self.server().to_owned(),
            why: format!("what it answered to {path} cannot be read ({e})"),
        })
    }
}

impl Forwarding {
    /// What there is to see of it: where it listens, which pod it reaches, how much went through.
    pub fn state(&self) -> watch::Receiver<ForwardState> {
        self.reach.state.subscribe()
    }

    /// Passes connections on until it is dropped.
    pub async fn run(self) {
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((local, _)) => {
                        let reach = self.reach.clone();
                        open.spawn(async move { reach.carry(local).await });
                    }
                    // Too many open files, as a rule: they become fewer.
                    Err(e) => {
                        self.reach.state.send_modify(|s| s.trouble = Some(format!("the local port: {e}").into()));
                        tokio::time::sleep(REFUSAL).await;
                    }
                },
                Some(_) = open.join_next() => {}
            }
        }
    }
}

impl Reach {
    /// A connection to the pod; to another one where the pod is gone.
    async fn open(&self) -> Result<Tunnel<impl Future<Output = Option<String>> + use<>>, Failure> {
        let (pod, port) = {
            let state = self.state.borrow();
            (state.pod.to_string(), state.port)
        };
        let opened = self.connection.tunnel(&self.ask.namespace, &pod, port).await;
        let Err(gone @ Failure::Refused(_)) = opened else { return opened };
        let (next, port) = self.connection.find(&self.ask).await?;
        if next == pod {
            return Err(gone);
        }
        self.state.send_modify(|s| (s.pod, s.port) = (next.as_str().into(), port));
        self.connection.tunnel(&self.ask.namespace, &next, port).await
    }

    /// Carries one local connection to the pod, to its end.
    async fn carry(&self, local: TcpStream) {
        self.state.send_modify(|s| {
            s.open += 1;
            s.connections += 1;
        });
        let trouble = match self.open().await {
            Ok(tunnel) => self.pass(local, tunnel).await,
            Err(e) => Some(e.to_string()),
        };
        self.state.send_modify(|s| {
            s.open -= 1;
            s.trouble = trouble.map(Into::into);
        });
    }

    /// Copies both ways; the reason where the node refused the connection.
    async fn pass(
        &self,
        mut local: TcpStream,
        tunnel: Tunnel<impl Future<Output = Option<String>>>,
    ) -> Option<String> {
        let Tunnel { mut stream, refused } = tunnel;
        let copy = pin!(copy_bidirectional(&mut local, &mut stream));
        let copied = match select(copy, pin!(refused)).await {
            Either::Left((copied, _)) => copied,
            Either::Right((Some(why), _)) => return Some(self.silent(&why)),
            // The tunnel ended: what it brought is still to be passed on.
            Either::Right((None, copy)) => copy.await,
        };
        // A client or server that hangs up in the middle ends its own connection, not the forward.
        let (sent, received) = copied.unwrap_or_default();
        self.state.send_modify(|s| {
            s.sent += sent;
            s.received += received;
        });
        None
    }

    fn silent(&self, why: &str) -> String {
        let state = self.state.borrow();
        format!("nothing answers on port {} in pod {}: {}", state.port, state.pod, tidy(why, 300))
    }
}

/// Opens the port on this machine's loopback address alone.
async fn listen(port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|e| {
        let cure = match e.kind() {
            std::io::ErrorKind::AddrInUse => "; another program has it: choose another port, LOCAL:PORT",
            std::io::ErrorKind::PermissionDenied => {
                "; ports below 1024 are the system's: choose another, LOCAL:PORT"
            }
            _ => "",
        };
        Failure::Protocol(format!("cannot listen on {address}: {e}{cure}"))
    })
}

fn ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// The number of a port that is given by number or by the name that a container gives it.
fn number(port: &str, pod: &Pod) -> Option<u16> {
    if let Ok(number) = port.parse() {
        return Some(number);
    }
    let spec = pod.spec.as_ref()?;
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let mut ports = containers.flat_map(|c| c.ports.iter().flatten());
    let named = ports.find(|p| p.name.as_deref() == Some(port))?;
    u16::try_from(named.container_port).ok()
}
