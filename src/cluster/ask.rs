//! Sends the requests that `world::ask` describes: API calls, logs, proxied GETs and access reviews.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connect::Connection;
use super::error::{Failure, tidy, title};
use super::slim::Refusal;
use crate::world::Kind;
use crate::world::ask::{Answer, Call, LogTail};

/// Asks for a list without specs and statuses.
pub(super) const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// The largest response body that is read, in bytes. No answer khud asks for comes near it.
pub(super) const LIMIT: usize = 64 << 20;
/// The largest log tail that is read, in bytes.
const LOG_LIMIT: usize = 4 << 20;

/// The target of a request that goes through the API server's proxy.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ProxyBackend {
    Pod {
        namespace: String,
        name: String,
        port: u16,
    },
    /// Any one pod behind the service answers, so never read per-node values through it.
    Service {
        namespace: String,
        name: String,
        port: String,
    },
    /// The kubelet (`port` is `None`) or another port of the node.
    Node {
        name: String,
        port: Option<u16>,
    },
    /// The API server's own paths.
    Server,
}

impl ProxyBackend {
    fn path(&self, path: &str) -> String {
        let rest = path.trim_start_matches('/');
        match self {
            ProxyBackend::Pod { namespace, name, port } => {
                let (ns, name) = (segment(namespace), segment(name));
                format!("/api/v1/namespaces/{ns}/pods/{name}:{port}/proxy/{rest}")
            }
            ProxyBackend::Service { namespace, name, port } => {
                let (ns, name, port) = (segment(namespace), segment(name), segment(port));
                format!("/api/v1/namespaces/{ns}/services/{name}:{port}/proxy/{rest}")
            }
            ProxyBackend::Node { name, port } => {
                let port = port.map(|p| format!(":{p}")).unwrap_or_default();
                format!("/api/v1/nodes/{}{port}/proxy/{rest}", segment(name))
            }
            ProxyBackend::Server => format!("/{rest}"),
        }
    }
}

/// The answer of a proxied GET. Status 503 with a `Status` body means that the API server could not reach the
/// target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxyAnswer {
    pub status: u16,
    pub body: Bytes,
}

impl ProxyAnswer {
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text, invalid bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error as a sentence, for an answer that is not `ok`.
    pub fn why(&self) -> String {
        match Refusal::parse(&self.body) {
            Some(r) if !r.message.is_empty() => tidy(&r.message, 300),
            _ => format!("HTTP {}: {}", self.status, title(&self.body)),
        }
    }
}

/// A verb on a resource, as an access review takes it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Action {
    pub verb: String,
    pub group: String,
    /// The plural name, as in URLs.
    pub resource: String,
    pub subresource: String,
    /// Empty for all namespaces and for cluster-scoped resources.
    pub namespace: String,
    /// Empty for any name.
    pub name: String,
}

