//! The second pass over the file: writes each object's class, size and references to an index on disk, in
//! file order.
//!
//! An entry of the graph file consists of numbers written by `spill::put`: the object's number, its class,
//! its size in units of 8 bytes and its offset in the dump; then, for each reference, the distance to the
//! other object, zigzag-coded, plus one; then 0.

use std::collections::HashMap;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, BufWriter, Write};

use hashbrown::DefaultHashBuilder;

use super::collections::Collections;
use super::hprof::{ClassDump, Root, Type, Visitor, id_at};
use super::index::Index;
use super::spill::{Packed, Paged, Scratch, Stream, finish, put};
use super::{Progress, Step};

/// The longest array whose content is hashed, in bytes.
const HASHED: u32 = 1 << 16;

/// The results of the second pass.
pub struct Graph {
    pub file: File,
    /// The start of each object's entry, by number.
    pub offsets: Packed,
    saved_offsets: Option<File>,
    /// The root objects and the objects that threads hold.
    pub roots: Roots,
    /// Arrays of bytes and chars: number, length in bytes, hash of the content.
    pub arrays: File,
    pub arrays_count: u64,
    /// Marks the objects that are the value of a String.
    pub is_text: Bits,
    pub collections: Collections,
    /// References to objects that the file does not contain.
    pub dangling: u64,
    /// Objects whose id occurred before.
    pub twice: u64,
}

impl Graph {
    /// Moves the offsets to a file, because the next stage needs the memory.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put_offsets_away(&mut self, scratch: &Scratch) -> io::Result<()> {
        self.saved_offsets = Some(self.offsets.save(scratch)?);
        self.offsets = Packed::new(0);
        Ok(())
    }

    /// # Errors
    /// The file cannot be read.
    pub fn take_offsets_back(&mut self, objects: u32) -> io::Result<()> {
        if let Some(file) = &mut self.saved_offsets {
            self.offsets = Packed::load(file, objects as usize)?;
        }
        Ok(())
    }

    /// The start of an object's entry.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn offset(&self, number: u32) -> io::Result<u64> {
        match &self.saved_offsets {
            Some(file) => Packed::at(file, u64::from(number)),
            None => Ok(self.offsets.get(number as usize)),
        }
    }
}

/// One bit per object.
pub struct Bits(Vec<u64>);

impl Bits {
    pub fn new(count: usize) -> Bits {
        Bits(vec![0; count.div_ceil(64)])
    }

    pub fn set(&mut self, place: u32) {
        self.0[place as usize / 64] |= 1 << (place % 64);
    }

    pub fn get(&self, place: u32) -> bool {
        self.0[place as usize / 64] >> (place % 64) & 1 == 1
    }
}

/// Roots as object numbers.
pub struct Roots {
    /// The roots, sorted and without duplicates.
    pub list: Vec<u32>,
    pub is_root: Bits,
    pub kinds: HashMap<u32, Root>,
    /// The objects on each thread's stack, by thread object.
    pub locals: HashMap<u32, Vec<u32>>,
}

impl Roots {
    pub fn new(index: &Index) -> Roots {
        let mut roots = Roots {
            list: Vec::new(),
            is_root: Bits::new(index.ids.count as usize),
            kinds: HashMap::new(),
            locals: HashMap::new(),
        };
        for root in &index.roots {
            let Some(number) = index.ids.find(root.id) else { continue };
            let thread = index.threads.get(&root.thread).and_then(|id| index.ids.find(*id));
            match thread.filter(|t| root.kind.is_local() && *t != number) {
                // Eclipse MAT attributes local variables to their thread.
                Some(thread) => roots.locals.entry(thread).or_default().push(number),
                None => {
                    roots.is_root.set(number);
                    roots.list.push(number);
                    roots.kinds.entry(number).or_insert(*root);
                }
            }
        }
        roots.list.sort_unstable();
        roots.list.dedup();
        roots
    }
}

pub struct Grapher<'a> {
    index: &'a Index,
    roots: Roots,
    writer: BufWriter<File>,
    written: u64,
    entry: Vec<u8>,
    offsets: Packed,
    seen: Bits,
    /// The array that is being read.
    array: Option<Array>,
    arrays: BufWriter<File>,
    arrays_count: u64,
    is_text: Bits,
    /// The class String, and the offset of its `value` field.
    text_value: Option<(u32, u32)>,
    /// The referent fields of weak references, by declaring class and name. They retain nothing.
    weak: Vec<(u32, u64)>,
    hasher: DefaultHashBuilder,
    content: Vec<u8>,
    collections: Collections,
    dangling: u64,
    twice: u64,
    progress: Progress<'a>,
}

enum Array {
    References { number: u32 },
    Text { number: u32 },
}

