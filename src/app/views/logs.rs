//! The log view: one container, all of a pod, or a whole workload, pods born later included. Bounded, and honest
//! about what it dropped.

use std::time::Duration;

use crate::app::core::available::Here;
use crate::app::core::content::{Body, Content, Title};
use crate::app::core::data::Data;
use crate::app::core::model::{Model, of_type};
use crate::app::core::msg::Effect;
use crate::app::core::notice::Dirty;
use crate::app::core::stack;
use crate::app::core::view::{Motion, Room, Saved, View};
use crate::app::views::log::{self, LogBuffer, SourceId, Window};
use crate::config::{Id, Scope};
use crate::term::clean::clean;
use crate::world::ask::LogTail;
use crate::world::time::human;
use crate::world::{ContainerState, Kind, ObjectRef, Pod, Role, Selector, Text, Time, Uid, World};

/// Containers followed at once; more would be unreadable.
const MOST: usize = 60;

/// Pause before a stream that broke off is opened again; it doubles while nothing comes.
const RETRY: Duration = Duration::from_secs(2);

/// One container whose log is shown.
#[derive(Clone, Debug)]
pub struct Target {
    pub id: SourceId,
    pub pod: Text,
    pub container: Text,
    uid: Uid,
    /// Restarts when its stream was opened: another count means another run to follow.
    restarts: u32,
    pub open: bool,
    /// The server has said that it sends the log: no line then means that nothing was logged.
    pub answered: bool,
    /// When a stream that broke off is opened again.
    retry: Option<Time>,
    /// How often in a row it ended without a line.
    fruitless: u32,
    /// Why there is nothing, in the server's words.
    pub note: Option<String>,
}

#[derive(Debug)]
pub struct LogView {
    pub id: u64,
    pub object: ObjectRef,
    namespace: Text,
    pub targets: Vec<Target>,
    pub buffer: LogBuffer,
    /// Only this container; `None`: all.
    container: Option<Text>,
    pub previous: bool,
    /// The end stays in view as lines come.
    pub follow: bool,
    pub wrap: bool,
    pub times: bool,
    pub fields: bool,
    /// Only lines of this age or younger are asked for.
    pub since: Option<Duration>,
    pub offset: usize,
    pub left: usize,
    window: Window,
    /// Columns and lines below the title.
    room: (usize, usize),
    pub filter: String,
    /// The beginning is wanted, not the end.
    head: bool,
    /// Containers beyond those that are followed at once.
    pub more: usize,
    tail: u32,
    /// Lines kept, and lines read at first.
    keep: usize,
    first_tail: u32,
}

/// Opens the logs of a pod, of one container, or of all pods of a workload or behind a Service.
pub fn open(model: &mut Model, object: ObjectRef, container: Option<Text>, previous: bool) -> Vec<Effect> {
    let id = model.token();
    let namespace = object.namespace.clone();
    let keep = model.prefs.settings.log_lines;
    let first_tail = u32::try_from(model.prefs.settings.log_tail).unwrap_or(u32::MAX);
    let view = LogView {
        id,
        object,
        namespace,
        targets: Vec::new(),
        buffer: LogBuffer::new(keep),
        container,
        previous,
        follow: true,
        wrap: false,
        times: false,
        fields: false,
        since: None,
        offset: 0,
        left: 0,
        window: Window { shown: 1, before: 1, end: 1 },
        room: (80, 1),
        filter: String::new(),
        head: false,
        more: 0,
        tail: first_tail,
        keep,
        first_tail,
    };
    stack::push(model, view);
    drive(model)
}

/// A check: there are logs of the object under the cursor.
pub fn logged(here: &Here<'_>) -> Option<String> {
    here.of_object(|o| {
        let why = || format!("There are no logs of {o}: it has no pods.");
        (!any(&here.model.data.world, o)).then(why)
    })
}

/// Whether there are logs of the object, or will be once a workload has pods.
fn any(world: &World, object: &ObjectRef) -> bool {
    let workload = matches!(
        object.kind,
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet | Kind::Job
    );
    workload || selector(world, object).is_some() || !pods(world, object).is_empty()
}

