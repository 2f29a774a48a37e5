//! The volume binder: finds class, provisioner and volume for claims, or reports why there is none.
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::store::Object;

use crate::cluster::controllers::Controller;
use crate::cluster::engine::{Engine, Timer, Work};
use crate::cluster::events::Source;
use crate::cluster::kubelet::{Container, PodRun, State, since};
use crate::cluster::object::{self, Key, annotation, entry, list, text};

const WHO: Source<'static> = Source::Controller("persistentvolume-controller");
const CLAIMS: &str = "persistentvolumeclaims";
/// How long a sidecar of a storage driver waits for the lease that its predecessor held.
const LEADER: Duration = Duration::from_secs(15);
/// The annotation of a class whose provisioner does not answer: `down`, its error, or the Deployment it runs in.
const BROKEN: &str = "khud.dev/provisioner";
/// Begins the name of a Deployment, `deployment/NAMESPACE/NAME`: the provisioner works while a pod of it does.
const RUNS_IN: &str = "deployment/";
/// How often an unbound claim is checked again.
const AGAIN: Duration = Duration::from_secs(15);
const PROVISIONING: Duration = Duration::from_secs(2);

pub(in crate::cluster) struct VolumeController;

impl Controller for VolumeController {
    type Key = Key;

    fn sync(engine: &mut Engine, key: &Key) {
        let Some(claim) = engine.cached(CLAIMS, key).filter(|c| !object::deleting(c)) else { return };
        if text(&claim, "/status/phase") == "Bound" {
            return;
        }
        let first = text(&claim, "/status/phase").is_empty();
        if first {
            engine.write_status(CLAIMS, key, |o| {
                entry(o, "status").insert("phase".into(), json!("Pending"));
            });
        }
        if let Some(volume) = fitting_volume(engine, &claim) {
            bind_claim(engine, key, &claim, &volume);
            return;
        }
        let name = text(&claim, "/spec/storageClassName").to_owned();
        if name.is_empty() {
            engine.event(
                WHO,
                &claim,
                "Normal",
                "FailedBinding",
                "no persistent volumes available for this claim and no storage class is set",
            );
            engine.after(AGAIN, Timer::Work(Work::Claim(key.clone())));
            return;
        }
        let Some(class) = engine.cached("storageclasses.storage.k8s.io", &Key::new("", &name)) else {
            let said = format!("storageclass.storage.k8s.io {name:?} not found");
            engine.event(WHO, &claim, "Warning", "ProvisioningFailed", &said);
            engine.after(AGAIN, Timer::Work(Work::Claim(key.clone())));
            return;
        };
        let consumer = engine.cache.in_namespace("pods", &key.ns).any(|(_, p)| {
            !text(p, "/spec/nodeName").is_empty()
                && list(p, "/spec/volumes")
                    .iter()
                    .any(|v| text(v, "/persistentVolumeClaim/claimName") == &*key.name)
        });
        if text(&class, "/volumeBindingMode") == "WaitForFirstConsumer" && !consumer {
            engine.event(
                WHO,
                &claim,
                "Normal",
                "WaitForFirstConsumer",
                "waiting for first consumer to be created before binding",
            );
            engine.after(AGAIN, Timer::Work(Work::Claim(key.clone())));
            return;
        }
        let provisioner = text(&class, "/provisioner");
        let broken = annotation(&class, BROKEN).filter(|words| !runs(engine, words));
        match broken {
            Some(words) if words == "down" || words.starts_with(RUNS_IN) => {}
            Some(words) => {
                let said = format!("failed to provision volume with StorageClass {name:?}: {words}");
                engine.event(Source::Controller(provisioner), &claim, "Warning", "ProvisioningFailed", &said);
                engine.after(AGAIN, Timer::Work(Work::Claim(key.clone())));
                return;
            }
            None => {
                let due = object::created(&claim).and_then(|c| c.checked_add(PROVISIONING).ok());
                if due.is_some_and(|d| d <= engine.now()) {
                    provision(engine, key, &claim, &class);
                    return;
                }
                engine.after(PROVISIONING, Timer::Work(Work::Claim(key.clone())));
            }
        }
        let said = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        );
        engine.event(WHO, &claim, "Normal", "ExternalProvisioning", &said);
        if broken.is_some() {
            engine.after(AGAIN, Timer::Work(Work::Claim(key.clone())));
        }
    }
}

