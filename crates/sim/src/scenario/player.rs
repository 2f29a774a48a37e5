//! Playing a scenario: the cluster it starts from, its history, and its steps when their time comes.
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use serde_saphyr::Spanned;

use crate::api::status::Status;
use crate::api::store::{DeleteOptions, Part};
use crate::cluster::engine::{Engine, Timer};
use crate::cluster::object::{self, entry, text};

use super::check::Mistake;
use super::format::{Scenario, Step};

/// Where the play stands.
#[derive(Default)]
pub struct Player {
    steps: Vec<Spanned<Step>>,
    /// The line of the file that is being played; 0 where it is another file's.
    line: u64,
    /// What the API server refused of the scenario.
    pub refused: Vec<Mistake>,
}

/// A named object: resource, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub resource: String,
    pub ns: String,
    pub name: String,
}

/// Kinds by the names people use for them.
const KINDS: [(&str, &str, bool); 32] = [
    ("pod", "pods", true),
    ("service", "services", true),
    ("configmap", "configmaps", true),
    ("secret", "secrets", true),
    ("serviceaccount", "serviceaccounts", true),
    ("persistentvolumeclaim", "persistentvolumeclaims", true),
    ("pvc", "persistentvolumeclaims", true),
    ("resourcequota", "resourcequotas", true),
    ("limitrange", "limitranges", true),
    ("endpoints", "endpoints", true),
    ("event", "events", true),
    ("node", "nodes", false),
    ("namespace", "namespaces", false),
    ("persistentvolume", "persistentvolumes", false),
    ("deployment", "deployments.apps", true),
    ("replicaset", "replicasets.apps", true),
    ("statefulset", "statefulsets.apps", true),
    ("daemonset", "daemonsets.apps", true),
    ("job", "jobs.batch", true),
    ("cronjob", "cronjobs.batch", true),
    ("ingress", "ingresses.networking.k8s.io", true),
    ("ingressclass", "ingressclasses.networking.k8s.io", false),
    ("networkpolicy", "networkpolicies.networking.k8s.io", true),
    ("poddisruptionbudget", "poddisruptionbudgets.policy", true),
    ("pdb", "poddisruptionbudgets.policy", true),
    ("horizontalpodautoscaler", "horizontalpodautoscalers.autoscaling", true),
    ("storageclass", "storageclasses.storage.k8s.io", false),
    ("priorityclass", "priorityclasses.scheduling.k8s.io", false),
    ("role", "roles.rbac.authorization.k8s.io", true),
    ("rolebinding", "rolebindings.rbac.authorization.k8s.io", true),
    ("clusterrole", "clusterroles.rbac.authorization.k8s.io", false),
    ("clusterrolebinding", "clusterrolebindings.rbac.authorization.k8s.io", false),
];

/// Reads `kind/namespace/name` or `kind/name`.
///
/// # Errors
/// A sentence that shows the form.
pub fn parse_reference(written: &str) -> Result<Reference, String> {
    let wrong = || {
        format!(
            "`{written}` does not name an object; write kind/namespace/name, like deployment/production/api-server, or kind/name for a node"
        )
    };
    let parts: Vec<&str> = written.split('/').collect();
    let (kind, ns, name) = match parts.as_slice() {
        [kind, ns, name] => (*kind, *ns, *name),
        [kind, name] => (*kind, "", *name),
        _ => return Err(wrong()),
    };
    let known = KINDS.iter().find(|k| k.0 == kind.to_lowercase() || k.1 == kind.to_lowercase());
    let Some((_, resource, namespaced)) = known else {
        if kind.contains('.') && !name.is_empty() {
            return Ok(Reference { resource: kind.to_lowercase(), ns: ns.into(), name: name.into() });
        }
        return Err(wrong());
    };
    if name.is_empty() || *namespaced == ns.is_empty() {
        return Err(wrong());
    }
    Ok(Reference { resource: (*resource).into(), ns: ns.into(), name: name.into() })
}

