//! Evidence that runs commands: which ones, in which containers, what is said before, and what they brought.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::expr::Bindings;
use super::need::Need;
use super::path::{Read, Reading};
use super::{facts, probe};
use crate::world::Object as _;
use crate::world::ask::{Exec, ExecOutput};
use crate::world::{Container, ContainerState, Kind, ObjectRef, Pod, World};

/// How long a command of a walk may run.
pub const LIMIT: Duration = Duration::from_secs(10);
/// Output of one that is kept, bytes. More than this is no evidence that somebody can read.
pub const OUTPUT: usize = 64 << 10;
/// Nodes that a matrix of lookups asks at most.
const NODES: usize = 8;

/// Commands for one container, best first; the next is tried only where the image lacks the program.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Run {
    node: String,
    commands: Vec<Exec>,
}

/// Plans the commands of a need; it runs none.
///
/// # Errors
/// A sentence: there is no container to run it in, or the target is none.
pub(super) fn plan(
    need: &Need,
    world: &World,
    o: &ObjectRef,
    blamed: Option<&str>,
    bindings: &Bindings,
) -> Result<Vec<Run>, String> {
    let target = match need.target().map(|e| e.eval(bindings)) {
        None => String::new(),
        Some(Ok(Value::String(target))) => target,
        Some(Ok(other)) => return Err(format!("{other} is no name to look up")),
        Some(Err(why)) => return Err(why),
    };
    let commands = match need {
        Need::Exec(words) => vec![words.clone()],
        Need::Lookup(_) | Need::Lookups(_) => probe::lookups(probe::host(&target)?),
        Need::Connect(_) => {
            let (host, port) = probe::address(&target)?;
            probe::connects(host, port)
        }
        _ => Vec::new(),
    };
    let here = world.pods.find(&o.namespace, &o.name).filter(|_| o.kind == Kind::Pod);
    if matches!(need, Need::Lookups(_)) {
        let runs: Vec<Run> =
            one_a_node(world, o, here).into_iter().filter_map(|p| run(p, running(p)?, &commands)).collect();
        return if runs.is_empty() {
            Err("no pod runs that a name could be looked up in".to_owned())
        } else {
            Ok(runs)
        };
    }
    let pod = here.ok_or_else(|| format!("{o} has no container to run a command in"))?;
    let named = facts::blamed(pod, blamed);
    let own = named.filter(|c| is_running(c)).and_then(|c| run(pod, c, &commands));
    let own = own.or_else(|| need.target().and_then(|_| run(pod, running(pod)?, &commands)));
    // A container that crashes is hardly ever there to be asked; another pod's way out of the node is the same.
    let beside = || {
        need.target()?;
        let other = world.pods_on(&pod.node).map(|(_, p)| p).filter(|p| usable(p));
        let nearest = other.min_by_key(|p| (p.meta.namespace != pod.meta.namespace, p.meta.name.clone()))?;
        run(nearest, running(nearest)?, &commands)
    };
    own.or_else(beside).map(|r| vec![r]).ok_or_else(|| {
        let name = named.map_or("", |c| &*c.spec.name);
        format!("container {name} of pod {} does not run, so nothing can be run in it", pod.meta.name)
    })
}

fn is_running(c: &Container) -> bool {
    matches!(c.state, ContainerState::Running { .. })
}

/// A container of a pod that a command can be run in.
fn running(pod: &Pod) -> Option<&Container> {
    pod.containers.iter().find(|c| is_running(c))
}

/// Whether a probe from the pod says something about the network that pods have on its node.
fn usable(pod: &Pod) -> bool {
    !pod.spec.host_network && pod.meta.deleting.is_none() && !pod.node.is_empty() && running(pod).is_some()
}

fn run(pod: &Pod, c: &Container, commands: &[Vec<String>]) -> Option<Run> {
    let exec = |command: &Vec<String>| Exec {
        namespace: pod.meta.namespace.clone(),
        pod: pod.meta.name.clone(),
        container: c.spec.name.clone(),
        command: command.clone(),
    };
    (!commands.is_empty())
        .then(|| Run { node: pod.node.to_string(), commands: commands.iter().map(exec).collect() })
}

/// One running pod on each of several nodes: the node asked about first, and where there is a choice the pods of the
/// same workload, because their image is known to the reader.
fn one_a_node<'w>(world: &'w World, o: &ObjectRef, here: Option<&'w Pod>) -> Vec<&'w Pod> {
    let root = world.root(o);
    let mut pods: Vec<&Pod> = world.pods.values().filter(|p| usable(p)).collect();
    pods.sort_by_key(|p| {
        let asked = here.is_some_and(|h| h.meta.name == p.meta.name && h.meta.namespace == p.meta.namespace);
        let on_node = o.kind == Kind::Node && p.node == o.name;
        let kin = world.root(&p.reference()) == root;
        (!asked, !on_node, !kin, p.meta.namespace != o.namespace, !p.ready, p.meta.name.clone())
    });
    let mut seen = BTreeSet::new();
    pods.retain(|p| seen.len() < NODES && seen.insert(p.node.clone()));
    pods
}

