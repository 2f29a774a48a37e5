//! The lines above a rollout's rows: how far it is, ready pods over time, newest against earlier pods, what the newest
//! suffer from, and the key that undoes it.

use std::collections::BTreeMap;

use crate::app::core::content::{Line, Piece};
use crate::app::core::model::Model;
use crate::app::table::columns;
use crate::app::table::cx::scope;
use crate::app::table::picture;
use crate::app::views::kept::Kept;
use crate::config::{Id, Scope};
use crate::detect::Severity;
use crate::judge::workload::rollout_of;
use crate::term::clean::{clean, fit};
use crate::world::time::human;
use crate::world::{Kind, Object, ObjectRef, Pod, Text, Workload};

/// Cells of the line of ready pods, and columns of a bar.
const LINE: usize = 24;
const BAR: usize = 12;
/// Causes named.
const CAUSES: usize = 3;
/// Columns of the words before a picture.
const LEAD: usize = 9;

/// Pods of one revision, and how many of them are ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    pub pods: u32,
    pub ready: u32,
}

impl Newest {
    pub fn count<'p>(pods: impl Iterator<Item = &'p Pod>) -> Newest {
        pods.filter(|p| p.meta.deleting.is_none()).fold(Newest::default(), |sum, pod| {
            let status = pod.status();
            let ready = status.total > 0 && status.ready == status.total;
            Newest { pods: sum.pods + 1, ready: sum.ready + u32::from(ready) }
        })
    }
}

/// The lines, in a room of so many columns; `unread` says why the revisions could not be listed.
pub fn lines(
    model: &Model,
    object: &ObjectRef,
    kept: &[Kept],
    unread: Option<&str>,
    columns: usize,
) -> Vec<Line> {
    let data = &model.data;
    let Some(w) = data.world.workload(object) else {
        return vec![Line::of(format!("{object} is gone."), "status.bad"), Line::default()];
    };
    let mut out = vec![state(model, w)];
    if let Some((span, levels)) = data.progress.ready(object, data.now, LINE) {
        let line = picture::line(model.theme.spark(), &levels);
        out.push(Line(vec![
            (lead("ready"), "text.dim"),
            (line, "text"),
            (format!("  over {}", human(span)), "text.dim"),
        ]));
    }
    let (newest, before) = split(model, w, kept);
    if let Some((newest, before)) = newest.as_deref().zip(before.as_deref()) {
        let (new, old) = (Newest::count(newest.iter().copied()), Newest::count(before.iter().copied()));
        if old.pods > 0 || new.ready < w.desired {
            out.push(bars(model, w.desired, new, old));
        }
    }
    let all: Vec<&Pod> = newest.unwrap_or_else(|| pods(model, w));
    out.extend(causes(model, &all, columns));
    if let Some(why) = unread {
        out.push(Line::of(
            fit(&clean(&format!("Its revisions are not known: {why}")), columns),
            "status.pending",
        ));
    }
    out.extend(undo(model, w, kept));
    out.push(Line::default());
    out
}

fn lead(word: &str) -> String {
    format!("{word:<LEAD$}")
}

fn state(model: &Model, w: &Workload) -> Line {
    let state = columns::progress(w);
    let mut text = format!("{} of {} ready", w.ready, w.desired);
    if w.updated < w.desired {
        text.push_str(&format!(", {} of the newest revision", w.updated));
    }
    let missing = w.desired.saturating_sub(w.current);
    if w.kind == Kind::DaemonSet && missing > 0 {
        text.push_str(&format!(", {missing} nodes without a pod of it"));
    }
    let mut how = w.strategy.to_string();
    for (name, value) in [("surge", &w.max_surge), ("unavailable", &w.max_unavailable)] {
        if !value.is_empty() {
            how.push_str(&format!(", {name} {value}"));
        }
    }
    let word = state.value.show(model.data.now).into_owned();
    Line(vec![
        (lead("state"), "text.dim"),
        (format!("{word}  "), state.scope),
        (text, "text"),
        (format!("  {how}"), "text.dim"),
    ])
}

/// All pods of a workload.
fn pods<'m>(model: &'m Model, w: &Workload) -> Vec<&'m Pod> {
    let world = &model.data.world;
    let sets: Vec<&Workload> = world.replica_sets_of(&w.meta.uid).map(|(_, set)| set).collect();
    let of_sets = sets.into_iter().flat_map(|set| world.pods_of(&set.meta.uid).map(|(_, p)| p));
    world.pods_of(&w.meta.uid).map(|(_, p)| p).chain(of_sets).collect()
}

