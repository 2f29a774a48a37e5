//! `d`: all there is to know of an object: why it is sick, its columns, conditions, containers and events, from what
//! khud already holds, at once and following changes; then what only the object itself tells, which is asked for once.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::app::core::content::Line;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Dirty;
use crate::app::core::stack;
use crate::app::table::cell::bytes;
use crate::app::table::vitals::Requested;
use crate::app::views::details;
use crate::app::views::page::Page;
use crate::app::views::text::Reader;
use crate::app::views::usage;
use crate::app::views::yaml;
use crate::detect::Evidence;
use crate::world::ask::{Answer, Call};
use crate::world::time::human;
use crate::world::{
    Condition, Container, ContainerState, Handler, Kind, Meta, ObjectRef, Pod, Probe, Resources, Status, Time,
};

/// The same of what is under the cursor.
pub fn here(model: &mut Model) -> Vec<Effect> {
    model.selected().map_or(Vec::new(), |object| open(model, object))
}

/// A description; the object itself is fetched once.
#[derive(Debug)]
pub struct Description {
    /// The call that fetches the object; `None` where its kind is not served.
    token: Option<u64>,
    fetched: Option<Value>,
}

type DescribeView = Reader<Description>;

pub fn open(model: &mut Model, object: ObjectRef) -> Vec<Effect> {
    let lines = lines(model, &object, None);
    let title = format!("describe {object}");
    let token = (!object.kind.plural().is_empty()).then(|| model.token());
    let of = Description { token, fetched: None };
    stack::push(model, Reader::new(of, title, Some(object.clone()), lines));
    token.map(|token| Effect::Call { token, call: Call::get(object.path()) }).into_iter().collect()
}

/// The object came, or why it did not.
pub fn called(model: &mut Model, token: u64, result: &Result<Answer, String>) {
    let Some(view) = model.all_mut::<DescribeView>().find(|v| v.of.token == Some(token)) else { return };
    match result {
        Ok(a) if a.ok() => view.of.fetched = Some(a.body.clone()),
        Ok(a) => view.text.lines.push(Line::of(a.message(), "error")),
        Err(why) => view.text.lines.push(Line::of(why, "error")),
    }
    if matches!(result, Ok(a) if a.ok()) {
        refresh(model);
    }
    model.dirty = Dirty::Input;
}

/// Fetches the object of the description in front again; `None` where none is, or it was never fetched.
pub fn again(model: &mut Model) -> Option<Effect> {
    let token = model.token();
    let view = model.top_mut::<DescribeView>().filter(|v| v.of.token.is_some())?;
    view.of.token = Some(token);
    Some(Effect::Call { token, call: Call::get(view.object.as_ref()?.path()) })
}

/// Whether a description whose object was fetched is in front.
pub fn fetched(model: &Model) -> bool {
    model.top::<DescribeView>().is_some_and(|v| v.of.token.is_some())
}

/// Writes the open description anew after its object changed.
pub fn refresh(model: &mut Model) -> bool {
    let Some(view) = model.top::<DescribeView>() else { return false };
    let Some(object) = &view.object else { return false };
    let lines = lines(model, object, view.of.fetched.as_ref());
    let Some(view) = model.top_mut::<DescribeView>() else { return false };
    if view.text.lines == lines {
        return false;
    }
    view.text.lines = lines;
    view.text.stay_inside();
    true
}

