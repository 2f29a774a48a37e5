//! The number of elements in maps, lists and queues, read from their own fields.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::classes::Classes;
use super::hprof::Type;

/// The number of collections that are remembered.
const FULLEST: usize = 10_000;
/// Smaller collections are not remembered.
const ELEMENTS: u64 = 100;

/// Classes, and the field that counts their elements. Subclasses inherit it.
const KNOWN: [(&str, &str); 14] = [
    ("java.util.HashMap", "size"),
    ("java.util.TreeMap", "size"),
    ("java.util.Hashtable", "count"),
    ("java.util.IdentityHashMap", "size"),
    ("java.util.WeakHashMap", "size"),
    ("java.util.concurrent.ConcurrentHashMap", "baseCount"),
    ("java.util.ArrayList", "size"),
    ("java.util.LinkedList", "size"),
    ("java.util.Vector", "elementCount"),
    ("java.util.PriorityQueue", "size"),
    ("java.util.concurrent.ArrayBlockingQueue", "count"),
    ("java.util.concurrent.LinkedBlockingDeque", "count"),
    ("java.util.concurrent.PriorityBlockingQueue", "size"),
    ("com.google.common.collect.HashBiMap", "size"),
];

/// A collection or an array of references, with its number of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub elements: u64,
    pub number: u32,
    pub class: u32,
    /// For an array, `elements` is its length, null elements included.
    pub is_array: bool,
}

/// The largest collections.
pub struct Collections {
    /// Offset and type of the count, by class.
    counts: Vec<Option<(u32, Type)>>,
    fullest: BinaryHeap<Reverse<Found>>,
}

impl Collections {
    pub fn new(classes: &Classes) -> Collections {
        let known: Vec<(u32, &str)> =
            KNOWN.iter().filter_map(|(c, f)| Some((classes.by_name(c)?, *f))).collect();
        let count_of = |class: u32| {
            let ancestry = classes.ancestry(class);
            let (_, field) = known.iter().find(|(k, _)| ancestry.contains(k))?;
            classes.field(class, field).filter(|f| matches!(f.1.code, Type::INT | Type::LONG))
        };
        Collections {
            counts: (0..classes.all.len() as u32).map(count_of).collect(),
            fullest: BinaryHeap::new(),
        }
    }

    pub fn instance(&mut self, class: u32, number: u32, fields: &[u8]) {
        if let Some((offset, of)) = self.counts[class as usize] {
            let bytes = &fields[offset as usize..(offset + of.bytes) as usize];
            let elements = bytes.iter().fold(0, |sum, b| (sum << 8) | u64::from(*b));
            // A negative count is invalid.
            if elements < 1 << 31 {
                self.remember(Found { elements, number, class, is_array: false });
            }
        }
    }

    pub fn array(&mut self, class: u32, number: u32, length: u32) {
        self.remember(Found { elements: u64::from(length), number, class, is_array: true });
    }

    fn remember(&mut self, found: Found) {
        if found.elements >= ELEMENTS {
            self.fullest.push(Reverse(found));
            if self.fullest.len() > FULLEST {
                self.fullest.pop();
            }
        }
    }

    /// The largest collections, unsorted.
    pub fn found(&self) -> impl Iterator<Item = Found> + '_ {
        self.fullest.iter().map(|f| f.0)
    }
}
