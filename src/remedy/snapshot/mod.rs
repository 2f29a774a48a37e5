//! Snapshots of a cluster's objects, and the difference of two: what changed in meaning, without ages, versions of objects
//! and other bookkeeping. `facts` picks what counts of an object, `difference` compares.

mod difference;
mod facts;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cx::Cx;
use super::run::{Progress, Stop};
use crate::world::ask::Call;
use crate::world::{Kind, Time};

pub(super) use difference::difference;

/// The form of the file.
const KIND: &str = "khud-snapshot";
const VERSION: u32 = 1;
/// Objects read at once.
const PAGE: usize = 500;

/// The lists that a snapshot reads. Pods come from the watch; Secrets are left out.
const LISTS: &[(&str, &str)] = &[
    ("/api/v1/nodes", "Node"),
    ("/api/v1/namespaces", "Namespace"),
    ("/apis/apps/v1/deployments", "Deployment"),
    ("/apis/apps/v1/statefulsets", "StatefulSet"),
    ("/apis/apps/v1/daemonsets", "DaemonSet"),
    ("/apis/batch/v1/cronjobs", "CronJob"),
    ("/api/v1/services", "Service"),
    ("/api/v1/serviceaccounts", "ServiceAccount"),
    ("/api/v1/configmaps", "ConfigMap"),
    ("/api/v1/persistentvolumeclaims", "PersistentVolumeClaim"),
    ("/api/v1/persistentvolumes", "PersistentVolume"),
    ("/api/v1/resourcequotas", "ResourceQuota"),
    ("/api/v1/limitranges", "LimitRange"),
    ("/apis/storage.k8s.io/v1/storageclasses", "StorageClass"),
    ("/apis/policy/v1/poddisruptionbudgets", "PodDisruptionBudget"),
    ("/apis/autoscaling/v2/horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    ("/apis/networking.k8s.io/v1/ingresses", "Ingress"),
    ("/apis/networking.k8s.io/v1/networkpolicies", "NetworkPolicy"),
    ("/apis/rbac.authorization.k8s.io/v1/roles", "Role"),
    ("/apis/rbac.authorization.k8s.io/v1/rolebindings", "RoleBinding"),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "ClusterRole"),
    ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "ClusterRoleBinding"),
    ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "CustomResourceDefinition"),
    ("/apis/apiregistration.k8s.io/v1/apiservices", "APIService"),
    (
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
    ),
    ("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "MutatingWebhookConfiguration"),
    ("/apis/scheduling.k8s.io/v1/priorityclasses", "PriorityClass"),
];

/// A cluster at one time. Serialised as a file; objects are by `Kind namespace/name`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Snapshot {
    kind: String,
    version: u32,
    pub context: String,
    pub at: Time,
    /// The API server's version.
    pub server: String,
    /// Group versions that are served.
    pub apis: BTreeSet<String>,
    pub objects: BTreeMap<String, Value>,
    /// What could not be read, and why, by kind.
    pub missing: BTreeMap<String, String>,
}

impl Snapshot {
    /// # Errors
    /// A sentence: it is no snapshot, or one of another version of khud.
    pub fn read(bytes: &[u8]) -> Result<Snapshot, String> {
        let found: Snapshot =
            serde_json::from_slice(bytes).map_err(|e| format!("it is no snapshot of khud ({e})"))?;
        match (found.kind.as_str(), found.version) {
            (KIND, VERSION) => Ok(found),
            (KIND, other) => Err(format!("it has version {other}, this khud reads version {VERSION}")),
            _ => Err("it is no snapshot of khud".to_owned()),
        }
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// A sentence where it cannot be written as JSON.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        let mut out = serde_json::to_vec_pretty(self)
            .map_err(|e| format!("the snapshot cannot be written down: {e}"))?;
        out.push(b'\n');
        Ok(out)
    }
}

/// Reads the cluster. What may not be read is named in `missing`.
pub(super) async fn take(cx: &Cx) -> Result<Snapshot, Stop> {
    let version = cx.call(Call::get("/version".to_owned())).await?;
    let mut out = Snapshot {
        kind: KIND.to_owned(),
        version: VERSION,
        context: cx.options().context,
        at: cx.now(),
        server: version.body["gitVersion"].as_str().unwrap_or("unknown").to_owned(),
        apis: BTreeSet::new(),
        objects: BTreeMap::new(),
        missing: BTreeMap::new(),
    };
    let groups = cx.call(Call::get("/apis".to_owned())).await?;
    match groups.body["groups"].as_array().filter(|_| groups.ok()) {
        Some(groups) => {
            let versions = groups.iter().flat_map(|g| g["versions"].as_array().into_iter().flatten());
            out.apis = versions.filter_map(|v| v["groupVersion"].as_str().map(str::to_owned)).collect();
        }
        None => drop(out.missing.insert("API".to_owned(), groups.message())),
    }
    for (path, kind) in LISTS {
        cx.progress(Progress { line: format!("reading {kind}s"), ..Progress::default() });
        if let Err(why) = list(cx, path, kind, &mut out.objects).await? {
            out.missing.insert((*kind).to_owned(), why);
        }
    }
    let (pods, synced) = cx.look(|world, _| (facts::pods(world), world.synced(&Kind::Pod))).await?;
    match synced {
        true => out.objects.extend(pods),
        false => drop(out.missing.insert("Pod".to_owned(), "they could not be listed".to_owned())),
    }
    Ok(out)
}

async fn list(
    cx: &Cx,
    path: &str,
    kind: &str,
    into: &mut BTreeMap<String, Value>,
) -> Result<Result<(), String>, Stop> {
    let mut next = String::new();
    loop {
        let after = if next.is_empty() { String::new() } else { format!("&continue={next}") };
        let page = cx.call(Call::get(format!("{path}?limit={PAGE}{after}"))).await?;
        if !page.ok() {
            return Ok(Err(format!("GET {path} was answered {}: {}", page.status, page.message())));
        }
        for object in page.body["items"].as_array().into_iter().flatten() {
            if let Some(facts) = facts::of(kind, object) {
                into.insert(key(kind, object), facts);
            }
        }
        match page.body["metadata"]["continue"].as_str() {
            Some(token) if !token.is_empty() => token.clone_into(&mut next),
            _ => return Ok(Ok(())),
        }
    }
}

fn key(kind: &str, object: &Value) -> String {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or("");
    format!("{kind} {}/{}", text("namespace"), text("name"))
}
