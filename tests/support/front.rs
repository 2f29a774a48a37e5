//! A proxy on loopback in front of an API server: it can lead to another cluster, forbid, hide and break paths, and be a slow link.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderValue, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use khud_sim::Sim;
use khud_sim::api::wire::kubeconfig::Access;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What happens to requests instead of their being passed on.
#[derive(Clone, Debug)]
pub enum Fate {
    /// A `Status` of the API server.
    Status(u16, &'static str),
}

/// A request as a rule sees it.
pub struct Asked<'a> {
    pub path: &'a str,
    pub query: &'a str,
}

type Rule = Box<dyn Fn(&Asked<'_>) -> Option<Fate> + Send + Sync>;

pub struct Front {
    pub url: String,
    upstream: Mutex<Access>,
    rule: Mutex<Rule>,
    /// The path that the API server lies below; empty at first.
    below: Mutex<String>,
    /// Bumped to drop every connection.
    cut: watch::Sender<u64>,
    /// Bytes a second for all answers together; 0 without a limit.
    rate: AtomicU64,
    /// Taken while a piece of an answer is on the link.
    link: tokio::sync::Mutex<()>,
    /// Bytes of answers so far, as they were on the link.
    passed: AtomicU64,
}

impl Front {
    pub async fn start(sim: &Sim) -> Arc<Front> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Arc::new(Front {
            url: format!("http://{}", listener.local_addr().unwrap()),
            upstream: Mutex::new(access(sim)),
            rule: Mutex::new(Box::new(|_| None)),
            below: Mutex::default(),
            cut: watch::Sender::new(0),
            rate: AtomicU64::new(0),
            link: tokio::sync::Mutex::default(),
            passed: AtomicU64::new(0),
        });
        tokio::spawn(accept(front.clone(), listener));
        front
    }

    /// From now on another cluster answers here; open connections break.
    pub fn lead_to(&self, sim: &Sim) {
        *self.upstream.lock().unwrap() = access(sim);
        self.cut();
    }

    /// Decides what happens to requests from now on.
    pub fn rule(&self, rule: impl Fn(&Asked<'_>) -> Option<Fate> + Send + Sync + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// From now on the API server is found only below this path.
    pub fn below(&self, path: &str) {
        *self.below.lock().unwrap() = path.to_owned();
    }

    /// From now on all answers share a link of so many bytes a second.
    pub fn slow(&self, rate: u64) {
        self.rate.store(rate, Relaxed);
    }

    /// Bytes of answers so far.
    pub fn passed(&self) -> u64 {
        self.passed.load(Relaxed)
    }

    /// Waits as long as the bytes are on the link.
    async fn pass(&self, bytes: usize) {
        let bytes = bytes as u64;
        let rate = self.rate.load(Relaxed);
        if rate > 0 {
            let _link = self.link.lock().await;
            tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / rate as f64)).await;
        }
        self.passed.fetch_add(bytes, Relaxed);
    }

    pub fn cut(&self) {
        self.cut.send_modify(|n| *n += 1);
    }

    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self, context: &str) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": context,
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        })
        .to_string()
    }
}

fn access(sim: &Sim) -> Access {
    sim.access("any", "admin", &["system:masters"])
}

async fn accept(front: Arc<Front>, listener: TcpListener) {
    while let Ok((socket, _)) = listener.accept().await {
        let front = front.clone();
        tokio::spawn(async move {
            let mut cut = front.cut.subscribe();
            let service = service_fn(|request| pass(front.clone(), request));
            let serve =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
            tokio::select! {
                // A client that hangs up is no failure of the proxy.
                _ = serve => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn pass(front: Arc<Front>, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let below = front.below.lock().unwrap().clone();
    let whole = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let Some(rest) = whole.strip_prefix(&below) else { return Ok(answer(404, "not below the path".into())) };
    *request.uri_mut() = rest.parse().unwrap();
    let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or("").to_owned());
    let asked = Asked { path: &path, query: &query };
    let fate = (front.rule.lock().unwrap())(&asked);
    match fate {
        Some(Fate::Status(code, reason)) => {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                "reason": reason, "message": format!("{path}: {reason}")});
            return Ok(answer(code, status.to_string()));
        }
        None => {}
    }
    let upstream = front.upstream.lock().unwrap().clone();
    let token = HeaderValue::from_str(&format!("Bearer {}", upstream.token)).unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, token);
    let address = upstream.url.trim_start_matches("http://");
    let sent = async {
        let stream = TcpStream::connect(address).await.ok()?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        sender.send_request(request).await.ok()
    };
    Ok(match sent.await {
        Some(response) => response.map(|body| {
            let pieces = body.into_data_stream().then(move |piece| {
                let front = front.clone();
                async move {
                    let piece = piece.map_err(std::io::Error::other)?;
                    front.pass(piece.len()).await;
                    Ok(Frame::data(piece))
                }
            });
            StreamBody::new(pieces).boxed_unsync()
        }),
        None => answer(502, "no upstream".into()),
    })
}

fn answer(code: u16, body: String) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
