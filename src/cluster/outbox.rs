//! The bounded queue between the watches and the main task. It merges the changes of an object while nobody
//! reads.
//!
//! Each object waits at most once: the latest state, preceded by the delete of the state the reader has. A
//! slow reader gets the present state, not every step. A delete that the reader must see is never merged
//! away.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::world::{Delta, Kind, ObjectRef, Record, StreamId, StreamState, Text, Time, Uid};

/// The number of entries at which writers wait; about 20 MB of large pods.
const CAPACITY: usize = 16 << 10;

/// Totals since the start.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counters {
    /// Objects received as added or changed.
    pub applied: u64,
    /// Objects received as deleted.
    pub deleted: u64,
    /// Changes that a later change of the same object replaced before they were read.
    pub merged: u64,
    /// Objects or events skipped because they could not be decoded.
    pub unreadable: u64,
    /// Full lists begun.
    pub lists: u64,
    /// Connections lost and made again.
    pub reconnects: u64,
}

#[derive(Debug, Default)]
pub struct Outbox {
    state: Mutex<State>,
    /// Wakes the reader.
    ready: Notify,
    /// Wakes the writers.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// `None` where the entry was taken out or moved to the back.
    queue: VecDeque<Option<Entry>>,
    /// The absolute index of the queue's front.
    front: u64,
    waiting: usize,
    objects: HashMap<ObjectRef, u64>,
    lists: HashMap<(Kind, Text), u64>,
    states: HashMap<StreamId, u64>,
    current: HashMap<StreamId, StreamState>,
    counters: Counters,
}

#[derive(Debug)]
enum Entry {
    /// A delete, an apply, or both. The delete comes first.
    Object {
        delete: Option<(ObjectRef, Uid)>,
        apply: Option<Record>,
    },
    Other(Delta),
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues the changes of one stream. It waits while too many entries are unread.
    pub async fn push(&self, kind: &Kind, namespace: &Text, deltas: Vec<Delta>) {
        if deltas.is_empty() {
            return;
        }
        loop {
            let room = self.room.notified();
            {
                let mut state = self.lock();
                if state.waiting < CAPACITY {
                    for delta in deltas {
                        state.put(kind, namespace, delta);
                    }
                    break;
                }
            }
            room.await;
        }
        self.ready.notify_one();
    }

    /// Queues the new state of a stream. It never waits.
    pub fn set_state(&self, id: &StreamId, now: StreamState, at: Time) {
        self.lock().set_state(id, now, at);
        self.ready.notify_one();
    }

    /// Sets the new state of every stream for which `change` returns one.
    pub fn change_states(&self, at: Time, change: impl Fn(&StreamState) -> Option<StreamState>) {
        let mut state = self.lock();
        let all: Vec<(StreamId, StreamState)> =
            state.current.iter().filter_map(|(id, s)| change(s).map(|n| (id.clone(), n))).collect();
        for (id, now) in all {
            state.set_state(&id, now, at);
        }
        drop(state);
        self.ready.notify_one();
    }

    pub fn count(&self, add: impl FnOnce(&mut Counters)) {
        add(&mut self.lock().counters);
    }

    pub fn counters(&self) -> Counters {
        self.lock().counters
    }

    /// The changes since the last call, oldest first, about `limit` at most. It waits for the first one.
    pub async fn take(&self, limit: usize) -> Vec<Delta> {
        loop {
            let ready = self.ready.notified();
            let out = self.lock().take(limit);
            if !out.is_empty() {
                self.room.notify_waiters();
                return out;
            }
            ready.await;
        }
    }
}

impl State {
    fn push(&mut self, entry: Entry) -> u64 {
        self.queue.push_back(Some(entry));
        self.waiting += 1;
        self.front + self.queue.len() as u64 - 1
    }

    fn remove(&mut self, at: u64) -> Option<Entry> {
        let entry = self.queue.get_mut((at - self.front) as usize)?.take();
        self.waiting -= usize::from(entry.is_some());
        entry
    }

    fn put(&mut self, kind: &Kind, namespace: &Text, delta: Delta) {
        match delta {
            Delta::Apply(record) => {
                self.counters.applied += 1;
                let object = record.object().reference();
                self.merge_object(kind, namespace, object, |delete, apply| (delete, apply.replace(record)));
            }
            Delta::Delete { object, uid } => {
                self.counters.deleted += 1;
                let key = object.clone();
                self.merge_object(kind, namespace, key, |delete, apply| {
                    let unread = apply.take();
                    // If a delete already waits, the reader never saw the unread apply: apply and delete
                    // cancel out. Otherwise the reader may have an earlier state.
                    (delete.or(Some((object, uid))), unread)
                });
            }
            Delta::ListStart { .. } => {
                let key = (kind.clone(), namespace.clone());
                if let Some(old) = self.lists.get(&key).copied() {
                    self.remove(old);
                }
                let at = self.push(Entry::Other(delta));
                self.lists.insert(key, at);
            }
            other => {
                self.push(Entry::Other(other));
            }
        }
    }

