//! `khud bug`: writes versions, capabilities, errors and the tail of the log to one file.

use std::path::Path;
use std::time::Duration;

use super::args::Common;
use super::{exit, open, out, settings};
use crate::config::bug::{self, Facts};
use crate::world::Clock;

/// The longest wait for the cluster. Silence is reported as a fact.
const PATIENCE: Duration = Duration::from_secs(5);

pub fn run(common: &Common, to: Option<&Path>) -> u8 {
    let ask = |facts: &mut Facts| match open::runtime() {
        Ok(runtime) => runtime.block_on(ask(common, facts)),
        Err(why) => facts.errors.push(why),
    };
    match bug::gather_and_write(to, Clock::wall().now(), ask) {
        Ok(path) => out::result(&format!("{path}\n")),
        Err(why) => {
            out::complain(&why);
            exit::FAILED
        }
    }
}

/// Adds the version and rights on the cluster of the command line.
async fn ask(common: &Common, facts: &mut Facts) {
    let loaded = settings::loaded();
    let answer = tokio::time::timeout(PATIENCE, async {
        let connection =
            settings::connect(common, false, Clock::wall(), &loaded).await.map_err(|e| e.to_string())?;
        let version = connection.check().await.map_err(|e| e.to_string())?;
        Ok::<_, String>(vec![
            format!("server: {} on {}", version.git_version, version.platform),
            format!("read-only: {}", connection.read_only()),
        ])
    });
    match answer.await {
        Ok(Ok(said)) => facts.capabilities = said,
        Ok(Err(why)) => facts.errors.push(why),
        Err(_) => facts.errors.push(format!("the cluster did not answer within {} s", PATIENCE.as_secs())),
    }
}
