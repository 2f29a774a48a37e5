//! A table's rows made anew, in portions with frames and keys in between: after a filter, a sort, a namespace.

use std::collections::BTreeSet;

use super::Table;
use super::order::{Key, Order, UNRANKED, Way};
use super::sorted::Builder;
use crate::app::table::cell::Value;
use crate::app::table::cx::Cx;
use crate::world::{Kind, Slot};

/// Rows looked at in one go.
const PORTION: usize = 4096;
/// Rows put in order in one go.
const SORTED: usize = 8192;

/// What a rebuild is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum For {
    Rows,
    /// The places by name and namespace.
    Named,
    /// The places by namespace and name.
    Housed,
}

/// A new order on its way, while the one before is shown.
#[derive(Debug)]
pub(super) struct Rebuild {
    of: For,
    /// Rows still to be looked at, the next one last.
    left: Vec<Slot>,
    builder: Builder,
    /// Rows that changed meanwhile: they are looked at once more at the end. Of places only those that may be another
    /// object's now.
    changed: BTreeSet<Slot>,
    /// The places by name and namespace, once they are known.
    named: Vec<u32>,
}

impl Rebuild {
    fn new(of: For, left: Vec<Slot>, way: Way) -> Box<Rebuild> {
        Box::new(Rebuild {
            of,
            left,
            builder: Builder::new(way),
            changed: BTreeSet::new(),
            named: Vec::new(),
        })
    }

    /// The row of this slot changed meanwhile, of the same object or not. True where it is placed at the end.
    pub fn defers(&mut self, slot: Slot, same: bool) -> bool {
        let rows = self.of == For::Rows;
        if rows || !same {
            self.changed.insert(slot);
        }
        rows
    }
}

/// Where each slot's row stands among the names. Learned for a large table once its rows stand, so that neither names
/// nor rows of one value need be compared by their texts whenever it is sorted.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By name, then namespace.
    named: Vec<u32>,
    /// By namespace, then name.
    housed: Vec<u32>,
}

impl Places {
    pub fn of(&self, slot: Slot, named: bool) -> u32 {
        place_in(if named { &self.named } else { &self.housed }, slot)
    }

    /// Another object may have taken the slot.
    pub fn forget(&mut self, slot: Slot) {
        for places in [&mut self.named, &mut self.housed] {
            if let Some(place) = places.get_mut(slot.0 as usize) {
                *place = UNRANKED;
            }
        }
    }
}

fn place_in(places: &[u32], slot: Slot) -> u32 {
    places.get(slot.0 as usize).copied().unwrap_or(UNRANKED)
}

/// The place in an order of each slot that is known.
fn numbered(order: &Order, known: impl Fn(Slot) -> bool) -> Vec<u32> {
    let mut places = Vec::new();
    for (place, slot) in (0u32..).zip(order.range(0)) {
        let i = slot.0 as usize;
        if places.len() <= i {
            places.resize(i + 1, UNRANKED);
        }
        places[i] = if known(slot) { place } else { UNRANKED };
    }
    places
}

/// Frees what many rows took in a thread of its own: a hundred thousand keys take longer than a frame may.
fn let_go(rows: usize, what: impl Send + 'static) {
    if rows > PORTION {
        std::thread::spawn(move || drop(what));
    }
}

impl Table {
    /// Builds the rows anew: after a filter, a sort, a namespace. A large table goes on in `work`.
    pub fn rebuild(&mut self, cx: &Cx<'_>) {
        let mut left = self.source.candidates(cx);
        left.reverse();
        let small = left.len() <= PORTION;
        let rebuild = Rebuild::new(For::Rows, left, self.way());
        let_go(self.order.len(), self.rebuild.replace(rebuild));
        self.inside.clear();
        self.total = 0;
        self.work(cx);
        while small && self.at_work() {
            self.work(cx);
        }
    }