/// What a Service picks its pods by.
fn selector<'w>(world: &'w World, object: &ObjectRef) -> Option<&'w Selector> {
    let service =
        (object.kind == Kind::Service).then(|| world.services.find(&object.namespace, &object.name));
    service.flatten()?.selector.as_ref()
}

/// The pods an object's logs come from.
fn pods<'w>(world: &'w World, object: &ObjectRef) -> Vec<&'w Pod> {
    if object.kind == Kind::Pod {
        return world.pods.find(&object.namespace, &object.name).into_iter().collect();
    }
    let mut out: Vec<&Pod> = if let Some(labels) = selector(world, object) {
        let own = |p: &&Pod| p.meta.namespace == object.namespace && labels.matches(&p.meta.labels);
        world.pods.values().filter(own).collect()
    } else {
        let Some(uid) = world.meta(object).map(|m| m.uid.clone()) else { return Vec::new() };
        let mut owners = vec![uid.clone()];
        owners.extend(world.replica_sets_of(&uid).map(|(_, r)| r.meta.uid.clone()));
        owners.iter().flat_map(|u| world.pods_of(u)).map(|(_, p)| p).collect()
    };
    out.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
    out
}

/// Opens the streams that should be open now: of containers that came, or that run again.
pub fn drive(model: &mut Model) -> Vec<Effect> {
    let mut effects = Vec::new();
    let Model { views, data, .. } = model;
    for logs in of_type::<LogView>(views) {
        if logs.buffer.closed() {
            continue;
        }
        logs.more = 0;
        for pod in pods(&data.world, &logs.object) {
            let one = logs.container.clone();
            let wanted = pod.containers.iter().filter(|c| match &one {
                Some(name) => c.spec.name == *name,
                None => c.spec.role != Role::Ephemeral,
            });
            for c in wanted {
                let has_log = match &c.state {
                    ContainerState::Running { .. } | ContainerState::Terminated(_) => true,
                    _ => c.last.is_some(),
                };
                if !has_log || (logs.previous && c.restarts == 0 && c.last.is_none()) {
                    continue;
                }
                let known =
                    logs.targets.iter().position(|t| t.uid == pod.meta.uid && t.container == c.spec.name);
                let whole = u32::try_from(logs.keep).unwrap_or(u32::MAX);
                let mut since = logs.since.map(|s| s.as_secs());
                let tail = match known {
                    // A run that began after the last one was followed to its end is wanted whole; one that goes on
                    // behind a stream that broke off, from there on.
                    Some(i) => {
                        let t = &mut logs.targets[i];
                        let next_run = c.restarts > t.restarts;
                        let resumed = t.retry.is_some_and(|at| at <= data.now) && !next_run;
                        let again = !t.open && (next_run || resumed) && !logs.previous;
                        if !again || !matches!(c.state, ContainerState::Running { .. }) {
                            continue;
                        }
                        (t.restarts, t.open, t.retry, t.note) = (c.restarts, true, None, None);
                        t.answered = false;
                        if resumed {
                            logs.buffer.resume(t.id);
                            let last = logs.buffer.last(t.id);
                            // The server counts whole seconds.
                            since = last.map(|l| l.age(data.now).as_secs() + 2).or(since);
                        }
                        whole
                    }
                    None if logs.targets.len() >= MOST => {
                        logs.more += 1;
                        continue;
                    }
                    None => {
                        logs.targets.push(Target {
                            id: SourceId(logs.targets.len() as u32),
                            pod: pod.meta.name.clone(),
                            container: c.spec.name.clone(),
                            uid: pod.meta.uid.clone(),
                            restarts: c.restarts,
                            open: true,
                            answered: false,
                            retry: None,
                            fruitless: 0,
                            note: None,
                        });
                        logs.tail
                    }
                };
                let source = known.map_or(logs.targets.len() - 1, |i| i);
                effects.push(Effect::Follow {
                    view: logs.id,
                    source: logs.targets[source].id,
                    tail: LogTail {
                        namespace: logs.namespace.clone(),
                        pod: pod.meta.name.clone(),
                        container: c.spec.name.clone(),
                        previous: logs.previous,
                        tail,
                    },
                    since,
                });
            }
        }
    }
    effects
}

