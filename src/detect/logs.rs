//! Which tails of logs to fetch: of a few pods of each workload once a restart, of running pods at most 30 a minute.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::judge::log::{Answers, Tail, Want, read, read_running};
use crate::world::ask::LogTail;
use crate::world::{Kind, ObjectRef, Text, Time};

/// Tails fetched at the same time.
const IN_FLIGHT: usize = 4;
/// Pods of one workload whose logs are read: more of them say the same.
const PODS: usize = 3;
/// How often a log is asked for where the answer was an error.
const TRIES: u32 = 2;

/// Tails of running containers that are fetched in a minute.
const A_MINUTE: usize = 30;
const MINUTE: Duration = Duration::from_secs(60);
/// Running containers that may wait for their turn; the judge asks again for those that are left out.
const WAITING: usize = 60;

/// What is asked of one container: its pod and its name.
type Source = (ObjectRef, Text);

/// A log that was asked for.
#[derive(Debug)]
struct Asked {
    /// The workload whose trouble it explains. It changes when the pod's owner becomes known.
    root: ObjectRef,
    restarts: u32,
    tries: u32,
}

#[derive(Debug, Default)]
pub struct LogBook {
    pub answers: Answers,
    queue: VecDeque<LogTail>,
    flying: Vec<LogTail>,
    asked: HashMap<Source, Asked>,
    /// Of running containers, whose turn comes after those that ended.
    running: VecDeque<Want>,
    running_flying: Vec<Want>,
    /// When the last tails of running containers were fetched.
    sent: VecDeque<Time>,
}

impl LogBook {
    /// Asks for a tail, unless it was asked for already or enough pods of its workload were. `true` where an answer
    /// that was read under another owner counts from now on.
    pub fn want(&mut self, want: Want) -> bool {
        if want.kind != Tail::Ended {
            let known = self.running.iter().chain(&self.running_flying).any(|w| w.tail == want.tail);
            if !known && (want.kind == Tail::Asked || self.running.len() < WAITING) {
                self.running.push_back(want);
            }
            return false;
        }
        let source = source(&want.tail);
        let mut adopted = false;
        if let Some(asked) = self.asked.get_mut(&source) {
            if asked.root != want.root {
                self.answers.adopt(&asked.root, &want.root, &want.tail.pod, &want.tail.container);
                asked.root = want.root;
                adopted = true;
            }
            if asked.restarts == want.restarts {
                return adopted;
            }
            asked.restarts = want.restarts;
            asked.tries = 0;
        } else {
            let of_workload = |(s, a): (&Source, &Asked)| a.root == want.root && s.1 == want.tail.container;
            if self.asked.iter().filter(|entry| of_workload(*entry)).count() >= PODS {
                return false;
            }
            self.asked.insert(source, Asked { root: want.root, restarts: want.restarts, tries: 0 });
        }
        self.queue.push_back(want.tail);
        adopted
    }

    /// Tails to fetch now; each must be answered with `settle`, with its text or the error.
    pub fn take(&mut self, now: Time) -> Vec<LogTail> {
        let mut out = Vec::new();
        while self.flying.len() < IN_FLIGHT {
            // A tail that is on its way is asked for again once it has landed.
            let next = self.queue.iter().position(|t| !self.flying.contains(t));
            let Some(tail) = next.and_then(|i| self.queue.remove(i)) else { break };
            out.push(tail.clone());
            self.flying.push(tail);
        }
        while self.sent.front().is_some_and(|at| now >= at.plus(MINUTE) || now < *at) {
            self.sent.pop_front();
        }
        while self.flying.len() + self.running_flying.len() < IN_FLIGHT {
            let spent = self.sent.len() >= A_MINUTE;
            let next = self.running.iter().position(|w| w.kind == Tail::Asked || !spent);
            let Some(want) = next.and_then(|i| self.running.remove(i)) else { break };
            if want.kind == Tail::Running {
                self.sent.push_back(now);
            }
            out.push(want.tail.clone());
            self.running_flying.push(want);
        }
        out
    }

    /// Takes an answer in; the workload whose pods are to be judged again.
    pub fn settle(&mut self, tail: &LogTail, answer: Result<&str, &str>, now: Time) -> Option<ObjectRef> {
        if let Some(at) = self.running_flying.iter().position(|w| w.tail == *tail) {
            let want = self.running_flying.swap_remove(at);
            let said = read_running(want.restarts, answer, now);
            self.answers.put_running(&want.root, &tail.container, said);
            return Some(want.root);
        }
        let at = self.flying.iter().position(|t| t == tail)?;
        self.flying.swap_remove(at);
        let asked = self.asked.get_mut(&source(tail))?;
        asked.tries += 1;
        if answer.is_err() && asked.tries < TRIES {
            self.queue.push_back(tail.clone());
            return None;
        }
        self.answers.put(&asked.root, &tail.container, read(&tail.pod, asked.restarts, answer, now));
        Some(asked.root.clone())
    }

    /// Whether a log that explains the workload is still to come.
    pub fn waits_for(&self, root: &ObjectRef) -> bool {
        let of_root = |t: &LogTail| self.asked.get(&source(t)).is_some_and(|a| a.root == *root);
        self.queue.iter().chain(&self.flying).any(of_root)
    }

    /// Whether what a running pod repeats is still to come. A log that is read once more keeps nobody waiting.
    pub fn waits_for_running(&self, pod: &ObjectRef) -> bool {
        let first = |w: &Want| w.root == *pod && self.answers.running(pod, &w.tail.container).is_none();
        self.running.iter().chain(&self.running_flying).any(first)
    }

