//! Which cluster answered at a context's address when khud last looked. It is kept in the cluster's folder.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::state_files::{read_whole, write_whole};

#[derive(Serialize, Deserialize)]
struct Known {
    /// The UID of the namespace kube-system.
    kube_system: String,
}

const FILE: &str = "cluster.json";
/// What belongs to one cluster alone, and not to the next one at its address.
const OF_ONE_CLUSTER: [&str; 2] = ["timeline.jsonl", "quiet.json"];

/// The cluster's kube-system UID; `None` before the first visit.
///
/// # Errors
/// A sentence where the file cannot be read.
pub fn load(folder: &Path) -> Result<Option<String>, String> {
    let file = folder.join(FILE);
    let known = read_whole::<Known>(&file)
        .map_err(|why| format!("which cluster this is cannot be read from {}: {why}", file.display()))?;
    Ok(known.map(|k| k.kube_system))
}

/// Keeps the UID where none is known yet.
///
/// # Errors
/// A sentence where the file cannot be read or written.
pub fn remember(folder: &Path, uid: &str) -> Result<(), String> {
    match load(folder)? {
        Some(_) => Ok(()),
        None => write(folder, uid),
    }
}

/// Keeps another cluster's UID in place of the one known. What was kept of that one is set aside under its UID.
///
/// # Errors
/// A sentence where a file cannot be written.
pub fn replace(folder: &Path, known: &str, uid: &str) -> Result<(), String> {
    let plain: String = known.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    for name in OF_ONE_CLUSTER {
        let from = folder.join(name);
        match std::fs::rename(&from, folder.join(format!("{plain}-{name}"))) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(format!("{} of the cluster before cannot be set aside: {e}", from.display()));
            }
            _ => {}
        }
    }
    write(folder, uid)
}

fn write(folder: &Path, uid: &str) -> Result<(), String> {
    let file = folder.join(FILE);
    std::fs::create_dir_all(folder)
        .and_then(|()| write_whole(&file, Some(&Known { kube_system: uid.to_owned() })))
        .map_err(|e| format!("which cluster this is cannot be kept in {}: {e}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cluster_stays_known_until_another_is_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("clusters/prod-1");
        assert_eq!(load(&folder), Ok(None));
        remember(&folder, "uid-a").unwrap();
        remember(&folder, "uid-b").unwrap();
        assert_eq!(load(&folder), Ok(Some("uid-a".into())));
        std::fs::write(folder.join("timeline.jsonl"), "old\n").unwrap();
        replace(&folder, "uid-a", "uid-b").unwrap();
        assert_eq!(load(&folder), Ok(Some("uid-b".into())));
        assert!(!folder.join("timeline.jsonl").exists());
        assert_eq!(std::fs::read_to_string(folder.join("uida-timeline.jsonl")).unwrap(), "old\n");
        std::fs::write(folder.join("cluster.json"), "{").unwrap();
        assert!(load(&folder).unwrap_err().contains("cluster.json"));
    }
}
