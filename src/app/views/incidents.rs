//! Incidents and findings as cards, worst first; an opened incident with its findings and their quotes.

use std::sync::Arc;

use crate::app::core::content::{Body, Card, Cards, Content, Title};
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::runs::control;
use crate::app::core::stack;
use crate::app::core::view::{FAR, Motion, Room, Saved, Then, View};
use crate::app::views::cards::{Depth, Entry, finding_id, fitting};
use crate::app::views::freshness::{freshness, stale, unlisted};
use crate::app::views::list::{List, Row, none_of, parse, valueless};
use crate::app::views::save::csv;
use crate::config::Scope;
use crate::detect::incident::Incident;
use crate::detect::{Finding, How, Key, Severity, report};
use crate::remedy::run::Params;
use crate::term::clean::wrap;
use crate::world::{Kind, ObjectRef, Text};

/// Sources named in a clean state.
const SOURCES: usize = 12;
/// Lines that a card takes, about.
const CARD: usize = 4;

/// The source of the cards.
#[derive(Clone, Debug, PartialEq)]
enum Of {
    Incidents,
    /// The incident that has this finding, with its findings.
    Incident(Box<Key>),
    Findings,
}

/// A list of cards.
#[derive(Debug)]
pub struct Incidents {
    of: Of,
    list: List,
    /// It stands among other panes: the cards are short.
    pane: bool,
}

/// All incidents.
pub fn all() -> Incidents {
    Incidents::new(Of::Incidents)
}

/// Opens the list of every single finding.
pub fn open_findings(model: &mut Model) {
    stack::push(model, Incidents::new(Of::Findings));
}

impl Incidents {
    fn new(of: Of) -> Incidents {
        Incidents { of, list: List::new(), pane: false }
    }

    fn names(&self) -> [&'static str; 6] {
        match self.of {
            Of::Incidents => ["SEVERITY", "SINCE", "OBJECT", "INCIDENT", "FINDINGS", "CAUSE"],
            Of::Incident(_) | Of::Findings => ["SEVERITY", "SINCE", "OBJECT", "FINDING", "COUNT", "CAUSE"],
        }
    }

    /// How much is shown of each card.
    fn depth(&self) -> Depth {
        match self.of {
            Of::Incident(_) => Depth::Open,
            Of::Incidents if self.pane => Depth::Pane,
            _ => Depth::View,
        }
    }

