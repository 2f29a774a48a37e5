//! Taints of a node: how they are read, patched, and which pods one of them evicts.

use serde_json::{Value, json};

use super::change::Change;
use super::cx::Cx;
use super::plan::Severity;
use super::run::{Done, JSON_PATCH, Stop, patch};
use super::seen;
use crate::world::ObjectRef;
use crate::world::ask::Call;

/// The effects a taint may have.
const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// A taint as it is typed: `KEY=VALUE:EFFECT`, `KEY:EFFECT`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Typed {
    pub key: String,
    pub value: Option<String>,
    pub effect: String,
}

impl Typed {
    /// # Errors
    /// A sentence about what is missing. `any`: the effect may be left out and is any, then.
    pub fn read(word: &str, any: bool) -> Result<Typed, String> {
        let (head, effect) = word.rsplit_once(':').unwrap_or((word, ""));
        let (key, value) = match head.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (head, None),
        };
        if key.is_empty() {
            return Err(format!("{word:?} is not KEY=VALUE:EFFECT"));
        }
        if !(EFFECTS.contains(&effect) || any && effect.is_empty()) {
            return Err(format!("{word:?} names no effect; it is one of {}", EFFECTS.join(", ")));
        }
        Ok(Typed { key: key.to_owned(), value, effect: effect.to_owned() })
    }

    /// Whether it is this one of a node.
    pub fn is(&self, taint: &Value) -> bool {
        taint["key"] == self.key.as_str()
            && (self.effect.is_empty() || taint["effect"] == self.effect.as_str())
    }

    fn json(&self) -> Value {
        let mut taint = json!({"key": self.key, "effect": self.effect});
        if let Some(value) = self.value.as_ref().filter(|v| !v.is_empty()) {
            taint["value"] = json!(value);
        }
        taint
    }
}

impl std::fmt::Display for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = self.value.as_ref().filter(|v| !v.is_empty()) {
            write!(f, "={value}")?;
        }
        if self.effect.is_empty() { Ok(()) } else { write!(f, ":{}", self.effect) }
    }
}

/// The taints a node has.
pub(super) fn of(node: &Value) -> Vec<Value> {
    node["spec"]["taints"].as_array().cloned().unwrap_or_default()
}

/// The new taints, with the question to ask.
pub(super) struct Wanted<'a> {
    pub taints: Vec<Value>,
    pub question: String,
    pub typed: Option<&'a str>,
    pub done: String,
}

/// Adds a taint to those of a node, or gives the one of its key and effect another value.
pub(super) fn with(mut taints: Vec<Value>, taint: &Typed) -> Vec<Value> {
    match taints.iter_mut().find(|t| taint.is(t)) {
        // `timeAdded` stays: the taint has been there since.
        Some(there) => match &taint.value {
            Some(value) if !value.is_empty() => there["value"] = json!(value),
            _ => drop(there.as_object_mut().map(|t| t.remove("value"))),
        },
        None => taints.push(taint.json()),
    }
    taints
}

/// Replaces a node's taints, where they are still those that were planned for.
pub(super) async fn replace(
    cx: &Cx,
    target: &ObjectRef,
    node: &Value,
    wanted: Wanted<'_>,
) -> Result<Done, Stop> {
    let mut after = node.clone();
    after["spec"]["taints"] = json!(wanted.taints);
    let mut body = vec![json!({"op": "test", "path": "/metadata/uid", "value": node["metadata"]["uid"]})];
    // A node's status changes all the time, so its resourceVersion pins nothing that matters here.
    match of(node) {
        old if old.is_empty() => {
            body.push(json!({"op": "add", "path": "/spec/taints", "value": wanted.taints}));
        }
        old => {
            body.push(json!({"op": "test", "path": "/spec/taints", "value": old}));
            body.push(json!({"op": "replace", "path": "/spec/taints", "value": wanted.taints}));
        }
    }
    let change = Change {
        target,
        object: node,
        after,
        call: patch(target, JSON_PATCH, Value::Array(body)),
        question: wanted.question,
        typed: wanted.typed.map(Into::into),
    };
    change.carry_out(cx).await?;
    let same = |a: &Value, b: &Value| ["key", "value", "effect"].iter().all(|f| a[f] == b[f]);
    let taints = wanted.taints;
    seen::read_back(cx, target, wanted.done, move |o| {
        // The node controller adds its own taints when it likes.
        taints.iter().all(|t| of(o).iter().any(|n| same(t, n)))
            && of(o).iter().all(|n| {
                taints.iter().any(|t| same(t, n))
                    || n["key"].as_str().is_some_and(|k| k.starts_with("node.kubernetes.io/"))
            })
    })
    .await
}

