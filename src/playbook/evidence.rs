//! Evidence that has to be fetched: which reads a need wants, and what their answers become.

use serde_json::{Value, json};

use super::expr::Bindings;
use super::path::{Read, Reading};
use super::tree::Need;
use super::{around, facts, rights};
use crate::judge::patterns::log::{ended, repeats};
use crate::world::Object as _;
use crate::world::ask::{Call, LogTail};
use crate::world::{ContainerState, Kind, ObjectRef, Phase, Pod, Uid, World};

/// Lines of a log that are read.
const TAIL: u32 = 100;
/// Lines of a node's logs that are read.
const NODE_TAIL: u32 = 200;
/// Lines of it a playbook sees.
const LINES: usize = 50;

/// The reads a need wants for an object; none where the World alone answers.
///
/// # Errors
/// A sentence that says why there is nothing to read.
pub(super) fn reads(
    need: &Need,
    world: &World,
    o: &ObjectRef,
    blamed: Option<&str>,
    bindings: &Bindings,
) -> Result<Vec<Read>, String> {
    let pod = logged(world, o);
    let container = pod.and_then(|p| facts::blamed(p, blamed));
    Ok(match need {
        Need::Logs => {
            let (Some(p), Some(c)) = (pod, container) else { return Ok(Vec::new()) };
            let tail = |previous| {
                Read::Log(LogTail {
                    namespace: o.namespace.clone(),
                    pod: p.meta.name.clone(),
                    container: c.spec.name.clone(),
                    previous,
                    tail: TAIL,
                })
            };
            let waiting = matches!(c.state, ContainerState::Waiting { .. });
            let mut out = Vec::new();
            if c.restarts > 0 {
                out.push(tail(true));
            }
            // A container that never ran has no log of its own; one that waits after a crash still shows the last.
            if !waiting || c.restarts > 0 || c.last.is_some() {
                out.push(tail(false));
            }
            out
        }
        Need::Plugin => {
            let Some(p) = around::plugin_pod(world, &o.name) else { return Ok(Vec::new()) };
            let Some(c) = p.containers.first() else { return Ok(Vec::new()) };
            vec![Read::Log(LogTail {
                namespace: p.meta.namespace.clone(),
                pod: p.meta.name.clone(),
                container: c.spec.name.clone(),
                previous: false,
                tail: TAIL,
            })]
        }
        Need::Classes => vec![Read::Call(Call::get("/apis/storage.k8s.io/v1/storageclasses"))],
        Need::NodeLog => {
            let node = facts::node_of(world, o).ok_or("it has no node whose log could be read")?;
            let runtime = world.nodes.find("", &node).map_or("", |n| &*n.info.runtime);
            let runtime = runtime.split("://").next().unwrap_or("");
            let mut services = vec!["kubelet".to_owned()];
            match runtime {
                "containerd" | "docker" => services.push(runtime.to_owned()),
                "cri-o" => services.push("crio".to_owned()),
                _ => {}
            }
            vec![Read::NodeLog { node, services, tail: NODE_TAIL }]
        }
        Need::Right => vec![Read::Call(rights::review(bindings)?)],
        _ => Vec::new(),
    })
}

/// The pod whose log tells about an object: a pod itself; of a Job or CronJob the pod that failed last, else the newest.
fn logged<'w>(world: &'w World, o: &ObjectRef) -> Option<&'w Pod> {
    let owned = |uid: &Uid| world.pods_of(uid).map(|(_, p)| p).collect::<Vec<_>>();
    let uid = || world.meta(o).map(|m| m.uid.clone());
    let pods: Vec<&Pod> = match o.kind {
        Kind::Job => owned(&uid()?),
        Kind::CronJob => {
            let uid = uid()?;
            let runs = world.jobs.values().filter(|j| j.meta.owner.as_ref().is_some_and(|o| o.uid == uid));
            runs.flat_map(|j| owned(&j.meta.uid)).collect()
        }
        _ => return world.pods.find(&o.namespace, &o.name),
    };
    pods.into_iter().max_by_key(|p| (p.phase == Phase::Failed, p.meta.created))
}

/// What the log says: previous run first, for its end is what is asked about.
/// Of a program that serves, only what it repeats counts.
pub(super) fn logs(
    readings: &[(Read, Result<Reading, String>)],
    world: &World,
    o: &ObjectRef,
) -> Result<Value, String> {
    let serves = logged(world, o).is_some_and(|p| p.ready);
    let mut best: Option<Value> = None;
    let mut errors = Vec::new();
    for (read, result) in readings {
        let Read::Log(tail) = read else { continue };
        let source = if tail.previous {
            format!("previous log of {}", tail.container)
        } else {
            format!("log of {}", tail.container)
        };
        let text = match result {
            Ok(Reading::Text(text)) => text,
            Ok(_) => continue,
            Err(why) => {
                errors.push(format!("{source}: {why}"));
                continue;
            }
        };
        // The kubelet answers 200 with this sentence when the file is gone.
        if text.starts_with("unable to retrieve container logs for ") {
            errors.push(format!("{source}: {}", text.trim()));
            continue;
        }
        let lines: Vec<&str> = text.lines().collect();
        let said = said(text, !tail.previous && serves);
        let shown: Vec<&str> = lines[lines.len().saturating_sub(LINES)..].to_vec();
        let last = lines.iter().rev().find(|l| !l.trim().is_empty()).copied().unwrap_or("");
        let known = said.is_some();
        let said = said.unwrap_or_default();
        let quote = if known { &*said.line } else { last };
        let value = json!({
            "cause": said.cause, "words": said.words, "subject": said.subject, "count": said.count,
            "quote": strip_time(quote), "source": source, "at": "",
            "object": logged(world, o).map_or_else(|| facts::object(o), |p| facts::object(&p.reference())), "lines": shown, "previous": tail.previous,
            "errors": shown.iter().filter(|l| is_error(l)).count(), "last": strip_time(last),
        });
        if known {
            return Ok(value);
        }
        best.get_or_insert(value);
    }
    best.ok_or_else(|| if errors.is_empty() { "there is no log yet".to_owned() } else { errors.join("; ") })
}

