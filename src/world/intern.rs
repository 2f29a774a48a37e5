//! Interning: one shared copy of each string that many records hold, such as namespaces, nodes, images and
//! reasons.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// A shared, immutable string.
pub type Text = Arc<str>;

/// Holds one `Arc` for each distinct value. Each decoder owns one, so no lock is needed.
#[derive(Debug)]
pub struct Interner<T: ?Sized = str> {
    seen: HashSet<Arc<T>>,
    /// The number of values after the last prune; the next prune comes at twice that.
    floor: usize,
}

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Interner { seen: HashSet::new(), floor: 1024 }
    }
}

impl<T: ?Sized + Eq + Hash> Interner<T> {
    /// The `Arc` that equals `value`; created on first use.
    pub fn get<Q>(&mut self, value: Q) -> Arc<T>
    where
        Q: Borrow<T> + Into<Arc<T>>,
    {
        if let Some(have) = self.seen.get(value.borrow()) {
            return have.clone();
        }
        if self.seen.len() > self.floor * 2 {
            self.prune();
        }
        let new: Arc<T> = value.into();
        self.seen.insert(new.clone());
        new
    }

    /// Drops values that no record uses any more.
    pub fn prune(&mut self) {
        self.seen.retain(|v| Arc::strong_count(v) > 1);
        self.floor = self.seen.len().max(1024);
    }

    /// The number of stored values.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether no value is stored.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_and_unused_ones_go() {
        let mut i: Interner = Interner::default();
        let a = i.get("prod");
        let b = i.get(String::from("prod"));
        assert!(Arc::ptr_eq(&a, &b));
        i.get("gone");
        i.prune();
        assert_eq!(i.len(), 1);
    }
}
