//! Kinds that are answered and not stored: access reviews, rules reviews, SelfSubjectReview.
use super::auth::{User, Users};
use super::rbac::{self, Asked};
use crate::api::meta::status::Status;
use crate::api::meta::{self, items, text};
use crate::api::store::Store;
use serde_json::{Value, json};

/// Answers a review; None if `kind` is not a review.
pub fn answer(
    kind: &str,
    mut review: Value,
    ns: &str,
    user: &User,
    store: &Store,
    users: &Users,
) -> Option<Result<Value, Status>> {
    let status = match kind {
        "SelfSubjectAccessReview" => Ok(access(&review["spec"], user, store)),
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let spec = &review["spec"];
            let groups: Vec<&str> = items(spec, "groups").filter_map(Value::as_str).collect();
            if kind.starts_with("Local") && text(spec, &["resourceAttributes", "namespace"]) != ns {
                Err(Status::bad_request("spec.resourceAttributes.namespace must match metadata.namespace"))
            } else {
                Ok(access(spec, &User::new(text(spec, &["user"]), &groups), store))
            }
        }
        "SelfSubjectRulesReview" => rules(&review["spec"], user, store),
        "SelfSubjectReview" => Ok(json!({"userInfo": {"username": user.name, "groups": user.groups}})),
        "TokenReview" => Ok(match users.of_token(text(&review, &["spec", "token"])) {
            Some(user) => {
                json!({"authenticated": true, "user": {"username": user.name, "groups": user.groups}})
            }
            None => json!({"user": {}, "error": "invalid bearer token"}),
        }),
        _ => return None,
    };
    Some(status.map(|status| {
        meta::metadata(&mut review).entry("creationTimestamp").or_insert(Value::Null);
        if kind == "SelfSubjectRulesReview" {
            meta::object(&mut review).insert("spec".into(), json!({}));
        }
        meta::object(&mut review).insert("status".into(), status);
        review
    }))
}

fn access(spec: &Value, user: &User, store: &Store) -> Value {
    let asked = match spec.get("nonResourceAttributes").filter(|a| a.is_object()) {
        Some(a) => Asked { verb: text(a, &["verb"]), path: text(a, &["path"]), ..Asked::default() },
        None => {
            let a = &spec["resourceAttributes"];
            let get = |key: &str| text(a, &[key]);
            Asked {
                verb: get("verb"),
                group: get("group"),
                resource: get("resource"),
                subresource: get("subresource"),
                name: get("name"),
                namespace: get("namespace"),
                path: "",
            }
        }
    };
    json!({"allowed": rbac::allowed(store, user, &asked)})
}

fn rules(spec: &Value, user: &User, store: &Store) -> Result<Value, Status> {
    let ns = text(spec, &["namespace"]);
    if ns.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let (mut resource, mut other) = (Vec::new(), Vec::new());
    for rule in rbac::rules(store, user, ns) {
        if items(&rule, "nonResourceURLs").next().is_some() {
            other.push(json!({"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}));
        } else {
            let mut rule = rule;
            meta::object(&mut rule).retain(|_, v| !v.is_null());
            resource.push(rule);
        }
    }
    Ok(json!({"resourceRules": resource, "nonResourceRules": other, "incomplete": false}))
}
