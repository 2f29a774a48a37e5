//! The connection to one cluster: opened as kubectl would, renewed by itself, cheap to clone.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::{HeaderValue, Request, Response, header};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use kube::config::Config;

use super::credential;
use super::error::{ConnectError, Failure, tidy};
use super::gate::{Gate, Pulse};
use super::kubeconfig::{self, Surroundings};
use crate::world::{Clock, Time};

/// What the command line says about the cluster.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    /// `-n`: overrides the context's namespace.
    pub namespace: Option<String>,
    /// `--as`, `--as-group`.
    pub impersonate: Option<String>,
    pub impersonate_groups: Vec<String>,
    pub read_only: bool,
    /// For one request that is not a stream. Default 30 s.
    pub request_timeout: Option<Duration>,
    /// Whether a credential plugin may ask on the terminal while connecting (never later).
    pub interactive: bool,
}

/// A connection to one cluster. Clones share it.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    options: Options,
    around: Surroundings,
    context: String,
    namespace: String,
    server: String,
    clock: Clock,
    pulse: Arc<Pulse>,
    read_only: Arc<AtomicBool>,
    client: RwLock<Built>,
    /// One renewal at a time.
    renewal: tokio::sync::Mutex<Renewal>,
    /// Renewals since the server last accepted the credentials.
    in_vain: AtomicU32,
}

struct Built {
    client: Client,
    expires: Option<Time>,
    /// A credential plugin ran for it: it may call home or open a browser.
    plugin: bool,
}

#[derive(Default)]
struct Renewal {
    last: Option<Instant>,
}

/// Credentials are renewed this long before they expire.
const MARGIN: Duration = Duration::from_secs(60);
/// … and not again within this time, whatever the server says of them. Where that takes a plugin, the pause doubles
/// each time it was in vain.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);
const PLUGIN_PAUSE_LIMIT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({} {})", self.0.context, self.0.server)
    }
}

impl Connection {
    /// Reads the kubeconfig (or the pod's service account) and prepares the client. Sends nothing yet: see `check`.
    ///
    /// # Errors
    /// Where there is no usable configuration or its credential plugin fails.
    pub async fn open(options: Options, clock: Clock) -> Result<Connection, ConnectError> {
        Connection::open_in(options, Surroundings::of_process(), clock).await
    }

    /// `open` with given surroundings.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_in(
        options: Options,
        around: Surroundings,
        clock: Clock,
    ) -> Result<Connection, ConnectError> {
        let pulse = Arc::new(Pulse::new(clock.clone()));
        let (context, config) = configure(&options, &around).await?;
        let namespace = options.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let read_only = Arc::new(AtomicBool::new(options.read_only));
        let gate = Gate { pulse: pulse.clone(), read_only: read_only.clone() };
        let built = build(config, gate, options.interactive).await?;
        Ok(Connection(Arc::new(Inner {
            options,
            around,
            context,
            namespace,
            server,
            clock,
            pulse,
            read_only,
            client: RwLock::new(built),
            renewal: tokio::sync::Mutex::default(),
            in_vain: AtomicU32::new(0),
        })))
    }

    /// The context's name: what the header shows as the cluster.
    pub fn context(&self) -> &str {
        &self.0.context
    }

    /// The namespace of `-n`, else of the context, else `default`.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The API server's URL.
    pub fn server(&self) -> &str {
        &self.0.server
    }

    pub fn read_only(&self) -> bool {
        self.0.read_only.load(Ordering::SeqCst)
    }

    /// Refuses every change from here on, under every clone of this connection, or allows them again.
    pub fn set_read_only(&self, on: bool) {
        self.0.read_only.store(on, Ordering::SeqCst);
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The limit for one request that is not a stream.
    pub fn request_timeout(&self) -> Duration {
        self.0.options.request_timeout.unwrap_or(Duration::from_secs(30))
    }

    pub(super) fn pulse(&self) -> &Pulse {
        &self.0.pulse
    }

    pub(super) fn client(&self) -> Client {
        self.0.client.read().unwrap_or_else(PoisonError::into_inner).client.clone()
    }

    /// Sends one request; the response's body is still to be read. Renews credentials that expire or are refused.
    pub(super) async fn send(
        &self,
        request: Request<Vec<u8>>,
        headers_within: Duration,
    ) -> Result<Response<Body>, Failure> {
        self.renew_before_expiry().await?;
        let first = self.send_once(request.clone(), headers_within).await?;
        if first.status() != http::StatusCode::UNAUTHORIZED {
            self.0.in_vain.store(0, Ordering::Relaxed);
            return Ok(first);
        }
        if !self.renew().await? {
            return Ok(first);
        }
        let second = self.send_once(request, headers_within).await?;
        if second.status() != http::StatusCode::UNAUTHORIZED {
            self.0.in_vain.store(0, Ordering::Relaxed);
        }
        Ok(second)
    }

    async fn send_once(&self, request: Request<Vec<u8>>, limit: Duration) -> Result<Response<Body>, Failure> {
        let client = self.client();
        tokio::time::timeout(limit, client.send(request.map(Body::from)))
            .await
            .map_err(|_| Failure::TimedOut { server: self.0.server.clone(), after: limit })?
            .map_err(|e| Failure::of(e, &self.0.server))
    }

    pub(super) async fn renew_before_expiry(&self) -> Result<(), Failure> {
        let expires = self.0.client.read().unwrap_or_else(PoisonError::into_inner).expires;
        if expires.is_some_and(|at| at.minus(MARGIN) <= self.0.clock.now()) {
            self.renew().await?;
        }
        Ok(())
    }

    /// Reads the configuration again, as someone may have logged in anew, and runs its plugin. False where that was
    /// done a moment ago.
    pub(super) async fn renew(&self) -> Result<bool, Failure> {
        let mut renewal = self.0.renewal.lock().await;
        let plugin = self.0.client.read().unwrap_or_else(PoisonError::into_inner).plugin;
        let in_vain = self.0.in_vain.load(Ordering::Relaxed);
        let pause = if plugin {
            RENEWAL_PAUSE.saturating_mul(1 << in_vain.min(10)).min(PLUGIN_PAUSE_LIMIT)
        } else {
            RENEWAL_PAUSE
        };
        if renewal.last.is_some_and(|at| at.elapsed() < pause) {
            return Ok(false);
        }
        renewal.last = Some(Instant::now());
        self.0.in_vain.fetch_add(1, Ordering::Relaxed);
        self.rebuild().await?;
        Ok(true)
    }

    /// Lets the next refusal of the credentials renew them at once: someone asked for it.
    pub(super) async fn forgive(&self) {
        self.0.renewal.lock().await.last = None;
        self.0.in_vain.store(0, Ordering::Relaxed);
    }

    /// A fresh client: new connections in place of pooled ones that may be dead.
    pub(super) async fn rebuild(&self) -> Result<(), Failure> {
        let i = &self.0;
        let renewed = async {
            let (_, config) = configure(&i.options, &i.around).await?;
            build(config, Gate { pulse: i.pulse.clone(), read_only: i.read_only.clone() }, false).await
        };
        let built = renewed.await.map_err(|e| Failure::Credentials(e.to_string()))?;
        *i.client.write().unwrap_or_else(PoisonError::into_inner) = built;
        Ok(())
    }
}

