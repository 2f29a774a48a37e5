//! Reads the HPROF format as a stream and passes each record to a visitor, in file order.
//!
//! The JDK's `heapDumper.cpp` describes the format. Numbers are big-endian; the header gives the size of an
//! id.

use std::io::{Read, Seek, SeekFrom};

use super::Broken;

/// The buffer size, in bytes. An instance must fit; arrays are passed on in pieces.
const BUFFER: usize = 1 << 20;
/// The largest instance, in bytes: the JVM's limit of 65,535 fields of 8 bytes, and as many for a superclass.
const INSTANCE: u64 = 8 << 20;

/// The type of a field or array element, with its size in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    pub code: u8,
    pub bytes: u32,
}

impl Type {
    pub const OBJECT: u8 = 2;
    pub const CHAR: u8 = 5;
    pub const BYTE: u8 = 8;
    pub const INT: u8 = 10;
    pub const LONG: u8 = 11;

    fn of(code: u8, id_size: u32) -> Option<Type> {
        let bytes = match code {
            2 => id_size,
            4 | 8 => 1,
            5 | 9 => 2,
            6 | 10 => 4,
            7 | 11 => 8,
            _ => return None,
        };
        Some(Type { code, bytes })
    }

    pub fn is_reference(self) -> bool {
        self.code == Type::OBJECT
    }

    /// The JVM's name for the class of an array of this type.
    pub fn array_class(self) -> &'static str {
        match self.code {
            4 => "[Z",
            5 => "[C",
            6 => "[F",
            7 => "[D",
            8 => "[B",
            9 => "[S",
            10 => "[I",
            _ => "[J",
        }
    }
}

/// Why an object is reachable without a reference from another object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    pub id: u64,
    pub kind: RootKind,
    /// The serial of the thread it belongs to; 0 for none.
    pub thread: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootKind {
    Unknown,
    JniGlobal,
    JniLocal,
    JavaFrame,
    NativeStack,
    SystemClass,
    ThreadBlock,
    Monitor,
    Thread,
}

impl RootKind {
    pub fn describe(self) -> &'static str {
        match self {
            RootKind::Unknown => "a root of unknown kind",
            RootKind::JniGlobal => "a JNI global reference",
            RootKind::JniLocal => "a JNI local variable",
            RootKind::JavaFrame => "a local variable",
            RootKind::NativeStack => "a native stack",
            RootKind::SystemClass => "a class of the system loader",
            RootKind::ThreadBlock => "a blocked thread",
            RootKind::Monitor => "a monitor in use",
            RootKind::Thread => "a live thread",
        }
    }

    /// Whether the root is on a thread's stack, so that the thread retains the object.
    pub fn is_local(self) -> bool {
        matches!(
            self,
            RootKind::JniLocal | RootKind::JavaFrame | RootKind::NativeStack | RootKind::ThreadBlock
        )
    }
}

/// A class as the dump describes it. References are ids; 0 is null.
#[derive(Debug, Default)]
pub struct ClassDump {
    pub id: u64,
    pub super_id: u64,
    pub loader: u64,
    /// Signers and protection domain.
    pub others: [u64; 2],
    /// Name and value of each static reference. References of the constant pool have the name 0.
    pub statics: Vec<(u64, u64)>,
    /// The number of static references, which count towards the size of the class object.
    pub static_references: u32,
    pub static_bytes: u32,
    /// Name and type of each field that the class itself declares, in file order.
    pub fields: Vec<(u64, Type)>,
}

/// Receives the records of a pass over the file. `at` is the offset of the sub-record's tag.
pub trait Visitor {
    fn name(&mut self, _id: u64, _at: u64, _length: u32) -> Result<(), String> {
        Ok(())
    }
    fn load_class(&mut self, _class: u64, _name: u64) -> Result<(), String> {
        Ok(())
    }
    fn root(&mut self, _root: Root) -> Result<(), String> {
        Ok(())
    }
    fn class(&mut self, _class: ClassDump, _at: u64) -> Result<(), String> {
        Ok(())
    }
    fn instance(&mut self, _id: u64, _class: u64, _fields: &[u8], _at: u64) -> Result<(), String> {
        Ok(())
    }
    /// An array of references. Return true to get its elements through `piece`, followed by `array_end`.
    fn object_array(&mut self, _id: u64, _class: u64, _length: u32, _at: u64) -> Result<bool, String> {
        Ok(false)
    }
    /// An array of primitives. The result is that of `object_array`.
    fn primitive_array(&mut self, _id: u64, _of: Type, _length: u32, _at: u64) -> Result<bool, String> {
        Ok(false)
    }
    /// Elements of the current array; never a part of one.
    fn piece(&mut self, _bytes: &[u8]) -> Result<(), String> {
        Ok(())
    }
    fn array_end(&mut self) -> Result<(), String> {
        Ok(())
    }
    /// Called regularly with the number of bytes read.
    fn progress(&mut self, _at: u64) {}
    /// The readable part, for the error about the rest.
    fn readable(&self) -> String;
}