    /// Merges a change into the entry of an object. `change` gets the waiting delete and apply, stores the
    /// new apply, and returns the new delete and the apply it replaced.
    fn merge_object(
        &mut self,
        kind: &Kind,
        namespace: &Text,
        object: ObjectRef,
        change: impl FnOnce(
            Option<(ObjectRef, Uid)>,
            &mut Option<Record>,
        ) -> (Option<(ObjectRef, Uid)>, Option<Record>),
    ) {
        let have = self.objects.get(&object).copied();
        // The end of a list removes every object that the list did not name. An entry from before the start
        // of the list must therefore move behind it. Any other entry stays in place.
        let start = self.lists.get(&(kind.clone(), namespace.clone())).copied();
        let stays = have.filter(|at| start.is_none_or(|start| *at > start));
        let (mut delete, mut apply) = match have.and_then(|at| self.remove(at)) {
            Some(Entry::Object { delete, apply }) => (delete, apply),
            _ => (None, None),
        };
        let overtaken;
        (delete, overtaken) = change(delete, &mut apply);
        self.counters.merged += u64::from(overtaken.is_some());
        drop(overtaken);
        let entry = Entry::Object { delete, apply };
        match stays {
            Some(at) => {
                if let Some(place) = self.queue.get_mut((at - self.front) as usize) {
                    *place = Some(entry);
                    self.waiting += 1;
                }
            }
            None => {
                let at = self.push(entry);
                self.objects.insert(object, at);
            }
        }
    }

    fn set_state(&mut self, id: &StreamId, now: StreamState, at: Time) {
        if self.current.get(id) == Some(&now) {
            return;
        }
        self.current.insert(id.clone(), now.clone());
        if let Some(old) = self.states.get(id).copied() {
            self.remove(old);
        }
        let place = self.push(Entry::Other(Delta::Stream { id: id.clone(), state: now, at }));
        self.states.insert(id.clone(), place);
    }

