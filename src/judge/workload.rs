//! Rollouts that do not finish, pods that are refused before they exist, workloads with fewer pods than asked for.

use std::collections::HashMap;
use std::time::Duration;

use crate::judge::patterns;
use crate::world::{Event, Kind, ObjectRef, Status, Template, Time, Workload, World, condition};

use super::diagnosis::{Ctx, Diagnosis, Out, Part, same};
use super::evidence::{Key, Severity};
use super::limits::seconds;
use super::registry::{Cause, causes};
use super::text::{self, Image};
use super::{daemon_set, extension, ready, revision, roles};

const WHY_QUOTA: &str =
    "pods are refused before they exist, so no pod shows anything: only the controller's events do";
const WHY_LIMITRANGE: &str = "pods are refused before they exist, so no pod shows anything";
const WHY_ROLLOUT: &str = "a rollout that stands runs two versions at once, on fewer pods than asked for";

causes! {
    QUOTA_EXCEEDED = "quota.exceeded" Critical Watch("workloads, events") tree "rollout":
        "pods are refused: a quota would be exceeded; there is no pod to look at",
        why WHY_QUOTA, source "condition ReplicaFailure, event FailedCreate";
    QUOTA_MUST_SPECIFY = "quota.must-specify" Critical Watch("workloads, events") tree "rollout":
        "pods are refused: a quota asks for requests or limits",
        why WHY_QUOTA, source "condition ReplicaFailure, event FailedCreate";
    LIMITRANGE_VIOLATED = "limitrange.violated" Critical Watch("workloads, events") tree "rollout":
        "pods are refused by a LimitRange",
        why WHY_LIMITRANGE, source "condition ReplicaFailure, event FailedCreate";
    ADMISSION_DENIED = "admission.denied" Critical Watch("workloads, events") tree "rollout":
        "pods are refused by admission: a webhook or Pod Security",
        why WHY_QUOTA, source "condition ReplicaFailure, event FailedCreate";
    SERVICE_ACCOUNT_MISSING = "config.service-account-missing" Critical Watch("workloads, events") tree "rollout":
        "pods are refused: their ServiceAccount does not exist",
        why WHY_QUOTA, source "condition ReplicaFailure, event FailedCreate";
    PRIORITY_CLASS_MISSING = "config.priority-class-missing" Critical Watch("workloads, events") tree "rollout":
        "pods are refused: their PriorityClass does not exist",
        why WHY_QUOTA, source "condition ReplicaFailure, event FailedCreate";
    RUNTIME_CLASS_MISSING = "config.runtime-class-missing" Critical Watch("workloads, events") tree "rollout":
        "pods are refused: their RuntimeClass does not exist",
        why WHY_QUOTA, source "condition ReplicaFailure, event FailedCreate";
    ROLLOUT_STUCK = "rollout.stuck" Critical Watch("workloads, pods") tree "rollout":
        "a rollout makes no progress; carries the cause of its pods",
        why WHY_ROLLOUT, source "condition Progressing; a warning at half the deadline; for StatefulSets and DaemonSets pods of two revisions of which one does not become ready";
    ROLLOUT_PAUSED = "rollout.paused" Info Watch("workloads") tree "rollout":
        "paused with a rollout unfinished",
        why WHY_ROLLOUT, source "spec.paused";
    ROLLOUT_UNAVAILABLE = "rollout.unavailable" Warning Watch("workloads, pods") tree "rollout":
        "fewer pods available than asked for, for a minute, and no pod says why",
        why WHY_ROLLOUT, source "status and condition Available";
}

/// Why pods are refused, in the API server's words: cause, title, row.
pub fn refused(message: &str) -> (Cause, String, String) {
    match patterns::created(message) {
        Some(clue) => {
            let title = match clue.cause {
                QUOTA_EXCEEDED => format!("quota {} is exceeded: {}", clue.subject, quota(&clue.words)),
                c if c.ends_with("-missing") => clue.words.clone(),
                _ => format!("its pods are refused: {}", clue.words),
            };
            (clue.cause, title, clue.words)
        }
        None => {
            let said = message.rsplit("forbidden: ").next().unwrap_or(message);
            (ADMISSION_DENIED, format!("its pods are refused: {said}"), "pods refused".into())
        }
    }
}

