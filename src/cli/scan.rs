//! `khud scan`: the findings of the cockpit, once, for scripts and alerts.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::args::{Common, Level, Scan, ScanOutput};
use super::open::runtime;
use super::{exit, out, settings};
use crate::app::executor::needs;
use crate::app::executor::probe::{PATIENCE, Session};
use crate::cluster::feed::Scope;
use crate::detect::report;
use crate::detect::{Detector, Severity};
use crate::term::clean_lines;
use crate::world::ask::LogTail;
use crate::world::{Clock, Kind};

/// How long a scan looks for every source's answer.
const LOOK: Duration = Duration::from_secs(10);

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
    let mut look = Look {
        session: Session::start(connection, &scope, Kind::WATCHED),
        detector: Detector::new(settings::detect(&loaded)),
        logs: JoinSet::new(),
    };
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

struct Look {
    session: Session,
    detector: Detector,
    /// Log tails on their way, for the rules that asked.
    logs: JoinSet<(LogTail, Result<String, String>)>,
}

impl Look {
    /// Looks until every source has answered and every log that a rule wanted was read, or for as long as asked.
    async fn run(&mut self, watch: Option<Duration>) {
        let began = Instant::now();
        let deadline = began + watch.unwrap_or(LOOK);
        while Instant::now() < deadline {
            self.fetch_logs();
            if watch.is_none() && self.session.settled() && self.logs.is_empty() {
                return;
            }
            if watch.is_none() && self.session.hopeless() && began.elapsed() > PATIENCE {
                return;
            }
            let now = self.session.now();
            let timer = self.detector.next_timer().map(|t| (t.0 - now.0).max(10));
            let wait = Duration::from_millis(timer.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(60_000));
            let wake = deadline.min(Instant::now() + wait);
            tokio::select! {
                changes = self.session.next() => {
                    let now = self.session.now();
                    self.detector.on_changes(&self.session.world, &changes, now);
                }
                Some(Ok((tail, result))) = self.logs.join_next() => {
                    let now = self.session.now();
                    let answer = result.as_deref().map_err(String::as_str);
                    self.detector.on_log(&self.session.world, &tail, answer, now);
                }
                () = tokio::time::sleep_until(wake) => {
                    let now = self.session.now();
                    self.detector.on_timer(&self.session.world, now);
                }
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }

    fn fetch_logs(&mut self) {
        for tail in self.detector.wanted_logs() {
            let connection = self.session.connection.clone();
            self.logs.spawn(async move {
                let result = needs::read_log(&connection, &tail).await;
                (tail, result)
            });
        }
    }
}
