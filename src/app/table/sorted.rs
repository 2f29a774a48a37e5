//! Makes the order of many rows in portions, so that nobody waits for a large one.

use std::cmp::Ordering;

use super::order::{Key, Order};
use crate::app::cell::Prefix;
use crate::world::Slot;

/// Runs of rows are sorted as they are added, and merged little by little.
#[derive(Debug)]
pub struct Builder {
    descending: bool,
    runs: Vec<Run>,
    /// Runs with rows left, the one with the first row last.
    heads: Vec<u32>,
    order: Option<Order>,
}

#[derive(Debug)]
struct Run {
    rows: Vec<(Slot, Option<Key>)>,
    /// The first row last.
    sorted: Vec<Mark>,
}

/// What mostly decides alone where a row of a run stands.
#[derive(Clone, Copy, Debug)]
struct Mark {
    prefix: Prefix,
    place: u32,
    row: u32,
}

impl Run {
    fn compare(&self, mark: &Mark, other: (&Run, &Mark), descending: bool) -> Ordering {
        let (run, than) = other;
        let decided = mark.prefix.cmp(&than.prefix);
        if decided != Ordering::Equal {
            return decided;
        }
        if mark.prefix.whole()
            && let Some(order @ (Ordering::Less | Ordering::Greater)) = Key::by_place(mark.place, than.place)
        {
            return order;
        }
        match (&self.rows[mark.row as usize], &run.rows[than.row as usize]) {
            ((a, Some(x)), (b, Some(y))) => x.cmp(y, descending).then(a.cmp(b)),
            // A row that was taken out stands in no run any more.
            _ => Ordering::Equal,
        }
    }
}

impl Builder {
    pub fn new(descending: bool) -> Builder {
        Builder { descending, runs: Vec::new(), heads: Vec::new(), order: None }
    }

    /// Adds rows in any order.
    pub fn add(&mut self, rows: Vec<(Slot, Key)>) {
        if rows.is_empty() {
            return;
        }
        let marks = (0u32..).zip(&rows).map(|(row, (_, key))| Mark {
            prefix: key.prefix(self.descending),
            place: key.place(),
            row,
        });
        let mut sorted: Vec<Mark> = marks.collect();
        let rows = rows.into_iter().map(|(slot, key)| (slot, Some(key))).collect();
        let mut run = Run { rows, sorted: Vec::new() };
        // Rows often come sorted by name: a stable sort makes use of it.
        sorted.sort_by(|a, b| run.compare(b, (&run, a), self.descending));
        run.sorted = sorted;
        self.runs.push(run);
    }

    /// The order of two runs by their first rows; one without rows is last.
    fn compare(&self, a: u32, b: u32) -> Ordering {
        let (a, b) = (&self.runs[a as usize], &self.runs[b as usize]);
        match (a.sorted.last(), b.sorted.last()) {
            (Some(x), Some(y)) => a.compare(x, (b, y), self.descending),
            (x, y) => x.is_none().cmp(&y.is_none()),
        }
    }

    /// Puts a run where its first row says among the others.
    fn seat(&mut self, run: u32) {
        let at = self.heads.partition_point(|h| self.compare(*h, run) == Ordering::Greater);
        self.heads.insert(at, run);
    }

    /// Merges at most so many rows; true when all are in order.
    pub fn merge(&mut self, most: usize) -> bool {
        let mut order = self.order.take().unwrap_or_else(|| {
            (0..self.runs.len() as u32).for_each(|run| self.seat(run));
            let rows = self.runs.iter().flat_map(|r| &r.rows);
            Order::with_room(self.descending, rows.map(|(slot, _)| *slot).max())
        });
        for _ in 0..most {
            let Some(at) = self.heads.pop() else { break };
            let run = &mut self.runs[at as usize];
            if let Some(mark) = run.sorted.pop()
                && let (slot, key) = &mut run.rows[mark.row as usize]
                && let Some(key) = key.take()
            {
                order.append(*slot, key);
            }
            if !run.sorted.is_empty() {
                self.seat(at);
            }
        }
        self.order = Some(order);
        self.heads.is_empty()
    }

    /// What was merged so far.
    pub fn done(self) -> Order {
        self.order.unwrap_or_else(|| Order::new(self.descending))
    }
}
