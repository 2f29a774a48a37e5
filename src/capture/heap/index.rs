//! The first pass over the file: classes, roots and the ids of all objects.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::classes::{Classes, Layout};
use super::hprof::{ClassDump, Root, RootKind, Type, Visitor};
use super::ids::{Collected, Ids};
use super::retained::Known;
use super::{Progress, Step};

/// Limits well above the needs of a 64 GiB heap. They protect the memory from a crafted file.
const NAMES: usize = 1 << 22;
const CLASSES: usize = 1 << 20;
const ROOTS: usize = 1 << 22;
const FIELDS: usize = 1 << 22;
/// The longest stored name, in bytes. The JVM's own limit is 65,535.
const NAME: u32 = 1 << 12;
/// The most bytes of all names of classes and fields.
const TEXT: usize = 64 << 20;

pub struct Index {
    pub classes: Classes,
    pub ids: Ids,
    pub roots: Vec<Root>,
    /// The object of each thread, by thread serial.
    pub threads: HashMap<u32, u64>,
    /// The number of objects in the file.
    pub objects: u64,
}

impl Index {
    /// The object numbers of class objects and loaders. Call it while the ids are in memory.
    pub fn known(&self) -> Known {
        let classes = &self.classes.all;
        let mut ids: Vec<u64> = classes.iter().filter(|c| c.dumped).map(|c| c.dump.loader).collect();
        ids.sort_unstable();
        ids.dedup();
        let loaders: Vec<(u64, u32)> =
            ids.into_iter().filter_map(|id| Some((id, self.ids.find(id)?))).collect();
        let place = |id: u64| loaders.binary_search_by_key(&id, |l| l.0).ok().map(|i| i as u32);
        Known {
            classes: classes.iter().map(|c| self.ids.find(c.dump.id).filter(|_| c.dumped)).collect(),
            loader_of: classes.iter().map(|c| place(c.dump.loader).filter(|_| c.dumped)).collect(),
            loaders,
        }
    }
}

/// The visitor of the first pass.
pub struct Indexer<'a> {
    id_size: u32,
    names: Vec<(u64, u64, u32)>,
    loaded: HashMap<u64, u64>,
    dumps: Vec<ClassDump>,
    /// The number of fields and statics of all classes.
    fields: usize,
    roots: Vec<Root>,
    threads: HashMap<u32, u64>,
    ids: Collected,
    /// The start of the last array of references, and its end if references had 8 bytes.
    last_array: (u64, u64),
    compressed: bool,
    progress: Progress<'a>,
}

impl<'a> Indexer<'a> {
    pub fn new(id_size: u32, progress: Progress<'a>) -> Indexer<'a> {
        Indexer {
            id_size,
            names: Vec::new(),
            loaded: HashMap::new(),
            dumps: Vec::new(),
            fields: 0,
            roots: Vec::new(),
            threads: HashMap::new(),
            ids: Collected::default(),
            last_array: (0, 0),
            compressed: false,
            progress,
        }
    }

    fn object(&mut self, id: u64) -> Result<(), String> {
        let (begin, end) = self.last_array;
        // An object inside the range of an array of 8-byte references proves that references have 4 bytes.
        self.compressed |= id > begin && id < end;
        self.ids.push(id)
    }

    /// Reads the names of classes and fields, and numbers the objects.
    ///
    /// # Errors
    /// A sentence if the file cannot be read again.
    pub fn finish(mut self, file: &File) -> Result<Index, String> {
        let objects = self.ids.count;
        let mut names = HashMap::new();
        let mut bytes = 0;
        self.names.sort_unstable();
        let fields =
            self.dumps.iter().flat_map(|c| c.fields.iter().map(|f| f.0).chain(c.statics.iter().map(|s| s.0)));
        for id in fields.chain(self.loaded.values().copied()) {
            if id == 0 || names.contains_key(&id) {
                continue;
            }
            if let Ok(place) = self.names.binary_search_by_key(&id, |n| n.0) {
                let (_, at, length) = self.names[place];
                let mut text = vec![0; length.min(NAME) as usize];
                bytes += text.len();
                if bytes > TEXT {
                    return Err(format!(
                        "the names of classes and fields have more than {TEXT} bytes, which no JVM has"
                    ));
                }
                file.read_exact_at(&mut text, at)
                    .map_err(|e| format!("the file could not be read again: {e}"))?;
                names.insert(id, String::from_utf8_lossy(&text).into_owned());
            }
        }
        let reference = if self.id_size == 8 && self.compressed { 4 } else { self.id_size };
        let layout = Layout { id_size: self.id_size, reference };
        let ids = self.ids.number();
        let classes = Classes::new(self.dumps, &self.loaded, names, layout)?;
        // If no class is marked as a system class, the boot loader's classes are the ones the JVM never
        // unloads.
        if !self.roots.iter().any(|r| r.kind == RootKind::SystemClass) {
            let boot = classes.all.iter().filter(|c| c.dumped && c.dump.loader == 0);
            self.roots.extend(boot.map(|c| Root { id: c.dump.id, kind: RootKind::SystemClass, thread: 0 }));
        }
        Ok(Index { classes, ids, roots: self.roots, threads: self.threads, objects })
    }
}

impl Visitor for Indexer<'_> {
    fn name(&mut self, id: u64, at: u64, length: u32) -> Result<(), String> {
        if self.names.len() >= NAMES {
            return Err(format!("the file has more than {NAMES} names, which no JVM has,"));
        }
        self.names.push((id, at, length));
        Ok(())
    }

    fn load_class(&mut self, class: u64, name: u64) -> Result<(), String> {
        if self.loaded.len() >= CLASSES {
            return Err(format!("the file has more than {CLASSES} classes, which no JVM has,"));
        }
        self.loaded.insert(class, name);
        Ok(())
    }

    fn root(&mut self, root: Root) -> Result<(), String> {
        if self.roots.len() >= ROOTS {
            return Err(format!("the file has more than {ROOTS} roots, which no JVM has,"));
        }
        if root.kind == RootKind::Thread {
            self.threads.insert(root.thread, root.id);
        }
        self.roots.push(root);
        Ok(())
    }

    fn class(&mut self, class: ClassDump, _at: u64) -> Result<(), String> {
        if self.dumps.len() >= CLASSES {
            return Err(format!("the file has more than {CLASSES} classes, which no JVM has,"));
        }
        self.fields += class.fields.len() + class.statics.len();
        if self.fields > FIELDS {
            return Err(format!("the classes have more than {FIELDS} fields, which no JVM has,"));
        }
        self.ids.push(class.id)?;
        self.dumps.push(class);
        Ok(())
    }

    fn instance(&mut self, id: u64, _class: u64, _fields: &[u8], _at: u64) -> Result<(), String> {
        self.object(id)
    }

    fn object_array(&mut self, id: u64, _class: u64, length: u32, _at: u64) -> Result<bool, String> {
        self.object(id)?;
        self.last_array = (id, id.saturating_add(16 + u64::from(length) * 8));
        Ok(false)
    }

    fn primitive_array(&mut self, id: u64, _of: Type, _length: u32, _at: u64) -> Result<bool, String> {
        self.object(id)?;
        Ok(false)
    }

    fn progress(&mut self, at: u64) {
        (self.progress)(Step::Index, at);
    }

    fn readable(&self) -> String {
        format!("{} classes and {} objects could be read before that", self.dumps.len(), self.ids.count)
    }
}
