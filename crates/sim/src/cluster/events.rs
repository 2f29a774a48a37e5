//! Records events like the components do: one object for repeated events.
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::store::{Part, Store};

use super::object::{Key, micro_stamp, name, namespace, stamp, text, uid};

/// The component that records an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// A controller of the controller manager, by its component name.
    Controller(&'a str),
    /// The kubelet of a node.
    Kubelet(&'a str),
    /// The scheduler, which uses events.k8s.io.
    Scheduler,
}

/// The scheduler's name in the captured cluster.
const SCHEDULER: &str = "default-scheduler";

/// Remembers recorded events, to count repetitions.
#[derive(Default)]
pub struct Recorder {
    said: HashMap<(String, String, String), Key>,
    serial: u64,
}

/// The content of one event.
pub struct Said<'a> {
    pub kind: &'a str,
    pub reason: &'a str,
    pub message: &'a str,
    /// `spec.containers{app}` for an event about one container.
    pub field: Option<&'a str>,
    pub action: &'a str,
}

impl Recorder {
    pub fn record(
        &mut self,
        store: &Store,
        now: Timestamp,
        source: Source<'_>,
        about: &Value,
        said: &Said<'_>,
    ) {
        let again = (
            format!("{}{}", uid(about), said.field.unwrap_or_default()),
            said.reason.to_owned(),
            said.message.to_owned(),
        );
        if let Some(key) = self.said.get(&again) {
            let counted =
                store.modify("events", &key.ns, &key.name, Part::Main, |event| count(event, now, source));
            if counted.is_ok() {
                return;
            }
        }
        let ns = match namespace(about) {
            "" => "default",
            ns => ns,
        };
        self.serial += 1;
        // Like client-go's, the name ends in the time in nanoseconds. The serial separates events of the same
        // moment.
        let nanos = now.as_nanosecond() as u64 + self.serial;
        let event_name = format!("{}.{nanos:x}", name(about));
        let mut regarding = json!({
            "kind": text(about, "/kind"), "name": name(about), "uid": uid(about),
            "apiVersion": text(about, "/apiVersion"), "resourceVersion": text(about, "/metadata/resourceVersion"),
        });
        if !namespace(about).is_empty() {
            regarding["namespace"] = json!(namespace(about));
        }
        if let Some(field) = said.field {
            regarding["fieldPath"] = json!(field);
        }
        let mut event = json!({
            "kind": "Event", "apiVersion": "v1",
            "metadata": {"name": event_name, "namespace": ns},
            "involvedObject": regarding,
            "reason": said.reason, "message": said.message, "type": said.kind,
        });
        let (component, instance) = match source {
            Source::Controller(c) => (c, String::new()),
            Source::Kubelet(node) => ("kubelet", node.to_owned()),
            Source::Scheduler => (SCHEDULER, format!("{SCHEDULER}-control-plane")),
        };
        event["reportingComponent"] = json!(component);
        event["reportingInstance"] = json!(instance);
        if source == Source::Scheduler {
            event["source"] = json!({});
            event["firstTimestamp"] = Value::Null;
            event["lastTimestamp"] = Value::Null;
            event["eventTime"] = json!(micro_stamp(now));
            event["action"] = json!(said.action);
        } else {
            event["source"] = match source {
                Source::Kubelet(node) => json!({"component": "kubelet", "host": node}),
                _ => json!({"component": component}),
            };
            event["firstTimestamp"] = json!(stamp(now));
            event["lastTimestamp"] = json!(stamp(now));
            event["eventTime"] = Value::Null;
            event["count"] = json!(1);
        }
        match store.create("events", ns, event) {
            Ok(made) => {
                self.said.insert(again, Key::of(&made));
            }
            // A terminating namespace refuses events. A real recorder drops them too.
            Err(status) => tracing::debug!(%status, "an event was not recorded"),
        }
    }

    /// Drops events that no longer exist.
    pub fn forget(&mut self, gone: impl Fn(&Key) -> bool) {
        self.said.retain(|_, key| !gone(key));
    }
}

fn count(event: &mut Value, now: Timestamp, source: Source<'_>) {
    if source == Source::Scheduler {
        let count = event.pointer("/series/count").and_then(Value::as_i64).unwrap_or(1) + 1;
        event["series"] = json!({"count": count, "lastObservedTime": micro_stamp(now)});
    } else {
        let count = event["count"].as_i64().unwrap_or(1) + 1;
        event["count"] = json!(count);
        event["lastTimestamp"] = json!(stamp(now));
    }
}

/// The latest time in an event.
pub fn last_seen(event: &Value) -> Option<Timestamp> {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]
        .iter()
        .find_map(|p| text(event, p).parse().ok())
}

/// Removes events older than one hour.
pub fn expire(store: &Arc<Store>, recorder: &mut Recorder, now: Timestamp) {
    let Ok(limit) = now.checked_sub(jiff::SignedDuration::from_hours(1)) else { return };
    let old: std::collections::HashSet<Key> = store
        .list("events", None)
        .iter()
        .filter(|e| last_seen(e).is_some_and(|t| t < limit))
        .map(|e| Key::of(e))
        .collect();
    for key in &old {
        store.remove("events", &key.ns, &key.name);
    }
    recorder.forget(|key| old.contains(key));
}
