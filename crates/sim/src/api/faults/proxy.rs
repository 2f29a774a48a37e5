//! A proxy on loopback that applies the same faults in front of any API server.
use super::Faults;
use super::inject::{self, FaultyStream};
use crate::api::handler::Call;
use crate::api::meta::status::Status;
use crate::api::server;
use crate::api::wire::body::{Answer, full, json};
use crate::api::wire::request::RequestInfo;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::fmt::rfc2822::DateTimeParser;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

/// The API server behind the proxy.
#[derive(Clone)]
struct Upstream {
    host: String,
    port: u16,
    tls: Option<TlsConnector>,
}

/// A running proxy. Clients speak plain HTTP to it. Bearer tokens pass through; client certificates do not.
pub struct FaultProxy {
    url: String,
    faults: Faults,
    stop: CancellationToken,
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

impl FaultProxy {
    /// Listens on a free loopback port in front of `upstream` (`http://…` or `https://…`). `ca_pem` is the
    /// authority that signed the upstream's certificate.
    pub async fn start(upstream: &str, ca_pem: Option<&str>) -> io::Result<FaultProxy> {
        let uri: Uri = upstream.parse().map_err(|e| invalid(format!("{upstream:?} is no URL: {e}")))?;
        let host = uri.host().ok_or_else(|| invalid(format!("{upstream:?} names no host")))?.to_string();
        let https = uri.scheme_str() == Some("https");
        let tls = https.then(|| connector(ca_pem)).transpose()?;
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let upstream = Upstream { host, port, tls };
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (faults, stop) = (Faults::default(), CancellationToken::new());
        let proxy = Proxy { upstream, faults: faults.clone(), begin: Mutex::default() };
        tokio::spawn(Arc::new(proxy).accept(listener, stop.clone()));
        Ok(FaultProxy { url, faults, stop })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

fn connector(ca_pem: Option<&str>) -> io::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.unwrap_or_default().as_bytes()) {
        let certificate =
            certificate.map_err(|e| invalid(format!("the authority's PEM cannot be read: {e}")))?;
        roots
            .add(certificate)
            .map_err(|e| invalid(format!("the authority's certificate is unusable: {e}")))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| invalid(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// State shared by all connections.
struct Proxy {
    upstream: Upstream,
    faults: Faults,
    begin: Mutex<Begin>,
}

/// The start of the history since the last restart.
#[derive(Default)]
struct Begin {
    restarts: u64,
    version: u64,
}

impl Proxy {
    async fn accept(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let Ok((socket, _)) = accepted else { continue };
            let _ = socket.set_nodelay(true);
            let (proxy, stop) = (self.clone(), stop.clone());
            tokio::spawn(async move {
                let io = TokioIo::new(FaultyStream::new(socket, &proxy.faults));
                let service = service_fn(move |request| {
                    let proxy = proxy.clone();
                    async move { Ok::<_, Infallible>(proxy.respond(request).await) }
                });
                let mut builder = hyper::server::conn::http1::Builder::new();
                let serve = builder.timer(TokioTimer::new()).serve_connection(io, service).with_upgrades();
                tokio::select! {
                    _ = serve => {}
                    () = stop.cancelled() => {}
                }
            });
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Answer {
        let call = match server::read(request).await {
            Ok(call) => call,
            Err(status) => return status.into(),
        };
        let info = RequestInfo::parse(&call.method, &call.path, &call.query);
        let watch = inject::is_watch(&call, &info);
        let mut answer = match inject::intercept(&self.faults, &call, &info, self.who(&call)).await {
            Some(answer) => answer,
            None if watch && self.has_forgotten(&call).await => inject::gone_watch(),
            None => forward(&self.upstream, call).await.unwrap_or_else(|error| {
                json(
                    502,
                    Status::failure(502, "BadGateway", format!("the API server cannot be reached: {error}"))
                        .to_json(),
                )
            }),
        };
        skew(&mut answer, &self.faults);
        inject::wrap(&self.faults, answer, watch)
    }

    /// The user of a request, as the upstream sees it.
    async fn who(&self, call: &Call) -> Option<String> {
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let review = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;
        let answer = self.ask(call, Method::POST, path, None, review).await?;
        Some(answer["status"]["userInfo"]["username"].as_str()?.to_string())
    }

    /// Whether a watch wants to resume from before the last restart. The upstream has not restarted and would
    /// remember, so its version at the first watch after the restart counts as the start of the history.
    async fn has_forgotten(&self, call: &Call) -> bool {
        let Ok(wanted) = call.query.get("resourceVersion").parse::<u64>() else { return false };
        let restarts = self.faults.now().restarts;
        let mut begin = self.begin.lock().await;
        if begin.restarts != restarts {
            let Some(list) = self.ask(call, Method::GET, &call.path, Some("limit=1"), "").await else {
                return false;
            };
            let version = list["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok());
            *begin = Begin { restarts, version: version.unwrap_or(0) };
        }
        (1..begin.version).contains(&wanted)
    }

    /// Asks the upstream with the credentials of `call`.
    async fn ask(
        &self,
        call: &Call,
        method: Method,
        path: &str,
        query: Option<&str>,
        body: &'static str,
    ) -> Option<Value> {
        let named = |name: &HeaderName| *name == AUTHORIZATION || name.as_str().starts_with("impersonate-");
        let mut headers: HeaderMap = call
            .headers
            .iter()
            .filter(|(name, _)| named(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let call = Call::new(method, path, query, headers, body.into());
        let answer = forward(&self.upstream, call).await.ok()?;
        serde_json::from_slice(&answer.into_body().collect().await.ok()?.to_bytes()).ok()
    }
}

/// The proxy can skew only the `Date` header of the upstream.
fn skew(answer: &mut Answer, faults: &Faults) {
    let by = faults.now().skew();
    let date = answer.headers().get(DATE).and_then(|d| d.to_str().ok());
    let Some(at) = date.and_then(|d| DateTimeParser::new().parse_timestamp(d).ok()) else { return };
    let Ok(at) = at.checked_add(by) else { return };
    if let Ok(date) = HeaderValue::from_str(&at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()) {
        answer.headers_mut().insert(DATE, date);
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn forward(upstream: &Upstream, call: Call) -> Result<Answer, Failure> {
    let socket = TcpStream::connect((upstream.host.as_str(), upstream.port)).await?;
    let _ = socket.set_nodelay(true);
    let path = if call.raw_query.is_empty() {
        call.path.clone()
    } else {
        format!("{}?{}", call.path, call.raw_query)
    };
    let mut request = Request::new(Full::new(call.body));
    *request.method_mut() = call.method;
    *request.uri_mut() = path.parse()?;
    *request.headers_mut() = call.headers;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&format!("{}:{}", upstream.host, upstream.port))?);
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    if !headers.contains_key(UPGRADE) {
        headers.remove(CONNECTION);
    }
    let response = match &upstream.tls {
        None => exchange(TokioIo::new(socket), request).await?,
        Some(tls) => {
            let name = ServerName::try_from(upstream.host.clone())?;
            exchange(TokioIo::new(tls.connect(name, socket).await?), request).await?
        }
    };
    Ok(pass(response, call.upgrade))
}

async fn exchange(
    io: impl hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    request: Request<Full<bytes::Bytes>>,
) -> Result<Response<Incoming>, Failure> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    // Ends with the response's body, which reports its errors.
    tokio::spawn(connection.with_upgrades());
    Ok(sender.send_request(request).await?)
}

/// Forwards the answer. An upgraded connection is copied in both directions.
fn pass(mut response: Response<Incoming>, upgrade: Option<hyper::upgrade::OnUpgrade>) -> Answer {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(client) = upgrade
    {
        let server = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            if let (Ok(client), Ok(server)) = tokio::join!(client, server) {
                let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
        let (parts, _) = response.into_parts();
        return Answer::from_parts(parts, full(""));
    }
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONNECTION);
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.remove(CONTENT_LENGTH);
    Answer::from_parts(parts, body.map_err(io::Error::other).boxed_unsync())
}
