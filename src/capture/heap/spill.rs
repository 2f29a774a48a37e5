//! Structures larger than memory: 40-bit numbers, files with a block cache, and pairs sorted into buckets.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A directory for index files. The files have no name and vanish with the process, even after a crash.
#[derive(Clone, Debug)]
pub struct Scratch {
    dirs: Vec<PathBuf>,
}

impl Scratch {
    /// Uses the first directory that can be written.
    pub fn new(dirs: Vec<PathBuf>) -> Scratch {
        Scratch { dirs }
    }

    /// # Errors
    /// None of the directories can be written.
    pub fn file(&self) -> io::Result<File> {
        let mut last = io::Error::other("no directory for the index was given");
        for dir in &self.dirs {
            match tempfile::tempfile_in(dir) {
                Ok(file) => return Ok(file),
                Err(e) => {
                    last = io::Error::new(
                        e.kind(),
                        format!("the index could not be written to {}: {e}", dir.display()),
                    )
                }
            }
        }
        Err(last)
    }

    /// A writer of consecutive 4-byte numbers.
    pub fn writer(&self) -> io::Result<BufWriter<File>> {
        Ok(BufWriter::with_capacity(1 << 18, self.file()?))
    }
}

/// Ends writing and rewinds the file.
pub fn finish(writer: BufWriter<File>) -> io::Result<File> {
    let mut file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

/// Reads all 4-byte numbers of a file.
pub fn read_u32s(file: &mut File, count: usize) -> io::Result<Vec<u32>> {
    file.rewind()?;
    let mut out = Vec::with_capacity(count);
    stream_u32s(file, count, |_, value| out.push(value))?;
    Ok(out)
}

/// Passes each 4-byte number to `each`, with its position.
pub fn stream_u32s(file: &mut File, count: usize, mut each: impl FnMut(usize, u32)) -> io::Result<()> {
    file.rewind()?;
    let mut buffer = vec![0; 1 << 18];
    let mut done = 0;
    while done < count {
        let now = (count - done).min(buffer.len() / 4);
        file.read_exact(&mut buffer[..now * 4])?;
        for (i, four) in buffer[..now * 4].as_chunks::<4>().0.iter().enumerate() {
            each(done + i, u32::from_le_bytes(*four));
        }
        done += now;
    }
    Ok(())
}

/// Moves 4-byte numbers to a file and frees their memory.
pub fn write_u32s(scratch: &Scratch, values: Vec<u32>) -> io::Result<File> {
    let mut writer = scratch.writer()?;
    for value in values {
        writer.write_all(&value.to_le_bytes())?;
    }
    finish(writer)
}

/// The 4-byte number at a position of a file.
pub fn u32_at(file: &File, place: u64) -> io::Result<u32> {
    let mut four = [0; 4];
    file.read_exact_at(&mut four, place * 4)?;
    Ok(u32::from_le_bytes(four))
}

/// Numbers below 2^40, 5 bytes each: sizes and offsets up to 1 TiB.
pub struct Packed(Vec<u8>);

impl Packed {
    pub const LIMIT: u64 = 1 << 40;

    pub fn new(count: usize) -> Packed {
        Packed(vec![0; count * 5 + 3])
    }

    pub fn get(&self, place: usize) -> u64 {
        let at = place * 5;
        self.0[at..].first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b) & (Packed::LIMIT - 1))
    }

    /// Stores a value; larger values become the largest number that fits.
    pub fn set(&mut self, place: usize, value: u64) {
        let bytes = value.min(Packed::LIMIT - 1).to_le_bytes();
        self.0[place * 5..place * 5 + 5].copy_from_slice(&bytes[..5]);
    }

    pub fn save(&self, scratch: &Scratch) -> io::Result<File> {
        let mut file = scratch.file()?;
        file.write_all(&self.0)?;
        file.rewind()?;
        Ok(file)
    }

    pub fn load(file: &mut File, count: usize) -> io::Result<Packed> {
        file.rewind()?;
        let mut packed = Packed::new(count);
        file.read_exact(&mut packed.0)?;
        Ok(packed)
    }

    /// One number of a saved list.
    pub fn at(file: &File, place: u64) -> io::Result<u64> {
        let mut eight = [0; 8];
        file.read_exact_at(&mut eight, place * 5)?;
        Ok(u64::from_le_bytes(eight) & (Packed::LIMIT - 1))
    }
}