/// Whether an annotation names a Deployment of which a pod works: up for as long as it takes to become the leader.
fn runs(engine: &Engine, words: &str) -> bool {
    let named = words.strip_prefix(RUNS_IN).and_then(|of| of.split_once('/'));
    let Some((ns, name)) = named else { return false };
    let Some(deployment) = engine.cache.find("deployments.apps", ns, name) else { return false };
    let selector = deployment.pointer("/spec/selector/matchLabels");
    let now = engine.now();
    let leads = |c: &Container| matches!(c.state, State::Running(at) if since(at, now) >= LEADER);
    let its =
        |r: &&PodRun| &*r.key.ns == ns && object::map_selects(selector, r.pod.pointer("/metadata/labels"));
    engine.runs.values().filter(its).any(|r| r.containers.iter().filter(|c| c.main()).all(leads))
}

fn fitting_volume(engine: &Engine, claim: &Value) -> Option<Object> {
    let named = text(claim, "/spec/volumeName");
    let asked = claim.pointer("/spec/resources/requests/storage").and_then(object::amount).unwrap_or(0.0);
    let class = text(claim, "/spec/storageClassName");
    engine
        .cache
        .all("persistentvolumes")
        .filter(|(_, v)| matches!(text(v, "/status/phase"), "" | "Available"))
        .find(|(k, v)| {
            if !named.is_empty() {
                return &*k.name == named;
            }
            let reserved = text(v, "/spec/claimRef/name");
            text(v, "/spec/storageClassName") == class
                && (reserved.is_empty() || reserved == object::name(claim))
                && v.pointer("/spec/capacity/storage").and_then(object::amount).unwrap_or(0.0) >= asked
        })
        .map(|(_, v)| v.clone())
}

fn provision(engine: &mut Engine, key: &Key, claim: &Object, class: &Object) {
    let name = format!("pvc-{}", object::uid(claim));
    let storage = claim.pointer("/spec/resources/requests/storage").cloned().unwrap_or(json!("1Gi"));
    let provisioner = text(class, "/provisioner");
    let volume = json!({
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": provisioner}},
        "spec": {
            "capacity": {"storage": storage}, "accessModes": claim.pointer("/spec/accessModes").cloned().unwrap_or(json!([])),
            "persistentVolumeReclaimPolicy": match text(class, "/reclaimPolicy") { "" => "Delete", p => p },
            "storageClassName": object::name(class), "volumeMode": "Filesystem",
            "csi": {"driver": provisioner, "volumeHandle": name},
        },
    });
    match engine.store.create("persistentvolumes", "", volume) {
        Ok(made) => {
            let said = format!("Successfully provisioned volume {name}");
            engine.event(Source::Controller(provisioner), claim, "Normal", "ProvisioningSucceeded", &said);
            bind_claim(engine, key, claim, &made);
        }
        Err(status) => tracing::debug!(%status, "a volume was not made"),
    }
}

fn bind_claim(engine: &mut Engine, key: &Key, claim: &Object, volume: &Object) {
    let name = object::name(volume).to_owned();
    let reference = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": &*key.ns,
        "name": &*key.name, "uid": object::uid(claim)});
    let volume_key = Key::new("", &name);
    engine.write("persistentvolumes", &volume_key, |o| o["spec"]["claimRef"] = reference);
    engine.write_status("persistentvolumes", &volume_key, |o| {
        entry(o, "status").insert("phase".into(), json!("Bound"));
    });
    engine.write(CLAIMS, key, |o| o["spec"]["volumeName"] = json!(name));
    let modes = claim.pointer("/spec/accessModes").cloned().unwrap_or(json!([]));
    let capacity = volume.pointer("/spec/capacity").cloned().unwrap_or(json!({}));
    engine.write_status(CLAIMS, key, |o| {
        let status = entry(o, "status");
        status.insert("phase".into(), json!("Bound"));
        status.insert("accessModes".into(), modes);
        status.insert("capacity".into(), capacity);
    });
}
