//! Reads the kubeconfig as kubectl does: its files, their merge order, the context and the proxy.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use http::Uri;
use kube::config::{AuthInfo, Cluster, Config, ExecAuthCluster, Kubeconfig, KubeconfigError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use serde_json::json;

use super::certificate;
use super::connect::Options;
use super::error::{ConnectError, tidy};
use super::proxy::{self, Proxy};

/// The environment of the process. It is read once, so that tests can replace it.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `$KUBECONFIG`.
    pub kubeconfig: Option<OsString>,
    pub home: Option<PathBuf>,
    /// The API server's URL from `$KUBERNETES_SERVICE_HOST` and `$KUBERNETES_SERVICE_PORT`; `None` outside a
    /// pod.
    pub service: Option<String>,
    /// The directory of a pod's service account: token, ca.crt and namespace.
    pub account: PathBuf,
    /// `$HTTPS_PROXY`, `$HTTP_PROXY`, `$NO_PROXY` or their lower-case forms.
    pub https_proxy: Option<String>,
    pub http_proxy: Option<String>,
    pub no_proxy: Option<String>,
}

impl Environment {
    pub fn of_process() -> Environment {
        let get = |name: &str| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        let var = |upper: &str, lower: &str| get(upper).or_else(|| get(lower));
        Environment {
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

/// The URL of the API server as a pod sees it. Like client-go it needs both variables. An IPv6 address gets
/// brackets.
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

/// Every context of the merged kubeconfig, in file order, and a sentence for each entry that an earlier file
/// hides.
///
/// # Errors
/// There is no kubeconfig, or it cannot be read.
pub fn contexts(options: &Options) -> Result<(Vec<Context>, Vec<String>), ConnectError> {
    let Merged { config, shadowed, .. } = read(options, &Environment::of_process())?;
    let wanted = options.context.as_ref().or(config.current_context.as_ref());
    let contexts = config
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
        .collect();
    Ok((contexts, shadowed))
}

/// The name of the context that a pod's service account stands for.
const IN_CLUSTER: &str = "in-cluster";

/// A kubeconfig merged from its files.
pub(super) struct Merged {
    pub config: Kubeconfig,
    /// It describes a pod's service account. kubectl has no context name for it.
    pub service_account: bool,
    /// A sentence for each context, cluster and user that differs in a later file.
    pub shadowed: Vec<String>,
}

/// Reads `--kubeconfig` alone, else the existing files of `$KUBECONFIG`, else `~/.kube/config`, else the
/// service account of the pod.
pub(super) fn read(options: &Options, environment: &Environment) -> Result<Merged, ConnectError> {
    if let Some(path) = &options.kubeconfig {
        return Ok(Merged { config: read_file(path)?, service_account: false, shadowed: Vec::new() });
    }
    let candidates: Vec<PathBuf> = match &environment.kubeconfig {
        Some(list) => std::env::split_paths(list).filter(|p| !p.as_os_str().is_empty()).collect(),
        None => environment.home.iter().map(|h| h.join(".kube/config")).collect(),
    };
    // Like kubectl, skip files of the list that do not exist.
    let there: Vec<&PathBuf> = candidates.iter().filter(|p| p.exists()).collect();
    if there.is_empty() {
        let account = options.context.as_deref().is_none_or(|c| c == IN_CLUSTER);
        if let Some(server) = environment.service.as_ref().filter(|_| account) {
            let config = service_account(server, &environment.account)?;
            return Ok(Merged { config, service_account: true, shadowed: Vec::new() });
        }
        let looked = match &environment.kubeconfig {
            Some(list) => format!("$KUBECONFIG ({})", list.to_string_lossy()),
            None => "~/.kube/config".to_owned(),
        };
        return Err(ConnectError::NoKubeconfig { looked });
    }
    let (mut merged, mut shadowed) = (Kubeconfig::default(), Vec::new());
    for path in there {
        let next = read_file(path)?;
        shadowed.extend(overlaid(&merged, &next, path));
        merged = merged
            .merge(next)
            .map_err(|e| ConnectError::Malformed { path: path.clone(), why: tidy(&e.to_string(), 300) })?;
    }
    Ok(Merged { config: merged, service_account: false, shadowed })
}

/// A sentence for each entry of `next` that an earlier file defines differently. The first file wins.
fn overlaid(before: &Kubeconfig, next: &Kubeconfig, path: &Path) -> Vec<String> {
    fn find<T: Serialize>(
        what: &str,
        before: &[T],
        next: &[T],
        name: fn(&T) -> &str,
        out: &mut Vec<(String, String)>,
    ) {
        let text = |item: &T| serde_json::to_string(item).unwrap_or_default();
        for item in next {
            let same = before.iter().find(|b| name(b) == name(item));
            if same.is_some_and(|b| text(b) != text(item)) {
                out.push((what.to_owned(), name(item).to_owned()));
            }
        }
    }
    let mut found = Vec::new();
    find("context", &before.contexts, &next.contexts, |c| &c.name, &mut found);
    find("cluster", &before.clusters, &next.clusters, |c| &c.name, &mut found);
    find("user", &before.auth_infos, &next.auth_infos, |u| &u.name, &mut found);
    let path = path.display();
    found
        .iter()
        .map(|(what, name)| {
            format!(
                "the {what} {name:?} of {path} is not used: an earlier file defines one with the same name"
            )
        })
        .collect()
}

/// A pod's service account as a kubeconfig with one context. It names the token's file, because the kubelet
/// renews the token.
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
    // kube reads UTF-16 in pairs of bytes and panics at an odd byte.
    let half = |bytes: &[u8]| bytes.len() % 2 == 1 && matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    if std::fs::read(path).is_ok_and(|bytes| half(&bytes)) {
        let why = "it is UTF-16 and ends in the middle of a character".to_owned();
        return Err(ConnectError::Malformed { path: path.to_path_buf(), why });
    }
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
    /// The name of the context's user; empty if it names none.
    pub user: String,
    pub config: Config,
    pub proxy: Option<Proxy>,
}

/// kube's configuration for the wanted context, with kubectl's proxy rules.
pub(super) fn config(
    kubeconfig: &Kubeconfig,
    options: &Options,
    environment: &Environment,
) -> Result<Picked, ConnectError> {
    let names: Vec<String> = kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
    let current = kubeconfig.current_context.clone().filter(|c| !c.is_empty());
    let Some(name) = options.context.clone().or(current) else {
        return Err(ConnectError::NoCurrentContext { contexts: names });
    };
    let Some(context) = kubeconfig.contexts.iter().find(|c| c.name == name) else {
        let (near, known) = (near(&name, &names), names.len());
        return Err(match options.context.is_some() {
            true => ConnectError::UnknownContext { near, known, name },
            false => ConnectError::UnknownCurrentContext { near, known, name },
        });
    };
    let bad = |why: String| ConnectError::BadContext { context: name.clone(), why };
    let context = context.context.clone().unwrap_or_default();
    let cluster = kubeconfig.clusters.iter().find(|k| k.name == context.cluster);
    let cluster = cluster
        .ok_or_else(|| {
            bad(format!("it names the cluster {:?}, which the kubeconfig does not define", context.cluster))
        })?
        .cluster
        .clone()
        .unwrap_or_default();
    let user = context.user.clone().unwrap_or_default();
    // kubectl treats a user that is not defined as one without credentials.
    let auth = kubeconfig.auth_infos.iter().find(|u| u.name == user).and_then(|u| u.auth_info.clone());
    let mut config = assemble(&cluster, auth.unwrap_or_default()).map_err(bad)?;
    if let Some(namespace) = context.namespace.filter(|n| !n.is_empty()) {
        config.default_namespace = namespace;
    }
    // The kubeconfig's own proxy always applies. NO_PROXY only limits the environment's proxy.
    let (proxy, from) = match cluster.proxy_url.filter(|p| !p.is_empty()) {
        Some(proxy) => (Some(proxy), "proxy-url"),
        None => (
            proxy::of_environment(&config.cluster_url, environment),
            "proxy of the environment ($HTTPS_PROXY)",
        ),
    };
    let proxy =
        proxy.map(|text| Proxy::parse(&text).map_err(|why| bad(format!("its {from} {why}")))).transpose()?;
    Ok(Picked { context: name, user, config, proxy })
}

/// kube's configuration of a cluster and a user.
///
/// # Errors
/// The end of a sentence about the part that cannot be used.
fn assemble(cluster: &Cluster, mut auth: AuthInfo) -> Result<Config, String> {
    let mut config = Config::new(server(cluster, &auth)?);
    config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.tls_server_name = cluster.tls_server_name.clone().filter(|n| !n.is_empty());
    config.root_cert = authority(cluster)?;
    if let Some(exec) = auth.exec.as_mut().filter(|e| e.provide_cluster_info) {
        exec.cluster = Some(ExecAuthCluster::try_from(cluster).map_err(|e| tidy(&sources(&e), 300))?);
    }
    config.auth_info = auth;
    Ok(config)
}

/// The server's URL. As with kubectl, a URL without a scheme is https if the kubeconfig has TLS settings,
/// else http.
fn server(cluster: &Cluster, auth: &AuthInfo) -> Result<Uri, String> {
    let server = cluster.server.as_deref().unwrap_or_default().trim();
    if server.is_empty() {
        return Err("its cluster names no server".to_owned());
    }
    let given = |values: &[&Option<String>]| values.iter().any(|v| v.as_ref().is_some_and(|v| !v.is_empty()));
    let tls = cluster.insecure_skip_tls_verify.unwrap_or(false)
        || given(&[&cluster.certificate_authority, &cluster.certificate_authority_data])
        || given(&[&auth.client_certificate, &auth.client_certificate_data]);
    let whole = match server.contains("://") {
        true => server.to_owned(),
        false if tls => format!("https://{server}"),
        false => format!("http://{server}"),
    };
    let shown = tidy(server, 100);
    let url: Uri = whole.parse().map_err(|e| format!("the server's address {shown:?} is not a URL ({e})"))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(format!("the server's address {shown:?} begins with neither http:// nor https://"));
    }
    if url.host().is_none_or(str::is_empty) {
        return Err(format!("the server's address {shown:?} names no host"));
    }
    if url.authority().is_some_and(|a| a.as_str().contains('@')) {
        return Err(
            "the server's address contains a user; write credentials into the kubeconfig's user entry"
                .to_owned(),
        );
    }
    Ok(url)
}

/// The certificate authorities that may sign the server's certificate; `None` means the system's.
fn authority(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, String> {
    let (data, file) = (&cluster.certificate_authority_data, &cluster.certificate_authority);
    let Some(pem) = certificate::bytes("certificate-authority", data.as_deref(), file.as_deref())? else {
        return Ok(None);
    };
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&pem).map(|c| c.map(|c| c.as_ref().to_vec())).collect();
    match certificates {
        Ok(all) if !all.is_empty() => Ok(Some(all)),
        Ok(_) => Err("its certificate-authority holds no certificate (PEM)".to_owned()),
        Err(e) => Err(format!("its certificate-authority cannot be read ({e})")),
    }
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

/// Up to three names that resemble `name`.
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

    fn files() -> (tempfile::TempDir, Environment) {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&a, FIRST).unwrap();
        std::fs::write(&b, SECOND).unwrap();
        let list = std::env::join_paths([dir.path().join("absent"), a, b]).unwrap();
        (dir, Environment { kubeconfig: Some(list), ..Environment::default() })
    }

