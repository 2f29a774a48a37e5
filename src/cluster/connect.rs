//! The connection to one cluster: opened as kubectl opens it, with credentials that renew themselves. Cheap
//! to clone.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use kube::Client;
use kube::client::Body;
use kube::config::Config;

use super::certificate;
use super::credential;
use super::error::{ConnectError, Failure, Route, tidy};
use super::gate::{Gate, Pulse, only_reads};
use super::identity::IdentityGuard;
use super::kubeconfig::{self, Environment};
use super::proxy::Proxy;
use super::target::{self, Target};
use super::token::TokenFile;
use super::transport;
use super::url::Sites;
use crate::world::{Clock, Time};

/// The options of the command line that select a cluster and a user.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    /// `-n`, which overrides the namespace of the context.
    pub namespace: Option<String>,
    /// `--as`, `--as-group`.
    pub impersonate: Option<String>,
    pub impersonate_groups: Vec<String>,
    pub read_only: bool,
    /// The limit for one request that is not a stream; 30 s by default.
    pub request_timeout: Option<Duration>,
    /// Whether a credential plugin may prompt on the terminal while khud connects. It never may later.
    pub interactive: bool,
}

/// A connection to one cluster. Clones share the client, the credentials and the checks.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    /// `context` is always set here, so that a renewal reads the same context even if the current context
    /// changed.
    options: Options,
    environment: Environment,
    context: String,
    target: Target,
    identity_guard: IdentityGuard,
    kubectl: Vec<String>,
    namespace: String,
    server: String,
    clock: Clock,
    pulse: Arc<Pulse>,
    read_only: Arc<AtomicBool>,
    client: RwLock<Built>,
    /// One renewal at a time.
    renewal: tokio::sync::Mutex<Renewal>,
    /// Renewals since the server last accepted the credentials.
    failed_renewals: AtomicU32,
    sites: Sites,
    /// By context: see [`Connection::beside`].
    others: tokio::sync::Mutex<HashMap<String, Connection>>,
}

struct Built {
    client: Client,
    expires: Option<Time>,
    /// A credential plugin made the credentials. Running it may contact a login server or open a browser.
    plugin: bool,
    route: Arc<Route>,
}

#[derive(Default)]
struct Renewal {
    /// The time of the last renewal, by this machine's clock.
    last: Option<Time>,
}

/// Credentials are renewed this long before they expire.
const MARGIN: Duration = Duration::from_secs(60);
/// The shortest pause between two renewals. For a credential plugin it doubles with each renewal in vain.
const RENEWAL_PAUSE: Duration = Duration::from_secs(5);
const PLUGIN_PAUSE_LIMIT: Duration = Duration::from_secs(600);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({} {})", self.0.context, self.0.server)
    }
}

impl Connection {
    /// Reads the kubeconfig (or the pod's service account) and prepares the client. It sends nothing; see
    /// `check`.
    ///
    /// # Errors
    /// There is no usable configuration, or the credential plugin fails.
    pub async fn open(options: Options, clock: Clock) -> Result<Connection, ConnectError> {
        Connection::open_in(options, Environment::of_process(), clock).await
    }

