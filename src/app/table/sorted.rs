//! Makes the order of many rows in portions, so that nobody waits for a large one.

use std::cmp::Ordering;

use super::order::{Key, Order};
use crate::app::cell::Prefix;
use crate::world::Slot;

/// Runs of rows are sorted as they are added, and merged little by little.
#[derive(Debug)]
pub struct Builder {
    /// Sorted rows, the first one last.
    runs: Vec<Vec<Mark>>,
    /// Runs with rows left, the one with the first row last.
    heads: Vec<usize>,
    order: Order,
    begun: bool,
}

/// What mostly decides alone where a row stands.
#[derive(Clone, Copy, Debug)]
struct Mark {
    prefix: Prefix,
    place: u32,
    slot: Slot,
}

/// The order of two rows whose keys are known.
fn compare(order: &Order, a: &Mark, b: &Mark) -> Ordering {
    let decided = a.prefix.cmp(&b.prefix);
    if decided != Ordering::Equal {
        return decided;
    }
    match Key::by_place(a.place, b.place) {
        Some(decided @ (Ordering::Less | Ordering::Greater)) if a.prefix.whole() => decided,
        _ => order.compare(a.slot, b.slot),
    }
}

impl Builder {
    pub fn new(descending: bool) -> Builder {
        Builder { runs: Vec::new(), heads: Vec::new(), order: Order::new(descending), begun: false }
    }

    /// Adds rows in any order.
    pub fn add(&mut self, rows: Vec<(Slot, Key)>) {
        if rows.is_empty() {
            return;
        }
        let mut run = Vec::with_capacity(rows.len());
        for (slot, key) in rows {
            run.push(Mark { prefix: self.order.prefix(&key), place: key.place(), slot });
            self.order.announce(slot, key);
        }
        // Rows often come sorted by name: a stable sort makes use of it.
        run.sort_by(|a, b| compare(&self.order, b, a));
        self.runs.push(run);
    }

    /// Puts a run where its first row says among the others.
    fn seat(&mut self, run: usize) {
        let Some(first) = self.runs[run].last() else { return };
        let at = self.heads.partition_point(|h| {
            self.runs[*h].last().is_some_and(|head| compare(&self.order, head, first) == Ordering::Greater)
        });
        self.heads.insert(at, run);
    }

    /// Merges at most so many rows; true when all are in order.
    pub fn merge(&mut self, most: usize) -> bool {
        if !std::mem::replace(&mut self.begun, true) {
            (0..self.runs.len()).for_each(|run| self.seat(run));
        }
        for _ in 0..most {
            let Some(run) = self.heads.pop() else { break };
            if let Some(mark) = self.runs[run].pop() {
                self.order.append(mark.slot);
                self.seat(run);
            }
        }
        self.heads.is_empty()
    }

    /// What was merged so far.
    pub fn done(self) -> Order {
        self.order
    }
}
