//! `khud playbook show checklist-NAME`: a checklist with what the cluster answers.

use std::time::Duration;

use super::args::Common;
use super::look::Look;
use super::open::runtime;
use super::{exit, out, settings};
use crate::cluster::Scope;
use crate::detect::Severity;
use crate::playbook::checklist::{Checklist, Facts};
use crate::term::clean_lines;
use crate::world::{Clock, ObjectRef};

/// Prints the checklist; items about a workload are answered where one is named.
pub fn show(common: &Common, list: &Checklist, workload: Option<&ObjectRef>) -> u8 {
    let result = runtime().and_then(|rt| {
        let result = rt.block_on(answered(common, list, workload));
        rt.shutdown_timeout(Duration::from_millis(200));
        result
    });
    match result {
        Ok(text) => out::result(&clean_lines(&text)),
        Err(why) => {
            out::complain(&clean_lines(&why));
            exit::USAGE
        }
    }
}

/// # Errors
/// A sentence: the cluster could not be read.
async fn answered(common: &Common, list: &Checklist, workload: Option<&ObjectRef>) -> Result<String, String> {
    let loaded = settings::loaded_with_complaints();
    let connection =
        settings::connect(common, false, Clock::wall(), &loaded).await.map_err(|e| e.to_string())?;
    connection.check().await.map_err(|e| e.to_string())?;
    settings::tell_of_another_cluster(&connection).await;
    let mut look = Look::start(connection, &Scope::Cluster, &loaded);
    look.run(None).await;
    let critical = look.detector.findings().iter().filter(|f| f.severity == Severity::Critical);
    let critical: Vec<String> = critical.map(|f| f.title.clone()).collect();
    Ok(list.render(&Facts::of(&look.session.world, workload, &critical, look.session.now())))
}