    /// `open` with the given environment.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_in(
        mut options: Options,
        environment: Environment,
        clock: Clock,
    ) -> Result<Connection, ConnectError> {
        let pulse = Arc::new(Pulse::new(clock.clone()));
        let configured = configure(&options, &environment).await?;
        let (context, target) = (configured.context.clone(), configured.target.clone());
        options.context = Some(context.clone());
        let namespace = options.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| configured.config.default_namespace.clone());
        let server = target::server(&configured.config);
        let kubectl = kubectl(&options, configured.service_account);
        let read_only = Arc::new(AtomicBool::new(options.read_only));
        let gate = Gate { pulse: pulse.clone(), read_only: read_only.clone() };
        let built = build(configured, gate, options.interactive, clock.now()).await?;
        Ok(Connection(Arc::new(Inner {
            options,
            environment,
            context,
            target,
            identity_guard: IdentityGuard::new(),
            kubectl,
            namespace,
            server,
            clock,
            pulse,
            read_only,
            client: RwLock::new(built),
            renewal: tokio::sync::Mutex::default(),
            failed_renewals: AtomicU32::new(0),
            sites: Sites::default(),
            others: tokio::sync::Mutex::default(),
        })))
    }

    /// The name of the context, shown in the header as the cluster.
    pub fn context(&self) -> &str {
        &self.0.context
    }

    /// The namespace of `-n`, else of the context, else `default`.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// How it was opened.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The API server's URL.
    pub fn server(&self) -> &str {
        &self.0.server
    }

    /// The flags that give kubectl the same cluster and user, not yet quoted for a shell.
    pub fn kubectl(&self) -> &[String] {
        &self.0.kubectl
    }

    pub(super) fn others(&self) -> &tokio::sync::Mutex<HashMap<String, Connection>> {
        &self.0.others
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.0.environment
    }

    pub(super) fn identity_guard(&self) -> &IdentityGuard {
        &self.0.identity_guard
    }

    pub fn read_only(&self) -> bool {
        self.0.read_only.load(Ordering::SeqCst)
    }

    /// Refuses every change from now on, on every clone of this connection, or allows changes again.
    pub fn set_read_only(&self, on: bool) {
        self.0.read_only.store(on, Ordering::SeqCst);
    }

    pub(super) fn sites(&self) -> &Sites {
        &self.0.sites
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

    /// The end of a sentence that says when the credentials expired, if they have.
    pub(super) fn expired(&self) -> Option<String> {
        let built = self.0.client.read().unwrap_or_else(PoisonError::into_inner);
        built.route.expiry.as_ref()?.sentence(self.0.clock.now())
    }

    pub(super) fn client(&self) -> Client {
        self.0.client.read().unwrap_or_else(PoisonError::into_inner).client.clone()
    }

    /// Sends one request and returns before its body is read. It renews credentials that are about to expire
    /// or refused.
    pub(super) async fn send(
        &self,
        request: Request<Vec<u8>>,
        headers_within: Duration,
    ) -> Result<Response<Body>, Failure> {
        self.renew_before_expiry().await?;
        if only_reads(&request).is_err() {
            self.ensure_may_change().await?;
        } else if let Some(other) = self.0.identity_guard.stop(&self.0.server).1 {
            return Err(other);
        }
        let first = self.send_once(request.clone(), headers_within).await?;
        if first.status() != http::StatusCode::UNAUTHORIZED {
            self.0.failed_renewals.store(0, Ordering::Relaxed);
            return Ok(first);
        }
        if !self.renew().await? {
            return Ok(first);
        }
        let second = self.send_once(request, headers_within).await?;
        if second.status() != http::StatusCode::UNAUTHORIZED {
            self.0.failed_renewals.store(0, Ordering::Relaxed);
        }
        Ok(second)
    }

    /// Checks, before a change or an exec session is sent, that the plan's cluster still answers.
    ///
    /// # Errors
    /// Another cluster answers, the context names another cluster or user now, or the check itself failed.
    pub(super) async fn ensure_may_change(&self) -> Result<(), Failure> {
        // The gate refuses changes under read-only, so the identity check would only cost a request.
        if self.read_only() { Ok(()) } else { self.ensure_same_cluster_for_change().await }
    }

    pub(super) async fn send_once(
        &self,
        request: Request<Vec<u8>>,
        limit: Duration,
    ) -> Result<Response<Body>, Failure> {
        let (client, route) = {
            let built = self.0.client.read().unwrap_or_else(PoisonError::into_inner);
            (built.client.clone(), built.route.clone())
        };
        let sent = tokio::time::timeout(limit, client.send(request.map(Body::from)))
            .await
            .map_err(|_| Failure::TimedOut { server: self.0.server.clone(), after: limit })
            .and_then(|sent| sent.map_err(|e| Failure::from_request(e, &route, self.0.clock.now())));
        if sent.is_err() {
            self.0.identity_guard.doubt();
        }
        sent
    }

    pub(super) async fn renew_before_expiry(&self) -> Result<(), Failure> {
        let expires = self.0.client.read().unwrap_or_else(PoisonError::into_inner).expires;
        if expires.is_some_and(|at| at.minus(MARGIN) <= self.0.clock.now()) {
            self.renew().await?;
        }
        Ok(())
    }

    /// Reads the kubeconfig again, because the user may have logged in anew, and runs its plugin. False if
    /// the last renewal was too recent.
    pub(super) async fn renew(&self) -> Result<bool, Failure> {
        let mut renewal = self.0.renewal.lock().await;
        let plugin = self.0.client.read().unwrap_or_else(PoisonError::into_inner).plugin;
        let failed_renewals = self.0.failed_renewals.load(Ordering::Relaxed);
        let pause = if plugin {
            RENEWAL_PAUSE.saturating_mul(1 << failed_renewals.min(10)).min(PLUGIN_PAUSE_LIMIT)
        } else {
            RENEWAL_PAUSE
        };
        let now = Time(self.0.clock.now().0 - self.0.clock.offset_ms());
        // A clock that was set back must not block renewals.
        if renewal.last.is_some_and(|at| at <= now && at.age(now) < pause) {
            return Ok(false);
        }
        renewal.last = Some(now);
        self.0.failed_renewals.fetch_add(1, Ordering::Relaxed);
        self.rebuild().await?;
        Ok(true)
    }

    /// Records that the kubeconfig's context now names another cluster or user.
    fn moved(&self, what: &str) -> Failure {
        let why = format!(
            "{what}. khud stays on {}, renews no credentials and sends no changes; `:ctx {}` opens the context as it is now",
            self.0.server, self.0.context
        );
        self.0.identity_guard.moved(Some(why.clone()));
        Failure::Moved(why)
    }

    /// Lets the next 401 renew the credentials at once, because the user asked to reconnect.
    pub(super) async fn allow_renewal(&self) {
        self.0.renewal.lock().await.last = None;
        self.0.failed_renewals.store(0, Ordering::Relaxed);
    }

    /// Replaces the client, because pooled connections may be dead. The kubeconfig is read again for the same
    /// context. If that context names another cluster or user now, the client stays and changes are refused.
    pub(super) async fn rebuild(&self) -> Result<(), Failure> {
        self.rebuild_on(false).await
    }

    /// Reads the kubeconfig again and runs its credential plugin on this terminal, where the plugin may
    /// prompt.
    ///
    /// # Errors
    /// As [`Connection::open`]. The previous credentials stay in use.
    pub async fn login(&self) -> Result<(), Failure> {
        let mut renewal = self.0.renewal.lock().await;
        self.rebuild_on(true).await?;
        *renewal = Renewal::default();
        self.0.failed_renewals.store(0, Ordering::Relaxed);
        Ok(())
    }

    async fn rebuild_on(&self, interactive: bool) -> Result<(), Failure> {
        let i = &self.0;
        let configured = match configure(&i.options, &i.environment).await {
            Err(e @ (ConnectError::UnknownContext { .. } | ConnectError::UnknownCurrentContext { .. })) => {
                Err(self.moved(&e.to_string()))
            }
            Err(e) => Err(Failure::Credentials(e.to_string())),
            Ok(now) => match i.target.difference(&now.target) {
                Some(what) => Err(self.moved(&format!("the context {} now {what}", i.context))),
                None => Ok(now),
            },
        };
        let configured = configured?;
        i.identity_guard.moved(None);
        let gate = Gate { pulse: i.pulse.clone(), read_only: i.read_only.clone() };
        let built = build(configured, gate, interactive, i.clock.now()).await;
        i.identity_guard
            .plugin_failed(built.as_ref().err().filter(|e| e.of_plugin()).map(ToString::to_string));
        let built = built.map_err(|e| Failure::Credentials(e.to_string()))?;
        i.identity_guard.doubt();
        *i.client.write().unwrap_or_else(PoisonError::into_inner) = built;
        Ok(())
    }
}

