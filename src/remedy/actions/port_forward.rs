//! Port-forward: a port on this machine that leads to a port of a pod.

use serde_json::Value;

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::kubectl;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Job, Params, Stop};
use crate::world::ask::Forward;
use crate::world::{ContainerSpec, Kind, ObjectRef, World};

pub(super) static ACTION: Action = Action {
    title: "Port-forward",
    about: "a local port that leads to a port of a pod",
    kinds: &[
        Kind::Pod,
        Kind::Service,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::ReplicaSet,
    ],
    options: &[Spec::words(
        "ports",
        "[LOCAL:]PORT",
        "the port, by number or name; by itself the first that there is",
    )
    .asked()
    .suggested(first_port)],
    rights: &[Right { verb: "create", kind: Some(&Kind::Pod), subresource: "portforward" }],
    kubectl,
    ..Action::new("port-forward", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let ports = params.get("ports").map_or("PORT", String::as_str);
    let kind = target.kind.name().to_ascii_lowercase();
    format!("kubectl port-forward -n {} {kind}/{} {}", target.namespace, target.name, kubectl::quoted(ports))
}

/// The first port of the Service, the pod or the workload's template.
fn first_port(world: &World, target: &ObjectRef) -> Option<String> {
    if target.kind == Kind::Service {
        let service = world.services.find(&target.namespace, &target.name)?;
        return service.ports.iter().find(|p| &*p.protocol != "UDP").map(|p| p.port.to_string());
    }
    let first = |containers: &mut dyn Iterator<Item = &ContainerSpec>| {
        let mut ports = containers.flat_map(|c| &c.ports);
        ports.find(|p| &*p.protocol != "UDP").map(|p| p.number.to_string())
    };
    if target.kind == Kind::Pod {
        let pod = world.pods.find(&target.namespace, &target.name)?;
        return first(&mut pod.containers.iter().map(|c| &*c.spec));
    }
    first(&mut world.workload(target)?.template.containers.iter().map(|c| &**c))
}

/// The ports as typed: on this machine where one is named (0: any that is free), and in the pod or of the Service.
fn ports(text: &str) -> Result<(Option<u16>, String), String> {
    let (local, remote) = match text.split_once(':') {
        Some((local, remote)) => (Some(local), remote),
        None => (None, text),
    };
    let word = !remote.is_empty() && remote.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let local = match local {
        // As with kubectl, `:PORT` asks for any free one.
        Some("") => Some(0),
        Some(l) => match l.parse() {
            Ok(port) => Some(port),
            Err(_) => {
                return Err(format!(
                    "{l:?} is not a port of this machine; write [LOCAL:]PORT, as in 8080:80"
                ));
            }
        },
        None => None,
    };
    if !word || remote == "0" || remote.parse::<u64>().is_ok_and(|n| n > 65535) {
        return Err(format!("{remote:?} is not a port; write [LOCAL:]PORT, as in 8080:80 or 8080:http"));
    }
    Ok((local, remote.to_owned()))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let asked = params.get("ports").map(|text| ports(text)).transpose()?;
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let (local, wanted) = match asked {
            Some((local, port)) => (local, Some(port)),
            None => (None, None),
        };
        let port = port(&target, &object, wanted.as_deref())?;
        let selector = selector(&cx, &target, &object).await?;
        let pod = if target.kind == Kind::Pod { target.name.clone() } else { "".into() };
        // The same number is easiest to remember; ports below 1024 need more rights here.
        let same = wanted.as_deref().and_then(|w| w.parse().ok()).or_else(|| port.parse().ok()).unwrap_or(0);
        let local = local.unwrap_or(if same < 1024 { 0 } else { same });
        let whom = match &*selector {
            "" => format!("pod {pod}, and ends with it"),
            _ => "a ready pod, and goes on to the next one when that is replaced".to_owned(),
        };
        let here = if local == 0 { "a free port".to_owned() } else { format!("port {local}") };
        cx.impact(
            format!("{here} of this machine leads to port {port} of {whom}"),
            Severity::Info,
            "only programs on this machine reach it; it closes with khud, with the context, and by `:pf`",
        );
        cx.guards().await?;
        cx.begin().await?;
        let ask = Forward {
            namespace: target.namespace.clone(),
            pod,
            selector: selector.into(),
            port: port.into(),
            local,
        };
        let state = cx.forward(ask).await?;
        Ok(Done::Verified(format!("{} leads to port {} of pod {}", state.local, state.port, state.pod)))
    }))
}

