//! `khud scan`: the findings of the cockpit, once, for scripts and alerts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::args::{Common, Level, Scan, ScanOutput};
use super::look::Look;
use super::open::runtime;
use super::{exit, out, settings};
use crate::cluster::feed::Scope;
use crate::detect::{Severity, report};
use crate::term::clean_lines;
use crate::world::Clock;

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
    let loaded = settings::told();
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
    let mut look = Look::start(connection, &scope, settings::detect(&loaded));
    look.run(args.watch).await;

    let Look { session, detector, .. } = look;
    let result = report::Scan::new(cluster, session.now(), &session.world, detector.findings());
    let blind = tell_what_was_not_seen(&result.coverage);
    let text = match args.output {
        // A clean bill from somebody who saw nothing would be a lie.
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
    if !session.saw_something() || (args.strict && blind) {
        exit::USAGE
    } else if result.fails(level) {
        exit::FAILED
    } else {
        exit::DONE
    }
}

/// One sentence on stderr for each reason, with all that it kept from being seen. Whether there was any.
fn tell_what_was_not_seen(coverage: &[report::Coverage]) -> bool {
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in coverage.iter().filter(|c| c.state != "live" && c.state != "unsupported") {
        let reason = source.reason.as_deref().unwrap_or("no answer in time");
        reasons.entry(format!("{} ({reason})", source.state)).or_default().push(&source.source);
    }
    for (reason, sources) in &reasons {
        out::complain(&clean_lines(&format!("could not look at {}: {reason}", sources.join(", "))));
    }
    !reasons.is_empty()
}