    /// The cards in their order; those that the filter keeps.
    fn entries<'m>(&self, model: &'m Model) -> Vec<Entry<'m>> {
        let mut out = entries(model, &self.of);
        if !self.list.filter.is_empty() {
            let (now, names) = (model.data.now, self.names());
            let filter = parse(&names, &self.list.filter);
            out.retain(|e| filter.passes(&names, &e.row(model).cells, now));
        }
        out
    }

    /// Where the cursor stands among the cards. An incident is known by any of its findings: another may lead it by now.
    fn index(&self, model: &Model, entries: &[Entry<'_>]) -> usize {
        self.list.index_among(entries.len(), |id| {
            entries
                .iter()
                .position(|e| e.id(model) == *id)
                .or_else(|| entries.iter().position(|e| e.findings(model).any(|f| finding_id(f) == *id)))
        })
    }

    /// The entry under the cursor.
    fn here<'m>(&self, model: &'m Model) -> Option<Entry<'m>> {
        let entries = self.entries(model);
        entries.get(self.index(model, &entries)).copied()
    }

    /// The cards from the first in the window to the last that shows.
    fn in_sight(&self, model: &Model, entries: &[Entry<'_>]) -> Vec<Card> {
        let mut used = 0;
        let mut out = Vec::new();
        for entry in entries.iter().skip(self.list.offset) {
            if used >= self.list.height {
                break;
            }
            let card = entry.card(model, self.list.width, self.depth());
            used += card.height();
            out.push(card);
        }
        out
    }

    /// The first card of a window that shows the whole card under the cursor.
    fn offset(&self, model: &Model) -> usize {
        let entries = self.entries(model);
        let at = self.index(model, &entries);
        let mut offset = self.list.offset.min(at);
        let heights: Vec<usize> = entries[offset..]
            .iter()
            .take(at + 1 - offset)
            .map(|e| e.card(model, self.list.width, self.depth()).height())
            .collect();
        let mut lines: usize = heights.iter().sum();
        for height in &heights {
            if lines <= self.list.height || offset == at {
                break;
            }
            lines -= height;
            offset += 1;
        }
        offset
    }

    /// The card of a line of the window, counted from the first of all.
    fn at_line(&self, model: &Model, line: usize) -> Option<usize> {
        let entries = self.entries(model);
        let mut below = 0;
        for (n, card) in self.in_sight(model, &entries).iter().enumerate() {
            below += card.height();
            if line < below {
                return Some(self.list.offset + n);
            }
        }
        None
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        self.entries(model).into_iter().map(|e| e.row(model)).collect()
    }

    /// The text of an empty list: the sources that were looked at, and those that were not.
    fn empty(&self, model: &Model) -> Vec<(String, &'static str)> {
        let dim = |text: String| vec![(text, "text.dim")];
        let all: Vec<Row> = match self.list.filter.is_empty() {
            true => Vec::new(),
            false => entries(model, &self.of).into_iter().map(|e| e.row(model)).collect(),
        };
        if !all.is_empty() {
            let noun = if self.of == Of::Incidents { "incidents" } else { "findings" };
            let (names, filter) = (self.names(), parse(&self.names(), &self.list.filter));
            let note = filter.note.clone().or_else(|| valueless(&names, &filter, &all));
            return dim(none_of(all.len(), noun, note));
        }
        let synced = model.data.world.synced(&Kind::Pod);
        let text = match self.of {
            Of::Incident(_) => "It is over. The timeline has it, and `:report` writes it down.",
            _ if synced && stale(model, &Kind::Pod) => {
                "Nothing was found wrong while the cluster still answered. It does not now."
            }
            _ if synced && self.list.filter.is_empty() => return clean_state(model),
            _ if synced => "No incident.",
            _ => unlisted(
                model,
                &Kind::Pod,
                "khud may not list pods here, so it finds little. Where a namespace may be listed, `:ns NAME` does.",
            ),
        };
        dim(text.to_owned())
    }
}

impl View for Incidents {
    fn title(&self) -> String {
        match &self.of {
            Of::Incidents => "incidents".into(),
            Of::Incident(key) => format!("incident of {}", key.root),
            Of::Findings => "findings".into(),
        }
    }

    fn scope(&self) -> Scope {
        Scope::Findings
    }

    fn object(&self, model: &Model) -> Option<ObjectRef> {
        self.here(model).map(|e| e.object().clone())
    }

