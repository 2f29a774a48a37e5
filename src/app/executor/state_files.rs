//! The thread that keeps what outlives a session: the timeline, what was acknowledged and muted, and how the panes are
//! arranged.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::app::core::msg::Msg;
use crate::app::core::saved_panes::SavedPanes;
use crate::app::executor::known;
use crate::detect::Quiet;
use crate::detect::kept::Kept;
use crate::detect::timeline::Entry;

/// Bundles of entries that may wait for a slow disk; past that they are dropped, and that is told.
const WAITING: usize = 4096;
/// Bytes of a file that is read whole; a longer one is none of khud's.
const LARGEST: u64 = 16 << 20;
/// How long leaving the cockpit waits for a slow disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something to keep.
#[derive(Debug)]
pub enum Item {
    Entries(Vec<Entry>),
    Quiet(Vec<Quiet>),
    /// How the panes are arranged; `None` forgets it.
    Panes(Option<SavedPanes>),
    /// Another cluster was accepted at this address: kube-system's UID before, and now.
    OtherCluster {
        known: String,
        found: String,
    },
}

#[derive(Debug)]
pub struct Keeper {
    /// `None` once the cockpit is left.
    sender: Option<SyncSender<Item>>,
    /// Ends with the thread.
    done: Receiver<()>,
    /// Something was dropped, and that was told.
    behind: bool,
}

impl Keeper {
    /// Starts the thread. What earlier sessions kept comes as [`Msg::StateLoaded`]; a disk that hangs never stops the
    /// cockpit.
    pub fn start(dir: Result<PathBuf, String>, inbox: mpsc::Sender<Msg>) -> Keeper {
        let (sender, items) = sync_channel(WAITING);
        let (running, done) = sync_channel(0);
        std::thread::spawn(move || {
            let _running: SyncSender<()> = running;
            // The cockpit is gone when nobody receives any more.
            if let Err(why) = dir.and_then(|dir| keep(&dir, &items, &inbox)) {
                let _ = inbox.blocking_send(Msg::Failed(why));
            }
        });
        Keeper { sender: Some(sender), done, behind: false }
    }

    /// Hands something over. The sentence, where the disk does not keep up, once.
    pub fn keep(&mut self, item: Item) -> Option<String> {
        match self.sender.as_ref()?.try_send(item) {
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

impl Drop for Keeper {
    /// What was handed over is written before the program ends.
    fn drop(&mut self) {
        self.sender = None;
        // Nothing is ever sent: this returns when the thread is done, or the disk too slow to wait for.
        let _ = self.done.recv_timeout(PATIENCE);
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
    let quiet = read_whole(&file).unwrap_or_else(|why| {
        tracing::warn!("{} is not read: {why}", file.display());
        None
    });
    let quiet = quiet.unwrap_or_default();
    let _ = inbox.blocking_send(Msg::StateLoaded { entries, quiet });
    let mut timeline = Some(timeline);
    for item in items {
        let done = match item {
            Item::Entries(entries) => entries.iter().try_for_each(|entry| match &mut timeline {
                Some(kept) => kept.write(entry).inspect_err(|_| timeline = None),
                None => Ok(()),
            }),
            Item::Quiet(quiet) => write_whole(&file, Some(&quiet))
                .map_err(|e| unkept("what is acknowledged and muted", &file, e)),
            Item::Panes(kept) => {
                let file = panes_file(dir);
                write_whole(&file, kept.as_ref()).map_err(|e| unkept("how the panes are arranged", &file, e))
            }
            Item::OtherCluster { known, found } => {
                timeline = None;
                known::replace(dir, &known, &found)
            }
        };
        if let Err(why) = done {
            let _ = inbox.blocking_send(Msg::Failed(why));
        }
    }
    Ok(())
}

fn unkept(what: &str, file: &Path, e: io::Error) -> String {
    format!("{what} is not kept in {}: {e}", file.display())
}

fn panes_file(dir: &Path) -> PathBuf {
    dir.join("panes.json")
}

/// How the panes were arranged when this cluster was last left.
///
/// # Errors
/// A sentence where the file is none that this khud reads.
pub fn panes(dir: &Path) -> Result<Option<SavedPanes>, String> {
    let file = panes_file(dir);
    read_whole(&file).map_err(|why| {
        // The reason first: a long path must not push it off the foot line.
        format!(
            "The panes are as configured; those kept are not read: {why} ({} stays as it is)",
            file.display()
        )
    })
}

/// What the file holds; `None` where there is none.
pub(super) fn read_whole<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, String> {
    let mut bytes = Vec::new();
    match File::open(file) {
        Ok(open) => open.take(LARGEST).read_to_end(&mut bytes).map_err(|e| e.to_string())?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| e.to_string())
}

/// The whole file anew, or what was there before; without a value no file. One that could not be read is set aside.
pub(super) fn write_whole<T: Serialize + DeserializeOwned>(file: &Path, value: Option<&T>) -> io::Result<()> {
    if read_whole::<T>(file).is_err() {
        std::fs::rename(file, file.with_added_extension("1"))?;
    }
    let Some(value) = value else {
        return match std::fs::remove_file(file) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        };
    };
    let part = file.with_extension("part");
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    out.write_all(&serde_json::to_vec_pretty(value)?)?;
    std::fs::rename(&part, file)
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