impl Action {
    pub fn new(verb: &str, kind: &Kind, namespace: &str) -> Action {
        Action {
            verb: verb.into(),
            group: kind.group().into(),
            resource: kind.plural().into(),
            namespace: namespace.into(),
            ..Action::default()
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Permission {
    pub allowed: bool,
    /// The authorizer's reason. Where it refuses without one, a sentence that names the missing right.
    pub reason: String,
}

/// The answer of `/version`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Version {
    pub git_version: String,
    pub major: String,
    pub minor: String,
    pub platform: String,
}

impl Version {
    /// The minor version as a number: 33 for `v1.33.2`. Providers append to it (`27+`).
    pub fn minor(&self) -> u32 {
        self.minor.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
    }
}

impl Connection {
    /// Checks that a Kubernetes API answers and accepts the credentials.
    ///
    /// # Errors
    /// One sentence for each failure: unreachable, TLS, 401, or an answer that is not the Kubernetes API.
    pub async fn check(&self) -> Result<Version, Failure> {
        let (status, body) = self.get("/version", LIMIT).await?;
        match status {
            200 => serde_json::from_slice(&body).map_err(|_| self.not_kubernetes(200, &body)),
            401 => Err(Failure::Credentials(match self.expired() {
                Some(why) => format!(
                    "{} does not accept the credentials of the context {} (HTTP 401): {why}. Log in again, then try again",
                    self.server(),
                    self.context()
                ),
                None => format!(
                    "{} does not accept the credentials of the context {} (HTTP 401): log in again, then try again",
                    self.server(),
                    self.context()
                ),
            })),
            // Some clusters forbid even `/version`. A 403 with a `Status` body still proves a live API
            // server.
            403 if Refusal::parse(&body).is_some() => Ok(Version::default()),
            _ => match Refusal::parse(&body) {
                Some(r) => Err(Failure::Refused(r)),
                None => Err(self.not_kubernetes(status, &body)),
            },
        }
    }

    pub(super) fn not_kubernetes(&self, status: u16, body: &[u8]) -> Failure {
        Failure::NotKubernetes { server: self.server().to_owned(), status, title: title(body) }
    }

    /// Sends one request. Every status from the API server is an answer, not an error.
    ///
    /// # Errors
    /// No answer came, or the answer is not from the API server.
    pub async fn call(&self, call: Call) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(call.verb.as_str())
            .uri(&call.path)
            .header(header::ACCEPT, "application/json");
        if !call.content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, &*call.content_type);
        }
        let body = call.body.as_ref().map(|b| b.to_string().into_bytes()).unwrap_or_default();
        let response = self.send(self.request(request, body)?, self.request_timeout()).await?;
        let (status, html) = (response.status().as_u16(), is_html(&response));
        let body = self.collect(response, LIMIT).await?;
        if html {
            return Err(self.not_kubernetes(status, &body));
        }
        let body = match serde_json::from_slice(&body) {
            Ok(json) => json,
            Err(_) => Value::String(String::from_utf8_lossy(&body).into_owned()),
        };
        Ok(Answer { status, body })
    }

    /// The last lines of a container's log, as the kubelet sent them: bytes, at most 4 MiB.
    ///
    /// # Errors
    /// No answer came, or the API server refused (`Refused`, with its message).
    pub async fn log_tail(&self, log: &LogTail) -> Result<Bytes, Failure> {
        let path = log_path(log, &format!("&limitBytes={LOG_LIMIT}"));
        let (status, body) = self.get(&path, LOG_LIMIT + 4096).await?;
        if (200..300).contains(&status) { Ok(body) } else { Err(self.refused(status, &body)) }
    }

    /// Follows a log with the kubelet's timestamps. It starts `log.tail` lines before the end, with nothing
    /// older than `since` seconds. The stream ends when the container does; the log of a previous run ends at
    /// once. Dropping the stream closes the connection.
    ///
    /// # Errors
    /// As `log_tail`.
    pub async fn log_stream(&self, log: &LogTail, since: Option<u64>) -> Result<Chunks, Failure> {
        let follow = if log.previous { "" } else { "&follow=true" };
        let more = format!("{follow}&timestamps=true{}", since_query(since));
        let request = self.request(Request::get(log_path(log, &more)), Vec::new())?;
        let response = self.send(request, self.request_timeout()).await?;
        let status = response.status();
        if !status.is_success() {
            let body = self.collect(response, LIMIT).await?;
            return Err(self.refused(status.as_u16(), &body));
        }
        Ok(Chunks { body: response.into_body(), server: self.server().to_owned() })
    }

    /// GETs a path of a pod, service or node through the API server's proxy.
    ///
    /// # Errors
    /// The API server gave no answer within `within`. Any answer, of the API server or of the target, is
    /// `ProxyAnswer`.
    pub async fn proxy_get(
        &self,
        target: &ProxyBackend,
        path: &str,
        within: Duration,
    ) -> Result<ProxyAnswer, Failure> {
        let request = self.request(Request::get(target.path(path)), Vec::new())?;
        let fetch = async {
            let response = self.send(request, within).await?;
            let status = response.status().as_u16();
            Ok(ProxyAnswer { status, body: self.collect(response, LIMIT).await? })
        };
        tokio::time::timeout(within, fetch)
            .await
            .map_err(|_| Failure::TimedOut { server: self.server().to_owned(), after: within })?
    }

    /// Asks whether the user may do `action`, with a SelfSubjectAccessReview. The review changes nothing.
    ///
    /// # Errors
    /// No answer came, or the API server refused the review.
    pub async fn can(&self, action: &Action) -> Result<Permission, Failure> {
        let attributes = json!({
            "verb": action.verb, "group": action.group, "resource": action.resource,
            "subresource": action.subresource, "namespace": action.namespace, "name": action.name,
        });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": attributes },
        });
        let answer = self
            .call(Call {
                verb: crate::world::ask::Verb::Post,
                path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".into(),
                content_type: "application/json".into(),
                body: Some(review),
            })
            .await?;
        if !answer.ok() {
            return Err(Failure::Refused(Refusal {
                code: answer.status,
                message: tidy(&answer.message(), 300),
                ..Refusal::default()
            }));
        }
        let allowed = answer.body["status"]["allowed"].as_bool().unwrap_or(false);
        let mut reason = tidy(answer.body["status"]["reason"].as_str().unwrap_or(""), 300);
        if !allowed && reason.is_empty() {
            reason = missing_right(action);
        }
        Ok(Permission { allowed, reason })
    }

    /// The user name the server sees, from a SelfSubjectReview (Kubernetes 1.28 and newer). The review
    /// changes nothing.
    ///
    /// # Errors
    /// No answer came, or the server does not serve the review.
    pub async fn whoami(&self) -> Result<String, Failure> {
        let answer = self
            .call(Call {
                verb: crate::world::ask::Verb::Post,
                path: "/apis/authentication.k8s.io/v1/selfsubjectreviews".into(),
                content_type: "application/json".into(),
                body: Some(json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})),
            })
            .await?;
        match answer.body["status"]["userInfo"]["username"].as_str() {
            Some(user) if answer.ok() => Ok(tidy(user, 100)),
            _ => Err(Failure::Refused(Refusal {
                code: answer.status,
                message: tidy(&answer.message(), 300),
                ..Refusal::default()
            })),
        }
    }

    pub(super) async fn get(&self, path: &str, limit: usize) -> Result<(u16, Bytes), Failure> {
        self.fetch(Request::get(path), limit).await
    }

    /// Lists the metadata of the objects at a path.
    pub(super) async fn list_metadata(&self, path: &str) -> Result<(u16, Bytes), Failure> {
        self.fetch(Request::get(path).header(header::ACCEPT, METADATA_LIST), LIMIT).await
    }

    async fn fetch(&self, builder: http::request::Builder, limit: usize) -> Result<(u16, Bytes), Failure> {
        let request = self.request(builder, Vec::new())?;
        let response = self.send(request, self.request_timeout()).await?;
        let status = response.status().as_u16();
        Ok((status, self.collect(response, limit).await?))
    }

    pub(super) fn request(
        &self,
        builder: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Request<Vec<u8>>, Failure> {
        builder.body(body).map_err(|e| Failure::Protocol(format!("the request is not valid HTTP ({e})")))
    }

    pub(super) fn refused(&self, status: u16, body: &[u8]) -> Failure {
        match Refusal::parse(body) {
            Some(r) => Failure::Refused(r),
            None if body.starts_with(b"<") => self.not_kubernetes(status, body),
            None => {
                let message = tidy(&String::from_utf8_lossy(&body[..body.len().min(2048)]), 300);
                Failure::Refused(Refusal { code: status, message, ..Refusal::default() })
            }
        }
    }

    /// Reads a whole body. The timeout applies to each frame, not to the whole, so that a slow large list can
    /// finish.
    pub(super) async fn collect(&self, response: Response<Body>, limit: usize) -> Result<Bytes, Failure> {
        let (mut body, mut out) = (response.into_body(), bytes::BytesMut::new());
        let stall = self.request_timeout();
        loop {
            let frame = tokio::time::timeout(stall, body.frame())
                .await
                .map_err(|_| Failure::TimedOut { server: self.server().to_owned(), after: stall })?;
            match frame {
                None => return Ok(out.freeze()),
                Some(Err(e)) => return Err(Failure::from_response(e, self.server())),
                Some(Ok(frame)) => {
                    self.pulse().beat();
                    if let Some(data) = frame.data_ref() {
                        if out.len() + data.len() > limit {
                            return Err(Failure::TooLarge { limit });
                        }
                        out.extend_from_slice(data);
                    }
                }
            }
        }
    }
}