/// Describes the commands: where they run and for how long.
pub(super) fn describe(runs: &[Run]) -> String {
    let limit = LIMIT.as_secs();
    let Some(first) = runs.first() else { return String::new() };
    let commands: Vec<String> = first.commands.iter().map(|e| format!("`{}`", e.command.join(" "))).collect();
    let what = commands.join(" or ");
    if let [Run { commands, .. }] = runs
        && let Some(e) = commands.first()
    {
        return format!(
            "runs {what} in container {} of pod {}/{}, at most {limit} s",
            e.container, e.namespace, e.pod
        );
    }
    let places: Vec<String> =
        runs.iter().filter_map(|r| Some(format!("{} on {}", r.commands.first()?.pod, r.node))).collect();
    format!("runs {what} in {} pods ({}), at most {limit} s each", runs.len(), places.join(", "))
}

/// The commands to run next: the first ones, then the alternatives for images that lack a program.
pub(super) fn wanted(runs: &[Run], readings: &[(Read, Result<Reading, String>)]) -> Vec<Read> {
    let next = |r: &Run| {
        for command in &r.commands {
            match answer(command, readings) {
                None => return Some(Read::Exec(command.clone())),
                Some(Err(why)) if probe::missing(why) => {}
                Some(_) => return None,
            }
        }
        None
    };
    runs.iter().filter_map(next).collect()
}

fn answer<'r>(
    exec: &Exec,
    readings: &'r [(Read, Result<Reading, String>)],
) -> Option<&'r Result<Reading, String>> {
    readings.iter().find(|(r, _)| matches!(r, Read::Exec(e) if e == exec)).map(|(_, result)| result)
}

/// The output of the first command of a run that the image has.
fn outcome<'r>(
    run: &'r Run,
    readings: &'r [(Read, Result<Reading, String>)],
) -> Result<(&'r Exec, &'r ExecOutput), String> {
    for exec in &run.commands {
        match answer(exec, readings) {
            Some(Ok(Reading::Output(o))) if o.truncated => {
                return Err(format!("`{}` printed more than {} KiB", exec.command.join(" "), OUTPUT >> 10));
            }
            Some(Ok(Reading::Output(o))) => return Ok((exec, o)),
            Some(Ok(_)) => return Err("the command was answered with something else".to_owned()),
            Some(Err(why)) if probe::missing(why) => {}
            Some(Err(why)) => return Err(why.clone()),
            None => return Err("the command was not run".to_owned()),
        }
    }
    let programs: Vec<&str> =
        run.commands.iter().filter_map(|e| e.command.first()).map(String::as_str).collect();
    let at = run
        .commands
        .first()
        .map_or_else(String::new, |e| format!("container {} of pod {}", e.container, e.pod));
    Err(format!("{at} has no {}", programs.join(" and no ")))
}

/// The output of the commands, under the name of the need's variable.
///
/// # Errors
/// A sentence: a command hung, printed too much, was refused, or the image has none of the programs.
pub(super) fn result(
    need: &Need,
    runs: &[Run],
    readings: &[(Read, Result<Reading, String>)],
) -> Result<(&'static str, Value), String> {
    let first = runs.first().ok_or("the command was not run")?;
    match need {
        Need::Exec(_) => {
            let (e, o) = outcome(first, readings)?;
            let stdout = String::from_utf8_lossy(&o.stdout);
            Ok((
                "output",
                json!({
                    "stdout": stdout, "stderr": String::from_utf8_lossy(&o.stderr), "exit_code": o.exit_code,
                    "source": source(e), "quote": stdout.lines().next().unwrap_or(""), "object": facts::object(&place(e)),
                }),
            ))
        }
        Need::Lookup(_) => Ok(("lookup", proof(first, readings, probe::looked_up)?)),
        Need::Connect(_) => Ok(("connection", proof(first, readings, probe::connected)?)),
        _ => matrix(runs, readings).map(|m| ("lookups", m)),
    }
}

fn place(e: &Exec) -> ObjectRef {
    ObjectRef { kind: Kind::Pod, namespace: e.namespace.clone(), name: e.pod.clone() }
}

fn source(e: &Exec) -> String {
    format!("exec {}", e.command.join(" "))
}

fn proof(
    run: &Run,
    readings: &[(Read, Result<Reading, String>)],
    judge: fn(&str, &ExecOutput) -> Value,
) -> Result<Value, String> {
    let (e, o) = outcome(run, readings)?;
    let mut out = judge(e.command.first().map_or("", String::as_str), o);
    out["source"] = json!(source(e));
    out["node"] = json!(run.node);
    out["object"] = facts::object(&place(e));
    out["at"] = json!("");
    Ok(out)
}

/// Nodes by what a lookup on them brought.
fn matrix(runs: &[Run], readings: &[(Read, Result<Reading, String>)]) -> Result<Value, String> {
    let (mut answering, mut failing, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let (mut quotes, mut errors) = (Vec::new(), Vec::new());
    for run in runs {
        match proof(run, readings, probe::looked_up) {
            Ok(mut found) => {
                // A server that knows no such name answers, too.
                let ok = found["ok"] == true || found["how"] == "no such name";
                if ok {
                    answering.push(&*run.node)
                } else {
                    failing.push(&*run.node)
                }
                let word = if ok { "answers" } else { "fails" };
                let quote = found["quote"].as_str().unwrap_or("").to_owned();
                found["quote"] = json!(format!("{}: {word}: {quote}", run.node));
                quotes.push(found);
            }
            Err(why) => {
                unknown.push(&*run.node);
                errors.push(why);
            }
        }
    }
    if answering.is_empty() && failing.is_empty() {
        return Err(errors.into_iter().next().unwrap_or_default());
    }
    Ok(json!({"answering": answering, "failing": failing, "unknown": unknown, "proofs": quotes}))
}
