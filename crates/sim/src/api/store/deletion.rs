//! Deletion: grace periods of pods, finalizers, propagation, preconditions.
use crate::api::meta;
use crate::api::meta::status::Status;
use crate::api::schema::registry::Resource;
use crate::clock::rfc3339;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The fate of the object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Background,
    /// The object stays, with a finalizer, until its dependents are deleted.
    Foreground,
    /// The object stays, with a finalizer, until its dependents have lost their reference to it.
    Orphan,
}

/// `metav1.DeleteOptions`.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// In seconds; None uses the object's own (`terminationGracePeriodSeconds` of a pod).
    pub grace_period_seconds: Option<i64>,
    pub propagation: Option<Propagation>,
    /// Delete only if the object has this uid.
    pub uid: Option<String>,
    /// Delete only if the object has this version.
    pub resource_version: Option<String>,
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Whether the preconditions hold for `object`.
    pub(in crate::api) fn check(&self, def: &Resource, object: &Value) -> Result<(), Status> {
        let fail = |what: &str, wanted: &str, found: &str| {
            let why = format!(
                "Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
            );
            Err(Status::conflict_because(&def.qualified(), meta::name(object), &why))
        };
        match (&self.uid, &self.resource_version) {
            (Some(uid), _) if uid != meta::uid(object) => fail("UID", uid, meta::uid(object)),
            (_, Some(rv)) if rv != meta::version(object) => {
                fail("ResourceVersion", rv, meta::version(object))
            }
            _ => Ok(()),
        }
    }
}

/// The object marked for deletion; None if it can be removed at once.
pub(in crate::api) fn mark(
    def: &Resource,
    object: &Value,
    options: &DeleteOptions,
    now: Timestamp,
) -> Option<Value> {
    let mut after = object.clone();
    let mut finalizers: Vec<String> = meta::finalizers(object).map(String::from).collect();
    let wanted = match options.propagation {
        Some(Propagation::Foreground) => Some("foregroundDeletion"),
        Some(Propagation::Orphan) => Some("orphan"),
        _ => None,
    };
    if let Some(wanted) = wanted
        && !finalizers.iter().any(|f| f == wanted)
    {
        finalizers.push(wanted.into());
        meta::metadata(&mut after).insert("finalizers".into(), json!(finalizers));
    }
    let holds_content =
        def.plural == "namespaces" && meta::items(&object["spec"], "finalizers").next().is_some();
    let grace = grace(def, object, options);
    if grace == 0 && finalizers.is_empty() && !holds_content {
        return None;
    }
    let metadata = meta::metadata(&mut after);
    let before = metadata.get("deletionGracePeriodSeconds").and_then(Value::as_i64);
    match before {
        // A second delete can only shorten the grace period.
        Some(before) if before <= grace => {}
        _ => {
            let at = now.checked_add(SignedDuration::from_secs(grace)).unwrap_or(now);
            metadata.insert("deletionTimestamp".into(), rfc3339(at).into());
            // Namespaces wait for their content, not for a time.
            if def.plural != "namespaces" {
                metadata.insert("deletionGracePeriodSeconds".into(), grace.into());
            }
        }
    }
    if def.plural == "namespaces" {
        meta::object(meta::child(&mut after, "status")).insert("phase".into(), "Terminating".into());
    }
    Some(after)
}

/// The grace period in seconds. Only a pod on a node has one.
fn grace(def: &Resource, object: &Value, options: &DeleteOptions) -> i64 {
    let phase = meta::text(object, &["status", "phase"]);
    let unbound = meta::text(object, &["spec", "nodeName"]).is_empty();
    if &*def.key != "pods" || unbound || phase == "Succeeded" || phase == "Failed" {
        return 0;
    }
    let own = object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    options.grace_period_seconds.unwrap_or(own).max(0)
}

/// Whether nothing holds a terminating object any more.
pub(in crate::api) fn finished(object: &Value) -> bool {
    let metadata = &object["metadata"];
    metadata["deletionTimestamp"].is_string()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && meta::finalizers(object).next().is_none()
        && meta::items(&object["spec"], "finalizers").next().is_none()
}
