//! The local files a capture writes: a `.part` that grows chunk by chunk, made durable and renamed when it is whole.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{bundle, transfer};

/// One step on a local file. Plain data; [`FileOp::perform`] carries it out (blocking).
#[derive(Clone, PartialEq, Debug)]
pub enum FileOp {
    /// How many bytes this user may still write where `dir` is, or will be made.
    Free { dir: PathBuf },
    /// Makes the directory where needed and an empty part file, readable by its owner alone. Refuses to replace `final_path`.
    Create { part: PathBuf, final_path: PathBuf },
    /// Writes `bytes` at `offset` (the verified length so far); anything beyond is cut off.
    Write { part: PathBuf, offset: u64, bytes: Vec<u8> },
    /// Makes the part durable and gives it its final name.
    Finish { part: PathBuf, final_path: PathBuf },
    /// Writes a small file in one go, then makes it durable.
    Save { path: PathBuf, bytes: Vec<u8> },
    /// Writes a small file beside `path`, makes it durable and puts it in the place of the old one: whoever reads sees
    /// the old file or the new one, whole.
    Replace { path: PathBuf, bytes: Vec<u8> },
    /// Writes texts without secrets into a compressed archive that is not there yet; `at` is the time of its files, in
    /// seconds.
    Archive { path: PathBuf, texts: Vec<bundle::File>, at: i64 },
    /// Reads a file of at most [`LARGEST`] bytes.
    Read { path: PathBuf },
    /// Reads a file of any size for its checksum; `sha256` is `None` where there is no such file.
    Sum { path: PathBuf },
    /// Removes a file; one that is not there is no error.
    Remove { path: PathBuf },
    /// Removes a part that holds nothing.
    Discard { part: PathBuf },
}

/// The largest file that [`FileOp::Read`] reads, bytes: a Terraform plan of some thousand machines fits.
pub const LARGEST: u64 = 256 << 20;

/// What a step left behind.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct FileDone {
    /// Bytes in the file now.
    pub length: u64,
    /// The bytes read; `None` where there is no such file, and after every other step.
    pub read: Option<Vec<u8>>,
    /// The SHA-256 of an archive, or of a file that was summed, in hexadecimal.
    pub sha256: Option<String>,
}

impl FileDone {
    fn length(length: u64) -> FileDone {
        FileDone { length, ..FileDone::default() }
    }
}

