//! Set probe: another readiness, liveness or startup probe of a container.

use serde_json::{Map, Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Job, Params, Stop};
use crate::remedy::{kubectl, template, words};
use crate::world::ObjectRef;

pub(super) static ACTION: Action = Action {
    title: "Set probe",
    about: "change or remove a container's probe",
    kinds: template::ROLLED,
    options: &[
        Spec::value("probe", "KIND", "readiness, liveness or startup").required().asked(),
        Spec::value("get-url", "URL", "asks a path: http://:8080/healthz").asked(),
        Spec::value("tcp", "PORT", "opens a connection to a port").asked(),
        Spec::value("exec", "COMMAND", "runs a command in the container").asked(),
        Spec::value("initial-delay", "SECONDS", "before the first probe").asked(),
        Spec::value("period", "SECONDS", "from one probe to the next").asked(),
        Spec::value("probe-timeout", "SECONDS", "how long one probe may take").asked(),
        Spec::value("failures", "N", "failures in a row until it counts as failed").asked(),
        Spec::flag("remove", "no such probe any more"),
        template::CONTAINER,
    ],
    rights: &[Right::on_target("patch")],
    causes: &[("ready.probe", 2), ("crash.liveness", 1), ("crash.startup-probe", 1)],
    kubectl,
    ..Action::new("set-probe", start)
};

/// kubectl has no such command; the plan shows the patch once the object was read.
fn kubectl(_: &ObjectRef, _: &Params) -> String {
    String::new()
}

/// The numbers of a probe: option and field.
const NUMBERS: &[(&str, &str)] = &[
    ("initial-delay", "initialDelaySeconds"),
    ("period", "periodSeconds"),
    ("probe-timeout", "timeoutSeconds"),
    ("failures", "failureThreshold"),
];

/// The check of a probe; a probe has exactly one.
const HANDLERS: &[&str] = &["httpGet", "tcpSocket", "exec", "grpc"];

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let kind = params.get("probe").map_or("", String::as_str);
    let field = match kind {
        "readiness" | "liveness" | "startup" => format!("{kind}Probe"),
        other => return Err(format!("--probe {other:?} is not readiness, liveness or startup")),
    };
    let changed = change(&params)?;
    let remove = params.contains_key("remove");
    if remove != changed.is_empty() {
        return Err(match remove {
            true => "set-probe --remove takes no other change of the probe".to_owned(),
            false => {
                "set-probe needs what to change: --get-url, --tcp, --exec, a number, or --remove".to_owned()
            }
        });
    }
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let (list, container) = template::container(&target, &object, &params)?;
        let name = container["name"].as_str().unwrap_or("?").to_owned();
        let mut probe = container[&field].clone();
        if remove && probe.is_null() {
            return Err(Stop::Refused(format!("{name} in {target} has no {field}")));
        }
        let has_handler = HANDLERS.iter().any(|h| changed.contains_key(*h) || probe[*h].is_object());
        if !remove && !has_handler {
            return Err(Stop::Refused(format!(
                "{name} in {target} has no {field} yet: say what it does with --get-url, --tcp or --exec"
            )));
        }
        if !probe.is_object() {
            probe = json!({});
        }
        // Another handler takes the place of the one there is.
        if HANDLERS.iter().any(|h| changed.contains_key(*h)) {
            for handler in HANDLERS {
                probe[*handler] = Value::Null;
            }
        }
        for (key, value) in &changed {
            probe[key] = value.clone();
        }
        explain(&cx, &field, remove, &probe);
        let value = if remove { Value::Null } else { probe };
        let body = template::patch_of(&target, &object, list, json!({(&field): value}), container);
        let shown = body.to_string();
        cx.kubectl(format!("kubectl patch {} -p {}", kubectl::object(&target), kubectl::quoted(&shown)));
        let word = if remove { "Remove" } else { "Change" };
        template::roll(&cx, &target, &object, body, format!("{word} the {field} of {name} in {target}?"))
            .await
    }))
}

