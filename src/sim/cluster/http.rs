//! What containers answer on their ports: the scenario's answers, and what well-known exporters serve by themselves.
use std::time::Duration;

use crate::sim::scenario::format::{Behaviour, ExecAnswer, HttpAnswer, Match};
use crate::sim::scenario::units::glob;

use super::kubelet::{Container, Machine, PodRun};
use super::object;
use super::shell::Env;

/// What a connection to a port meets.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard<'a> {
    Refused,
    Answer { status: u16, body: &'a str, content_type: &'a str, latency: Duration, told: bool },
}

impl Behaviour {
    /// Who listens on a port, this long after the start, and what it answers to a path.
    pub fn hear(&self, port: u16, path: &str, elapsed: Duration) -> Heard<'_> {
        let listens = self.ports.as_ref().is_none_or(|ports| ports.contains(&port));
        if !listens || elapsed < self.start.duration() {
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
            // Paths the scenario is silent about are missing where it tells of others on the port.
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

    /// When the answers may be others than they are now.
    pub fn changes_after(&self, elapsed: Duration) -> Option<Duration> {
        let times = self.http.iter().flat_map(|a| [a.after, a.until]).flatten().map(|s| s.duration());
        times.chain([self.start.duration()]).filter(|t| *t > elapsed).map(|t| t - elapsed).min()
    }

    /// The scenario's answer to a command.
    pub fn answers(&self, words: &[&str]) -> Option<&ExecAnswer> {
        let typed = words.join(" ");
        self.exec.iter().find(|a| glob(&a.command, &typed))
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

impl Match {
    /// Is this container meant?
    pub fn fits(&self, run: &PodRun, container: &Container, env: &Env, machine: Option<&Machine>) -> bool {
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
            && self.env.iter().all(|(k, v)| env.get(k).is_some_and(|have| glob(v, have)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_nobody_listens_on_refuses_and_silence_is_ok() {
        let told: Behaviour = serde_saphyr::from_str(
            "{start: 5s, ports: [8080], http: [{path: /ready, status: 503, until: 20s}, {path: /ready}]}",
        )
        .unwrap();
        let secs = Duration::from_secs;
        assert_eq!(told.hear(8080, "/ready", secs(1)), Heard::Refused);
        assert_eq!(told.hear(9090, "/ready", secs(9)), Heard::Refused);
        let status = |t| match told.hear(8080, "/ready?x=1", secs(t)) {
            Heard::Answer { status, .. } => status,
            Heard::Refused => 0,
        };
        assert_eq!((status(9), status(20)), (503, 200));
        assert_eq!(told.changes_after(secs(6)), Some(secs(14)));
        assert_eq!(told.changes_after(secs(20)), None);
        assert!(matches!(Behaviour::default().hear(1, "/", secs(0)), Heard::Answer { status: 200, .. }));
    }
}