impl<'a> Grapher<'a> {
    /// # Errors
    /// The index cannot be written.
    pub fn new(index: &'a Index, scratch: &Scratch, progress: Progress<'a>) -> io::Result<Grapher<'a>> {
        let classes = &index.classes;
        let count = index.ids.count as usize;
        let string = classes.by_name("java.lang.String");
        let value =
            string.and_then(|c| Some((c, classes.field(c, "value").filter(|f| f.1.is_reference())?.0)));
        let weak = [("java.lang.ref.Reference", "referent"), ("java.lang.ref.Finalizer", "unfinalized")];
        let weak = weak.iter().filter_map(|(class, field)| {
            let class = classes.by_name(class)?;
            let declared = &classes.all[class as usize].dump.fields;
            let name = declared.iter().find(|f| classes.names.get(&f.0).is_some_and(|n| n == field))?.0;
            Some((class, name))
        });
        Ok(Grapher {
            index,
            roots: Roots::new(index),
            writer: scratch.writer()?,
            written: 0,
            entry: Vec::new(),
            offsets: Packed::new(count),
            seen: Bits::new(count),
            array: None,
            arrays: scratch.writer()?,
            arrays_count: 0,
            is_text: Bits::new(count),
            text_value: value,
            weak: weak.collect(),
            hasher: DefaultHashBuilder::default(),
            content: Vec::new(),
            collections: Collections::new(classes),
            dangling: 0,
            twice: 0,
            progress,
        })
    }

    /// # Errors
    /// The index cannot be written.
    pub fn finish(self) -> io::Result<Graph> {
        Ok(Graph {
            file: finish(self.writer)?,
            offsets: self.offsets,
            saved_offsets: None,
            roots: self.roots,
            arrays: finish(self.arrays)?,
            arrays_count: self.arrays_count,
            is_text: self.is_text,
            collections: self.collections,
            dangling: self.dangling,
            twice: self.twice,
        })
    }

    /// Starts an object's entry; none if the object has one already.
    fn begin(&mut self, id: u64, class: u32, size: u64, at: u64) -> Option<u32> {
        let number = self.index.ids.find(id)?;
        if self.seen.get(number) {
            self.twice += 1;
            return None;
        }
        self.seen.set(number);
        self.offsets.set(number as usize, self.written);
        self.entry.clear();
        put(&mut self.entry, u64::from(number));
        put(&mut self.entry, u64::from(class));
        put(&mut self.entry, size / 8);
        put(&mut self.entry, at);
        Some(number)
    }

    fn refer(&mut self, from: u32, to: u64) {
        if to == 0 {
            return;
        }
        match self.index.ids.find(to) {
            Some(to) => self.refer_to(from, to),
            None => self.dangling += 1,
        }
    }

    /// References to a root change nothing, because it is reachable anyway. Leaving them out keeps the index
    /// small.
    fn refer_to(&mut self, from: u32, to: u32) {
        if !self.roots.is_root.get(to) && from != to {
            let distance = i64::from(to) - i64::from(from);
            put(&mut self.entry, ((distance << 1) ^ (distance >> 63)) as u64 + 1);
        }
    }

    fn spill(&mut self) -> Result<(), String> {
        self.writer.write_all(&self.entry).map_err(|e| format!("the index could not be written: {e},"))?;
        self.written += self.entry.len() as u64;
        self.entry.clear();
        Ok(())
    }

    fn end(&mut self, number: u32) -> Result<(), String> {
        if let Some(locals) = self.roots.locals.get(&number).cloned() {
            locals.into_iter().for_each(|local| self.refer_to(number, local));
        }
        self.entry.push(0);
        self.spill()
    }
}

