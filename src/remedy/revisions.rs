//! The revisions a workload keeps, what is known of each, and the one to go back to.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::cx::Cx;
use super::plan::{Choice, Severity};
use super::run::Stop;
use crate::judge::{self, alone, pod};
use crate::world::{Kind, ObjectRef, Pod, Time, World};

/// One revision: a ReplicaSet of a Deployment, or a ControllerRevision.
#[derive(Clone, Debug, Default)]
pub(super) struct Revision {
    pub number: i64,
    /// Of the object that holds it.
    pub name: String,
    /// The pod template, without what belongs to one ReplicaSet alone.
    pub template: Value,
    pub annotations: Value,
    pub created: Option<Time>,
    /// Pods of it that are there and not going.
    pub pods: usize,
    /// The number of these pods that are ready.
    pub ready: usize,
    /// A pod of it that fails now, and why.
    pub failing: Option<String>,
    /// The earlier revision that the workload went back to from this one.
    pub left_for: Option<i64>,
}

impl Revision {
    /// What is known of it, in words.
    fn known(&self) -> String {
        match (self.ready, &self.failing, self.left_for) {
            (n, ..) if n > 0 => format!("{n} ready now"),
            (_, Some(why), _) => format!("failing: {why}"),
            (_, _, Some(earlier)) => format!("left again for revision {earlier}'s template"),
            _ => "no pods now; whether it was ever ready is not known".to_owned(),
        }
    }

    fn images(&self) -> String {
        let containers = self.template["spec"]["containers"].as_array();
        let images: Vec<&str> =
            containers.into_iter().flatten().filter_map(|c| c["image"].as_str()).collect();
        images.join(", ")
    }
}

