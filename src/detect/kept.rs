//! The timeline's file: one JSON line an entry, written as it happens, read back by the next cockpit.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use super::timeline::{Entry, HELD};

/// Bytes of a file before it is set aside as `NAME.1`.
const FILE: u64 = 16 << 20;
/// Longest line that is read back; a longer one is passed over.
const LINE: usize = 64 << 10;

#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Kept {
    /// Opens the file (made with its folder where missing, readable by its owner alone) and reads back the newest
    /// entries in it, in the order of their time.
    ///
    /// # Errors
    /// A sentence where the file cannot be opened.
    pub fn open(path: &Path) -> Result<(Kept, Vec<Entry>), String> {
        let say = |e: io::Error| format!("cannot keep the timeline in {}: {e}", path.display());
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(say)?;
        }
        if path.symlink_metadata().is_ok_and(|m| !m.file_type().is_file()) {
            return Err(format!("cannot keep the timeline in {}: it is not a plain file", path.display()));
        }
        let entries = read(path).map_err(say)?;
        let file = append_to(path).map_err(say)?;
        let bytes = file.metadata().map_err(say)?.len();
        Ok((Kept { path: path.to_owned(), file, bytes }, entries))
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// A sentence naming the file.
    pub fn write(&mut self, entry: &Entry) -> Result<(), String> {
        self.append(entry)
            .map_err(|e| format!("the timeline is no longer kept in {}: {e}", self.path.display()))
    }

    fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        if self.bytes + line.len() as u64 > FILE {
            std::fs::rename(&self.path, aside(&self.path))?;
            self.file = append_to(&self.path)?;
            self.bytes = 0;
        }
        // One write a line: a lost session tears at most the last one.
        self.file.write_all(&line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

/// The newest entries in the file and in the one set aside, in the order of their time; none where there is no file.
///
/// # Errors
/// As reading a file that is there.
pub fn read(path: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = VecDeque::new();
    for path in [aside(path), path.to_owned()] {
        if let Ok(file) = File::open(path) {
            read_back(BufReader::new(file), &mut entries)?;
        }
    }
    let mut entries = Vec::from(entries);
    entries.sort_by_key(|e| e.at);
    Ok(entries)
}

fn aside(path: &Path) -> PathBuf {
    path.with_added_extension("1")
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // A line that was torn ends here, or it would swallow the next one.
    if file.metadata()?.len() > 0 {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// Reads lines back, the newest `HELD` of them; what is torn, foreign or too long is passed over.
fn read_back(mut from: impl BufRead, entries: &mut VecDeque<Entry>) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let n = io::Read::take(&mut from, LINE as u64).read_until(b'\n', &mut line)?;
        if n == 0 {
            return Ok(());
        }
        if let Ok(entry) = serde_json::from_slice::<Entry>(&line) {
            if entries.len() == HELD {
                entries.pop_front();
            }
            entries.push_back(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::timeline::What;
    use crate::world::Time;

    fn at(second: i64) -> Time {
        Time(1_795_222_800_000 + second * 1000)
    }

    #[test]
    fn what_was_written_is_there_after_a_lost_session_torn_line_and_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/timeline.jsonl");
        let (mut kept, before) = Kept::open(&path).unwrap();
        assert!(before.is_empty());
        kept.write(&Entry::new(at(10), What::Note, None, "paged at 01:00").by("ana")).unwrap();
        kept.write(&Entry::new(at(5), What::Change, None, "image v1 → v2")).unwrap();
        drop(kept);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"at\":\"2026-11-21T").unwrap();
        drop(file);

        let (mut kept, before) = Kept::open(&path).unwrap();
        let all: Vec<_> = before.iter().map(|e| (e.at, e.who.as_str())).collect();
        assert_eq!(all, [(at(5), ""), (at(10), "ana")]);
        // What follows a torn line is not lost with it.
        kept.write(&Entry::new(at(20), What::Note, None, "back").by("ana")).unwrap();
        assert_eq!(Kept::open(&path).unwrap().1.last().unwrap().text, "back");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_file(&path).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
            assert!(Kept::open(&path).unwrap_err().contains("not a plain file"));
        }
    }

    #[test]
    fn a_full_file_is_set_aside_and_still_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("timeline.jsonl");
        let (mut kept, _) = Kept::open(&path).unwrap();
        kept.write(&Entry::new(at(1), What::Note, None, "before")).unwrap();
        kept.bytes = FILE;
        kept.write(&Entry::new(at(2), What::Note, None, "after")).unwrap();
        assert!(aside(&path).exists());
        let (_, all) = Kept::open(&path).unwrap();
        let texts: Vec<&str> = all.iter().map(|e| e.text.as_str()).collect();
        assert_eq!(texts, ["before", "after"]);
    }
}