impl FileOp {
    /// # Errors
    /// A sentence naming the path and what the system said.
    pub fn perform(&self) -> Result<FileDone, String> {
        let tell =
            |path: &Path, what: &str, e: std::io::Error| format!("cannot {what} {}: {e}", path.display());
        match self {
            FileOp::Free { dir } => {
                // What does not exist yet is made in the nearest directory above that does.
                let there = dir.ancestors().find(|d| d.is_dir()).unwrap_or(Path::new("."));
                let stat = rustix::fs::statvfs(there)
                    .map_err(|e| tell(there, "ask for the free space of", e.into()))?;
                Ok(FileDone::length(stat.f_bavail.saturating_mul(stat.f_frsize)))
            }
            FileOp::Create { part, final_path } => {
                if let Some(dir) = part.parent().filter(|d| !d.as_os_str().is_empty()) {
                    fs::create_dir_all(dir).map_err(|e| tell(dir, "make the directory", e))?;
                }
                if final_path.exists() {
                    return Err(format!("{} is there already; name another directory", final_path.display()));
                }
                private(part).map_err(|e| tell(part, "create", e))?;
                Ok(FileDone::length(0))
            }
            FileOp::Write { part, offset, bytes } => {
                let write = || -> std::io::Result<()> {
                    let mut file = fs::OpenOptions::new().write(true).open(part)?;
                    file.set_len(*offset)?;
                    file.seek(SeekFrom::Start(*offset))?;
                    file.write_all(bytes)
                };
                write().map_err(|e| tell(part, "write", e))?;
                Ok(FileDone::length(offset + bytes.len() as u64))
            }
            FileOp::Finish { part, final_path } => {
                let finish = || -> std::io::Result<u64> {
                    let file = fs::OpenOptions::new().write(true).open(part)?;
                    file.sync_all()?;
                    let length = file.metadata()?.len();
                    fs::rename(part, final_path)?;
                    if let Some(dir) = final_path.parent().filter(|d| !d.as_os_str().is_empty()) {
                        fs::File::open(dir)?.sync_all()?;
                    }
                    Ok(length)
                };
                finish().map(FileDone::length).map_err(|e| tell(final_path, "finish", e))
            }
            FileOp::Save { path, bytes } => {
                if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
                    fs::create_dir_all(dir).map_err(|e| tell(dir, "make the directory", e))?;
                }
                if path.exists() {
                    return Err(format!("{} is there already; name another directory", path.display()));
                }
                let save = || -> std::io::Result<()> {
                    let mut file = private(path)?;
                    file.write_all(bytes)?;
                    file.sync_all()
                };
                save().map_err(|e| tell(path, "write", e))?;
                Ok(FileDone::length(bytes.len() as u64))
            }
            FileOp::Archive { path, texts, at } => {
                let bytes = bundle::archive::write(texts, *at)?;
                let sha256 = Some(transfer::hex(&Sha256::digest(&bytes)));
                let done = FileOp::Save { path: path.clone(), bytes }.perform()?;
                Ok(FileDone { sha256, ..done })
            }
            FileOp::Replace { path, bytes } => {
                let dir = path.parent().filter(|d| !d.as_os_str().is_empty());
                if let Some(dir) = dir {
                    fs::create_dir_all(dir).map_err(|e| tell(dir, "make the directory", e))?;
                }
                let mut name = path.file_name().unwrap_or_default().to_owned();
                name.push(".new");
                let new = path.with_file_name(name);
                let replace = || -> std::io::Result<()> {
                    let mut file = private(&new)?;
                    file.write_all(bytes)?;
                    file.sync_all()?;
                    fs::rename(&new, path)?;
                    fs::File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
                };
                replace().map_err(|e| tell(path, "write", e))?;
                Ok(FileDone::length(bytes.len() as u64))
            }
            FileOp::Read { path } => {
                let read = || -> std::io::Result<Option<Vec<u8>>> {
                    let file = match fs::File::open(path) {
                        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                        file => file?,
                    };
                    let mut bytes = Vec::new();
                    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
                    Ok(Some(bytes))
                };
                let read = read().map_err(|e| tell(path, "read", e))?;
                let length = read.as_ref().map_or(0, |b| b.len() as u64);
                if length > LARGEST {
                    return Err(format!("cannot read {}: it has more than {LARGEST} bytes", path.display()));
                }
                Ok(FileDone { length, read, sha256: None })
            }
            FileOp::Sum { path } => {
                let mut file = match fs::File::open(path) {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(FileDone::default()),
                    file => file.map_err(|e| tell(path, "read", e))?,
                };
                let mut hash = Sha256::new();
                let mut chunk = vec![0; 1 << 16];
                let mut length = 0;
                loop {
                    let n = file.read(&mut chunk).map_err(|e| tell(path, "read", e))?;
                    if n == 0 {
                        break;
                    }
                    hash.update(&chunk[..n]);
                    length += n as u64;
                }
                Ok(FileDone { length, sha256: Some(transfer::hex(&hash.finalize())), ..FileDone::default() })
            }
            FileOp::Remove { path } => match fs::remove_file(path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(tell(path, "remove", e)),
                _ => Ok(FileDone::length(0)),
            },
            FileOp::Discard { part } => {
                fs::remove_file(part).map_err(|e| tell(part, "remove", e))?;
                Ok(FileDone::length(0))
            }
        }
    }
}

/// A dump holds whatever the program knew, so others on this machine must not read it.
fn private(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// A file name made of cluster text: letters, digits, `.`, `_`, `-`; no leading dot; at most 120 bytes.
pub fn safe_name(text: &str) -> String {
    let mut out: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' })
        .take(120)
        .collect();
    if out.is_empty() || out.starts_with('.') {
        out.insert(0, '_');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_grows_and_becomes_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (part, whole) = (dir.path().join("d/a.hprof.part"), dir.path().join("d/a.hprof"));
        FileOp::Create { part: part.clone(), final_path: whole.clone() }.perform().unwrap();
        let write = |offset, bytes: &[u8]| {
            FileOp::Write { part: part.clone(), offset, bytes: bytes.to_vec() }.perform().unwrap().length
        };
        assert_eq!(write(0, b"abcd"), 4);
        assert_eq!(
            write(2, b"XYZ"),
            5,
            "a chunk that is sent again replaces what followed the verified offset"
        );
        assert_eq!(
            FileOp::Finish { part: part.clone(), final_path: whole.clone() }.perform(),
            Ok(FileDone::length(5))
        );
        assert_eq!(fs::read(&whole).unwrap(), b"abXYZ");
        assert!(!part.exists());
        let again = FileOp::Create { part, final_path: whole }.perform();
        assert!(again.unwrap_err().contains("is there already"));
    }

    #[test]
    fn names_from_the_cluster_stay_in_their_directory() {
        assert_eq!(safe_name("payment-5c/../../etc"), "payment-5c_.._.._etc");
        assert_eq!(safe_name("../x"), "_.._x");
        assert_eq!(safe_name(""), "_");
        assert_eq!(safe_name(&"a".repeat(500)).len(), 120);
    }
}
