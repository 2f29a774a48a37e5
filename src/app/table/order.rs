//! Rows in order, kept so by each change: no row list is sorted again because one row moved.

use std::cmp::Ordering;

use crate::app::cell::{Prefix, Value};
use crate::world::{Slot, Text};

/// Rows in a block at most; a full one splits in two.
const BLOCK: usize = 512;

/// A row whose place among the names is not known.
pub const UNRANKED: u32 = u32::MAX;

/// Where a row stands: the sorted column's value, then namespace, name and slot so that no two rows are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its place by namespace and name among the ranked rows: saves comparing texts.
    place: u32,
    value: Value,
    namespace: Text,
    name: Text,
}

impl Key {
    pub fn new(value: Value, place: u32, namespace: Text, name: Text) -> Key {
        Key { place, value, namespace, name }
    }

    /// Whether it was made of an object of this name.
    pub fn is_of(&self, namespace: &Text, name: &Text) -> bool {
        text(&self.name, name) == Ordering::Equal && text(&self.namespace, namespace) == Ordering::Equal
    }

    pub(super) fn place(&self) -> u32 {
        self.place
    }

    /// The order of two rows of one value, where the places of both are known.
    pub(super) fn by_place(a: u32, b: u32) -> Option<Ordering> {
        (a != UNRANKED && b != UNRANKED).then(|| a.cmp(&b))
    }

    fn cmp(&self, other: &Key, descending: bool) -> Ordering {
        let none = |k: &Key| k.value == Value::None;
        none(self)
            .cmp(&none(other))
            .then_with(|| match self.value.cmp(&other.value) {
                order if descending => order.reverse(),
                order => order,
            })
            .then_with(|| {
                Key::by_place(self.place, other.place).unwrap_or_else(|| {
                    text(&self.namespace, &other.namespace).then_with(|| text(&self.name, &other.name))
                })
            })
    }
}

/// Namespaces are shared by their objects: most comparisons are of one text with itself.
fn text(a: &Text, b: &Text) -> Ordering {
    if Text::ptr_eq(a, b) { Ordering::Equal } else { a.cmp(b) }
}

/// A sorted list in blocks: insert and remove touch one block, finding the n-th row walks the block lengths.
#[derive(Debug, Default)]
pub struct Order {
    blocks: Vec<Vec<Slot>>,
    /// The key each slot was put in with; what is not listed has none.
    keys: Vec<Option<Key>>,
    len: usize,
    descending: bool,
}