/// The store's name for a kind of an API version, and whether it has namespaces.
pub fn resource_of(api_version: &str, kind: &str) -> (String, bool) {
    if let Some((_, resource, namespaced)) = KINDS.iter().find(|k| k.0 == kind.to_lowercase()) {
        return ((*resource).to_owned(), *namespaced);
    }
    let plural = match kind.to_lowercase() {
        k if k.ends_with('y') => format!("{}ies", &k[..k.len() - 1]),
        k if k.ends_with('s') => format!("{k}es"),
        k => format!("{k}s"),
    };
    let resource = match api_version.split_once('/') {
        Some((group, _)) => format!("{plural}.{group}"),
        None => plural,
    };
    let cluster = matches!(
        kind,
        "CustomResourceDefinition"
            | "APIService"
            | "RuntimeClass"
            | "CSIDriver"
            | "VolumeAttachment"
            | "ValidatingWebhookConfiguration"
            | "MutatingWebhookConfiguration"
            | "CSINode"
    );
    (resource, !cluster)
}

impl Engine {
    /// Builds the scenario's cluster, `history` before `zero`, and lives through the time up to `zero`.
    pub fn stage(&mut self, scenario: &Scenario, zero: Timestamp) {
        let history = scenario.history.map_or(Duration::ZERO, |h| h.duration());
        let birth = zero.checked_sub(history).unwrap_or(zero);
        self.be_at(birth);
        self.prepare(scenario);
        for (i, step) in scenario.steps.iter().enumerate() {
            let at = zero.checked_add(step.value.at.signed()).unwrap_or(zero).max(birth);
            self.at(at, Timer::Step(i, 0));
        }
        self.start_clockwork();
        self.live_until(zero);
    }

