//! The socket: accepts connections, passes requests to the handler, sends answers; optionally with TLS.
use crate::api::access::auth::{MASTERS, User, Users};
use crate::api::faults::Faults;
use crate::api::faults::inject::{self, FaultyStream};
use crate::api::handler::{Api, Call};
use crate::api::machines::Machines;
use crate::api::meta::status::Status;
use crate::api::store::Store;
use crate::api::wire::body::{self, Answer, Large};
use crate::api::wire::kubeconfig::Access;
use crate::api::wire::request::RequestInfo;
use crate::api::wire::tls::Tls;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The largest request body in bytes, as on a real API server.
const MAX_BODY: usize = 3 << 20;
/// The wall time in which a client must send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A running API server. Dropping it does not stop it; [`ApiServer::stop`] does.
pub struct ApiServer {
    api: Arc<Api>,
    url: String,
    tls: Option<Tls>,
    stop: CancellationToken,
    connections: TaskTracker,
    faults: Faults,
}

impl ApiServer {
    /// Listens on `listen` (port 0: any) and serves the store.
    pub async fn start(
        store: Arc<Store>,
        machines: Arc<dyn Machines>,
        listen: SocketAddr,
        tls: Option<Tls>,
    ) -> std::io::Result<ApiServer> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{address}");
        // kubectl sends no token over plain HTTP, even if its kubeconfig has one. Such requests come from the
        // administrator, as on the port of `kubectl proxy`.
        let anonymous = tls.is_none().then(|| User::new("admin", &[MASTERS]));
        let server_store = store.clone();
        let api = Api { store, users: Users::new(anonymous), machines, address: address.to_string() };
        let server = ApiServer {
            api: Arc::new(api),
            url,
            tls,
            stop: CancellationToken::new(),
            connections: TaskTracker::new(),
            faults: faults_of(&server_store),
        };
        let accept = Accept {
            api: server.api.clone(),
            tls: server.tls.clone(),
            stop: server.stop.clone(),
            connections: server.connections.clone(),
            faults: server.faults.clone(),
        };
        server.connections.spawn(accept.run(listener));
        Ok(server)
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.api.store
    }

    /// The faults between this server and its clients.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Creates a token for a user with these groups. "system:masters" has all rights.
    pub fn access(&self, context: &str, user: &str, groups: &[&str]) -> Access {
        let token = self.api.store.new_token();
        self.api.users.add(&token, User::new(user, groups));
        Access {
            context: context.to_owned(),
            url: self.url.clone(),
            ca: self.tls.as_ref().map(|tls| tls.ca_base64().to_string()),
            user: user.to_owned(),
            token,
        }
    }

    /// Closes the listener and all connections.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.connections.close();
        self.connections.wait().await;
    }
}

/// State that the accept loop shares with its connections.
#[derive(Clone)]
struct Accept {
    api: Arc<Api>,
    tls: Option<Tls>,
    stop: CancellationToken,
    connections: TaskTracker,
    faults: Faults,
}

/// Faults that also affect the store: its clock, and its history at a restart.
fn faults_of(store: &Arc<Store>) -> Faults {
    let faults = Faults::default();
    let store = store.clone();
    let seen = AtomicU64::new(0);
    faults.listen(move |state| {
        store.clock().set_skew(state.skew());
        if seen.swap(state.restarts, Ordering::Relaxed) != state.restarts {
            store.compact();
        }
    });
    faults
}

impl Accept {
    async fn run(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            match accepted {
                Ok((socket, _)) => {
                    self.connections.spawn(self.clone().connection(socket));
                }
                // Probably out of file descriptors: wait for other connections to close.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn connection(self, socket: TcpStream) {
        // Watches send small pieces that must not be delayed.
        let _ = socket.set_nodelay(true);
        let stop = self.stop.clone();
        let socket = FaultyStream::new(socket, &self.faults);
        let serve = async {
            match self.tls.clone() {
                None => self.serve(socket).await,
                Some(tls) => {
                    // A client that does not speak TLS is dropped.
                    if let Ok(socket) = tls.accept(socket).await {
                        self.serve(socket).await;
                    }
                }
            }
        };
        tokio::select! {
            () = serve => {}
            () = stop.cancelled() => {}
        }
    }

    async fn serve(self, io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let (api, faults) = (self.api, self.faults);
        let service = service_fn(move |request| {
            let (api, faults) = (api.clone(), faults.clone());
            async move { Ok::<_, Infallible>(respond(&api, &faults, request).await) }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        // Errors are the client's: it disconnected or did not send HTTP.
        let _ = builder.serve_connection(TokioIo::new(io), service).with_upgrades().await;
    }
}

/// Reads the body, calls the handler, and sets `Date` by the cluster's clock.
async fn respond(api: &Arc<Api>, faults: &Faults, request: Request<Incoming>) -> Answer {
    let packs = request.headers().get(header::ACCEPT_ENCODING).is_some_and(accepts_gzip);
    let mut answer = match read(request).await {
        Ok(call) => {
            let info = RequestInfo::parse(&call.method, &call.path, &call.query);
            let watch = inject::is_watch(&call, &info);
            let answer =
                match inject::intercept(faults, &call, &info, async { Some(api.user(&call).ok()?.name) })
                    .await
                {
                    Some(answer) => answer,
                    None => api.answer(call).await,
                };
            let large = answer.extensions().get::<Large>().is_some();
            inject::wrap(faults, if packs && large { body::gzip(answer) } else { answer }, watch)
        }
        Err(status) => status.into(),
    };
    let date = api.store.clock().now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        answer.headers_mut().insert(header::DATE, date);
    }
    answer
}

/// Like a real API server, reads names only and no weights.
fn accepts_gzip(header: &HeaderValue) -> bool {
    header.to_str().is_ok_and(|names| names.split(',').any(|name| name.trim() == "gzip"))
}

/// Reads a whole request.
pub(super) async fn read(mut request: Request<Incoming>) -> Result<Call, Status> {
    let upgrade = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            let text = format!("Request entity too large: limit is {MAX_BODY}");
            return Status::failure(413, "RequestEntityTooLarge", text).with_details(Default::default());
        }
        Status::bad_request(format!("unable to read the request body: {error}"))
    })?;
    let mut call =
        Call::new(parts.method, parts.uri.path(), parts.uri.query(), parts.headers, body.to_bytes());
    call.upgrade = upgrade;
    Ok(call)
}
