//! Checks every remedy shares: read-only mode, permission, and who would undo the change.

use serde_json::{Value, json};

use super::cx::Cx;
use super::plan::{Severity, Stage};
use super::run::Stop;
use crate::world::ask::{Call, Verb};
use crate::world::{ObjectRef, Time, World};

/// A right that a SelfSubjectAccessReview asks for.
pub(super) struct Asked<'a> {
    pub verb: &'a str,
    pub group: &'a str,
    pub resource: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
}

impl Cx {
    /// Notes whether khud may write at all, then whether the user has the rights that the action declares
    /// (SelfSubjectAccessReview).
    pub async fn guards(&self) -> Result<(), Stop> {
        if !self.may_write() {
            // The review would be let through, but there is no point in asking.
            return Ok(());
        }
        let (rights, target) = self.asks();
        for right in rights {
            let kind = right.kind.unwrap_or(&target.kind);
            let (namespace, name) = right.place(&target);
            let asked = Asked {
                verb: right.verb,
                group: kind.group(),
                resource: kind.plural(),
                subresource: right.subresource,
            };
            self.permitted(&asked, namespace, name).await?;
        }
        Ok(())
    }

    /// Notes whether khud may write at all.
    pub fn may_write(&self) -> bool {
        self.stage(Stage::Guarding);
        let allowed = !self.options().read_only;
        let why = match allowed {
            true => "writes are allowed in this session",
            false => "khud runs read-only and sends no writes",
        };
        self.guard("read-only", allowed, why);
        allowed
    }

    /// Notes whether the user has a right; in all namespaces where none is named, on all objects where none is.
    pub async fn permitted(&self, asked: &Asked<'_>, namespace: &str, name: &str) -> Result<(), Stop> {
        let what = match asked.subresource {
            "" => format!("{} {}", asked.verb, asked.resource),
            sub => format!("{} {}/{sub}", asked.verb, asked.resource),
        };
        let check = format!("permission {what}");
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "verb": asked.verb, "group": asked.group, "resource": asked.resource,
                "subresource": asked.subresource, "namespace": namespace, "name": name,
            }},
        });
        let call = Call {
            verb: Verb::Post,
            path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned(),
            content_type: "application/json".into(),
            body: Some(body),
        };
        let answer = self.call(call).await?;
        if !answer.ok() {
            // Not knowing is no refusal: the dry run will tell.
            let why = format!("could not be asked ({}); the dry run decides", answer.message());
            self.guard(&check, true, why);
            return Ok(());
        }
        let allowed = answer.body["status"]["allowed"].as_bool().unwrap_or(false);
        let reason = answer.body["status"]["reason"].as_str().unwrap_or("");
        let place = if namespace.is_empty() { String::new() } else { format!(" in {namespace}") };
        let text = if allowed {
            "allowed".to_owned()
        } else if reason.is_empty() {
            format!("you may not {what}{place}")
        } else {
            format!("you may not {what}{place}: {reason}")
        };
        self.guard(&check, allowed, text);
        Ok(())
    }

    /// Warns where something else owns the object's spec and would put it back.
    pub fn warn_of_owner(&self, object: &Value) {
        if let Some((who, detail)) = gitops(object) {
            self.impact(format!("{who} manages this"), Severity::Warning, detail);
        }
        let annotations = &object["metadata"]["annotations"];
        if annotations.get("kubectl.kubernetes.io/last-applied-configuration").is_some() {
            self.impact(
                "kubectl apply manages this",
                Severity::Info,
                "the manifest it was applied from stays as it is; the next apply brings it back",
            );
        }
    }
}

/// The GitOps tool that would revert a change, if the object carries its marks.
fn gitops(object: &Value) -> Option<(&'static str, String)> {
    let meta = &object["metadata"];
    let has = |map: &str, key: &str| meta[map].get(key).is_some();
    let manager = |names: &[&str]| {
        meta["managedFields"].as_array().is_some_and(|fields| {
            fields
                .iter()
                .any(|f| f["manager"].as_str().is_some_and(|m| names.iter().any(|n| m.starts_with(n))))
        })
    };
    if has("annotations", "argocd.argoproj.io/tracking-id") || manager(&["argocd", "argo-cd"]) {
        let detail =
            "Argo CD with self-heal reverts this within seconds: suspend auto-sync first, or fix it in git";
        return Some(("Argo CD", detail.to_owned()));
    }
    if has("labels", "kustomize.toolkit.fluxcd.io/name")
        || has("labels", "helm.toolkit.fluxcd.io/name")
        || manager(&["kustomize-controller", "helm-controller"])
    {
        let detail = "Flux reverts this at its next reconciliation: suspend it first, or fix it in git";
        return Some(("Flux", detail.to_owned()));
    }
    if meta["labels"]["app.kubernetes.io/managed-by"].as_str() == Some("Helm") {
        return Some(("Helm", "the next helm upgrade brings its own version back".to_owned()));
    }
    None
}

/// Budgets that select a pod, with what they allow now: `api-server allows 0 (needs 3 of 3)`.
pub(super) fn budgets_of(world: &World, pod: &ObjectRef) -> Vec<(String, bool)> {
    let Some(p) = world.pods.find(&pod.namespace, &pod.name) else { return Vec::new() };
    world
        .budgets
        .values()
        .filter(|b| b.meta.namespace == pod.namespace && b.selector.matches(&p.meta.labels))
        .map(|b| {
            let text = format!(
                "{} allows {} more disruptions ({} healthy, needs {})",
                b.meta.name, b.disruptions_allowed, b.current_healthy, b.desired_healthy
            );
            (text, b.disruptions_allowed > 0)
        })
        .collect()
}

/// ConfigMaps and Secrets a pod template names, with those changed since `since`.
pub(super) fn configuration(
    template: &Value,
    namespace: &str,
    world: &World,
    since: Option<Time>,
) -> (Vec<String>, Vec<String>) {
    let (mut maps, mut secrets) = (Vec::new(), Vec::new());
    references(template, &mut maps, &mut secrets);
    let mut all = Vec::new();
    let mut changed = Vec::new();
    for (kind, names, table) in
        [("ConfigMap", &mut maps, &world.config_maps), ("Secret", &mut secrets, &world.secrets)]
    {
        names.sort();
        names.dedup();
        for name in names.iter() {
            let text = format!("{kind} {name}");
            let written = table.find(namespace, name).and_then(|c| c.meta.writer.as_ref()).map(|w| w.at);
            if let (Some(at), Some(since)) = (written, since)
                && at > since
            {
                changed.push(format!("{text} ({at})"));
            }
            all.push(text);
        }
    }
    (all, changed)
}

fn references(value: &Value, maps: &mut Vec<String>, secrets: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, v) in fields {
                let name = |field: &str| v.get(field).and_then(Value::as_str).map(str::to_owned);
                match key.as_str() {
                    "configMap" | "configMapRef" | "configMapKeyRef" => maps.extend(name("name")),
                    "secret" => secrets.extend(name("secretName").or_else(|| name("name"))),
                    "secretRef" | "secretKeyRef" => secrets.extend(name("name")),
                    _ => references(v, maps, secrets),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, maps, secrets)),
        _ => {}
    }
}
