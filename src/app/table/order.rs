//! Rows in order, kept so by each change: no row list is sorted again because one row moved.

use std::cmp::Ordering;

use super::sorted::Words;
use crate::app::table::cell::{Prefix, Value, natural};
use crate::world::{Slot, Text};

/// Rows in a block at most; a full one splits in two.
const BLOCK: usize = 512;

/// A row whose place among the names is not known.
pub const UNRANKED: u32 = u32::MAX;

/// By what rows are ordered, besides their values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Way {
    pub descending: bool,
    /// By the objects' own names: values count for nothing, places are those among the names alone.
    pub named: bool,
}

impl Way {
    fn turned(self, order: Ordering) -> Ordering {
        if self.descending { order.reverse() } else { order }
    }
}

/// Where a row stands: the sorted column's value, then namespace, name and slot so that no two rows are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its place by its names among the ranked rows: saves comparing texts.
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

    /// The same, to be compared by its texts alone: places are learned anew.
    pub(super) fn unranked(&self) -> Key {
        Key { place: UNRANKED, ..self.clone() }
    }

    /// What decides first, by itself.
    pub(super) fn mark(&self, slot: Slot, way: Way, words: &Words) -> Mark {
        let prefix = match (way, words.rank(&self.value)) {
            (Way { named: true, .. }, _) => Prefix::LAST,
            (_, Some(rank)) => Prefix::ranked(rank),
            _ => self.value.prefix(),
        };
        Mark { prefix: if way.descending { prefix.reversed() } else { prefix }, place: self.place, slot }
    }

    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    fn cmp(&self, other: &Key, way: Way) -> Ordering {
        if way.named {
            let by_name =
                || text(&self.name, &other.name).then_with(|| text(&self.namespace, &other.namespace));
            return way.turned(by_place(self.place, other.place).unwrap_or_else(by_name));
        }
        let none = |k: &Key| k.value == Value::None;
        none(self).cmp(&none(other)).then_with(|| way.turned(self.value.cmp(&other.value))).then_with(|| {
            by_place(self.place, other.place).unwrap_or_else(|| {
                text(&self.namespace, &other.namespace).then_with(|| text(&self.name, &other.name))
            })
        })
    }
}

/// The order of two rows by their names, where the places of both are known.
fn by_place(a: u32, b: u32) -> Option<Ordering> {
    (a != UNRANKED && b != UNRANKED).then(|| a.cmp(&b))
}

/// Namespaces are shared by their objects: most comparisons are of one text with itself.
fn text(a: &Text, b: &Text) -> Ordering {
    if Text::ptr_eq(a, b) { Ordering::Equal } else { natural(a, b) }
}

/// What mostly decides alone where a row stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    prefix: Prefix,
    place: u32,
    pub slot: Slot,
}

/// A sorted list in blocks: insert and remove touch one block, finding the n-th row walks the block lengths.
#[derive(Debug, Default)]
pub struct Order {
    blocks: Vec<Vec<Slot>>,
    /// The key each slot was put in with; what is not listed has none.
    keys: Vec<Option<Key>>,
    len: usize,
    way: Way,
}

impl Order {
    pub fn new(way: Way) -> Order {
        Order { way, ..Order::default() }
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
        self.key(a).map_or(Ordering::Equal, |k| k.cmp(key, self.way)).then(a.cmp(&slot))
    }

    /// The mark of a row that was announced.
    pub(super) fn mark(&self, slot: Slot, words: &Words) -> Option<Mark> {
        Some(self.key(slot)?.mark(slot, self.way, words))
    }

    /// The order of two rows that were announced.
    pub(super) fn compare(&self, a: &Mark, b: &Mark) -> Ordering {
        let decided = a.prefix.cmp(&b.prefix);
        if decided != Ordering::Equal {
            return decided;
        }
        match by_place(a.place, b.place).filter(|_| a.prefix.whole()) {
            // Names are turned with the values they are; below values they are not.
            Some(Ordering::Less | Ordering::Greater) if self.way.named => {
                self.way.turned(a.place.cmp(&b.place))
            }
            Some(decided @ (Ordering::Less | Ordering::Greater)) => decided,
            _ => self.key(b.slot).map_or(Ordering::Equal, |key| self.against(a.slot, key, b.slot)),
        }
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

    /// Rows with numbers, with a few texts alike at their beginnings, with none.
    fn value(value: i64) -> Value {
        match value {
            -1 => Value::None,
            n if n % 2 == 0 => Value::Num(n),
            n => Value::Text(format!("gke-inference-prod-europe-west4-a100-pool-{n}").into()),
        }
    }

    /// Events about one object share its name: a third of the rows do here. Some know their place among the names.
    fn key(of: i64, name: u32) -> Key {
        let place = if name.is_multiple_of(2) { name / 3 } else { UNRANKED };
        Key::new(value(of), place, "ns".into(), format!("pod-{}", name / 3).into())
    }

    proptest! {
        /// Any puts, moves and removals leave the order a plain sort of what is in it gives; so does a large table
        /// made in portions.
        #[test]
        fn changes_keep_the_order_a_sort_would_give(
            ops in prop::collection::vec((0u32..1500, -1i64..20, prop::bool::weighted(0.8)), 0..3000),
            descending: bool,
            named: bool,
        ) {
            let way = Way { descending, named };
            let mut order = Order::new(way);
            let mut truth = std::collections::HashMap::new();
            for (slot, value, put) in ops {
                if put {
                    order.put(Slot(slot), key(value, slot));
                    truth.insert(slot, value);
                } else {
                    prop_assert_eq!(order.remove(Slot(slot)), truth.remove(&slot).is_some());
                }
            }
            let mut builder = Builder::new(way);
            truth.iter().for_each(|(s, v)| builder.add(Slot(*s), key(*v, *s)));
            while !builder.step(97) {}
            let merged: Vec<Slot> = builder.done().range(0).collect();

            let mut want: Vec<(u32, i64)> = truth.into_iter().collect();
            want.sort_by(|(a, of_a), (b, of_b)| {
                // "pod-9" before "pod-10": names sort as their numbers here.
                let by_name = (a / 3).cmp(&(b / 3));
                let (x, y) = (value(*of_a), value(*of_b));
                let by_value = match (&x, &y) {
                    (Value::None, _) | (_, Value::None) => (x == Value::None).cmp(&(y == Value::None)),
                    _ if descending => y.cmp(&x),
                    _ => x.cmp(&y),
                };
                match named {
                    true if descending => by_name.reverse(),
                    true => by_name,
                    false => by_value.then(by_name),
                }
                .then(a.cmp(b))
            });
            let want: Vec<Slot> = want.into_iter().map(|(slot, _)| Slot(slot)).collect();
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