/// Says which pods on the node a NoExecute taint evicts: those that do not tolerate it.
///
/// Tolerations are read from the server, because khud keeps none.
pub(super) async fn evicted(cx: &Cx, target: &ObjectRef, taint: &Typed) -> Result<(), Stop> {
    if taint.effect != "NoExecute" {
        let detail = "running pods stay; new ones need a toleration";
        cx.impact(format!("taint {taint}"), Severity::Info, detail);
        return Ok(());
    }
    let answer =
        cx.call(Call::get(format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}", target.name))).await?;
    let Some(pods) = answer.body["items"].as_array().filter(|_| answer.ok()) else {
        let why = format!("the pods there cannot be read: {}", answer.message());
        cx.impact("evicted pods: not evaluated", Severity::Critical, why);
        return Ok(());
    };
    let finished = |p: &&Value| !matches!(p["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let name = |p: &Value| {
        let text = |key: &str| p["metadata"][key].as_str().unwrap_or("?").to_owned();
        format!("{}/{}", text("namespace"), text("name"))
    };
    let (mut now, mut later) = (Vec::new(), Vec::new());
    for pod in pods.iter().filter(finished) {
        match tolerated(pod, taint) {
            Tolerated::No => now.push(name(pod)),
            Tolerated::For(seconds) => later.push(format!("{} after {seconds} s", name(pod))),
            Tolerated::Ever => {}
        }
    }
    let detail = "disruption budgets do not apply to a taint";
    match now.len() {
        0 => cx.impact("no pod is evicted at once", Severity::Info, "each there tolerates the taint"),
        n => cx.impact(
            format!("{n} pods are evicted at once"),
            Severity::Critical,
            format!("{}; {detail}", listed(&now)),
        ),
    }
    if !later.is_empty() {
        let what = format!("{} pods are evicted later", later.len());
        cx.impact(what, Severity::Warning, listed(&later));
    }
    Ok(())
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 8;
    let shown = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[derive(PartialEq, Debug)]
enum Tolerated {
    No,
    /// Seconds.
    For(i64),
    Ever,
}

/// Kubernetes' rule (`ToleratesTaint` in staging/src/k8s.io/api/core/v1/toleration.go): an empty key with `Exists`
/// tolerates all, an empty effect every effect; of several tolerations the shortest time holds.
fn tolerated(pod: &Value, taint: &Typed) -> Tolerated {
    let value = taint.value.as_deref().unwrap_or("");
    let matches = |t: &&Value| {
        let text = |key: &str| t[key].as_str().unwrap_or("");
        let key = text("key") == taint.key || text("key").is_empty() && text("operator") == "Exists";
        let effect = text("effect").is_empty() || text("effect") == taint.effect;
        key && effect && (text("operator") == "Exists" || text("value") == value)
    };
    let all = pod["spec"]["tolerations"].as_array();
    let mut found =
        all.into_iter().flatten().filter(matches).map(|t| t["tolerationSeconds"].as_i64()).peekable();
    if found.peek().is_none() {
        return Tolerated::No;
    }
    match found.flatten().min() {
        Some(seconds) if seconds <= 0 => Tolerated::No,
        Some(seconds) => Tolerated::For(seconds),
        None => Tolerated::Ever,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_read_as_kubectl_reads_them() {
        let taint = Typed::read("gpu=broken:NoSchedule", false).unwrap();
        assert_eq!((taint.key.as_str(), taint.value.as_deref()), ("gpu", Some("broken")));
        assert_eq!(taint.to_string(), "gpu=broken:NoSchedule");
        assert_eq!(Typed::read("gpu:NoExecute", false).unwrap().value, None);
        assert_eq!(Typed::read("gpu", true).unwrap().effect, "");
        for bad in ["gpu", "gpu=x", "gpu:Sometimes", ":NoSchedule"] {
            assert!(Typed::read(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_tolerates_a_taint_and_for_how_long() {
        let taint = Typed::read("gpu=broken:NoExecute", false).unwrap();
        let pod = |tolerations: Value| json!({"spec": {"tolerations": tolerations}});
        let of = |t: Value| tolerated(&pod(t), &taint);
        assert_eq!(of(json!([])), Tolerated::No);
        assert_eq!(of(json!([{"operator": "Exists"}])), Tolerated::Ever);
        assert_eq!(of(json!([{"key": "gpu", "operator": "Equal", "value": "other"}])), Tolerated::No);
        assert_eq!(of(json!([{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}])), Tolerated::No);
        let timed = json!([{"key": "gpu", "operator": "Exists", "tolerationSeconds": 300}]);
        assert_eq!(of(timed), Tolerated::For(300));
        assert_eq!(of(json!([{"key": "gpu", "value": "broken", "effect": "NoExecute"}])), Tolerated::Ever);
    }
}
