//! A small API server for the engine's tests: pods in a map, lists and watches over HTTP, and every fault on demand.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What a request gets instead of a proper answer.
#[derive(Clone, Debug)]
pub struct Canned {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Canned {
    pub fn status(code: u16, reason: &str, message: &str) -> Canned {
        let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "reason": reason, "message": message});
        Canned {
            status: code,
            headers: vec![("content-type", "application/json".into())],
            body: body.to_string(),
        }
    }

    pub fn html(code: u16) -> Canned {
        Canned {
            status: code,
            headers: vec![("content-type", "text/html; charset=utf-8".into())],
            body: "<html><head><title>Sign in to corp</title></head></html>".into(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Streaming {
    Yes,
    /// 422, as a server with the feature off.
    Refused,
    /// The parameters are ignored, as by a server that never heard of them: objects, but no bookmark.
    Ignored,
}

/// The faults that are on.
#[derive(Clone, Debug)]
pub struct Faults {
    pub streaming: Streaming,
    /// Every request except those for the version and the cluster's identity gets this.
    pub answer: Option<Canned>,
    /// Only watches from a version get this.
    pub watch_answer: Option<Canned>,
    /// Lists and watches of the whole cluster are forbidden; those of these namespaces are not.
    pub allowed: Option<Vec<String>>,
    /// … but the namespaces' names may be listed.
    pub namespaces: bool,
    /// Versions up to here are compacted away; a watch from one gets 410 in the stream.
    pub compacted: u64,
    /// Watches close after so many bytes, in the middle of a line.
    pub cut_after: Option<usize>,
    pub bookmarks: bool,
    /// Only this bearer token is accepted.
    pub token: Option<String>,
    /// Added to the `Date` of answers, in seconds.
    pub skew: i64,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults {
            streaming: Streaming::Yes,
            answer: None,
            watch_answer: None,
            allowed: None,
            namespaces: false,
            compacted: 0,
            cut_after: None,
            bookmarks: true,
            token: None,
            skew: 0,
        }
    }
}

#[derive(Default)]
struct Store {
    version: u64,
    pods: BTreeMap<(String, String), Value>,
    /// (version, type, object)
    log: Vec<(u64, &'static str, Value)>,
    /// Whole watch streams served as they are, by path.
    scripts: BTreeMap<String, String>,
}

pub struct Server {
    pub url: String,
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    changed: watch::Sender<u64>,
    /// Answers and streams stand still, connections stay open.
    frozen: watch::Sender<bool>,
    /// Watches stand still, all else goes on.
    deaf: AtomicBool,
    /// Bumped to drop every connection at once.
    reset: watch::Sender<u64>,
    pub lists: AtomicU64,
    pub watches: AtomicU64,
    pub requests: AtomicU64,
    /// Answered with 401.
    pub refused: AtomicU64,
    hits: Mutex<Vec<Instant>>,
    uid: AtomicU64,
}

impl Server {
    pub async fn start() -> Arc<Server> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Server {
            url: format!("http://{}", listener.local_addr().unwrap()),
            store: Mutex::default(),
            faults: Mutex::default(),
            changed: watch::channel(0).0,
            frozen: watch::channel(false).0,
            deaf: AtomicBool::new(false),
            reset: watch::channel(0).0,
            lists: AtomicU64::new(0),
            watches: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            hits: Mutex::default(),
            uid: AtomicU64::new(0),
        });
        tokio::spawn(accept(server.clone(), listener));
        server
    }

    pub fn kubeconfig(&self, token: Option<&str>) -> String {
        let user = token.map_or_else(|| json!({}), |t| json!({ "token": t }));
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
            "users": [{"name": "u", "user": user}],
        })
        .to_string()
    }

    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.lock().unwrap());
    }

    pub fn freeze(&self, on: bool) {
        self.frozen.send_replace(on);
    }

    pub fn deafen(&self, on: bool) {
        self.deaf.store(on, Ordering::SeqCst);
        self.changed.send_modify(|n| *n += 1);
    }

    /// Drops every open connection.
    pub fn reset(&self) {
        self.reset.send_modify(|n| *n += 1);
    }

    /// How often a fault was met, and the shortest time between two of those.
    pub fn hits(&self) -> (usize, Duration) {
        let hits = self.hits.lock().unwrap();
        (hits.len(), hits.windows(2).map(|w| w[1] - w[0]).min().unwrap_or(Duration::MAX))
    }

    fn hit(&self) {
        self.hits.lock().unwrap().push(Instant::now());
    }

    /// Serves a captured watch, as it is, to every watch of the path.
    pub fn script(&self, path: &str, lines: String) {
        self.store.lock().unwrap().scripts.insert(path.to_owned(), lines);
    }

    pub fn pods(&self) -> Vec<Value> {
        self.store.lock().unwrap().pods.values().cloned().collect()
    }

    /// Creates the pod, or changes it where it is.
    pub fn apply(&self, namespace: &str, name: &str, note: u64) {
        self.change(|s, version| {
            let key = (namespace.to_owned(), name.to_owned());
            let old = s.pods.get(&key);
            let uid = match old {
                Some(old) => old["metadata"]["uid"].as_str().unwrap().to_owned(),
                None => {
                    format!("00000000-0000-4000-8000-{:012x}", self.uid.fetch_add(1, Ordering::SeqCst) + 1)
                }
            };
            let kind = if old.is_some() { "MODIFIED" } else { "ADDED" };
            let pod = json!({
                "kind": "Pod", "apiVersion": "v1",
                "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": version.to_string(),
                    "managedFields": [{"manager": "m", "fieldsV1": {"f:x": {"é\"\\": {}}}}]},
                "spec": {"nodeName": format!("n{}", note % 7), "containers": [{"name": "c", "image": "i"}]},
                "status": {"phase": "Running", "message": note.to_string()},
            });
            s.pods.insert(key, pod.clone());
            (kind, pod)
        });
    }

    pub fn delete(&self, namespace: &str, name: &str) -> bool {
        let there = self.store.lock().unwrap().pods.contains_key(&(namespace.to_owned(), name.to_owned()));
        if there {
            self.change(|s, version| {
                let mut pod = s.pods.remove(&(namespace.to_owned(), name.to_owned())).unwrap();
                pod["metadata"]["resourceVersion"] = version.to_string().into();
                ("DELETED", pod)
            });
        }
        there
    }

    fn change(&self, f: impl FnOnce(&mut Store, u64) -> (&'static str, Value)) {
        let mut store = self.store.lock().unwrap();
        store.version += 1;
        let version = store.version;
        let (kind, object) = f(&mut store, version);
        store.log.push((version, kind, object));
        drop(store);
        self.changed.send_modify(|n| *n += 1);
    }
}