    fn open(options: &Options, environment: &Environment) -> Result<Picked, ConnectError> {
        config(&read(options, environment)?.config, options, environment)
    }

    #[test]
    fn files_merge_the_first_wins_and_absent_ones_are_passed_over() {
        let (dir, environment) = files();
        let picked = open(&Options::default(), &environment).unwrap();
        let config = picked.config;
        assert_eq!((picked.context.as_str(), config.default_namespace.as_str()), ("prod-us-west-2", "team"));
        assert_eq!(config.cluster_url, "https://one:6443");
        let text = read(&Options::default(), &environment).unwrap().shadowed;
        let second = dir.path().join("b");
        assert_eq!(
            text,
            [format!(
                "the cluster \"c1\" of {} is not used: an earlier file defines one with the same name",
                second.display()
            )]
        );
    }

    /// A kubeconfig with one context, as JSON, which is valid YAML.
    fn one(cluster: serde_json::Value, user: serde_json::Value) -> Result<Picked, ConnectError> {
        let text = json!({"clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"});
        config(
            &Kubeconfig::from_yaml(&text.to_string()).unwrap(),
            &Options::default(),
            &Environment::default(),
        )
    }

    #[test]
    fn a_server_without_a_scheme_is_taken_as_kubectl_takes_it() {
        let url = |cluster| one(cluster, json!({})).map(|p| p.config.cluster_url.to_string());
        assert_eq!(url(json!({"server": "127.0.0.1:6443"})).unwrap(), "http://127.0.0.1:6443/");
        let skip = json!({"server": "h:6443", "insecure-skip-tls-verify": true});
        assert_eq!(url(skip).unwrap(), "https://h:6443/");
        assert_eq!(
            url(json!({"server": "https://h/k8s/clusters/c-1"})).unwrap(),
            "https://h/k8s/clusters/c-1"
        );
        for (server, why) in [
            ("", "names no server"),
            ("ftp://h", "begins with neither"),
            ("https://", "is not a URL"),
            ("http:///x", "is not a URL"),
            ("https://me:secret@h", "contains a user"),
        ] {
            let text = url(json!({ "server": server })).unwrap_err().to_string();
            assert!(text.contains(why) && !text.contains("secret"), "{server}: {text}");
        }
    }