/// What there is to say; `fetched` is the object itself, where it was asked for.
fn lines(model: &Model, object: &ObjectRef, fetched: Option<&Value>) -> Vec<Line> {
    let (world, cx) = (&model.data.world, model.data.cx());
    let mut page = Page { lines: Vec::new(), now: model.data.now };
    let columns = usize::from(model.size.0.saturating_sub(1));
    let Some(meta) = world.meta(object) else {
        page.lines.push(Line::of(format!("{object} is gone."), "status.bad"));
        return page.wrapped(columns);
    };
    finding(model, object, &mut page);
    page.title(&object.to_string());
    let slot = world.slot(object);
    let served = crate::app::table::columns::served::columns(&cx, &object.kind, true);
    for column in crate::app::table::columns::of_kind(&object.kind).iter().chain(&served) {
        let Some(slot) = slot else { break };
        let cell = column.cell(&cx, slot);
        if !matches!(&*column.shape.name, "NAMESPACE" | "NAME" | "CAUSE") {
            let key = if column.is("↻") { "RESTARTS" } else { &*column.shape.name };
            page.pair(&key.to_lowercase(), cell.value.show(cx.now).into_owned(), cell.scope);
        }
    }
    about(meta, &mut page);
    if let Some(whole) = fetched {
        details::annotations(whole, &mut page);
    }
    match object.kind {
        Kind::Pod => {
            if let Some(pod) = world.pods.find(&object.namespace, &object.name) {
                describe_pod(model, pod, fetched, &mut page);
            }
        }
        Kind::Node => {
            if let Some(node) = world.nodes.find("", &object.name) {
                for t in node.taints.iter() {
                    page.pair("taint", format!("{}={}:{}", t.key, t.value, t.effect), "status.pending");
                }
                page.pair("runtime", node.info.runtime.to_string(), "text");
                page.pair("kernel", format!("{}  {}", node.info.kernel, node.info.os_image), "text");
                usage::node(model, node, &mut page);
                conditions(&node.conditions, &["Ready"], &mut page);
                if let Some(whole) = fetched {
                    details::node(whole, &mut page);
                }
                requested(&cx.vitals.requested(&object.name), &mut page);
            }
        }
        Kind::Service => {
            endpoints(model, object, &mut page);
            usage::requests(model, object, &mut page);
        }
        _ => {
            if let Some(w) = world.workload(object) {
                page.pair(
                    "strategy",
                    format!("{} surge {} unavailable {}", w.strategy, w.max_surge, w.max_unavailable),
                    "text",
                );
                page.pair("selector", w.selector.to_string(), "text");
                page.pair("change cause", w.change_cause.to_string(), "text");
                usage::requests(model, object, &mut page);
                conditions(&w.conditions, &["Available", "Progressing"], &mut page);
                page.title("Template");
                for c in w.template.containers.iter() {
                    page.pair(&c.name, format!("{}  {}", c.image, resources(&c.requests, &c.limits)), "text");
                }
            }
        }
    }
    // Of pods and nodes the rest is told above.
    let rest = fetched.filter(|_| !matches!(object.kind, Kind::Pod | Kind::Node));
    if object.kind.watched() {
        events(model, object, &mut page);
    }
    if let Some(rest) = rest {
        let told = world.workload(object).is_some();
        whole(rest, told, &mut page);
    }
    if !object.kind.watched() {
        events(model, object, &mut page);
    }
    page.wrapped(columns)
}

/// What pods on a node ask for, together.
fn requested(asks: &Requested, page: &mut Page) {
    page.title("Requested by its pods");
    page.pair("pods", asks.pods.to_string(), "text");
    page.pair("cpu", format!("{}m", asks.cpu), "text");
    page.pair("memory", bytes(asks.memory), "text");
    if asks.gpus > 0 {
        page.pair("gpu", asks.gpus.to_string(), "text");
    }
}

/// Who answers for a Service.
fn endpoints(model: &Model, object: &ObjectRef, page: &mut Page) {
    let slices = model.data.world.endpoint_slices.values();
    let own = slices.filter(|s| s.meta.namespace == object.namespace && s.service == object.name);
    let (ready, not) = own.fold((0, 0), |(r, n), s| (r + s.ready, n + s.not_ready));
    let scope = if ready == 0 { "status.bad" } else { "status.ok" };
    page.pair("endpoints", format!("{ready} ready, {not} not"), scope);
}

/// What an object of any kind says of itself: its conditions, then its other fields. Never what it may hold in data.
/// `told`: the conditions are there already.
fn whole(object: &Value, told: bool, page: &mut Page) {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    if let Some(all) = conditions.filter(|c| !c.is_empty() && !told) {
        page.title("Conditions");
        for c in all {
            let text = |key: &str| c[key].as_str().unwrap_or_default().to_owned();
            let scope = match &*text("status") {
                // What is good of a condition nobody here knows, its name does not say.
                "True" | "False" => "text.strong",
                _ => "status.unknown",
            };
            let ago = page.ago(Time::parse(&text("lastTransitionTime")));
            page.lines.push(Line(vec![
                (format!("  {:<20} ", text("type")), "text"),
                (format!("{:<8}", text("status")), scope),
                (format!("{:<28} ", text("reason")), "text"),
                (format!("{ago:<12} "), "text.dim"),
                (text("message"), "text"),
            ]));
        }
    }
    let hidden = ["apiVersion", "kind", "metadata", "data", "stringData", "binaryData"];
    for (key, value) in
        object.as_object().into_iter().flatten().filter(|(k, _)| !hidden.contains(&k.as_str()))
    {
        let mut value = value.clone();
        if let Some(status) = value.as_object_mut().filter(|_| key == "status") {
            status.remove("conditions");
        }
        let empty = value.as_object().is_some_and(serde_json::Map::is_empty);
        if empty || value.is_null() {
            continue;
        }
        if !value.is_object() && !value.is_array() {
            page.pair(key, value.as_str().map_or_else(|| value.to_string(), str::to_owned), "text");
            continue;
        }
        page.title(key);
        if let Ok(yaml) = yaml::write(&value, true, &BTreeSet::new()) {
            page.lines.extend((0..yaml.len()).map(|i| Line::plain(format!("  {}", yaml.line(i)))));
        }
    }
}

