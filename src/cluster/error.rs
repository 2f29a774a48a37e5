//! The errors between khud and a cluster. Each is a sentence: what was tried, what came back, what to do.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::certificate::Expiry;
use super::slim::Refusal;
use crate::world::Time;

/// Why there is no connection to a cluster.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConnectError {
    #[error(
        "no kubeconfig found: looked for {looked}, and this is not a pod. Write one, name it with --kubeconfig, or try `khud demo`"
    )]
    NoKubeconfig { looked: String },
    #[error("cannot read the kubeconfig {path}: {why}")]
    Unreadable { path: PathBuf, why: String },
    #[error("the kubeconfig {path} is not a valid kubeconfig: {why}")]
    Malformed { path: PathBuf, why: String },
    #[error("{}", unknown_context(name, near, *known))]
    UnknownContext { name: String, near: Vec<String>, known: usize },
    #[error("the kubeconfig's current-context is {name:?}, which it does not define{}", others(near, *known))]
    UnknownCurrentContext { name: String, near: Vec<String>, known: usize },
    #[error("the kubeconfig has no current context; name one with --context ({})", listed(contexts))]
    NoCurrentContext { contexts: Vec<String> },
    #[error("the context {context} of the kubeconfig cannot be used: {why}")]
    BadContext { context: String, why: String },
    #[error(
        "the credential plugin {command:?} of the kubeconfig is not installed (not found{}){}",
        if command.contains('/') { "" } else { " on the PATH" },
        hint(install)
    )]
    PluginMissing { command: String, install: String },
    #[error(
        "the credential plugin {command:?} failed: {why}. Run the plugin or kubectl by hand, then try again"
    )]
    PluginFailed { command: String, why: String },
    #[error("the connection was cancelled before the cluster answered")]
    GivenUp,
    #[error("the service account of this pod cannot be used: {why}")]
    InCluster { why: String },
    #[error("{0}")]
    Wire(#[from] Failure),
}

/// Why a request got no usable answer. An HTTP status from the API server is an answer, not a failure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    #[error("refused by --read-only: {0}. Start khud without it to make changes")]
    ReadOnly(String),
    #[error(
        "another cluster answers at {server}: its kube-system has the UID {found}, khud connected to {known}. khud shows nothing of it and sends it no changes"
    )]
    OtherCluster { server: String, known: String, found: String },
    /// A sentence about the kubeconfig's context, which names another cluster or user now.
    #[error("{0}")]
    Moved(String),
    #[error("cannot reach {server}: {why}")]
    Unreachable { server: String, why: String },
    #[error("no secure connection to {server}: {why}")]
    Tls { server: String, why: String },
    #[error("{0}")]
    Credentials(String),
    #[error("{server} did not answer within {} s", .after.as_secs_f32())]
    TimedOut { server: String, after: Duration },
    #[error("the connection to {server} broke: {why}")]
    Broken { server: String, why: String },
    #[error("{server} answered with something that is not the Kubernetes API (HTTP {status}{}); a proxy or a login page may be in between", titled(.title))]
    NotKubernetes { server: String, status: u16, title: String },
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("{} (HTTP {})", .0.message, .0.code)]
    Refused(Refusal),
    #[error("{0}")]
    Protocol(String),
}

fn unknown_context(name: &str, near: &[String], known: usize) -> String {
    format!("the kubeconfig has no context {name:?}{}", others(near, known))
}

/// Suggests similar context names.
fn others(near: &[String], known: usize) -> String {
    if near.is_empty() {
        format!("; `khud contexts` lists the {known} it has")
    } else {
        format!("; near: {}", near.join(", "))
    }
}

impl ConnectError {
    /// Whether the credential plugin is the cause.
    pub(super) fn of_plugin(&self) -> bool {
        matches!(self, ConnectError::PluginMissing { .. } | ConnectError::PluginFailed { .. })
    }
}

/// How requests reach the server. Errors use it to name the part that failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    pub server: String,
    /// The proxy's URL without its password.
    pub proxy: Option<String>,
    /// Whether the kubeconfig names the certificate authority of the server.
    pub authority: bool,
    /// `tls-server-name`.
    pub server_name: Option<String>,
    /// When the credentials expire.
    pub expiry: Option<Expiry>,
}

fn listed(contexts: &[String]) -> String {
    if contexts.is_empty() { "it has none".to_owned() } else { contexts.join(", ") }
}

