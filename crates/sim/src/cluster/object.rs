//! Helpers for API objects as plain JSON: names, labels, selectors, quantities, owners, conditions.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub use crate::api::meta::quantity::parse as amount;

/// A namespaced name; the namespace is empty for cluster-scoped objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub ns: Arc<str>,
    pub name: Arc<str>,
}

impl Key {
    pub fn new(ns: &str, name: &str) -> Self {
        Self { ns: ns.into(), name: name.into() }
    }

    pub fn of(object: &Value) -> Self {
        Self::new(namespace(object), name(object))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.ns.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.ns, self.name) }
    }
}

/// The string at a JSON pointer, or the empty string.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub fn int(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

pub fn flag(object: &Value, pointer: &str) -> bool {
    object.pointer(pointer).and_then(Value::as_bool).unwrap_or(false)
}

pub fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

pub fn deleting(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some_and(|v| !v.is_null())
}

pub fn created(object: &Value) -> Option<Timestamp> {
    time(object, "/metadata/creationTimestamp")
}

pub fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    object.pointer(pointer)?.as_str()?.parse().ok()
}

/// RFC 3339 to the second, as `metav1.Time` is written.
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// RFC 3339 to the microsecond, as `metav1.MicroTime` is written.
pub fn micro_stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// The controlling owner: (kind, name, uid).
pub fn controller(object: &Value) -> Option<(&str, &str, &str)> {
    list(object, "/metadata/ownerReferences")
        .iter()
        .find(|o| flag(o, "/controller"))
        .map(|o| (text(o, "/kind"), text(o, "/name"), text(o, "/uid")))
}

/// The owner reference that a controller sets on its objects.
pub fn owner_reference(owner: &Value, api_version: &str, kind: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Whether a `metav1.LabelSelector` selects these labels. A missing selector selects nothing, an empty one
/// everything.
pub fn selects(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let Some(selector) = selector.filter(|s| s.is_object()) else { return false };
    let get = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
    let equal = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .is_none_or(|m| m.iter().all(|(k, v)| get(k) == v.as_str()));
    equal && list(selector, "/matchExpressions").iter().all(|e| expression(e, get))
}

/// Whether a label map (a Service's selector) selects these labels. An empty map selects nothing.
pub fn map_selects(selector: Option<&Value>, labels: Option<&Value>) -> bool {
    let Some(map) = selector.and_then(Value::as_object).filter(|m| !m.is_empty()) else { return false };
    map.iter().all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v))
}

/// Evaluates one `matchExpressions` item, for labels and for node affinity (with Gt and Lt).
pub fn expression<'a>(e: &Value, get: impl Fn(&str) -> Option<&'a str>) -> bool {
    let have = get(text(e, "/key"));
    let values = list(e, "/values");
    let among = have.is_some_and(|h| values.iter().any(|v| v.as_str() == Some(h)));
    let number = |v: Option<&str>| v.and_then(|v| v.parse::<i64>().ok());
    let bound = number(values.first().and_then(Value::as_str));
    match text(e, "/operator") {
        "In" => among,
        "NotIn" => !among,
        "Exists" => have.is_some(),
        "DoesNotExist" => have.is_none(),
        "Gt" => number(have).zip(bound).is_some_and(|(h, b)| h > b),
        "Lt" => number(have).zip(bound).is_some_and(|(h, b)| h < b),
        _ => false,
    }
}

/// A Go duration as kubelet prints it: `10s`, `2m40s`, `5m0s`, `1h0m0s`.
pub fn go_duration(d: Duration) -> String {
    let s = d.as_secs();
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) if d.subsec_millis() == 0 => format!("{s}s"),
        (0, 0, s) => format!("{}s", trim_float(s as f64 + f64::from(d.subsec_millis()) / 1000.0)),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
}

fn trim_float(v: f64) -> String {
    let text = format!("{v:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Sets a condition. The transition time changes only with the status. Returns whether anything but the
/// update time changed.
pub fn set_condition(
    conditions: &mut Vec<Value>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: &str,
) -> bool {
    let old = conditions.iter_mut().find(|c| c["type"] == kind);
    let Some(old) = old else {
        conditions.push(json!({
            "type": kind, "status": status, "lastUpdateTime": now, "lastTransitionTime": now,
            "reason": reason, "message": message,
        }));
        return true;
    };
    if old["status"] == status && old["reason"] == reason && old["message"] == message {
        return false;
    }
    if old["status"] != status {
        old["lastTransitionTime"] = json!(now);
    }
    old["status"] = json!(status);
    old["lastUpdateTime"] = json!(now);
    old["reason"] = json!(reason);
    old["message"] = json!(message);
    true
}

pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|c| c["type"] == kind)
}

pub fn condition_is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|c| c["status"] == status)
}

/// The object at a key; any other value is replaced by an empty object.
pub fn entry<'a>(object: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    // The line above made it an object, so the default is never used.
    let slot = &mut object[key];
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(map) => map,
        _ => unreachable!("made an object just above"),
    }
}

/// Sets a count in a status. Like Go's `omitempty`, a zero is left out.
pub fn put_count(status: &mut Map<String, Value>, key: &str, count: i64) {
    if count == 0 {
        status.remove(key);
    } else {
        status.insert(key.to_owned(), json!(count));
    }
}

/// Whether the pod's containers have ended for good.
pub fn finished(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

pub fn ready(pod: &Value) -> bool {
    condition_is(pod, "Ready", "True")
}

/// Resolves `25%` or `3` against a total. `up` rounds up as for surge, otherwise down as for unavailable.
pub fn int_or_percent(value: Option<&Value>, total: i64, up: bool) -> Option<i64> {
    match value? {
        Value::Number(n) => n.as_i64(),
        Value::String(s) => {
            let percent: i64 = s.strip_suffix('%')?.parse().ok()?;
            let scaled = total * percent;
            Some(if up { (scaled + 99) / 100 } else { scaled / 100 })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_printed_as_go_does() {
        for (secs, want) in [(10, "10s"), (160, "2m40s"), (300, "5m0s"), (3600, "1h0m0s")] {
            assert_eq!(go_duration(Duration::from_secs(secs)), want);
        }
    }

    #[test]
    fn selectors_follow_the_api() {
        let labels = json!({"app": "a", "tier": "web"});
        let yes = json!({"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["web"]}]});
        assert!(selects(Some(&yes), Some(&labels)));
        assert!(!selects(None, Some(&labels)));
        assert!(selects(Some(&json!({})), Some(&labels)));
        assert!(
            !map_selects(Some(&json!({})), Some(&labels)),
            "a service without a selector selects nothing"
        );
    }

    #[test]
    fn surge_rounds_up_and_unavailable_down() {
        assert_eq!(int_or_percent(Some(&json!("25%")), 3, true), Some(1));
        assert_eq!(int_or_percent(Some(&json!("25%")), 3, false), Some(0));
        assert_eq!(int_or_percent(Some(&json!(2)), 3, false), Some(2));
    }
}
