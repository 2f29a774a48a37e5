//! The answers of containers on their ports: the scenario's, and those of well-known exporters.
use std::time::Duration;

use jiff::Timestamp;

use crate::scenario::format::{Behaviour, ExecAnswer, HttpAnswer, Match};
use crate::scenario::units::glob;

use super::kubelet::{Container, Machine, PodRun, Run, since};
use super::object;
use super::shell::Env;

/// The result of a connection to a port.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard<'a> {
    Refused,
    Answer { status: u16, body: &'a str, content_type: &'a str, latency: Duration, told: bool },
}

impl Run {
    /// The listener on a port and its answer for a path. The start delay applies only once, even if the
    /// behaviour changed since.
    pub fn hear(&self, port: u16, path: &str, now: Timestamp) -> Heard<'_> {
        if since(self.started, now) < self.behaviour.start.duration() {
            return Heard::Refused;
        }
        self.behaviour.hear(port, path, self.elapsed(now))
    }

    /// When the answers may change.
    pub fn changes_after(&self, now: Timestamp) -> Option<Duration> {
        let start = self.behaviour.start.duration().checked_sub(since(self.started, now));
        start
            .filter(|s| !s.is_zero())
            .into_iter()
            .chain(self.behaviour.changes_after(self.elapsed(now)))
            .min()
    }
}

impl Behaviour {
    fn hear(&self, port: u16, path: &str, elapsed: Duration) -> Heard<'_> {
        if !self.ports.as_ref().is_none_or(|ports| ports.contains(&port)) {
            return Heard::Refused;
        }
        let path = path.split('?').next().unwrap_or(path);
        let found = self.http.iter().find(|a| a.is_for(port, path, elapsed));
        match found {
            Some(a) => Heard::Answer {
                status: a.status.unwrap_or(200),
                body: &a.body,
                content_type: a.content_type.as_deref().unwrap_or("text/plain; charset=utf-8"),
                latency: a.latency.map_or(Duration::ZERO, |l| l.duration()),
                told: true,
            },
            // If the scenario has answers for the port, other paths are not found.
            None if self
                .http
                .iter()
                .any(|a| a.port.is_none_or(|p| p == port) && a.path.is_some() && !a.timed()) =>
            {
                Heard::Answer {
                    status: 404,
                    body: "404 page not found\n",
                    content_type: "text/plain; charset=utf-8",
                    latency: Duration::ZERO,
                    told: false,
                }
            }
            None => Heard::Answer {
                status: 200,
                body: "ok\n",
                content_type: "text/plain; charset=utf-8",
                latency: Duration::ZERO,
                told: false,
            },
        }
    }

    fn changes_after(&self, elapsed: Duration) -> Option<Duration> {
        let times = self.http.iter().flat_map(|a| [a.after, a.until]).flatten().map(|s| s.duration());
        times.filter(|t| *t > elapsed).map(|t| t - elapsed).min()
    }

    /// The scenario's answer to a command.
    pub fn answers(&self, words: &[&str], there: impl Fn(&str) -> bool) -> Option<&ExecAnswer> {
        let typed = words.join(" ");
        self.exec
            .iter()
            .find(|a| glob(&a.command, &typed) && a.exists.as_ref().is_none_or(|path| there(path)))
    }
}

impl HttpAnswer {
    fn timed(&self) -> bool {
        self.after.is_some() || self.until.is_some()
    }

    fn is_for(&self, port: u16, path: &str, elapsed: Duration) -> bool {
        self.port.is_none_or(|p| p == port)
            && self.path.as_ref().is_none_or(|p| glob(p, path))
            && self.after.is_none_or(|a| elapsed >= a.duration())
            && self.until.is_none_or(|u| elapsed < u.duration())
    }
}

/// The surroundings of a container that its behaviour may depend on.
pub struct Around<'a> {
    pub machine: Option<&'a Machine>,
    /// The number of ready pods of its controller.
    pub ready: u32,
    /// Whether a custom resource is served in a version.
    pub serves: &'a dyn Fn(&str) -> bool,
    /// Whether its service account may do this in its namespace.
    pub may: &'a dyn Fn(&str) -> bool,
}

impl Match {
    /// Whether the behaviour matches the container.
    pub fn fits(&self, run: &PodRun, container: &Container, env: &Env, around: &Around) -> bool {
        let machine = around.machine;
        let text = |pattern: &Option<String>, value: &str| pattern.as_ref().is_none_or(|p| glob(p, value));
        text(&self.image, &container.image)
            && text(&self.namespace, &run.key.ns)
            && text(&self.pod, &run.key.name)
            && text(&self.container, &container.name)
            && text(&self.node, &run.node)
            && self.replica.is_none_or(|r| r == run.slot)
            && self.labels.iter().all(|(k, v)| object::label(&run.pod, k).is_some_and(|have| glob(v, have)))
            && self.nvml.is_none_or(|n| machine.is_some_and(|m| m.nvml == n))
            && self.dns.is_none_or(|d| machine.is_some_and(|m| m.dns == d))
            && self.ready.is_none_or(|n| around.ready >= n)
            && self.may.as_ref().is_none_or(|act| (around.may)(act))
            && self.served.as_ref().is_none_or(|version| (around.serves)(version))
            && self.spec.iter().all(|(at, v)| {
                let value = run.pod.get("spec").and_then(|s| s.pointer(at));
                value.is_some_and(|have| {
                    glob(v, &have.as_str().map_or_else(|| have.to_string(), str::to_owned))
                })
            })
            && self.files.iter().all(|(path, size)| {
                run.written(container, path).is_some_and(|f| f.content.size() == size.0 as u64)
            })
            && self.env.iter().all(|(k, v)| env.get(k).is_some_and(|have| glob(v, have)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_port_nobody_listens_on_refuses_and_silence_is_ok() {
        let told: Behaviour = serde_saphyr::from_str(
            "{start: 5s, ports: [8080], http: [{path: /ready, status: 503, until: 20s}, {path: /ready}]}",
        )
        .unwrap();
        let start: Timestamp = "2026-11-21T01:00:00Z".parse().unwrap();
        let run = Run { behaviour: Arc::new(told), started: start, since: start, ended: None };
        let after = |s| start + Duration::from_secs(s);
        assert_eq!(run.hear(8080, "/ready", after(1)), Heard::Refused);
        assert_eq!(run.hear(9090, "/ready", after(9)), Heard::Refused);
        let status = |t| match run.hear(8080, "/ready?x=1", after(t)) {
            Heard::Answer { status, .. } => status,
            Heard::Refused => 0,
        };
        assert_eq!((status(9), status(20)), (503, 200));
        let change = |t| run.changes_after(after(t)).map(|d| d.as_secs());
        assert_eq!([change(1), change(6), change(20)], [Some(4), Some(14), None]);
        let later = Run { since: after(30), ..run.clone() };
        assert!(
            matches!(later.hear(8080, "/ready", after(31)), Heard::Answer { .. }),
            "it has started before"
        );
        let silent = Run { behaviour: Arc::default(), ..run };
        assert!(matches!(silent.hear(1, "/", start), Heard::Answer { status: 200, .. }));
    }
}
