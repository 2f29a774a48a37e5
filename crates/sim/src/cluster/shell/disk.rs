//! A container's file system: image, volumes, /proc and /sys.
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::super::files::{Content, File, absolute};
use super::super::kubelet::PodRun;
use super::super::object::{list, text};
use super::{Piece, Session, Source};
use crate::cluster::kubelet::pressure;
use crate::scenario::units::glob;

const NO_FILE: &str = "No such file or directory";
/// The directories of every image.
const DIRS: [&str; 12] =
    ["/tmp", "/etc", "/var", "/usr", "/root", "/app", "/opt", "/home", "/proc", "/sys", "/dev", "/bin"];

impl Session {
    /// The path in the container, under the chroot if there is one.
    pub(super) fn path(&self, path: &str) -> String {
        let path = absolute(&self.cwd, path);
        if self.root.is_empty() { path } else { absolute("/", &format!("{}{path}", self.root)) }
    }

    pub(super) fn file(&self, path: &str) -> Option<File> {
        let path = self.path(path);
        if path == "/dev/null" {
            return Some(File { content: Content::Text(Bytes::new()), modified: Timestamp::UNIX_EPOCH });
        }
        if let Some(content) = self.made_up(&path) {
            return Some(File {
                content: Content::Text(content),
                modified: self.cluster.store.clock().now(),
            });
        }
        self.look(|engine, run, c| {
            let started = run.started;
            if let Some(file) = run.written(c, &path) {
                return Some(file.clone());
            }
            if let Some((volume, inside)) = run.mount(c, &path)
                && let Some(bytes) = config_file(engine, run, &volume, &inside)
            {
                return Some(File { content: Content::Text(bytes), modified: started });
            }
            let going = c.run.as_ref().filter(|_| !c.hides(&path))?;
            Some(File { content: going.behaviour.files.get(&path)?.content(&path), modified: started })
        })
        .flatten()
    }

    pub(super) fn is_dir(&self, path: &str) -> bool {
        let path = self.path(path);
        if path == "/" || DIRS.iter().any(|d| *d == path || d.starts_with(&format!("{path}/"))) {
            return true;
        }
        let below = format!("{path}/");
        self.look(|_, run, c| {
            let told = c
                .run
                .as_ref()
                .is_some_and(|r| r.behaviour.files.keys().any(|f| f.starts_with(&below) && !c.hides(f)));
            told || match run.mount(c, &path) {
                Some((_, inside)) if inside == "/" => true,
                Some((volume, inside)) => run.volumes.get(&volume).is_some_and(|t| t.is_dir(&inside)),
                None => c.files.is_dir(&path),
            }
        })
        .unwrap_or(false)
    }