/// What a log proves, in a playbook's words.
#[derive(Default)]
struct Said {
    cause: &'static str,
    words: String,
    subject: String,
    line: String,
    count: usize,
}

fn said(text: &str, serves: bool) -> Option<Said> {
    let (cause, words, named, line, count) = if serves {
        let r = repeats(text, None).into_iter().next()?;
        (r.cause, r.words, r.named, r.line, r.count)
    } else {
        let p = ended(text).found.filter(|p| p.known)?;
        (p.cause, p.words, p.named, p.line, p.times)
    };
    Some(Said { cause: cause.id(), words, subject: named.text(), line: line.to_owned(), count })
}

/// The device plugin with what its log proves. A log that cannot be read leaves it without.
pub(super) fn plugin(readings: &[(Read, Result<Reading, String>)], mut plugin: Value) -> Value {
    for (_, result) in readings {
        let Ok(Reading::Text(text)) = result else { continue };
        let lines: Vec<&str> = text.lines().collect();
        let end = &lines[lines.len().saturating_sub(LINES)..];
        plugin["lines"] = json!(end.iter().map(|l| strip_time(l)).collect::<Vec<_>>());
    }
    plugin
}

/// A line without the timestamp the kubelet puts in front.
fn strip_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((t, rest)) if t.len() >= 20 && crate::world::Time::parse(t).is_some() => rest.trim(),
        _ => line.trim(),
    }
}

/// A line a program wrote as an error.
fn is_error(line: &str) -> bool {
    let upper = line.to_ascii_uppercase();
    ["ERROR", "FATAL", "PANIC", "EXCEPTION", "CRITICAL", "TRACEBACK"].iter().any(|w| upper.contains(w))
}

pub(super) fn classes(readings: &[(Read, Result<Reading, String>)]) -> Result<Value, String> {
    for (read, result) in readings {
        if let Read::Call(_) = read {
            return match result {
                Ok(Reading::Answer(a)) if a.ok() => {
                    let names = a.body["items"].as_array().into_iter().flatten();
                    Ok(Value::Array(names.map(|i| i["metadata"]["name"].clone()).collect()))
                }
                Ok(Reading::Answer(a)) => {
                    Err(format!("storage classes were answered {}: {}", a.status, a.message()))
                }
                Ok(_) => Err("storage classes were answered with something else".to_owned()),
                Err(why) => Err(why.clone()),
            };
        }
    }
    Err("storage classes were not read".to_owned())
}

/// The end of the logs of the kubelet and the runtime, and the last line that reports a failure.
pub(super) fn node_log(readings: &[(Read, Result<Reading, String>)]) -> Result<Value, String> {
    let found = readings.iter().find_map(|(read, result)| match read {
        Read::NodeLog { node, services, .. } => Some((node, services, result)),
        _ => None,
    });
    let Some((node, services, result)) = found else { return Err("the node's log was not read".to_owned()) };
    let by_hand = format!("on the node: journalctl -u {} -n 200", services.join(" -u "));
    let text = match result {
        Ok(Reading::Text(text)) => text,
        Ok(_) => return Err("the node's log was answered with something else".to_owned()),
        Err(why) => return Err(format!("{why}; {by_hand}")),
    };
    // Without the log query a kubelet ignores it and lists /var/log as a page.
    if text.trim_start().starts_with('<') {
        return Err(format!("the kubelet's log query is off (enableSystemLogQuery: false); {by_hand}"));
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    let bad: Vec<&&str> = shown.iter().filter(|l| complains(l)).collect();
    let quote = bad.last().or(shown.last().as_ref()).map_or("", |l| **l);
    Ok(json!({
        "lines": shown, "errors": bad.len(), "quote": quote, "source": format!("log of {}", services.join(", ")), "at": "",
        "object": {"kind": "Node", "namespace": "", "name": &**node},
    }))
}

/// A line of a service or of the kernel that says that something failed.
fn complains(line: &str) -> bool {
    // klog writes `E1128 12:00:00`.
    let klog = line
        .split_whitespace()
        .any(|w| w.len() == 5 && w.starts_with(['E', 'F']) && w[1..].bytes().all(|b| b.is_ascii_digit()));
    let low = line.to_ascii_lowercase();
    klog || is_error(line)
        || ["level=error", "level=fatal", "failed", "killed", "drop", "refused", "no space"]
            .iter()
            .any(|w| low.contains(w))
}
