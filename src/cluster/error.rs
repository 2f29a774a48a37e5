//! What can go wrong between khud and a cluster, each as a sentence: what was tried, what came back, what to do.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::certificate::Lapse;
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
    #[error("the kubeconfig {path} is not what it should be: {why}")]
    Malformed { path: PathBuf, why: String },
    #[error("{}", unknown_context(name, near, *known))]
    UnknownContext { name: String, near: Vec<String>, known: usize },
    #[error("the kubeconfig's current-context is {name:?}, which is not there{}", others(near, *known))]
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
        "the credential plugin {command:?} failed: {why}. Run it or kubectl by hand to see, then try again"
    )]
    PluginFailed { command: String, why: String },
    #[error("connecting was given up")]
    GivenUp,
    #[error("the service account of this pod cannot be used: {why}")]
    InCluster { why: String },
    #[error("{0}")]
    Wire(#[from] Failure),
}

/// Why a request got no proper answer. An HTTP status of the API server itself is an answer, not a failure.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Failure {
    #[error("refused by --read-only: {0}. Start khud without it to make changes")]
    ReadOnly(String),
    #[error(
        "another cluster answers at {server}: its kube-system has the UID {found}, the one khud knows has {known}. Nothing of it is shown and no changes are sent"
    )]
    OtherCluster { server: String, known: String, found: String },
    /// What the kubeconfig's context has become, in a sentence.
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

/// Which contexts might be meant.
fn others(near: &[String], known: usize) -> String {
    if near.is_empty() {
        format!("; `khud contexts` lists the {known} it has")
    } else {
        format!("; near: {}", near.join(", "))
    }
}

impl ConnectError {
    /// Whether it is the credential plugin that brought nothing.
    pub(super) fn of_plugin(&self) -> bool {
        matches!(self, ConnectError::PluginMissing { .. } | ConnectError::PluginFailed { .. })
    }
}

/// How requests get to the server, to tell whose fault a failure is.
#[derive(Clone, Debug, Default)]
pub(super) struct Route {
    pub server: String,
    /// The proxy's URL, without its password.
    pub proxy: Option<String>,
    /// The kubeconfig names the authority that signs the server's certificate.
    pub authority: bool,
    /// `tls-server-name`.
    pub server_name: Option<String>,
    /// When the credentials lapse.
    pub lapse: Option<Lapse>,
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

/// One line of at most `limit` characters without control characters: text of others fit for a sentence.
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

/// The title of an HTML page, or its start: what a proxy put in the API server's place.
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
    /// Reads kube's error for what happened underneath, once a request is on its way.
    pub(super) fn of(error: kube::Error, server: &str) -> Failure {
        let route = Route { server: server.to_owned(), ..Route::default() };
        Failure::on_the_way(error, &route, Time::default())
    }

    /// Reads kube's error for what happened underneath, and whose fault it is.
    pub(super) fn on_the_way(error: kube::Error, route: &Route, now: Time) -> Failure {
        match error {
            kube::Error::Service(e) => match e.downcast::<Failure>() {
                Ok(ours) => *ours,
                Err(e) => Failure::of_transport(&*e, route, now),
            },
            kube::Error::Auth(e) => Failure::Credentials(format!(
                "the credentials could not be renewed: {}",
                tidy(&e.to_string(), 300)
            )),
            other => Failure::of_transport(&other, route, now),
        }
    }

    pub(super) fn of_transport(error: &(dyn StdError + 'static), route: &Route, now: Time) -> Failure {
        let mut texts: Vec<String> = Vec::new();
        let mut io_kind = None;
        let mut next = Some(error);
        // Error chains are a handful deep; one that cycles must end too.
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

/// What went wrong at the proxy in between; `None` where there is none, or it did its part.
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
        match route.lapse.as_ref().and_then(|l| l.sentence(now)) {
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
            Failure::of_transport(&io::Error::other(text.to_owned()), route, Time(0)).to_string()
        };
        let proxied = Route { proxy: Some("http://proxy:3128".into()), ..to("https://h") };
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let told = Failure::of_transport(&refused, &proxied, Time(0)).to_string();
        assert!(told.contains("refused by the proxy http://proxy:3128"), "{told}");
        let told = say("tunnel error: proxy authorization required", &proxied);
        assert!(told.contains("wants a user and a password"), "{told}");
        let issuer = "invalid peer certificate: UnknownIssuer";
        assert!(say(issuer, &to("https://h")).contains("the kubeconfig names none"));
        let named = Route { authority: true, ..to("https://h") };
        assert!(say(issuer, &named).contains("the authority that the kubeconfig names"));
        let name = "invalid peer certificate: certificate not valid for name \"x\"";
        let fixed = Route { server_name: Some("x".into()), ..to("https://h") };
        let told = say(name, &fixed);
        assert!(told.contains("\"x\", the tls-server-name") && !told.contains("set tls"), "{told}");
        assert!(say(name, &to("https://h")).contains("set tls-server-name"));
    }

    #[test]
    fn transport_errors_become_sentences() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let f = Failure::of_transport(&refused, &to("https://h:6443"), Time(0));
        assert!(f.to_string().starts_with("cannot reach https://h:6443: connection refused"), "{f}");
        let expired = io::Error::other("invalid peer certificate: Expired");
        assert!(matches!(Failure::of_transport(&expired, &to(""), Time(0)), Failure::Tls { .. }));
        let dns =
            io::Error::other("dns error: failed to lookup address information: Name or service not known");
        let f = Failure::of_transport(&dns, &to("https://nowhere"), Time(0));
        assert!(f.to_string().contains("does not resolve"), "{f}");
    }
}