    /// Whether a new order is on its way.
    pub fn at_work(&self) -> bool {
        self.rebuild.is_some()
    }

    /// One portion of a rebuild under way. True when the new order stands.
    pub fn work(&mut self, cx: &Cx<'_>) -> bool {
        let Some(mut rebuild) = self.rebuild.take() else { return false };
        if rebuild.left.is_empty() {
            if rebuild.builder.step(SORTED) {
                return self.finish(cx, *rebuild);
            }
        } else {
            let rest = rebuild.left.len().saturating_sub(PORTION);
            let portion = rebuild.left.split_off(rest);
            let mut text = String::new();
            for slot in portion.into_iter().rev() {
                let key = match rebuild.of {
                    For::Rows => self.row_key(cx, slot, &mut text),
                    For::Named => self.name_key(cx, slot, None),
                    For::Housed => self.name_key(cx, slot, Some(&rebuild.named)),
                };
                if let Some(key) = key {
                    rebuild.builder.add(slot, key);
                }
            }
        }
        self.rebuild = Some(rebuild);
        false
    }

    /// The key of a row that is listed.
    fn row_key(&mut self, cx: &Cx<'_>, slot: Slot, text: &mut String) -> Option<Key> {
        let within = self.source.lists(cx, &self.namespaces, slot);
        self.note_inside(slot, within);
        (within && self.keeps(cx, slot, text)).then(|| self.key(cx, slot))?
    }

    /// What tells a row's place among the names: by name, or by namespace where its place by name is known.
    fn name_key(&self, cx: &Cx<'_>, slot: Slot, named: Option<&Vec<u32>>) -> Option<Key> {
        let meta = self.source.meta(cx, slot)?;
        let (value, place) = match named {
            Some(named) => (&meta.namespace, place_in(named, slot)),
            None => (&meta.name, UNRANKED),
        };
        Some(Key::new(Value::Text(value.clone()), place, meta.namespace.clone(), meta.name.clone()))
    }

    /// Takes what was built. True where it is the order of the rows.
    fn finish(&mut self, cx: &Cx<'_>, rebuild: Rebuild) -> bool {
        let order = rebuild.builder.done();
        if rebuild.of == For::Rows {
            self.install(cx, order, rebuild.changed);
            return true;
        }
        let places = numbered(&order, |slot| !rebuild.changed.contains(&slot));
        if rebuild.of == For::Named {
            let mut next = Rebuild::new(For::Housed, order.range(0).collect(), Way::default());
            (next.named, next.changed) = (places, rebuild.changed);
            self.rebuild = Some(next);
        } else {
            self.places = Places { named: rebuild.named, housed: places };
            // Also those that became another object's after their names were ranked.
            rebuild.changed.iter().for_each(|slot| self.places.forget(*slot));
            // The rows stand by their texts, or by places that count no longer.
            self.rebuild(cx);
        }
        let_go(order.len(), order);
        false
    }

    fn install(&mut self, cx: &Cx<'_>, order: Order, changed: BTreeSet<Slot>) {
        let before = std::mem::replace(&mut self.order, order);
        let_go(before.len(), before);
        for slot in changed {
            self.place(cx, slot);
        }
        if self.cursor.is_some_and(|c| !self.order.contains(c)) {
            self.cursor = None;
        }
        self.seek_again(cx);
        self.settle();
        let unranked = |s: &Slot| self.places.of(*s, false) == UNRANKED;
        self.unranked = self.order.range(0).filter(unranked).count();
        self.learn_places();
    }

    /// Learns where the rows stand among the names, once too many of a large table are new.
    pub(super) fn learn_places(&mut self) {
        let rows = self.order.len();
        if rows > PORTION
            && self.unranked > rows / 8
            && self.rebuild.is_none()
            && self.source.kind != Kind::Event
        {
            self.unranked = 0;
            self.rebuild = Some(Rebuild::new(For::Named, self.order.range(0).collect(), Way::default()));
        }
    }
}