fn hint(install: &str) -> String {
    if install.is_empty() { String::new() } else { format!(". {}", tidy(install, 300)) }
}

fn titled(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!(": {title}") }
}

/// Makes foreign text fit for a sentence: one line, at most `limit` characters, no control characters.
pub fn tidy(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.chars().count() > limit {
            return out.chars().take(limit).chain(['…']).collect();
        }
    }
    out
}

/// The title of an HTML page, else the start of the text. A proxy or login page can answer for the API
/// server.
pub fn title(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    let lower = text.to_ascii_lowercase();
    let inner = lower.find("<title>").and_then(|from| {
        let from = from + "<title>".len();
        lower[from..].find("</title>").map(|len| text[from..from + len].to_owned())
    });
    tidy(&inner.unwrap_or_else(|| text.into_owned()), 80)
}

impl Failure {
    /// Converts kube's error about a response that is under way.
    pub(super) fn from_response(error: kube::Error, server: &str) -> Failure {
        let route = Route { server: server.to_owned(), ..Route::default() };
        Failure::from_request(error, &route, Time::default())
    }

    /// Converts kube's error about a request, and names the part of the route that failed.
    pub(super) fn from_request(error: kube::Error, route: &Route, now: Time) -> Failure {
        match error {
            kube::Error::Service(e) => match e.downcast::<Failure>() {
                Ok(ours) => *ours,
                Err(e) => Failure::from_transport(&*e, route, now),
            },
            kube::Error::Auth(e) => Failure::Credentials(format!(
                "the credentials could not be renewed: {}",
                tidy(&e.to_string(), 300)
            )),
            other => Failure::from_transport(&other, route, now),
        }
    }