/// Why it is sick, with the proof, first of all.
fn finding(model: &Model, object: &ObjectRef, page: &mut Page) {
    let Some(f) = model.data.detector.of(object) else { return };
    let scope = crate::app::table::cx::scope(f.severity);
    page.lines.push(Line(vec![
        (format!("{} ", f.cause), scope),
        (f.title.clone(), "text.strong"),
        (format!("  since {}", model.prefs.times().clock(f.since)), "text.dim"),
    ]));
    // Of a finding about many the object's own proof is told, where it has one.
    let own = |e: &&Evidence| e.object == *object;
    let proof: Vec<&Evidence> = match f.evidence.iter().any(|e| own(&e)) {
        true => f.evidence.iter().filter(own).collect(),
        false => f.evidence.iter().collect(),
    };
    for e in proof {
        let of = if e.object == *object { String::new() } else { format!(" of {}", e.object) };
        let at = e.at.map_or(String::new(), |t| format!("  {}", model.prefs.times().clock(t)));
        page.lines.push(Line(vec![
            (format!("  {}{of}: ", e.source), "text.dim"),
            (format!("“{}”", e.quote), "tree.evidence"),
            (at, "text.dim"),
        ]));
    }
    for c in &f.changed {
        page.lines.push(Line(vec![
            ("  before it: ".into(), "text.dim"),
            (format!("{} ({})", c.what, c.object), "timeline.change"),
            (if c.by.is_empty() { String::new() } else { format!(" by {}", c.by) }, "text.dim"),
            (format!("  {}", model.prefs.times().clock(c.at)), "text.dim"),
        ]));
    }
}

fn about(meta: &Meta, page: &mut Page) {
    if let Some(o) = &meta.owner {
        page.pair("owner", format!("{} {}", o.kind.name().to_lowercase(), o.name), "text");
    }
    if let Some(t) = meta.deleting {
        let text = page.ago(Some(t));
        page.pair("deleting", text, "status.pending");
    }
    if let Some(w) = &meta.writer {
        let text = format!("by {} {}", w.manager, page.ago(Some(w.at)));
        page.pair("changed", text, "text");
    }
    let labels: Vec<String> = meta.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    for (i, label) in labels.iter().enumerate() {
        page.pair(if i == 0 { "labels" } else { "" }, label.clone(), "text.dim");
    }
}

fn conditions(all: &[Condition], good: &[&str], page: &mut Page) {
    if all.is_empty() {
        return;
    }
    page.title("Conditions");
    for c in all {
        let wanted = good.contains(&&*c.kind) || c.kind.ends_with("Ready") || &*c.kind == "PodScheduled";
        let scope = match c.status {
            Status::Unknown => "status.unknown",
            Status::True if wanted => "status.ok",
            Status::False if !wanted => "status.ok",
            _ => "status.bad",
        };
        let ago = page.ago(c.since);
        page.lines.push(Line(vec![
            (format!("  {:<20} ", c.kind), "text"),
            (format!("{:<8}", format!("{:?}", c.status)), scope),
            (format!("{:<28} ", c.reason), "text"),
            (format!("{ago:<12} "), "text.dim"),
            (c.message.to_string(), "text"),
        ]));
    }
}

fn resources(requests: &Resources, limits: &Resources) -> String {
    let one = |r: &Resources| {
        let mut parts = Vec::new();
        if let Some(c) = r.cpu {
            parts.push(format!("cpu {c}m"));
        }
        if let Some(m) = r.memory {
            parts.push(format!("memory {}", bytes(m)));
        }
        if let Some(g) = r.gpu {
            parts.push(format!("gpu {g}"));
        }
        parts.join(" ")
    };
    match (one(requests), one(limits)) {
        (r, l) if r.is_empty() && l.is_empty() => "no requests, no limits".into(),
        (r, l) => format!(
            "asks {} limit {}",
            if r.is_empty() { "nothing" } else { &r },
            if l.is_empty() { "none" } else { &l }
        ),
    }
}

