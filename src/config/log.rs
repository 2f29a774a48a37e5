//! khud's own log: one file a day in the state directory, for a week, without secrets.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;

use crate::world::redact::redact;

/// The number of days that are stored.
const DAYS: usize = 7;
/// The longest line, in bytes; longer lines are cut.
const LINE: usize = 4096;
/// The most bytes one run writes, so that a repeated error cannot fill the disk.
const RUN: u64 = 32 * 1024 * 1024;

/// The default for `KHUD_LOG`, as tracing directives.
const DEFAULT: &str = "warn,khud=info";
/// kube's client logs a body that it cannot decode as a warning, with the data of Secrets. Only its errors
/// are logged, whatever `KHUD_LOG` says.
const CLIENT: &str = "kube_client";

/// The running log. Dropping it flushes the file.
#[derive(Debug)]
pub struct Log {
    _worker: WorkerGuard,
}

/// Starts the log of this process. `directives` is the value of `KHUD_LOG`.
///
/// # Errors
/// A sentence: the directory cannot be created, a directive cannot be parsed, or a log is already running.
pub fn start(state: &Path, directives: Option<&str>) -> Result<Log, String> {
    let filter = filter(directives)?;
    private_dir(state)
        .map_err(|e| format!("the log directory {} cannot be created: {e}", state.display()))?;
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("khud")
        .filename_suffix("log")
        .max_log_files(DAYS)
        .build(state)
        .map_err(|e| format!("the log in {} cannot be opened: {e}", state.display()))?;
    let (lines, worker) = tracing_appender::non_blocking(file);
    let written = Arc::new(AtomicU64::new(0));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(move || Clean { to: lines.clone(), written: Arc::clone(&written) })
        .try_init()
        .map_err(|e| format!("the log cannot be started: {e}"))?;
    Ok(Log { _worker: worker })
}

fn filter(directives: Option<&str>) -> Result<EnvFilter, String> {
    let wanted = directives.filter(|d| !d.is_empty()).unwrap_or(DEFAULT);
    let others: Vec<&str> = wanted.split(',').filter(|d| !d.trim().starts_with(CLIENT)).collect();
    EnvFilter::try_new(format!("{},{CLIENT}=error", others.join(",")))
        .map_err(|e| format!("KHUD_LOG={wanted:?} is not a log filter ({e}); write for example khud=debug"))
}

/// Creates a directory that only its owner can read.
pub fn private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Redacts lines, removes control characters, and limits the length of a line and the size of the log.
struct Clean<W> {
    to: W,
    written: Arc<AtomicU64>,
}

impl<W: Write> Write for Clean<W> {
    /// Writes one formatted line. The formatter passes whole lines.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let clean = clean(&String::from_utf8_lossy(line));
        let before = self.written.fetch_add(clean.len() as u64, Ordering::Relaxed);
        if before < RUN {
            self.to.write_all(clean.as_bytes())?;
            if before + clean.len() as u64 >= RUN {
                self.to.write_all(b"this run reached its log limit; nothing more is logged\n")?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn clean(line: &str) -> String {
    let mut text: String =
        redact(line.trim_end_matches('\n')).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.len() > LINE {
        let end = (0..=LINE).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text.push('\n');
    text
}

/// The newest log file.
pub fn newest(state: &Path) -> Option<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(state)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.starts_with("khud.") && name.ends_with(".log")
        })
        .collect();
    // The names contain the day, so the last name is the newest.
    files.sort();
    files.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cleaned_cut_and_counted() {
        assert_eq!(clean("token=abc\u{1b}[2Jx\n"), "token=[redacted]\n");
        assert_eq!(clean("a\u{7}b\n"), "a b\n");
        let long = "é ".repeat(LINE);
        let cut = clean(&long);
        assert!(cut.len() <= LINE + 5 && cut.ends_with("…\n"));

        let written = Arc::new(AtomicU64::new(RUN - 3));
        let mut to = Vec::new();
        let mut log = Clean { to: &mut to, written: Arc::clone(&written) };
        log.write_all(b"last\n").unwrap();
        log.write_all(b"lost\n").unwrap();
        assert_eq!(
            String::from_utf8(to).unwrap(),
            "last\nthis run reached its log limit; nothing more is logged\n"
        );
    }

    #[test]
    fn bodies_that_cannot_be_decoded_are_never_logged() {
        let below = format!("trace,{CLIENT}=trace,{CLIENT}{}client=debug", "::");
        for directives in [None, Some("debug"), Some(below.as_str())] {
            let said = filter(directives).unwrap().to_string();
            let client: Vec<&str> = said.split(',').filter(|d| d.starts_with(CLIENT)).collect();
            assert_eq!(client, ["kube_client=error"], "{said}");
        }
        assert!(filter(Some("=!")).is_err());
    }
}