impl Order {
    pub fn new(descending: bool) -> Order {
        Order { descending, ..Order::default() }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn contains(&self, slot: Slot) -> bool {
        self.key(slot).is_some()
    }

    fn key(&self, slot: Slot) -> Option<&Key> {
        self.keys.get(slot.0 as usize)?.as_ref()
    }

    fn against(&self, a: Slot, key: &Key, slot: Slot) -> Ordering {
        self.key(a).map_or(Ordering::Equal, |k| k.cmp(key, self.descending)).then(a.cmp(&slot))
    }

    /// The order of two rows that have keys.
    pub(super) fn compare(&self, a: Slot, b: Slot) -> Ordering {
        self.key(b).map_or(Ordering::Equal, |key| self.against(a, key, b))
    }

    /// What decides first where a row of this key stands, and mostly alone.
    pub(super) fn prefix(&self, key: &Key) -> Prefix {
        let prefix = key.value.prefix();
        if self.descending { prefix.reversed() } else { prefix }
    }

    /// The block and the place in it where the row stands or would.
    fn place(&self, key: &Key, slot: Slot) -> (usize, usize) {
        let b = self
            .blocks
            .partition_point(|b| b.last().is_some_and(|s| self.against(*s, key, slot) == Ordering::Less))
            .min(self.blocks.len().saturating_sub(1));
        let at = self
            .blocks
            .get(b)
            .map_or(0, |block| block.partition_point(|s| self.against(*s, key, slot) == Ordering::Less));
        (b, at)
    }

    /// Puts the row where its key says, or moves it there. False where it already stood there.
    pub fn put(&mut self, slot: Slot, key: Key) -> bool {
        if self.key(slot) == Some(&key) {
            return false;
        }
        self.remove(slot);
        let (b, at) = self.place(&key, slot);
        match self.blocks.get_mut(b) {
            None => self.blocks.push(vec![slot]),
            Some(block) => {
                block.insert(at, slot);
                if block.len() > BLOCK {
                    let tail = block.split_off(BLOCK / 2);
                    self.blocks.insert(b + 1, tail);
                }
            }
        }
        self.announce(slot, key);
        self.len += 1;
        true
    }

    /// Says by which key a row goes, before it is put in.
    pub(super) fn announce(&mut self, slot: Slot, key: Key) {
        let i = slot.0 as usize;
        if self.keys.len() <= i {
            self.keys.resize(i + 1, None);
        }
        self.keys[i] = Some(key);
    }

    /// Puts a row that was announced at the end: it comes after all others.
    pub(super) fn append(&mut self, slot: Slot) {
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK / 2 => block.push(slot),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(slot);
                self.blocks.push(block);
            }
        }
        self.len += 1;
    }

    /// Takes the row out. False where it was not in.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let Some((b, at)) = self.find(slot) else { return false };
        self.blocks[b].remove(at);
        if self.blocks[b].is_empty() {
            self.blocks.remove(b);
        }
        self.keys[slot.0 as usize] = None;
        self.len -= 1;
        true
    }

    fn find(&self, slot: Slot) -> Option<(usize, usize)> {
        let (b, at) = self.place(self.key(slot)?, slot);
        (self.blocks.get(b)?.get(at) == Some(&slot)).then_some((b, at))
    }

    /// How many rows stand before it.
    pub fn index(&self, slot: Slot) -> Option<usize> {
        let (b, at) = self.find(slot)?;
        Some(self.blocks[..b].iter().map(Vec::len).sum::<usize>() + at)
    }

    pub fn get(&self, index: usize) -> Option<Slot> {
        self.range(index).next()
    }

    /// Rows from `start` on.
    pub fn range(&self, start: usize) -> impl Iterator<Item = Slot> {
        let (mut skip, mut first) = (start, self.blocks.len());
        for (i, block) in self.blocks.iter().enumerate() {
            if skip < block.len() {
                first = i;
                break;
            }
            skip -= block.len();
        }
        self.blocks[first..].iter().flatten().copied().skip(skip)
    }

    /// How many rows stand before where a row of this key and slot would.
    pub fn rank(&self, key: &Key, slot: Slot) -> usize {
        let (b, at) = self.place(key, slot);
        self.blocks.iter().take(b).map(Vec::len).sum::<usize>() + at
    }

    pub fn key_of(&self, slot: Slot) -> Option<&Key> {
        self.key(slot)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sorted::Builder;
    use super::*;

    fn key(value: i64, name: u32) -> Key {
        let value = if value < 0 { Value::None } else { Value::Num(value) };
        // Events about one object share its name: a third of the rows do here.
        // Some of them know their place among the names.
        let place = if name.is_multiple_of(2) { name / 3 } else { UNRANKED };
        Key::new(value, place, "ns".into(), format!("{:05}", name / 3).into())
    }

    proptest! {
        /// Any puts, moves and removals leave the order a plain sort of what is in it gives.
        #[test]
        fn changes_keep_the_order_a_sort_would_give(
            ops in prop::collection::vec((0u32..1500, -1i64..20, prop::bool::weighted(0.8)), 0..3000),
            descending: bool,
        ) {
            let mut order = Order::new(descending);
            let mut truth = std::collections::HashMap::new();
            for (slot, value, put) in ops {
                if put {
                    order.put(Slot(slot), key(value, slot));
                    truth.insert(slot, value);
                } else {
                    prop_assert_eq!(order.remove(Slot(slot)), truth.remove(&slot).is_some());
                }
            }
            let mut rows: Vec<_> = truth.iter().map(|(s, v)| (Slot(*s), key(*v, *s))).collect();
            // In portions, as large tables are.
            let mut builder = Builder::new(descending);
            rows.chunks(97).for_each(|c| builder.add(c.to_vec()));
            while !builder.merge(10) {}
            let merged: Vec<Slot> = builder.done().range(0).collect();
            rows.sort_by(|a, b| {
                let order = match (&a.1.value, &b.1.value) {
                    (Value::None, Value::None) => Ordering::Equal,
                    (Value::None, _) => Ordering::Greater,
                    (_, Value::None) => Ordering::Less,
                    (a, b) if descending => b.cmp(a),
                    (a, b) => a.cmp(b),
                };
                order.then_with(|| a.1.name.cmp(&b.1.name)).then(a.0.cmp(&b.0))
            });
            let want: Vec<Slot> = rows.iter().map(|(s, _)| *s).collect();
            prop_assert_eq!(merged, want.clone());
            prop_assert_eq!(order.range(0).collect::<Vec<_>>(), want.clone());
            prop_assert_eq!(order.len(), want.len());
            for (i, slot) in want.iter().enumerate().step_by(37) {
                prop_assert_eq!(order.index(*slot), Some(i));
                prop_assert_eq!(order.get(i), Some(*slot));
            }
        }
    }
}