    fn finding<'m>(&self, model: &'m Model) -> Option<&'m Arc<Finding>> {
        self.here(model)?.finding(model)
    }

    fn content(&self, model: &Model, _: bool) -> Content {
        let entries = self.entries(model);
        let mut notes: Vec<String> = freshness(model, &Kind::Pod).into_iter().collect();
        if !matches!(self.of, Of::Incident(_)) {
            notes.push(entries.len().to_string());
        }
        let muted = model.data.detector.findings().iter().filter(|f| f.is(How::Muted)).count();
        if muted > 0 {
            notes.push(format!("{muted} muted"));
        }
        let body = match entries.is_empty() {
            true => Body::Sentences(self.empty(model)),
            false => {
                let cards = self.in_sight(model, &entries);
                let selected = self.index(model, &entries).checked_sub(self.list.offset);
                let below = entries.len().saturating_sub(self.list.offset + cards.len());
                Body::Cards(Cards { cards, selected, below })
            }
        };
        let title = Title { name: self.title(), filter: self.list.filter.clone(), notes };
        Content { title, body, ages: Vec::new() }
    }

    fn saved(&self, model: &Model) -> Saved {
        csv(model, self.title(), &self.names(), self.rows(model).into_iter().map(|r| r.cells).collect())
    }

    /// Opens an incident; a finding shows all there is.
    fn enter(&self, model: &Model) -> Option<Then> {
        if self.of != Of::Incidents {
            return super::inside::of(self.object(model)?);
        }
        let key = self.finding(model)?.key.clone();
        Some(Box::new(|model| {
            stack::push(model, Incidents::new(Of::Incident(Box::new(key))));
            Vec::new()
        }))
    }

    fn go(&mut self, model: &Model, motion: Motion) {
        let by = match motion {
            Motion::Top => return self.list.top(),
            Motion::Sideways(_) => return,
            Motion::Step(by) => by,
            Motion::Page(by) => by * (self.list.height / CARD).saturating_sub(1).max(1) as isize,
            Motion::Bottom => FAR,
            Motion::Line(line) => {
                let rows = self.rows(model);
                if let Some(at) = self.at_line(model, line).filter(|at| *at < rows.len()) {
                    self.list.jump(&rows, at);
                }
                return;
            }
        };
        self.list.step(&self.rows(model), by);
    }

    fn fit(&mut self, model: &Model, room: Room) {
        self.list.height = room.lines();
        self.list.width = room.width.into();
        self.pane = room.pane;
        // Cards are made only where they can move the window.
        if !self.list.at_rest() {
            self.list.offset = self.offset(model);
        }
    }

    fn filter(&self) -> &str {
        &self.list.filter
    }

    fn set_filter(&mut self, _: &Model, text: &str) -> Option<String> {
        self.list.filter = text.to_owned();
        self.list.top();
        None
    }

    fn filter_note(&self) -> Option<String> {
        parse(&self.names(), &self.list.filter).note
    }

    fn unsorted(&self) -> &'static str {
        "Incidents and findings stand worst first."
    }

    fn head(&self) -> u16 {
        1
    }

    fn shows_findings(&self) -> bool {
        true
    }
}

/// The cards of a list in their order, before any filter.
fn entries<'m>(model: &'m Model, of: &Of) -> Vec<Entry<'m>> {
    let detector = &model.data.detector;
    match of {
        Of::Incidents => {
            let mut incidents: Vec<&Incident> = detector.incidents().iter().collect();
            // Findings stand in the order in which they are worth a look, and so do incidents by their first.
            incidents.sort_by_key(|i| i.findings.iter().min().copied());
            incidents.into_iter().map(Entry::Incident).collect()
        }
        Of::Incident(key) => match of_key(model, key) {
            Some(i) => {
                let findings = i.findings.iter().filter_map(|n| detector.findings().get(*n));
                std::iter::once(Entry::Incident(i)).chain(findings.map(Entry::Finding)).collect()
            }
            None => Vec::new(),
        },
        Of::Findings => detector.findings().iter().map(Entry::Finding).collect(),
    }
}

/// The incident that a finding belongs to now.
fn of_key<'m>(model: &'m Model, key: &Key) -> Option<&'m Incident> {
    let findings = model.data.detector.findings();
    let has = |n: &usize| findings.get(*n).is_some_and(|f| f.key == *key || f.with.contains(key));
    model.data.detector.incidents().iter().find(|i| i.findings.iter().any(has))
}

/// The list of cards that keys act on, where that is one.
fn list(model: &Model) -> Option<&Incidents> {
    (model.front() as &dyn std::any::Any).downcast_ref()
}

/// The entry under the cursor, in a list of cards.
pub fn here(model: &Model) -> Option<Entry<'_>> {
    list(model)?.here(model)
}

/// The cause that the object under the cursor has there.
pub fn cause_of<'m>(model: &'m Model, object: &ObjectRef) -> Option<&'m Text> {
    let entry = here(model).filter(|e| e.object() == object)?;
    Some(match entry {
        Entry::Incident(i) => &i.cause,
        Entry::Finding(f) => &f.cause,
    })
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
    control::begin(model, action, target.into(), Params::new())
}

/// Lines that all cards of the overview's pane take, as far as so many.
pub fn wanted(model: &Model, columns: usize, most: usize) -> usize {
    let entries = entries(model, &Of::Incidents);
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
