//! Short lists whose rows are made when needed: incidents, findings, GPUs, containers, contexts, the timeline.

use crate::app::table::GHOST;
use crate::app::table::cell::Cell;
use crate::detect::Key;
use crate::world::{Kind, ObjectRef, Text, Time};

/// What a list's rows are.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Incidents,
    /// The findings of the incident that has this one.
    Incident(Box<Key>),
    Findings,
    /// What proves a finding.
    Evidence(Box<Key>),
    Gpus,
    Timeline,
    Journal,
    Contexts,
    Namespaces,
    Streams,
    Containers(ObjectRef),
    Rollout(ObjectRef),
    /// All workloads with their pods, the sick ones opened.
    Xray,
    /// Each kind, with how many there are and how many are sick.
    Pulses,
}

/// One row. The cursor stays on its `id`, wherever the row moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub id: Text,
    pub object: Option<ObjectRef>,
    pub cells: Vec<Cell>,
    /// Columns the first cell is set in, for trees.
    pub indent: u16,
}

/// What a list is of, for its title and its file.
pub fn title(what: &What) -> String {
    match what {
        What::Namespaces => "namespaces".into(),
        What::Streams => "streams".into(),
        What::Incidents => "incidents".into(),
        What::Incident(key) => format!("incident of {}", key.root),
        What::Findings => "findings".into(),
        What::Gpus => "gpu memory".into(),
        What::Evidence(_) => "evidence: enter goes to where it was read".into(),
        What::Timeline => "timeline".into(),
        What::Journal => "journal".into(),
        What::Contexts => "contexts".into(),
        What::Containers(pod) => format!("containers of {pod}"),
        What::Rollout(workload) => format!("rollout of {workload}"),
        What::Xray => "xray".into(),
        What::Pulses => "pulses".into(),
    }
}

impl What {
    /// Whether its rows are cards.
    pub fn cards(&self) -> bool {
        matches!(self, What::Incidents | What::Incident(_) | What::Findings)
    }

    /// The kind whose changes it follows, and with which it grows old.
    pub fn follows(&self) -> Option<Kind> {
        match self {
            What::Incidents
            | What::Incident(_)
            | What::Findings
            | What::Containers(_)
            | What::Rollout(_)
            | What::Xray
            | What::Pulses => Some(Kind::Pod),
            What::Gpus => Some(Kind::Node),
            What::Namespaces => Some(Kind::Namespace),
            What::Evidence(_) | What::Timeline | What::Journal | What::Contexts | What::Streams => None,
        }
    }
}

#[derive(Debug)]
pub struct List {
    pub what: What,
    cursor: Option<Text>,
    index: usize,
    pub offset: usize,
    /// Columns scrolled out on the left.
    pub left: usize,
    /// Rows that show; of a list of cards, lines.
    pub height: usize,
    /// Columns that show, where rows are wrapped.
    pub width: usize,
    /// What is typed after `/`.
    pub filter: String,
    /// Rows whose objects are gone, where they last stood.
    pub ghosts: Vec<Ghost>,
}

/// A row whose object is gone, as it last looked.
#[derive(Clone, Debug)]
pub struct Ghost {
    pub row: Row,
    pub index: usize,
    pub until: Time,
}

impl List {
    pub fn new(what: What) -> List {
        List {
            what,
            cursor: None,
            index: 0,
            offset: 0,
            left: 0,
            height: 1,
            width: 80,
            filter: String::new(),
            ghosts: Vec::new(),
        }
    }

    /// Where the cursor stands among these rows: on its row, or where that row last was.
    pub fn index(&self, rows: &[Row]) -> usize {
        self.index_among(rows.len(), |id| rows.iter().position(|r| r.id == *id))
    }

    /// The same among so many rows that need not be made to find one by its id.
    pub fn index_among(&self, rows: usize, find: impl FnOnce(&Text) -> Option<usize>) -> usize {
        match &self.cursor {
            None => 0,
            Some(id) => find(id).unwrap_or(self.index.min(rows.saturating_sub(1))),
        }
    }

    /// Whether it stands at the top and was never moved: whatever the rows, there it stays.
    pub fn at_rest(&self) -> bool {
        self.cursor.is_none() && self.offset == 0
    }

    /// The row's object is about to go: where it is in sight it stays a while, greyed.
    pub fn mourn(&mut self, row: Row, index: usize, now: Time) {
        if (self.offset..self.offset + self.height).contains(&index) {
            self.ghosts.push(Ghost { row, index, until: now.plus(GHOST) });
        }
    }

    /// Lets go of what vanished a while ago; true where there was any.
    pub fn bury(&mut self, now: Time) -> bool {
        let before = self.ghosts.len();
        self.ghosts.retain(|g| g.until > now);
        self.ghosts.len() != before
    }

    pub fn step(&mut self, rows: &[Row], by: isize) {
        let last = rows.len().saturating_sub(1);
        self.jump(rows, self.index(rows).saturating_add_signed(by).min(last));
    }

    pub fn jump(&mut self, rows: &[Row], index: usize) {
        let index = index.min(rows.len().saturating_sub(1));
        self.cursor = rows.get(index).map(|r| r.id.clone());
        self.index = index;
        self.settle(rows);
    }

    pub fn top(&mut self) {
        self.cursor = None;
        self.index = 0;
        self.offset = 0;
    }

    pub fn select(&mut self, id: Text) {
        self.cursor = Some(id);
    }

    /// Puts the window on the cursor. The window of a list of cards is moved with their heights, in `Model::settle`.
    pub fn settle(&mut self, rows: &[Row]) {
        if self.what.cards() {
            return;
        }
        let (at, height) = (self.index(rows), self.height.max(1));
        if at < self.offset {
            self.offset = at;
        } else if at >= self.offset + height {
            self.offset = at + 1 - height;
        }
        self.offset = self.offset.min(rows.len().saturating_sub(height));
    }
}
