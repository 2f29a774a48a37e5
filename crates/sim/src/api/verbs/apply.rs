//! Server-side apply and managedFields.
use super::read::Writer;
use super::write::{self, part};
use crate::api::handler::{Api, Call};
use crate::api::meta::fields::{self, Set};
use crate::api::meta::patch::strategic;
use crate::api::meta::status::{Cause, Details, Status};
use crate::api::meta::{self, items, text};
use crate::api::schema::strict::Shapes;
use crate::api::schema::versions;
use crate::api::store::item::Item;
use crate::api::store::{Part, Rewrite};
use crate::api::wire::body::{self, Answer};
use crate::api::wire::decode;
use crate::api::wire::request::RequestInfo;
use crate::clock::rfc3339;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Whether an entry belongs to this manager, operation and subresource.
fn is_entry(entry: &Value, manager: &str, operation: &str, subresource: &str) -> bool {
    text(entry, &["manager"]) == manager
        && text(entry, &["operation"]) == operation
        && text(entry, &["subresource"]) == subresource
}

fn entries(object: &Value) -> Vec<Value> {
    items(&object["metadata"], "managedFields").cloned().collect()
}

/// Stores the entries, without those that own no fields.
fn put_entries(object: &mut Value, mut entries: Vec<Value>) {
    entries.retain(|e| e["fieldsV1"].as_object().is_some_and(|f| !f.is_empty()));
    if entries.is_empty() {
        meta::metadata(object).remove("managedFields");
    } else {
        meta::metadata(object).insert("managedFields".into(), entries.into());
    }
}

/// Records that `manager` changed `before` into `object` by an update.
pub fn note_manager(
    object: &mut Value,
    before: Option<&Value>,
    manager: &str,
    now: Timestamp,
    subresource: &str,
) {
    let nothing = Value::Null;
    let before = before.unwrap_or(&nothing);
    let mut all = entries(object);
    if !before.is_null() && before["metadata"]["managedFields"] != object["metadata"]["managedFields"] {
        // The client edited managedFields itself.
        return;
    }
    let status = subresource == "status";
    let changed: Set = fields::of_object(object)
        .into_iter()
        .filter(|p| (p[0] == "f:status") == status)
        .filter(|p| fields::at(before, p) != fields::at(object, p))
        .collect();
    if changed.is_empty() {
        return;
    }
    let mut own = Set::new();
    for entry in &mut all {
        let mut set = fields::from_tree(&entry["fieldsV1"]);
        if is_entry(entry, manager, "Update", subresource) {
            own = set;
            own.retain(|p| fields::at(object, p).is_some());
            entry["fieldsV1"] = json!({});
            continue;
        }
        set.retain(|p| !changed.contains(p) && fields::at(object, p).is_some());
        entry["fieldsV1"] = fields::to_tree(&set);
    }
    own.extend(changed);
    all.push(entry(object, manager, "Update", subresource, &own, now));
    put_entries(object, all);
}

fn entry(
    object: &Value,
    manager: &str,
    operation: &str,
    subresource: &str,
    set: &Set,
    now: Timestamp,
) -> Value {
    let mut entry = json!({"manager": manager, "operation": operation, "apiVersion": object["apiVersion"],
        "time": rfc3339(now), "fieldsType": "FieldsV1", "fieldsV1": fields::to_tree(set)});
    if !subresource.is_empty() {
        entry["subresource"] = subresource.into();
    }
    entry
}

/// PATCH with `application/apply-patch+yaml`.
pub fn apply(api: &Api, call: &Call, info: &RequestInfo, writer: &Writer) -> Result<Answer, Status> {
    let def = &writer.def;
    let wanted = decode::yaml(&call.body)?;
    if !wanted.is_object() {
        return Err(Status::bad_request("error decoding YAML: the body is no object"));
    }
    if text(&wanted, &["kind"]) != def.kind || text(&wanted, &["apiVersion"]) != &*def.api_version {
        let text = format!("apiVersion and kind must be {} and {}", def.api_version, def.kind);
        return Err(Status::bad_request(text));
    }
    let manager = call.query.get("fieldManager");
    if manager.is_empty() {
        let cause = Cause::required("fieldManager", "is required for apply patch");
        return Err(Status::invalid("PatchOptions", "patchoptions.meta.k8s.io", "", vec![cause]));
    }
    if wanted["metadata"].get("managedFields").is_some() {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let sent = meta::name(&wanted);
    if !sent.is_empty() && sent != info.name {
        let text =
            format!("the name of the object ({sent}) does not match the name on the URL ({})", info.name);
        return Err(Status::bad_request(text));
    }
    let unknown = Shapes::of(def, &api.store).check(&mut wanted.clone());
    let undeclared =
        unknown.map(|fields| fields.first().map(|f| format!(".{f}: field not declared in schema")));
    if let Some(why) = undeclared.unwrap_or_else(Some) {
        let (object, of) =
            (format!("{}/{}", info.namespace, info.name), format!("{}/{}", def.group, def.version));
        let text = format!("failed to create typed patch object ({object}; {of}, Kind={}): {why}", def.kind);
        // A real server answers 500 here, although the fault is the client's.
        return Err(Status::failure(500, "", text));
    }
    let now = api.store.clock().now();
    let dry_run = call.query.dry_run()?;
    let (ns, name) = (info.namespace.as_str(), info.name.as_str());
    if api.store.item(&def.key, ns, name).is_none() && info.subresource.is_empty() {
        let mut object = wanted;
        let set = fields::of_object(&object);
        meta::metadata(&mut object).insert("name".into(), name.into());
        let own = entry(&object, manager, "Apply", "", &set, now);
        put_entries(&mut object, vec![own]);
        write::check_namespace(api, def, ns, name)?;
        let made = api.store.create_with(&def.key, ns, object, dry_run)?;
        return Ok(body::json(201, writer.object(&Item::new((*made).clone()), now, true)));
    }
    let how = Rewrite { part: part(&info.subresource), dry_run, trusted: how_trusted(&info.subresource) };
    let force = call.query.flag("force");
    let got = api.store.rewrite(&def.key, ns, name, how, |current| {
        let by = Applier { manager, subresource: &info.subresource, force, now };
        versions::change(def, current, |current| merge(current, &wanted, by))
    })?;
    Ok(body::json(200, writer.object(&Item::new((*got).clone()), now, true)))
}

fn how_trusted(subresource: &str) -> bool {
    part(subresource) == Part::Main && !subresource.is_empty()
}

struct Applier<'a> {
    manager: &'a str,
    subresource: &'a str,
    force: bool,
    now: Timestamp,
}

