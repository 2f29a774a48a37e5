//! The kubeconfig as kubectl has it: which files, how they merge, which context, which proxy.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use serde_json::json;

use super::connect::Options;
use super::error::{ConnectError, tidy};

/// What the process's surroundings say; taken once, so that tests can say otherwise.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `$KUBECONFIG`.
    pub kubeconfig: Option<OsString>,
    pub home: Option<PathBuf>,
    /// The API server as a pod knows it, of `$KUBERNETES_SERVICE_HOST` and `$KUBERNETES_SERVICE_PORT`; `None` where
    /// this is no pod.
    pub service: Option<String>,
    /// Where a pod finds its service account: token, ca.crt and namespace.
    pub account: PathBuf,
    /// `$HTTPS_PROXY`, `$HTTP_PROXY`, `$NO_PROXY` or their lower-case forms.
    pub https_proxy: Option<String>,
    pub http_proxy: Option<String>,
    pub no_proxy: Option<String>,
}

impl Surroundings {
    pub fn of_process() -> Surroundings {
        let get = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        let var = |upper: &str, lower: &str| get(upper).or_else(|| get(lower));
        Surroundings {
            kubeconfig: std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty()),
            home: std::env::home_dir(),
            service: service(get("KUBERNETES_SERVICE_HOST"), get("KUBERNETES_SERVICE_PORT")),
            account: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount"),
            https_proxy: var("HTTPS_PROXY", "https_proxy"),
            http_proxy: var("HTTP_PROXY", "http_proxy"),
            no_proxy: var("NO_PROXY", "no_proxy"),
        }
    }
}

/// The URL of a pod's API server; client-go wants both variables, too. An IPv6 address stands in brackets.
fn service(host: Option<String>, port: Option<String>) -> Option<String> {
    let (host, port) = (host?, port?);
    Some(if host.contains(':') {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    })
}

/// A context of the kubeconfig, for `khud contexts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub name: String,
    pub cluster: String,
    pub user: String,
    pub namespace: String,
    pub server: String,
    pub current: bool,
}

/// Every context of the merged kubeconfig, in the order of the files.
///
/// # Errors
/// Where there is no kubeconfig or it cannot be read.
pub fn contexts(options: &Options) -> Result<Vec<Context>, ConnectError> {
    let Merged { config, .. } = read(options, &Surroundings::of_process())?;
    let wanted = options.context.as_ref().or(config.current_context.as_ref());
    Ok(config
        .contexts
        .iter()
        .map(|named| {
            let c = named.context.clone().unwrap_or_default();
            let cluster =
                config.clusters.iter().find(|k| k.name == c.cluster).and_then(|k| k.cluster.as_ref());
            Context {
                server: cluster.and_then(|k| k.server.clone()).unwrap_or_default(),
                name: named.name.clone(),
                cluster: c.cluster,
                user: c.user.unwrap_or_default(),
                namespace: c.namespace.unwrap_or_else(|| "default".into()),
                current: wanted == Some(&named.name),
            }
        })
        .collect())
}

/// The name of the one context that a pod's service account amounts to.
const IN_CLUSTER: &str = "in-cluster";

/// A kubeconfig, merged of its files.
pub(super) struct Merged {
    pub config: Kubeconfig,
    /// It was made of a pod's service account; kubectl knows its context under no name.
    pub service_account: bool,
}