/// The diagnosis of an object whose pods or Jobs are refused. A webhook that does not answer is what is to be fixed.
pub fn refusal_of(ctx: &Ctx, root: ObjectRef, since: Time, message: &str) -> Diagnosis {
    let (cause, title, row) = refused(message);
    let webhook = patterns::created(message).filter(|m| m.cause == extension::WEBHOOK_UNAVAILABLE);
    let config = webhook.and_then(|m| extension::configuration(ctx.world, &m.subject));
    let refuser = refuser(&root, message);
    let namespace = root.namespace.clone();
    let signal =
        Diagnosis::new(cause, config.unwrap_or(root), since).title(title).row(&row).waits_for(refuser);
    // The API server does not name the LimitRange: what it allows tells it from others of the namespace.
    if cause == LIMITRANGE_VIOLATED { signal.fold(format!("{cause} {namespace} {row}")) } else { signal }
}

/// The object that refuses the pods: the quota, the namespace that goes, or the webhook by the name it gives itself.
pub fn refuser(object: &ObjectRef, message: &str) -> Option<ObjectRef> {
    if message.contains("because it is being terminated") {
        return Some(ObjectRef::new(Kind::Namespace, "", object.namespace.clone()));
    }
    let said = patterns::created(message)?;
    match said.cause {
        _ if said.subject.is_empty() => None,
        QUOTA_EXCEEDED | QUOTA_MUST_SPECIFY => {
            Some(ObjectRef::new(Kind::ResourceQuota, object.namespace.clone(), said.subject))
        }
        ADMISSION_DENIED => Some(ObjectRef::new(Kind::Other("Webhook".into()), "", said.subject)),
        PRIORITY_CLASS_MISSING => Some(ObjectRef::new(Kind::of("PriorityClass"), "", said.subject)),
        RUNTIME_CLASS_MISSING => Some(ObjectRef::new(Kind::of("RuntimeClass"), "", said.subject)),
        SERVICE_ACCOUNT_MISSING => {
            Some(ObjectRef::new(Kind::of("ServiceAccount"), object.namespace.clone(), said.subject))
        }
        _ => None,
    }
}

/// The part after `quota NAME: `.
fn quota(words: &str) -> &str {
    words.split_once(": ").map_or(words, |(_, rest)| rest)
}

pub fn judge(ctx: &Ctx, w: &Workload, object: &ObjectRef, out: &mut Out) {
    if w.meta.deleting.is_some() {
        return;
    }
    out.signals.extend(daemon_set::kept_away(ctx, w, object));
    if w.desired == 0 {
        out.signals.extend(no_dns(ctx, w, object));
        return;
    }
    if w.kind == Kind::ReplicaSet && w.meta.owner.as_ref().is_some_and(|o| o.kind == Kind::Deployment) {
        // Spoken for by its Deployment.
        return;
    }
    let root = ctx.root(object);
    if let Some(signal) = refusal(ctx, w, object, &root) {
        out.push(progress_evidence(w, object, signal));
        return;
    }
    let stuck = stuck(ctx, w, out).or_else(|| stands(ctx, w, out));
    let dns = w.meta.labels.get("k8s-app") == Some("kube-dns") && w.ready == 0;
    if let Some(stuck) = stuck {
        out.push(overlay(ctx, w, object, &root, stuck));
    } else if dns {
        let (key, _) = main_cause(ctx, w);
        let mut s =
            Diagnosis::new(roles::DNS_COREDNS, root.clone(), ctx.past.short_since(object).unwrap_or(ctx.now))
                .title(format!("no CoreDNS pod is ready (0 of {})", w.desired))
                .row("no DNS")
                .evidence("deployment status", format!("ready 0 of {}", w.desired), object, None);
        let fires = s.since.plus(seconds(15));
        if ctx.now < fires {
            out.again(fires);
        }
        s = s.fires_at(fires);
        if let Some(key) = key {
            s.part = if key.root == root { Part::Overlay } else { Part::Consequence };
            s.key = key;
        }
        out.push(s);
    } else if w.paused && w.updated < w.desired {
        out.push(
            Diagnosis::new(ROLLOUT_PAUSED, root, ctx.past.short_since(object).unwrap_or(ctx.now))
                .title(format!("rollout is paused with {} of {} pods updated", w.updated, w.desired))
                .row("rollout paused")
                .evidence("spec", "paused: true", object, None),
        );
    } else if let Some(short) = short_since(ctx, w, object) {
        let (key, sick) = main_cause(ctx, w);
        let fires = short.plus(seconds(ctx.limits.unavailable));
        if key.is_some() || sick > 0 {
            return;
        }
        if ctx.now < fires {
            return out.again(fires);
        }
        let why = if unobserved(w) {
            "and its controller has not looked at it: does the controller manager run?"
        } else {
            "and nothing says why"
        };
        let mut found = Diagnosis::new(ROLLOUT_UNAVAILABLE, root, short)
            .title(format!("{} of {} pods exist, {why}", w.current, w.desired))
            .row(format!("{}/{} pods", w.current, w.desired))
            .evidence("status", format!("replicas {}, desired {}", w.current, w.desired), object, None);
        if unobserved(w) {
            let quote = format!("generation {}, observedGeneration 0", w.meta.generation);
            found = found.evidence("status", quote, object, w.meta.created);
        }
        out.push(found);
    }
}

