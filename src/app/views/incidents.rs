//! Incidents and findings as cards: what is wrong, what changed before it, and the first action that fits.

use std::sync::Arc;
use std::time::Duration;

use crate::app::core::model::{Model, Tone, View};
use crate::app::core::msg::Effect;
use crate::app::core::navigate;
use crate::app::dialogs::runs;
use crate::app::table::cell::{Cell, Value};
use crate::app::views::cards::{Card, INSET};
use crate::app::views::list::{List, Row, What};
use crate::app::views::rows;
use crate::app::views::text::Line;
use crate::config::Id;
use crate::config::commands::Scope;
use crate::detect::incident::{Incident, Radius};
use crate::detect::{Finding, How, Key, Severity, State, WhatChanged, report};
use crate::judge::workload::rollout_of;
use crate::remedy::run::Params;
use crate::remedy::{self, Action};
use crate::term::clean::{clean, width, wrap};
use crate::world::time::human;
use crate::world::{Kind, ObjectRef, Text, World};

/// Lines of a sentence in the overview; the opened incident shows all of it.
const SENTENCE: usize = 3;
/// An incident that begins so soon after its root's rollout is undone with it, before anything else is tried.
const SOON: Duration = Duration::from_secs(15 * 60);
/// Sources named in a clean state.
const SOURCES: usize = 12;

/// How much of a card is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
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

/// The cards of a list in their order; those that its filter keeps.
pub fn entries<'m>(model: &'m Model, what: &What, filter: &str) -> Vec<Entry<'m>> {
    let detector = &model.data.detector;
    let mut out: Vec<Entry<'m>> = match what {
        What::Incidents => {
            let mut incidents: Vec<&Incident> = detector.incidents().iter().collect();
            // Findings stand in the order in which they are worth a look, and so do incidents by their first.
            incidents.sort_by_key(|i| i.findings.iter().min().copied());
            incidents.into_iter().map(Entry::Incident).collect()
        }
        What::Incident(key) => match of_key(model, key) {
            Some(i) => {
                let findings = i.findings.iter().filter_map(|n| detector.findings().get(*n));
                std::iter::once(Entry::Incident(i)).chain(findings.map(Entry::Finding)).collect()
            }
            None => Vec::new(),
        },
        What::Findings => detector.findings().iter().map(Entry::Finding).collect(),
        _ => Vec::new(),
    };
    if !filter.is_empty() {
        let (now, names, filter) = (model.data.now, rows::names(what), rows::filter(what, filter));
        out.retain(|e| filter.passes(&names, &e.row(model).cells, now));
    }
    out
}

/// The incident that a finding belongs to now.
fn of_key<'m>(model: &'m Model, key: &Key) -> Option<&'m Incident> {
    let findings = model.data.detector.findings();
    let has = |n: &usize| findings.get(*n).is_some_and(|f| f.key == *key || f.with.contains(key));
    model.data.detector.incidents().iter().find(|i| i.findings.iter().any(has))
}

/// Where the cursor of a list stands among its cards. An incident is known by any of its findings: another may lead it
/// by now.
pub fn index(model: &Model, list: &List, entries: &[Entry<'_>]) -> usize {
    list.index_among(entries.len(), |id| {
        entries
            .iter()
            .position(|e| e.id(model) == *id)
            .or_else(|| entries.iter().position(|e| e.findings(model).any(|f| rows::finding_id(f) == *id)))
    })
}

/// The entry under the cursor, in a list of cards.
pub fn here(model: &Model) -> Option<Entry<'_>> {
    let list = model.list().filter(|l| l.what.cards())?;
    let entries = entries(model, &list.what, &list.filter);
    entries.get(index(model, list, &entries)).copied()
}

/// The object under the cursor, in a list of cards.
pub fn object(model: &Model) -> Option<ObjectRef> {
    here(model).map(|e| e.object().clone())
}

/// The cause that the object under the cursor has there.
pub fn cause_of<'m>(model: &'m Model, object: &ObjectRef) -> Option<&'m Text> {
    let entry = here(model).filter(|e| e.object() == object)?;
    Some(match entry {
        Entry::Incident(i) => &i.cause,
        Entry::Finding(f) => &f.cause,
    })
}

