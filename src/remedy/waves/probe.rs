//! Gates that run a pod on a node: whether names, the API server and volumes work there, whether CUDA does. The pod is
//! removed whatever comes of it; where khud is gone, its kubelet ends it and the next khud that takes the run removes it.

use std::time::Duration;

use serde_json::{Value, json};

use super::hold::LABEL;
use super::options::Gate;
use super::run::lock;
use super::state::{NodeState, Phase, sum};
use super::steps::Machine;
use crate::remedy::debug;
use crate::remedy::run::{Stop, post};
use crate::world::ask::{Call, Exec, Verb};
use crate::world::{ContainerState, Kind, ObjectRef, Status, Text, World, condition};

/// The container of the pod.
const CONTAINER: &str = "probe";
/// Where the claim is mounted.
const MOUNT: &str = "/probe";
/// The user that the commands run as; any that is not root.
const NOBODY: u32 = 65_534;
/// Pulled where nothing else is asked for: it has `nvidia-smi`'s libraries mounted by the container toolkit.
const CUDA: &str = "nvidia/cuda:12.4.1-base-ubuntu22.04";
/// What the pod may live beyond its gate's patience, seconds.
const SLACK: u64 = 120;

/// What a command came to: its output, or why it failed.
type Ran = Result<String, String>;

/// One pod of a probe, with its claim.
struct Probe {
    pod: ObjectRef,
    claim: Option<ObjectRef>,
    /// The class of the claim.
    class: String,
}

impl Probe {
    /// `class`: the class of its claim; `None`: without a claim.
    fn of(run: &str, gate: &str, namespace: &str, node: &str, class: Option<&str>) -> Probe {
        // A name that a resumed run finds again.
        let name = format!("khud-{gate}-{}", &sum(&format!("{run} {node}"))[..10]);
        Probe {
            pod: ObjectRef::new(Kind::Pod, namespace, name.as_str()),
            claim: class.map(|_| ObjectRef::new(Kind::PersistentVolumeClaim, namespace, name.as_str())),
            class: class.unwrap_or_default().to_owned(),
        }
    }

    /// The scheduler places it, because a claim may wait for its first consumer; it tolerates that its node is cordoned.
    fn object(&self, run: &str, node: &str, image: &str, gate: &Gate) -> Value {
        let limit = gate.limit().unwrap_or_default().as_secs() + SLACK;
        let labels = json!({"app.kubernetes.io/managed-by": "khud", LABEL: run});
        let cuda = matches!(gate, Gate::Smoke(_));
        let mut resources =
            json!({"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "256Mi"}});
        if cuda {
            resources["limits"]["nvidia.com/gpu"] = json!("1");
        }
        let mut container = json!({
            "name": CONTAINER, "image": image, "command": ["sleep", limit.to_string()], "resources": resources,
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        });
        let mut spec = json!({
            "restartPolicy": "Never", "activeDeadlineSeconds": limit, "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false, "tolerations": [{"operator": "Exists"}],
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": NOBODY, "runAsGroup": NOBODY, "fsGroup": NOBODY,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}}},
        });
        if let Some(claim) = &self.claim {
            container["volumeMounts"] = json!([{"name": "claim", "mountPath": MOUNT}]);
            spec["volumes"] =
                json!([{"name": "claim", "persistentVolumeClaim": {"claimName": &*claim.name}}]);
        }
        spec["containers"] = json!([container]);
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": &*self.pod.name, "namespace": &*self.pod.namespace, "labels": labels},
            "spec": spec,
        })
    }

    fn exec(&self, words: &[&str]) -> Exec {
        Exec {
            namespace: self.pod.namespace.clone(),
            pod: self.pod.name.clone(),
            container: Text::from(CONTAINER),
            command: words.iter().map(|w| (*w).to_owned()).collect(),
        }
    }
}

/// The cluster's name for a Service, from a pod's resolver: `svc.cluster.local` of its search list.
fn service_domain(resolv: &str) -> Option<&str> {
    let search = resolv.lines().find_map(|l| l.strip_prefix("search "))?;
    search.split_whitespace().find(|d| d.starts_with("svc."))
}

/// How the pod stands: running, or why it never will.
fn standing(world: &World, pod: &ObjectRef) -> Option<Result<(), String>> {
    let found = world.pods.find(&pod.namespace, &pod.name)?;
    match &found.containers.first()?.state {
        ContainerState::Running { .. } => Some(Ok(())),
        ContainerState::Waiting { reason, message } if debug::STUCK.contains(&&**reason) => {
            Some(Err(format!("{reason}: {message}")))
        }
        ContainerState::Terminated(_) => Some(Err("its container ended at once".to_owned())),
        _ => None,
    }
}

/// What a pod that does not run says of itself.
fn blocked(world: &World, pod: &ObjectRef) -> String {
    let Some(found) = world.pods.find(&pod.namespace, &pod.name) else {
        return "the watch has not shown it".to_owned();
    };
    if let Some(c) = condition(&found.conditions, "PodScheduled").filter(|c| c.status != Status::True) {
        return format!("{}: {}", c.reason, c.message);
    }
    match found.containers.first().map(|c| &c.state) {
        Some(ContainerState::Waiting { reason, message }) => format!("{reason} {message}").trim().to_owned(),
        _ => "it says nothing of itself".to_owned(),
    }
}