impl Visitor for Grapher<'_> {
    fn class(&mut self, class: ClassDump, at: u64) -> Result<(), String> {
        let classes = &self.index.classes;
        let Some(place) = classes.find(class.id) else { return Ok(()) };
        let size = classes.all[place as usize].own_size(classes.layout);
        let Some(number) = self.begin(class.id, classes.class_class.unwrap_or(place), size, at) else {
            return Ok(());
        };
        let others = [class.super_id, class.loader].into_iter().chain(class.others);
        for id in others.chain(class.statics.iter().map(|s| s.1)) {
            self.refer(number, id);
        }
        self.end(number)
    }

    fn instance(&mut self, id: u64, class: u64, fields: &[u8], at: u64) -> Result<(), String> {
        let index = self.index;
        let Some(place) = index.classes.find(class) else {
            return Err(format!("an instance has the class {class:#x}, which is not in the file,"));
        };
        let known = &index.classes.all[place as usize];
        if fields.len() as u64 != u64::from(known.in_file) {
            return Err(format!(
                "an instance of {} has {} bytes of fields, but its class declares {},",
                known.name,
                fields.len(),
                known.in_file
            ));
        }
        let Some(number) = self.begin(id, place, known.instance, at) else { return Ok(()) };
        self.refer(number, class);
        let id_size = index.classes.layout.id_size;
        for reference in &known.references {
            if self.weak.contains(&(reference.class, reference.name)) {
                continue;
            }
            let value = id_at(&fields[reference.offset as usize..], id_size);
            self.refer(number, value);
        }
        if let Some((string, offset)) = self.text_value
            && string == place
            && let Some(text) = index.ids.find(id_at(&fields[offset as usize..], id_size))
        {
            self.is_text.set(text);
        }
        self.collections.instance(place, number, fields);
        self.end(number)
    }

    fn object_array(&mut self, id: u64, class: u64, length: u32, at: u64) -> Result<bool, String> {
        let classes = &self.index.classes;
        let Some(place) = classes.find(class) else {
            return Err(format!("an array has the class {class:#x}, which is not in the file,"));
        };
        let size = classes.layout.array(length);
        let Some(number) = self.begin(id, place, size, at) else { return Ok(false) };
        self.refer(number, class);
        self.collections.array(place, number, length);
        if length == 0 {
            self.end(number)?;
            return Ok(false);
        }
        self.array = Some(Array::References { number });
        Ok(true)
    }

    fn primitive_array(&mut self, id: u64, of: Type, length: u32, at: u64) -> Result<bool, String> {
        let classes = &self.index.classes;
        let place = classes.array_of(of);
        let size = classes.layout.primitive_array(length, of.bytes);
        let Some(number) = self.begin(id, place, size, at) else { return Ok(false) };
        if classes.all[place as usize].dumped {
            self.refer(number, classes.all[place as usize].dump.id);
        }
        self.end(number)?;
        let text = matches!(of.code, Type::BYTE | Type::CHAR) && length > 0 && length <= HASHED / of.bytes;
        self.array = text.then_some(Array::Text { number });
        Ok(text)
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(), String> {
        match self.array {
            Some(Array::References { number }) => {
                let id_size = self.index.classes.layout.id_size;
                for id in bytes.chunks_exact(id_size as usize) {
                    self.refer(number, id_at(id, id_size));
                }
                self.spill()?;
            }
            Some(Array::Text { .. }) => self.content.extend_from_slice(bytes),
            None => {}
        }
        Ok(())
    }

    fn array_end(&mut self) -> Result<(), String> {
        match self.array.take() {
            Some(Array::References { number }) => self.end(number)?,
            Some(Array::Text { number }) => {
                let hash = self.hasher.hash_one(self.content.as_slice());
                let mut record = [0; 16];
                record[..4].copy_from_slice(&number.to_le_bytes());
                record[4..8].copy_from_slice(&(self.content.len() as u32).to_le_bytes());
                record[8..].copy_from_slice(&hash.to_le_bytes());
                self.arrays
                    .write_all(&record)
                    .map_err(|e| format!("the index could not be written: {e},"))?;
                self.arrays_count += 1;
                self.content.clear();
            }
            None => {}
        }
        Ok(())
    }

    fn progress(&mut self, at: u64) {
        (self.progress)(Step::Graph, at);
    }

    fn readable(&self) -> String {
        format!("{} objects could be read before that", self.index.objects)
    }
}

/// One entry of the graph file.
pub struct Entry {
    pub number: u32,
    pub class: u32,
    pub size: u64,
}

/// Passes every entry and its references to the callbacks, in file order.
pub fn each(
    file: &File,
    mut entry: impl FnMut(&Entry),
    mut reference: impl FnMut(u32, u32) -> io::Result<()>,
) -> io::Result<()> {
    let mut stream = Stream::new(file)?;
    while let Some(number) = stream.number()? {
        let mut next = || stream.number().map(|n| n.unwrap_or(0));
        let head = Entry { number: number as u32, class: next()? as u32, size: next()? * 8 };
        next()?;
        entry(&head);
        loop {
            let coded = next()?;
            if coded == 0 {
                break;
            }
            reference(head.number, target(head.number, coded))?;
        }
    }
    Ok(())
}

/// The object at a coded distance.
pub fn target(from: u32, coded: u64) -> u32 {
    let zigzag = coded - 1;
    let distance = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    (i64::from(from) + distance) as u32
}

/// The start of the references of the entry at `at`.
pub fn references(graph: &mut Paged, mut at: u64) -> io::Result<u64> {
    // Skips number, class, size and offset.
    for _ in 0..4 {
        at = graph.number(at)?.1;
    }
    Ok(at)
}

/// Number, class, size and dump offset of the entry at `at`.
pub fn head(graph: &mut Paged, mut at: u64) -> io::Result<[u64; 4]> {
    let mut head = [0; 4];
    for value in &mut head {
        (*value, at) = graph.number(at)?;
    }
    head[2] *= 8;
    Ok(head)
}