fn describe_pod(model: &Model, pod: &Pod, whole: Option<&Value>, page: &mut Page) {
    page.pair("message", pod.message.to_string(), "status.bad");
    page.pair("account", pod.spec.service_account.to_string(), "text");
    let refs = |names: &[crate::world::Text]| names.join(", ");
    page.pair("config maps", refs(&pod.spec.config_maps), "text");
    page.pair("secrets", refs(&pod.spec.secrets), "text");
    page.pair("claims", refs(&pod.spec.claims), "text");
    if let Some(whole) = whole {
        details::pod(whole, page);
    }
    usage::pod(model, pod, page);
    conditions(&pod.conditions, &[], page);
    for c in pod.containers.iter() {
        container(c, page);
        if let Some(whole) = whole {
            details::container(whole, &c.spec.name, page);
        }
    }
}

/// A container's state in words, with its style.
pub fn state(c: &Container, now: Time) -> (String, &'static str) {
    match &c.state {
        ContainerState::None => ("not started".into(), "text.dim"),
        ContainerState::Waiting { reason, message } if message.is_empty() => {
            (format!("waits: {reason}"), "status.pending")
        }
        ContainerState::Waiting { reason, message } => (format!("waits: {reason}: {message}"), "status.bad"),
        ContainerState::Running { since } => {
            let since = since.map_or(String::new(), |t| format!(" for {}", human(t.age(now))));
            (format!("runs{since}"), if c.ready { "status.ok" } else { "status.pending" })
        }
        ContainerState::Terminated(t) => {
            let scope = if t.exit_code == 0 { "status.done" } else { "status.bad" };
            (format!("ended: {} exit {} {}", t.reason, t.exit_code, t.message), scope)
        }
    }
}

fn container(c: &Container, page: &mut Page) {
    page.title(&format!("{:?} container {}", c.spec.role, c.spec.name));
    page.pair("image", c.spec.image.to_string(), "text");
    let (text, scope) = state(c, page.now);
    page.pair("state", text, scope);
    if c.restarts > 0 {
        page.pair("restarts", c.restarts.to_string(), "status.pending");
    }
    if let Some(t) = &c.last {
        let text = format!("{} exit {} {}  {}", t.reason, t.exit_code, page.ago(t.finished), t.message);
        page.pair("last exit", text, "status.bad");
    }
    page.pair("resources", resources(&c.spec.requests, &c.spec.limits), "text");
    let ports: Vec<String> =
        c.spec.ports.iter().map(|p| format!("{}/{} {}", p.number, p.protocol, p.name)).collect();
    page.pair("ports", ports.join(", "), "text");
    for (name, p) in
        [("liveness", &c.spec.liveness), ("readiness", &c.spec.readiness), ("startup", &c.spec.startup)]
    {
        if let Some(p) = p {
            page.pair(name, probe(p), "text");
        }
    }
}

fn probe(p: &Probe) -> String {
    let what = match &p.handler {
        Handler::Http { path, port, https } => {
            format!("GET {}://:{port}{path}", if *https { "https" } else { "http" })
        }
        Handler::Tcp { port } => format!("TCP :{port}"),
        Handler::Grpc { port } => format!("gRPC :{port}"),
        Handler::Exec { command } => format!("runs {command}"),
    };
    format!(
        "{what}  after {} s, every {} s, timeout {} s, {} failures",
        p.initial_delay, p.period, p.timeout, p.failure_threshold
    )
}

fn events(model: &Model, object: &ObjectRef, page: &mut Page) {
    let events = model.data.world.events_of(object);
    if events.is_empty() {
        return;
    }
    page.title("Events");
    for e in events.into_iter().take(50) {
        let scope = if e.warning { "event.warning" } else { "text" };
        let count = if e.count > 1 { format!("×{}", e.count) } else { String::new() };
        page.lines.push(Line(vec![
            (format!("  {} ", model.prefs.times().clock(e.last)), "text.dim"),
            (format!("{:<24} {count:<5} ", e.reason), scope),
            (e.note.to_string(), "text"),
        ]));
    }
}
