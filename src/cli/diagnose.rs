//! `khud diagnose`: lets the cluster answer a decision tree, for scripts and terminals without the cockpit.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::act::target;
use super::args::{Common, Diagnose, TextOrJson};
use super::look::Look;
use super::open::runtime;
use super::{exit, out, settings};
use crate::app::executor::needs::{self, Fetched};
use crate::app::executor::probe::Session;
use crate::cluster::{Connection, Scope};
use crate::judge::Answer;
use crate::playbook::cases::Case;
use crate::playbook::library::Library;
use crate::playbook::render;
use crate::playbook::tree::Playbook;
use crate::playbook::{Intrusive, State, Walk, WalkOptions};
use crate::term::{clean, clean_lines};
use crate::world::ask::Call;
use crate::world::{Clock, Kind, ObjectRef};

pub fn run(common: &Common, args: &Diagnose) -> u8 {
    let result = runtime().and_then(|rt| {
        let result = rt.block_on(diagnose(common, args));
        rt.shutdown_timeout(Duration::from_millis(200));
        result
    });
    result.unwrap_or_else(|why| {
        out::complain(&clean_lines(&why));
        exit::USAGE
    })
}

/// # Errors
/// A sentence that says what could not be read.
async fn diagnose(common: &Common, args: &Diagnose) -> Result<u8, String> {
    let (mut library, problems) = super::playbook::library();
    problems.iter().for_each(|p| out::complain(&clean_lines(p)));
    let chosen = match args.playbook.as_deref() {
        Some(name) => Some(find(&mut library, name)?),
        None => None,
    };
    let loaded = settings::loaded_with_complaints();
    let connection =
        settings::connect(common, false, Clock::wall(), &loaded).await.map_err(|e| e.to_string())?;
    let namespace = common.namespace.first().cloned().unwrap_or_else(|| connection.namespace().to_owned());
    connection.check().await.map_err(|e| e.to_string())?;
    settings::tell_of_another_cluster(&connection).await;
    let object = find_object(&connection, &args.object, &namespace).await?;
    let playbook = match chosen {
        Some(playbook) => playbook,
        None => {
            library.about(&object.kind).cloned().ok_or("the built-in decision trees could not be read")?
        }
    };
    let mut look = Look::start(connection, &Scope::Cluster, &loaded);
    look.about(&object);
    look.run(None).await;
    if !look.session.saw_something() {
        return Err("no source could be read; `khud scan` names the missing rights".to_owned());
    }
    if !exists(&look.session, &object).await? {
        return Err(absent(&look.session, &object));
    }
    let answer = look.ask(&object).await;
    let mut session = look.session;
    let asking = args.output == TextOrJson::Text && io::stdin().is_terminal() && io::stderr().is_terminal();
    let intrusive = match args.allow {
        Some(_) if session.connection.read_only() => Intrusive::ReadOnly,
        Some(_) => Intrusive::Allowed,
        None => Intrusive::NotAllowed,
    };
    let options = WalkOptions { intrusive, operator: asking };
    let mut walk = Walk::start(Arc::new(library), playbook, object, options);
    walk_to_the_end(&mut session, &mut walk, &answer).await;
    if let Some(file) = &args.record {
        record(&walk, file, &format!("context {}", session.connection.context()))?;
    }

    let standings = needs::standings(&session.connection, walk.proposals()).await;
    let standing = |p: &_| standings.iter().find(|(q, _)| q == p).map(|(_, s)| s.clone()).unwrap_or_default();
    let text = match args.output {
        TextOrJson::Json => format!("{:#}\n", render::json(&walk, &standing)),
        TextOrJson::Text => render::text(&walk, &standing),
    };
    Ok(match (out::result(&text), walk.verdict()) {
        (exit::DONE, Some(_)) => exit::DONE,
        (exit::DONE, None) => exit::FAILED,
        (code, _) => code,
    })
}

/// Appends the walk to a file of cases.
///
/// # Errors
/// A sentence: the file could not be written.
fn record(walk: &Walk, file: &Path, from: &str) -> Result<(), String> {
    let name = walk.verdict().map_or("nothing proved", |v| &v.title);
    let case = Case::of(walk, name, from).yaml();
    let mut out = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .map_err(|e| format!("{} cannot be written: {e}", file.display()))?;
    out.write_all(case.as_bytes()).map_err(|e| format!("{} cannot be written: {e}", file.display()))
}