/// The revisions the workload keeps, newest first: that is the one it runs now.
pub(super) async fn list(cx: &Cx, target: &ObjectRef, object: &Value) -> Result<Vec<Revision>, Stop> {
    let selector = selector(&object["spec"]["selector"]);
    let query =
        if selector.is_empty() { String::new() } else { format!("?labelSelector={}", encode(&selector)) };
    let deployment = target.kind == Kind::Deployment;
    let path = match deployment {
        true => format!("{}{query}", Kind::ReplicaSet.collection_path(&target.namespace)),
        false => format!("/apis/apps/v1/namespaces/{}/controllerrevisions{query}", target.namespace),
    };
    let answer = cx.get(path).await?;
    let uid = object["metadata"]["uid"].as_str().unwrap_or("");
    let own = answer["items"].as_array().into_iter().flatten().filter(|o| owned_by(o, uid));
    let mut all: Vec<Revision> =
        own.filter_map(|o| if deployment { of_replica_set(o) } else { of_controller_revision(o) }).collect();
    all.sort_by_key(|r| std::cmp::Reverse(r.number));
    if deployment {
        let histories: Vec<(i64, Vec<i64>)> = answer["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|o| owned_by(o, uid))
            .filter_map(|o| Some((number(o)?, history(o))))
            .collect();
        for r in &mut all {
            r.left_for = left_for(r.number, &histories);
        }
    }
    let owner = target.clone();
    let pods = cx.look(move |world, now| pods(world, &owner, now)).await?;
    for r in &mut all {
        // A StatefulSet's pods carry the name of their revision, a DaemonSet's the hash at its end.
        let own = pods.iter().filter(|(of, _)| *r.name == **of || r.name.ends_with(&format!("-{of}")));
        for (ready, failing) in own.flat_map(|(_, pods)| pods) {
            r.pods += 1;
            r.ready += usize::from(*ready);
            r.failing = r.failing.take().or_else(|| failing.clone());
        }
    }
    Ok(all)
}

fn number(set: &Value) -> Option<i64> {
    annotation(set, "deployment.kubernetes.io/revision")?.parse().ok()
}

/// The numbers that a ReplicaSet had before: each time the Deployment comes back to its template it gets a new one.
fn history(set: &Value) -> Vec<i64> {
    let text = annotation(set, "deployment.kubernetes.io/revision-history").unwrap_or("");
    text.split(',').filter_map(|n| n.trim().parse().ok()).collect()
}

/// The earlier revision to which the Deployment went back at some time after `number`, by what the ReplicaSets' histories
/// show.
fn left_for(number: i64, histories: &[(i64, Vec<i64>)]) -> Option<i64> {
    let later = histories.iter().filter(|(n, _)| *n > number);
    later.flat_map(|(_, history)| history).copied().filter(|n| *n < number).max()
}

fn of_replica_set(set: &Value) -> Option<Revision> {
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    Some(Revision { number: number(set)?, template, ..of_any(set) })
}

fn of_controller_revision(revision: &Value) -> Option<Revision> {
    let mut template = revision["data"]["spec"]["template"].clone();
    if let Some(fields) = template.as_object_mut() {
        fields.remove("$patch");
    }
    Some(Revision { number: revision["revision"].as_i64()?, template, ..of_any(revision) })
}

fn of_any(object: &Value) -> Revision {
    Revision {
        name: object["metadata"]["name"].as_str().unwrap_or("").to_owned(),
        annotations: object["metadata"]["annotations"].clone(),
        created: object["metadata"]["creationTimestamp"].as_str().and_then(Time::parse),
        ..Revision::default()
    }
}

/// Whether each pod is ready, and why it fails, by the revision it is of.
type Pods = HashMap<String, Vec<(bool, Option<String>)>>;

fn pods(world: &World, target: &ObjectRef, now: Time) -> Pods {
    let mut out = Pods::new();
    let Some(w) = world.workload(target) else { return out };
    let mut note = |of: &str, p: &Pod| {
        if p.meta.deleting.is_none() {
            let found = alone(world, &pod::reference(p), now);
            let why = found.into_iter().find(|d| d.severity >= judge::Severity::Warning);
            let why = why.map(|d| format!("{}: {}", p.meta.name, d.row));
            out.entry(of.to_owned()).or_default().push((p.ready, why));
        }
    };
    for (_, set) in world.replica_sets_of(&w.meta.uid) {
        world.pods_of(&set.meta.uid).for_each(|(_, p)| note(&set.meta.name, p));
    }
    for (_, p) in world.pods_of(&w.meta.uid) {
        if let Some(hash) = p.meta.labels.get("controller-revision-hash") {
            note(hash, p);
        }
    }
    out
}

/// The revision to go back to: the one asked for; else the newest that has ready pods now; else the newest of which
/// nothing bad is known; else the one before, as kubectl chooses.
///
/// # Errors
/// [`Stop::Refused`] where there is none.
pub(super) fn choose(all: &[Revision], to: i64, target: &ObjectRef) -> Result<Revision, Stop> {
    let numbers = all.iter().map(|r| r.number.to_string()).collect::<Vec<_>>().join(", ");
    if to > 0 {
        return all.iter().find(|r| r.number == to).cloned().ok_or_else(|| {
            let have = match numbers.is_empty() {
                true => "it keeps no revisions".to_owned(),
                false => format!("it keeps {numbers}"),
            };
            Stop::Refused(format!("{target} has no revision {to}; {have}"))
        });
    }
    let earlier = all.get(1..).unwrap_or_default();
    let ready = earlier.iter().find(|r| r.ready > 0);
    let unblamed = || earlier.iter().find(|r| r.failing.is_none() && r.left_for.is_none());
    ready.or_else(unblamed).or_else(|| earlier.first()).cloned().ok_or_else(|| {
        Stop::Refused(format!(
            "{target} has no earlier revision to go back to (it keeps {})",
            if numbers.is_empty() { "none" } else { &numbers }
        ))
    })
}

/// Says what is known of the chosen revision, which ones were passed over, and which others there are to choose.
pub(super) fn explain(cx: &Cx, all: &[Revision], chosen: &Revision) {
    let n = chosen.number;
    if let Some(why) = &chosen.failing {
        cx.impact(format!("revision {n} fails"), Severity::Critical, why.clone());
    } else if let Some(earlier) = chosen.left_for.filter(|_| chosen.ready == 0) {
        cx.impact(
            format!("revision {n} was left again for revision {earlier}'s template"),
            Severity::Critical,
            "this leads back to what was rolled back from",
        );
    } else if chosen.ready == 0 {
        cx.impact(
            format!("revision {n} has no pods now"),
            Severity::Warning,
            "whether it was ever ready is not known",
        );
    }
    let newest = all.first().map_or(i64::MAX, |r| r.number);
    for passed in all.iter().filter(|r| r.number > n && r.number < newest) {
        cx.impact(
            format!("revision {} is passed over", passed.number),
            Severity::Info,
            format!("{}; --to-revision {} goes there", passed.known(), passed.number),
        );
    }
    let choices = all.iter().filter(|r| r.number != newest).map(|r| Choice {
        option: "to-revision",
        value: r.number.to_string(),
        label: format!("revision {}  {}  {}", r.number, r.images(), r.known()),
        chosen: r.number == n,
    });
    cx.choices(choices.collect());
}

fn owned_by(object: &Value, uid: &str) -> bool {
    object["metadata"]["ownerReferences"]
        .as_array()
        .is_some_and(|o| o.iter().any(|o| o["controller"] == json!(true) && o["uid"].as_str() == Some(uid)))
}

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"].get(key)?.as_str()
}

