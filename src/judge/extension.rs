//! What extends the API server and can stall it: APIServices, admission webhooks, CustomResourceDefinitions.

use crate::world::{
    ApiService, CustomResource, Kind, ObjectRef, ServiceRef, Status, Time, WebhookConfiguration, World,
    condition,
};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::evidence::Severity;
use super::limits::seconds;
use super::registry::causes;
use super::text::bounded;

const WHY_API: &str =
    "everything that asks for all of the API stalls with it: deleting namespaces, garbage collection, quotas";
const WHY_WEBHOOK: &str = "with failurePolicy Fail, each object it is called for is refused until it answers";

causes! {
    APISERVICE_UNAVAILABLE = "apiservice.unavailable" Warning Watch("apiservices") tree "object":
        "an aggregated API does not answer",
        why WHY_API, source "condition Available";
    WEBHOOK_UNAVAILABLE = "webhook.unavailable" Critical Watch("webhook configurations, services, endpointslices") tree "object":
        "an admission webhook that must answer has no Service or no ready endpoint",
        why WHY_WEBHOOK, source "clientConfig.service, failurePolicy, EndpointSlices";
    CRD_CONVERSION = "crd.conversion" Critical Watch("customresourcedefinitions, services, endpointslices") tree "object":
        "the conversion webhook of a custom resource has no Service or no ready endpoint",
        why "no object of that kind can be read, written or deleted, and namespaces that hold one do not go",
        source "spec.conversion.webhook, EndpointSlices";
    CRD_NOT_SERVED = "crd.not-served" Warning Watch("customresourcedefinitions") tree "object":
        "a custom resource is not served: its names conflict with another kind's, or it is not established",
        why "every client of the kind gets 404, its operator first",
        source "conditions NamesAccepted and Established";
    CRD_STORED_VERSION = "crd.stored-version" Warning Watch("customresourcedefinitions") tree "object":
        "objects may be stored in a version that the custom resource no longer serves",
        why "objects stored in it cannot be read, and the version cannot be removed",
        source "status.storedVersions against spec.versions";
}

/// How long an extension may be away: a rolling update of its pods takes this long.
const AWAY: u64 = 60;

pub fn api_service(ctx: &Ctx, api: &ApiService, object: &ObjectRef, out: &mut Out) {
    if api.meta.deleting.is_some() {
        return;
    }
    let Some(c) = condition(&api.conditions, "Available").filter(|c| c.status != Status::True) else {
        return;
    };
    let Some(service) = &api.service else { return };
    let since = c.since.unwrap_or(ctx.now);
    let fires = since.plus(seconds(AWAY));
    if ctx.now < fires {
        out.again(fires);
    }
    let says = match &*c.reason {
        "ServiceNotFound" => "its Service does not exist".to_owned(),
        "MissingEndpoints" => "its Service has no ready endpoint".to_owned(),
        "FailedDiscoveryCheck" => format!("it does not answer: {}", last(&c.message)),
        _ => last(&c.message),
    };
    out.push(
        Diagnosis::new(APISERVICE_UNAVAILABLE, object.clone(), since)
            .fires_at(fires)
            .title(format!("API {}/{} is not available: {says}", api.group, api.version))
            .row("not available")
            .evidence("condition Available", format!("{}: {}", c.reason, c.message), object, c.since)
            .evidence(
                "apiservice spec",
                format!("service {}/{}", service.namespace, service.name),
                object,
                None,
            )
            .waits_for(existing(ctx, service)),
    );
}

pub fn webhooks(ctx: &Ctx, config: &WebhookConfiguration, object: &ObjectRef, out: &mut Out) {
    if config.meta.deleting.is_some() {
        return;
    }
    let created = config.meta.created.unwrap_or(ctx.now);
    for hook in config.webhooks.iter() {
        let Some(service) = &hook.service else { continue };
        let Some((says, since)) = dead(ctx, service) else { continue };
        let since = since.unwrap_or(created).max(created);
        let fires = since.plus(seconds(AWAY));
        if ctx.now < fires {
            out.again(fires);
        }
        let policy = if hook.fails_closed { "Fail" } else { "Ignore" };
        let whom = if hook.some_namespaces { " in the namespaces it selects" } else { "" };
        let mut found = Diagnosis::new(WEBHOOK_UNAVAILABLE, object.clone(), since)
            .fires_at(fires)
            .title(if hook.fails_closed {
                format!(
                    "webhook {} cannot answer: {says}; {} are refused{whom}",
                    hook.name,
                    bounded(&hook.resources, 60)
                )
            } else {
                format!("webhook {} cannot answer: {says}; it is passed over", hook.name)
            })
            .row("webhook does not answer")
            .evidence(
                "webhook configuration",
                format!(
                    "{}: service {}/{}, failurePolicy {policy}, called for {}",
                    hook.name, service.namespace, service.name, hook.resources
                ),
                object,
                None,
            );
        found = found.waits_for(existing(ctx, service));
        if !hook.fails_closed {
            // Nothing is refused; what it should have done is left out.
            found = found.severity(Severity::Info);
        }
        out.push(found);
        return;
    }
}