/// The merged kubeconfig: `--kubeconfig` alone, else the files of `$KUBECONFIG` that exist, else `~/.kube/config`,
/// else, in a pod, what its service account amounts to.
pub(super) fn read(options: &Options, around: &Surroundings) -> Result<Merged, ConnectError> {
    if let Some(path) = &options.kubeconfig {
        return Ok(Merged { config: read_file(path)?, service_account: false });
    }
    let candidates: Vec<PathBuf> = match &around.kubeconfig {
        Some(list) => std::env::split_paths(list).filter(|p| !p.as_os_str().is_empty()).collect(),
        None => around.home.iter().map(|h| h.join(".kube/config")).collect(),
    };
    // As kubectl: a file of the list that is not there is passed over.
    let there: Vec<&PathBuf> = candidates.iter().filter(|p| p.exists()).collect();
    if there.is_empty() {
        let account = options.context.as_deref().is_none_or(|c| c == IN_CLUSTER);
        if let Some(server) = around.service.as_ref().filter(|_| account) {
            return Ok(Merged { config: service_account(server, &around.account)?, service_account: true });
        }
        let looked = match &around.kubeconfig {
            Some(list) => format!("$KUBECONFIG ({})", list.to_string_lossy()),
            None => "~/.kube/config".to_owned(),
        };
        return Err(ConnectError::NoKubeconfig { looked });
    }
    let mut merged = Kubeconfig::default();
    for path in there {
        merged = merged
            .merge(read_file(path)?)
            .map_err(|e| ConnectError::Malformed { path: path.clone(), why: tidy(&e.to_string(), 300) })?;
    }
    Ok(Merged { config: merged, service_account: false })
}

/// A pod's service account as a kubeconfig with one context. The token is named by its file: the kubelet renews it.
fn service_account(server: &str, account: &Path) -> Result<Kubeconfig, ConnectError> {
    let part = |name: &str| {
        let path = account.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok((path, text)),
            Err(e) => {
                Err(ConnectError::InCluster { why: format!("{} cannot be read ({e})", path.display()) })
            }
        }
    };
    let (token, _) = part("token")?;
    let (authority, _) = part("ca.crt")?;
    let (_, namespace) = part("namespace")?;
    let name = IN_CLUSTER;
    serde_json::from_value(json!({
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": name, "user": {"tokenFile": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": namespace.trim()}}],
    }))
    .map_err(|e| ConnectError::InCluster { why: e.to_string() })
}

fn read_file(path: &Path) -> Result<Kubeconfig, ConnectError> {
    Kubeconfig::read_from(path).map_err(|e| {
        let path = path.to_path_buf();
        match e {
            KubeconfigError::ReadConfig(e, _) => ConnectError::Unreadable { path, why: e.to_string() },
            other => ConnectError::Malformed { path, why: tidy(&other.to_string(), 300) },
        }
    })
}

/// A context as kube's configuration.
pub(super) struct Picked {
    pub context: String,
    /// The name of its user; empty where it names none.
    pub user: String,
    pub config: Config,
}

/// kube's configuration for the wanted context, with the proxy rules of kubectl.
pub(super) async fn config(
    kubeconfig: Kubeconfig,
    options: &Options,
    around: &Surroundings,
) -> Result<Picked, ConnectError> {
    let names: Vec<String> = kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
    let Some(name) = options.context.clone().or_else(|| kubeconfig.current_context.clone()) else {
        return Err(ConnectError::NoCurrentContext { contexts: names });
    };
    if !names.contains(&name) {
        return Err(ConnectError::UnknownContext { near: near(&name, &names), known: names.len(), name });
    }
    let context = kubeconfig.contexts.iter().find(|c| c.name == name).and_then(|c| c.context.as_ref());
    let user = context.and_then(|c| c.user.clone()).unwrap_or_default();
    let named_proxy = context
        .and_then(|c| kubeconfig.clusters.iter().find(|k| k.name == c.cluster))
        .and_then(|k| k.cluster.as_ref()?.proxy_url.clone())
        .filter(|p| !p.is_empty());
    let picked = KubeConfigOptions { context: Some(name.clone()), ..KubeConfigOptions::default() };
    let bad = |why: String| ConnectError::BadContext { context: name.clone(), why };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &picked).await.map_err(|e| {
        bad(match e {
            KubeconfigError::LoadClusterOfContext(cluster) => {
                format!("it names the cluster {cluster:?}, which is not there")
            }
            KubeconfigError::ParseClusterUrl(e) => format!("the server's address cannot be read ({e})"),
            other => tidy(&sources(&other), 300),
        })
    })?;
    if config.cluster_url.host().is_none() {
        return Err(bad(format!("the server's address {} names no host", config.cluster_url)));
    }
    // kube matches NO_PROXY against the proxy instead of the cluster; a proxy the kubeconfig itself names always holds.
    if named_proxy.is_none() {
        config.proxy_url = match proxy_for(&config.cluster_url, around) {
            Some(proxy) => Some(
                proxy
                    .parse()
                    .map_err(|e| bad(format!("the proxy {proxy:?} of $HTTPS_PROXY is no URL ({e})")))?,
            ),
            None => None,
        };
    }
    Ok(Picked { context: name, user, config })
}