/// CoreDNS scaled to 0 where no other pod answers for names: whoever did that did not mean it.
fn no_dns(ctx: &Ctx, w: &Workload, object: &ObjectRef) -> Option<Diagnosis> {
    let dns = w.kind == Kind::Deployment && w.meta.labels.get("k8s-app") == Some("kube-dns");
    let answered = || ctx.world.pods.values().any(|p| p.ready && roles::of(p) == roles::Role::Dns);
    if !dns || !ctx.world.synced(&Kind::Pod) || answered() {
        return None;
    }
    let since = ctx.past.short_since(object).or(w.meta.created).unwrap_or(ctx.now);
    Some(
        Diagnosis::new(roles::DNS_COREDNS, object.clone(), since)
            .title("no CoreDNS pod is ready: its Deployment is scaled to 0")
            .row("no DNS")
            .evidence("deployment spec", "replicas: 0", object, None),
    )
}

/// Whether the workload's controller has never written its status.
fn unobserved(w: &Workload) -> bool {
    w.observed_generation == 0 && w.meta.generation > 0
}

/// Since when pods are missing: as khud saw it, or as the Deployment's own condition dates it.
fn short_since(ctx: &Ctx, w: &Workload, object: &ObjectRef) -> Option<Time> {
    let seen = ctx.past.short_since(object)?;
    if unobserved(w) {
        return w.meta.created.or(Some(seen));
    }
    let available = condition(&w.conditions, "Available").filter(|c| c.status == Status::False);
    Some(available.and_then(|c| c.since).map_or(seen, |at| at.min(seen)))
}

/// Whether the rollout of a StatefulSet or DaemonSet waits for a pod that does not become ready.
fn stands(ctx: &Ctx, w: &Workload, out: &mut Out) -> Option<Stuck> {
    let found = revision::standing(ctx, w)?;
    let (cause, _) = main_cause(ctx, w);
    // A pod that has trouble of its own stands sooner than one that may still be starting.
    let patience = match cause.filter(|k| *k.family != *ready::STARTING) {
        Some(_) => ctx.limits.unavailable,
        None => HALF_A_DEADLINE,
    };
    let due = found.since.plus(seconds(patience));
    if ctx.now < due {
        out.again(due);
        return None;
    }
    let long = ctx.now >= found.since.plus(seconds(2 * HALF_A_DEADLINE));
    Some(Stuck {
        since: found.since,
        title: format!("rollout is stuck: {} of {} pods updated, {} ready", w.updated, w.desired, w.ready),
        quote: found.quote,
        severity: if long { Severity::Critical } else { Severity::Warning },
    })
}

/// Pods refused at creation: by the condition that Deployments and ReplicaSets carry, else by the newest event.
fn refusal(ctx: &Ctx, w: &Workload, object: &ObjectRef, root: &ObjectRef) -> Option<Diagnosis> {
    let short = w.current < w.desired;
    if let Some(c) = condition(&w.conditions, "ReplicaFailure").filter(|c| c.status == Status::True) {
        // A rolling update keeps the condition of the moment; what counts is that pods are missing.
        if short || w.updated < w.desired {
            return Some(refusal_of(ctx, root.clone(), c.since.unwrap_or(ctx.now), &c.message).evidence(
                "condition ReplicaFailure",
                &*c.message,
                object,
                c.since,
            ));
        }
    }
    // The Deployment could not even make its ReplicaSet.
    let unmade = condition(&w.conditions, "Progressing")
        .filter(|c| c.status == Status::False && &*c.reason == "ReplicaSetCreateError");
    if let Some(c) = unmade {
        return Some(refusal_of(ctx, root.clone(), c.since.unwrap_or(ctx.now), &c.message).evidence(
            "condition Progressing",
            &*c.message,
            object,
            c.since,
        ));
    }
    if !short || w.kind == Kind::Deployment {
        return None;
    }
    let event = failed_create(ctx, object, &w.meta.uid)?;
    Some(refusal_of(ctx, root.clone(), event.first, &event.note).event(event))
}