/// A playbook by id, or from a file.
fn find(library: &mut Library, name: &str) -> Result<Arc<Playbook>, String> {
    if let Some(book) = library.get(name) {
        return Ok(book.clone());
    }
    if name.contains(['/', '.']) {
        return library.add_file(Path::new(name)).map_err(|e| e.to_string());
    }
    let ids: Vec<&str> = library.ids().collect();
    Err(format!("there is no playbook {name:?}; there is {}, or name a file", ids.join(", ")))
}

/// Finds the named object, of a kind that khud knows or that the server serves.
///
/// # Errors
/// A sentence that says how to name an object, or lists the kinds.
async fn find_object(connection: &Connection, text: &str, namespace: &str) -> Result<ObjectRef, String> {
    let unknown = match target(text, namespace) {
        Ok(object) => return Ok(object),
        Err(why) => why,
    };
    let Some((word, name)) = text.split_once('/').filter(|(k, n)| !k.is_empty() && !n.is_empty()) else {
        return Err(unknown);
    };
    let offers = connection.offers().await.map_err(|e| format!("{unknown}; the server's kinds: {e}"))?;
    let offer = offers.into_iter().find(|o| o.answers_to(word)).ok_or(unknown)?;
    let namespace = if offer.kind.namespaced() { namespace } else { "" };
    Ok(ObjectRef::new(offer.kind, namespace, name))
}

/// Whether the object exists: by the list of its kind, else by a GET.
///
/// # Errors
/// A sentence: the GET failed.
async fn exists(session: &Session, object: &ObjectRef) -> Result<bool, String> {
    if session.world.meta(object).is_some() {
        return Ok(true);
    }
    if Kind::followed().contains(&object.kind) && session.world.synced(&object.kind) {
        return Ok(false);
    }
    let answer = session.connection.call(Call::get(object.path())).await.map_err(|e| e.to_string())?;
    match answer.status {
        404 => Ok(false),
        200 => Ok(true),
        // The object may exist. The answer will say what khud may not read.
        403 => Ok(true),
        _ => Err(format!("cannot read {object}: {}", answer.message())),
    }
}

/// The error for a missing object, with similar names.
fn absent(session: &Session, object: &ObjectRef) -> String {
    let pods = session.world.pods.values().map(|p| (&p.meta, Kind::Pod));
    let workloads = session.world.deployments.values().map(|w| (&w.meta, Kind::Deployment));
    let mut like: Vec<String> = pods
        .chain(workloads)
        .filter(|(m, kind)| *kind == object.kind && m.name.starts_with(&*object.name))
        .map(|(m, _)| {
            if m.namespace == object.namespace {
                m.name.to_string()
            } else {
                format!("{} in {}", m.name, m.namespace)
            }
        })
        .take(5)
        .collect();
    like.sort();
    let hint = if like.is_empty() { String::new() } else { format!("; there is {}", like.join(", ")) };
    format!("there is no {object}{hint}")
}

async fn walk_to_the_end(session: &mut Session, walk: &mut Walk, answer: &Answer) {
    let mut reads: JoinSet<Fetched> = JoinSet::new();
    loop {
        let now = session.now();
        match walk.step(&session.world, now, answer).clone() {
            State::Done => return,
            State::Asking { question, choices, why, .. } => {
                let answer = tokio::task::spawn_blocking(move || ask(&question, &why, &choices)).await;
                walk.tell(&answer.unwrap_or_else(|_| "unknown".to_owned()));
                continue;
            }
            State::Reading => {}
        }
        if reads.is_empty() {
            for read in walk.wants() {
                let connection = session.connection.clone();
                let read = read.clone();
                reads.spawn(async move { needs::read(&connection, read).await });
            }
        }
        match reads.join_next().await {
            Some(Ok(fetched)) => walk.give(&fetched.read, fetched.result, fetched.took_ms),
            Some(Err(e)) => out::complain(&format!("a read failed: {e}")),
            // Nothing is running and nothing is needed: the tree has no next step.
            None => return,
        }
    }
}

/// Asks the user on the terminal. An empty line means unknown.
fn ask(question: &str, why: &str, choices: &[String]) -> String {
    let mut err = io::stderr().lock();
    let choices_text = choices.join(", ");
    let asked = write!(
        err,
        "{}\n  ({})\n  {} or enter for unknown: ",
        clean(question),
        clean(why),
        clean(&choices_text)
    );
    let mut line = String::new();
    if asked.and_then(|()| err.flush()).is_err() || io::stdin().lock().read_line(&mut line).is_err() {
        return "unknown".to_owned();
    }
    let answer = line.trim();
    choices.iter().find(|c| *c == answer).cloned().unwrap_or_else(|| "unknown".to_owned())
}
