//! The card of an incident or of a finding: what is wrong, what changed before it, and the first action that fits.

use std::sync::Arc;
use std::time::Duration;

use crate::app::core::content::{Card, INSET, Line};
use crate::app::core::model::Model;
use crate::app::table::cell::{Cell, Value};
use crate::app::views::list::Row;
use crate::app::views::phases;
use crate::config::{Id, Scope};
use crate::detect::incident::{Incident, Radius};
use crate::detect::{Finding, How, Key, Severity, State, WhatChanged};
use crate::judge::workload::rollout_of;
use crate::remedy::{self, Action};
use crate::term::clean::{clean, width, wrap};
use crate::world::time::human;
use crate::world::{Kind, ObjectRef, Text, World};

/// Lines of a sentence in the overview; the opened incident shows all of it.
const SENTENCE: usize = 3;
/// An incident that begins so soon after its root's rollout is undone with it, before anything else is tried.
const SOON: Duration = Duration::from_secs(15 * 60);

/// How much of a card is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Among the panes of the overview.
    Pane,
    /// In a view of its own.
    View,
    /// Opened: with its quotes.
    Open,
}

/// The incident or finding of one card.
#[derive(Clone, Copy)]
pub enum Entry<'m> {
    Incident(&'m Incident),
    Finding(&'m Arc<Finding>),
}

impl<'m> Entry<'m> {
    pub fn findings(self, model: &'m Model) -> impl Iterator<Item = &'m Arc<Finding>> {
        let (one, many) = match self {
            Entry::Finding(f) => (Some(f), [].as_slice()),
            Entry::Incident(i) => (None, i.findings.as_slice()),
        };
        one.into_iter().chain(many.iter().filter_map(|n| model.data.detector.findings().get(*n)))
    }

    /// Its own finding; of an incident, the root's.
    pub fn finding(self, model: &'m Model) -> Option<&'m Arc<Finding>> {
        self.findings(model).next()
    }

    /// The keys of all findings it stands for.
    pub fn keys(self, model: &'m Model) -> Vec<Key> {
        self.findings(model).flat_map(|f| std::iter::once(&f.key).chain(&f.with)).cloned().collect()
    }

    /// The same line as long as the trouble is the same.
    pub fn id(self, model: &'m Model) -> Text {
        let id = self.finding(model).map_or_else(|| "".into(), |f| finding_id(f));
        match self {
            Entry::Incident(_) => format!("incident {id}").into(),
            Entry::Finding(_) => id,
        }
    }

    /// The object to put right first.
    pub fn object(self) -> &'m ObjectRef {
        match self {
            Entry::Incident(i) => &i.root,
            Entry::Finding(f) => f.fix(),
        }
    }

    fn cause(self) -> &'m str {
        match self {
            Entry::Incident(i) => &i.cause,
            Entry::Finding(f) => &f.cause,
        }
    }

    fn severity(self) -> Severity {
        match self {
            Entry::Incident(i) => i.severity,
            Entry::Finding(f) => f.severity,
        }
    }

    fn changed(self) -> &'m [WhatChanged] {
        match self {
            Entry::Incident(i) => &i.changed,
            Entry::Finding(f) => &f.changed,
        }
    }

    /// How loud it is: muted and acknowledged only where all of it is.
    fn sign(self, model: &'m Model) -> (&'static str, &'static str) {
        let all = |test: &dyn Fn(&Finding) -> bool| self.findings(model).all(|f| test(f));
        if all(&|f| f.is(How::Muted)) {
            return ("muted", "text.dim");
        }
        if all(&|f| f.state != State::Firing) {
            return match all(&|f| f.state == State::Resolving) {
                true => ("resolving", "finding.resolving"),
                false => ("pending", "finding.pending"),
            };
        }
        if all(&|f| f.state != State::Firing || f.quiet.is_some()) {
            return ("acknowledged", "finding.acknowledged");
        }
        match self.severity() {
            Severity::Critical => ("critical", "finding.critical"),
            Severity::Warning => ("warning", "finding.warning"),
            Severity::Info => ("info", "finding.info"),
        }
    }

    /// The columns, for filters and files.
    pub fn row(self, model: &'m Model) -> Row {
        let (sign, scope) = self.sign(model);
        let (since, title, count) = match self {
            Entry::Incident(i) => (i.since, i.title.clone(), i.findings.len() as i64),
            Entry::Finding(f) => (f.since, sentence(f), f.count.into()),
        };
        Row {
            id: self.id(model),
            object: Some(self.object().clone()),
            cells: vec![
                Cell::new(Value::Sign(sign, sign), scope),
                Cell::dim(Value::Age(since)),
                Cell::new(Value::Text(place(self.object(), self.cause()).into()), scope),
                Cell::plain(Value::Text(title.into())),
                Cell::dim(Value::Num(count)),
                Cell::dim(Value::Text(self.cause().into())),
            ],
            indent: 0,
        }
    }

    pub fn card(self, model: &'m Model, columns: usize, depth: Depth) -> Card {
        let (sign, scope) = self.sign(model);
        let room = columns.saturating_sub(INSET + 1).max(16);
        let (since, aside) = match self {
            Entry::Incident(i) => (i.since, reach(&i.radius)),
            Entry::Finding(f) if f.count > 1 => (f.since, format!("×{}", f.count)),
            Entry::Finding(f) => (f.since, String::new()),
        };
        let loud = scope.starts_with("finding.critical") || scope.starts_with("finding.warning");
        let mut card = Card {
            id: self.id(model),
            sign,
            scope,
            since,
            title: place(self.object(), self.cause()),
            aside,
            body: Vec::new(),
            ages: Vec::new(),
        };
        if width(&card.title) + width(&card.aside) + 2 > room {
            let aside = std::mem::take(&mut card.aside);
            cut(&mut card.body, &aside, room, 1, "text.dim");
        }
        // An incident that nobody has to act on takes no room among the panes.
        let most = match depth {
            Depth::Pane if loud => SENTENCE,
            Depth::Pane => 1,
            Depth::View | Depth::Open => usize::MAX,
        };
        let says = match self {
            Entry::Incident(i) => {
                self.finding(model).map_or_else(|| i.title.clone(), |f| quieted(f, &i.title))
            }
            Entry::Finding(f) => sentence(f),
        };
        cut(&mut card.body, &says, room, most, if loud { "text" } else { "text.dim" });
        if depth == Depth::Pane && !loud {
            return card;
        }
        if depth == Depth::Open
            && let Entry::Finding(f) = self
        {
            for e in &f.evidence {
                let at = e.at.map_or(String::new(), |t| format!("  {}", model.prefs.times().clock(t)));
                let quote = format!("{}: “{}”{at}", e.source, clean(&e.quote));
                cut(&mut card.body, &quote, room, usize::MAX, "tree.evidence");
            }
        }
        // The opened incident has the changes and the action of its findings.
        let (changes, lines) = match (depth, self) {
            (Depth::Open, Entry::Finding(_)) => (0, 0),
            (Depth::Open, Entry::Incident(_)) => (usize::MAX, usize::MAX),
            _ => (1, 2),
        };
        for c in self.changed().iter().take(changes) {
            card.ages.push(c.at);
            let sign = model.theme.glyph("changed");
            let by = if c.by.is_empty() { String::new() } else { format!(", by {}", c.by) };
            let other = if c.object == *self.object() { String::new() } else { format!("{}: ", c.object) };
            let age = human(c.at.age(model.data.now));
            let text = format!("{sign} {other}{} {age} ago{by}", c.what);
            cut(&mut card.body, &text, room, lines, "timeline.change");
        }
        if let (Depth::Open, Entry::Incident(i)) = (depth, self) {
            let report = phases::report(model, i);
            if let Some(back) = &report.recurrence {
                cut(&mut card.body, &back.sentence(), room, usize::MAX, "tree.evidence");
            }
            card.body.extend(phases::lines(model, &report.phases));
        }
        if changes > 0
            && let Some(cure) = cure(model, self)
        {
            card.body.push(cure);
        }
        card
    }
}