    fn prepare(&mut self, scenario: &Scenario) {
        self.registry = crate::cluster::images::Registry::new(scenario.images.clone());
        self.behaviours = scenario.containers.iter().cloned().map(Arc::new).collect();
        self.misfits = scenario.misfits.clone();
        self.metrics_server = scenario.metrics_server.unwrap_or(true);
        self.player = Player { steps: scenario.steps.clone(), ..Player::default() };
        for ns in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}}));
        }
        // Namespaces and what the admission of pods needs come before pods.
        let early = |v: &Value| {
            matches!(
                text(v, "/kind"),
                "Namespace"
                    | "PriorityClass"
                    | "StorageClass"
                    | "ResourceQuota"
                    | "LimitRange"
                    | "ServiceAccount"
                    | "ConfigMap"
                    | "Secret"
                    | "CustomResourceDefinition"
            )
        };
        for object in scenario.objects.iter().filter(|o| early(&o.value)) {
            self.player.line = object.referenced.line();
            self.apply(&object.value);
        }
        let version = scenario.kubernetes.clone().unwrap_or_else(|| "v1.33.4".to_owned());
        for pool in &scenario.nodes {
            self.boot(pool, &version);
        }
        for object in scenario.objects.iter().filter(|o| !early(&o.value)) {
            self.player.line = object.referenced.line();
            self.apply(&object.value);
        }
    }

    /// Creates an object, or merges it into the one that is there.
    pub(crate) fn apply(&mut self, manifest: &Value) {
        let (resource, namespaced) = resource_of(text(manifest, "/apiVersion"), text(manifest, "/kind"));
        let ns = match (namespaced, object::namespace(manifest)) {
            (false, _) => "",
            (true, "") => "default",
            (true, ns) => ns,
        };
        let ns = ns.to_owned();
        if !ns.is_empty() && self.store().get("namespaces", "", &ns).is_none() {
            self.told(Err(Status::not_found("namespaces", &ns)));
            return;
        }
        let name = object::name(manifest).to_owned();
        let mut manifest = manifest.clone();
        let status = manifest.as_object_mut().and_then(|m| m.remove("status"));
        let written = if self.store().get(&resource, &ns, &name).is_some() {
            self.store()
                .modify(&resource, &ns, &name, Part::Main, |o| json_patch::merge(o, &manifest))
                .map(drop)
        } else {
            self.store().create(&resource, &ns, manifest).map(drop)
        };
        self.told(written);
        if let Some(status) = status {
            // What a scenario says of the status of kinds nobody here reconciles.
            let written =
                self.store().modify(&resource, &ns, &name, Part::Status, |o| o["status"] = status).map(drop);
            self.told(written);
        }
    }

    fn told(&mut self, result: Result<(), Status>) {
        if let Err(status) = result {
            tracing::warn!(line = self.player.line, "the scenario was refused: {}", status.message);
            self.player.refused.push(Mistake { line: self.player.line, why: status.message });
        }
    }

    pub(crate) fn play_step(&mut self, index: usize, round: u32) {
        let Some(Spanned { value: step, referenced, .. }) = self.player.steps.get(index).cloned() else {
            return;
        };
        self.player.line = referenced.line();
        if !step.note.is_empty() {
            tracing::info!(step = step.note, "the scenario goes on");
        }
        self.registry.prepend(&step.images);
        if !step.containers.is_empty() {
            self.behaviours.splice(0..0, step.containers.iter().cloned().map(Arc::new));
            self.rematch();
        }
        if let Some(misfits) = step.misfits {
            self.misfits = misfits;
            self.retry_pending();
        }
        for change in &step.node {
            if !self.change_nodes(change) {
                self.told(Err(Status::bad_request(format!("no node is called {:?}", change.matches))));
            }
        }
        for manifest in &step.apply {
            self.apply(&manifest.value);
        }
        for patch in &step.patch {
            self.change(&patch.object, |o| json_patch::merge(o, &patch.merge));
        }
        if let Some(set) = &step.set_image {
            let mut known = false;
            let before = self.player.refused.len();
            self.change(&set.object, |o| {
                known = set_image(o, &set.container, &set.image, set.cause.as_deref());
            });
            if !known && self.player.refused.len() == before {
                let why = format!("{} has no container {:?}", set.object, set.container);
                self.told(Err(Status::bad_request(why)));
            }
        }
        if let Some(object) = &step.restart {
            let now = object::stamp(self.now());
            self.change(object, |o| {
                let template = &mut o["spec"]["template"];
                entry(&mut template["metadata"], "annotations")
                    .insert("kubectl.kubernetes.io/restartedAt".into(), json!(now));
            });
        }
        if let Some(scale) = &step.scale {
            self.change(&scale.object, |o| o["spec"]["replicas"] = json!(scale.replicas));
        }
        for object in &step.delete {
            self.delete(object);
        }
        if let Some(again) = step.again.filter(|a| round < a.times) {
            self.after(again.every.duration(), Timer::Step(index, round + 1));
        }
    }

    fn change(&mut self, object: &str, f: impl FnOnce(&mut Value)) {
        let result = match parse_reference(object) {
            Ok(r) => self.store().modify(&r.resource, &r.ns, &r.name, Part::Main, f).map(drop),
            Err(why) => Err(Status::bad_request(why)),
        };
        self.told(result);
    }

    fn delete(&mut self, object: &str) {
        let result = match parse_reference(object) {
            Ok(r) => self.store().delete(&r.resource, &r.ns, &r.name, DeleteOptions::default()).map(drop),
            Err(why) => Err(Status::bad_request(why)),
        };
        self.told(result);
    }
}

/// Sets the image of a container of that name; false if there is none.
fn set_image(object: &mut Value, container: &str, image: &str, cause: Option<&str>) -> bool {
    let mut known = false;
    if let Some(Value::Array(containers)) = object.pointer_mut("/spec/template/spec/containers") {
        for c in containers.iter_mut().filter(|c| c["name"] == container || container == "*") {
            c["image"] = json!(image);
            known = true;
        }
    }
    if let Some(cause) = cause {
        entry(&mut object["metadata"], "annotations")
            .insert("kubernetes.io/change-cause".into(), json!(cause));
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_as_people_do() {
        let r = parse_reference("deployment/production/api-server").unwrap();
        assert_eq!(
            (r.resource.as_str(), r.ns.as_str(), r.name.as_str()),
            ("deployments.apps", "production", "api-server")
        );
        assert_eq!(parse_reference("node/gpu-worker-001").unwrap().resource, "nodes");
        for wrong in ["pods", "pod/x", "node/a/b", "thing/a/b", "pod//x"] {
            assert!(parse_reference(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            resource_of("networking.k8s.io/v1", "Ingress"),
            ("ingresses.networking.k8s.io".into(), true)
        );
        assert_eq!(resource_of("acme.io/v1", "Policy"), ("policies.acme.io".into(), true));
    }
}
