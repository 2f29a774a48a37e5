//! Ownership of nodes in work: a label on each node, and a Lease that says who runs the waves.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{STRATEGIC, Stop};
use crate::world::ask::{Call, Verb};
use crate::world::{ObjectRef, Time};

/// The label of a node that a run has cordoned, with the run's id; and the label of its Lease.
pub const LABEL: &str = "khud.dev/waves";
/// Where the Leases lie.
pub const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
const NODES: &str = "khud.dev/nodes";

/// How long a Lease holds without being renewed, and how often it is renewed.
const HOLDS: Duration = Duration::from_secs(20);
const RENEW: Duration = Duration::from_secs(5);

fn name(run: &str) -> String {
    format!("khud-waves-{run}")
}

/// Lease times are `metav1.MicroTime`.
fn stamp(at: Time) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn spec(holder: &str, now: Time) -> Value {
    json!({"holderIdentity": holder, "leaseDurationSeconds": HOLDS.as_secs(), "renewTime": stamp(now)})
}

/// Until when a Lease holds, and who holds it.
fn held(lease: &Value) -> (Time, String) {
    let renewed = lease["spec"]["renewTime"].as_str().and_then(Time::parse).unwrap_or_default();
    let seconds = lease["spec"]["leaseDurationSeconds"].as_u64().unwrap_or(0);
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or("somebody").to_owned();
    (renewed.plus(Duration::from_secs(seconds)), holder)
}

/// The Lease of one run, while this process holds it.
pub(super) struct Hold {
    run: String,
    holder: String,
    /// Leases may be written.
    allowed: bool,
}

impl Hold {
    /// Makes sure that nobody else works on the nodes, before anything is changed.
    ///
    /// # Errors
    /// [`Stop::Refused`] where another run has one of them.
    pub async fn check(cx: &Cx, run: &str, nodes: &BTreeSet<String>) -> Result<(), Stop> {
        let answer = cx.call(Call::get(format!("{LEASES}?labelSelector={LABEL}"))).await?;
        if !answer.ok() {
            cx.impact(
                "other runs of waves are not seen",
                Severity::Warning,
                format!("Leases in kube-system cannot be listed: {}", answer.message()),
            );
            return Ok(());
        }
        for lease in answer.body["items"].as_array().into_iter().flatten() {
            let other = lease["metadata"]["labels"][LABEL].as_str().unwrap_or("");
            let (until, holder) = held(lease);
            if other == run || until <= cx.now() {
                continue;
            }
            let its = lease["metadata"]["annotations"][NODES].as_str().unwrap_or("");
            let both: Vec<&str> = its.split(',').filter(|n| nodes.contains(*n)).collect();
            if let Some(first) = both.first() {
                cx.guard(
                    "other runs",
                    false,
                    format!(
                        "run {other} at {holder} works on {} of these nodes, {first} among them; wait for its end or stop it there",
                        both.len()
                    ),
                );
            }
        }
        Ok(())
    }

    /// Takes the Lease of a run; waits for one that a process left behind when it died.
    ///
    /// # Errors
    /// [`Stop::Refused`] where another process still renews it.
    pub async fn take(cx: &Cx, run: &str, holder: &str, nodes: &BTreeSet<String>) -> Result<Hold, Stop> {
        let path = format!("{LEASES}/{}", name(run));
        let mut hold = Hold { run: run.to_owned(), holder: holder.to_owned(), allowed: true };
        let mut found = cx.call(Call::get(path.clone())).await?;
        if found.ok() {
            let (until, other) = held(&found.body);
            if other != holder && until > cx.now() {
                cx.until(Some(until), |_, _| None::<()>).await?;
                found = cx.call(Call::get(path.clone())).await?;
                let (until, other) = held(&found.body);
                if found.ok() && until > cx.now() {
                    return Err(Stop::Refused(format!(
                        "run {run} is under way at {other}: stop it there, then resume it here"
                    )));
                }
            }
        }
        let body = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": name(run),
                "namespace": "kube-system",
                "labels": {LABEL: run},
                "annotations": {NODES: nodes.iter().map(String::as_str).collect::<Vec<_>>().join(",")},
            },
            "spec": spec(holder, cx.now()),
        });
        let call = match found.ok() {
            true => Call { verb: Verb::Patch, path, content_type: STRATEGIC.into(), body: Some(body) },
            false => Call {
                verb: Verb::Post,
                path: LEASES.to_owned(),
                content_type: "application/json".into(),
                body: Some(body),
            },
        };
        let answer = cx.send(call, false).await?;
        if !answer.ok() {
            hold.allowed = false;
            cx.impact(
                "no Lease says who runs this",
                Severity::Warning,
                format!("{}; another khud is kept off by the state file alone", answer.message()),
            );
        }
        Ok(hold)
    }

    /// Renews the Lease for ever; whoever drives the run drops it.
    pub async fn renew(&self, cx: &Cx) -> Result<(), Stop> {
        loop {
            cx.sleep(RENEW).await?;
            if self.allowed {
                let call = Call {
                    verb: Verb::Patch,
                    path: format!("{LEASES}/{}", name(&self.run)),
                    content_type: STRATEGIC.into(),
                    body: Some(json!({"spec": spec(&self.holder, cx.now())})),
                };
                // One that is not renewed runs out; the next try comes in a moment.
                drop(cx.call(call).await);
            }
        }
    }

    /// Gives it up.
    pub async fn release(&self, cx: &Cx) {
        if self.allowed {
            let call = Call {
                verb: Verb::Delete,
                path: format!("{LEASES}/{}", name(&self.run)),
                content_type: "".into(),
                body: None,
            };
            drop(cx.stubborn().send(call, false).await);
        }
    }
}

/// The request that cordons a node for a run, or gives it back; for no other node than that of the UID.
pub(super) fn cordon(node: &str, uid: &str, run: Option<&str>) -> Call {
    let mark = run.map_or(Value::Null, Value::from);
    let off = if run.is_some() { Value::Bool(true) } else { Value::Null };
    let body = json!({
        "metadata": {"uid": uid, "labels": {LABEL: mark}},
        "spec": {"unschedulable": off},
    });
    Call {
        verb: Verb::Patch,
        path: ObjectRef::new(crate::world::Kind::Node, "", node).path(),
        content_type: STRATEGIC.into(),
        body: Some(body),
    }
}