impl Machine {
    /// Runs a gate's pod on each node of the wave, one after the other.
    pub(super) async fn probe(
        &self,
        n: usize,
        gate: &Gate,
        nodes: &[(String, NodeState)],
    ) -> Result<(), Stop> {
        let mut seen = Vec::new();
        for (name, node) in nodes {
            if matches!(gate, Gate::Smoke(_)) && node.gpus == 0 {
                continue;
            }
            let there = node.now(name);
            self.board(&format!("gate {}: a pod on {there}", gate.name()));
            match self.probe_node(gate, there).await? {
                Ok(text) => seen.push(format!("{there}: {text}")),
                Err(why) => {
                    return Err(Stop::Failed(format!(
                        "gate {} of wave {n} does not hold on {there}: {why}",
                        gate.name()
                    )));
                }
            }
        }
        let text = if seen.is_empty() { "no node of the wave has GPUs".to_owned() } else { seen.join("; ") };
        self.note(n, format!("gate {} holds: {text}", gate.name()));
        Ok(())
    }

    async fn probe_node(&self, gate: &Gate, node: &str) -> Result<Ran, Stop> {
        let run = lock(&self.state).run.clone();
        let class = match gate {
            Gate::Smoke(_) => Err("not asked for".to_owned()),
            _ => self.default_class().await?,
        };
        let name = class.as_ref().ok().map(String::as_str);
        let probe = Probe::of(&run, &gate.name(), &self.asked.probe_namespace, node, name);
        let image = self.image(gate, node).await?;
        self.remove(&probe).await?;
        let made = self.make(&probe, probe.object(&run, node, &image, gate)).await;
        let answer = match made {
            Ok(()) => self.ask_pod(&probe, gate, class.err()).await,
            Err(stop) => Err(stop),
        };
        // Also where the operator stops the run.
        let removed = Machine { cx: self.cx.stubborn(), ..self.clone() }.remove(&probe).await;
        let answer = answer?;
        removed?;
        Ok(answer)
    }

    /// The class that a claim without one gets; `Err`: why no claim is tried.
    async fn default_class(&self) -> Result<Result<String, String>, Stop> {
        let answer = self.cx.call(Call::get("/apis/storage.k8s.io/v1/storageclasses".to_owned())).await?;
        if !answer.ok() {
            return Ok(Err(format!("StorageClasses cannot be listed: {}", answer.message())));
        }
        let items = answer.body["items"].as_array().cloned().unwrap_or_default();
        let default = |c: &&Value| {
            c["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
        };
        let name = items.iter().find(default).and_then(|c| c["metadata"]["name"].as_str());
        Ok(name.map(str::to_owned).ok_or_else(|| "there is no default StorageClass".to_owned()))
    }

    async fn image(&self, gate: &Gate, node: &str) -> Result<String, Stop> {
        let asked = match gate {
            Gate::Smoke(_) => Some(self.asked.smoke_image.clone().unwrap_or_else(|| CUDA.to_owned())),
            _ => self.asked.probe_image.clone(),
        };
        if let Some(image) = asked {
            return Ok(image);
        }
        let node = self.cx.call(Call::get(ObjectRef::new(Kind::Node, "", node).path())).await?;
        Ok(debug::image_of(&node.body).to_owned())
    }

    async fn make(&self, probe: &Probe, pod: Value) -> Result<(), Stop> {
        let namespace = &*probe.pod.namespace;
        let labels = pod["metadata"]["labels"].clone();
        if let Some(claim) = &probe.claim {
            let object = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": &*claim.name, "namespace": namespace, "labels": labels},
                "spec": {
                    "accessModes": ["ReadWriteOnce"], "storageClassName": probe.class,
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            });
            self.create(post(&Kind::PersistentVolumeClaim, namespace, object)).await?;
        }
        self.create(post(&Kind::Pod, namespace, pod)).await
    }

    async fn create(&self, call: Call) -> Result<(), Stop> {
        let path = call.path.clone();
        let answer = self.cx.send(call, false).await?;
        match answer.ok() {
            true => Ok(()),
            false => {
                Err(Stop::Failed(format!("POST {path} was answered {}: {}", answer.status, answer.message())))
            }
        }
    }

