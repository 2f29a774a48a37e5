//! A table of the records of one kind, with stable slots and lookup by namespace and name.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::record::Object;

/// The index of a record in its table. It is stable while the record exists and may be reused afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Slot(pub u32);

#[derive(Debug)]
struct Entry<T> {
    record: T,
    /// The list pass that last named the record.
    seen: u32,
}

/// The records of one kind.
#[derive(Debug)]
pub struct Table<T> {
    entries: Vec<Option<Entry<T>>>,
    free: Vec<Slot>,
    /// Slots by namespace and name. The records hold the keys.
    names: HashTable<Slot>,
    hasher: DefaultHashBuilder,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            entries: Vec::new(),
            free: Vec::new(),
            names: HashTable::new(),
            hasher: <_>::default(),
            len: 0,
        }
    }
}

impl<T: Object> Table<T> {
    /// The number of records.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The record in a slot.
    pub fn get(&self, slot: Slot) -> Option<&T> {
        self.entries.get(slot.0 as usize)?.as_ref().map(|e| &e.record)
    }

    /// The slot of the record with this namespace and name.
    pub fn slot(&self, namespace: &str, name: &str) -> Option<Slot> {
        let hash = self.hasher.hash_one((namespace, name));
        self.names.find(hash, |s| self.is(*s, namespace, name)).copied()
    }

    /// The record with this namespace and name.
    pub fn find(&self, namespace: &str, name: &str) -> Option<&T> {
        self.get(self.slot(namespace, name)?)
    }

    /// The records with their slots, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        (0u32..).zip(&self.entries).filter_map(|(i, e)| e.as_ref().map(|e| (Slot(i), &e.record)))
    }

    /// The records, in slot order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, r)| r)
    }

    fn is(&self, slot: Slot, namespace: &str, name: &str) -> bool {
        self.get(slot).is_some_and(|r| &*r.meta().namespace == namespace && &*r.meta().name == name)
    }

    /// Stores the record. Returns its slot and the record it replaced.
    pub(super) fn put(&mut self, record: T, pass: u32) -> (Slot, Option<T>) {
        let (namespace, name) = (record.meta().namespace.clone(), record.meta().name.clone());
        if let Some(slot) = self.slot(&namespace, &name)
            && let Some(entry) = self.entries[slot.0 as usize].as_mut()
        {
            entry.seen = pass;
            return (slot, Some(std::mem::replace(&mut entry.record, record)));
        }
        let entry = Some(Entry { record, seen: pass });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot.0 as usize] = entry;
                slot
            }
            None => {
                self.entries.push(entry);
                // Memory ends long before 4 billion objects of one kind.
                Slot((self.entries.len() - 1) as u32)
            }
        };
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash = hasher.hash_one((&*namespace, &*name));
        self.names.insert_unique(hash, slot, |s| match &entries[s.0 as usize] {
            Some(e) => hasher.hash_one((&*e.record.meta().namespace, &*e.record.meta().name)),
            None => 0,
        });
        self.len += 1;
        (slot, None)
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<T> {
        let meta = self.get(slot)?.meta();
        let hash = self.hasher.hash_one((&*meta.namespace, &*meta.name));
        if let Ok(found) = self.names.find_entry(hash, |s| *s == slot) {
            found.remove();
        }
        let entry = self.entries[slot.0 as usize].take()?;
        self.free.push(slot);
        self.len -= 1;
        Some(entry.record)
    }

    /// The slots of `namespace` (empty: all) that were last named before `pass`.
    pub(super) fn unseen(&self, pass: u32, namespace: &str) -> Vec<Slot> {
        (0u32..)
            .zip(&self.entries)
            .filter(|(_, e)| {
                e.as_ref().is_some_and(|e| {
                    e.seen < pass && (namespace.is_empty() || &*e.record.meta().namespace == namespace)
                })
            })
            .map(|(i, _)| Slot(i))
            .collect()
    }
}
