//! Carries out what a remedy needs: requests, commands in containers, local files, the journal.

use crate::cluster::Connection;
use crate::remedy::journal::Journal;
use crate::remedy::run::{Need, Reply};
use crate::world::ask::LogTail;

/// Output of one command kept for a remedy, bytes. Captures ask for chunks far below it.
const OUTPUT: usize = 16 << 20;

/// Carries one need out. Dropping the future hangs up.
pub async fn carry_out(connection: &Connection, journal: &Journal, need: Need) -> Reply {
    match need {
        Need::Call(call) => Reply::Call(connection.call(call).await.map_err(|e| e.to_string())),
        Need::Exec(exec) => Reply::Exec(connection.exec(&exec, OUTPUT).await.map_err(|e| e.to_string())),
        Need::File(op) => Reply::File(blocking("writing a file", move || op.perform()).await),
        Need::Journal(entry) => {
            let journal = journal.clone();
            Reply::Journal(blocking("writing the journal", move || journal.append(&entry)).await)
        }
        // Whoever holds the operator's keyboard answers questions; an answer nobody gave is a no.
        Need::Confirm(_) => Reply::Confirm(false),
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

/// Disks can be slow; the main task never waits for one.
async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(format!("{what} stopped: {e}")))
}