    /// Waits for the pod and runs its commands.
    async fn ask_pod(&self, probe: &Probe, gate: &Gate, no_claim: Option<String>) -> Result<Ran, Stop> {
        let limit = gate.limit().unwrap_or(Duration::from_secs(300));
        let (pod, waiting) = (probe.pod.clone(), probe.pod.clone());
        let until = self.cx.now().plus(limit);
        match self.cx.until(Some(until), move |world, _| standing(world, &pod)).await? {
            None => {
                let why = self.cx.look(move |world, _| blocked(world, &waiting)).await?;
                return Ok(Err(format!("its pod does not run after {} s: {why}", limit.as_secs())));
            }
            Some(Err(why)) => return Ok(Err(format!("its pod does not start: {why}"))),
            Some(Ok(())) => {}
        }
        if matches!(gate, Gate::Smoke(_)) {
            return Ok(match self.run_in(probe, &["nvidia-smi"]).await? {
                Ok(_) => Ok("nvidia-smi sees its GPU".to_owned()),
                Err(why) => Err(why),
            });
        }
        let resolv = match self.run_in(probe, &["cat", "/etc/resolv.conf"]).await? {
            Ok(text) => text,
            Err(why) => return Ok(Err(why)),
        };
        let Some(domain) = service_domain(&resolv) else {
            return Ok(Err("its /etc/resolv.conf names no search domain of Services".to_owned()));
        };
        let server = format!("kubernetes.default.{domain}");
        if let Err(why) = self.run_in(probe, &["nslookup", &server]).await? {
            return Ok(Err(format!("{server} is not resolved: {why}")));
        }
        let url = format!("https://{server}/version");
        let fetched = self.run_in(probe, &["wget", "-q", "-O", "-", "--no-check-certificate", &url]).await?;
        // A server that refuses strangers has answered, too.
        if let Err(why) = fetched
            && !why.contains("HTTP/")
        {
            return Ok(Err(format!("the API server is not reached from there: {why}")));
        }
        if probe.claim.is_some()
            && let Err(why) = self.run_in(probe, &["touch", &format!("{MOUNT}/khud")]).await?
        {
            return Ok(Err(format!("its claim cannot be written: {why}")));
        }
        let claim = no_claim.map_or_else(
            || format!("a claim of {}", probe.class),
            |why| format!("no claim was tried ({why})"),
        );
        Ok(Ok(format!("names, API server, {claim}")))
    }

    async fn run_in(&self, probe: &Probe, words: &[&str]) -> Result<Ran, Stop> {
        let exec = probe.exec(words);
        let result = self.cx.exec(exec.clone()).await?;
        self.cx.note_exec(&exec, if result.is_ok() { 101 } else { 0 });
        Ok(match result {
            Ok(out) if out.exit_code == 0 => Ok(String::from_utf8_lossy(&out.stdout).into_owned()),
            Ok(out) => {
                let text = [&out.stdout[..], &out.stderr[..]].concat();
                let text = String::from_utf8_lossy(&text);
                let last = text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("no output").trim();
                Err(format!("{} ended with {}: {last}", words.join(" "), out.exit_code))
            }
            Err(why) => Err(format!("{}: {why}", words.join(" "))),
        })
    }

    /// Deletes pod and claim, and waits until the pod is gone. One that is not there is no error.
    async fn remove(&self, probe: &Probe) -> Result<(), Stop> {
        for object in [Some(&probe.pod), probe.claim.as_ref()].into_iter().flatten() {
            let found = self.cx.call(Call::get(object.path())).await?;
            if found.status == 404 {
                continue;
            }
            self.delete(object).await?;
        }
        Ok(())
    }

    async fn delete(&self, object: &ObjectRef) -> Result<(), Stop> {
        let call = Call {
            verb: Verb::Delete,
            path: object.path(),
            content_type: "application/json".into(),
            body: Some(json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0})),
        };
        let answer = self.cx.send(call, false).await?;
        if answer.ok() || answer.status == 404 {
            return Ok(());
        }
        Err(Stop::Failed(format!("{object} could not be removed: {}; remove it by hand", answer.message())))
    }

    /// Removes what probes of this run left behind when khud was killed.
    pub(super) async fn remove_leftovers(&self) -> Result<(), Stop> {
        let probes = |g: &Gate| matches!(g, Gate::Functional(_) | Gate::Smoke(_));
        let begun = |node: &NodeState| node.phase >= Phase::Replaced && node.phase != Phase::Skipped;
        if !self.asked.gates.iter().any(probes) || !lock(&self.state).nodes.values().any(begun) {
            return Ok(());
        }
        let run = lock(&self.state).run.clone();
        let namespace = self.asked.probe_namespace.clone();
        for kind in [Kind::Pod, Kind::PersistentVolumeClaim] {
            let path = format!("{}?labelSelector={LABEL}%3D{run}", kind.collection_path(&namespace));
            let answer = self.cx.call(Call::get(path)).await?;
            for object in answer.body["items"].as_array().into_iter().flatten() {
                let name = object["metadata"]["name"].as_str().unwrap_or("");
                self.delete(&ObjectRef::new(kind.clone(), &*namespace, name)).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_of_services_is_read_from_the_resolver() {
        let resolv = "search ml.svc.corp.example svc.corp.example corp.example\nnameserver 10.96.0.10\n";
        assert_eq!(service_domain(resolv), Some("svc.corp.example"));
        assert_eq!(service_domain("nameserver 10.0.0.2\n"), None, "a pod with the node's resolver");
    }
}
