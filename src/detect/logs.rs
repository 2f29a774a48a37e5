//! Which tails of logs to fetch: one a workload, container and restart, a few at a time.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::judge::log::{Answers, Want, read};
use crate::world::ask::LogTail;
use crate::world::{ObjectRef, Text, Time};

/// Tails fetched at the same time.
const IN_FLIGHT: usize = 4;

#[derive(Debug, Default)]
pub struct LogBook {
    pub answers: Answers,
    queue: VecDeque<Want>,
    /// By tail: what it is for.
    flying: HashMap<LogTail, Want>,
    asked: HashSet<(ObjectRef, Text, u32)>,
}

impl LogBook {
    pub fn want(&mut self, want: Want) {
        let key = (want.root.clone(), want.tail.container.clone(), want.restarts);
        if self.asked.insert(key) {
            self.queue.push_back(want);
        }
    }

    /// Tails to fetch now; each must be answered with `settle`, with its text or the error.
    pub fn take(&mut self) -> Vec<LogTail> {
        let mut out = Vec::new();
        while self.flying.len() < IN_FLIGHT {
            let Some(want) = self.queue.pop_front() else { break };
            if !self.flying.contains_key(&want.tail) {
                out.push(want.tail.clone());
                self.flying.insert(want.tail.clone(), want);
            }
        }
        out
    }

    /// Takes an answer in; the workload whose pods are to be judged again.
    pub fn settle(&mut self, tail: &LogTail, answer: Result<&str, &str>, now: Time) -> Option<ObjectRef> {
        let want = self.flying.remove(tail)?;
        self.answers.put(&want.root, &tail.container, read(&tail.pod, want.restarts, answer, now));
        Some(want.root)
    }

    /// Forgets what was asked and answered about a workload that is well or gone.
    pub fn forget(&mut self, root: &ObjectRef) {
        if !self.asked.is_empty() {
            self.asked.retain(|(r, _, _)| r != root);
            self.answers.forget(root);
            self.queue.retain(|w| w.root != *root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_tails_fly_at_once_and_each_is_asked_for_once() {
        let mut book = LogBook::default();
        let want = |i: usize| Want {
            root: ObjectRef::new(crate::world::Kind::Deployment, "prod", format!("d{i}")),
            restarts: 3,
            tail: LogTail {
                namespace: "prod".into(),
                pod: format!("p{i}").into(),
                container: "c".into(),
                previous: true,
                tail: 50,
            },
        };
        for i in 0..6 {
            book.want(want(i));
            book.want(want(i));
        }
        let first = book.take();
        assert_eq!(first.len(), 4);
        assert!(book.take().is_empty());
        let root = book.settle(&first[0], Ok("Cannot find module 'x'"), Time(1));
        assert_eq!(root, Some(want(0).root));
        assert_eq!(book.take().len(), 1);
        assert_eq!(book.answers.get(&want(0).root, &"c".into()).unwrap().restarts, 3);
        book.want(want(0));
        assert_eq!(book.queue.len(), 1, "asked again for the same restart");
    }
}