/// A file with random access through a block cache.
pub struct Paged {
    file: File,
    length: u64,
    cache: Vec<u8>,
    /// The block number in each slot, plus one; 0 for an empty slot.
    held: Vec<u64>,
    /// The block of the last byte, because the next byte is mostly in it too.
    block: u64,
    begin: usize,
}

const BLOCK: usize = 1 << 14;

impl Paged {
    /// A cache of about `budget` bytes, at most the size of the file.
    pub fn new(file: File, budget: u64) -> io::Result<Paged> {
        let length = file.metadata()?.len();
        let blocks = length.div_ceil(BLOCK as u64).max(1);
        let slots = (budget / BLOCK as u64).clamp(1, blocks) as usize;
        // Zeroed memory uses no physical memory until a block is read into it.
        Ok(Paged {
            file,
            length,
            cache: vec![0; slots * BLOCK],
            held: vec![0; slots],
            block: u64::MAX,
            begin: 0,
        })
    }

    /// The byte at an offset; 0 beyond the end.
    pub fn byte(&mut self, at: u64) -> io::Result<u8> {
        let block = at / BLOCK as u64;
        if block != self.block {
            let slot = (block % self.held.len() as u64) as usize;
            if self.held[slot] != block + 1 {
                self.fill(block, slot)?;
            }
            (self.block, self.begin) = (block, slot * BLOCK);
        }
        Ok(self.cache[self.begin + (at % BLOCK as u64) as usize])
    }

    fn fill(&mut self, block: u64, slot: usize) -> io::Result<()> {
        let start = block * BLOCK as u64;
        let bytes = self.length.saturating_sub(start).min(BLOCK as u64) as usize;
        let target = &mut self.cache[slot * BLOCK..(slot + 1) * BLOCK];
        target[bytes..].fill(0);
        // Invalidate the slot first, so that a failed read leaves no stale block.
        (self.held[slot], self.block) = (0, u64::MAX);
        self.file.read_exact_at(&mut target[..bytes], start)?;
        self.held[slot] = block + 1;
        Ok(())
    }

    /// The number at an offset, written by [`put`], and the offset after it.
    pub fn number(&mut self, mut at: u64) -> io::Result<(u64, u64)> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte(at)?;
            at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 || shift > 63 {
                return Ok((value, at));
            }
        }
    }

    /// The little-endian number of `width` bytes at a position of a list.
    pub fn fixed(&mut self, place: u64, width: u64) -> io::Result<u64> {
        let mut value = 0;
        for i in 0..width {
            value |= u64::from(self.byte(place * width + i)?) << (8 * i);
        }
        Ok(value)
    }
}

/// Appends a number in 7-bit groups, the lowest first.
pub fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A file that is read once from start to end.
pub struct Stream {
    file: File,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl Stream {
    pub fn new(file: &File) -> io::Result<Stream> {
        let mut file = file.try_clone()?;
        file.rewind()?;
        Ok(Stream { file, buffer: vec![0; 1 << 18], from: 0, to: 0 })
    }

    /// The next byte; none at the end.
    fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.from == self.to {
            self.to = self.file.read(&mut self.buffer)?;
            self.from = 0;
            if self.to == 0 {
                return Ok(None);
            }
        }
        self.from += 1;
        Ok(Some(self.buffer[self.from - 1]))
    }

