//! The two views of an event: core/v1, which is what is stored, and events.k8s.io/v1.
use super::meta;
use serde_json::{Map, Value};

/// core/v1 field, events.k8s.io/v1 field.
const FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn rename(event: &Value, to_new: bool) -> Value {
    let name = |key: &str| {
        let pair = FIELDS.iter().find(|(old, new)| key == if to_new { *old } else { *new });
        pair.map_or(key.to_string(), |(old, new)| (if to_new { *new } else { *old }).to_string())
    };
    let map: Map<String, Value> =
        event.as_object().into_iter().flatten().map(|(k, v)| (name(k), v.clone())).collect();
    let mut event = Value::Object(map);
    meta::object(&mut event)
        .insert("apiVersion".into(), if to_new { "events.k8s.io/v1" } else { "v1" }.into());
    event
}

/// The events.k8s.io/v1 view of a core/v1 event.
pub fn to_new(event: &Value) -> Value {
    rename(event, true)
}

/// The core/v1 view of an event of either kind.
pub fn to_core(event: Value) -> Value {
    if event["apiVersion"] == "events.k8s.io/v1" { rename(&event, false) } else { event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // From captures/list/events.json and events-core.json: the same event in both.
    #[test]
    fn both_views_show_the_same_event() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {"kind": "Node"}, "reason": "NodeNotSchedulable",
            "message": "m", "source": {"component": "kubelet"}, "firstTimestamp": "t1", "lastTimestamp": "t2", "count": 2,
            "type": "Normal", "eventTime": null, "reportingComponent": "kubelet", "reportingInstance": "n"});
        let new = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "eventTime": null, "reportingController": "kubelet",
            "reportingInstance": "n", "reason": "NodeNotSchedulable", "regarding": {"kind": "Node"}, "note": "m", "type": "Normal",
            "deprecatedSource": {"component": "kubelet"}, "deprecatedFirstTimestamp": "t1", "deprecatedLastTimestamp": "t2",
            "deprecatedCount": 2});
        assert_eq!(to_new(&core), new);
        assert_eq!(to_core(new), core);
    }
}
