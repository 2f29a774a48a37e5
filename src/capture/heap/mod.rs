//! JVM heap dumps: what fills the heap, and who keeps it alive.
//!
//! Two passes over the file build an index in unnamed files on disk; then the dominator tree gives retained sizes by
//! Eclipse MAT's rules (`Reference.referent` keeps nothing alive, a thread keeps its local variables, a class counts
//! with its class object). Memory stays below 64 MiB and 0.4 of the file for objects of 25 bytes in the file and
//! more, which is the smallest that a 64-bit JVM writes.
//!
//! No kept crate does this: `jvm-hprof` (2021) parses a whole file in memory or mapped, which needs `unsafe`, and
//! stops there; `hprof-analyzer` keeps the graph in memory (about half of the file) and brings a query language, a
//! web page and a changing interface.

mod classes;
mod collections;
mod dominators;
mod graph;
mod hprof;
mod ids;
mod index;
mod objects;
mod paths;
mod render;
mod report;
mod retained;
mod spill;
mod strings;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

pub use render::table;
pub use report::{ClassRow, CollectionRow, LoaderRow, Report, StringRow, Strings, Suspect};

/// What the reader does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// First pass over the file.
    Index,
    /// Second pass.
    Graph,
    /// The dominator tree and what comes after it.
    Tree,
}

/// Called now and then with the step and, in a pass, the bytes of the file read; else thousandths done.
pub type Progress<'a> = &'a mut dyn FnMut(Step, u64);

/// A file that makes no sense at an offset.
#[derive(Debug, thiserror::Error)]
#[error("{what} at byte {offset}; {readable}")]
pub struct Broken {
    /// Bytes from the file's begin.
    pub offset: u64,
    pub what: String,
    /// What was understood before, as a part of a sentence.
    pub readable: String,
}

/// Reads a heap dump. Index files go beside the dump, or to the temporary directory where that cannot be written;
/// they need about as much space as the dump has.
///
/// # Errors
/// A sentence with the file's name: it cannot be read, is no heap dump, is cut off or broken (with the offset and
/// what was readable), or the index cannot be written.
pub fn read(path: &Path, progress: Progress<'_>) -> Result<Report, String> {
    let name = path.display();
    let unreadable = |e: std::io::Error| format!("{name} could not be read: {e}");
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(format!("{name} is a directory, not a heap dump"));
    }
    let beside = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let scratch = spill::Scratch::new(vec![beside, std::env::temp_dir()]);
    analyse(file, &name.to_string(), &scratch, progress).map_err(|e| format!("{name} was not read: {e}"))
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Broken(#[from] Broken),
    #[error("the index or the file failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Refused(String),
}

/// Bytes that the program itself, its buffers and small tables need.
const BASE: u64 = 24 << 20;

/// What is left for the cache of a stage that needs 9 bytes an object.
fn cache(file: u64, objects: u64) -> u64 {
    let budget = (64 << 20) + file / 5 * 2;
    budget.saturating_sub(BASE + objects * 9).clamp(8 << 20, 1 << 30)
}

/// What both passes and the tree gave.
struct Measured {
    file: File,
    length: u64,
    /// Without its ids, which are in `ids`.
    index: index::Index,
    ids: ids::Saved,
    graph: graph::Graph,
    known: retained::Known,
    tree: dominators::Tree,
    retained: retained::Retained,
    objects: u32,
    cache: u64,
}

fn measure(file: File, scratch: &spill::Scratch, progress: Progress<'_>) -> Result<Measured, Error> {
    let length = file.metadata()?.len();
    let reader = hprof::Reader::new(file)?;
    let mut indexer = index::Indexer::new(reader.id_size, &mut *progress);
    let mut file = reader.visit(&mut indexer)?;
    let mut index = indexer.finish(&file).map_err(Error::Refused)?;
    if index.ids.count == 0 {
        return Err(Error::Refused("the file holds no object".to_owned()));
    }
    file.rewind()?;

    let reader = hprof::Reader::new(file)?;
    let mut grapher = graph::Grapher::new(&index, scratch, &mut *progress)?;
    let file = reader.visit(&mut grapher)?;
    let mut graph = grapher.finish()?;
    let objects = index.ids.count;
    let known = index.known();
    // Later stages need the memory.
    let ids = std::mem::take(&mut index.ids).save(scratch)?;

    let cache = cache(length, u64::from(objects));
    let mut walked = |done: u64, of: u64| progress(Step::Tree, done * 700 / of.max(1));
    let mut tree = dominators::build(&mut graph, objects, scratch, cache, &mut walked)?;
    progress(Step::Tree, 750);
    let retained = retained::sum(&known, objects, &graph, &mut tree, scratch, cache)?;
    progress(Step::Tree, 850);
    Ok(Measured { file, length, index, ids, graph, known, tree, retained, objects, cache })
}

fn analyse(
    file: File,
    name: &str,
    scratch: &spill::Scratch,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    let measured = measure(file, scratch, &mut *progress)?;
    let Measured { file, length, mut index, ids, mut graph, known, mut tree, retained, objects, cache } =
        measured;
    let numbers = report::Numbers::find(&known.loaders, objects, &graph, &mut tree, &retained)?;
    graph.take_offsets_back(objects)?;
    let paths = paths::Paths::new(&graph, objects, &numbers.wanted, scratch, cache)?;
    progress(Step::Tree, 950);
    graph.put_offsets_away(scratch)?;
    index.ids = ids.load()?;
    let strings = strings::duplicates(&mut graph, index.classes.layout.primitive_array(0, 1))?;
    let parts = report::Parts {
        index: &index,
        graph: &graph,
        retained: &retained,
        paths: &paths,
        numbers: &numbers,
        strings: &strings,
    };
    Ok(Report::new(name, length, &file, &parts)?)
}

/// Whether a file begins as a heap dump does.
pub fn is_dump(path: &Path) -> bool {
    let mut head = [0; 12];
    File::open(path).and_then(|mut f| f.read_exact(&mut head)).is_ok() && &head == b"JAVA PROFILE"
}