/// The flags that give kubectl the context of `options`.
fn kubectl(options: &Options, service_account: bool) -> Vec<String> {
    let mut flags = Vec::new();
    let mut flag = |name: &str, value: String| flags.extend([name.to_owned(), value]);
    // Inside a pod, kubectl uses the service account without a flag.
    if let Some(context) = options.context.as_ref().filter(|_| !service_account) {
        flag("--context", context.clone());
    }
    if let Some(file) = &options.kubeconfig {
        // The user may paste the command in another directory.
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        flag("--kubeconfig", file.to_string_lossy().into_owned());
    }
    if let Some(user) = &options.impersonate {
        flag("--as", user.clone());
    }
    for group in &options.impersonate_groups {
        flag("--as-group", group.clone());
    }
    flags
}

/// kube's configuration of a context, with its target.
struct Configured {
    context: String,
    target: Target,
    config: Config,
    proxy: Option<Proxy>,
    service_account: bool,
}

async fn configure(options: &Options, environment: &Environment) -> Result<Configured, ConnectError> {
    let (asked, environment) = (options.clone(), environment.clone());
    // Reading files blocks.
    let read = tokio::task::spawn_blocking(move || {
        let merged = kubeconfig::read(&asked, &environment)?;
        kubeconfig::config(&merged.config, &asked, &environment)
            .map(|picked| (picked, merged.service_account))
    });
    let (picked, service_account) =
        read.await.map_err(|e| Failure::Protocol(format!("the kubeconfig could not be read: {e}")))??;
    let mut config = picked.config;
    // kube would repeat every 429 and 5xx for minutes, writes included, before khud could report it.
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
    let target = Target::of(&config, &picked.user);
    Ok(Configured { context: picked.context, target, config, proxy: picked.proxy, service_account })
}