fn find(model: &mut Model, id: u64) -> Option<&mut LogView> {
    model.all_mut::<LogView>().find(|logs| logs.id == id)
}

/// The server began to send a log.
pub fn began(model: &mut Model, view: u64, source: SourceId) {
    let target = find(model, view).and_then(|logs| logs.targets.iter_mut().find(|t| t.id == source));
    if let Some(target) = target {
        target.answered = true;
        model.dirty = model.dirty.max(Dirty::Data);
    }
}

/// Bytes of a log came.
pub fn chunk(model: &mut Model, view: u64, source: SourceId, bytes: &[u8]) -> Vec<Effect> {
    let Some(logs) = find(model, view) else { return vec![Effect::StopLogs(view)] };
    logs.buffer.hold(logs.offset);
    logs.buffer.push(source, bytes);
    logs.offset = logs.buffer.held();
    if let Some(t) = logs.targets.iter_mut().find(|t| t.id == source) {
        t.fruitless = 0;
    }
    let mut effects = Vec::new();
    if logs.buffer.closed() {
        for t in &mut logs.targets {
            (t.open, t.retry) = (false, None);
        }
        effects.push(Effect::StopLogs(view));
    }
    model.dirty = model.dirty.max(Dirty::Data);
    effects
}

/// A log ended: the container did, or the server said why there is none.
pub fn ended(model: &mut Model, view: u64, source: SourceId, why: Option<String>) -> Vec<Effect> {
    let now = model.data.now;
    if let Some(logs) = find(model, view) {
        logs.buffer.end(source);
        if let Some(t) = logs.targets.iter_mut().find(|t| t.id == source) {
            t.open = false;
            // A log ends with its container; one that ends before is opened again.
            t.retry = (!logs.previous).then(|| now.plus(RETRY * (1 << t.fruitless.min(5))));
            t.fruitless += 1;
            t.note = why;
        }
        model.dirty = model.dirty.max(Dirty::Data);
    }
    drive(model)
}

impl View for LogView {
    fn title(&self) -> String {
        let run = if self.previous { " (run before)" } else { "" };
        let container = self.container.as_ref().map_or(String::new(), |c| format!(" {c}"));
        let since = self.since.map_or(String::new(), |s| format!(" of the last {}", human(s)));
        let head = if self.head { " from the beginning" } else { "" };
        format!("logs {}{container}{run}{since}{head}", self.object)
    }

    fn scope(&self) -> Scope {
        Scope::Logs
    }

    fn object(&self, _: &Model) -> Option<ObjectRef> {
        Some(self.object.clone())
    }

    fn content(&self, model: &Model, _: bool) -> Content {
        let (shown, all) = (self.buffer.len(), self.buffer.all());
        let mut notes = Vec::new();
        if self.buffer.skipped() > 0 {
            notes.push(format!("skipped {}", self.buffer.skipped()));
        }
        let open = self.targets.iter().filter(|t| t.open).count();
        notes.push(match self.more {
            0 => format!("{open}/{} open", self.targets.len()),
            more => format!("{open}/{} open, {more} more left out", self.targets.len()),
        });
        notes.push(if shown == all { format!("{all} lines") } else { format!("{shown}/{all} lines") });
        notes.push(self.standing().into());
        let body = match self.buffer.is_empty() {
            true => Body::sentence(self.emptiness(model, open)),
            false => Body::Lines(log::lines(model.prefs.times(), self, self.room)),
        };
        let title = Title { name: self.title(), filter: self.filter.clone(), notes };
        Content { title, body, ages: Vec::new() }
    }

    fn saved(&self, _: &Model) -> Saved {
        let (text, count) = (self.written(), self.buffer.len());
        Saved::File { title: self.title(), ending: "log", text, count }
    }

