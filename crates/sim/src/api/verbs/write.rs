//! create, update, patch, delete and delete collection.
use super::apply;
use super::read;
use super::read::{Filter, ListHead, Writer};
use crate::api::admission::{ephemeral, resize};
use crate::api::handler::{Api, Call};
use crate::api::meta;
use crate::api::meta::patch::{Patch, PatchKind};
use crate::api::meta::status::{Cause, Details, Status};
use crate::api::schema::registry::Resource;
use crate::api::schema::strict;
use crate::api::schema::versions;
use crate::api::store::item::Item;
use crate::api::store::{DeleteOptions, Part, Propagation, Rewrite};
use crate::api::wire::body::{self, Answer};
use crate::api::wire::decode;
use crate::api::wire::request::{RequestInfo, check_dry_run};
use http::header;
use serde_json::Value;

/// Creates an object.
pub fn create(api: &Api, call: &Call, info: &RequestInfo, writer: &Writer) -> Result<Answer, Status> {
    let def = &writer.def;
    let (mut object, unknown) = decode::checked(call, def, &api.store)?;
    in_place(&object, def, &info.namespace)?;
    check_namespace(api, def, &info.namespace, meta::name(&object))?;
    if !info.name.is_empty() && meta::name(&object).is_empty() {
        meta::metadata(&mut object).insert("name".into(), info.name.as_str().into());
    }
    apply::note_manager(&mut object, None, &manager(call), api.store.clock().now(), "");
    let made = api.store.create_with(&def.key, &info.namespace, object, call.query.dry_run()?)?;
    let made = writer.object(&Item::new((*made).clone()), api.store.clock().now(), true);
    let mut answer = body::json(201, made);
    strict::warn(&mut answer, &unknown);
    Ok(answer)
}

/// Refuses new objects in a namespace that is missing or terminating.
pub fn check_namespace(api: &Api, def: &Resource, ns: &str, name: &str) -> Result<(), Status> {
    if !def.namespaced {
        return Ok(());
    }
    let found = api.store.get("namespaces", "", ns).ok_or_else(|| Status::not_found("namespaces", ns))?;
    if found["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {ns} because it is being terminated");
    Err(Status::forbidden(&def.qualified(), name, why))
}

/// Checks that the object's namespace is the request's.
fn in_place(object: &Value, def: &Resource, ns: &str) -> Result<(), Status> {
    let own = meta::namespace(object);
    if def.namespaced && !own.is_empty() && own != ns {
        let text = format!(
            "the namespace of the provided object does not match the namespace sent on the request: {own} != {ns}"
        );
        return Err(Status::bad_request(text));
    }
    Ok(())
}

/// The writer's name in `managedFields`: `fieldManager`, or the first word of the user agent.
pub fn manager(call: &Call) -> String {
    let agent = call.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("unknown");
    match call.query.get("fieldManager") {
        "" => agent.split(['/', ' ']).next().unwrap_or("unknown").chars().take(128).collect(),
        name => name.into(),
    }
}

/// The part of the object that a subresource writes.
pub fn part(subresource: &str) -> Part {
    if subresource == "status" { Part::Status } else { Part::Main }
}

/// PUT of an object or of its status.
pub fn update(api: &Api, call: &Call, info: &RequestInfo, writer: &Writer) -> Result<Answer, Status> {
    let def = &writer.def;
    let (object, unknown) = decode::checked(call, def, &api.store)?;
    in_place(&object, def, &info.namespace)?;
    if meta::name(&object) != info.name {
        let text = format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            meta::name(&object),
            info.name
        );
        return Err(Status::bad_request(text));
    }
    let mut answer = rewrite(api, call, info, writer, |current| {
        *current = object;
        Ok(())
    })?;
    strict::warn(&mut answer, &unknown);
    Ok(answer)
}

/// PATCH of an object or of its status.
pub fn patch(api: &Api, call: &Call, info: &RequestInfo, writer: &Writer) -> Result<Answer, Status> {
    let def = &writer.def;
    let kind = PatchKind::of(call.content_type())?;
    if kind == PatchKind::Apply {
        return apply::apply(api, call, info, writer);
    }
    if kind == PatchKind::Strategic && def.custom {
        let text = "the body of the request was in an unknown format - accepted media types include: \
                    application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
        return Err(Status::failure(415, "UnsupportedMediaType", text).with_details(Details::default()));
    }
    let patch = Patch::read(kind, &call.body)?;
    let (shapes, level) = (strict::Shapes::of(def, &api.store), strict::Level::of(call)?);
    let mut unknown = Vec::new();
    let mut answer = rewrite(api, call, info, writer, |current| {
        let before = current.clone();
        patch.apply(current)?;
        if meta::name(current) != info.name {
            return Err(Status::bad_request("metadata.name cannot be changed by a patch"));
        }
        let found = brought_in(&shapes, &before, current).and_then(|unknown| level.judge(unknown));
        unknown = found.map_err(|why| {
            let cause = Cause::invalid("patch", &patch.shown(current).into(), &why);
            Status::invalid("", "", "", vec![cause])
        })?;
        Ok(())
    })?;
    strict::warn(&mut answer, &unknown);
    Ok(answer)
}

/// Removes the unknown fields that a patch added. Older ones stay, because the cluster's own components may
/// write any field.
fn brought_in(shapes: &strict::Shapes, before: &Value, after: &mut Value) -> Result<Vec<String>, String> {
    let mut pruned = after.clone();
    let mut unknown = shapes.check(&mut pruned)?;
    if !unknown.is_empty() {
        let old = shapes.check(&mut before.clone()).unwrap_or_default();
        unknown.retain(|field| !old.contains(field));
    }
    if !unknown.is_empty() {
        *after = pruned;
    }
    Ok(unknown)
}