    pub(super) fn from_transport(error: &(dyn StdError + 'static), route: &Route, now: Time) -> Failure {
        let mut texts: Vec<String> = Vec::new();
        let mut io_kind = None;
        let mut next = Some(error);
        // The limit ends an error chain that contains a cycle.
        for _ in 0..16 {
            let Some(e) = next else { break };
            if let Some(io) = e.downcast_ref::<io::Error>() {
                io_kind = Some(io.kind());
            }
            let text = e.to_string();
            if texts.last() != Some(&text) {
                texts.push(text);
            }
            next = e.source();
        }
        let all = texts.join(": ");
        let last = tidy(texts.last().map_or("no reason given", |t| t), 200);
        let has = |what: &str| all.contains(what);
        let server = route.server.clone();
        if has("invalid peer certificate") || has("received fatal alert") || has("InvalidContentType") {
            return Failure::Tls { why: tls(&all, &last, route, now), server };
        }
        if let Some(why) = through_proxy(&all, &last, io_kind, route) {
            return Failure::Unreachable { why, server };
        }
        if has("dns error") || has("failed to lookup address") {
            return Failure::Unreachable { why: format!("its name does not resolve ({last})"), server };
        }
        match io_kind {
            Some(io::ErrorKind::ConnectionRefused) => Failure::Unreachable {
                why: "connection refused; nothing listens there. Is the address right and the API server up?"
                    .into(),
                server,
            },
            Some(io::ErrorKind::TimedOut) => Failure::Unreachable {
                why: "the connection timed out. Is a VPN or a route missing?".into(),
                server,
            },
            Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => {
                Failure::Unreachable { why: format!("{last}. Is a VPN or a route missing?"), server }
            }
            _ => Failure::Broken { why: last, server },
        }
    }
}

/// The proxy's failure as a sentence; `None` without a proxy, or if the proxy worked.
fn through_proxy(all: &str, last: &str, kind: Option<io::ErrorKind>, route: &Route) -> Option<String> {
    let proxy = route.proxy.as_deref()?;
    let has = |what: &str| all.contains(what);
    let unreachable = has("failed to create underlying connection")
        || matches!(
            kind,
            Some(
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::HostUnreachable
            )
        );
    Some(if has("dns error") || has("failed to lookup address") {
        format!("the name of the proxy {proxy} does not resolve ({last})")
    } else if kind == Some(io::ErrorKind::ConnectionRefused) {
        format!(
            "connection refused by the proxy {proxy}; nothing listens there. Is proxy-url (or $HTTPS_PROXY) right, and the proxy up?"
        )
    } else if has("proxy authorization required") || has("credentials not accepted") {
        format!(
            "the proxy {proxy} wants a user and a password; write them into its URL: http://USER:PASSWORD@HOST:PORT"
        )
    } else if has("tunnel error: unsuccessful") {
        format!(
            "the proxy {proxy} does not connect to it. Is that host allowed there, and does the proxy reach it?"
        )
    } else if unreachable {
        format!(
            "the proxy {proxy} cannot be reached ({last}). Is proxy-url (or $HTTPS_PROXY) right, and the proxy up?"
        )
    } else if has("tunnel error") || has("SOCKS error") {
        format!("the proxy {proxy} in between: {last}")
    } else {
        return None;
    })
}

fn tls(all: &str, last: &str, route: &Route, now: Time) -> String {
    let has = |what: &str| all.contains(what);
    let ours = has("received fatal alert");
    if ours {
        match route.expiry.as_ref().and_then(|l| l.sentence(now)) {
            Some(why) => format!(
                "it refused the client certificate of the kubeconfig: {why}. Log in again or renew it"
            ),
            None => format!("it refused the client certificate of the kubeconfig ({last})"),
        }
    } else if has("Expired") || has("certificate expired") {
        format!("its certificate has expired and must be renewed there ({last})")
    } else if has("NotValidYet") || has("not valid yet") {
        format!("its certificate is not valid yet; is a clock wrong? ({last})")
    } else if has("UnknownIssuer") || has("BadSignature") {
        if route.authority {
            "its certificate is not signed by the authority that the kubeconfig names (certificate-authority-data). Was the cluster made anew, or is a proxy in between?".into()
        } else {
            "its certificate is signed by no authority that this machine trusts, and the kubeconfig names none (certificate-authority-data)".into()
        }
    } else if has("NotValidForName") || has("not valid for name") {
        match &route.server_name {
            Some(name) => format!("its certificate is not for {name:?}, the tls-server-name of the kubeconfig ({last})"),
            None => "its certificate is for another name; check the address, or set tls-server-name in the kubeconfig".into(),
        }
    } else if has("InvalidContentType") {
        "it does not speak TLS; should the address begin with http:// ?".into()
    } else {
        last.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_tamed() {
        assert_eq!(tidy("a\u{1b}[31mred\n\n  b\t", 100), "a [31mred b");
        assert_eq!(tidy("abcdef", 3), "abc…");
        assert_eq!(title(b"<HTML><head><Title>Sign in\n to corp</tItle>"), "Sign in to corp");
        assert_eq!(title(b"plain words"), "plain words");
        assert_eq!(title(&[0xff, 0xfe]), "\u{fffd}\u{fffd}");
    }

    fn to(server: &str) -> Route {
        Route { server: server.into(), ..Route::default() }
    }

    #[test]
    fn blame_falls_on_what_failed() {
        let say = |text: &str, route: &Route| {
            Failure::from_transport(&io::Error::other(text.to_owned()), route, Time(0)).to_string()
        };
        let proxied = Route { proxy: Some("http://proxy:3128".into()), ..to("https://h") };
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let text = Failure::from_transport(&refused, &proxied, Time(0)).to_string();
        assert!(text.contains("refused by the proxy http://proxy:3128"), "{text}");
        let text = say("tunnel error: proxy authorization required", &proxied);
        assert!(text.contains("wants a user and a password"), "{text}");
        let issuer = "invalid peer certificate: UnknownIssuer";
        assert!(say(issuer, &to("https://h")).contains("the kubeconfig names none"));
        let named = Route { authority: true, ..to("https://h") };
        assert!(say(issuer, &named).contains("the authority that the kubeconfig names"));
        let name = "invalid peer certificate: certificate not valid for name \"x\"";
        let fixed = Route { server_name: Some("x".into()), ..to("https://h") };
        let text = say(name, &fixed);
        assert!(text.contains("\"x\", the tls-server-name") && !text.contains("set tls"), "{text}");
        assert!(say(name, &to("https://h")).contains("set tls-server-name"));
    }

    #[test]
    fn transport_errors_become_sentences() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let f = Failure::from_transport(&refused, &to("https://h:6443"), Time(0));
        assert!(f.to_string().starts_with("cannot reach https://h:6443: connection refused"), "{f}");
        let expired = io::Error::other("invalid peer certificate: Expired");
        assert!(matches!(Failure::from_transport(&expired, &to(""), Time(0)), Failure::Tls { .. }));
        let dns =
            io::Error::other("dns error: failed to lookup address information: Name or service not known");
        let f = Failure::from_transport(&dns, &to("https://nowhere"), Time(0));
        assert!(f.to_string().contains("does not resolve"), "{f}");
    }
}
