//! The playbooks at hand: those built in, and the user's own, which win by id.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use super::cases;
use super::tree::{LoadError, Playbook};
use crate::world::Kind;

/// Built in: file name and text.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("pod.yaml", include_str!("../../assets/playbooks/pod.yaml")),
    ("rollout.yaml", include_str!("../../assets/playbooks/rollout.yaml")),
    ("node.yaml", include_str!("../../assets/playbooks/node.yaml")),
    ("job.yaml", include_str!("../../assets/playbooks/job.yaml")),
    ("gpu.yaml", include_str!("../../assets/playbooks/gpu.yaml")),
    ("service.yaml", include_str!("../../assets/playbooks/service.yaml")),
    ("object.yaml", include_str!("../../assets/playbooks/object.yaml")),
    ("statefulset.yaml", include_str!("../../assets/playbooks/statefulset.yaml")),
    ("daemonset.yaml", include_str!("../../assets/playbooks/daemonset.yaml")),
    ("namespace.yaml", include_str!("../../assets/playbooks/namespace.yaml")),
    ("ingress.yaml", include_str!("../../assets/playbooks/ingress.yaml")),
    ("dns.yaml", include_str!("../../assets/playbooks/dns.yaml")),
    ("volume.yaml", include_str!("../../assets/playbooks/volume.yaml")),
];

/// The tree for kinds that have none of their own.
pub const ANY: &str = "object";

/// No playbook comes near this.
const LARGEST: u64 = 1 << 20;

/// Playbooks by id.
#[derive(Clone, Debug, Default)]
pub struct Library {
    books: BTreeMap<String, Arc<Playbook>>,
}

/// A library that is read when it is first asked for, or when a thread forces it: parsing takes longer than a first
/// frame may.
pub type Shelf = LazyLock<Arc<Library>, Box<dyn FnOnce() -> Arc<Library> + Send>>;

impl Library {
    /// A shelf with the built-in playbooks.
    pub fn shelf() -> Arc<Shelf> {
        // Embedded playbooks parse: a test reads each.
        Arc::new(Shelf::new(Box::new(|| Arc::new(Library::embedded().unwrap_or_default()))))
    }

    /// The built-in playbooks.
    ///
    /// # Errors
    /// Never for a build whose tests passed.
    pub fn embedded() -> Result<Library, LoadError> {
        let mut library = Library::default();
        for (file, text) in EMBEDDED {
            library.add(Playbook::parse(text, file)?);
        }
        Ok(library)
    }

    /// Adds a playbook; one with the same id gives way.
    pub fn add(&mut self, playbook: Playbook) -> Arc<Playbook> {
        let book = Arc::new(playbook);
        self.books.insert(book.id.clone(), book.clone());
        book
    }

    /// Adds every `*.yaml` of a directory but the cases. A directory that is not there holds none; a file that cannot be read is
    /// returned as an error and the others still load.
    pub fn add_directory(&mut self, dir: &Path) -> Vec<LoadError> {
        let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
        let mut files: Vec<_> = entries
            .filter_map(|e| e.ok().map(|e| e.path()))
            .filter(|p| p.extension().is_some_and(|x| x == "yaml" || x == "yml") && !cases::is(p))
            .collect();
        files.sort();
        files.iter().filter_map(|f| self.add_file(f).err()).collect()
    }

    /// # Errors
    /// A sentence naming the file and, where it could be read, the line.
    pub fn add_file(&mut self, path: &Path) -> Result<Arc<Playbook>, LoadError> {
        let file = path.display().to_string();
        let fail = |message: String| LoadError { file: file.clone(), message };
        let size = std::fs::metadata(path).map_err(|e| fail(format!("cannot be read: {e}")))?.len();
        if size > LARGEST {
            return Err(fail(format!("has {size} bytes; a playbook has at most {LARGEST}")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
        Ok(self.add(Playbook::parse(&text, &file)?))
    }

    pub fn get(&self, id: &str) -> Option<&Arc<Playbook>> {
        self.books.get(id)
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.books.keys().map(String::as_str)
    }

    pub fn books(&self) -> impl Iterator<Item = &Arc<Playbook>> {
        self.books.values()
    }

    /// The playbook to open for a kind, where nobody named one.
    pub fn about(&self, kind: &Kind) -> Option<&Arc<Playbook>> {
        let mut fitting = self.books.values().filter(|b| b.about.contains(kind));
        // The tree of the kind's own name before others about it.
        let own = self.books.get(&kind.name().to_ascii_lowercase()).filter(|b| b.about.contains(kind));
        own.or_else(|| fitting.next()).or_else(|| self.books.get(ANY))
    }
}
