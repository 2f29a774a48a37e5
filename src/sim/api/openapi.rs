//! OpenAPI v3, as much as kubectl needs before it creates, applies or patches: which kinds take `fieldValidation`.
use super::body::{self, Answer};
use super::discovery::groups;
use super::registry::{Resource, group_version};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Answers `/openapi/v3` and the documents below it.
pub fn answer(path: &str, resources: &[Arc<Resource>]) -> Option<Answer> {
    let rest = path.strip_prefix("/openapi/v3")?.trim_matches('/');
    if rest.is_empty() {
        return Some(body::json(200, index(resources).to_string()));
    }
    let (group, version) = match rest.split('/').collect::<Vec<_>>().as_slice() {
        ["api", version] => (String::new(), version.to_string()),
        ["apis", group, version] => (group.to_string(), version.to_string()),
        _ => return None,
    };
    let of: Vec<_> = resources.iter().filter(|r| r.group == group && r.version == version).collect();
    (!of.is_empty()).then(|| body::json(200, document(&of).to_string()))
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{}", group_version(group, version))
    }
}

fn index(resources: &[Arc<Resource>]) -> Value {
    let mut paths = Map::new();
    for (group, versions) in groups(resources) {
        for version in versions {
            let root = root(group, version);
            paths.insert(root.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{root}?hash=0")}));
        }
    }
    json!({"paths": paths})
}

fn document(resources: &[&Arc<Resource>]) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for r in resources.iter().filter(|r| r.stored()) {
        let gvk = json!({"group": r.group, "version": r.version, "kind": r.kind});
        let place = if r.namespaced { "/namespaces/{namespace}" } else { "" };
        let path = format!("/{}{place}/{}/{{name}}", root(&r.group, &r.version), r.plural);
        let query = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
        let write = json!({"x-kubernetes-group-version-kind": gvk, "responses": {},
            "parameters": [query("dryRun"), query("fieldManager"), query("fieldValidation")]});
        paths.insert(path, json!({"patch": write, "put": write}));
        let name = format!("io.k8s.{}.{}.{}", r.group, r.version, r.kind).replace("..", ".");
        let schema = json!({"type": "object", "x-kubernetes-group-version-kind": [gvk],
            "x-kubernetes-preserve-unknown-fields": true});
        schemas.insert(name, schema);
    }
    json!({"openapi": "3.0.0", "info": {"title": "khud", "version": "v1"}, "paths": paths, "components": {"schemas": schemas}})
}