fn rewrite(
    api: &Api,
    call: &Call,
    info: &RequestInfo,
    writer: &Writer,
    f: impl FnOnce(&mut Value) -> Result<(), Status>,
) -> Result<Answer, Status> {
    let part = part(&info.subresource);
    let trusted = !matches!(info.subresource.as_str(), "" | "status");
    let how = Rewrite { part, dry_run: call.query.dry_run()?, trusted };
    let now = api.store.clock().now();
    let manager = manager(call);
    // Read before the pod is locked; what a node can hold does not change in between.
    let node = (info.subresource == "resize")
        .then(|| api.pod(info))
        .transpose()?
        .and_then(|pod| api.store.get("nodes", "", resize::node_of(&pod)));
    let got = api.store.rewrite(&writer.def.key, &info.namespace, &info.name, how, |current| {
        let before = current.clone();
        versions::change(&writer.def, current, f)?;
        if info.subresource == "resize" {
            resize::check(&before, current, node.as_deref())?;
        }
        if info.subresource == "ephemeralcontainers" {
            ephemeral::check(&before, current)?;
        }
        apply::note_manager(current, Some(&before), &manager, now, &info.subresource);
        Ok(())
    })?;
    Ok(body::json(200, writer.object(&Item::new((*got).clone()), now, true)))
}

/// `DeleteOptions` from the body, or from the query if there is no body.
pub fn delete_options(call: &Call) -> Result<DeleteOptions, Status> {
    let body = if call.body.is_empty() { Value::Null } else { decode::any(call, "DeleteOptions")? };
    parse_delete_options(&body, call)
}

/// Parses `metav1.DeleteOptions`. The query of `call` fills in missing options.
pub fn parse_delete_options(body: &Value, call: &Call) -> Result<DeleteOptions, Status> {
    let query = &call.query;
    let grace =
        match &body["gracePeriodSeconds"] {
            Value::Null => query.number("gracePeriodSeconds")?.and_then(|n| i64::try_from(n).ok()),
            value => Some(value.as_i64().ok_or_else(|| {
                Status::bad_request("DeleteOptions.gracePeriodSeconds: must be an integer")
            })?),
        };
    let policy = match meta::text(body, &["propagationPolicy"]) {
        "" => query.get("propagationPolicy"),
        policy => policy,
    };
    let orphan = body["orphanDependents"] == true || query.flag("orphanDependents");
    let propagation = match policy {
        "" if orphan => Some(Propagation::Orphan),
        "" => None,
        "Background" => Some(Propagation::Background),
        "Foreground" => Some(Propagation::Foreground),
        "Orphan" => Some(Propagation::Orphan),
        other => {
            let cause = crate::api::meta::status::Cause::not_supported(
                "propagationPolicy",
                &other.into(),
                &["Foreground", "Background", "Orphan", "nil"],
            );
            return Err(Status::invalid("DeleteOptions", "deleteoptions.meta.k8s.io", "", vec![cause]));
        }
    };
    let text = |key: &str| body["preconditions"][key].as_str().map(String::from);
    let asked = meta::items(body, "dryRun").filter_map(Value::as_str);
    let dry_run = check_dry_run(asked)? || query.dry_run()?;
    Ok(DeleteOptions {
        grace_period_seconds: grace,
        propagation,
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        dry_run,
    })
}

/// DELETE of one object.
pub fn delete(api: &Api, call: &Call, info: &RequestInfo, writer: &Writer) -> Result<Answer, Status> {
    let def = &writer.def;
    let options = delete_options(call)?;
    let missing = || Status::not_found(&def.qualified(), &info.name);
    let before = api.store.item(&def.key, &info.namespace, &info.name).ok_or_else(missing)?;
    let left = api.store.delete(&def.key, &info.namespace, &info.name, options)?;
    let now = api.store.clock().now();
    if let Some(left) = left {
        return Ok(body::json(200, writer.object(&Item::new((*left).clone()), now, true)));
    }
    // These kinds answer with the deleted object, others with a Status.
    if matches!(
        &*def.key,
        "pods" | "services" | "serviceaccounts" | "persistentvolumes" | "persistentvolumeclaims"
    ) {
        return Ok(body::json(200, writer.object(&before, now, true)));
    }
    Ok(Status::success(200)
        .with_details(Details {
            name: info.name.clone(),
            group: def.group.clone(),
            kind: def.plural.clone(),
            uid: meta::uid(&before.value()).into(),
            ..Details::default()
        })
        .without_code()
        .into())
}

/// DELETE of all matching objects.
pub fn delete_collection(
    api: &Api,
    call: &Call,
    info: &RequestInfo,
    writer: Writer,
) -> Result<Answer, Status> {
    let def = writer.def.clone();
    let options = delete_options(call)?;
    let filter = Filter::of(&call.query, &def)?;
    let ns = Some(info.namespace.as_str()).filter(|ns| !ns.is_empty());
    let mut done = Vec::new();
    for object in api.store.list(&def.key, ns) {
        let item = Item::new((*object).clone());
        if !filter.matches(&item) {
            continue;
        }
        match api.store.delete(&def.key, meta::namespace(&object), meta::name(&object), options.clone()) {
            Ok(left) => done.push(left.map_or(item, |left| Item::new((*left).clone()))),
            // Another client deleted it first.
            Err(status) if status.code == 404 => {}
            Err(status) => return Err(status),
        }
    }
    let head = ListHead { resource_version: api.store.version().to_string(), ..ListHead::default() };
    Ok(read::write_list(writer, &head, done, api.store.clock().now()))
}
