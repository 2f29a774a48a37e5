//! Plays a scenario: its initial cluster, its history and its steps.
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use serde_saphyr::Spanned;

use crate::api::meta::status::Status;
use crate::api::store::{DeleteOptions, Part};
use crate::scenario::Mistake;
use crate::scenario::format::{Scenario, Step};
use crate::scenario::reference::{parse_reference, resource_of};

use super::engine::{Engine, Timer};
use super::kubelet::{crash, node};
use super::object::{self, entry, text};

/// The state of the play.
#[derive(Default)]
pub struct Player {
    steps: Vec<Spanned<Step>>,
    /// The line of the file that is being played; 0 if it is in another file.
    line: u64,
    /// The steps that the API server refused.
    pub refused: Vec<Mistake>,
}

impl Engine {
    /// Builds the scenario's cluster at `history` before `zero` and replays the time up to `zero`.
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
        self.plan_scrapes(birth, zero);
        self.live_until(zero);
        self.after(Duration::ZERO, Timer::Scrape);
    }

    fn prepare(&mut self, scenario: &Scenario) {
        self.registry = super::images::Registry::new(scenario.images.clone());
        self.behaviours = scenario.containers.iter().cloned().map(Arc::new).collect();
        self.misfits = scenario.misfits.clone();
        self.metrics_server = scenario.metrics_server.unwrap_or(true);
        self.deprecated_requests = scenario.deprecated_requests.clone();
        self.player = Player { steps: scenario.steps.clone(), ..Player::default() };
        for ns in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}}));
        }
        // Namespaces, and the objects that pod admission needs, come before pods.
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
            node::boot(self, pool, &version);
        }
        for object in scenario.objects.iter().filter(|o| !early(&o.value)) {
            self.player.line = object.referenced.line();
            self.apply(&object.value);
        }
    }

    /// Creates an object, or merges it into the existing one.
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
            // The scenario's status for kinds that no controller reconciles.
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
            crash::rematch(self);
        }
        if let Some(misfits) = step.misfits {
            self.misfits = misfits;
            self.retry_pending();
        }
        for change in &step.node {
            if !node::change_nodes(self, change) {
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

/// Sets the image of a named container; false if there is none.
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
