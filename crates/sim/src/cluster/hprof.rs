//! A JVM heap dump in the HPROF format (JAVA PROFILE 1.0.2) of a given size, made of deterministic bytes.
//!
//! It contains the scenario's classes as instances of byte arrays and objects, so that a heap dump reader
//! finds the numbers of the histogram. The bulk is produced while it is read.
use bytes::{BufMut, Bytes, BytesMut};

use super::files::noise;

/// A class and its share of the heap.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The name as in `GC.class_histogram`: `[B`, `com.acme.Session`.
    pub class: String,
    pub instances: u64,
    /// The size of one instance, in bytes.
    pub size: u64,
}

/// A dump: records with names, then primitive arrays up to its size.
#[derive(Debug)]
pub struct Hprof {
    head: Bytes,
    size: u64,
    seed: u64,
}

const BANNER: &[u8] = b"JAVA PROFILE 1.0.2\0";
/// Each heap dump segment of the bulk holds one byte array of this size.
const ARRAY: u64 = 1 << 20;
/// The size of the record header (9) and of the sub-record header of a primitive array (1 + 8 + 4 + 4 + 1).
const WRAP: u64 = 9 + 18;
/// The record that ends the segments.
const END: [u8; 9] = [0x2c, 0, 0, 0, 0, 0, 0, 0, 0];

impl Hprof {
    /// A `size` too small for the head is raised.
    pub fn new(shares: &[Share], size: u64, seed: u64, millis: i64) -> Self {
        let mut head = BytesMut::new();
        head.put_slice(BANNER);
        head.put_u32(8);
        head.put_i64(millis);
        for (i, share) in shares.iter().enumerate() {
            let name = share.class.replace('.', "/");
            record(&mut head, 0x01, |r| {
                r.put_u64(name_id(i));
                r.put_slice(name.as_bytes());
            });
            record(&mut head, 0x02, |r| {
                r.put_u32(i as u32 + 1);
                r.put_u64(class_id(i));
                r.put_u32(0);
                r.put_u64(name_id(i));
            });
        }
        record(&mut head, 0x05, |r| {
            r.put_u32(0);
            r.put_u32(0);
            r.put_u32(0);
        });
        for (i, share) in shares.iter().enumerate().filter(|(_, s)| !s.class.starts_with('[')) {
            record(&mut head, 0x1c, |r| class_dump(r, i, share.size));
        }
        let size = size.max(head.len() as u64 + WRAP + END.len() as u64);
        Self { head: head.freeze(), size, seed }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Up to `len` bytes from an offset; empty at the end.
    pub fn read(&self, offset: u64, len: u64) -> Bytes {
        let head = self.head.len() as u64;
        if offset < head {
            return self.head.slice(offset as usize..(offset + len).min(head) as usize);
        }
        if offset >= self.size {
            return Bytes::new();
        }
        let end = self.size - END.len() as u64;
        if offset >= end {
            return Bytes::copy_from_slice(&END[(offset - end) as usize..]);
        }
        // Arrays of equal size; the last one fills the rest.
        let arrays = ((end - head) / (ARRAY + WRAP)).max(1);
        let nth = ((offset - head) / (ARRAY + WRAP)).min(arrays - 1);
        let start = head + nth * (ARRAY + WRAP);
        let room = if nth + 1 == arrays { end - start } else { ARRAY + WRAP };
        let at = offset - start;
        if at < WRAP {
            return self.wrap(nth, room - WRAP).slice(at as usize..);
        }
        noise(self.seed.wrapping_add(nth), at - WRAP, len.min(room - at))
    }

    fn wrap(&self, nth: u64, bytes: u64) -> Bytes {
        let mut out = BytesMut::with_capacity(WRAP as usize);
        out.put_u8(0x1c);
        out.put_u32(0);
        out.put_u32((bytes + WRAP - 9) as u32);
        out.put_u8(0x23);
        out.put_u64(0x7000_0000 + nth * ARRAY);
        out.put_u32(0);
        out.put_u32(bytes as u32);
        out.put_u8(8);
        out.freeze()
    }
}

fn name_id(i: usize) -> u64 {
    0x1000 + i as u64
}

fn class_id(i: usize) -> u64 {
    0x2000_0000 + i as u64 * 0x100
}

fn record(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    let mut inner = BytesMut::new();
    body(&mut inner);
    out.put_u8(tag);
    out.put_u32(0);
    out.put_u32(inner.len() as u32);
    out.put_slice(&inner);
}

/// A class whose only property is its size.
fn class_dump(r: &mut BytesMut, i: usize, size: u64) {
    r.put_u8(0x20);
    r.put_u64(class_id(i));
    r.put_u32(0);
    for _ in 0..6 {
        r.put_u64(0);
    }
    r.put_u32(size as u32);
    r.put_u16(0);
    r.put_u16(0);
    r.put_u16(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(dump: &Hprof, step: u64) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let part = dump.read(out.len() as u64, step);
            if part.is_empty() {
                return out;
            }
            out.extend_from_slice(&part);
        }
    }

    /// Walks the records like a reader: each length must lead to the next record, and the last to the end.
    #[test]
    fn a_dump_is_a_chain_of_records_of_the_stated_size() {
        let shares = [
            Share { class: "com.acme.Session".into(), instances: 3, size: 48 },
            Share { class: "[B".into(), instances: 9, size: 24 },
        ];
        for size in [4_000, 1_100_000, 3 * (1 << 20) + 12_345, 3 * (1 << 20) + 200] {
            let dump = Hprof::new(&shares, size, 1, 0);
            let bytes = whole(&dump, 777);
            assert_eq!(bytes.len() as u64, size);
            assert_eq!(bytes, whole(&dump, 65_536), "the same bytes whatever the step");
            let mut at = BANNER.len() + 12;
            let mut last = 0;
            while at < bytes.len() {
                last = bytes[at];
                let len = u32::from_be_bytes(bytes[at + 5..at + 9].try_into().unwrap());
                at += 9 + len as usize;
            }
            assert_eq!((at, last), (bytes.len(), 0x2c), "size {size}");
        }
    }
}
