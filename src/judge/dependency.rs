//! Init containers that run and wait: for which Service, and whether it can answer.

use std::sync::LazyLock;

use regex::Regex;

use crate::world::{Container, ObjectRef, Pod, Time};

use super::diagnosis::{Ctx, Diagnosis};
use super::log::RunningAnswer;
use super::{crash, network_policy, pattern, reach, ready};

/// Where the commands that wait for a peer name it.
static PEER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
        (?:
            \bnslookup(?:\s+-\S+)*\s+
          | \bgetent\s+(?:ahosts|hosts)\s+
          | \b(?:dig|host|ping6?)(?:\s+[-+]\S+(?:\s+\d+)?)*\s+
          | \bnc(?:\s+-\w+(?:\s+\d+)?)*\s+
          | \b(?:telnet|wait-for(?:-it)?(?:\.sh)?|dockerize\s+-wait)\s+
          | \s(?:-h|--host)[=\s]\s*
          | /dev/(?:tcp|udp)/
          | [a-z][a-z0-9+]*://(?:[^@/\s]*@)?
        )
        (?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)",
    )
});

/// The hosts that a command line waits for.
fn hosts(command: &str) -> impl Iterator<Item = &str> {
    PEER.captures_iter(command).filter_map(|c| c.name("host")).map(|m| m.as_str())
}

/// The peer that a running init container waits for. `None` where its command and its log say nothing of a peer.
pub fn waiting(
    ctx: &Ctx,
    pod: &Pod,
    object: &ObjectRef,
    c: &Container,
    since: Time,
    answer: Option<&RunningAnswer>,
) -> Option<Diagnosis> {
    let repeated = answer.map_or(&[][..], |a| &a.repeated);
    let logged = repeated.iter().filter_map(|r| r.host.as_deref());
    let namespace = &pod.meta.namespace;
    let named = logged.chain(hosts(&c.spec.command));
    let services: Vec<(&str, ObjectRef)> =
        named.filter_map(|h| Some((h, reach::service(ctx.world, namespace, h)?))).collect();
    let found = services.iter().find_map(|(host, s)| Some((*host, s, state(ctx, s)?)));
    let name = &c.spec.name;
    let (title, row, service) = match (found, repeated.first()) {
        (Some((_, s, says)), _) => (
            format!("init container {name} waits for Service {}, which {says}", s.name),
            format!("init {name} waits for {}", s.name),
            Some(s.clone()),
        ),
        (None, Some(r)) => (
            format!("init container {name} waits and repeats: {}", r.title),
            format!("init {name}: {}", r.row),
            services.first().map(|(_, s)| s.clone()),
        ),
        (None, None) => return None,
    };
    let mut signal =
        Diagnosis::new(ready::DEPENDENCY, ctx.root(object), since).container(name).title(title).row(row);
    if let Some(r) = repeated.first() {
        signal = signal.evidence("log", &r.line, object, r.last.or(answer.map(|a| a.at))).evidence(
            "log",
            r.counted(),
            object,
            answer.map(|a| a.at),
        );
    }
    signal = signal.evidence(
        "pod status",
        format!("init container {name} runs since {since}"),
        object,
        Some(since),
    );
    if let Some((host, s, _)) = found {
        signal = signal.fold(format!("{} {host}", ready::DEPENDENCY));
        if let Some((source, quote, of, at)) = crash::service_for(ctx, pod, host) {
            signal = signal.evidence(source, quote, &of, at);
        }
        if let Some(says) = state(ctx, s) {
            signal = signal.evidence("endpointslices", format!("Service {} {says}", s.name), s, None);
        }
    }
    if found.is_none() {
        signal = signal.likely();
        if let Some(s) = &service {
            return Some(network_policy::explain(ctx, pod, network_policy::Missed::Service(s), signal));
        }
    }
    Some(signal.waits_for(service))
}

/// Why the Service cannot answer; `None` where it has ready endpoints, or where nobody can know.
fn state(ctx: &Ctx, service: &ObjectRef) -> Option<&'static str> {
    let Some(found) = ctx.world.services.find(&service.namespace, &service.name) else {
        return Some("does not exist");
    };
    let (ready, _, _) = ctx.past.endpoints(service);
    (ready == 0 && &*found.service_type != "ExternalName").then_some("has no ready endpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_peer_they_wait_for() {
        for (command, want) in [
            (
                "sh -c until nslookup mydb.default.svc.cluster.local; do echo waiting; sleep 2; done",
                "mydb.default.svc.cluster.local",
            ),
            ("sh -c until nc -z -w 2 postgres 5432; do sleep 1; done", "postgres"),
            ("sh -c until pg_isready -h db -p 5432; do sleep 1; done", "db"),
            ("sh -c while ! curl -sf http://config.infra/health; do sleep 1; done", "config.infra"),
            ("bash -c until (echo > /dev/tcp/redis/6379); do sleep 1; done", "redis"),
            ("sh -c until getent hosts cache; do sleep 1; done", "cache"),
        ] {
            assert_eq!(hosts(command).next(), Some(want), "{command}");
        }
        for command in ["sh -c migrate up", "sh -c sleep 3600", "sh -c nc -z $DB_HOST 5432"] {
            assert_eq!(hosts(command).next(), None, "{command}");
        }
    }
}
