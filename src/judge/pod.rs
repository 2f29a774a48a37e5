//! What is wrong with a pod: which rule speaks for the state it is in.

use crate::world::{Container, ContainerState, Kind, ObjectRef, Phase, Pod, Role, Status, condition};

use super::diagnosis::{Ctx, Diagnosis, Out, Part};
use super::limits::seconds;
use super::node;
use super::{crash, create, ended, image, ready, roles, running, schedule, volume};

pub fn reference(pod: &Pod) -> ObjectRef {
    ObjectRef::new(Kind::Pod, pod.meta.namespace.clone(), pod.meta.name.clone())
}

/// Whether nothing about the pod needs a look: it runs, is ready, and nothing in it ever restarted.
pub fn plainly_well(pod: &Pod) -> bool {
    pod.phase == Phase::Running
        && pod.ready
        && pod.meta.deleting.is_none()
        && pod.containers.iter().all(|c| {
            c.restarts == 0
                && matches!(c.state, ContainerState::Running { .. } | ContainerState::None)
                    | (c.spec.role == Role::Init)
        })
}

pub fn judge(ctx: &Ctx, pod: &Pod, out: &mut Out) {
    let before = out.signals.len();
    state(ctx, pod, out);
    for signal in &mut out.signals[before..] {
        *signal = roles::unready(ctx, pod, signal.clone());
    }
}

fn state(ctx: &Ctx, pod: &Pod, out: &mut Out) {
    let object = reference(pod);
    if pod.meta.deleting.is_some() {
        return ended::overdue(ctx, pod, &object, out);
    }
    match pod.phase {
        Phase::Succeeded => return,
        Phase::Failed => return ended::failed(ctx, pod, &object, out),
        _ => {}
    }
    if pod.node.is_empty() {
        return schedule::judge(ctx, pod, &object, out);
    }
    if schedule::bound_to_nowhere(ctx, pod, &object, out) {
        return;
    }
    running::judge(ctx, pod, &object, out);
    let before = out.signals.len();
    for c in &pod.containers {
        container(ctx, pod, &object, c, out);
        // Containers come in the order in which they hold each other up; those of the program start side by side.
        if out.signals.len() > before && c.spec.role != Role::App {
            break;
        }
    }
    if out.signals.len() > before {
        return;
    }
    if ctx.node_down(&pod.node) {
        if !pod.ready {
            victim(ctx, pod, out);
        }
        return;
    }
    if volume::judge(ctx, pod, &object, out) || pod.ready {
        return;
    }
    ready::judge(ctx, pod, &object, out);
}

fn container(ctx: &Ctx, pod: &Pod, object: &ObjectRef, c: &Container, out: &mut Out) {
    if let ContainerState::Waiting { reason, message } = &c.state {
        match &**reason {
            "" | "ContainerCreating" | "PodInitializing" => {}
            "CrashLoopBackOff" => return crash::judge(ctx, pod, object, c, out),
            _ => {
                if image::judge(ctx, pod, c, reason, message, out)
                    || create::judge(ctx, pod, object, c, reason, message, out)
                {
                    return;
                }
            }
        }
    }
    if c.spec.role != Role::Ephemeral {
        crash::judge(ctx, pod, object, c, out);
    }
}

/// A pod whose node is gone: its own state says nothing.
fn victim(ctx: &Ctx, pod: &Pod, out: &mut Out) {
    let node = Ctx::node_ref(&pod.node);
    let since = pod.ready_since.unwrap_or(ctx.now);
    let signal = Diagnosis::new(node::NOT_READY, node, since)
        .family(super::node::FAMILY)
        .part(Part::Victim)
        .title(format!("node {} is not ready", pod.node))
        .row(format!("node {} not ready", pod.node));
    out.push(signal);
}

/// Readiness gates that are not true though the containers are ready.
pub fn gates(pod: &Pod) -> Vec<&str> {
    // Conditions that are True without a reason are not kept, so the kubelet's own words tell of a gate that nobody set.
    let says = condition(&pod.conditions, "Ready").filter(|c| &*c.reason == "ReadinessGatesNotReady");
    let unset = |gate: &str| says.is_some_and(|c| c.message.contains(&format!("\"{gate}\" does not exist")));
    let gates = pod.spec.readiness_gates.iter().map(|g| &**g);
    gates
        .filter(|g| condition(&pod.conditions, g).map_or_else(|| unset(g), |c| c.status != Status::True))
        .collect()
}

/// The time until which a pod's volumes may take.
pub fn patience(ctx: &Ctx, pod: &Pod) -> crate::world::Time {
    image::began(pod).unwrap_or(ctx.now).plus(seconds(ctx.limits.starting_volume))
}