pub fn custom_resource(ctx: &Ctx, crd: &CustomResource, object: &ObjectRef, out: &mut Out) {
    if crd.meta.deleting.is_some() {
        return;
    }
    let created = crd.meta.created.unwrap_or(ctx.now);
    for (kind, words) in
        [("NamesAccepted", "its names are refused"), ("Established", "it is not established")]
    {
        let Some(c) = condition(&crd.conditions, kind).filter(|c| c.status == Status::False) else {
            continue;
        };
        // `Installing` is how each of them begins.
        let since = c.since.unwrap_or(created);
        let fires = since.plus(seconds(AWAY));
        if ctx.now < fires {
            return out.again(fires);
        }
        out.push(
            Diagnosis::new(CRD_NOT_SERVED, object.clone(), since)
                .title(format!("custom resource {} is not served: {words}: {}", crd.meta.name, c.message))
                .row("not served")
                .evidence(
                    format!("condition {kind}"),
                    format!("{}: {}", c.reason, c.message),
                    object,
                    c.since,
                ),
        );
        return;
    }
    if let Some(service) = &crd.converter
        && let Some((says, since)) = dead(ctx, service)
    {
        let since = since.unwrap_or(created).max(created);
        let fires = since.plus(seconds(AWAY));
        if ctx.now < fires {
            out.again(fires);
        }
        out.push(
            Diagnosis::new(CRD_CONVERSION, object.clone(), since)
                .fires_at(fires)
                .title(format!("{} objects cannot be converted: {says}", crd.kind))
                .row("conversion webhook down")
                .evidence(
                    "customresourcedefinition spec",
                    format!("conversion webhook: service {}/{}", service.namespace, service.name),
                    object,
                    None,
                )
                .waits_for(existing(ctx, service)),
        );
        return;
    }
    let unserved = crd.stored.iter().find(|v| !crd.served.contains(v));
    if let Some(version) = unserved {
        let gone = if crd.versions.contains(version) { "is not served" } else { "is not in its spec" };
        out.push(
            Diagnosis::new(CRD_STORED_VERSION, object.clone(), created)
                .title(format!("{} objects may be stored as {version}, which {gone}", crd.kind))
                .row(format!("stored as {version}"))
                .evidence(
                    "customresourcedefinition status",
                    format!("storedVersions: {}; served: {}", crd.stored.join(", "), crd.served.join(", ")),
                    object,
                    None,
                ),
        );
    }
}

/// The configuration that declares a webhook of that name.
pub fn configuration(world: &World, webhook: &str) -> Option<ObjectRef> {
    let all = world.validating_webhooks.values().chain(world.mutating_webhooks.values());
    let found = all.into_iter().find(|c| c.webhooks.iter().any(|h| &*h.name == webhook))?;
    Some(ObjectRef::new(found.kind.clone(), "", found.meta.name.clone()))
}

/// The Service that a webhook or an API names, where it exists: then what runs behind it is to be put right.
fn existing(ctx: &Ctx, service: &ServiceRef) -> Option<ObjectRef> {
    let found = ctx.world.services.find(&service.namespace, &service.name)?;
    Some(ObjectRef::new(Kind::Service, found.meta.namespace.clone(), found.meta.name.clone()))
}

/// Why nothing answers behind a Service, and since when; `None` where something does or cannot be seen.
fn dead(ctx: &Ctx, service: &ServiceRef) -> Option<(String, Option<Time>)> {
    let w = ctx.world;
    // Only a list of the whole cluster, or of that namespace, proves that it is not there.
    let seen = |kind: &Kind| w.synced_in(kind, &"".into()) || w.synced_in(kind, &service.namespace);
    if !(seen(&Kind::Service) && seen(&Kind::EndpointSlice)) {
        return None;
    }
    let name = format!("{}/{}", service.namespace, service.name);
    let Some(found) = w.services.find(&service.namespace, &service.name) else {
        return Some((format!("Service {name} does not exist"), None));
    };
    if &*found.service_type == "ExternalName" {
        return None;
    }
    let object = ObjectRef::new(Kind::Service, service.namespace.clone(), service.name.clone());
    let (ready, _, since) = ctx.past.endpoints(&object);
    (ready == 0).then(|| (format!("Service {name} has no ready endpoint"), since))
}

/// The innermost reason of a chain of `…: …: …`.
fn last(message: &str) -> String {
    message.rsplit(": ").next().unwrap_or(message).to_owned()
}