async fn accept(server: Arc<Server>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let server = server.clone();
        tokio::spawn(async move {
            let mut reset = server.reset.subscribe();
            reset.mark_unchanged();
            let service = service_fn(|request| {
                let server = server.clone();
                async move { Ok::<_, Infallible>(answer(server, request).await) }
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = connection => {}
                _ = reset.changed() => {}
            }
        });
    }
}

fn plain(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(body.into()).map_err(|e| match e {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}

fn canned(c: &Canned) -> Response<Body> {
    let mut response = plain(c.status, c.body.clone());
    for (name, value) in &c.headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

async fn thaw(server: &Server) {
    let mut frozen = server.frozen.subscribe();
    let _ = frozen.wait_for(|f| !f).await;
}

async fn answer(server: Arc<Server>, request: Request<Incoming>) -> Response<Body> {
    server.requests.fetch_add(1, Ordering::SeqCst);
    thaw(&server).await;
    let faults = server.faults.lock().unwrap().clone();
    let mut response = route(&server, request, &faults).await;
    if faults.skew != 0 {
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(faults.skew);
        let text = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        response.headers_mut().insert("date", text.parse().unwrap());
    }
    response
}

async fn route(server: &Arc<Server>, request: Request<Incoming>, faults: &Faults) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if let Some(token) = &faults.token {
        let sent = request.headers().get("authorization").and_then(|v| v.to_str().ok());
        if sent != Some(&format!("Bearer {token}")) {
            server.refused.fetch_add(1, Ordering::SeqCst);
            return canned(&Canned::status(401, "Unauthorized", "Unauthorized"));
        }
    }
    if path == "/version" {
        return plain(200, r#"{"gitVersion":"v1.36.2","major":"1","minor":"36"}"#);
    }
    if path == "/api/v1/namespaces/kube-system" {
        return canned(&Canned::status(404, "NotFound", "namespaces \"kube-system\" not found"));
    }
    if let Some(c) = &faults.answer {
        server.hit();
        return canned(c);
    }
    if path == "/api/v1/namespaces" {
        if !faults.namespaces {
            return canned(&Canned::status(403, "Forbidden", "namespaces is forbidden"));
        }
        let names: BTreeSet<String> =
            server.store.lock().unwrap().pods.keys().map(|(ns, _)| ns.clone()).collect();
        let items: Vec<Value> = names.iter().map(|ns| json!({"metadata": {"name": ns}})).collect();
        return plain(
            200,
            json!({"kind": "NamespaceList", "metadata": {"resourceVersion": "1"}, "items": items})
                .to_string(),
        );
    }
    let query: BTreeMap<String, String> = request
        .uri()
        .query()
        .unwrap_or("")
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    let namespace =
        path.strip_prefix("/api/v1/namespaces/").and_then(|p| p.strip_suffix("/pods")).map(str::to_owned);
    let allowed = |ns: Option<&str>| match (&faults.allowed, ns) {
        (None, _) => true,
        (Some(list), Some(ns)) => list.iter().any(|a| a == ns),
        (Some(_), None) => false,
    };
    if path.ends_with("/selfsubjectaccessreviews") {
        let asked: Value =
            serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
        let namespace = asked["spec"]["resourceAttributes"]["namespace"].as_str().filter(|ns| !ns.is_empty());
        let answer = json!({"kind": "SelfSubjectAccessReview", "status": {"allowed": allowed(namespace)}});
        return plain(201, answer.to_string());
    }
    let scripted = server.store.lock().unwrap().scripts.get(&path).cloned();
    let is_pods = path == "/api/v1/pods" || namespace.is_some();
    if !is_pods && scripted.is_none() {
        return plain(404, "404 page not found\n");
    }
    if !allowed(namespace.as_deref()) {
        let message = "pods is forbidden: User \"viewer\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
        return canned(&Canned::status(403, "Forbidden", message));
    }
    let watching = query.get("watch").is_some_and(|w| w == "true");
    let initial = query.contains_key("sendInitialEvents");
    if !watching || initial {
        server.lists.fetch_add(1, Ordering::SeqCst);
    } else {
        server.watches.fetch_add(1, Ordering::SeqCst);
        if let Some(c) = &faults.watch_answer {
            server.hit();
            return canned(c);
        }
    }
    if initial && faults.streaming == Streaming::Refused {
        return canned(&Canned::status(
            422,
            "Invalid",
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
        ));
    }
    if let Some(lines) = scripted.filter(|_| initial) {
        let open = futures::stream::once(async move { Ok(Frame::data(Bytes::from(lines))) })
            .chain(futures::stream::pending());
        return Response::new(BodyExt::boxed_unsync(StreamBody::new(open)));
    }
    if watching { stream(server, &query, namespace, faults) } else { list(server, &query, namespace) }
}

fn list(server: &Server, query: &BTreeMap<String, String>, namespace: Option<String>) -> Response<Body> {
    let store = server.store.lock().unwrap();
    let limit: usize = query.get("limit").and_then(|l| l.parse().ok()).unwrap_or(usize::MAX);
    let from: usize = query.get("continue").and_then(|c| c.split_once('.')?.0.parse().ok()).unwrap_or(0);
    // A token remembers the version its list was taken at; here a change in between makes it expire.
    let taken: u64 =
        query.get("continue").and_then(|c| c.split_once('.')?.1.parse().ok()).unwrap_or(store.version);
    if taken != store.version && from > 0 {
        return canned(&Canned::status(410, "Expired", "The provided continue parameter is too old"));
    }
    let all: Vec<&Value> = store
        .pods
        .iter()
        .filter(|((ns, _), _)| namespace.as_ref().is_none_or(|n| n == ns))
        .map(|(_, p)| p)
        .collect();
    let items: Vec<&&Value> = all.iter().skip(from).take(limit).collect();
    let next = if from + items.len() < all.len() {
        format!("{}.{}", from + items.len(), taken)
    } else {
        String::new()
    };
    let body = json!({"kind": "PodList", "apiVersion": "v1",
        "metadata": {"resourceVersion": taken.to_string(), "continue": next}, "items": items});
    plain(200, body.to_string())
}

fn line(kind: &str, object: &Value) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

fn stream(
    server: &Arc<Server>,
    query: &BTreeMap<String, String>,
    namespace: Option<String>,
    faults: &Faults,
) -> Response<Body> {
    let (server, faults) = (server.clone(), faults.clone());
    let from: Option<u64> = query.get("resourceVersion").and_then(|v| v.parse().ok());
    let seconds: u64 = query.get("timeoutSeconds").and_then(|v| v.parse().ok()).unwrap_or(300);
    let initial = from.is_none();
    let (tx, rx) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(64);
    tokio::spawn(async move {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(seconds);
        let mut changed = server.changed.subscribe();
        let mut sent = 0usize;
        let mut at = from.unwrap_or(0);
        let mut first = String::new();
        {
            let store = server.store.lock().unwrap();
            let gone = faults.compacted;
            if from.is_some_and(|v| v < gone) {
                server.hit();
                let status = json!({"kind": "Status", "code": 410, "reason": "Expired", "status": "Failure",
                    "message": format!("too old resource version: {at} ({gone})")});
                first = line("ERROR", &status);
            } else if initial {
                at = store.version;
                for ((ns, _), pod) in &store.pods {
                    if namespace.as_ref().is_none_or(|n| n == ns) {
                        first.push_str(&line("ADDED", pod));
                    }
                }
                if faults.streaming == Streaming::Yes {
                    first.push_str(&line("BOOKMARK", &json!({"kind": "Pod", "apiVersion": "v1", "metadata": {
                        "resourceVersion": at.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}}})));
                }
            }
        }
        let error = first.starts_with("{\"type\":\"ERROR\"");
        if !send(&server, &tx, &faults, &mut sent, first).await || error {
            return;
        }
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        loop {
            let mut out = String::new();
            tokio::select! {
                _ = tx.closed() => return,
                _ = tokio::time::sleep_until(deadline) => return,
                _ = changed.changed() => {}
                _ = beat.tick() => {
                    if faults.bookmarks && faults.streaming != Streaming::Ignored {
                        out = line("BOOKMARK", &json!({"kind": "Pod", "metadata": {"resourceVersion": at.to_string()}}));
                    }
                }
            }
            if server.deaf.load(Ordering::SeqCst) {
                continue;
            }
            {
                let store = server.store.lock().unwrap();
                let later = store.log.partition_point(|(v, ..)| *v <= at);
                for (version, kind, object) in &store.log[later..] {
                    at = *version;
                    if namespace.as_ref().is_none_or(|n| object["metadata"]["namespace"] == *n) {
                        out.push_str(&line(kind, object));
                    }
                }
            }
            if !send(&server, &tx, &faults, &mut sent, out).await {
                return;
            }
        }
    });
    let frames = futures::stream::unfold(rx, |mut rx| async move { rx.recv().await.map(|f| (f, rx)) });
    let mut response = Response::new(BodyExt::boxed_unsync(StreamBody::new(frames)));
    response.headers_mut().insert("content-type", "application/json".parse().unwrap());
    response
}

/// Sends text; false where the stream is over (cut by a fault, or the other side is gone).
async fn send(
    server: &Server,
    tx: &tokio::sync::mpsc::Sender<Result<Frame<Bytes>, std::io::Error>>,
    faults: &Faults,
    sent: &mut usize,
    mut text: String,
) -> bool {
    if text.is_empty() {
        return true;
    }
    thaw(server).await;
    let mut cut = false;
    if let Some(limit) = faults.cut_after
        && *sent + text.len() > limit
    {
        let mut keep = limit.saturating_sub(*sent);
        while !text.is_char_boundary(keep) {
            keep += 1;
        }
        text.truncate(keep);
        server.hit();
        cut = true;
    }
    *sent += text.len();
    let ok = tx.send(Ok(Frame::data(Bytes::from(text)))).await.is_ok();
    if cut {
        let _ = tx.send(Err(std::io::Error::other("cut"))).await;
    }
    ok && !cut
}