    fn go(&mut self, _: &Model, motion: Motion) {
        match motion {
            Motion::Step(by) => self.scroll(by),
            Motion::Page(by) => {
                let lines = if by > 0 { self.window.shown } else { self.window.before };
                self.scroll(by * (lines.max(2) as isize - 1));
            }
            Motion::Top => (self.offset, self.follow) = (0, false),
            Motion::Bottom => self.follow = true,
            Motion::Sideways(by) => self.left = self.left.saturating_add_signed(by * 16),
            Motion::Line(_) => {}
        }
    }

    fn fit(&mut self, model: &Model, room: Room) {
        self.room = (room.width.into(), room.lines());
        self.window = log::window(model.prefs.times(), self, self.room);
    }

    fn filter(&self) -> &str {
        &self.filter
    }

    /// Shows only matching lines; what is no pattern is told and changes nothing.
    fn set_filter(&mut self, _: &Model, pattern: &str) -> Option<String> {
        self.filter = pattern.to_owned();
        let result = self.buffer.filter(pattern);
        self.offset = self.first();
        result.err()
    }

    fn reads(&self) -> bool {
        true
    }

    /// When a stream that broke off is to be opened again. A container that no longer runs has none.
    fn next_timer(&self, data: &Data) -> Option<Time> {
        let running = |t: &Target| {
            let pod = data.world.pods.find(&self.namespace, &t.pod)?;
            let container = pod.containers.iter().find(|c| c.spec.name == t.container)?;
            let runs =
                matches!(container.state, ContainerState::Running { .. }) && container.restarts == t.restarts;
            runs.then_some(t.retry?)
        };
        self.targets.iter().filter_map(running).min()
    }

    /// Its streams were stopped when it was left.
    fn reopened(&mut self) {
        self.again();
    }
}

impl LogView {
    /// The text of a log without lines.
    fn emptiness(&self, model: &Model, open: usize) -> String {
        let notes: Vec<&str> = self.targets.iter().filter_map(|t| t.note.as_deref()).collect();
        let all = self.buffer.all();
        match (notes.is_empty(), self.filter.is_empty() || all == 0) {
            (false, _) => notes.join("\n"),
            (true, false) => unmatched(model, all),
            (true, true) if self.targets.iter().any(|t| t.open && !t.answered) => {
                "The server has not answered yet.".into()
            }
            (true, true) if open > 0 => "Nothing logged yet.".into(),
            (true, true) => "No container here has a log yet.".into(),
        }
    }

    /// The first line shown, given how many there are.
    pub fn first(&self) -> usize {
        let last = self.buffer.len().saturating_sub(self.window.end);
        if self.follow { last } else { self.offset.min(last) }
    }

    fn scroll(&mut self, by: isize) {
        let last = self.buffer.len().saturating_sub(self.window.end);
        self.offset = self.first().saturating_add_signed(by).min(last);
        self.follow = self.offset == last && by > 0;
    }

    /// How it stands: whether more comes, and whether that is shown.
    fn standing(&self) -> &'static str {
        match (self.follow, self.targets.iter().any(|t| t.open)) {
            (false, _) => "standing still",
            (true, true) => "following",
            (true, false) => "at its end",
        }
    }

    /// Every line that passes the filter, with its time and where it came from, safe to print.
    fn written(&self) -> String {
        let mut out = String::new();
        for line in self.buffer.iter() {
            if let Some(time) = line.time {
                out.push_str(&format!("{time} "));
            }
            if let Some(target) = self.targets.iter().find(|t| t.id == line.source) {
                out.push_str(&format!("{}/{} ", target.pod, target.container));
            }
            out.push_str(&clean(&line.text));
            out.push('\n');
        }
        out
    }

    /// Begins anew, with other containers, another run, or further back.
    fn again(&mut self) -> Effect {
        self.targets.clear();
        self.buffer = if self.head { LogBuffer::of_first(self.keep) } else { LogBuffer::new(self.keep) };
        // The pattern was accepted before.
        let _ = self.buffer.filter(&self.filter);
        self.follow = true;
        Effect::StopLogs(self.id)
    }
}

