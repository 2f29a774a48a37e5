//! Carries out what a remedy needs: requests, commands in containers, local files, the journal.

use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::{Action, ConnectError, Connection, ProxyBackend};
use crate::config::files::Places;
use crate::playbook::intrusive;
use crate::playbook::render::Standing;
use crate::playbook::{Proposal, Read, Reading};
use crate::remedy::bundle::Known;
use crate::remedy::files::{FileOp, safe_name};
use crate::remedy::journal::Journal;
use crate::remedy::run::{Away, Elsewhere, Need, Reply};
use crate::remedy::{self, Right, kubectl};
use crate::telemetry;
use crate::world::ObjectRef;
use crate::world::ask::{Call, Exec, LogTail, Verb};
use crate::world::readings::{Place, Target};

/// Output of one command kept for a remedy, bytes. Captures ask for chunks far below it.
const OUTPUT: usize = 16 << 20;

/// How long the cluster of another context may take to answer a read.
const AFAR: Duration = Duration::from_secs(10);

/// Carries one need out. Dropping the future hangs up.
pub async fn carry_out(connection: &Connection, journal: &Journal, need: Need) -> Reply {
    match need {
        Need::Call(call) => Reply::Call(connection.call(call).await.map_err(|e| e.to_string())),
        Need::Exec(exec) => Reply::Exec(connection.exec(&exec, OUTPUT).await.map_err(|e| e.to_string())),
        Need::File(op) => Reply::File(blocking("writing a file", move || op.perform()).await),
        Need::Command(command) => Reply::Command(super::commands::run(command).await),
        Need::Journal(entry) => {
            let journal = journal.clone();
            Reply::Journal(blocking("writing the journal", move || journal.append(&entry)).await)
        }
        // Whoever holds the operator's terminal carries that out.
        Need::Terminal(_) => Reply::Terminal(Err("there is no terminal here".to_owned())),
        // Whoever lives as long as the port is open carries that out.
        Need::Forward(_) => Reply::Forward(Err("nobody here keeps a port open".to_owned())),
        // Whoever holds the operator's keyboard answers questions; an answer nobody gave is a no.
        Need::Known(_) => Reply::Known(Known::default()),
        Need::Elsewhere(context, call) => Reply::Elsewhere(elsewhere(connection, &context, call).await),
        Need::Confirm(_) => Reply::Confirm(false),
    }
}

/// Asks the cluster of another context.
async fn elsewhere(connection: &Connection, context: &str, call: Call) -> Result<Elsewhere, Away> {
    let reads = call.verb == Verb::Get;
    let asking = async {
        let there = connection.beside(context).await.map_err(|e| Away {
            unknown: matches!(e, ConnectError::UnknownContext { .. }),
            why: e.to_string(),
        })?;
        let answer = there.call(call).await.map_err(|e| e.to_string())?;
        Ok(Elsewhere { server: there.server().into(), answer })
    };
    // A region that is down is found out soon; a write is not given up before its answer.
    match reads {
        false => asking.await,
        true => match tokio::time::timeout(AFAR, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", AFAR.as_secs()).into()),
        },
    }
}

/// A log's tail as text. Bytes that are no UTF-8 are replaced.
///
/// # Errors
/// A sentence: what was asked and what came back.
pub async fn read_log(connection: &Connection, tail: &LogTail) -> Result<String, String> {
    let bytes = connection.log_tail(tail).await.map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Reads a telemetry target. Large answers come back in portions, so that taking them in never holds up a key.
pub async fn scrape(connection: &Connection, target: Target) -> Vec<telemetry::Reading> {
    let path = telemetry::request(&target, connection.clock().now());
    let within = telemetry::TIMEOUT;
    let behind = match &target.place {
        Place::Pod { namespace, name, port } => {
            ProxyBackend::Pod { namespace: namespace.to_string(), name: name.to_string(), port: *port }
        }
        Place::Node { name, port } => ProxyBackend::Node { name: name.to_string(), port: *port },
        Place::Service { namespace, name, port } => ProxyBackend::Service {
            namespace: namespace.to_string(),
            name: name.to_string(),
            port: port.to_string(),
        },
        Place::Forward { .. } | Place::Url(_) | Place::Server => ProxyBackend::Server,
    };
    let answer = match &target.place {
        Place::Forward { namespace, name, port } => {
            connection.forwarded_get(namespace, name, *port, &path, within).await.map_err(|e| e.to_string())
        }
        Place::Url(base) => connection.url_get(&format!("{base}/{path}"), within).await,
        _ => connection.proxy_get(&behind, &path, within).await.map_err(|e| e.to_string()),
    };
    let at = connection.clock().now();
    let outcome = match answer {
        Ok(fetched) => telemetry::outcome(&target, fetched.status, &fetched.text(), || fetched.why(), at),
        Err(why) => target.failed(why),
    };
    telemetry::Reading { target, at, outcome }.portions()
}

/// Writes a file among the saved ones, readable by its owner alone; where it is.
///
/// # Errors
/// A sentence: no directory to write in, or what the system said.
pub async fn save(name: &str, text: String) -> Result<PathBuf, String> {
    let places = Places::find().ok_or("there is no home directory to save in")?;
    let path = places.state.join("saved").join(safe_name(name));
    let file = FileOp::Save { path: path.clone(), bytes: text.into_bytes() };
    blocking("saving", move || file.perform()).await?;
    Ok(path)
}

/// Disks can be slow; the main task never waits for one.
pub async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(format!("{what} stopped: {e}")))
}

