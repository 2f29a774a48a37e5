//! Files of containers: small texts stored whole, large ones as deterministic bytes on demand.
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::chance::{fnv, mix};
use super::hprof::Hprof;
use crate::scenario::format::FileSpec;

/// The content of a file.
#[derive(Clone, Debug)]
pub enum Content {
    Text(Bytes),
    /// Bytes derived from a seed: always the same at the same offset.
    Noise {
        seed: u64,
        size: u64,
    },
    /// A JVM heap dump.
    Heap(Arc<Hprof>),
}

impl FileSpec {
    /// The content of a file that a scenario describes.
    pub fn content(&self, path: &str) -> Content {
        match self {
            Self::Text(t) => Content::Text(Bytes::from(t.clone())),
            Self::Sized { size } => Content::Noise { seed: fnv(path.as_bytes()), size: size.0 as u64 },
        }
    }
}

#[derive(Clone, Debug)]
pub struct File {
    pub content: Content,
    pub modified: Timestamp,
}

pub const BLOCK: u64 = 64 * 1024;

impl Content {
    pub fn size(&self) -> u64 {
        match self {
            Self::Text(bytes) => bytes.len() as u64,
            Self::Noise { size, .. } => *size,
            Self::Heap(dump) => dump.size(),
        }
    }

    /// Up to one block of bytes from an offset; empty at the end.
    pub fn read(&self, offset: u64) -> Bytes {
        match self {
            Self::Text(bytes) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                bytes.slice(from..)
            }
            Self::Noise { seed, size } => noise(*seed, offset, BLOCK.min(size.saturating_sub(offset))),
            Self::Heap(dump) => dump.read(offset, BLOCK),
        }
    }
}

/// Bytes of a seeded stream from an offset.
pub fn noise(seed: u64, offset: u64, len: u64) -> Bytes {
    let mut out = Vec::with_capacity(len as usize + 16);
    let first = offset / 8;
    for word in first..(offset + len).div_ceil(8) {
        out.extend_from_slice(
            &mix(seed.wrapping_add(word.wrapping_mul(0x9e37_79b9_7f4a_7c15))).to_le_bytes(),
        );
    }
    Bytes::from(out).slice((offset - first * 8) as usize..(offset - first * 8 + len) as usize)
}

/// A tree of files. A directory exists if it was created or contains a file.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, File>,
    dirs: std::collections::BTreeSet<String>,
}

/// An absolute path without `.`, `..` and doubled slashes.
pub fn absolute(cwd: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_owned() } else { format!("{cwd}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

impl Tree {
    pub fn get(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    pub fn is_dir(&self, path: &str) -> bool {
        if path == "/" || self.dirs.contains(path) {
            return true;
        }
        let below = format!("{path}/");
        let under = |s: &String| s.starts_with(&below);
        self.files.range(below.clone()..).next().is_some_and(|(p, _)| under(p))
            || self.dirs.range(below.clone()..).next().is_some_and(under)
    }

    pub fn put(&mut self, path: &str, content: Content, modified: Timestamp) {
        self.files.insert(path.to_owned(), File { content, modified });
    }

    pub fn make_dir(&mut self, path: &str) {
        self.dirs.insert(path.to_owned());
    }

    pub fn remove(&mut self, path: &str) -> bool {
        self.files.remove(path).is_some()
    }

    pub fn remove_tree(&mut self, path: &str) {
        let below = format!("{path}/");
        self.files.retain(|p, _| p != path && !p.starts_with(&below));
        self.dirs.retain(|p| p != path && !p.starts_with(&below));
    }

    /// Every file at or under a path, in order.
    pub fn under<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a File)> {
        let below = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        self.files
            .iter()
            .filter(move |(p, _)| *p == path || p.starts_with(&below))
            .map(|(p, f)| (p.as_str(), f))
    }

    /// The names directly in a directory.
    pub fn names(&self, dir: &str) -> Vec<String> {
        let below = if dir == "/" { "/".to_owned() } else { format!("{dir}/") };
        let mut names: Vec<String> = self
            .files
            .keys()
            .chain(&self.dirs)
            .filter_map(|p| p.strip_prefix(&below))
            .filter_map(|rest| rest.split('/').next())
            .filter(|n| !n.is_empty())
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Bytes under a path.
    pub fn used(&self, path: &str) -> u64 {
        self.under(path).map(|(_, f)| f.content.size()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_wherever_the_reader_starts() {
        let whole = noise(9, 0, 1000);
        assert_eq!(noise(9, 333, 100), whole.slice(333..433));
        assert_ne!(noise(10, 0, 1000), whole);
    }

    #[test]
    fn paths_are_resolved_as_a_shell_does() {
        assert_eq!(absolute("/app", "../tmp//a.txt"), "/tmp/a.txt");
        assert_eq!(absolute("/", ".."), "/");
    }

    #[test]
    fn directories_exist_where_files_are() {
        let mut tree = Tree::default();
        tree.put("/a/b/c", Content::Text(Bytes::from_static(b"x")), Timestamp::UNIX_EPOCH);
        assert!(tree.is_dir("/a/b") && !tree.is_dir("/a/b/c") && !tree.is_dir("/x"));
        assert_eq!(tree.names("/a"), ["b"]);
        tree.remove_tree("/a");
        assert!(!tree.is_dir("/a"));
    }
}
