//! The journal: one JSON line for every remedy begun and ended, on this machine, never rewritten.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::{Action, action};
use super::plan::Report;
use super::run::{Options, Params};
use crate::world::Time;

/// Lines longer than this are not khud's.
const LONGEST: usize = 1 << 20;

/// One line of the journal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub at: Time,
    /// Which run it is of: entries of one run have one id. Empty in journals of older versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// `begun` (written before the first request), `step` (how far it came) or `ended`.
    pub event: String,
    /// The process that writes: `host:pid`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// The kubeconfig context.
    pub context: String,
    pub action: String,
    /// `{kind, namespace, name}`.
    pub target: Value,
    /// The target's `metadata.uid`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
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
    pub fn begun(report: &Report, params: &Params, options: &Options, at: Time) -> Entry {
        Entry { event: "begun".to_owned(), ..Entry::ended(report, params, options, at) }
    }

    /// How far a run came; the text becomes the entry's reason.
    pub fn step(report: &Report, params: &Params, options: &Options, at: Time, what: String) -> Entry {
        let none = || Value::Array(Vec::new());
        Entry {
            event: "step".to_owned(),
            reason: what,
            // Both are in full in the entry of the end.
            requests: none(),
            files: none(),
            kubectl: String::new(),
            ..Entry::ended(report, params, options, at)
        }
    }

    pub fn ended(report: &Report, params: &Params, options: &Options, at: Time) -> Entry {
        let value = serde_json::to_value(report).unwrap_or(Value::Null);
        Entry {
            at,
            id: options.id.clone(),
            event: "ended".to_owned(),
            by: process(),
            context: options.context.clone(),
            action: report.action.clone(),
            target: value["target"].clone(),
            uid: report.uid.clone(),
            params: action(&report.action).map_or_else(|| params.clone(), |a| a.shown(params)),
            outcome: report.outcome.map_or("", |o| o.as_str()).to_owned(),
            reason: report.reason.clone(),
            kubectl: report.plan.kubectl.clone(),
            requests: value["requests"].clone(),
            files: value["files"].clone(),
            took_ms: report.took_ms,
        }
    }

    /// Whether both are of one run. Entries without an id are paired by what was done to what.
    fn same_run(&self, other: &Entry) -> bool {
        if !self.id.is_empty() || !other.id.is_empty() {
            return self.id == other.id;
        }
        self.action == other.action && self.target == other.target && self.context == other.context
    }

    /// The target in words: `node n1`, `pod prod/api-1`, `the cluster`.
    pub fn object(&self) -> String {
        if action(&self.action).is_some_and(Action::is_cluster_wide) {
            return "the cluster".to_owned();
        }
        let text = |key: &str| self.target[key].as_str().unwrap_or("");
        let place = match text("namespace") {
            "" => String::new(),
            namespace => format!("{namespace}/"),
        };
        format!("{} {place}{}", text("kind").to_ascii_lowercase(), text("name"))
    }
}

/// This process, as `host:pid`.
pub(super) fn process() -> String {
    let host = rustix::system::uname();
    format!("{}:{}", host.nodename().to_string_lossy(), std::process::id())
}

/// Whether the process that wrote an entry still runs. Of another machine nobody here knows: taken for running no more.
fn alive(by: &str) -> bool {
    let Some((host, pid)) = by.rsplit_once(':') else { return false };
    let here = rustix::system::uname();
    let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw);
    host == here.nodename().to_string_lossy()
        && pid.is_some_and(|pid| match rustix::process::test_kill_process(pid) {
            Ok(()) => true,
            // It is there and is somebody else's.
            Err(e) => e == rustix::io::Errno::PERM,
        })
}

/// An id for a run: unique among the khuds of one user, and in the order of time.
pub fn run_id(now: Time) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{:x}-{n}", now.0, std::process::id())
}

/// A run that was begun and has no end in the journal.
#[derive(Clone, PartialEq, Debug)]
pub struct Open<'a> {
    pub begun: &'a Entry,
    /// The last step that it wrote down.
    pub last: Option<&'a Entry>,
    /// The khud that began it still runs.
    pub alive: bool,
}

impl Open<'_> {
    /// Where it stopped, in words.
    pub fn stopped(&self) -> String {
        match self.last {
            Some(step) => format!("last written down at {}: {}", step.at, step.reason),
            None => "no step was written down: look at the object before you try again".to_owned(),
        }
    }
}

/// The runs that were begun and never ended, oldest first.
pub fn open(entries: &[Entry]) -> Vec<Open<'_>> {
    let rest = |i: usize, b: &Entry, event: &str| {
        let b = b.clone();
        let event = event.to_owned();
        entries[i + 1..].iter().filter(move |e| e.event == event && e.same_run(&b))
    };
    let begun = entries.iter().enumerate().filter(|(_, e)| e.event == "begun");
    begun
        .filter(|(i, b)| rest(*i, b, "ended").next().is_none())
        .map(|(i, begun)| Open { begun, last: rest(i, begun, "step").next_back(), alive: alive(&begun.by) })
        .collect()
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

    /// Where a long run keeps its state: beside the journal.
    pub fn state_file(&self, run: &str) -> PathBuf {
        self.state_dir().join(format!("{run}.json"))
    }

    /// The directory of these.
    pub fn state_dir(&self) -> PathBuf {
        self.path.with_file_name("runs")
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
        let options = Options { context: "prod".to_owned(), ..Options::default() };
        let begun = Entry::begun(&report, &Params::new(), &options, Time(0));
        let ended = Entry::ended(&report, &Params::new(), &options, Time(1));
        journal.append(&begun).unwrap();
        journal.append(&ended).unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(journal.path()).unwrap();
        file.write_all(b"{\"at\":\"2026-").unwrap();
        assert_eq!(journal.read(), Ok((vec![begun, ended], 1)));
    }
}