/// The fields that the options change.
fn change(params: &Params) -> Result<Map<String, Value>, String> {
    let mut out = Map::new();
    if let Some(url) = params.get("get-url") {
        out.insert("httpGet".to_owned(), http(url)?);
    }
    if let Some(port) = params.get("tcp") {
        out.insert("tcpSocket".to_owned(), json!({"port": self::port(port)?}));
    }
    if let Some(command) = params.get("exec") {
        let command = words::split(command)?;
        // It would see its own process's use of the GPU, never the server's.
        if command.iter().any(|w| w.contains("nvidia-smi") || w.contains("torch.cuda")) {
            return Err(
                "a probe that measures GPU memory runs in a process of its own and sees not what the server \
                        uses; ask the server's own health path with --get-url"
                    .to_owned(),
            );
        }
        out.insert("exec".to_owned(), json!({"command": command}));
    }
    if out.len() > 1 {
        return Err("a probe does one thing: --get-url, --tcp or --exec".to_owned());
    }
    for (option, field) in NUMBERS {
        if let Some(text) = params.get(*option) {
            let n: u32 = text.parse().map_err(|_| format!("--{option} {text:?} is not a whole number"))?;
            if n == 0 && *option != "initial-delay" {
                return Err(format!("--{option} must be at least 1"));
            }
            out.insert((*field).to_owned(), json!(n));
        }
    }
    Ok(out)
}

/// `http://:8080/healthz`, as kubectl wrote it when it had the command.
fn http(url: &str) -> Result<Value, String> {
    let wrong = || format!("--get-url {url:?} is not a URL such as http://:8080/healthz");
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let scheme = match scheme {
        "http" => "HTTP",
        "https" => "HTTPS",
        _ => return Err(wrong()),
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |i| rest.split_at(i));
    let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
    let mut get = json!({"scheme": scheme, "port": self::port(port)?, "path": path});
    if !host.is_empty() {
        get["host"] = json!(host);
    }
    Ok(get)
}

/// A number, or the name of a container port.
fn port(text: &str) -> Result<Value, String> {
    match text.parse::<u16>() {
        Ok(n) if n > 0 => Ok(json!(n)),
        _ if text.chars().any(|c| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') =>
        {
            Ok(json!(text))
        }
        _ => Err(format!("{text:?} is not a port")),
    }
}

fn explain(cx: &Cx, field: &str, remove: bool, probe: &Value) {
    let detail = match (field, remove) {
        ("livenessProbe", true) => "a program that hangs is not restarted any more",
        ("readinessProbe", true) => "pods get connections as soon as they run, ready or not",
        ("startupProbe", true) => "the liveness probe counts from the start: a slow start is killed",
        ("livenessProbe", false) => {
            "when it fails the container is killed; it must not depend on other services"
        }
        _ => "",
    };
    if !detail.is_empty() {
        cx.impact(
            format!("{field} {}", if remove { "removed" } else { "changed" }),
            Severity::Warning,
            detail,
        );
    }
    if !remove {
        let n = |key: &str, default: u64| probe[key].as_u64().unwrap_or(default);
        let seconds = n("initialDelaySeconds", 0) + n("periodSeconds", 10) * n("failureThreshold", 3);
        cx.impact(
            format!("it counts as failed after about {seconds} s"),
            Severity::Info,
            "from the start of the container",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_read_as_it_is_typed() {
        let params = |all: &[(&str, &str)]| -> Params {
            all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let read = change(&params(&[("get-url", "https://:8443/ready?full=1"), ("period", "5")])).unwrap();
        assert_eq!(read["httpGet"], json!({"scheme": "HTTPS", "port": 8443, "path": "/ready?full=1"}));
        assert_eq!(read["periodSeconds"], 5);
        assert_eq!(change(&params(&[("tcp", "metrics")])).unwrap()["tcpSocket"]["port"], "metrics");
        for bad in [
            [("get-url", "8080/healthz")],
            [("get-url", "ftp://:21/")],
            [("tcp", "0")],
            [("failures", "0")],
            [("exec", "sh -c 'nvidia-smi --query-gpu=memory.used'")],
        ] {
            assert!(change(&params(&bad)).is_err(), "{bad:?}");
        }
        assert!(change(&params(&[("tcp", "80"), ("exec", "true")])).is_err(), "a probe does one thing");
    }
}