/// kubectl's notation of a LabelSelector.
fn selector(value: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(labels) = value["matchLabels"].as_object() {
        parts.extend(labels.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or(""))));
    }
    for e in value["matchExpressions"].as_array().into_iter().flatten() {
        let key = e["key"].as_str().unwrap_or("");
        let values: Vec<&str> =
            e["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        match e["operator"].as_str() {
            Some("In") => parts.push(format!("{key} in ({})", values.join(","))),
            Some("NotIn") => parts.push(format!("{key} notin ({})", values.join(","))),
            Some("Exists") => parts.push(key.to_owned()),
            Some("DoesNotExist") => parts.push(format!("!{key}")),
            _ => {}
        }
    }
    parts.join(",")
}

/// Percent-encodes everything but unreserved characters.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_in_a_query_is_encoded_as_kubectl_does() {
        // captures/kubectl/rollout-undo.txt, drain-pdb-blocked.txt (there with + for a space)
        assert_eq!(encode(&selector(&json!({"matchLabels": {"app": "api-server"}}))), "app%3Dapi-server");
        let s = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]});
        assert_eq!(selector(&s), "app in (a,b)");
    }

    fn revision(number: i64) -> Revision {
        Revision { number, ..Revision::default() }
    }

    fn chosen(all: &[Revision], to: i64) -> Result<i64, String> {
        let target = ObjectRef::new(Kind::Deployment, "prod", "api");
        choose(all, to, &target).map(|r| r.number).map_err(|stop| match stop {
            Stop::Refused(why) => why,
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn the_newest_revision_that_runs_is_the_one_to_go_back_to() {
        // One after the other, all finished: the one before, as kubectl.
        let all = [revision(7), revision(5), revision(3)];
        assert_eq!(chosen(&all, 0), Ok(5));
        assert_eq!(chosen(&all, 3), Ok(3));
        assert_eq!(chosen(&all, 4).unwrap_err(), "deployment prod/api has no revision 4; it keeps 7, 5, 3");
        assert!(chosen(&all[..1], 0).is_err());
        // Two bad rollouts in a row: 5 never ran, 3 still serves.
        let stuck = [revision(7), revision(5), Revision { ready: 3, ..revision(3) }];
        assert_eq!(chosen(&stuck, 0), Ok(3));
        // After a rollback 5 is the one that was left.
        let after = [
            Revision { ready: 3, ..revision(8) },
            Revision { left_for: Some(4), ..revision(5) },
            revision(3),
        ];
        assert_eq!(chosen(&after, 0), Ok(3));
        assert_eq!(chosen(&after[..2], 0), Ok(5), "there is no other; the plan warns");
    }

    #[test]
    fn what_was_rolled_back_from_is_read_from_the_histories() {
        // 1 → 2 (bad) → back to 1, which is 3 now.
        assert_eq!(left_for(2, &[(3, vec![1]), (2, vec![])]), Some(1));
        // 1 → 2 → 3: nobody went back.
        assert_eq!(left_for(2, &[(3, vec![]), (2, vec![]), (1, vec![])]), None);
        // … → 3 (was 1) → 4: from 3 somebody went on.
        assert_eq!(left_for(3, &[(4, vec![]), (3, vec![1]), (2, vec![])]), None);
        assert_eq!(left_for(2, &[(4, vec![]), (3, vec![1]), (2, vec![])]), Some(1));
        // 1 → 2 (bad) → 3 (bad, too) → back to 1: both were left.
        let both = [(4, vec![1]), (3, vec![]), (2, vec![])];
        assert_eq!([left_for(2, &both), left_for(3, &both)], [Some(1), Some(1)]);
    }
}
