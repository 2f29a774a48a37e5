//! The second pass: each object's class, size and references, written to an index on disk in file order.
//!
//! An entry of the graph file, all numbers by `spill::put`: the object's number, its class, its size in units of 8
//! bytes, its offset in the dump, then for each reference the distance to the other object, zigzag, plus one; then 0.

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

/// Bytes of the longest array whose content is compared with others'.
const HASHED: u32 = 1 << 16;

/// What the second pass leaves.
pub struct Graph {
    pub file: File,
    /// Where each object's entry begins, by number.
    pub offsets: Packed,
    saved_offsets: Option<File>,
    /// Numbers of the objects that are roots, and of those that threads hold, with what they are.
    pub roots: Roots,
    /// Arrays of bytes and chars: number, length in bytes, hash of the content.
    pub arrays: File,
    pub arrays_count: u64,
    /// Which objects are the value of a String.
    pub is_text: Bits,
    pub collections: Collections,
    /// References to objects that the file does not have.
    pub dangling: u64,
    /// Objects whose id another had before.
    pub twice: u64,
}

impl Graph {
    /// Moves the offsets to a file: the next stage needs the memory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_offsets_away(&mut self, scratch: &Scratch) -> io::Result<()> {
        self.saved_offsets = Some(self.offsets.save(scratch)?);
        self.offsets = Packed::new(0);
        Ok(())
    }

    /// # Errors
    /// When the file cannot be read.
    pub fn take_offsets_back(&mut self, objects: u32) -> io::Result<()> {
        if let Some(file) = &mut self.saved_offsets {
            self.offsets = Packed::load(file, objects as usize)?;
        }
        Ok(())
    }

    /// Where an object's entry begins, wherever the offsets are.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn offset(&self, number: u32) -> io::Result<u64> {
        match &self.saved_offsets {
            Some(file) => Packed::at(file, u64::from(number)),
            None => Ok(self.offsets.get(number as usize)),
        }
    }
}

/// One bit for each object.
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

/// Roots as numbers of objects.
pub struct Roots {
    /// Objects alive by themselves, without doubles, in order.
    pub list: Vec<u32>,
    pub is_root: Bits,
    pub kinds: HashMap<u32, Root>,
    /// What each thread's stack holds, by the thread's object.
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
                // A thread holds its local variables, as MAT counts them.
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
    /// The class String, and where its instances have their value.
    text_value: Option<(u32, u32)>,
    /// Fields that keep nothing alive, by declaring class and name: what a weak reference refers to.
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
    /// When the index cannot be written.
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
    /// When the index cannot be written.
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

    /// Begins an object's entry. None if it had one before.
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

    /// A root is alive by itself: who refers to it too changes nothing, and leaving it out keeps the index small.
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
            return Err(format!("an instance is of class {class:#x}, which the file does not have,"));
        };
        let known = &index.classes.all[place as usize];
        if fields.len() as u64 != u64::from(known.in_file) {
            return Err(format!(
                "an instance of {} has {} bytes of fields, and its class declares {},",
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
            return Err(format!("an array is of class {class:#x}, which the file does not have,"));
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
        format!("{} objects were readable before it", self.index.objects)
    }
}

/// One entry of the graph file.
pub struct Entry {
    pub number: u32,
    pub class: u32,
    pub size: u64,
}

/// Hands every entry and its references on, in file order.
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

/// The object a coded distance leads to.
pub fn target(from: u32, coded: u64) -> u32 {
    let zigzag = coded - 1;
    let distance = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    (i64::from(from) + distance) as u32
}

/// Where the references of the entry at `at` begin.
pub fn references(graph: &mut Paged, mut at: u64) -> io::Result<u64> {
    // Number, class, size and offset stand before them.
    for _ in 0..4 {
        at = graph.number(at)?.1;
    }
    Ok(at)
}

/// Number, class, size and offset in the dump of the entry at `at`.
pub fn head(graph: &mut Paged, mut at: u64) -> io::Result<[u64; 4]> {
    let mut head = [0; 4];
    for value in &mut head {
        (*value, at) = graph.number(at)?;
    }
    head[2] *= 8;
    Ok(head)
}
