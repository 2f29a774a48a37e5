//! Reads JVM heap dumps: what fills the heap, and what keeps it reachable.
//!
//! Two passes over the file build an index in unnamed files on disk. The dominator tree then gives retained
//! sizes by Eclipse MAT's rules: `Reference.referent` retains nothing, a thread retains its local variables,
//! a class counts with its class object. Memory stays below 64 MiB plus 0.4 of the file size, for objects of
//! at least 25 bytes in the file, which is the smallest that a 64-bit JVM writes.
//!
//! No maintained crate fits: `jvm-hprof` (2021) needs the whole file in memory or mapped with `unsafe`, and
//! stops at parsing; `hprof-analyzer` keeps the graph in memory (about half of the file).

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

/// The current step of the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first pass over the file.
    Index,
    /// The second pass over the file.
    Graph,
    /// The dominator tree and the report.
    Tree,
}

/// Called regularly with the step, and with the bytes read so far (in a pass) or the thousandths done (else).
pub type Progress<'a> = &'a mut dyn FnMut(Step, u64);

/// A file that cannot be parsed beyond an offset.
#[derive(Debug, thiserror::Error)]
#[error("{what} at byte {offset}; {readable}")]
pub struct Broken {
    /// The byte offset in the file.
    pub offset: u64,
    /// The part that cannot be parsed, as the start of a sentence.
    pub what: String,
    /// The part of a sentence that says what was readable before.
    pub readable: String,
}

/// Reads a heap dump. Index files are created beside the dump, or in the temporary directory if that is not
/// writable. They need about as much space as the dump.
///
/// # Errors
/// A sentence with the file's name: it cannot be read, is not a heap dump, is cut off or broken (with the
/// offset and what was readable), or the index cannot be written.
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

/// The memory of the program itself, its buffers and small tables, in bytes.
const BASE: u64 = 24 << 20;

/// The bytes left for the cache of a stage that needs 9 bytes per object.
fn cache(file: u64, objects: u64) -> u64 {
    let budget = (64 << 20) + file / 5 * 2;
    budget.saturating_sub(BASE + objects * 9).clamp(8 << 20, 1 << 30)
}

/// The results of both passes and the dominator tree.
struct Measured {
    file: File,
    length: u64,
    /// Its ids have moved to `ids`.
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

/// Whether a file starts like a heap dump.
pub fn is_dump(path: &Path) -> bool {
    let mut head = [0; 12];
    File::open(path).and_then(|mut f| f.read_exact(&mut head)).is_ok() && &head == b"JAVA PROFILE"
}
