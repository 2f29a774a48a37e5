//! Makes the rows of short lists from the model.

use crate::app::core::model::{Model, View};
use crate::app::dialogs::batch::{Fate, Phase};
use crate::app::table::cell::{Cell, Value};
use crate::app::table::filter::Filter;
use crate::app::table::shape::{Shape, number, shape};
use crate::app::views::incidents;
use crate::app::views::list::{List, Row, What};
use crate::app::views::pulses;
use crate::app::views::trees;
use crate::detect::{Finding, How};
use crate::world::{Kind, Object, StreamId, StreamState, Text, Time};

static NAMESPACES: &[Shape] =
    &[shape("NAMESPACE", 10, 60, 100), number("PODS", 4, 7, 90), shape("STATUS", 6, 12, 50)];
static CONTEXTS: &[Shape] = &[shape("CONTEXT", 10, 60, 100), shape("SERVER", 10, 80, 80)];
static RUNS: &[Shape] =
    &[shape("ACTION", 20, 80, 100), shape("STATE", 8, 12, 90), shape("RESULT", 20, 200, 80)];
static STREAMS: &[Shape] = &[
    shape("STREAM", 10, 40, 100),
    shape("STATE", 8, 14, 90),
    number("FOR", 4, 8, 50),
    shape("WHY", 8, 120, 80),
];

pub fn shapes(what: &What) -> &'static [Shape] {
    match what {
        What::Gpus => crate::app::views::gpus::SHAPES,
        What::Containers(_) => trees::CONTAINERS,
        What::Rollout(_) | What::Xray => trees::ROLLOUT,
        What::Pulses => pulses::SHAPES,
        What::Timeline => crate::app::views::timeline::SHAPES,
        What::Evidence(_) => crate::app::views::evidence::SHAPES,
        What::Contexts => CONTEXTS,
        What::Journal => RUNS,
        What::Namespaces => NAMESPACES,
        What::Streams => STREAMS,
        // Cards have no columns on the screen.
        What::Incidents | What::Incident(_) | What::Findings => &[],
    }
}

/// The names of a list's columns, for its file and for a filter that compares one.
pub fn names(what: &What) -> Vec<&'static str> {
    match what {
        What::Incidents => vec!["SEVERITY", "SINCE", "OBJECT", "INCIDENT", "FINDINGS", "CAUSE"],
        What::Incident(_) | What::Findings => {
            vec!["SEVERITY", "SINCE", "OBJECT", "FINDING", "COUNT", "CAUSE"]
        }
        what => shapes(what).iter().map(|s| &*s.name).collect(),
    }
}

/// What a list's filter means.
pub fn filter(what: &What, text: &str) -> Filter {
    let names = names(what);
    Filter::parse(text, |name| names.iter().any(|n| n.eq_ignore_ascii_case(name)))
}

impl Model {
    /// The rows of a list from its first to the last that shows, and how many there are. The panes of the overview
    /// are drawn at each change: of thousands of GPUs only those on the screen are made.
    pub fn rows_in_sight(&self, list: &List) -> (Vec<Row>, usize) {
        if list.what == What::Gpus && list.at_rest() && list.filter.is_empty() {
            return crate::app::views::gpus::rows(self, list.height);
        }
        let rows = self.rows(&list.what, &list.filter);
        let total = rows.len();
        (rows, total)
    }

    /// The rows of a list, filtered by what was typed.
    pub fn rows(&self, what: &What, filter: &str) -> Vec<Row> {
        let mut rows = match what {
            What::Incidents | What::Incident(_) | What::Findings => {
                return incidents::entries(self, what, filter).into_iter().map(|e| e.row(self)).collect();
            }
            What::Gpus => crate::app::views::gpus::rows(self, usize::MAX).0,
            What::Containers(pod) => trees::containers(self, pod),
            What::Rollout(workload) => trees::rollout(self, workload),
            What::Xray => trees::xray(self),
            What::Pulses => pulses::rows(&self.data.cx()),
            What::Timeline => return crate::app::views::timeline::rows(self, filter),
            What::Evidence(key) => crate::app::views::evidence::rows(self, key),
            What::Contexts => self.context_rows(),
            What::Journal => self.run_rows(),
            What::Namespaces => self.namespace_rows(),
            What::Streams => self.stream_rows(),
        };
        if !filter.is_empty() {
            let (now, names, filter) = (self.data.now, names(what), self::filter(what, filter));
            rows.retain(|r| filter.passes(&names, &r.cells, now));
        }
        rows
    }