fn sources(error: &dyn std::error::Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(e) = next {
        let more = e.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = e.source();
    }
    text
}

/// The proxy Go's `ProxyFromEnvironment` (hence kubectl) would use for the URL.
fn proxy_for(url: &http::Uri, around: &Surroundings) -> Option<String> {
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let https = url.scheme_str() != Some("http");
    let proxy = if https { around.https_proxy.as_ref() } else { around.http_proxy.as_ref() }?;
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        return None;
    }
    let port = url.port_u16().unwrap_or(if https { 443 } else { 80 });
    let spared = around
        .no_proxy
        .iter()
        .flat_map(|list| list.split(','))
        .map(|rule| rule.trim().to_ascii_lowercase())
        .any(|rule| spares(&rule, &host, address, port));
    if spared {
        return None;
    }
    let whole = if proxy.contains("://") { proxy.clone() } else { format!("http://{proxy}") };
    Some(whole)
}

/// Whether one entry of NO_PROXY covers the host.
fn spares(rule: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if rule.is_empty() {
        return false;
    }
    if rule == "*" {
        return true;
    }
    if let Some((net, bits)) = rule.split_once('/')
        && let (Ok(net), Ok(bits)) = (net.parse::<IpAddr>(), bits.parse::<u32>())
    {
        return address.is_some_and(|a| in_network(a, net, bits));
    }
    if let Ok(one) = rule.parse::<IpAddr>() {
        return address == Some(one);
    }
    let (name, only) = match rule.rsplit_once(':') {
        Some((name, p)) if p.parse::<u16>().is_ok() => (name, p.parse::<u16>().ok()),
        _ => (rule, None),
    };
    if only.is_some_and(|p| p != port) {
        return false;
    }
    let name = name.strip_prefix('*').unwrap_or(name);
    match name.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

fn in_network(address: IpAddr, net: IpAddr, bits: u32) -> bool {
    match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(n)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        (IpAddr::V6(a), IpAddr::V6(n)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        _ => false,
    }
}

/// Up to three names close to the one asked for.
fn near(name: &str, names: &[String]) -> Vec<String> {
    let wanted = name.to_lowercase();
    let mut scored: Vec<(usize, &String)> = names
        .iter()
        .filter_map(|n| {
            let have = n.to_lowercase();
            if have.contains(&wanted) || wanted.contains(&have) {
                return Some((1, n));
            }
            let d = strsim::levenshtein(&wanted, &have);
            (d <= 2.max(wanted.chars().count() / 3)).then_some((d + 1, n))
        })
        .collect();
    scored.sort();
    scored.into_iter().take(3).map(|(_, n)| n.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "apiVersion: v1
kind: Config
clusters: [{name: c1, cluster: {server: 'https://one:6443'}}]
contexts:
- {name: prod-us-west-2, context: {cluster: c1, user: u, namespace: team}}
- {name: broken, context: {cluster: gone, user: u}}
users: [{name: u, user: {token: t}}]
";
    const SECOND: &str = "apiVersion: v1
kind: Config
current-context: prod-us-west-2
clusters: [{name: c1, cluster: {server: 'https://two:6443'}}]
contexts: [{name: staging, context: {cluster: c1, user: u}}]
";

    fn files() -> (tempfile::TempDir, Surroundings) {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&a, FIRST).unwrap();
        std::fs::write(&b, SECOND).unwrap();
        let list = std::env::join_paths([dir.path().join("absent"), a, b]).unwrap();
        (dir, Surroundings { kubeconfig: Some(list), ..Surroundings::default() })
    }

    async fn open(options: Options, around: &Surroundings) -> Result<(String, Config), ConnectError> {
        let picked = config(read(&options, around)?.config, &options, around).await?;
        Ok((picked.context, picked.config))
    }

    #[tokio::test]
    async fn files_merge_the_first_wins_and_absent_ones_are_passed_over() {
        let (_dir, around) = files();
        let (name, config) = open(Options::default(), &around).await.unwrap();
        assert_eq!((name.as_str(), config.default_namespace.as_str()), ("prod-us-west-2", "team"));
        assert_eq!(config.cluster_url, "https://one:6443");
    }

    #[tokio::test]
    async fn every_mistake_is_a_sentence() {
        let (dir, around) = files();
        let with = |context: &str| Options { context: Some(context.into()), ..Options::default() };
        let say = async |o: Options, a: &Surroundings| open(o, a).await.unwrap_err().to_string();

        let text = say(with("prod-us-west-1"), &around).await;
        assert_eq!(text, "the kubeconfig has no context \"prod-us-west-1\"; near: prod-us-west-2");
        let text = say(with("zzz"), &around).await;
        assert!(text.ends_with("`khud contexts` lists the 3 it has"), "{text}");
        let text = say(with("broken"), &around).await;
        assert!(text.contains("names the cluster \"gone\", which is not there"), "{text}");

        let home = Surroundings { home: Some(dir.path().into()), ..Surroundings::default() };
        let text = say(Options::default(), &home).await;
        assert!(text.starts_with("no kubeconfig found: looked for ~/.kube/config"), "{text}");

        let bad = dir.path().join("bad");
        std::fs::write(&bad, "{ not yaml").unwrap();
        let text = say(Options { kubeconfig: Some(bad), ..Options::default() }, &around).await;
        assert!(text.contains("is not what it should be"), "{text}");
        let gone = dir.path().join("nowhere");
        let text = say(Options { kubeconfig: Some(gone), ..Options::default() }, &around).await;
        assert!(text.starts_with("cannot read the kubeconfig"), "{text}");
    }

    /// The rules of Go's `httpproxy` package, which kubectl follows.
    #[test]
    fn no_proxy_is_matched_against_the_cluster() {
        let uses = |url: &str, no_proxy: &str| {
            let around = Surroundings {
                https_proxy: Some("http://proxy:3128".into()),
                no_proxy: Some(no_proxy.into()),
                ..Surroundings::default()
            };
            proxy_for(&url.parse().unwrap(), &around).is_some()
        };
        assert!(uses("https://api.corp:6443", ""));
        assert!(!uses("https://127.0.0.1:6443", ""));
        assert!(!uses("https://localhost:6443", ""));
        assert!(!uses("https://[::1]:6443", ""));
        assert!(!uses("https://api.corp:6443", "other, .corp"));
        assert!(!uses("https://api.corp:6443", "corp"));
        assert!(uses("https://corp:6443", ".corp"));
        assert!(uses("https://apicorp:6443", "corp"));
        assert!(!uses("https://10.1.2.3:6443", "10.0.0.0/8"));
        assert!(uses("https://11.1.2.3:6443", "10.0.0.0/8"));
        assert!(!uses("https://api.corp:6443", "*"));
        assert!(uses("https://api.corp:6443", "api.corp:443"));
        assert!(!uses("https://api.corp:6443", "api.corp:6443"));
        assert!(!uses("http://api.corp:6443", ""), "HTTPS_PROXY is not for http");
    }
}