    /// The next number, written by [`put`]; none at the end.
    pub fn number(&mut self) -> io::Result<Option<u64>> {
        let (mut value, mut shift) = (0, 0);
        while let Some(byte) = self.byte()? {
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 || shift > 63 {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// A stack or queue of numbers that keeps only its ends in memory.
pub struct Deep<const N: usize> {
    file: File,
    /// The number of entries in the file.
    below: u64,
    top: Vec<[u64; N]>,
}

/// Half of the most entries in memory.
const TOP: usize = 1 << 16;

impl<const N: usize> Deep<N> {
    pub fn new(scratch: &Scratch) -> io::Result<Deep<N>> {
        Ok(Deep { file: scratch.file()?, below: 0, top: Vec::new() })
    }

    pub fn push(&mut self, entry: [u64; N]) -> io::Result<()> {
        if self.top.len() == 2 * TOP {
            let bytes: Vec<u8> = self.top.drain(..TOP).flatten().flat_map(u64::to_le_bytes).collect();
            self.file.write_all_at(&bytes, self.below * 8 * N as u64)?;
            self.below += TOP as u64;
        }
        self.top.push(entry);
        Ok(())
    }

    pub fn pop(&mut self) -> io::Result<Option<[u64; N]>> {
        if self.top.is_empty() && self.below > 0 {
            let mut bytes = vec![0; TOP * 8 * N];
            self.below -= TOP as u64;
            self.file.read_exact_at(&mut bytes, self.below * 8 * N as u64)?;
            let mut numbers = bytes.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b));
            for _ in 0..TOP {
                self.top.push(std::array::from_fn(|_| numbers.next().unwrap_or(0)));
            }
        }
        Ok(self.top.pop())
    }
}

/// Pairs of numbers, sorted into buckets of known sizes.
pub struct Buckets {
    file: File,
    /// The start of each bucket in the file and the position of its next pair, in pairs.
    begins: Vec<u64>,
    next: Vec<u64>,
    waiting: Vec<Vec<u8>>,
}

const WAITING: usize = 1 << 13;

impl Buckets {
    /// `sizes` are in pairs.
    pub fn new(scratch: &Scratch, sizes: &[u64]) -> io::Result<Buckets> {
        let mut begins = Vec::with_capacity(sizes.len() + 1);
        let mut sum = 0;
        for size in sizes {
            begins.push(sum);
            sum += size;
        }
        begins.push(sum);
        Ok(Buckets {
            file: scratch.file()?,
            next: begins[..sizes.len()].to_vec(),
            begins,
            waiting: vec![Vec::new(); sizes.len()],
        })
    }

    pub fn push(&mut self, bucket: usize, a: u32, b: u32) -> io::Result<()> {
        let waiting = &mut self.waiting[bucket];
        waiting.extend_from_slice(&a.to_le_bytes());
        waiting.extend_from_slice(&b.to_le_bytes());
        if waiting.len() >= WAITING {
            self.flush(bucket)?;
        }
        Ok(())
    }

    fn flush(&mut self, bucket: usize) -> io::Result<()> {
        let waiting = &mut self.waiting[bucket];
        self.file.write_all_at(waiting, self.next[bucket] * 8)?;
        self.next[bucket] += waiting.len() as u64 / 8;
        waiting.clear();
        Ok(())
    }

    /// Ends writing. Call it before `read`.
    pub fn finish(&mut self) -> io::Result<()> {
        for bucket in 0..self.waiting.len() {
            self.flush(bucket)?;
            self.waiting[bucket] = Vec::new();
        }
        Ok(())
    }

    /// Passes the pairs of a bucket to `piece`, in several parts.
    pub fn read(&self, bucket: usize, mut piece: impl FnMut(&[[u8; 8]])) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 18];
        let (mut at, end) = (self.begins[bucket] * 8, self.next[bucket] * 8);
        while at < end {
            let now = (end - at).min(buffer.len() as u64) as usize;
            self.file.read_exact_at(&mut buffer[..now], at)?;
            piece(buffer[..now].as_chunks::<8>().0);
            at += now as u64;
        }
        Ok(())
    }
}
