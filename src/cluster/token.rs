//! A bearer token in a file that the kubelet or another program renews.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use http::HeaderValue;

/// How long a token is used before its file is read again; kubectl uses the same time.
const FRESH: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    /// The header, and when the file was read.
    read: Mutex<(HeaderValue, Instant)>,
}

impl TokenFile {
    /// # Errors
    /// A sentence if the file cannot be read or holds no token.
    pub fn open(path: &str) -> Result<TokenFile, String> {
        let path = PathBuf::from(path);
        let header = read(&path)?;
        Ok(TokenFile { path, read: Mutex::new((header, Instant::now())) })
    }

    /// The `Authorization` header. If the file cannot be read any more, the last header is used. `None` only
    /// after a panic in another thread.
    pub fn bearer(&self) -> Option<HeaderValue> {
        let mut held = self.read.lock().ok()?;
        if held.1.elapsed() >= FRESH {
            if let Ok(header) = read(&self.path) {
                held.0 = header;
            }
            held.1 = Instant::now();
        }
        Some(held.0.clone())
    }
}

fn read(path: &std::path::Path) -> Result<HeaderValue, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("the tokenFile {} cannot be read ({e})", path.display()))?;
    // Editors and `echo` end a file with a newline.
    let token = text.trim();
    if token.is_empty() {
        return Err(format!("the tokenFile {} is empty", path.display()));
    }
    let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| format!("the tokenFile {} holds no token: a token has no spaces", path.display()))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_at_the_end_is_no_part_of_a_token() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let at = path.to_str().unwrap();
        std::fs::write(&path, "abc.def\r\n").unwrap();
        assert_eq!(TokenFile::open(at).unwrap().bearer().unwrap(), "Bearer abc.def");
        std::fs::write(&path, "\n").unwrap();
        assert!(TokenFile::open(at).unwrap_err().ends_with("is empty"));
        std::fs::write(&path, "two\nlines\n").unwrap();
        assert!(TokenFile::open(at).unwrap_err().contains("holds no token"));
        assert!(TokenFile::open("/nowhere/token").unwrap_err().contains("cannot be read"));
    }
}
