//! What only the whole object tells: how a container is started, what it mounts, what a pod tolerates, what a node has.

use serde_json::Value;

use crate::app::views::page::Page;
use crate::remedy::diff::sensitive;
use crate::term::clean::fit;

/// Longest annotation written out; those of tools hold whole manifests.
const ANNOTATION: usize = 160;

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn items<'v>(value: &'v Value, at: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(at).and_then(Value::as_array).into_iter().flatten()
}

fn pairs<'v>(value: &'v Value, at: &str) -> impl Iterator<Item = (&'v String, &'v Value)> {
    value.pointer(at).and_then(Value::as_object).into_iter().flatten()
}

/// Several values under one key, a line each.
fn list(page: &mut Page, key: &str, values: impl Iterator<Item = String>) {
    for (i, value) in values.enumerate() {
        page.pair(if i == 0 { key } else { "" }, value, "text");
    }
}

/// Annotations, but not the manifest that kubectl keeps of itself.
pub fn annotations(object: &Value, page: &mut Page) {
    let own =
        pairs(object, "/metadata/annotations").filter(|(k, _)| !k.ends_with("last-applied-configuration"));
    list(page, "annotations", own.map(|(k, v)| format!("{k}={}", fit(&text(v), ANNOTATION))));
}

/// How a pod came to where it is and what it may do there.
pub fn pod(object: &Value, page: &mut Page) {
    for (key, at) in [
        ("qos", "/status/qosClass"),
        ("priority", "/spec/priorityClassName"),
        ("scheduler", "/spec/schedulerName"),
        ("runtime", "/spec/runtimeClassName"),
        ("restarts as", "/spec/restartPolicy"),
    ] {
        let usual = ["default-scheduler", "Always"];
        if let Some(value) = object.pointer(at).map(text).filter(|v| !usual.contains(&v.as_str())) {
            page.pair(key, value, "text");
        }
    }
    list(page, "node selector", pairs(object, "/spec/nodeSelector").map(|(k, v)| format!("{k}={}", text(v))));
    list(page, "tolerates", items(object, "/spec/tolerations").map(toleration));
    list(page, "gates", items(object, "/spec/schedulingGates").map(|g| text(&g["name"])));
    list(page, "volumes", items(object, "/spec/volumes").map(volume));
}

fn toleration(t: &Value) -> String {
    let field = |name: &str| t[name].as_str().unwrap_or_default();
    let what = match (field("key"), field("operator"), field("value")) {
        ("", _, _) => "every taint".to_owned(),
        (key, "Exists", _) => key.to_owned(),
        (key, _, value) => format!("{key}={value}"),
    };
    let effect = Some(field("effect")).filter(|e| !e.is_empty()).map_or(String::new(), |e| format!(":{e}"));
    let time = t["tolerationSeconds"].as_i64().map_or(String::new(), |s| format!(" for {s}s"));
    format!("{what}{effect}{time}")
}

/// `NAME  KIND WHAT`: a volume has one field besides its name, which is its kind.
fn volume(v: &Value) -> String {
    let name = text(&v["name"]);
    let Some((kind, of)) = v.as_object().into_iter().flatten().find(|(k, _)| *k != "name") else {
        return name;
    };
    let names = ["claimName", "secretName", "name", "path", "driver", "server", "medium"];
    let what = names.iter().find_map(|n| of[*n].as_str()).unwrap_or_default();
    match kind.as_str() {
        "persistentVolumeClaim" => format!("{name}  claim {what}"),
        kind => format!("{name}  {kind} {what}"),
    }
}

/// How a container is started and what it sees.
pub fn container(object: &Value, name: &str, page: &mut Page) {
    let all = ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"];
    let Some(c) = all.iter().flat_map(|at| items(object, at)).find(|c| c["name"] == name) else { return };
    let words = |at: &str| items(c, at).map(text).collect::<Vec<_>>().join(" ");
    page.pair("command", words("/command"), "text");
    page.pair("arguments", words("/args"), "text");
    page.pair("directory", c["workingDir"].as_str().unwrap_or_default(), "text");
    list(
        page,
        "environment",
        items(c, "/envFrom").map(environment_from).chain(items(c, "/env").map(environment)),
    );
    list(page, "mounts", items(c, "/volumeMounts").map(mount));
}

fn environment_from(source: &Value) -> String {
    let of =
        |kind: &str, word: &str| source[kind]["name"].as_str().map(|name| format!("all of {word} {name}"));
    of("secretRef", "secret").or_else(|| of("configMapRef", "config map")).unwrap_or_default()
}

/// What is set here is written out, but for what is named like a secret; what is read from elsewhere only says where.
fn environment(e: &Value) -> String {
    let from = &e["valueFrom"];
    let key = |kind: &str, word: &str| {
        let r = &from[kind];
        r["name"].as_str().map(|name| format!("{word} {name}, {}", text(&r["key"])))
    };
    let field = |kind: &str, name: &str| from[kind][name].as_str().map(|path| format!("field {path}"));
    let source = key("secretKeyRef", "secret")
        .or_else(|| key("configMapKeyRef", "config map"))
        .or_else(|| field("fieldRef", "fieldPath"))
        .or_else(|| field("resourceFieldRef", "resource"));
    let name = text(&e["name"]);
    match (source, e["value"].as_str().unwrap_or_default()) {
        (Some(source), _) => format!("{name} from {source}"),
        (None, value) if sensitive(&name) && !value.is_empty() => {
            format!("{name}=<hidden>  the YAML shows it")
        }
        (None, value) => format!("{name}={value}"),
    }
}

fn mount(m: &Value) -> String {
    let sub = m["subPath"].as_str().map_or(String::new(), |s| format!("/{s}"));
    let how = if m["readOnly"] == true { "  read-only" } else { "" };
    format!("{} from {}{sub}{how}", text(&m["mountPath"]), text(&m["name"]))
}

/// What a node has, what of it pods may have, and where it is reached.
pub fn node(object: &Value, page: &mut Page) {
    list(
        page,
        "addresses",
        items(object, "/status/addresses").map(|a| format!("{} {}", text(&a["type"]), text(&a["address"]))),
    );
    page.pair("provider", object.pointer("/spec/providerID").map(text).unwrap_or_default(), "text");
    page.title("Capacity");
    for (name, has) in pairs(object, "/status/capacity") {
        let gives = object.pointer("/status/allocatable").map_or(String::new(), |a| text(&a[name.as_str()]));
        page.pair(name, format!("{}  for pods {gives}", text(has)), "text");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_password_set_in_the_open_is_not_read_over_a_shoulder() {
        let set = |name: &str| environment(&json!({"name": name, "value": "hunter2"}));
        assert_eq!(set("MODE"), "MODE=hunter2");
        for name in ["DB_PASSWORD", "API_KEY", "GITHUB_TOKEN", "postgres_dsn"] {
            assert!(set(name).starts_with(&format!("{name}=<hidden>")) && !set(name).contains("hunter2"));
        }
        let from =
            json!({"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}});
        assert_eq!(environment(&from), "DB_PASSWORD from secret db, password");
    }
}