/// The pods of the newest revision, and all others; `None` where it is not known which is the newest.
fn split<'m>(model: &'m Model, w: &Workload, kept: &[Kept]) -> (Option<Vec<&'m Pod>>, Option<Vec<&'m Pod>>) {
    let world = &model.data.world;
    let newest: Box<dyn Fn(&Pod) -> bool> = match w.kind {
        Kind::Deployment => match rollout_of(world, w) {
            Some((set, _)) => {
                let uid = set.meta.uid.clone();
                Box::new(move |pod| pod.meta.owner.as_ref().is_some_and(|o| o.uid == uid))
            }
            None => return (None, None),
        },
        _ => match kept.first() {
            Some(first) => {
                let first = first.clone();
                Box::new(move |pod| first.has(pod))
            }
            None => return (None, None),
        },
    };
    let (new, old) = pods(model, w).into_iter().partition(|p| newest(p));
    (Some(new), Some(old))
}

/// Ready pods of the newest revision and of the earlier ones, as shares of what is wanted.
fn bars(model: &Model, desired: u32, new: Newest, old: Newest) -> Line {
    let bar = |ready: u32| {
        let share = u64::from(ready) * 1000 / u64::from(desired.max(1));
        let share = u16::try_from(share.min(1000)).unwrap_or(1000);
        picture::bar(model.theme.spark(), model.theme.glyph("bar.empty"), share, BAR)
    };
    let scope = if new.ready < new.pods || new.pods < desired { "status.pending" } else { "status.ok" };
    let mut pieces: Vec<Piece> = vec![
        (lead("newest"), "text.dim"),
        (bar(new.ready), scope),
        (format!(" {} of {} ready", new.ready, desired), "text"),
    ];
    if old.pods > 0 {
        pieces.push(("   before ".to_owned(), "text.dim"));
        pieces.push((bar(old.ready), "text"));
        pieces.push((format!(" {} ready", old.ready), "text"));
    }
    Line(pieces)
}

/// The causes of the pods, the most frequent first.
fn causes(model: &Model, pods: &[&Pod], columns: usize) -> Vec<Line> {
    let cx = model.data.cx();
    let mut counted: BTreeMap<&Text, (usize, Severity)> = BTreeMap::new();
    for pod in pods {
        if let Some(cause) = cx.cause(&pod.reference()) {
            let entry = counted.entry(&cause.text).or_insert((0, cause.severity));
            *entry = (entry.0 + 1, entry.1.max(cause.severity));
        }
    }
    let mut counted: Vec<_> = counted.into_iter().collect();
    counted.sort_by_key(|(_, (n, _))| std::cmp::Reverse(*n));
    let line = |(i, (text, (n, severity))): (usize, (&Text, (usize, Severity)))| {
        let times = if n > 1 { format!("  on {n} pods") } else { String::new() };
        let room = columns.saturating_sub(LEAD + times.len() + 1).max(10);
        Line(vec![
            (lead(if i == 0 { "why" } else { "" }), "text.dim"),
            (fit(&clean(text), room).into_owned(), scope(severity)),
            (times, "text.dim"),
        ])
    };
    counted.into_iter().take(CAUSES).enumerate().map(line).collect()
}

/// The key that plans the way back, and where it leads; or that there is none.
fn undo(model: &Model, w: &Workload, kept: &[Kept]) -> Option<Line> {
    let earlier = match w.kind {
        Kind::Deployment => rollout_of(&model.data.world, w)?.1.map(|set| {
            let images: Vec<&str> = set.template.containers.iter().map(|c| &*c.image).collect();
            (set.revision.unwrap_or(0), images.join(","))
        }),
        _ if kept.is_empty() => return None,
        _ => kept.get(1).map(|r| (r.number, r.images.clone())),
    };
    let Some((number, images)) = earlier else {
        return Some(Line(vec![
            (lead("undo"), "text.dim"),
            ("no earlier revision is kept".into(), "text.dim"),
        ]));
    };
    let key = model.keymap.shown(Scope::Workloads, Id::PlanRollback)?;
    let scope = if model.cluster.read_only { "key.disabled" } else { "key" };
    Some(Line(vec![
        (lead("undo"), "text.dim"),
        (key, scope),
        (
            format!(
                " plans the way back to revision {number}: {}; on a revision below, to that one",
                named(&images)
            ),
            "key.description",
        ),
    ]))
}

/// Images without their registries and folders.
fn named(images: &str) -> String {
    let name = |image: &str| image.rsplit('/').next().unwrap_or(image).to_owned();
    images.split(',').map(name).collect::<Vec<_>>().join(", ")
}
