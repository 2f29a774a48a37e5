//! The journal: one JSON line for every remedy begun and ended, on this machine, never rewritten.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::Report;
use super::run::Params;
use crate::world::Time;

/// Lines longer than this are not khud's.
const LONGEST: usize = 1 << 20;

/// One line of the journal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub at: Time,
    /// `begun` (written before the first request) or `ended`.
    pub event: String,
    /// The kubeconfig context.
    pub context: String,
    pub action: String,
    /// `{kind, namespace, name}`.
    pub target: Value,
    pub params: Params,
    /// verified, applied, refused, failed; empty while under way.
    pub outcome: String,
    pub reason: String,
    pub kubectl: String,
    /// As in `khud do -o json`.
    pub requests: Value,
    pub files: Value,
    /// Milliseconds.
    pub took_ms: u64,
}

impl Entry {
    pub fn begun(report: &Report, params: &Params, context: &str, at: Time) -> Entry {
        Entry { event: "begun".to_owned(), ..Entry::ended(report, params, context, at) }
    }

    pub fn ended(report: &Report, params: &Params, context: &str, at: Time) -> Entry {
        let value = serde_json::to_value(report).unwrap_or(Value::Null);
        Entry {
            at,
            event: "ended".to_owned(),
            context: context.to_owned(),
            action: report.action.clone(),
            target: value["target"].clone(),
            params: params.clone(),
            outcome: report.outcome.map_or("", |o| o.as_str()).to_owned(),
            reason: report.reason.clone(),
            kubectl: report.plan.kubectl.clone(),
            requests: value["requests"].clone(),
            files: value["files"].clone(),
            took_ms: report.took_ms,
        }
    }
}

/// The journal's file.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    pub fn at(path: impl Into<PathBuf>) -> Journal {
        Journal { path: path.into() }
    }

    /// In `$KHUD_STATE_DIR`, else `$XDG_STATE_HOME/khud/journal.jsonl`, or `~/.local/state/khud/journal.jsonl`.
    ///
    /// # Errors
    /// A sentence where there is no home directory.
    pub fn default_path() -> Result<PathBuf, String> {
        use etcetera::BaseStrategy;
        if let Some(dir) = std::env::var_os("KHUD_STATE_DIR").filter(|d| !d.is_empty()) {
            return Ok(PathBuf::from(dir).join("journal.jsonl"));
        }
        let dirs = etcetera::base_strategy::Xdg::new()
            .map_err(|e| format!("cannot find where to keep the journal: {e}; set XDG_STATE_HOME"))?;
        let state = dirs.state_dir().ok_or("cannot find where to keep the journal; set XDG_STATE_HOME")?;
        Ok(state.join("khud").join("journal.jsonl"))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one line and makes it durable before it returns.
    ///
    /// # Errors
    /// A sentence naming the file.
    pub fn append(&self, entry: &Entry) -> Result<(), String> {
        let tell = |e: std::io::Error| format!("cannot write the journal {}: {e}", self.path.display());
        let mut line = serde_json::to_string(entry).map_err(|e| tell(e.into()))?;
        line.push('\n');
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir).map_err(tell)?;
        }
        let mut options = fs::OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(&self.path).map_err(tell)?;
        // One write, so that lines of two khuds never mix.
        file.write_all(line.as_bytes()).map_err(tell)?;
        file.sync_data().map_err(tell)
    }

    /// All entries, oldest first, and how many lines could not be read (a crash may cut the last one).
    ///
    /// # Errors
    /// A sentence naming the file; a journal that does not exist yet is empty.
    pub fn read(&self) -> Result<(Vec<Entry>, usize), String> {
        let file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(e) => return Err(format!("cannot read the journal {}: {e}", self.path.display())),
        };
        let (mut entries, mut bad) = (Vec::new(), 0);
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let n = reader
                .read_until(b'\n', &mut line)
                .map_err(|e| format!("cannot read the journal {}: {e}", self.path.display()))?;
            if n == 0 {
                return Ok((entries, bad));
            }
            if line.len() > LONGEST {
                bad += 1;
                continue;
            }
            match serde_json::from_slice(&line) {
                Ok(entry) => entries.push(entry),
                Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
                Err(_) => bad += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Kind, ObjectRef};

    #[test]
    fn a_journal_is_appended_to_and_survives_a_cut_line() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::at(dir.path().join("state/khud/journal.jsonl"));
        assert_eq!(journal.read(), Ok((vec![], 0)));
        let report = Report::new("cordon", ObjectRef::new(Kind::Node, "", "gpu-worker-042"));
        let begun = Entry::begun(&report, &Params::new(), "prod", Time(0));
        let ended = Entry::ended(&report, &Params::new(), "prod", Time(1));
        journal.append(&begun).unwrap();
        journal.append(&ended).unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(journal.path()).unwrap();
        file.write_all(b"{\"at\":\"2026-").unwrap();
        assert_eq!(journal.read(), Ok((vec![begun, ended], 1)));
    }
}
