//! Events folded by object and reason, as an operator reads them: one line, how often, when last.

use std::collections::HashMap;

use crate::world::{ObjectRef, Slot, Text, Time, World};

#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    pub regarding: ObjectRef,
    pub reason: Text,
    pub warning: bool,
    /// How often, over all events folded in.
    pub count: u32,
    pub first: Time,
    pub last: Time,
    /// The newest event's words.
    pub note: Text,
    pub source: Text,
    /// The world's events in here.
    members: Vec<Slot>,
}

/// Every aggregate in a slot of its own, kept as events come and go.
#[derive(Debug, Default)]
pub struct Aggregates {
    rows: Vec<Option<Aggregate>>,
    free: Vec<Slot>,
    by_key: HashMap<(ObjectRef, Text), Slot>,
    of_event: HashMap<Slot, Slot>,
}

impl Aggregates {
    pub fn get(&self, slot: Slot) -> Option<&Aggregate> {
        self.rows.get(slot.0 as usize)?.as_ref()
    }

    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        (0u32..).zip(&self.rows).filter(|(_, r)| r.is_some()).map(|(i, _)| Slot(i))
    }

    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Takes in that the world's event in this slot was added, changed or removed, and names the aggregates that
    /// changed or went.
    pub fn touch(&mut self, world: &World, event: Slot) -> Vec<Slot> {
        let mut touched = Vec::new();
        let now = world.events.get(event).map(|e| (e.regarding.clone(), e.reason.clone()));
        let target = now.as_ref().and_then(|k| self.by_key.get(k).copied());
        if let Some(have) = self.of_event.get(&event).copied()
            && Some(have) != target
        {
            self.of_event.remove(&event);
            if let Some(Some(row)) = self.rows.get_mut(have.0 as usize) {
                row.members.retain(|m| *m != event);
            }
            self.refold(world, have);
            touched.push(have);
        }
        if let Some(key) = now {
            let slot = target.unwrap_or_else(|| self.insert(key));
            if self.of_event.insert(event, slot).is_none()
                && let Some(Some(row)) = self.rows.get_mut(slot.0 as usize)
            {
                row.members.push(event);
            }
            self.refold(world, slot);
            touched.push(slot);
        }
        touched
    }

    fn insert(&mut self, key: (ObjectRef, Text)) -> Slot {
        let row = Aggregate {
            regarding: key.0.clone(),
            reason: key.1.clone(),
            warning: false,
            count: 0,
            first: Time(0),
            last: Time(0),
            note: "".into(),
            source: "".into(),
            members: Vec::new(),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.rows[slot.0 as usize] = Some(row);
                slot
            }
            None => {
                self.rows.push(Some(row));
                // Bounded by the number of events held, far below 4 billion.
                Slot((self.rows.len() - 1) as u32)
            }
        };
        self.by_key.insert(key, slot);
        slot
    }

    /// Sums the members up again; an aggregate without any goes.
    fn refold(&mut self, world: &World, slot: Slot) {
        let Some(Some(row)) = self.rows.get_mut(slot.0 as usize) else { return };
        let members = row.members.iter().filter_map(|m| world.events.get(*m));
        let Some(newest) = members.clone().max_by_key(|e| e.last) else {
            let key = (row.regarding.clone(), row.reason.clone());
            self.by_key.remove(&key);
            self.rows[slot.0 as usize] = None;
            self.free.push(slot);
            return;
        };
        row.count = members.clone().map(|e| e.count.max(1)).sum();
        row.first = members.clone().map(|e| e.first).min().unwrap_or(newest.first);
        row.warning = members.clone().any(|e| e.warning);
        row.last = newest.last;
        row.note = newest.note.clone();
        row.source = newest.source.clone();
    }
}