/// The newest event that says a controller could not create a pod, if it is fresh and nothing was created since.
pub fn failed_create<'w>(ctx: &'w Ctx, object: &ObjectRef, uid: &crate::world::Uid) -> Option<&'w Event> {
    let fresh = ctx.now.minus(seconds(900));
    let events = ctx.world.events_of(object);
    let own = || events.iter().copied().filter(|e| same(&e.regarding_uid, uid));
    let failed = own().find(|e| &*e.reason == "FailedCreate" && e.last >= fresh)?;
    let created = own().find(|e| &*e.reason == "SuccessfulCreate").is_some_and(|e| e.last > failed.last);
    (!created).then_some(failed)
}

/// Half of the progress deadline that a Deployment has by default, in seconds.
const HALF_A_DEADLINE: u64 = 300;

struct Stuck {
    since: Time,
    title: String,
    quote: String,
    severity: Severity,
}

/// Whether a Deployment's rollout makes no progress.
fn stuck(ctx: &Ctx, w: &Workload, out: &mut Out) -> Option<Stuck> {
    let c = condition(&w.conditions, "Progressing")?;
    if w.observed_generation < w.meta.generation {
        return None;
    }
    let deadline = Duration::from_secs(u64::from(w.progress_deadline.max(1)));
    if &*c.reason == "ProgressDeadlineExceeded" {
        if w.updated >= w.desired && w.available >= w.desired {
            return None;
        }
        return Some(Stuck {
            since: c.updated.or(c.since).map_or(ctx.now, |t| t.minus(deadline)),
            title: format!(
                "rollout is stuck: {} of {} pods updated, {} available",
                w.updated, w.desired, w.available
            ),
            quote: format!("{}: {}", c.reason, c.message),
            severity: Severity::Critical,
        });
    }
    let moving = matches!(&*c.reason, "ReplicaSetUpdated" | "NewReplicaSetCreated" | "FoundNewReplicaSet");
    if !moving || w.paused || (w.updated >= w.desired && w.available >= w.desired) {
        return None;
    }
    let last = c.updated.or(c.since)?;
    let half = last.plus(deadline / 2);
    if ctx.now < half {
        out.again(half);
        return None;
    }
    let starting = starting(ctx, w);
    Some(Stuck {
        since: last,
        title: format!("rollout makes no progress: {} of {} pods updated", w.updated, w.desired),
        quote: format!("no progress since {last}, half of the deadline of {} s is over", deadline.as_secs()),
        severity: if starting { Severity::Info } else { Severity::Warning },
    })
}

/// Whether the rollout waits for nothing but pods within their own start-up time.
fn starting(ctx: &Ctx, w: &Workload) -> bool {
    let (key, _) = main_cause(ctx, w);
    key.is_some_and(|k| *k.family == *ready::STARTING)
}

fn overlay(ctx: &Ctx, w: &Workload, object: &ObjectRef, root: &ObjectRef, stuck: Stuck) -> Diagnosis {
    let mut s = Diagnosis::new(ROLLOUT_STUCK, root.clone(), stuck.since)
        .part(Part::Overlay)
        .severity(stuck.severity)
        .title(stuck.title)
        .row("rollout stuck")
        .evidence(
            if w.kind == Kind::Deployment { "condition Progressing" } else { "pods by revision" },
            stuck.quote,
            object,
            Some(stuck.since),
        );
    if let (Some(key), _) = main_cause(ctx, w) {
        if key.root != *root {
            s.part = Part::Consequence;
        }
        s.key = key;
    }
    s
}