/// Applies `wanted` to `current`, or names the managers of conflicting fields.
fn merge(current: &mut Value, wanted: &Value, by: Applier) -> Result<(), Status> {
    let mut all = entries(current);
    let set = fields::of_object(wanted);
    let mut previous = Set::new();
    let mut conflicts: Vec<(String, String)> = Vec::new();
    let mut others = Set::new();
    for entry in &mut all {
        let mut owned = fields::from_tree(&entry["fieldsV1"]);
        if is_entry(entry, by.manager, "Apply", by.subresource) {
            previous = owned;
            entry["fieldsV1"] = json!({});
            continue;
        }
        let differs = |p: &&fields::Path| {
            set.contains(*p)
                && p.last().is_some_and(|s| s != ".")
                && fields::at(current, p) != fields::at(wanted, p)
        };
        let lost: Set = owned.iter().filter(differs).cloned().collect();
        let who = format!("{:?} using {}", text(entry, &["manager"]), text(entry, &["apiVersion"]));
        conflicts.extend(lost.iter().map(|p| (who.clone(), fields::words(p))));
        owned.retain(|p| !lost.contains(p));
        entry["fieldsV1"] = fields::to_tree(&owned);
        others.extend(owned);
    }
    if !conflicts.is_empty() && !by.force {
        return Err(conflict(&conflicts));
    }
    // Removes the fields that this manager no longer applies and no other manager owns; elements before their
    // fields.
    for gone in previous.difference(&set).filter(|p| !others.contains(*p)) {
        fields::remove(current, gone);
    }
    let mut patch = wanted.clone();
    let map = meta::object(&mut patch);
    map.remove("apiVersion");
    map.remove("kind");
    strategic(current, &patch)?;
    all.push(entry(current, by.manager, "Apply", by.subresource, &set, by.now));
    put_entries(current, all);
    Ok(())
}

fn conflict(conflicts: &[(String, String)]) -> Status {
    let count = conflicts.len();
    let list: Vec<String> =
        conflicts.iter().map(|(who, field)| format!("conflict with {who}: {field}")).collect();
    let text = match list.as_slice() {
        [one] => format!("Apply failed with 1 conflict: {one}"),
        _ => {
            let lines: Vec<String> =
                conflicts.iter().map(|(who, field)| format!("- {field} ({who})")).collect();
            format!("Apply failed with {count} conflicts: conflicts:\n{}", lines.join("\n"))
        }
    };
    let cause = |(who, field): &(String, String)| Cause {
        reason: "FieldManagerConflict".into(),
        message: format!("conflict with {who}"),
        field: field.clone(),
    };
    Status::failure(409, "Conflict", text)
        .with_details(Details { causes: conflicts.iter().map(cause).collect(), ..Details::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(manager: &str, force: bool) -> Applier<'_> {
        Applier { manager, subresource: "", force, now: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn appliers_own_fields_conflict_and_give_up() {
        let mut o = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {}});
        merge(&mut o, &json!({"data": {"x": "1", "y": "1"}}), by("one", false)).unwrap();
        assert_eq!(o["data"], json!({"x": "1", "y": "1"}));
        // Equal values are shared; different values conflict.
        merge(&mut o, &json!({"data": {"x": "1"}}), by("two", false)).unwrap();
        let refused = merge(&mut o, &json!({"data": {"y": "2"}}), by("two", false)).unwrap_err();
        assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"one\" using v1: .data.y");
        merge(&mut o, &json!({"data": {"y": "2"}}), by("two", true)).unwrap();
        assert_eq!(o["data"], json!({"x": "1", "y": "2"}));
        // Fields without an owner are removed; those with another owner stay.
        merge(&mut o, &json!({"data": {}}), by("one", false)).unwrap();
        assert_eq!(o["data"], json!({"y": "2"}));
    }

    #[test]
    fn an_update_takes_the_fields_that_it_changes() {
        let mut o = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {}});
        merge(&mut o, &json!({"data": {"x": "1", "y": "1"}}), by("one", false)).unwrap();
        let before = o.clone();
        o["data"]["x"] = json!("5");
        note_manager(&mut o, Some(&before), "kubectl", Timestamp::UNIX_EPOCH, "");
        let owners: Vec<(&str, String)> = items(&o["metadata"], "managedFields")
            .map(|e| (text(e, &["manager"]), e["fieldsV1"].to_string()))
            .collect();
        assert_eq!(
            owners,
            [
                ("one", r#"{"f:data":{"f:y":{}}}"#.to_string()),
                ("kubectl", r#"{"f:data":{"f:x":{}}}"#.to_string())
            ]
        );
    }
}