impl<'m> Entry<'m> {
    fn findings(self, model: &'m Model) -> impl Iterator<Item = &'m Arc<Finding>> {
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
    fn id(self, model: &'m Model) -> Text {
        let id = self.finding(model).map_or_else(|| "".into(), |f| rows::finding_id(f));
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

    fn card(self, model: &'m Model, columns: usize, depth: Depth) -> Card {
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
fn fitting(model: &Model, entry: Entry<'_>) -> Option<(&'static Action, ObjectRef)> {
    let world = &model.data.world;
    if let Entry::Incident(i) = entry
        && earlier_revision(world, &i.root)
        && let Some(rollout) = i.changed.iter().find(|c| c.object == i.root)
    {
        // What is to be fixed may be another object, of which the rollout is the root.
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
    let first = |object: &ObjectRef| remedy::for_cause(world, entry.cause(), object).into_iter().next();
    first(entry.object()).or_else(|| first(entry.finding(model)?.fix()))
}

/// Whether there is a revision to go back to. Of the revisions of StatefulSets and DaemonSets the world knows nothing:
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

/// Plans the action that the card under the cursor names.
pub fn fix(model: &mut Model) -> Vec<Effect> {
    let Some((action, target)) = here(model).and_then(|entry| fitting(model, entry)) else {
        model.say(Tone::Info, "khud has no action for this cause; the tree says what to do by hand.");
        return Vec::new();
    };
    if model.cluster.read_only {
        model.say(Tone::Bad, format!("{} is refused: khud runs read-only.", action.title));
        return Vec::new();
    }
    runs::begin(model, action, target.into(), Params::new())
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

/// How much a list shows of each card.
fn depth(model: &Model, what: &What) -> Depth {
    match what {
        What::Incident(_) => Depth::Open,
        What::Incidents if model.views.is_empty() && model.overview.rows.is_some() => Depth::Pane,
        _ => Depth::View,
    }
}

/// The cards from the first in the window to the last that shows in so many lines of a list.
pub fn in_sight(model: &Model, list: &List, entries: &[Entry<'_>], lines: usize) -> Vec<Card> {
    let depth = depth(model, &list.what);
    let mut used = 0;
    let mut out = Vec::new();
    for entry in entries.iter().skip(list.offset) {
        if used >= lines {
            break;
        }
        let card = entry.card(model, list.width, depth);
        used += card.height();
        out.push(card);
    }
    out
}

/// Lines that all cards of the overview's pane take, as far as so many.
pub fn wanted(model: &Model, columns: usize, most: usize) -> usize {
    let entries = entries(model, &What::Incidents, "");
    if entries.is_empty() {
        return clean_state(model).iter().map(|(text, _)| wrap(text, columns.max(20) - 2).len()).sum();
    }
    let mut used = 0;
    for entry in entries {
        used += entry.card(model, columns, Depth::Pane).height();
        if used >= most {
            return most;
        }
    }
    used
}

/// Moves a list of cards so that the whole card under its cursor shows.
pub fn settle(model: &Model, list: &List) -> usize {
    let entries = entries(model, &list.what, &list.filter);
    let at = index(model, list, &entries);
    let mut offset = list.offset.min(at);
    let depth = depth(model, &list.what);
    let heights: Vec<usize> = entries[offset..]
        .iter()
        .take(at + 1 - offset)
        .map(|e| e.card(model, list.width, depth).height())
        .collect();
    let mut lines: usize = heights.iter().sum();
    for height in &heights {
        if lines <= list.height.max(1) || offset == at {
            break;
        }
        lines -= height;
        offset += 1;
    }
    offset
}

/// The card of a line of the window, counted from the first of all.
pub fn at_line(model: &Model, list: &List, line: usize) -> Option<usize> {
    let entries = entries(model, &list.what, &list.filter);
    let mut below = 0;
    for (n, card) in in_sight(model, list, &entries, list.height).iter().enumerate() {
        below += card.height();
        if line < below {
            return Some(list.offset + n);
        }
    }
    None
}

/// Opens an incident.
pub fn open(model: &mut Model) {
    let Some(key) = here(model).and_then(|e| e.finding(model)).map(|f| f.key.clone()) else { return };
    navigate::push(model, View::List(Box::new(List::new(What::Incident(Box::new(key))))));
}

/// Critical incidents and warnings that somebody has to look at.
pub fn counts(model: &Model) -> (usize, usize) {
    let findings = model.data.detector.findings();
    let counting = |i: &&Incident| i.findings.iter().any(|n| findings.get(*n).is_some_and(|f| f.counts()));
    let of = |severity| {
        let all = model.data.detector.incidents().iter().filter(counting);
        all.filter(|i| i.severity == severity).count()
    };
    (of(Severity::Critical), of(Severity::Warning))
}

/// The text of an overview without incidents: what was looked at, and what was not.
pub fn clean_state(model: &Model) -> Vec<(String, &'static str)> {
    let sources = report::coverage(&model.data.world, model.data.now);
    let (mut seen, mut not, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    for source in &sources {
        match source.state.as_str() {
            "unsupported" => {}
            "connecting" | "listing" => waiting.push(source.source.as_str()),
            _ if source.seen() => seen.push(source.source.as_str()),
            state => not.push(format!("{} ({state})", source.source)),
        }
    }
    // The signal of most incidents comes first.
    let first = ["pods", "nodes", "events", "deployments", "jobs", "services"];
    seen.sort_by_key(|name| (first.iter().position(|f| f == name).unwrap_or(first.len()), *name));
    let named = |names: &[&str]| match names.len().saturating_sub(SOURCES) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..SOURCES].join(", ")),
    };
    let mut out = vec![("No incident.".to_owned(), "text.strong")];
    if !seen.is_empty() {
        out.push((format!("Looked at: {}.", named(&seen)), "text.dim"));
    }
    if !waiting.is_empty() {
        out.push((format!("Not yet listed: {}.", named(&waiting)), "status.pending"));
    }
    if !not.is_empty() {
        let not: Vec<&str> = not.iter().map(String::as_str).collect();
        out.push((format!("Not looked at: {}.", named(&not)), "status.pending"));
    }
    out
}