/// Text in so many lines at most; what is cut off shows that it is.
fn cut(body: &mut Vec<Line>, text: &str, room: usize, most: usize, scope: &'static str) {
    let mut lines = wrap(&clean(text), room);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            while width(last) + 1 > room {
                last.pop();
            }
            last.push('…');
        }
    }
    body.extend(lines.into_iter().map(|line| Line::of(line, scope)));
}

/// The first action that fits, with the key that plans it.
fn cure(model: &Model, entry: Entry<'_>) -> Option<Line> {
    if entry.sign(model).0 == "resolving" {
        return None;
    }
    let (action, target) = fitting(model, entry)?;
    let keys = model.keymap.shown(Scope::Findings, Id::Fix)?;
    let scope = if model.cluster.read_only { "key.disabled" } else { "key" };
    let of = if target == *entry.object() { String::new() } else { format!(" {target}") };
    Some(Line(vec![(keys, scope), (format!(" {}{of}", action.title), "key.description")]))
}

/// The first action for the cause of an entry, on its object or, where that has none, on its finding's. Where the root
/// was rolled out shortly before, that is what to undo first.
pub fn fitting(model: &Model, entry: Entry<'_>) -> Option<(&'static Action, ObjectRef)> {
    let world = &model.data.world;
    if let Entry::Incident(i) = entry
        && earlier_revision(world, &i.root)
        && let Some(rollout) = i.changed.iter().find(|c| c.object == i.root)
    {
        // The object to fix may be another one, with the rollout as its root.
        let elsewhere = entry.finding(model).is_some_and(|f| *f.fix() != i.root);
        let soon = rollout.at.plus(SOON) >= i.since;
        let actions = match elsewhere {
            true => remedy::for_object(world, &i.root),
            false if soon => remedy::for_cause(world, entry.cause(), &i.root),
            false => Vec::new(),
        };
        let undo = actions.into_iter().find(|(a, t)| a.name == "rollback" && *t == i.root);
        if undo.is_some() {
            return undo;
        }
    }
    // A rollback mends only what was changed, and an object that is new has no earlier revision.
    let undoes = |target: &ObjectRef| {
        earlier_revision(world, target) && entry.changed().iter().any(|c| c.object == *target)
    };
    let fits = |(action, target): &(&'static Action, ObjectRef)| action.name != "rollback" || undoes(target);
    let first = |object: &ObjectRef| remedy::for_cause(world, entry.cause(), object).into_iter().find(fits);
    first(entry.object()).or_else(|| first(entry.finding(model)?.fix()))
}

/// Whether there is a revision to go back to. The world has no revisions of StatefulSets and DaemonSets:
/// their plan says where there is none.
fn earlier_revision(world: &World, root: &ObjectRef) -> bool {
    match root.kind {
        Kind::Deployment => {
            let rollout = world.workload(root).and_then(|d| rollout_of(world, d));
            rollout.is_some_and(|(_, before)| before.is_some())
        }
        _ => root.kind.workload(),
    }
}

/// How far an incident reaches, in a few words.
pub fn reach(radius: &Radius) -> String {
    let Radius { pods, workloads, nodes, gpus, namespaces } = *radius;
    let counts = [
        (pods as u64, "pod", 0),
        (gpus, "GPU", 0),
        (workloads as u64, "workload", 1),
        (nodes as u64, "node", 1),
        (namespaces as u64, "namespace", 1),
    ];
    let counts = counts.iter().filter(|(n, _, above)| *n > *above).take(3);
    let words = counts.map(|(n, what, _)| format!("{n} {what}{}", if *n == 1 { "" } else { "s" }));
    words.collect::<Vec<_>>().join(" ")
}

/// The finding's sentence; who has it and why it is quiet come first.
fn sentence(f: &Finding) -> String {
    quieted(f, &f.title)
}

fn quieted(f: &Finding, title: &str) -> String {
    match &f.quiet {
        None => title.to_owned(),
        Some(q) if q.who.is_empty() => format!("{} · {title}", q.reason),
        Some(q) => format!("{}: {} · {title}", q.who, q.reason),
    }
}

/// The object to fix, as operators say it: a Deployment with a stuck rollout is `rollout prod/api`.
fn place(o: &ObjectRef, cause: &str) -> String {
    match o.kind {
        Kind::Deployment if cause.starts_with("rollout.") || cause.starts_with("image.") => {
            format!("rollout {}/{}", o.namespace, o.name)
        }
        _ => o.to_string(),
    }
}

/// The same line as long as the trouble is the same, whichever rule tells of it.
pub fn finding_id(f: &Finding) -> Text {
    format!("{} {}", f.key.family, f.key.root).into()
}
