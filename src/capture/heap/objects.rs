//! Reads single objects from the dump again: the field that refers to another object, the text of a String.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::graph::{self, Graph};
use super::hprof::id_at;
use super::index::Index;
use super::spill::Paged;

/// The longest text that is shown, in bytes.
const TEXT: usize = 160;

pub struct Objects<'a> {
    dump: &'a File,
    index: &'a Index,
    graph: &'a Graph,
    entries: Paged,
}

/// How one object refers to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    Field(String),
    Static(String),
    Element(u64),
    /// A local variable on a thread's stack.
    Local,
    Class,
    Superclass,
    Loader,
    Other,
}

impl<'a> Objects<'a> {
    /// # Errors
    /// The index cannot be read.
    pub fn new(dump: &'a File, index: &'a Index, graph: &'a Graph) -> io::Result<Objects<'a>> {
        Ok(Objects { dump, index, graph, entries: Paged::new(graph.file.try_clone()?, 1 << 20)? })
    }

    /// The class of an object as an index into the class table, and the object's offset in the dump.
    fn head(&mut self, number: u32) -> io::Result<(u32, u64)> {
        let [_, class, _, at] = graph::head(&mut self.entries, self.graph.offset(number)?)?;
        Ok((class as u32, at))
    }

    pub fn class_name(&mut self, number: u32) -> io::Result<&'a str> {
        if let Some(class) = self.index.ids.id(number).and_then(|id| self.index.classes.find(id)) {
            return Ok(self.index.classes.name(class));
        }
        Ok(self.index.classes.name(self.head(number)?.0))
    }

    /// The class, if the object is a class object.
    pub fn class_object(&self, number: u32) -> Option<u32> {
        self.index.classes.find(self.index.ids.id(number)?)
    }

    fn fields(&mut self, number: u32) -> io::Result<(u32, Vec<u8>)> {
        let (class, at) = self.head(number)?;
        let id_size = u64::from(self.index.classes.layout.id_size);
        let mut bytes = vec![0; self.index.classes.all[class as usize].in_file as usize];
        self.dump.read_exact_at(&mut bytes, at + 1 + 2 * id_size + 8)?;
        Ok((class, bytes))
    }

    /// The field, element or variable of `from` that refers to `to`.
    ///
    /// # Errors
    /// The dump cannot be read again.
    pub fn link(&mut self, from: u32, to: u32) -> io::Result<Link> {
        let index = self.index;
        let classes = &index.classes;
        let Some(wanted) = index.ids.id(to) else { return Ok(Link::Other) };
        if let Some(class) = self.class_object(from) {
            let dump = &classes.all[class as usize].dump;
            if let Some((name, _)) = dump.statics.iter().find(|s| s.1 == wanted) {
                return Ok(Link::Static(classes.names.get(name).cloned().unwrap_or_default()));
            }
            return Ok(match wanted {
                id if id == dump.super_id => Link::Superclass,
                id if id == dump.loader => Link::Loader,
                _ => Link::Other,
            });
        }
        let (class, at) = self.head(from)?;
        let known = &classes.all[class as usize];
        if known.dump.id == wanted {
            return Ok(Link::Class);
        }
        if known.name.ends_with("[]") {
            return self.element(at, wanted);
        }
        let (_, bytes) = self.fields(from)?;
        let id_size = classes.layout.id_size;
        let field = known.references.iter().find(|r| id_at(&bytes[r.offset as usize..], id_size) == wanted);
        if let Some(field) = field {
            return Ok(Link::Field(classes.names.get(&field.name).cloned().unwrap_or_default()));
        }
        let local = self.graph.roots.locals.get(&from).is_some_and(|l| l.contains(&to));
        Ok(if local { Link::Local } else { Link::Other })
    }

    fn element(&self, at: u64, wanted: u64) -> io::Result<Link> {
        let id_size = self.index.classes.layout.id_size;
        let width = id_size as usize;
        let mut four = [0; 4];
        self.dump.read_exact_at(&mut four, at + 1 + u64::from(id_size) + 4)?;
        let length = u64::from(u32::from_be_bytes(four));
        let begin = at + 1 + 2 * u64::from(id_size) + 8;
        let mut buffer = vec![0; 1 << 16];
        let mut done = 0;
        while done < length {
            let now = (length - done).min((buffer.len() / width) as u64) as usize;
            self.dump.read_exact_at(&mut buffer[..now * width], begin + done * u64::from(id_size))?;
            let found = buffer[..now * width].chunks_exact(width).position(|c| id_at(c, id_size) == wanted);
            if let Some(place) = found {
                return Ok(Link::Element(done + place as u64));
            }
            done += now as u64;
        }
        Ok(Link::Other)
    }

    /// The start of the text in an array of bytes or chars.
    ///
    /// # Errors
    /// The dump cannot be read again.
    pub fn text(&mut self, array: u32) -> io::Result<String> {
        let (class, at) = self.head(array)?;
        let id_size = u64::from(self.index.classes.layout.id_size);
        let mut four = [0; 4];
        self.dump.read_exact_at(&mut four, at + 1 + id_size + 4)?;
        let chars = self.index.classes.name(class) == "char[]";
        let length = u32::from_be_bytes(four) as usize * if chars { 2 } else { 1 };
        let mut bytes = vec![0; length.min(TEXT)];
        self.dump.read_exact_at(&mut bytes, at + 1 + id_size + 9)?;
        // Compact strings are Latin-1, or UTF-16 in native byte order.
        let wide = |f: fn([u8; 2]) -> u16| {
            String::from_utf16_lossy(&bytes.as_chunks::<2>().0.iter().map(|b| f(*b)).collect::<Vec<_>>())
        };
        let mut text = if chars {
            wide(u16::from_be_bytes)
        } else if length.is_multiple_of(2) && bytes.contains(&0) {
            wide(u16::from_le_bytes)
        } else {
            bytes.iter().map(|b| char::from(*b)).collect()
        };
        if length > TEXT {
            text.push('…');
        }
        Ok(text)
    }

    /// The text of a String field.
    ///
    /// # Errors
    /// The dump cannot be read again.
    pub fn string_field(&mut self, number: u32, field: &str) -> io::Result<Option<String>> {
        let Some(text) = self.reference_field(number, field)? else { return Ok(None) };
        match self.reference_field(text, "value")? {
            Some(value) => self.text(value).map(Some),
            None => Ok(None),
        }
    }

    fn reference_field(&mut self, number: u32, field: &str) -> io::Result<Option<u32>> {
        let (class, bytes) = self.fields(number)?;
        let classes = &self.index.classes;
        let Some((offset, of)) = classes.field(class, field) else { return Ok(None) };
        let id = of.is_reference().then(|| id_at(&bytes[offset as usize..], classes.layout.id_size));
        Ok(id.and_then(|id| self.index.ids.find(id)))
    }
}