fn progress_evidence(w: &Workload, object: &ObjectRef, signal: Diagnosis) -> Diagnosis {
    match condition(&w.conditions, "Progressing").filter(|c| &*c.reason == "ProgressDeadlineExceeded") {
        Some(c) => signal.evidence(
            "condition Progressing",
            format!("{}: {}", c.reason, c.message),
            object,
            c.updated.or(c.since),
        ),
        None => signal,
    }
}

/// The finding that most of the newest pods have a share in, and how many of them do.
fn main_cause(ctx: &Ctx, w: &Workload) -> (Option<Key>, usize) {
    let uid = match w.kind {
        Kind::Deployment => match rollout_of(ctx.world, w) {
            Some((newest, _)) => newest.meta.uid.clone(),
            None => return (None, 0),
        },
        _ => w.meta.uid.clone(),
    };
    let mut counts: HashMap<&Key, (Severity, usize)> = HashMap::new();
    let mut sick = 0;
    for (_, pod) in ctx.world.pods_of(&uid) {
        let keys = ctx.diagnosed.of(&super::pod::reference(pod));
        sick += usize::from(!keys.is_empty());
        for key in keys {
            let entry = counts.entry(key).or_insert((ctx.diagnosed.severity(key), 0));
            entry.1 += 1;
        }
    }
    // Ties go to the smaller key, so that the answer does not depend on the map's order.
    let best = counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)));
    (best.map(|(key, _)| key.clone()), sick)
}

/// What is different between two pod templates, in a few words.
pub fn template_change(old: &Template, new: &Template) -> String {
    let mut notes = Vec::new();
    for c in &new.containers {
        let Some(was) = old.containers.iter().find(|o| o.name == c.name) else {
            notes.push(format!("container {} added", c.name));
            continue;
        };
        if was.image != c.image {
            let (a, b) = (Image::parse(&was.image), Image::parse(&c.image));
            notes.push(if (a.registry, a.repository) == (b.registry, b.repository) {
                format!("image of {} {} → {}", c.name, a.tag.unwrap_or("digest"), b.tag.unwrap_or("digest"))
            } else {
                format!("image of {} {} → {}", c.name, was.image, c.image)
            });
        }
        if was.limits.memory != c.limits.memory {
            let show = |m: Option<u64>| m.map_or("none".into(), text::bytes);
            notes.push(format!(
                "memory limit of {} {} → {}",
                c.name,
                show(was.limits.memory),
                show(c.limits.memory)
            ));
        } else if (&was.requests, &was.limits) != (&c.requests, &c.limits) {
            notes.push(format!("resources of {} changed", c.name));
        }
        if (&was.liveness, &was.readiness, &was.startup) != (&c.liveness, &c.readiness, &c.startup) {
            notes.push(format!("probes of {} changed", c.name));
        }
    }
    if old.pod != new.pod {
        notes.push("pod template changed".into());
    }
    if notes.is_empty() {
        notes.push("rollout".into());
    }
    notes.join(", ")
}

/// A workload's own picture of its last rollout: the newest ReplicaSet of a Deployment and the one before it.
pub fn rollout_of<'w>(
    world: &'w World,
    deployment: &Workload,
) -> Option<(&'w Workload, Option<&'w Workload>)> {
    let mut sets: Vec<&Workload> = world.replica_sets_of(&deployment.meta.uid).map(|(_, r)| r).collect();
    sets.sort_by_key(|r| std::cmp::Reverse((r.revision, r.meta.created)));
    let newest = *sets.first()?;
    Some((newest, sets.get(1).copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let cases = [
            (
                r#"pods "payment-service-5bbcbcd94f-h65pb" is forbidden: exceeded quota: dev-quota, requested: requests.memory=100Mi, used: requests.memory=200Mi, limited: requests.memory=256Mi"#,
                "quota.exceeded",
            ),
            (
                r#"Error creating: pods "x" is forbidden: failed quota: dev-quota: must specify limits.memory for: app; requests.memory for: app"#,
                "quota.must-specify",
            ),
            (
                r#"pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi"#,
                "limitrange.violated",
            ),
            (
                r#"admission webhook "policy.example.com" denied the request: no latest tags"#,
                "admission.denied",
            ),
            (
                r#"pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true"#,
                "admission.denied",
            ),
        ];
        for (message, want) in cases {
            assert_eq!(refused(message).0, want, "{message}");
        }
    }
}