/// The port in the pod, by number or name.
fn port(target: &ObjectRef, object: &Value, wanted: Option<&str>) -> Result<String, Stop> {
    let tcp = |p: &&Value| p["protocol"].as_str().is_none_or(|p| p == "TCP");
    if target.kind == Kind::Service {
        let all: Vec<&Value> = object["spec"]["ports"].as_array().into_iter().flatten().filter(tcp).collect();
        let is =
            |p: &&&Value, w: &str| p["name"] == *w || p["port"].as_u64().is_some_and(|n| n.to_string() == w);
        let found = match wanted {
            Some(w) => all.iter().find(|p| is(p, w)),
            None => all.first(),
        };
        let Some(found) = found else {
            let has: Vec<String> =
                all.iter().filter_map(|p| p["port"].as_u64()).map(|n| n.to_string()).collect();
            let has = if has.is_empty() { "no TCP port".to_owned() } else { has.join(", ") };
            return Err(Stop::Refused(format!(
                "{target} has no port {}; it has {has}",
                wanted.unwrap_or("at all")
            )));
        };
        let to = &found["targetPort"];
        let number = to.as_u64().or_else(|| found["port"].as_u64().filter(|_| to.is_null()));
        return match (number, to.as_str()) {
            (Some(n), _) => Ok(n.to_string()),
            (None, Some(name)) => Ok(name.to_owned()),
            (None, None) => Err(Stop::Failed(format!("{target} names no target port"))),
        };
    }
    if let Some(wanted) = wanted {
        return Ok(wanted.to_owned());
    }
    let spec = if target.kind == Kind::Pod { &object["spec"] } else { &object["spec"]["template"]["spec"] };
    let containers = spec["containers"].as_array().into_iter().flatten();
    let mut ports = containers.flat_map(|c| c["ports"].as_array().into_iter().flatten()).filter(tcp);
    match ports.find_map(|p| p["containerPort"].as_u64()) {
        Some(port) => Ok(port.to_string()),
        None => {
            Err(Stop::Refused(format!("{target} declares no port: name the one that the program listens on")))
        }
    }
}

/// The labels of the pods that may be meant; empty where it is one pod that nothing replaces.
async fn selector(cx: &Cx, target: &ObjectRef, object: &Value) -> Result<String, Stop> {
    if target.kind == Kind::Service {
        let labels = equal(&object["spec"]["selector"]);
        return match labels.is_empty() {
            true => {
                Err(Stop::Refused(format!("{target} selects no pods: forward to a pod of what serves it")))
            }
            false => Ok(labels.join(",")),
        };
    }
    if target.kind != Kind::Pod {
        return Ok(of_workload(object));
    }
    let pod = target.clone();
    let root = cx.look(move |world, _| world.root(&pod)).await?;
    match ACTION.works_on(&root.kind) && root != *target {
        true => Ok(of_workload(&cx.get(root.path()).await?)),
        false => Ok(String::new()),
    }
}

/// `spec.selector` of a workload in kubectl's notation.
fn of_workload(object: &Value) -> String {
    let selector = &object["spec"]["selector"];
    let mut all = equal(&selector["matchLabels"]);
    for e in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = e["key"].as_str().unwrap_or_default();
        let values: Vec<&str> =
            e["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        all.push(match e["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    all.join(",")
}

fn equal(labels: &Value) -> Vec<String> {
    let labels = labels.as_object().into_iter().flatten();
    labels.filter_map(|(k, v)| Some(format!("{k}={}", v.as_str()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ports_are_typed_as_for_kubectl() {
        assert_eq!(ports("8080"), Ok((None, "8080".to_owned())));
        assert_eq!(ports("9000:http"), Ok((Some(9000), "http".to_owned())));
        assert_eq!(ports(":80"), Ok((Some(0), "80".to_owned())));
        for bad in ["", "x:80", "80:", "70000", "0", "8080:80;rm", "99999:80"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_services_port_is_not_the_pods() {
        let service = ObjectRef::new(Kind::Service, "prod", "web");
        let object = json!({"spec": {"ports": [
            {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353},
            {"name": "web", "port": 80, "protocol": "TCP", "targetPort": "http"},
            {"name": "admin", "port": 9000, "protocol": "TCP", "targetPort": 9001},
        ]}});
        let port = |wanted| port(&service, &object, wanted).map_err(|e| format!("{e:?}"));
        assert_eq!(port(None).unwrap(), "http");
        assert_eq!(port(Some("80")).unwrap(), "http");
        assert_eq!(port(Some("admin")).unwrap(), "9001");
        assert!(port(Some("8080")).unwrap_err().contains("it has 80, 9000"));
    }

    #[test]
    fn selectors_are_written_as_the_api_reads_them() {
        let object = json!({"spec": {"selector": {"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["a", "b"]}, {"key": "old", "operator": "DoesNotExist"}]}}});
        let text = of_workload(&object);
        assert_eq!(text, "app=web,tier in (a,b),!old");
        assert!(crate::world::Selector::parse(&text).is_ok());
    }
}
