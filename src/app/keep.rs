//! The thread that keeps what outlives a session: the timeline, and what was acknowledged and muted.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::msg::Msg;
use crate::detect::Quiet;
use crate::detect::kept::Kept;
use crate::detect::timeline::Entry;

/// Bundles of entries that may wait for a slow disk; past that they are dropped, and that is told.
const WAITING: usize = 4096;

/// Something to keep.
#[derive(Debug)]
pub enum Item {
    Entries(Vec<Entry>),
    Quiet(Vec<Quiet>),
}

#[derive(Debug)]
pub struct Keeper {
    sender: SyncSender<Item>,
    /// Something was dropped, and that was told.
    behind: bool,
}

impl Keeper {
    /// Starts the thread. What earlier sessions kept comes as [`Msg::Remembered`]; a disk that hangs never stops the
    /// cockpit.
    pub fn start(dir: Result<PathBuf, String>, inbox: mpsc::Sender<Msg>) -> Keeper {
        let (sender, items) = sync_channel(WAITING);
        std::thread::spawn(move || {
            // The cockpit is gone when nobody receives any more.
            if let Err(why) = dir.and_then(|dir| keep(&dir, &items, &inbox)) {
                let _ = inbox.blocking_send(Msg::Failed(why));
            }
        });
        Keeper { sender, behind: false }
    }

    /// Hands something over. The sentence, where the disk does not keep up, once.
    pub fn keep(&mut self, item: Item) -> Option<String> {
        match self.sender.try_send(item) {
            Ok(()) => {
                self.behind = false;
                None
            }
            // The thread ended, and said why.
            Err(TrySendError::Disconnected(_)) => None,
            Err(TrySendError::Full(_)) => (!std::mem::replace(&mut self.behind, true))
                .then(|| "The disk does not keep up: the timeline's file has a hole from here on.".into()),
        }
    }
}

/// Where a cluster's things lie: contexts of one name in two kubeconfigs are two clusters.
pub fn folder(state: &Path, context: &str, server: &str) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let name: String = context.chars().map(plain).take(60).collect();
    let hash = Sha256::digest(format!("{context}\n{server}"));
    let hash: String = hash.iter().take(4).map(|b| format!("{b:02x}")).collect();
    state.join("clusters").join(format!("{name}-{hash}"))
}

fn keep(dir: &Path, items: &Receiver<Item>, inbox: &mpsc::Sender<Msg>) -> Result<(), String> {
    let (timeline, entries) = Kept::open(&dir.join("timeline.jsonl"))?;
    let file = dir.join("quiet.json");
    let quiet = match std::fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|e| {
            tracing::warn!("{} is not read: {e}", file.display());
            Vec::new()
        }),
        // Nothing was kept yet.
        Err(_) => Vec::new(),
    };
    let _ = inbox.blocking_send(Msg::Remembered { entries, quiet });
    let mut timeline = Some(timeline);
    for item in items {
        let done = match item {
            Item::Entries(entries) => entries.iter().try_for_each(|entry| match &mut timeline {
                Some(kept) => kept.write(entry).inspect_err(|_| timeline = None),
                None => Ok(()),
            }),
            Item::Quiet(quiet) => write_whole(&file, &quiet),
        };
        if let Err(why) = done {
            let _ = inbox.blocking_send(Msg::Failed(why));
        }
    }
    Ok(())
}

/// The whole file anew, or what was there before.
fn write_whole(file: &Path, quiet: &[Quiet]) -> Result<(), String> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let write = || -> std::io::Result<()> {
        let part = file.with_extension("part");
        let mut out =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        out.write_all(&serde_json::to_vec_pretty(quiet)?)?;
        std::fs::rename(&part, file)
    };
    write().map_err(|e| format!("what is acknowledged and muted is not kept in {}: {e}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cluster_has_a_folder_of_its_own_whatever_its_context_is_called() {
        let at = |context: &str, server: &str| folder(Path::new("/s"), context, server);
        assert_ne!(
            at("kubernetes-admin@kubernetes", "https://a"),
            at("kubernetes-admin@kubernetes", "https://b")
        );
        let evil = at("../../etc/\u{1b}[2J", "https://a");
        assert_eq!(evil.parent(), Some(Path::new("/s/clusters")));
        let name = evil.file_name().unwrap().to_str().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
    }
}