    #[test]
    fn a_proxy_of_the_kubeconfig_is_used_whatever_the_environment_says() {
        let at = |url: &str| one(json!({"server": "https://h", "proxy-url": url}), json!({}));
        assert_eq!(
            at("socks5://127.0.0.1:1080").unwrap().proxy.unwrap().to_string(),
            "socks5://127.0.0.1:1080"
        );
        let text = at("ftp://p").err().unwrap().to_string();
        assert!(text.contains("its proxy-url has the scheme \"ftp\""), "{text}");
    }

    #[test]
    fn paths_and_plugins_are_relative_to_the_file_that_names_them() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("conf")).unwrap();
        std::fs::write(dir.path().join("ca.crt"), "no certificate").unwrap();
        let path = dir.path().join("conf/config");
        let user = json!({"tokenFile": "token", "exec": {"apiVersion": "v1", "command": "../bin/login"}});
        let cluster = json!({"server": "https://h", "certificate-authority": "../ca.crt"});
        let write = |cluster: &serde_json::Value| {
            let text = json!({"clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"});
            std::fs::write(&path, text.to_string()).unwrap();
        };
        let options = Options { kubeconfig: Some(path.clone()), ..Options::default() };
        write(&cluster);
        let text = open(&options, &Environment::default()).err().unwrap().to_string();
        assert!(text.contains("its certificate-authority holds no certificate"), "found and read: {text}");
        write(&json!({"server": "https://h"}));
        let auth = open(&options, &Environment::default()).unwrap().config.auth_info;
        let below = |text: Option<String>| PathBuf::from(text.unwrap()).starts_with(dir.path());
        assert!(below(auth.token_file) && below(auth.exec.unwrap().command));
    }

    #[test]
    fn every_mistake_is_a_sentence() {
        let (dir, environment) = files();
        let with = |context: &str| Options { context: Some(context.into()), ..Options::default() };
        let say = |o: Options, a: &Environment| open(&o, a).err().unwrap().to_string();

        let text = say(with("prod-us-west-1"), &environment);
        assert_eq!(text, "the kubeconfig has no context \"prod-us-west-1\"; near: prod-us-west-2");
        let text = say(with("zzz"), &environment);
        assert!(text.ends_with("`khud contexts` lists the 3 it has"), "{text}");
        let text = say(with("broken"), &environment);
        assert!(text.contains("names the cluster \"gone\", which the kubeconfig does not define"), "{text}");

        let home = Environment { home: Some(dir.path().into()), ..Environment::default() };
        let text = say(Options::default(), &home);
        assert!(text.starts_with("no kubeconfig found: looked for ~/.kube/config"), "{text}");

        let bad = dir.path().join("bad");
        std::fs::write(&bad, "{ not yaml").unwrap();
        let text = say(Options { kubeconfig: Some(bad), ..Options::default() }, &environment);
        assert!(text.contains("is not a valid kubeconfig"), "{text}");
        let half = dir.path().join("half");
        std::fs::write(&half, [0xff, 0xfe, b'a']).unwrap();
        let text = say(Options { kubeconfig: Some(half), ..Options::default() }, &environment);
        assert!(text.contains("ends in the middle"), "{text}");
        let none = dir.path().join("none");
        for (current, why) in [
            ("''", "has no current context"),
            ("gone", "current-context is \"gone\", which it does not define"),
        ] {
            std::fs::write(
                &none,
                format!("current-context: {current}\ncontexts: [{{name: a, context: {{cluster: c}}}}]\n"),
            )
            .unwrap();
            let text = say(Options { kubeconfig: Some(none.clone()), ..Options::default() }, &environment);
            assert!(text.contains(why), "{text}");
        }
        let gone = dir.path().join("nowhere");
        let text = say(Options { kubeconfig: Some(gone), ..Options::default() }, &environment);
        assert!(text.starts_with("cannot read the kubeconfig"), "{text}");
    }
}
