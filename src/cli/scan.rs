//! `khud scan`: prints the findings once, for scripts and alerts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::args::{Common, Level, Scan, ScanOutput};
use super::look::Look;
use super::open::runtime;
use super::report::remembered;
use super::{exit, out, settings};
use crate::cluster::feed::Scope;
use crate::detect::{Severity, report};
use crate::term::clean_lines;
use crate::world::{Clock, Kind};

pub fn run(common: &Common, args: &Scan) -> u8 {
    let rt = match runtime() {
        Ok(rt) => rt,
        Err(why) => {
            out::complain(&why);
            return exit::USAGE;
        }
    };
    let code = rt.block_on(scan(common, args));
    rt.shutdown_timeout(Duration::from_millis(200));
    code
}

async fn scan(common: &Common, args: &Scan) -> u8 {
    let could_not = |why: String| {
        out::complain(&clean_lines(&why));
        exit::USAGE
    };
    let loaded = settings::loaded_with_complaints();
    let connection = match settings::connect(common, false, Clock::wall(), &loaded).await {
        Ok(connection) => connection,
        Err(e) => return could_not(e.to_string()),
    };
    if let Err(e) = connection.check().await {
        return could_not(e.to_string());
    }
    settings::tell_of_another_cluster(&connection).await;
    let scope = match common.namespace.as_slice() {
        [] => Scope::Cluster,
        names => Scope::Namespaces(names.iter().map(|n| n.as_str().into()).collect()),
    };
    let cluster = connection.context().to_owned();
    // A timeline that cannot be read tells nothing of earlier times; the scan itself needs none.
    let timeline = remembered(&connection).unwrap_or_default();
    let mut look = Look::start(connection, &scope, &loaded);
    look.run(args.watch).await;

    let Look { session, detector, .. } = look;
    let mut result = report::Scan::new(cluster, session.now(), &session.world, &detector);
    result.recall(&timeline);
    let blind = report_unseen(&result.coverage);
    // An empty result proves little if most of the cluster could not be read.
    let refused = session.refused().count();
    let little = !session.world.synced(&Kind::Pod) || refused * 2 > session.sources();
    let little = result.findings.is_empty() && little;
    let text = match args.output {
        // "No findings" would be a false answer if nothing could be read.
        ScanOutput::Table | ScanOutput::Markdown if !session.saw_something() => return exit::USAGE,
        ScanOutput::Table => clean_lines(&report::table(&result)),
        ScanOutput::Markdown => clean_lines(&report::markdown(&result)),
        ScanOutput::Json => match report::json(&result) {
            Ok(json) => format!("{json}\n"),
            Err(e) => return could_not(format!("the findings could not be written as JSON: {e}")),
        },
    };
    if let code @ 1.. = out::result(&text) {
        return code;
    }
    let level = match args.fail_on {
        Level::Critical => Severity::Critical,
        Level::Warning => Severity::Warning,
    };
    if !session.saw_something() || little || (args.strict && blind) {
        exit::USAGE
    } else if result.fails(level) {
        exit::FAILED
    } else {
        exit::DONE
    }
}

/// Prints one sentence for all sources that are forbidden, and one for each other reason. Returns whether
/// there was any.
fn report_unseen(coverage: &[report::Coverage]) -> bool {
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let unseen = |c: &&report::Coverage| !c.seen();
    let (forbidden, others): (Vec<_>, Vec<_>) =
        coverage.iter().filter(unseen).partition(|c| c.state == "forbidden");
    if !forbidden.is_empty() {
        let within = |c: &report::Coverage| {
            let start = format!("{} in ", c.source);
            coverage.iter().any(|other| other.seen() && other.source.starts_with(&start))
        };
        let (partly, not): (Vec<_>, Vec<_>) = forbidden.into_iter().partition(|c| within(c));
        let names = |sources: &[&report::Coverage]| {
            sources.iter().map(|c| c.source.as_str()).collect::<Vec<_>>().join(", ")
        };
        let mut sentences = Vec::new();
        if !not.is_empty() {
            let (n, all) = (not.len(), coverage.len());
            sentences.push(format!("not allowed to read {n} of {all} sources: {}", names(&not)));
        }
        if !partly.is_empty() {
            sentences.push(format!("only some namespaces are allowed for: {}", names(&partly)));
        }
        let sentence = format!("{} (`-o json` names the missing rights)", sentences.join("; "));
        out::complain(&clean_lines(&sentence));
        reasons.insert(String::new(), Vec::new());
    }
    for source in others {
        let reason = source.reason.as_deref().unwrap_or("no answer in time");
        reasons.entry(format!("{} ({reason})", source.state)).or_default().push(&source.source);
    }
    for (reason, sources) in reasons.iter().filter(|(_, sources)| !sources.is_empty()) {
        out::complain(&clean_lines(&format!("could not read {}: {reason}", sources.join(", "))));
    }
    !reasons.is_empty()
}
