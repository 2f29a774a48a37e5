//! Writes heap dumps in HPROF format, as HotSpot does: for tests whose answers are known, and for the bench.
#![allow(dead_code, reason = "each test and bench uses its part")]

use std::io::{self, Write};

pub const OBJECT: u8 = 2;
pub const INT: u8 = 10;
pub const LONG: u8 = 11;

/// Bytes of a segment of the heap, about.
const SEGMENT: usize = 1 << 20;

/// A dump with ids of 8 bytes that is being written.
pub struct Writer<W> {
    out: W,
    segment: Vec<u8>,
    names: u64,
    classes: u32,
}

impl<W: Write> Writer<W> {
    pub fn new(mut out: W) -> io::Result<Writer<W>> {
        out.write_all(b"JAVA PROFILE 1.0.2\0")?;
        out.write_all(&8_u32.to_be_bytes())?;
        out.write_all(&1_790_000_000_000_u64.to_be_bytes())?;
        Ok(Writer { out, segment: Vec::new(), names: 0, classes: 0 })
    }

    fn record(&mut self, tag: u8, body: &[u8]) -> io::Result<()> {
        self.out.write_all(&[tag, 0, 0, 0, 0])?;
        self.out.write_all(&(body.len() as u32).to_be_bytes())?;
        self.out.write_all(body)
    }

    /// The name's id.
    pub fn name(&mut self, text: &str) -> io::Result<u64> {
        self.flush()?;
        self.names += 1;
        let mut body = self.names.to_be_bytes().to_vec();
        body.extend_from_slice(text.as_bytes());
        self.record(0x01, &body)?;
        Ok(self.names)
    }

    /// A class with its static references and its fields, by name and type.
    pub fn class(
        &mut self,
        id: u64,
        name: &str,
        super_id: u64,
        loader: u64,
        statics: &[(&str, u64)],
        fields: &[(&str, u8)],
    ) -> io::Result<()> {
        let name = self.name(name)?;
        let statics = statics.iter().map(|(n, v)| Ok((self.name(n)?, *v))).collect::<io::Result<Vec<_>>>()?;
        let fields = fields.iter().map(|(n, t)| Ok((self.name(n)?, *t))).collect::<io::Result<Vec<_>>>()?;
        self.classes += 1;
        let mut load = self.classes.to_be_bytes().to_vec();
        load.extend(id.to_be_bytes());
        load.extend(0_u32.to_be_bytes());
        load.extend(name.to_be_bytes());
        self.record(0x02, &load)?;
        self.begin(0x20, id);
        for id in [super_id, loader, 0, 0, 0, 0] {
            self.segment.extend(id.to_be_bytes());
        }
        self.segment.extend(0_u32.to_be_bytes());
        self.segment.extend(0_u16.to_be_bytes());
        self.segment.extend((statics.len() as u16).to_be_bytes());
        for (name, value) in statics {
            self.segment.extend(name.to_be_bytes());
            self.segment.push(OBJECT);
            self.segment.extend(value.to_be_bytes());
        }
        self.segment.extend((fields.len() as u16).to_be_bytes());
        for (name, of) in fields {
            self.segment.extend(name.to_be_bytes());
            self.segment.push(of);
        }
        self.flush_full()
    }

    fn begin(&mut self, tag: u8, id: u64) {
        self.segment.push(tag);
        self.segment.extend(id.to_be_bytes());
        self.segment.extend(0_u32.to_be_bytes());
    }

    /// `fields` are an instance's bytes: the class's own fields first, then its superclass's.
    pub fn instance(&mut self, id: u64, class: u64, fields: &[u8]) -> io::Result<()> {
        self.begin(0x21, id);
        self.segment.extend(class.to_be_bytes());
        self.segment.extend((fields.len() as u32).to_be_bytes());
        self.segment.extend_from_slice(fields);
        self.flush_full()
    }

    pub fn object_array(
        &mut self,
        id: u64,
        class: u64,
        length: u32,
        elements: impl Iterator<Item = u64>,
    ) -> io::Result<()> {
        self.begin(0x22, id);
        self.segment.extend(length.to_be_bytes());
        self.segment.extend(class.to_be_bytes());
        elements.for_each(|e| self.segment.extend(e.to_be_bytes()));
        self.flush_full()
    }

    pub fn bytes(&mut self, id: u64, bytes: &[u8]) -> io::Result<()> {
        self.begin(0x23, id);
        self.segment.extend((bytes.len() as u32).to_be_bytes());
        self.segment.push(8);
        self.segment.extend_from_slice(bytes);
        self.flush_full()
    }

    /// A class of the system loader.
    pub fn system_class(&mut self, id: u64) -> io::Result<()> {
        self.segment.push(0x05);
        self.segment.extend(id.to_be_bytes());
        self.flush_full()
    }

    pub fn jni_global(&mut self, id: u64) -> io::Result<()> {
        self.segment.push(0x01);
        self.segment.extend(id.to_be_bytes());
        self.segment.extend(0_u64.to_be_bytes());
        self.flush_full()
    }

    pub fn thread(&mut self, id: u64, serial: u32) -> io::Result<()> {
        self.segment.push(0x08);
        self.segment.extend(id.to_be_bytes());
        self.segment.extend(serial.to_be_bytes());
        self.segment.extend(0_u32.to_be_bytes());
        self.flush_full()
    }

    pub fn local(&mut self, id: u64, thread: u32) -> io::Result<()> {
        self.segment.push(0x03);
        self.segment.extend(id.to_be_bytes());
        self.segment.extend(thread.to_be_bytes());
        self.segment.extend(0_u32.to_be_bytes());
        self.flush_full()
    }

    fn flush_full(&mut self) -> io::Result<()> {
        if self.segment.len() >= SEGMENT { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.segment.is_empty() {
            return Ok(());
        }
        let segment = std::mem::take(&mut self.segment);
        self.record(0x1c, &segment)?;
        self.segment = segment;
        self.segment.clear();
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        self.record(0x2c, &[])?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Ids of the classes that `basics` writes.
pub const OBJECT_CLASS: u64 = 0x100;
pub const CLASS_CLASS: u64 = 0x108;
pub const OBJECTS: u64 = 0x110;
pub const BYTES: u64 = 0x118;
pub const STRING: u64 = 0x120;

/// The classes that every heap has, as roots.
pub fn basics<W: Write>(w: &mut Writer<W>) -> io::Result<()> {
    w.class(OBJECT_CLASS, "java/lang/Object", 0, 0, &[], &[])?;
    w.class(CLASS_CLASS, "java/lang/Class", OBJECT_CLASS, 0, &[], &[])?;
    w.class(OBJECTS, "[Ljava/lang/Object;", OBJECT_CLASS, 0, &[], &[])?;
    w.class(BYTES, "[B", OBJECT_CLASS, 0, &[], &[])?;
    w.class(STRING, "java/lang/String", OBJECT_CLASS, 0, &[], &[("hash", INT), ("value", OBJECT)])?;
    for class in [OBJECT_CLASS, CLASS_CLASS, OBJECTS, BYTES, STRING] {
        w.system_class(class)?;
    }
    Ok(())
}