    fn take(&mut self, limit: usize) -> Vec<Delta> {
        let mut out = Vec::with_capacity(self.waiting.min(limit));
        while out.len() < limit {
            let Some(entry) = self.queue.pop_front() else { break };
            let at = self.front;
            self.front += 1;
            let Some(entry) = entry else { continue };
            self.waiting -= 1;
            match entry {
                Entry::Object { delete, apply } => {
                    let key = match (&delete, &apply) {
                        (Some((object, _)), _) => Some(object.clone()),
                        (None, Some(record)) => Some(record.object().reference()),
                        (None, None) => None,
                    };
                    if let Some(key) = key {
                        self.objects.remove(&key);
                    }
                    out.extend(delete.map(|(object, uid)| Delta::Delete { object, uid }));
                    out.extend(apply.map(Delta::Apply));
                }
                Entry::Other(delta) => {
                    match &delta {
                        Delta::ListStart { kind, namespace } => {
                            let key = (kind.clone(), namespace.clone());
                            if self.lists.get(&key) == Some(&at) {
                                self.lists.remove(&key);
                            }
                        }
                        Delta::Stream { id, .. } if self.states.get(id) == Some(&at) => {
                            self.states.remove(id);
                        }
                        _ => {}
                    }
                    out.push(delta);
                }
            }
        }
        if self.queue.is_empty() {
            // A first list grows the tables; release that memory.
            self.queue.shrink_to(1024);
            self.objects.shrink_to(1024);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::world::{Meta, Pod, World};

    fn pod(name: &str, uid: u32, note: u32) -> Delta {
        Delta::Apply(Record::Pod(Box::new(Pod {
            meta: Meta {
                namespace: "n".into(),
                name: name.into(),
                uid: Uid::Uuid(u128::from(uid) + 1),
                ..Meta::default()
            },
            message: note.to_string().into(),
            ..Pod::default()
        })))
    }

    fn gone(name: &str, uid: u32) -> Delta {
        Delta::Delete { object: ObjectRef::new(Kind::Pod, "n", name), uid: Uid::Uuid(u128::from(uid) + 1) }
    }

    fn put(outbox: &Outbox, deltas: impl IntoIterator<Item = Delta>) {
        let mut state = outbox.lock();
        for d in deltas {
            state.put(&Kind::Pod, &Text::default(), d);
        }
    }

    #[test]
    fn an_unread_object_waits_once_and_its_predecessors_delete_is_kept() {
        let outbox = Outbox::default();
        put(&outbox, [pod("a", 1, 0)]);
        assert_eq!(outbox.lock().take(10), [pod("a", 1, 0)]);
        // Deleted, recreated, changed, deleted, recreated: all before the reader reads.
        put(
            &outbox,
            [pod("a", 1, 1), gone("a", 1), pod("a", 2, 2), pod("a", 2, 3), gone("a", 2), pod("a", 3, 4)],
        );
        assert_eq!(outbox.lock().take(10), [gone("a", 1), pod("a", 3, 4)]);
        assert_eq!(outbox.counters().merged, 3);
    }

    #[test]
    fn a_state_from_before_a_list_does_not_get_swept_by_it() {
        let (kind, namespace) = (Kind::Pod, Text::default());
        let start = Delta::ListStart { kind: kind.clone(), namespace: namespace.clone() };
        let end = Delta::ListEnd { kind, namespace };
        let outbox = Outbox::default();
        put(&outbox, [pod("a", 1, 0), start.clone(), pod("a", 1, 1), end.clone(), pod("a", 1, 2)]);
        assert_eq!(outbox.lock().take(10), [start, pod("a", 1, 2), end]);
    }

    #[tokio::test]
    async fn writers_wait_for_a_slow_reader_and_go_on_when_it_reads() {
        let outbox = std::sync::Arc::new(Outbox::default());
        put(&outbox, (0..CAPACITY as u32).map(|i| pod(&i.to_string(), i, 0)));
        let writer = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.push(&Kind::Pod, &Text::default(), vec![pod("late", 1, 0)]).await }
        });
        tokio::task::yield_now().await;
        assert!(!writer.is_finished());
        assert_eq!(outbox.take(100).await.len(), 100);
        writer.await.unwrap();
        assert_eq!(outbox.lock().waiting, CAPACITY - 100 + 1);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Apply(u8),
        Recreate(u8),
        Delete(u8),
        /// A full list; the flag says whether it breaks off once in the middle.
        Relist(bool),
        Read(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..6u8).prop_map(Step::Apply),
            2 => (0..6u8).prop_map(Step::Recreate),
            2 => (0..6u8).prop_map(Step::Delete),
            1 => any::<bool>().prop_map(Step::Relist),
            3 => (1..20usize).prop_map(Step::Read),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// However slowly the reader reads and whatever is relisted in between, the World ends equal to the
        /// cluster, and the reader saw every delete it had to see.
        #[test]
        fn the_world_ends_as_the_cluster_is(steps in steps()) {
            let (kind, namespace) = (Kind::Pod, Text::default());
            let (outbox, mut world, mut changes) = (Outbox::default(), World::new(), Vec::new());
            let mut cluster: std::collections::BTreeMap<u8, (u32, u32)> = Default::default();
            let (mut uid, mut note) = (0, 0);
            let mut read = |limit: usize, world: &mut World| {
                for d in outbox.lock().take(limit) {
                    world.apply(d, &mut changes);
                }
            };
            for step in steps {
                note += 1;
                match step {
                    Step::Apply(n) => {
                        let have = cluster.entry(n).or_insert_with(|| { uid += 1; (uid, 0) });
                        have.1 = note;
                        put(&outbox, [pod(&n.to_string(), have.0, note)]);
                    }
                    Step::Recreate(n) => {
                        uid += 1;
                        let old = cluster.insert(n, (uid, note));
                        let name = n.to_string();
                        put(&outbox, old.map(|(u, _)| gone(&name, u)));
                        put(&outbox, [pod(&name, uid, note)]);
                    }
                    Step::Delete(n) => {
                        if let Some((u, _)) = cluster.remove(&n) {
                            put(&outbox, [gone(&n.to_string(), u)]);
                        }
                    }
                    Step::Relist(breaks) => {
                        // An object was deleted while no watch was open.
                        cluster.pop_first();
                        let start = || Delta::ListStart { kind: kind.clone(), namespace: namespace.clone() };
                        let all = || cluster.iter().map(|(n, (u, m))| pod(&n.to_string(), *u, *m));
                        if breaks {
                            put(&outbox, std::iter::once(start()).chain(all().take(2)));
                        }
                        put(&outbox, std::iter::once(start()).chain(all()));
                        put(&outbox, [Delta::ListEnd { kind: kind.clone(), namespace: namespace.clone() }]);
                    }
                    Step::Read(limit) => read(limit, &mut world),
                }
                prop_assert!(outbox.lock().waiting <= 6 + 400);
            }
            read(usize::MAX, &mut world);
            let have: std::collections::BTreeMap<u8, (Uid, String)> = world
                .pods
                .values()
                .map(|p| (p.meta.name.parse().unwrap(), (p.meta.uid.clone(), p.message.to_string())))
                .collect();
            let want: std::collections::BTreeMap<u8, (Uid, String)> = cluster
                .iter()
                .map(|(n, (u, m))| (*n, (Uid::Uuid(u128::from(*u) + 1), m.to_string())))
                .collect();
            prop_assert_eq!(have, want);
            let state = outbox.lock();
            prop_assert!(state.objects.is_empty() && state.lists.is_empty() && state.waiting == 0);
        }
    }
}