    /// The names in a directory.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let path = self.path(path);
        let mut names = self
            .look(|engine, run, c| {
                let below = if path == "/" { "/".to_owned() } else { format!("{path}/") };
                let told = c
                    .run
                    .as_ref()
                    .map(|r| r.behaviour.files.keys().cloned().collect::<Vec<_>>())
                    .unwrap_or_default();
                let mut names = c.files.names(&path);
                if let Some((volume, inside)) = run.mount(c, &path) {
                    names.extend(run.volumes.get(&volume).map(|t| t.names(&inside)).unwrap_or_default());
                    names.extend(config_names(engine, run, &volume));
                }
                names.extend(
                    told.iter()
                        .filter(|f| !c.hides(f))
                        .map(String::as_str)
                        .chain(DIRS)
                        .filter_map(|f| f.strip_prefix(&below))
                        .filter_map(|rest| rest.split('/').next())
                        .map(str::to_owned),
                );
                names
            })
            .unwrap_or_default();
        names.sort();
        names.dedup();
        names
    }

    /// Changes files. The error is the system's message.
    fn change(
        &self,
        path: &str,
        f: impl FnOnce(&mut super::super::files::Tree, &str, Timestamp),
    ) -> Result<(), &'static str> {
        let path = self.path(path);
        let parent = path.rsplit_once('/').map_or("/", |p| if p.0.is_empty() { "/" } else { p.0 });
        if !self.is_dir(parent) {
            return Err(NO_FILE);
        }
        let mut engine = self.lock();
        let now = engine.now();
        let Some(run) = engine.runs.get_mut(&self.uid) else { return Err("Input/output error") };
        let place = run.containers.get(self.container).and_then(|c| run.mount(c, &path));
        match place {
            Some((volume, inside)) => f(run.volumes.entry(volume).or_default(), &inside, now),
            None => {
                let Some(c) = run.containers.get_mut(self.container) else {
                    return Err("Input/output error");
                };
                f(&mut c.files, &path, now);
            }
        }
        let node = run.node.clone();
        pressure::watch_usage(&mut engine, &node);
        Ok(())
    }

    pub(super) fn put(&self, path: &str, content: Content) -> Result<(), &'static str> {
        self.change(path, |tree, path, now| tree.put(path, content, now))
    }

    pub(super) fn make_dir(&self, path: &str) -> Result<(), &'static str> {
        self.change(path, |tree, path, _| tree.make_dir(path))
    }

    pub(super) fn remove(&self, path: &str, tree_too: bool) {
        let full = self.path(path);
        // Files of the image are only hidden.
        let _ = self.change(path, |tree, path, _| {
            if tree_too {
                tree.remove_tree(path);
            } else {
                tree.remove(path);
            }
        });
        let mut engine = self.lock();
        if let Some(c) = engine.runs.get_mut(&self.uid).and_then(|r| r.containers.get_mut(self.container)) {
            c.removed.insert(full);
        }
    }

    /// Writes a file for a redirection. The error is the system's message.
    pub(super) fn write(&self, path: &str, data: Bytes, append: bool) -> Option<&'static str> {
        if self.path(path).starts_with("/dev/") {
            return None;
        }
        let mut all = Vec::new();
        if append && let Some(old) = self.file(path) {
            all.extend_from_slice(&old.content.read(0));
        }
        all.extend_from_slice(&data);
        self.put(path, Content::Text(Bytes::from(all))).err()
    }

    /// A file's bytes, block by block.
    pub(super) fn read(&self, path: &str) -> Result<Source, &'static str> {
        if self.path(path) == "/dev/zero" {
            return Ok(Box::new(
                std::iter::repeat_with(|| Piece::Data(Bytes::from_static(&[0; 4096]))).take(65_536),
            ));
        }
        match self.file(path) {
            Some(file) => Ok(blocks(file.content, 0)),
            None if self.is_dir(path) => Err("Is a directory"),
            None => Err(NO_FILE),
        }
    }

    /// The file names that match a pattern, or the pattern itself if none does.
    pub(super) fn glob(&self, pattern: &str) -> Vec<String> {
        if !pattern.contains('*') {
            return vec![pattern.to_owned()];
        }
        let (dir, last) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        let names = self.names(if dir.is_empty() && pattern.starts_with('/') {
            "/"
        } else if dir.is_empty() {
            "."
        } else {
            dir
        });
        let found: Vec<String> =
            names
                .iter()
                .filter(|n| glob(last, n))
                .map(|n| {
                    if dir.is_empty() && !pattern.starts_with('/') { n.clone() } else { format!("{dir}/{n}") }
                })
                .collect();
        if found.is_empty() { vec![pattern.to_owned()] } else { found }
    }
}

/// The bytes of a content from an offset.
pub fn blocks(content: Content, mut at: u64) -> Source {
    Box::new(std::iter::from_fn(move || {
        let data = content.read(at);
        at += data.len() as u64;
        (!data.is_empty()).then_some(Piece::Data(data))
    }))
}

/// A file of a mounted ConfigMap or Secret.
fn config_file(engine: &super::Engine, run: &PodRun, volume: &str, inside: &str) -> Option<Bytes> {
    let spec = list(&run.pod, "/spec/volumes").iter().find(|v| v["name"] == volume)?;
    let key = inside.trim_start_matches('/');
    let map = text(spec, "/configMap/name");
    if !map.is_empty() {
        let object = engine.cache.find("configmaps", &run.key.ns, map)?;
        return object.get("data")?.get(key)?.as_str().map(|t| Bytes::from(t.to_owned()));
    }
    let secret = text(spec, "/secret/secretName");
    let object = engine.cache.find("secrets", &run.key.ns, secret)?;
    use base64::Engine as _;
    let value = object.get("data")?.get(key)?.as_str()?;
    base64::engine::general_purpose::STANDARD.decode(value).ok().map(Bytes::from)
}

fn config_names(engine: &super::Engine, run: &PodRun, volume: &str) -> Vec<String> {
    let Some(spec) = list(&run.pod, "/spec/volumes").iter().find(|v| v["name"] == volume) else {
        return Vec::new();
    };
    let object = engine
        .cache
        .find("configmaps", &run.key.ns, text(spec, "/configMap/name"))
        .or_else(|| engine.cache.find("secrets", &run.key.ns, text(spec, "/secret/secretName")));
    let data = object.and_then(|o| o.get("data")).and_then(Value::as_object);
    data.map(|d| d.keys().cloned().collect()).unwrap_or_default()
}