    /// What a list without rows says instead of nothing.
    pub fn empty_list(&self, list: &List) -> String {
        let what = &list.what;
        let all = if list.filter.is_empty() { Vec::new() } else { self.rows(what, "") };
        if all.is_empty() {
            return self.emptiness(what).to_owned();
        }
        let names = names(what);
        let note = match filter(what, &list.filter) {
            _ if *what == What::Timeline => None,
            Filter { note: Some(note), .. } => Some(note),
            filter => filter.column().and_then(|name| {
                let at = names.iter().position(|n| n.eq_ignore_ascii_case(name))?;
                let valued = |r: &Row| r.cells.get(at).is_some_and(|c| c.value != Value::None);
                (!all.iter().any(valued)).then(|| format!("{} has no value in any row", names[at]))
            }),
        };
        let note = note.map_or(String::new(), |note| format!(" ({note})"));
        let rows = match what {
            What::Incidents => "incidents",
            What::Findings | What::Incident(_) => "findings",
            What::Gpus => "GPUs",
            _ => "rows",
        };
        format!("None of {} {rows} matches{note}. esc clears the filter.", all.len())
    }

    fn emptiness(&self, what: &What) -> &'static str {
        match what {
            What::Incidents | What::Findings if self.data.world.synced(&Kind::Pod) && self.unheard(&Kind::Pod) => {
                "Nothing was found wrong while the cluster still answered. It does not now."
            }
            What::Incidents | What::Findings if self.data.world.synced(&Kind::Pod) => "No incident.",
            What::Incident(_) => "It is over. The timeline has it, and `:report` writes it down.",
            What::Incidents | What::Findings => self.unlisted(
                &Kind::Pod,
                "khud may not list pods here, so it finds little. Where a namespace may be listed, `:ns NAME` does.",
            ),
            What::Gpus if self.data.world.synced(&Kind::Node) => "No GPUs: no node has any.",
            What::Gpus => {
                self.unlisted(&Kind::Node, "khud may not list nodes here, so it knows of no GPUs.")
            }
            What::Journal => "Nothing was done in this session. `khud journal` shows all of them.",
            What::Evidence(_) => "It is over: khud no longer holds its proof. The timeline has it.",
            What::Timeline => "Nothing on the timeline, or nothing in this window.",
            _ => "Nothing here.",
        }
    }

    /// Whether nothing is heard of a kind now: what is known of it is old.
    fn unheard(&self, kind: &Kind) -> bool {
        let of = |id: &StreamId| matches!(id, StreamId::Watch { kind: k, .. } if k == kind);
        let streams = self.data.world.streams.iter().filter(|(id, _)| of(id));
        let old = |s: &StreamState| matches!(s, StreamState::Stale { .. } | StreamState::Reconnecting { .. });
        streams.map(|(_, s)| &s.state).any(old)
    }

    /// Why a kind's list is not there: a lasting reason is no promise.
    fn unlisted(&self, kind: &Kind, forbidden: &'static str) -> &'static str {
        let of = |id: &StreamId| matches!(id, StreamId::Watch { kind: k, .. } if k == kind);
        let streams = self.data.world.streams.iter().filter(|(id, _)| of(id));
        match streams.map(|(_, s)| &s.state).next() {
            Some(StreamState::Forbidden { .. }) => forbidden,
            Some(StreamState::Reconnecting { .. } | StreamState::Stale { .. }) => {
                "The cluster does not answer. khud keeps trying; ctrl-r tries at once."
            }
            _ => "Looking…",
        }
    }

    /// Memory in use on all GPUs that report it, in percent.
    pub fn gpu_memory_percent(&self) -> Option<u64> {
        crate::app::views::gpus::memory_percent(&self.data.world.readings)
    }

    /// Keeps every cursor in its window, after sizes or rows changed.
    pub fn settle(&mut self) {
        for table in self.overview.tables() {
            table.settle();
        }
        match self.views.last_mut() {
            Some(View::Table(t)) => t.settle(),
            Some(View::Text(t)) => t.settle(),
            _ => {}
        }
        if let View::List(l) = self.view() {
            if l.what.cards() {
                let offset = incidents::settle(self, l);
                if let Some(View::List(l)) = self.views.last_mut() {
                    l.offset = offset;
                }
            } else {
                let rows = self.rows(&l.what, &l.filter);
                if let Some(View::List(l)) = self.views.last_mut() {
                    l.settle(&rows);
                }
            }
        }
        // Rows are made for the panes only where they can move them.
        if !self.overview.findings.at_rest() {
            self.overview.findings.offset = incidents::settle(self, &self.overview.findings);
        }
        if !self.overview.gpus.at_rest() {
            let rows = self.rows(&What::Gpus, "");
            self.overview.gpus.settle(&rows);
        }
    }

    /// Findings that are muted.
    pub fn muted(&self) -> usize {
        self.data.detector.findings().iter().filter(|f| f.is(How::Muted)).count()
    }

    fn context_rows(&self) -> Vec<Row> {
        let rows = self.contexts.iter().map(|(name, server)| {
            let here = *name == self.cluster.context;
            Row {
                id: name.as_str().into(),
                object: None,
                cells: vec![
                    Cell::new(Value::Text(name.as_str().into()), if here { "status.ok" } else { "text" }),
                    Cell::dim(Value::Text(server.as_str().into())),
                ],
                indent: 0,
            }
        });
        rows.collect()
    }

    /// What was done in this session, newest first.
    fn run_rows(&self) -> Vec<Row> {
        let single = self.runs.iter().map(|r| {
            let report = r.run.report();
            let (state, scope) = match report.outcome {
                Some(o) if o.exit_code() == 0 => (o.as_str(), "success"),
                Some(o) => (o.as_str(), "status.bad"),
                None => ("under way", "status.pending"),
            };
            let result = if report.outcome.is_some() { report.reason } else { r.run.progress().line };
            let row = Row {
                id: r.id.to_string().into(),
                object: Some(report.target),
                cells: vec![
                    Cell::plain(Value::Text(r.title.as_str().into())),
                    Cell::new(Value::Word(state), scope),
                    Cell::plain(Value::Text(result.into())),
                ],
                indent: 0,
            };
            (r.id, row)
        });
        let many = self.batches.iter().map(|b| {
            let (state, scope) = match b.phase() {
                Phase::Planning | Phase::Going => ("under way", "status.pending"),
                Phase::Asking | Phase::Halted => ("asks you", "status.bad"),
                Phase::Over if b.count(Fate::Done) == b.items.len() => ("verified", "success"),
                Phase::Over => ("not all", "status.bad"),
            };
            let row = Row {
                id: b.id.to_string().into(),
                object: None,
                cells: vec![
                    Cell::plain(Value::Text(b.title.as_str().into())),
                    Cell::new(Value::Word(state), scope),
                    Cell::plain(Value::Text(b.summary().into())),
                ],
                indent: 0,
            };
            (b.id, row)
        });
        let mut rows: Vec<(u64, Row)> = single.chain(many).collect();
        rows.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        rows.into_iter().map(|(_, row)| row).collect()
    }

    fn namespace_rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self
            .data
            .world
            .namespaces
            .values()
            .map(|n| Row {
                id: n.meta.name.clone(),
                object: Some(n.reference()),
                cells: vec![
                    Cell::plain(Value::text(&n.meta.name)),
                    Cell::plain(Value::None),
                    Cell::dim(Value::text(&n.phase)),
                ],
                indent: 0,
            })
            .collect();
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        rows
    }

    fn stream_rows(&self) -> Vec<Row> {
        let now = self.data.now;
        let watched = self.data.world.streams.iter().map(|(id, s)| {
            let name = match id {
                StreamId::Watch { kind, namespace } if namespace.is_empty() => kind.plural().to_owned(),
                StreamId::Watch { kind, namespace } => format!("{} in {namespace}", kind.plural()),
                StreamId::Telemetry(name) => name.to_string(),
            };
            (name, s.state.clone(), Some(s.since))
        });
        let measured = self.data.world.readings.states(now).into_iter().map(|(name, state)| {
            let since = match &state {
                StreamState::Stale { since } | StreamState::Reconnecting { at: since, .. } => Some(*since),
                _ => None,
            };
            (name.to_string(), state, since)
        });
        let row = |(name, state, since): (String, StreamState, Option<Time>)| {
            let why = match &state {
                StreamState::Reconnecting { why, .. }
                | StreamState::Polled { why }
                | StreamState::Forbidden { why }
                | StreamState::Unsupported { why } => why.clone(),
                _ => "".into(),
            };
            let scope = if state.is_live() { "status.ok" } else { "status.pending" };
            Row {
                id: name.as_str().into(),
                object: None,
                cells: vec![
                    Cell::plain(Value::Text(name.into())),
                    Cell::new(Value::Text(state.to_string().into()), scope),
                    Cell::dim(Value::age(since)),
                    Cell::plain(Value::text(&why)),
                ],
                indent: 0,
            }
        };
        watched.chain(measured).map(row).collect()
    }
}

/// The same line as long as the trouble is the same, whichever rule tells of it.
pub fn finding_id(f: &Finding) -> Text {
    format!("{} {}", f.key.family, f.key.root).into()
}
