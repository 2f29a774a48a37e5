//! Makes the order of many rows in portions, so that nobody waits for a large one.

use std::cmp::Ordering;

use hashbrown::HashMap;

use super::order::{Key, Mark, Order, Way};
use crate::app::table::cell::{Value, natural};
use crate::world::{Slot, Text};

/// Rows are added, then sorted in runs, then the runs are merged.
#[derive(Debug)]
pub struct Builder {
    order: Order,
    words: Words,
    /// Rows in no run yet.
    left: Vec<Slot>,
    /// Sorted rows, the first one last.
    runs: Vec<Vec<Mark>>,
    /// Runs with rows left, the one with the first row last.
    heads: Vec<usize>,
}

impl Builder {
    pub fn new(way: Way) -> Builder {
        Builder {
            order: Order::new(way),
            words: Words::default(),
            left: Vec::new(),
            runs: Vec::new(),
            heads: Vec::new(),
        }
    }

    /// Adds a row; in any order, all of them before the first step.
    pub fn add(&mut self, slot: Slot, key: Key) {
        self.words.see(key.value());
        self.order.announce(slot, key);
        self.left.push(slot);
    }

    /// Sorts or merges at most so many rows; true when all are in order.
    pub fn step(&mut self, most: usize) -> bool {
        if self.left.is_empty() {
            return self.merge(most);
        }
        self.words.settle();
        let rest = self.left.len().saturating_sub(most);
        let portion = self.left.split_off(rest);
        let mut run: Vec<Mark> =
            portion.into_iter().filter_map(|slot| self.order.mark(slot, &self.words)).collect();
        // Rows often come sorted by name: a stable sort makes use of it.
        run.sort_by(|a, b| self.order.compare(b, a));
        self.runs.push(run);
        self.seat(self.runs.len() - 1);
        false
    }

    /// Puts a run where its first row says among the others.
    fn seat(&mut self, run: usize) {
        let Some(first) = self.runs[run].last() else { return };
        let at = self.heads.partition_point(|h| {
            self.runs[*h].last().is_some_and(|head| self.order.compare(head, first) == Ordering::Greater)
        });
        self.heads.insert(at, run);
    }

    fn merge(&mut self, most: usize) -> bool {
        for _ in 0..most {
            let Some(run) = self.heads.pop() else { break };
            if let Some(mark) = self.runs[run].pop() {
                self.order.append(mark.slot);
                self.seat(run);
            }
        }
        self.heads.is_empty()
    }

    /// The rows in order, so far as they were merged.
    pub fn done(self) -> Order {
        self.order
    }
}

/// The different texts of a column. There are few of them as a rule (nodes, namespaces, states), and alike at their
/// beginnings: once each is ranked, no row's text is compared again.
#[derive(Debug, Default)]
pub(super) struct Words {
    ids: HashMap<Text, u32>,
    ranks: Vec<u32>,
    /// Nearly every row has its own.
    many: bool,
}

impl Words {
    /// More are not ranked: that would take longer than a frame may.
    const MOST: usize = 8192;

    fn see(&mut self, value: &Value) {
        let Some(text) = value.as_text().filter(|_| !self.many) else { return };
        if !self.ids.contains_key(text) {
            let text = if let Value::Text(text) = value { text.clone() } else { text.into() };
            self.ids.insert(text, self.ids.len() as u32);
            self.many = self.ids.len() > Words::MOST;
        }
    }

    /// Ranks what was seen.
    fn settle(&mut self) {
        if self.many || self.ranks.len() == self.ids.len() {
            return;
        }
        let mut texts: Vec<(&Text, u32)> = self.ids.iter().map(|(text, id)| (text, *id)).collect();
        texts.sort_by(|a, b| natural(a.0, b.0));
        self.ranks = vec![0; texts.len()];
        for (rank, (_, id)) in (0u32..).zip(texts) {
            self.ranks[id as usize] = rank;
        }
    }

    /// The rank of a value that is a text, where all of them are ranked.
    pub(super) fn rank(&self, value: &Value) -> Option<u32> {
        let text = value.as_text().filter(|_| !self.many)?;
        self.ids.get(text).and_then(|id| self.ranks.get(*id as usize)).copied()
    }
}
