//! The setting `telemetry`: which sources are not read, and which are read at another interval.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

use super::document::{Document, Node, hint, quote};
use crate::world::Text;
use crate::world::readings::{Place, Server};

/// The sources, by name.
pub const SOURCES: [&str; 14] = [
    "dcgm",
    "amd",
    "intel",
    "engines",
    "kube-proxy",
    "kube-proxy-metrics",
    "metrics.k8s.io",
    "kubelet",
    "cadvisor",
    "gpu-history",
    "usage-history",
    "latency-history",
    "traffic",
    "waits",
];

/// The longest interval: after it a reading is no news.
const LONGEST: Duration = Duration::from_secs(3600);

/// The interval of each source that the setting names; `None` where the source is not read.
pub type Sources = BTreeMap<&'static str, Option<Duration>>;

/// Reads entries such as `dcgm 30s` and `engines off`.
pub(super) fn read<'t>(document: &mut Document<'t>, key: &str, node: &Node<'t>) -> Option<Sources> {
    let mut out = Sources::new();
    for (at, entry) in document.strings(key, node)? {
        let (name, how) = entry.trim().split_once(' ').unwrap_or((entry.trim(), ""));
        let Some(source) = SOURCES.iter().find(|s| **s == name) else {
            let text = format!(
                "there is no telemetry source {}; the sources are {}{}",
                quote(name),
                SOURCES.join(", "),
                hint(name, SOURCES)
            );
            document.error(&at, text);
            return None;
        };
        let how = match how.trim() {
            "off" => None,
            every => {
                let parsed = every.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
                let sound = parsed.filter(|d| (Duration::from_secs(1)..=LONGEST).contains(d));
                let Some(every) = sound else {
                    let text = format!(
                        "{} must be NAME off, or NAME and an interval from 1s to 1h, such as {:?}",
                        quote(entry),
                        format!("{name} 30s")
                    );
                    document.error(&at, text);
                    return None;
                };
                Some(every)
            }
        };
        out.insert(source, how);
    }
    Some(out)
}

/// Reads `namespace/service:port` or a URL, with the path before `api/v1` after it where there is one.
pub(super) fn prometheus<'t>(
    document: &mut Document<'t>,
    key: &str,
    node: &Node<'t>,
) -> Option<Option<Server>> {
    let text = document.string(key, node)?;
    if text.is_empty() {
        return Some(None);
    }
    let server = server(text);
    if server.is_none() {
        let text = format!(
            "{key} must be namespace/service:port, such as \"monitoring/prometheus-operated:9090\", or a URL without a password, a \
             query or a fragment, such as \"https://prometheus.example.com/path\", not {}",
            quote(text)
        );
        document.error(&node.span(), text);
    }
    server.map(Some)
}

fn server(text: &str) -> Option<Server> {
    match text.split_once("://") {
        Some(("http" | "https", _)) => at_url(text),
        Some(_) => None,
        None => behind_service(text),
    }
}

/// A server past the API server. A password would stand in the open in a file that people share.
fn at_url(text: &str) -> Option<Server> {
    let uri: http::Uri = text.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let plain = !authority.as_str().contains('@') && uri.query().is_none() && !text.contains('#');
    let place = Place::Url(format!("{scheme}://{authority}").into());
    plain.then(|| Server { place, prefix: prefix(uri.path().trim_matches('/')) })
}

/// The path before `api/v1`, which ends with a slash where there is one.
fn prefix(path: &str) -> Text {
    if path.is_empty() { Text::default() } else { format!("{path}/").into() }
}

fn behind_service(text: &str) -> Option<Server> {
    let is_name = |s: &&str| {
        !s.is_empty() && s.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
    };
    let is_path = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let (namespace, rest) = text.split_once('/')?;
    let (service, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (name, port) = service.split_once(':')?;
    let sound =
        [namespace, name, port].iter().all(is_name) && path.chars().all(is_path) && !path.contains("..");
    let place = Place::Service { namespace: namespace.into(), name: name.into(), port: port.into() };
    sound.then(|| Server { place, prefix: prefix(path.trim_end_matches('/')) })
}

/// The server as the file names it.
pub(super) fn written(server: &Server) -> String {
    let path = server.prefix.trim_end_matches('/');
    let slash = if path.is_empty() { "" } else { "/" };
    match &server.place {
        Place::Service { namespace, name, port } => format!("{namespace}/{name}:{port}{slash}{path}"),
        Place::Url(base) => format!("{base}{slash}{path}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::time::Duration;

    #[test]
    fn a_prometheus_is_named_by_its_service_and_written_back() {
        for named in [
            "monitoring/prometheus-operated:9090",
            "mimir/query-frontend:http/prometheus",
            "https://prometheus.example.com",
            "http://10.0.0.7:9090/select/0/prometheus",
        ] {
            let config = Config::from_toml("c", &format!("prometheus = '{named}'\n")).unwrap();
            let server = config.for_context("x").prometheus.unwrap();
            assert_eq!(super::written(&server), named);
        }
        for text in [
            "prometheus",
            "a/b",
            "a/b:",
            "a/b:9090/../../secrets",
            "A/b:1",
            "a/b:9090/x?y",
            "ftp://x:9090",
            "http://",
            "https://user:secret@x:9090",
            "https://x/api?token=1",
        ] {
            let problems = Config::from_toml("c", &format!("prometheus = '{text}'\n")).unwrap_err();
            assert!(problems[0].to_string().contains("namespace/service:port"), "{text}: {}", problems[0]);
        }
    }

    #[test]
    fn sources_are_switched_off_and_slowed_down_and_mistakes_are_told() {
        let config = Config::from_toml("c", "telemetry = ['engines off', 'kubelet 2m']\n").unwrap();
        let sources = config.for_context("x").telemetry;
        assert_eq!(sources.get("engines"), Some(&None));
        assert_eq!(sources.get("kubelet"), Some(&Some(Duration::from_secs(120))));
        assert_eq!(sources.get("dcgm"), None);
        for (text, told) in [
            ("dcmg 30s", "did you mean"),
            ("dcgm", "\"dcgm 30s\""),
            ("dcgm soon", "from 1s to 1h"),
            ("dcgm 0s", "from 1s to 1h"),
            ("dcgm 2h", "from 1s to 1h"),
        ] {
            let problems = Config::from_toml("c", &format!("telemetry = ['{text}']\n")).unwrap_err();
            assert!(problems[0].to_string().contains(told), "{text}: {}", problems[0]);
        }
    }
}
