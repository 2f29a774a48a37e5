//! Finds equal strings that are on the heap more than once.

use std::io::{self, Read, Seek};

use super::graph::Graph;

/// The number of texts that are listed.
const LISTED: usize = 20;
/// The number of arrays compared at a time: 32 MiB.
const AT_A_TIME: u64 = 1 << 20;

/// The duplicates among String values of up to 64 KiB.
#[derive(Debug, Default)]
pub struct Duplicates {
    pub strings: u64,
    /// The number of distinct texts.
    pub texts: u64,
    /// The bytes of all values beyond the first of each text.
    pub wasted: u64,
    /// The texts that waste the most.
    pub top: Vec<Duplicate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duplicate {
    pub wasted: u64,
    pub count: u64,
    /// One array with the text.
    pub array: u32,
}

/// Compares the values of Strings by hash, one range of hashes at a time. `head` is the size of an array's
/// header.
///
/// # Errors
/// The index cannot be read.
pub fn duplicates(graph: &mut Graph, head: u64) -> io::Result<Duplicates> {
    let rounds = graph.arrays_count.div_ceil(AT_A_TIME).max(1);
    let mut out = Duplicates::default();
    for round in 0..rounds {
        let mut found: Vec<(u64, u32, u32)> = Vec::new();
        let is_text = &graph.is_text;
        read(&mut graph.arrays, graph.arrays_count, |array, length, hash| {
            if hash % rounds == round && is_text.get(array) {
                found.push((hash, length, array));
            }
        })?;
        found.sort_unstable();
        // Equal hash and length stand for equal text.
        for equal in found.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (_, length, array) = equal[0];
            let count = equal.len() as u64;
            out.strings += count;
            out.texts += 1;
            if count > 1 {
                let wasted = (count - 1) * (head + u64::from(length)).next_multiple_of(8);
                out.wasted += wasted;
                out.top.push(Duplicate { wasted, count, array });
            }
        }
        out.top.sort_unstable_by(|a, b| b.cmp(a));
        out.top.truncate(LISTED);
    }
    Ok(out)
}

fn read(file: &mut std::fs::File, count: u64, mut each: impl FnMut(u32, u32, u64)) -> io::Result<()> {
    file.rewind()?;
    let mut buffer = vec![0; 1 << 18];
    let mut left = count * 16;
    while left > 0 {
        let now = left.min(buffer.len() as u64) as usize;
        file.read_exact(&mut buffer[..now])?;
        for record in buffer[..now].as_chunks::<16>().0 {
            let [a, b, c, d, e, f, g, h, hash @ ..] = *record;
            each(
                u32::from_le_bytes([a, b, c, d]),
                u32::from_le_bytes([e, f, g, h]),
                u64::from_le_bytes(hash),
            );
        }
        left -= now as u64;
    }
    Ok(())
}
