//! What can go wrong between khud and a cluster, each as a sentence: what was tried, what came back, what to do.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::slim::Refusal;

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
    #[error("the kubeconfig has no current context; name one with --context ({})", listed(contexts))]
    NoCurrentContext { contexts: Vec<String> },
    #[error("the context {context} of the kubeconfig cannot be used: {why}")]
    BadContext { context: String, why: String },
    #[error(
        "the credential plugin {command:?} of the kubeconfig is not installed (not found on the PATH){}",
        hint(install)
    )]
    PluginMissing { command: String, install: String },
    #[error(
        "the credential plugin {command:?} failed: {why}. Run it or kubectl by hand to see, then try again"
    )]
    PluginFailed { command: String, why: String },
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
    let mut text = format!("the kubeconfig has no context {name:?}");
    if near.is_empty() {
        let _ = write!(text, "; `khud contexts` lists the {known} it has");
    } else {
        let _ = write!(text, "; near: {}", near.join(", "));
    }
    text
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
    /// Reads kube's error for what happened underneath.
    pub(super) fn of(error: kube::Error, server: &str) -> Failure {
        let server = server.to_owned();
        match error {
            kube::Error::Service(e) => match e.downcast::<Failure>() {
                Ok(ours) => *ours,
                Err(e) => Failure::of_transport(&*e, server),
            },
            kube::Error::Auth(e) => Failure::Credentials(format!(
                "the credentials could not be renewed: {}",
                tidy(&e.to_string(), 300)
            )),
            other => Failure::of_transport(&other, server),
        }
    }

    pub(super) fn of_transport(error: &(dyn StdError + 'static), server: String) -> Failure {
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
        if has("invalid peer certificate") || has("received fatal alert") || has("InvalidContentType") {
            return Failure::Tls { why: tls(&all, &last), server };
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
            _ if has("tunnel error") || has("proxy") => {
                Failure::Unreachable { why: format!("the proxy in between: {last}"), server }
            }
            _ => Failure::Broken { why: last, server },
        }
    }
}

fn tls(all: &str, last: &str) -> String {
    let has = |what: &str| all.contains(what);
    if has("Expired") || has("certificate expired") {
        "a certificate has expired. The server's must be renewed, or (if it is yours in the kubeconfig) your own".into()
    } else if has("UnknownIssuer") || has("BadSignature") {
        "its certificate is not signed by the authority that the kubeconfig names (certificate-authority-data). Was the cluster made anew, or is a proxy in between?"
            .into()
    } else if has("NotValidForName") || has("not valid for name") {
        "its certificate is for another name; check the address, or set tls-server-name in the kubeconfig"
            .into()
    } else if has("InvalidContentType") {
        "it does not speak TLS; should the address begin with http:// ?".into()
    } else if has("received fatal alert") {
        format!("it refused the client certificate of the kubeconfig ({last})")
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

    #[test]
    fn transport_errors_become_sentences() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let f = Failure::of_transport(&refused, "https://h:6443".into());
        assert!(f.to_string().starts_with("cannot reach https://h:6443: connection refused"), "{f}");
        let expired = io::Error::other("invalid peer certificate: Expired");
        assert!(matches!(Failure::of_transport(&expired, String::new()), Failure::Tls { .. }));
        let dns =
            io::Error::other("dns error: failed to lookup address information: Name or service not known");
        let f = Failure::of_transport(&dns, "https://nowhere".into());
        assert!(f.to_string().contains("does not resolve"), "{f}");
    }
}