/// Opens the logs of what is under the cursor: of this run, or of the one before.
pub fn here(model: &mut Model, previous: bool) -> Vec<Effect> {
    let Some(object) = model.selected() else { return Vec::new() };
    let container = model.front().container(model);
    open(model, object, container, previous)
}

fn in_front(model: &mut Model) -> Option<&mut LogView> {
    model.top_mut()
}

/// Begins the streams anew after `change`.
fn restart(model: &mut Model, change: impl FnOnce(&mut LogView)) -> Vec<Effect> {
    let Some(logs) = in_front(model) else { return Vec::new() };
    change(logs);
    let mut effects = vec![logs.again()];
    effects.extend(drive(model));
    effects
}

pub fn toggle_follow(model: &mut Model) {
    if let Some(logs) = in_front(model) {
        logs.offset = logs.first();
        logs.follow = !logs.follow;
    }
}

pub fn toggle_wrap(model: &mut Model) {
    if let Some(logs) = in_front(model) {
        logs.wrap = !logs.wrap;
    }
}

pub fn toggle_times(model: &mut Model) {
    if let Some(logs) = in_front(model) {
        logs.times = !logs.times;
    }
}

pub fn toggle_fields(model: &mut Model) {
    if let Some(logs) = in_front(model) {
        logs.fields = !logs.fields;
    }
}

pub fn clear(model: &mut Model) {
    if let Some(logs) = in_front(model) {
        logs.buffer.clear();
    }
}

/// Puts a line with the time below what came so far.
pub fn mark(model: &mut Model) {
    let now = model.data.now;
    let Some(logs) = in_front(model) else { return };
    let source = logs.targets.first().map_or(SourceId(0), |t| t.id);
    logs.buffer.end(source);
    logs.buffer.push(source, format!("──────── mark at {now} ────────\n").as_bytes());
}

pub fn newest(model: &mut Model) -> Vec<Effect> {
    restart(model, |logs| {
        (logs.since, logs.head, logs.tail) = (None, false, logs.first_tail);
        logs.offset = 0;
    })
}

pub fn beginning(model: &mut Model) -> Vec<Effect> {
    let effects = restart(model, |logs| {
        (logs.since, logs.head, logs.tail) = (None, true, u32::MAX);
        logs.offset = 0;
    });
    if let Some(logs) = in_front(model) {
        logs.follow = false;
    }
    effects
}

pub fn last_minutes(model: &mut Model, minutes: u64) -> Vec<Effect> {
    restart(model, |logs| {
        logs.since = Some(Duration::from_secs(minutes * 60));
        logs.tail = u32::try_from(logs.keep).unwrap_or(u32::MAX);
        logs.head = false;
    })
}

/// Round: all containers, then each by name.
pub fn next_container(model: &mut Model) -> Vec<Effect> {
    let Some(logs) = model.top::<LogView>() else { return Vec::new() };
    let world = &model.data.world;
    let mut names: Vec<Text> = match &logs.container {
        None => logs.targets.iter().map(|t| t.container.clone()).collect(),
        Some(one) => pods(world, &logs.object)
            .iter()
            .flat_map(|p| p.containers.iter().map(|c| c.spec.name.clone()))
            .filter(|name| name > one)
            .collect(),
    };
    names.sort();
    restart(model, |logs| logs.container = names.into_iter().next())
}

/// The run before, or this one again.
pub fn toggle_previous(model: &mut Model) -> Vec<Effect> {
    restart(model, |logs| logs.previous = !logs.previous)
}

/// The text for a filter without matches: the log may be far longer than the lines that were read.
fn unmatched(model: &Model, read: usize) -> String {
    let key = |id| model.keymap.shown(Scope::Logs, id);
    let mut text = format!("None of the {read} lines read so far matches.");
    for (id, what) in [(Id::Logs1h, "reads the last hour"), (Id::LogsHead, "reads from the beginning")] {
        text.extend(key(id).map(|key| format!(" {key} {what}.")));
    }
    text.extend(key(Id::Back).map(|key| format!(" {key} clears the filter.")));
    text
}