/// A response body that is read as it arrives.
#[derive(Debug)]
pub struct Chunks {
    body: Body,
    server: String,
}

impl Chunks {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        loop {
            match self.body.frame().await? {
                Err(e) => return Some(Err(Failure::from_response(e, &self.server))),
                Ok(frame) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Some(Ok(data));
                    }
                }
            }
        }
    }
}

pub(super) fn is_html(response: &Response<Body>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    kind.is_some_and(|k| k.to_ascii_lowercase().starts_with("text/html"))
}

fn missing_right(a: &Action) -> String {
    let mut what = a.resource.clone();
    if !a.subresource.is_empty() {
        let _ = write!(what, "/{}", a.subresource);
    }
    if !a.group.is_empty() {
        let _ = write!(what, ".{}", a.group);
    }
    let scope = if a.namespace.is_empty() { "the cluster" } else { &a.namespace };
    format!("no role gives you the right to {} {what} in {scope}", a.verb)
}

fn since_query(since: Option<u64>) -> String {
    since.map(|s| format!("&sinceSeconds={s}")).unwrap_or_default()
}

fn log_path(log: &LogTail, more: &str) -> String {
    let mut path = format!(
        "/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines={}{more}",
        segment(&log.namespace),
        segment(&log.pod),
        segment(&log.container),
        log.tail
    );
    if log.previous {
        path.push_str("&previous=true");
    }
    path
}

/// Percent-encodes every byte that is not unreserved in RFC 3986, for one path segment or query value.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(b)),
            _ => {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_a_path() {
        let behind = ProxyBackend::Pod { namespace: "a/../b".into(), name: "p?x#y".into(), port: 9400 };
        assert_eq!(
            behind.path("/metrics"),
            "/api/v1/namespaces/a%2F..%2Fb/pods/p%3Fx%23y:9400/proxy/metrics"
        );
        assert_eq!(
            ProxyBackend::Node { name: "n".into(), port: Some(10256) }.path("healthz"),
            "/api/v1/nodes/n:10256/proxy/healthz"
        );
    }
}