/// kube's configuration and the name it goes by.
async fn configure(options: &Options, around: &Surroundings) -> Result<(String, Config), ConnectError> {
    let kubeconfig = kubeconfig::read(options, around)?;
    let (name, mut config) = kubeconfig::config(kubeconfig, options, around).await?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // kube would repeat every 429 and 5xx for minutes, writes included, before anyone hears of it.
    config.default_retry = false;
    let agent =
        format!("khud/{} ({}/{})", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    if let Ok(agent) = HeaderValue::from_str(&agent) {
        config.headers.push((header::USER_AGENT, agent));
    }
    if let Some(user) = &options.impersonate {
        config.auth_info.impersonate = Some(user.clone());
    }
    if !options.impersonate_groups.is_empty() {
        config.auth_info.impersonate_groups = Some(options.impersonate_groups.clone());
    }
    Ok((name, config))
}

async fn build(mut config: Config, gate: Gate, interactive: bool) -> Result<Built, ConnectError> {
    let plugin = config.auth_info.exec.is_some();
    let expires = credential::fill(&mut config.auth_info, interactive).await?;
    let server = config.cluster_url.to_string();
    // Reading certificates and trust stores touches the disk.
    let client = tokio::task::spawn_blocking(move || {
        ClientBuilder::try_from(config).map(|builder| builder.with_layer(&gate).build())
    })
    .await
    .map_err(|e| ConnectError::Wire(Failure::Protocol(format!("the client could not be made: {e}"))))?
    .map_err(|e| ConnectError::Wire(settings(e, &server)))?;
    Ok(Built { client, expires, plugin })
}

/// Why kube could not make a client of the configuration.
fn settings(error: kube::Error, server: &str) -> Failure {
    let why = tidy(&error.to_string(), 300);
    match error {
        kube::Error::RustlsTls(_) => Failure::Tls {
            server: server.to_owned(),
            why: format!("a certificate or key of the kubeconfig cannot be used ({why})"),
        },
        kube::Error::ProxyProtocolDisabled { proxy_url, .. }
        | kube::Error::ProxyProtocolUnsupported { proxy_url } => Failure::Unreachable {
            server: server.to_owned(),
            why: format!("khud cannot use the proxy {proxy_url}; it knows http:// and https:// ones"),
        },
        _ => Failure::Credentials(format!("the kubeconfig's credentials cannot be used: {why}")),
    }
}