/// Makes a client. It runs the credential plugin if there is one.
async fn build(
    configured: Configured,
    gate: Gate,
    interactive: bool,
    now: Time,
) -> Result<Built, ConnectError> {
    let Configured { context, mut config, proxy, .. } = configured;
    let plugin = config.auth_info.exec.is_some();
    let expires = credential::fill(&mut config.auth_info, interactive, now).await?;
    let mut route = Route {
        server: target::server(&config),
        proxy: proxy.as_ref().map(ToString::to_string),
        authority: config.root_cert.is_some(),
        server_name: config.tls_server_name.clone(),
        expiry: None,
    };
    // Reading certificates and trust stores blocks.
    let client = tokio::task::spawn_blocking(move || {
        let bad = |why: String| ConnectError::BadContext { context: context.clone(), why };
        let auth = &mut config.auth_info;
        certificate::load(auth).map_err(bad)?;
        let file = auth.token_file.take().filter(|_| auth.token.is_none());
        let token = file.as_deref().map(TokenFile::open).transpose().map_err(bad)?;
        let expiry = certificate::expiry(auth);
        let client = transport::client(&config, proxy.as_ref(), token, &gate).map_err(|e| {
            bad(format!("its credentials or certificates cannot be used: {}", tidy(&e.to_string(), 300)))
        })?;
        Ok::<_, ConnectError>((client, expiry))
    });
    let (client, expiry) =
        client.await.map_err(|e| Failure::Protocol(format!("the client could not be made: {e}")))??;
    route.expiry = expiry;
    Ok(Built { client, expires, plugin, route: Arc::new(route) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Values that a kubeconfig field should not have.
    fn odd() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "(https?|socks5h?|ftp)?:?/{0,3}[a-z0-9.:@%\\[\\]/-]{0,20}".prop_map(Value::from),
            "[A-Za-z0-9+/=\n ]{0,40}".prop_map(Value::from),
            Just(json!([])),
            Just(json!({})),
        ]
    }

    fn fields(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
        prop::collection::hash_map(prop::sample::select(names), odd(), 0..5).prop_map(|map| json!(map))
    }

    fn kubeconfig() -> impl Strategy<Value = String> {
        let cluster = fields(&[
            "server",
            "certificate-authority-data",
            "insecure-skip-tls-verify",
            "tls-server-name",
            "proxy-url",
            "disable-compression",
        ]);
        // Without an exec plugin: `credential` tests those.
        let user = fields(&[
            "token",
            "username",
            "password",
            "client-certificate-data",
            "client-key-data",
            "tokenFile",
            "as",
            "as-groups",
            "auth-provider",
        ]);
        let whole = (cluster, user, odd(), any::<bool>()).prop_map(|(cluster, user, odd, plain)| {
            let context = if plain { json!({"cluster": "c", "user": "u", "namespace": odd}) } else { odd };
            json!({"clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "x", "context": context}], "current-context": "x"})
            .to_string()
        });
        prop_oneof![4 => whole, 1 => "\\PC{0,80}", 1 => "(contexts|users|clusters|[-:{}\\[\\], \n&*!|>'\"])*"]
    }

    proptest! {
        /// Every kubeconfig leads to a connection or to an error sentence.
        #[test]
        fn no_text_of_a_kubeconfig_panics(text in kubeconfig()) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("config");
            std::fs::write(&path, &text).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let options = Options { kubeconfig: Some(path), ..Options::default() };
            let opened = runtime.block_on(Connection::open_in(options, Environment::default(), Clock::wall()));
            if let Err(e) = opened {
                prop_assert!(e.to_string().len() > 10, "{e}");
            }
        }
    }
}