/// The big-endian id at the start of `bytes`.
pub fn id_at(bytes: &[u8], id_size: u32) -> u64 {
    if id_size == 8 {
        bytes.first_chunk::<8>().map_or(0, |b| u64::from_be_bytes(*b))
    } else {
        bytes.first_chunk::<4>().map_or(0, |b| u64::from(u32::from_be_bytes(*b)))
    }
}

pub struct Reader<R> {
    inner: R,
    buffer: Vec<u8>,
    /// The start of the unread part of the buffer.
    from: usize,
    to: usize,
    /// The file offset of `buffer[from]`.
    at: u64,
    length: u64,
    pub id_size: u32,
}

/// The offset and reason of a failure. The visitor adds what was readable.
struct Stop(u64, String);

impl<R: Read + Seek> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Broken`] if the file is not HPROF or cannot be read.
    pub fn new(mut inner: R) -> Result<Reader<R>, Broken> {
        let nothing =
            |Stop(offset, what)| Broken { offset, what, readable: "nothing was readable".to_owned() };
        let length = inner.seek(SeekFrom::End(0)).and_then(|l| inner.rewind().map(|()| l));
        let length = length.map_err(|e| nothing(Stop(0, format!("the file could not be read: {e}"))))?;
        let mut reader = Reader { inner, buffer: vec![0; BUFFER], from: 0, to: 0, at: 0, length, id_size: 8 };
        reader.header().map_err(nothing)?;
        Ok(reader)
    }

    fn header(&mut self) -> Result<(), Stop> {
        let head = self.take(12.min(self.length))?;
        if head.starts_with(&[0x1f, 0x8b]) {
            return Err(Stop(0, "the file is compressed: unpack it with gunzip first,".to_owned()));
        }
        if head != b"JAVA PROFILE" {
            return Err(Stop(
                0,
                "the file does not begin with JAVA PROFILE: it is not a JVM heap dump,".to_owned(),
            ));
        }
        for _ in 0..20 {
            if self.u1()? == 0 {
                let at = self.at;
                self.id_size = self.u4()?;
                if self.id_size != 4 && self.id_size != 8 {
                    return Err(Stop(
                        at,
                        format!("the header names ids of {} bytes, not 4 or 8,", self.id_size),
                    ));
                }
                return self.skip(8);
            }
        }
        Err(Stop(12, "the version in the header does not end,".to_owned()))
    }

    /// Passes every record to the visitor.
    ///
    /// # Errors
    /// [`Broken`] with the offset of the first record that is invalid or that the visitor refused.
    pub fn visit(mut self, visitor: &mut dyn Visitor) -> Result<R, Broken> {
        match self.records(visitor) {
            Ok(()) => Ok(self.inner),
            Err(Stop(offset, what)) => Err(Broken { offset, what, readable: visitor.readable() }),
        }
    }

    fn records(&mut self, visitor: &mut dyn Visitor) -> Result<(), Stop> {
        let mut ended = false;
        while self.at < self.length {
            let start = self.at;
            let tag = self.u1()?;
            self.skip(4)?;
            let length = u64::from(self.u4()?);
            let end = self.at + length;
            if end > self.length {
                let what =
                    format!("the record of {length} bytes goes beyond the end of the file: it is cut off,");
                // The JVM writes a segment before it knows its length, so the start of a cut segment is
                // readable.
                if !matches!(tag, 0x0c | 0x1c) {
                    return Err(Stop(start, what));
                }
            }
            match tag {
                0x01 if length >= u64::from(self.id_size) => {
                    let id = self.id()?;
                    let text = length - u64::from(self.id_size);
                    let at = self.at;
                    refused(start, visitor.name(id, at, u32::try_from(text).unwrap_or(u32::MAX)))?;
                }
                0x02 if length >= 8 + 2 * u64::from(self.id_size) => {
                    self.skip(4)?;
                    let class = self.id()?;
                    self.skip(4)?;
                    let name = self.id()?;
                    refused(start, visitor.load_class(class, name))?;
                }
                0x0c | 0x1c => {
                    while self.at < end {
                        self.sub_record(end, visitor)?;
                    }
                    // The first versions of the format have one dump record and no end record.
                    ended |= tag == 0x0c;
                }
                0x2c => ended = true,
                _ => {}
            }
            if self.at > end {
                return Err(Stop(
                    start,
                    format!("the record of kind {tag:#04x} is longer than its length says,"),
                ));
            }
            let rest = end - self.at;
            self.skip(rest)?;
            visitor.progress(self.at);
        }
        // Version 1.0.2 has segments and an end record. A dump that was cut between two segments has none.
        if ended {
            Ok(())
        } else {
            Err(Stop(self.at, "the file ends before the dump's end record: it is cut off,".to_owned()))
        }
    }

    fn sub_record(&mut self, end: u64, visitor: &mut dyn Visitor) -> Result<(), Stop> {
        let at = self.at;
        let id_size = u64::from(self.id_size);
        let tag = self.u1()?;
        match tag {
            0xff | 0x01..=0x08 => {
                let id = self.id()?;
                let mut thread = 0;
                let kind = match tag {
                    0x01 => {
                        self.skip(id_size)?;
                        RootKind::JniGlobal
                    }
                    0x02 | 0x03 | 0x08 => {
                        thread = self.u4()?;
                        self.skip(4)?;
                        [RootKind::JniLocal, RootKind::JavaFrame, RootKind::Thread]
                            [usize::from(tag == 3) + 2 * usize::from(tag == 8)]
                    }
                    0x04 | 0x06 => {
                        thread = self.u4()?;
                        if tag == 4 { RootKind::NativeStack } else { RootKind::ThreadBlock }
                    }
                    0x05 => RootKind::SystemClass,
                    0x07 => RootKind::Monitor,
                    _ => RootKind::Unknown,
                };
                refused(at, visitor.root(Root { id, kind, thread }))?;
            }
            0x20 => {
                let class = self.class()?;
                refused(at, visitor.class(class, at))?;
            }
            0x21 => {
                let id = self.id()?;
                self.skip(4)?;
                let class = self.id()?;
                let length = u64::from(self.u4()?);
                if length > INSTANCE {
                    return Err(Stop(
                        at,
                        format!("an instance of {length} bytes is longer than any class allows,"),
                    ));
                }
                let fields = self.take(length)?;
                refused(at, visitor.instance(id, class, fields, at))?;
            }
            0x22 | 0x23 => {
                let id = self.id()?;
                self.skip(4)?;
                let length = self.u4()?;
                let (width, wanted) = if tag == 0x22 {
                    let class = self.id()?;
                    self.inside(at, u64::from(length) * id_size, end)?;
                    (id_size, refused(at, visitor.object_array(id, class, length, at))?)
                } else {
                    let of = self.type_of()?;
                    if of.is_reference() {
                        return Err(Stop(
                            at,
                            "an array of primitives has elements that are references,".to_owned(),
                        ));
                    }
                    self.inside(at, u64::from(length) * u64::from(of.bytes), end)?;
                    (u64::from(of.bytes), refused(at, visitor.primitive_array(id, of, length, at))?)
                };
                self.elements(at, u64::from(length) * width, wanted, visitor)?;
            }
            _ => return Err(Stop(at, format!("{tag:#04x} is not a heap record type,"))),
        }
        Ok(())
    }

    /// Checks an array's length: its elements cannot exceed their segment.
    fn inside(&self, at: u64, bytes: u64, end: u64) -> Result<(), Stop> {
        if self.at + bytes > end.min(self.length) {
            let of = if end > self.length { "the file: it is cut off" } else { "its segment" };
            return Err(Stop(at, format!("an array of {bytes} bytes goes beyond the end of {of},")));
        }
        Ok(())
    }

    fn elements(&mut self, at: u64, bytes: u64, wanted: bool, visitor: &mut dyn Visitor) -> Result<(), Stop> {
        if !wanted {
            self.skip(bytes)?;
            visitor.progress(self.at);
            return Ok(());
        }
        let mut rest = bytes;
        while rest > 0 {
            // Half a buffer is a multiple of every element size.
            let now = rest.min(BUFFER as u64 / 2);
            let piece = self.take(now)?;
            refused(at, visitor.piece(piece))?;
            rest -= now;
        }
        refused(at, visitor.array_end())?;
        visitor.progress(self.at);
        Ok(())
    }

    fn class(&mut self) -> Result<ClassDump, Stop> {
        let id = self.id()?;
        self.skip(4)?;
        let (super_id, loader) = (self.id()?, self.id()?);
        let others = [self.id()?, self.id()?];
        self.skip(2 * u64::from(self.id_size) + 4)?;
        let mut class = ClassDump { id, super_id, loader, others, ..ClassDump::default() };
        for _ in 0..self.u2()? {
            self.skip(2)?;
            let of = self.type_of()?;
            let value = self.value(of)?;
            class.statics.extend(of.is_reference().then_some((0, value)));
        }
        for _ in 0..self.u2()? {
            let name = self.id()?;
            let of = self.type_of()?;
            let value = self.value(of)?;
            if of.is_reference() {
                class.statics.push((name, value));
                class.static_references += 1;
            } else {
                class.static_bytes += of.bytes;
            }
        }
        for _ in 0..self.u2()? {
            let name = self.id()?;
            class.fields.push((name, self.type_of()?));
        }
        Ok(class)
    }

    fn type_of(&mut self) -> Result<Type, Stop> {
        let at = self.at;
        let code = self.u1()?;
        Type::of(code, self.id_size).ok_or_else(|| Stop(at, format!("{code} is not a JVM type,")))
    }

    fn value(&mut self, of: Type) -> Result<u64, Stop> {
        let bytes = self.take(u64::from(of.bytes))?;
        Ok(bytes.iter().fold(0, |sum, b| (sum << 8) | u64::from(*b)))
    }

    fn id(&mut self) -> Result<u64, Stop> {
        let id_size = self.id_size;
        Ok(id_at(self.take(u64::from(id_size))?, id_size))
    }

    fn u1(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    fn u2(&mut self) -> Result<u16, Stop> {
        Ok(self.take(2)?.iter().fold(0, |sum, b| (sum << 8) | u16::from(*b)))
    }

    fn u4(&mut self) -> Result<u32, Stop> {
        Ok(self.take(4)?.iter().fold(0, |sum, b| (sum << 8) | u32::from(*b)))
    }

    /// The next bytes: at most [`INSTANCE`] or half the buffer.
    fn take(&mut self, bytes: u64) -> Result<&[u8], Stop> {
        if self.at + bytes > self.length {
            return Err(Stop(self.at, format!("the file ends after {} bytes: it is cut off,", self.length)));
        }
        // At most INSTANCE, which fits into the buffer.
        let wanted = bytes as usize;
        if self.to - self.from < wanted {
            self.buffer.copy_within(self.from..self.to, 0);
            self.to -= self.from;
            self.from = 0;
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
            while self.to < wanted {
                match self.inner.read(&mut self.buffer[self.to..]) {
                    Ok(0) => {
                        return Err(Stop(self.at, "the file became shorter while it was read,".to_owned()));
                    }
                    Ok(n) => self.to += n,
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(Stop(self.at, format!("the file could not be read: {e},"))),
                }
            }
        }
        let start = self.from;
        self.from += wanted;
        self.at += bytes;
        Ok(&self.buffer[start..start + wanted])
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Stop> {
        if self.at + bytes > self.length {
            return Err(Stop(self.at, format!("the file ends after {} bytes: it is cut off,", self.length)));
        }
        let held = (self.to - self.from) as u64;
        if bytes <= held {
            self.from += bytes as usize;
        } else {
            (self.from, self.to) = (0, 0);
            let target = SeekFrom::Start(self.at + bytes);
            self.inner
                .seek(target)
                .map_err(|e| Stop(self.at, format!("the file could not be read: {e},")))?;
        }
        self.at += bytes;
        Ok(())
    }
}

fn refused<T>(at: u64, answer: Result<T, String>) -> Result<T, Stop> {
    answer.map_err(|what| Stop(at, what))
}
