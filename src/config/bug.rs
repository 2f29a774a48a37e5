//! `khud bug`: writes one file with the facts a maintainer needs, and without secrets.

use std::fmt::Write;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::document::Problem;
use super::files::{self, Places};
use super::log;
use crate::world::Time;
use crate::world::redact::redact;

/// The file in the state directory that holds the report of the last panic or unexpected error.
pub const CRASH: &str = "crash.txt";

/// The length of the log's tail, in bytes.
const TAIL: u64 = 64 * 1024;

/// Environment variables that describe the terminal and hold no secrets.
const TELLING: &[&str] = &[
    "TERM",
    "COLORTERM",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "NO_COLOR",
    "TMUX",
    "STY",
    "SSH_TTY",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "KHUD_LOG",
    "KHUD_CONFIG_DIR",
    "KHUD_STATE_DIR",
    "KUBECONFIG",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// The facts in the report.
#[derive(Debug, Default)]
pub struct Facts {
    /// khud's version.
    pub version: String,
    /// Operating system and architecture.
    pub system: String,
    /// The time of the report, RFC 3339.
    pub at: String,
    pub environment: Vec<(String, String)>,
    /// Columns and rows, if there is a terminal.
    pub size: Option<(u16, u16)>,
    /// Problems in the configuration.
    pub problems: Vec<Problem>,
    /// The server's version and khud's rights; empty if no cluster was asked.
    pub capabilities: Vec<String>,
    /// The errors of this run.
    pub errors: Vec<String>,
    /// The report of the last panic or unexpected error.
    pub crash: String,
    /// The tail of the log.
    pub log: String,
}

impl Facts {
    /// Collects the facts that need no cluster.
    pub fn gather(state: Option<&Path>, at: String, env: impl Fn(&str) -> Option<String>) -> Facts {
        Facts {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            at,
            environment: TELLING.iter().filter_map(|name| Some(((*name).to_owned(), env(name)?))).collect(),
            size: crossterm::terminal::size().ok(),
            crash: state.and_then(|dir| tail(&dir.join(CRASH)).ok()).unwrap_or_default(),
            log: state.and_then(log::newest).and_then(|file| tail(&file).ok()).unwrap_or_default(),
            ..Facts::default()
        }
    }
}

/// The end of a file, from the start of a line.
fn tail(file: &Path) -> io::Result<String> {
    let mut file = fs::File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(match text.split_once('\n') {
        Some((_, rest)) if length > TAIL => rest.to_owned(),
        _ => text.into_owned(),
    })
}

/// Formats the report. The whole text is redacted at once, so that no fact can escape it.
pub fn report(facts: &Facts) -> String {
    let mut out = String::from(
        "khud bug report\nCheck it before you send it: it may contain names from your cluster.\n\n",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(out, "version: {}\nsystem: {}\nat: {}", facts.version, facts.system, facts.at);
    match facts.size {
        Some((columns, rows)) => {
            let _ = writeln!(out, "terminal: {columns}×{rows}");
        }
        None => out.push_str("terminal: none\n"),
    }
    let environment: Vec<String> =
        facts.environment.iter().map(|(name, value)| format!("{name}={}", one_line(value))).collect();
    let problems: Vec<String> = facts.problems.iter().map(Problem::to_string).collect();
    for (title, lines) in [
        ("environment", &environment),
        ("configuration problems", &problems),
        ("capabilities", &facts.capabilities),
        ("errors", &facts.errors),
    ] {
        let _ = writeln!(out, "\n{title}:");
        if lines.is_empty() {
            out.push_str("  none\n");
        }
        for line in lines {
            let _ = writeln!(out, "  {}", one_line(line));
        }
    }
    for (title, text) in [("the last crash", &facts.crash), ("the end of the log", &facts.log)] {
        let _ = writeln!(out, "\n{title}:\n{}", if text.is_empty() { "  none" } else { text.trim_end() });
    }
    redact(&out).chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

/// Collects the local facts, lets `add` complete them, and writes the report to `to` or to a new file in the
/// current directory. Returns the path.
///
/// # Errors
/// A sentence that says why the report could not be written.
pub fn gather_and_write(
    to: Option<&Path>,
    now: Time,
    add: impl FnOnce(&mut Facts),
) -> Result<String, String> {
    let at = now.to_jiff();
    let path = to.map_or_else(
        || PathBuf::from(format!("khud-bug-{}.txt", at.strftime("%Y%m%dT%H%M%SZ"))),
        Path::to_owned,
    );
    let places = Places::find();
    let env = |name: &str| std::env::var(name).ok();
    let mut facts = Facts::gather(places.as_ref().map(|p| p.state.as_path()), at.to_string(), env);
    facts.problems = places.map(|p| files::load(&p).problems).unwrap_or_default();
    add(&mut facts);
    write(&path, &report(&facts))?;
    Ok(path.display().to_string())
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).collect::<Vec<_>>().join(" ")
}

/// Writes a report that only its owner can read. An existing file is not overwritten.
///
/// # Errors
/// A sentence that says why the report could not be written.
pub fn write(path: &Path, report: &str) -> Result<(), String> {
    use std::os::unix::fs::OpenOptionsExt;
    let sentence = |e: io::Error| format!("the report could not be written to {}: {e}", path.display());
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(sentence)?;
    io::Write::write_all(&mut file, report.as_bytes()).map_err(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_tells_what_is_asked_and_keeps_secrets() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("khud.2030-01-01.log"), "old\n").unwrap();
        fs::write(dir.path().join(CRASH), "a bug in drawing, password=hunter2\n").unwrap();
        let lines = format!("{}\nWARN lost token=abcdef\nINFO back\n", "x ".repeat(TAIL as usize));
        fs::write(dir.path().join("khud.2030-01-02.log"), lines).unwrap();
        let env = |name: &str| match name {
            "TERM" => Some("xterm-256color".to_owned()),
            "HTTPS_PROXY" => Some("http://me:hunter2@proxy:3128".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("never".to_owned()),
            _ => None,
        };
        let mut facts = Facts::gather(Some(dir.path()), "2030-01-02T03:04:05Z".to_owned(), env);
        facts.errors.push("401 for Bearer abcdefghijk\u{1b}[2J".to_owned());
        let report = report(&facts);
        for part in [
            "version: 0.1.0",
            "TERM=xterm-256color",
            "WARN lost token=[redacted]",
            "INFO back",
            "a bug in drawing",
        ] {
            assert!(report.contains(part), "{part} is missing in:\n{report}");
        }
        for secret in ["hunter2", "abcdef", "never", "old", "\u{1b}"] {
            assert!(!report.contains(secret), "{secret:?} stands in:\n{report}");
        }
        let path = dir.path().join("bug.txt");
        write(&path, &report).unwrap();
        assert!(write(&path, &report).unwrap_err().contains("bug.txt"));
    }
}
