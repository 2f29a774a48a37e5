//! Makes the rows of short lists from the model.

use crate::app::core::model::{Model, View};
use crate::app::dialogs::batch::{Fate, Phase};
use crate::app::table::cell::{Cell, Value};
use crate::app::table::filter::Filter;
use crate::app::table::shape::{Shape, number, shape};
use crate::app::views::list::{List, Row, What};
use crate::app::views::trees;
use crate::detect::{Finding, How, Severity, State};
use crate::world::{Kind, Object, StreamId, StreamState, Text};

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
        What::Rollout(_) => trees::ROLLOUT,
        What::Timeline => crate::app::views::timeline::SHAPES,
        What::Evidence(_) => crate::app::views::evidence::SHAPES,
        What::Contexts => CONTEXTS,
        What::Journal => RUNS,
        What::Namespaces => NAMESPACES,
        What::Streams => STREAMS,
        // Two lines each, drawn in their own way.
        What::Findings => &[],
    }
}

/// The names of a list's columns, for its file and for a filter that compares one.
pub fn names(what: &What) -> Vec<&'static str> {
    match what {
        What::Findings => vec!["SEVERITY", "SINCE", "OBJECT", "FINDING", "COUNT"],
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
    /// are drawn at each change: of thousands of findings or GPUs only those on the screen are made.
    pub fn rows_in_sight(&self, list: &List) -> (Vec<Row>, usize) {
        if list.at_rest() && list.filter.is_empty() {
            match list.what {
                What::Findings => {
                    return (self.finding_rows(list.height), self.data.detector.findings().len());
                }
                What::Gpus => return crate::app::views::gpus::rows(self, list.height),
                _ => {}
            }
        }
        let rows = self.rows(&list.what, &list.filter);
        let total = rows.len();
        (rows, total)
    }

    /// The rows of a list, filtered by what was typed.
    pub fn rows(&self, what: &What, filter: &str) -> Vec<Row> {
        let mut rows = match what {
            What::Findings => self.finding_rows(usize::MAX),
            What::Gpus => crate::app::views::gpus::rows(self, usize::MAX).0,
            What::Containers(pod) => trees::containers(self, pod),
            What::Rollout(workload) => trees::rollout(self, workload),
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
            What::Findings => "findings",
            What::Gpus => "GPUs",
            _ => "rows",
        };
        format!("None of {} {rows} matches{note}. esc clears the filter.", all.len())
    }

    fn emptiness(&self, what: &What) -> &'static str {
        match what {
            What::Findings if self.data.world.synced(&Kind::Pod) && self.unheard(&Kind::Pod) => {
                "Nothing was found wrong while the cluster still answered. It does not now."
            }
            What::Findings if self.data.world.synced(&Kind::Pod) => "Nothing found wrong.",
            What::Findings => self.unlisted(
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
        crate::app::views::gpus::memory_percent(&self.data.telemetry)
    }

    /// Critical findings and warnings.
    pub fn finding_counts(&self) -> (usize, usize) {
        let counted =
            |s| self.data.detector.findings().iter().filter(|f| f.counts() && f.severity == s).count();
        (counted(Severity::Critical), counted(Severity::Warning))
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
            let rows = self.rows(&l.what, &l.filter);
            if let Some(View::List(l)) = self.views.last_mut() {
                l.settle(&rows);
            }
        }
        for pane in [What::Findings, What::Gpus] {
            let list = if pane == What::Gpus { &self.overview.gpus } else { &self.overview.findings };
            // Rows are made for it only where they can move it.
            if list.at_rest() {
                continue;
            }
            let rows = self.rows(&pane, "");
            let list = if pane == What::Gpus { &mut self.overview.gpus } else { &mut self.overview.findings };
            list.settle(&rows);
        }
    }

    fn finding_rows(&self, most: usize) -> Vec<Row> {
        let findings = self.data.detector.findings().iter().take(most);
        findings
            .map(|f| {
                let (sign, scope) = match (f.state, f.severity) {
                    _ if f.is(How::Muted) => (Value::Sign("muted", "muted"), "text.dim"),
                    (State::Pending, _) => (Value::Sign("pending", "pending"), "finding.pending"),
                    (State::Resolving, _) => (Value::Sign("resolving", "resolving"), "finding.resolving"),
                    _ if f.is(How::Acknowledged) => {
                        (Value::Sign("acknowledged", "acknowledged"), "finding.acknowledged")
                    }
                    (_, Severity::Critical) => (Value::Sign("critical", "critical"), "finding.critical"),
                    (_, Severity::Warning) => (Value::Sign("warning", "warning"), "finding.warning"),
                    (_, Severity::Info) => (Value::Sign("info", "info"), "finding.info"),
                };
                let fix = f.fix();
                Row {
                    id: finding_id(f),
                    object: Some(fix.clone()),
                    cells: vec![
                        Cell::new(sign, scope),
                        Cell::dim(Value::Age(f.since)),
                        Cell::new(Value::Text(place(f).into()), scope),
                        Cell::plain(Value::Text(sentence(f).into())),
                        Cell::dim(Value::Num(f.count.into())),
                    ],
                    indent: 0,
                }
            })
            .collect()
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
        self.data
            .world
            .streams
            .iter()
            .map(|(id, s)| {
                let name = match id {
                    StreamId::Watch { kind, namespace } if namespace.is_empty() => kind.plural().to_owned(),
                    StreamId::Watch { kind, namespace } => format!("{} in {namespace}", kind.plural()),
                    StreamId::Telemetry(name) => name.to_string(),
                };
                let why = match &s.state {
                    StreamState::Reconnecting { why, .. }
                    | StreamState::Polled { why }
                    | StreamState::Forbidden { why }
                    | StreamState::Unsupported { why } => why.clone(),
                    _ => "".into(),
                };
                let scope = if s.state.is_live() { "status.ok" } else { "status.pending" };
                Row {
                    id: name.as_str().into(),
                    object: None,
                    cells: vec![
                        Cell::plain(Value::Text(name.into())),
                        Cell::new(Value::Text(s.state.to_string().into()), scope),
                        Cell::dim(Value::Age(s.since)),
                        Cell::plain(Value::text(&why)),
                    ],
                    indent: 0,
                }
            })
            .collect()
    }
}

/// The same line as long as the trouble is the same, whichever rule tells of it.
pub fn finding_id(f: &Finding) -> Text {
    format!("{} {}", f.key.family, f.key.root).into()
}

/// The finding's sentence; who has it and why it is quiet come first.
fn sentence(f: &Finding) -> String {
    match &f.quiet {
        None => f.title.clone(),
        Some(q) if q.who.is_empty() => format!("{} · {}", q.reason, f.title),
        Some(q) => format!("{}: {} · {}", q.who, q.reason, f.title),
    }
}

/// What to fix, as operators say it: a Deployment with a stuck rollout is `rollout prod/api`.
fn place(f: &Finding) -> String {
    let o = f.fix();
    match o.kind {
        Kind::Deployment if f.cause.starts_with("rollout.") || f.cause.starts_with("image.") => {
            format!("rollout {}/{}", o.namespace, o.name)
        }
        _ => o.to_string(),
    }
}