/// What a read for a decision tree brought, and how long it took.
#[derive(Debug)]
pub struct Fetched {
    pub read: Read,
    pub result: Result<Reading, String>,
    pub took_ms: u64,
}

/// Carries out one read of a walk.
pub async fn read(connection: &Connection, read: Read) -> Fetched {
    let began = tokio::time::Instant::now();
    let result = match &read {
        Read::Log(tail) => read_log(connection, tail).await.map(Reading::Text),
        Read::Call(call) => {
            connection.call(call.clone()).await.map(Reading::Answer).map_err(|e| e.to_string())
        }
        Read::NodeLog { node, services, tail } => node_log(connection, node, services, *tail).await,
        Read::Exec(exec) => run_briefly(connection, exec).await,
    };
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Fetched { read, result, took_ms }
}

/// Runs a command of a walk, which must end soon. Dropping the session does not end the command.
async fn run_briefly(connection: &Connection, exec: &Exec) -> Result<Reading, String> {
    let ran = tokio::time::timeout(intrusive::LIMIT, connection.exec(exec, intrusive::OUTPUT)).await;
    match ran {
        Ok(answer) => answer.map(Reading::Output).map_err(|e| e.to_string()),
        Err(_) => Err(format!(
            "`{}` did not end within {} s; it may still run in container {} of pod {}/{}",
            exec.command.join(" "),
            intrusive::LIMIT.as_secs(),
            exec.container,
            exec.namespace,
            exec.pod
        )),
    }
}

/// The last lines of services on a node. A kubelet without the log query answers with a page.
async fn node_log(
    connection: &Connection,
    node: &str,
    services: &[String],
    tail: u32,
) -> Result<Reading, String> {
    let query: String = services.iter().map(|s| format!("query={s}&")).collect();
    let behind = ProxyBackend::Node { name: node.to_owned(), port: None };
    let path = format!("/logs/?{query}tailLines={tail}");
    let answer = connection.proxy_get(&behind, &path, telemetry::TIMEOUT).await.map_err(|e| e.to_string())?;
    if answer.ok() { Ok(Reading::Text(answer.text())) } else { Err(answer.why()) }
}

/// Which proposals the operator may carry out, and why not the others.
pub async fn standings(connection: &Connection, proposals: &[Proposal]) -> Vec<(Proposal, Standing)> {
    let mut out = Vec::with_capacity(proposals.len());
    for proposal in proposals {
        out.push((proposal.clone(), standing(connection, proposal).await));
    }
    out
}

async fn standing(connection: &Connection, proposal: &Proposal) -> Standing {
    let no = |reason: String, kubectl: &str| Standing { enabled: false, reason, kubectl: kubectl.to_owned() };
    let Some(action) = remedy::action(&proposal.action) else {
        return no(format!("khud has no action {} yet", proposal.action), "");
    };
    let command = (action.kubectl)(&proposal.target, &proposal.params);
    let kubectl = kubectl::aimed(&command, connection.kubectl());
    if connection.read_only() {
        return no("khud runs read-only".to_owned(), &kubectl);
    }
    for right in action.rights {
        if let Some(why) = denied(connection, right, &proposal.target).await {
            return no(why, &kubectl);
        }
    }
    Standing { enabled: true, kubectl, reason: String::new() }
}

/// Why the operator does not have a right on the target; `None` where they have it.
///
/// A server that cannot be asked is told apart by its sentence: not knowing is no permission.
pub async fn denied(connection: &Connection, right: &Right, target: &ObjectRef) -> Option<String> {
    let kind = right.kind.unwrap_or(&target.kind);
    let (namespace, name) = right.place(target);
    let action = Action {
        subresource: right.subresource.to_owned(),
        name: name.to_owned(),
        ..Action::new(right.verb, kind, namespace)
    };
    match connection.can(&action).await {
        Ok(p) if p.allowed => None,
        Ok(_) => Some(format!("not allowed: {}", right.of(kind))),
        Err(e) => Some(e.to_string()),
    }
}
