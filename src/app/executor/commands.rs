//! Programs that a remedy runs on this machine: without a shell, in a process group of their own, their output in a file.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Stdio;

use crate::remedy::run::{Command, Ran};

/// Bytes of output that are given back.
const TAIL: u64 = 2048;

/// Runs the program to its end.
///
/// # Errors
/// A sentence: the log cannot be written, or the program cannot be started.
pub async fn run(command: Command) -> Result<Ran, String> {
    let Some((program, arguments)) = command.words.split_first() else {
        return Err("there is no program to run".to_owned());
    };
    let log = open(&command.log).map_err(|e| format!("cannot write {}: {e}", command.log.display()))?;
    let both = log.try_clone().map_err(|e| format!("cannot write {}: {e}", command.log.display()))?;
    let mut process = tokio::process::Command::new(program);
    process
        .args(arguments)
        .envs(command.env.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(both));
    // A Ctrl-C that stops khud after this step must not cut the step off.
    #[cfg(unix)]
    process.process_group(0);
    let mut child = process.spawn().map_err(|e| format!("cannot run {program:?}: {e}"))?;
    let code = match tokio::time::timeout(command.timeout, child.wait()).await {
        Ok(status) => status.map_err(|e| format!("waiting for {program:?}: {e}"))?.code(),
        Err(_) => {
            // It is ended, and its end awaited: nothing of it goes on behind the next step.
            let _ = child.kill().await;
            None
        }
    };
    Ok(Ran { code, tail: tail(&command.log).unwrap_or_default() })
}

fn open(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn command(dir: &Path, words: &[&str], timeout: Duration) -> Command {
        Command {
            words: words.iter().map(|w| (*w).to_owned()).collect(),
            env: vec![("KHUD_NODE".to_owned(), "n1; rm -rf ~".to_owned())],
            log: dir.join("hook.log"),
            timeout,
        }
    }

    #[tokio::test]
    async fn a_program_gets_its_words_as_they_are_and_its_output_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let long = Duration::from_secs(60);
        let ran = run(command(dir.path(), &["printenv", "KHUD_NODE"], long)).await.unwrap();
        assert_eq!(ran, Ran { code: Some(0), tail: "n1; rm -rf ~".to_owned() });
        let ran = run(command(dir.path(), &["ls", "/nonexistent/$HOME"], long)).await.unwrap();
        assert_ne!(ran.code, Some(0));
        assert!(ran.tail.contains("/nonexistent/$HOME"), "no shell saw it: {}", ran.tail);
        let log = std::fs::read_to_string(dir.path().join("hook.log")).unwrap();
        assert!(log.starts_with("n1; rm -rf ~\n"), "both outputs are there: {log}");
        let none = run(command(dir.path(), &["/nonexistent/terraform"], long)).await;
        assert!(none.unwrap_err().contains("cannot run"));
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let ran = run(command(dir.path(), &["sleep", "600"], Duration::from_millis(20))).await.unwrap();
        assert_eq!(ran.code, None);
    }
}