    /// Forgets what was asked and answered about a workload that is well or gone.
    pub fn forget(&mut self, root: &ObjectRef) {
        if !self.asked.is_empty() {
            self.asked.retain(|_, a| a.root != *root);
            self.answers.forget(root);
            let asked = &self.asked;
            self.queue.retain(|t| asked.contains_key(&source(t)));
        }
    }
}

fn source(tail: &LogTail) -> Source {
    (ObjectRef::new(Kind::Pod, tail.namespace.clone(), tail.pod.clone()), tail.container.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(root: &str, pod: usize, restarts: u32) -> Want {
        Want {
            root: ObjectRef::new(Kind::Deployment, "prod", root),
            restarts,
            kind: Tail::Ended,
            tail: LogTail {
                namespace: "prod".into(),
                pod: format!("{root}-{pod}").into(),
                container: "c".into(),
                previous: true,
                tail: 50,
            },
        }
    }

    fn answer(book: &mut LogBook, tail: &LogTail, text: &str) -> Option<ObjectRef> {
        book.settle(tail, Ok(text), Time(1))
    }

    #[test]
    fn four_tails_fly_at_once_and_each_is_asked_for_once() {
        let mut book = LogBook::default();
        for i in 0..6 {
            book.want(want(&format!("d{i}"), 0, 3));
            book.want(want(&format!("d{i}"), 0, 3));
        }
        let first = book.take(Time(0));
        assert_eq!(first.len(), 4);
        assert!(book.take(Time(0)).is_empty());
        let root = answer(&mut book, &first[0], "Cannot find module 'x'");
        assert_eq!(root, Some(want("d0", 0, 3).root));
        assert_eq!(book.take(Time(0)).len(), 1);
        let held = book.answers.get(&want("d0", 0, 3).root, &"d0-0".into(), &"c".into()).unwrap();
        assert_eq!(held.restarts, 3);
        book.want(want("d0", 0, 3));
        assert_eq!(book.queue.len(), 1, "asked again for the same restart");
        book.want(want("d0", 0, 4));
        assert_eq!(book.queue.len(), 2, "the next run has a log of its own");
    }

    /// A pod is seen before its ReplicaSet: its log is asked for under one owner and explains another.
    #[test]
    fn a_log_follows_its_pod_to_another_owner() {
        let seen_first = |text: bool| {
            let mut book = LogBook::default();
            let mut of_set = want("web", 1, 3);
            of_set.root = ObjectRef::new(Kind::ReplicaSet, "prod", "web-7f");
            book.want(of_set.clone());
            let tails = book.take(Time(0));
            if text {
                answer(&mut book, &tails[0], "Cannot find module 'x'");
            }
            // Its ReplicaSet came; the trouble moves to the Deployment, and the old group is forgotten.
            book.want(want("web", 1, 3));
            book.forget(&of_set.root);
            assert!(book.take(Time(0)).is_empty(), "asked once");
            if !text {
                assert!(book.waits_for(&want("web", 1, 3).root));
                let root = answer(&mut book, &tails[0], "Cannot find module 'x'");
                assert_eq!(root, Some(want("web", 1, 3).root));
            }
            book
        };
        for text in [true, false] {
            let book = seen_first(text);
            let held = book.answers.get(&want("web", 1, 3).root, &"web-1".into(), &"c".into()).unwrap();
            assert!(held.found.is_some(), "answered before the owner came: {text}");
        }
    }

    #[test]
    fn a_few_pods_of_a_workload_are_read_and_a_failed_read_is_tried_again() {
        let mut book = LogBook::default();
        for i in 0..10 {
            book.want(want("web", i, 1));
        }
        let tails = book.take(Time(0));
        assert_eq!(tails.len(), PODS);
        assert_eq!(book.settle(&tails[0], Err("timed out"), Time(1)), None);
        let again = book.take(Time(0));
        assert_eq!(again, tails[..1]);
        assert!(book.settle(&again[0], Err("timed out"), Time(1)).is_some(), "then it is said");
        // One that tells speaks for those that do not.
        answer(&mut book, &tails[1], "all is well");
        answer(&mut book, &tails[2], "Cannot find module 'x'");
        for pod in ["web-0", "web-1", "web-7"] {
            let held = book.answers.get(&want("web", 0, 1).root, &pod.into(), &"c".into()).unwrap();
            assert!(held.found.is_some(), "{pod}");
        }
    }

    #[test]
    fn running_pods_are_read_thirty_times_a_minute_and_after_those_that_ended() {
        let mut book = LogBook::default();
        let running = |i: usize| {
            let mut want = want("web", i, 0);
            want.kind = Tail::Running;
            want.root = ObjectRef::new(Kind::Pod, "prod", format!("web-{i}"));
            want.tail.previous = false;
            want
        };
        for i in 0..40 {
            book.want(running(i));
            book.want(running(i));
        }
        book.want(want("api", 0, 1));
        let fetch = |book: &mut LogBook, now: Time| {
            let mut order = Vec::new();
            loop {
                let tails = book.take(now);
                if tails.is_empty() {
                    return order;
                }
                assert!(tails.len() <= IN_FLIGHT);
                for tail in tails {
                    book.settle(&tail, Ok("well"), now);
                    order.push(tail);
                }
            }
        };
        let first = fetch(&mut book, Time(0));
        assert!(first[0].previous, "the crash first");
        assert_eq!(first.len(), 1 + A_MINUTE);
        assert!(fetch(&mut book, Time(59_000)).is_empty());
        assert_eq!(fetch(&mut book, Time(60_000)).len(), 10, "each once");
    }
}
