//! Carries out what `world::ask` describes: single requests, logs, proxies, rights and discovery.

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

/// No single answer khud asks for comes near this; what does is not read to its end.
pub(super) const LIMIT: usize = 64 << 20;
/// A log tail's.
const LOG_LIMIT: usize = 4 << 20;

/// Where a proxied request goes, by way of the API server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Behind {
    Pod {
        namespace: String,
        name: String,
        port: u16,
    },
    /// One pod behind it answers; never for readings of each node.
    Service {
        namespace: String,
        name: String,
        port: String,
    },
    /// The kubelet (`port` `None`) or any port of the node.
    Node {
        name: String,
        port: Option<u16>,
    },
}

impl Behind {
    fn path(&self, path: &str) -> String {
        let rest = path.trim_start_matches('/');
        match self {
            Behind::Pod { namespace, name, port } => {
                let (ns, name) = (segment(namespace), segment(name));
                format!("/api/v1/namespaces/{ns}/pods/{name}:{port}/proxy/{rest}")
            }
            Behind::Service { namespace, name, port } => {
                let (ns, name, port) = (segment(namespace), segment(name), segment(port));
                format!("/api/v1/namespaces/{ns}/services/{name}:{port}/proxy/{rest}")
            }
            Behind::Node { name, port } => {
                let port = port.map(|p| format!(":{p}")).unwrap_or_default();
                format!("/api/v1/nodes/{}{port}/proxy/{rest}", segment(name))
            }
        }
    }
}

/// What a proxy brought back. 503 with a `Status` body means the API server could not reach what is behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    pub status: u16,
    pub body: Bytes,
}

impl Fetched {
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text, invalid bytes replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Why it is not ok, in a sentence.
    pub fn why(&self) -> String {
        match Refusal::parse(&self.body) {
            Some(r) if !r.message.is_empty() => tidy(&r.message, 300),
            _ => format!("HTTP {}: {}", self.status, title(&self.body)),
        }
    }
}

/// An action one may or may not be allowed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Action {
    pub verb: String,
    pub group: String,
    /// Plural, as in URLs.
    pub resource: String,
    pub subresource: String,
    /// Empty: in all namespaces, or cluster-scoped.
    pub namespace: String,
    /// Empty: any.
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
    /// The authoriser's words; where it has none and refuses, which right is missing.
    pub reason: String,
}

/// `/version`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Version {
    pub git_version: String,
    pub major: String,
    pub minor: String,
    pub platform: String,
}

impl Version {
    /// The minor version as a number (`33` of `v1.33.2`); providers append to it (`27+`).
    pub fn minor(&self) -> u32 {
        self.minor.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
    }
}

impl Connection {
    /// Whether there is a Kubernetes API that answers and knows who asks.
    ///
    /// # Errors
    /// A sentence for each way this fails: unreachable, TLS, 401, 403, something else in its place.
    pub async fn check(&self) -> Result<Version, Failure> {
        let (status, body) = self.get("/version", LIMIT).await?;
        match status {
            200 => serde_json::from_slice(&body).map_err(|_| self.not_kubernetes(200, &body)),
            401 => Err(Failure::Credentials(match self.lapsed() {
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
            // Some clusters keep even the version to themselves; that is an answer of a living API server.
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

    /// One request. Any status of the API server is an answer.
    ///
    /// # Errors
    /// Where no answer came, or one from something other than the API server.
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

    /// The last lines of a container's log, as the kubelet sent them (bytes, at most 4 MiB).
    ///
    /// # Errors
    /// Where no answer came, or the API server refused (`Refused`, with its words).
    pub async fn log_tail(&self, log: &LogTail) -> Result<Bytes, Failure> {
        let path = log_path(log, &format!("&limitBytes={LOG_LIMIT}"));
        let (status, body) = self.get(&path, LOG_LIMIT + 4096).await?;
        if (200..300).contains(&status) { Ok(body) } else { Err(self.refused(status, &body)) }
    }

    /// A log as it grows, with the kubelet's times, from `log.tail` lines before its end but nothing older than
    /// `since` seconds. Ends when the container does, at once for a run that is over; dropping it hangs up.
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
    /// Where the API server gave no answer in time; whatever it or the one behind it answered is `Fetched`.
    pub async fn proxy_get(&self, behind: &Behind, path: &str, within: Duration) -> Result<Fetched, Failure> {
        let request = self.request(Request::get(behind.path(path)), Vec::new())?;
        let fetch = async {
            let response = self.send(request, within).await?;
            let status = response.status().as_u16();
            Ok(Fetched { status, body: self.collect(response, LIMIT).await? })
        };
        tokio::time::timeout(within, fetch)
            .await
            .map_err(|_| Failure::TimedOut { server: self.server().to_owned(), after: within })?
    }

    /// Whether one may do it: a SelfSubjectAccessReview, which changes nothing.
    ///
    /// # Errors
    /// Where no answer came or the review itself was refused.
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

    /// Who the server takes the operator for: a SelfSubjectReview (from 1.28 on), which changes nothing.
    ///
    /// # Errors
    /// Where no answer came, or the server does not say.
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
        let request = self.request(Request::get(path), Vec::new())?;
        let response = self.send(request, self.request_timeout()).await?;
        let status = response.status().as_u16();
        Ok((status, self.collect(response, limit).await?))
    }

    pub(super) fn request(
        &self,
        builder: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Request<Vec<u8>>, Failure> {
        builder.body(body).map_err(|e| Failure::Protocol(format!("that is no request one can send ({e})")))
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

    /// Reads a body whole, as long as it keeps coming.
    pub(super) async fn collect(&self, response: Response<Body>, limit: usize) -> Result<Bytes, Failure> {
        let (mut body, mut out) = (response.into_body(), bytes::BytesMut::new());
        let stall = self.request_timeout();
        loop {
            let frame = tokio::time::timeout(stall, body.frame())
                .await
                .map_err(|_| Failure::TimedOut { server: self.server().to_owned(), after: stall })?;
            match frame {
                None => return Ok(out.freeze()),
                Some(Err(e)) => return Err(Failure::of(e, self.server())),
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

/// A stream of bytes from the server.
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
                Err(e) => return Some(Err(Failure::of(e, &self.server))),
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

/// Percent-encodes all that is not unreserved (RFC 3986): one path segment or query value, whatever is in it.
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
        let behind = Behind::Pod { namespace: "a/../b".into(), name: "p?x#y".into(), port: 9400 };
        assert_eq!(
            behind.path("/metrics"),
            "/api/v1/namespaces/a%2F..%2Fb/pods/p%3Fx%23y:9400/proxy/metrics"
        );
        assert_eq!(
            Behind::Node { name: "n".into(), port: Some(10256) }.path("healthz"),
            "/api/v1/nodes/n:10256/proxy/healthz"
        );
    }
}
