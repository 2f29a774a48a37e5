//! `khud report`: what happened in an incident, from the cluster, the context's timeline and the journal.

use std::time::Duration;

use super::args::{Common, Report, ReportOutput};
use super::look::Look;
use super::open::runtime;
use super::{exit, out, settings};
use crate::app::executor::state_files;
use crate::cluster::Connection;
use crate::cluster::feed::Scope;
use crate::detect::postmortem::{self, Done, Sources};
use crate::detect::{Detector, Incident, kept, timeline, written};
use crate::remedy::journal::{self, Journal};
use crate::term::clean_lines;
use crate::world::{Clock, Kind, ObjectRef};

pub fn run(common: &Common, args: &Report) -> u8 {
    let rt = match runtime() {
        Ok(rt) => rt,
        Err(why) => {
            out::complain(&why);
            return exit::USAGE;
        }
    };
    let code = rt.block_on(report(common, args));
    rt.shutdown_timeout(Duration::from_millis(200));
    code
}

async fn report(common: &Common, args: &Report) -> u8 {
    let loaded = settings::loaded_with_complaints();
    let connection = match settings::connect(common, false, Clock::wall(), &loaded).await {
        Ok(connection) => connection,
        Err(e) => {
            out::complain(&clean_lines(&e.to_string()));
            return exit::FAILED;
        }
    };
    // The timeline holds ended incidents, also while the cluster does not answer.
    let answers = connection.check().await;
    if let Err(e) = &answers {
        out::complain(&clean_lines(&format!("{e}; the report is made from the timeline alone")));
    }
    let cluster = connection.context().to_owned();
    let entries = remembered(&connection).unwrap_or_else(|why| {
        out::complain(&clean_lines(&why));
        Vec::new()
    });
    let done = done(&cluster).unwrap_or_else(|why| {
        out::complain(&clean_lines(&why));
        postmortem::done_of_timeline(&entries)
    });
    let scope = match common.namespace.as_slice() {
        [] => Scope::Cluster,
        names => Scope::Namespaces(names.iter().map(|n| n.as_str().into()).collect()),
    };
    let mut look = Look::start(connection, &scope, &loaded);
    if answers.is_ok() {
        look.run(None).await;
    }
    let Look { session, detector, .. } = look;
    let sources = Sources { cluster: &cluster, now: session.now(), timeline: &entries, done: &done };
    let found = chosen(args.incident.as_deref(), &detector, &entries);
    let report = match found {
        Ok(Chosen::Open(incident)) => {
            let objects = postmortem::objects(&detector, incident);
            Some(postmortem::of_incident(incident, detector.findings(), &objects, &sources))
        }
        Ok(Chosen::Over(id)) => postmortem::of_timeline(&id, &sources),
        Err(why) => {
            out::complain(&clean_lines(&why));
            return exit::FAILED;
        }
    };
    let Some(report) = report else {
        out::complain("the timeline names the incident and does not say how it began; nothing to report");
        return exit::FAILED;
    };
    let text = match args.output {
        ReportOutput::Json => match serde_json::to_string_pretty(&report) {
            Ok(json) => format!("{json}\n"),
            Err(e) => {
                out::complain(&format!("the report could not be written as JSON: {e}"));
                return exit::FAILED;
            }
        },
        ReportOutput::Markdown if args.change_request => clean_lines(&written::change_request(&report)),
        ReportOutput::Markdown => clean_lines(&written::markdown(&report)),
    };
    out::result(&text)
}

enum Chosen<'d> {
    Open(&'d Incident),
    Over(String),
}

/// The incident of an id, or without one the newest: of those there are, else of those the timeline tells of.
fn chosen<'d>(
    id: Option<&str>,
    detector: &'d Detector,
    entries: &[timeline::Entry],
) -> Result<Chosen<'d>, String> {
    let open = detector.incidents();
    let over = postmortem::remembered(entries);
    let Some(id) = id else {
        let newest = open.iter().max_by_key(|i| i.since).map(Chosen::Open);
        let last = || over.first().cloned().map(Chosen::Over);
        return newest.or_else(last).ok_or_else(|| {
            "there is no incident now, and the timeline of this context tells of none".to_owned()
        });
    };
    if let Some(incident) = open.iter().find(|i| i.id == id) {
        return Ok(Chosen::Open(incident));
    }
    if over.iter().any(|known| known == id) {
        return Ok(Chosen::Over(id.to_owned()));
    }
    let mut known: Vec<&str> =
        open.iter().map(|i| i.id.as_str()).chain(over.iter().map(String::as_str)).collect();
    known.dedup();
    known.truncate(10);
    Err(match known.as_slice() {
        [] => format!("there is no incident {id}, and khud knows of no other"),
        known => format!("there is no incident {id}; khud knows {}", known.join(", ")),
    })
}

/// The entries that cockpits wrote on the context's timeline.
pub(super) fn remembered(connection: &Connection) -> Result<Vec<timeline::Entry>, String> {
    let places = crate::config::files::Places::find().ok_or("the timeline is not read: HOME is not set")?;
    let folder = state_files::folder(&places.state, connection.context(), connection.server());
    let path = folder.join("timeline.jsonl");
    kept::read(&path).map_err(|e| format!("the timeline {} is not read: {e}", path.display()))
}

/// The actions run in the context, from the journal.
pub(super) fn done(context: &str) -> Result<Vec<Done>, String> {
    let (entries, _) = Journal::at(Journal::default_path()?).read()?;
    let own: Vec<&journal::Entry> = entries.iter().filter(|e| e.context == context).collect();
    let begun = own.iter().filter(|e| e.event == "begun");
    let done = begun.map(|e| {
        let end = own.iter().find(|end| end.event == "ended" && !e.id.is_empty() && end.id == e.id);
        let text = |key: &str| e.target[key].as_str().unwrap_or_default();
        Done {
            at: e.at,
            who: e.by.clone(),
            what: format!("{} {}", e.action, e.object()),
            object: Some(ObjectRef::new(Kind::of(text("kind")), text("namespace"), text("name"))),
            outcome: end.map_or(String::new(), |end| end.outcome.clone()),
            reason: end.map_or(String::new(), |end| end.reason.clone()),
            kubectl: end.map_or(String::new(), |end| end.kubectl.clone()),
        }
    });
    Ok(done.collect())
}
