//! Builds the dominator tree by Semi-NCA (Georgiadis and Tarjan), with 9 bytes of memory per object.
//!
//! A depth-first walk from the roots numbers the objects from 1 in the order it meets them; 0 is a node above
//! all roots. The references to each object are sorted on disk by that number, so that both phases read them
//! sequentially.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use super::graph::{self, Graph, target};
use super::spill::{Buckets, Deep, Packed, Paged, Scratch, finish, read_u32s, write_u32s};

/// The most pairs of a bucket: 16 MiB.
const PAIRS: u64 = 2 << 20;

/// The order of the walk and the tree, as files of 4-byte numbers.
pub struct Tree {
    /// The place of each object in the walk; 0 if no root reaches it.
    pub places: File,
    /// The dominator of each place. Place 0 dominates itself.
    pub dominators: File,
    /// The number of reachable objects.
    pub reached: u32,
}

/// Builds the tree. The cache of the graph has `cache` bytes.
///
/// # Errors
/// The index cannot be read or written.
pub fn build(
    graph: &mut Graph,
    objects: u32,
    scratch: &Scratch,
    cache: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<Tree> {
    let walk = Walk {
        places: vec![0; objects as usize],
        last: 0,
        parents: scratch.writer()?,
        graph: Paged::new(graph.file.try_clone()?, cache)?,
        offsets: &graph.offsets,
        progress,
    };
    let (places, mut parents, reached) = walk.run(&graph.roots.list, scratch)?;
    graph.put_offsets_away(scratch)?;
    let (buckets, begins) = sort_references(graph, &places, reached, scratch)?;
    let places = write_u32s(scratch, places)?;
    let mut semis = semidominators(&mut parents, reached, &buckets, &begins, scratch)?;
    drop(buckets);
    let dominators = nearest(&mut parents, &mut semis, reached, scratch)?;
    Ok(Tree { places, dominators, reached })
}

/// The depth-first walk. It produces each object's place, and the place from which it was reached.
struct Walk<'a> {
    places: Vec<u32>,
    last: u32,
    parents: BufWriter<File>,
    graph: Paged,
    offsets: &'a Packed,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Walk<'_> {
    fn run(mut self, roots: &[u32], scratch: &Scratch) -> io::Result<(Vec<u32>, File, u32)> {
        self.parents.write_all(&0_u32.to_le_bytes())?;
        let mut stack: Deep<3> = Deep::new(scratch)?;
        for root in roots {
            if self.places[*root as usize] != 0 {
                continue;
            }
            let entered = self.enter(*root, 0)?;
            stack.push(entered)?;
            while let Some([number, place, mut at]) = stack.pop()? {
                loop {
                    let (coded, after) = self.graph.number(at)?;
                    at = after;
                    if coded == 0 {
                        break;
                    }
                    let to = target(number as u32, coded);
                    if self.places[to as usize] == 0 {
                        stack.push([number, place, at])?;
                        let entered = self.enter(to, place as u32)?;
                        stack.push(entered)?;
                        break;
                    }
                }
            }
        }
        Ok((self.places, finish(self.parents)?, self.last))
    }

    /// The object's number, its place, and the start of its references.
    fn enter(&mut self, number: u32, from: u32) -> io::Result<[u64; 3]> {
        self.last += 1;
        if self.last.is_multiple_of(1 << 16) {
            (self.progress)(u64::from(self.last), self.places.len() as u64);
        }
        self.places[number as usize] = self.last;
        self.parents.write_all(&from.to_le_bytes())?;
        let at = graph::references(&mut self.graph, self.offsets.get(number as usize))?;
        Ok([u64::from(number), u64::from(self.last), at])
    }
}

/// All references between reachable objects as pairs (to, from) of places, in buckets of ranges of `to`. The
/// second part of the result holds the start of each range, and the end of the last one.
fn sort_references(
    graph: &Graph,
    places: &[u32],
    reached: u32,
    scratch: &Scratch,
) -> io::Result<(Buckets, Vec<u32>)> {
    let mut counts = vec![0_u32; reached as usize + 1];
    graph::each(
        &graph.file,
        |_| (),
        |from, to| {
            if places[from as usize] != 0 {
                let count = &mut counts[places[to as usize] as usize];
                *count = count.saturating_add(1);
            }
            Ok(())
        },
    )?;
    let (mut begins, mut sizes, mut size) = (vec![1], Vec::new(), 0);
    for (place, count) in counts.iter().enumerate().skip(1) {
        if size > 0 && size + u64::from(*count) > PAIRS {
            begins.push(place as u32);
            sizes.push(size);
            size = 0;
        }
        size += u64::from(*count);
    }
    sizes.push(size);
    begins.push(reached + 1);
    drop(counts);
    let mut buckets = Buckets::new(scratch, &sizes)?;
    graph::each(
        &graph.file,
        |_| (),
        |from, to| {
            let (from, to) = (places[from as usize], places[to as usize]);
            if from != 0 {
                let bucket = begins.partition_point(|b| *b <= to) - 1;
                buckets.push(bucket, to, from)?;
            }
            Ok(())
        },
    )?;
    buckets.finish()?;
    Ok((buckets, begins))
}

/// The semidominator of each place: the smallest place with a path to it through larger places.
fn semidominators(
    parents: &mut File,
    reached: u32,
    buckets: &Buckets,
    begins: &[u32],
    scratch: &Scratch,
) -> io::Result<File> {
    let count = reached as usize + 1;
    let mut forest = Forest { ancestor: read_u32s(parents, count)?, label: (0..=reached).collect() };
    let semis = scratch.file()?;
    semis.set_len(count as u64 * 4)?;
    for bucket in (0..begins.len() - 1).rev() {
        let (begin, end) = (begins[bucket], begins[bucket + 1]);
        let mut found = vec![0_u32; (end - begin) as usize];
        let mut finish = |place: u32, semi: u32, forest: &mut Forest| {
            forest.label[place as usize] = semi;
            found[(place - begin) as usize] = semi;
        };
        if end - begin == 1 {
            // The references to one object fill at least one bucket.
            let mut semi = forest.ancestor[begin as usize];
            buckets.read(bucket, |pairs| {
                for [.., a, b, c, d] in pairs {
                    semi = semi.min(forest.smallest(u32::from_le_bytes([*a, *b, *c, *d]), begin));
                }
            })?;
            finish(begin, semi, &mut forest);
        } else {
            let mut pairs = Vec::new();
            buckets.read(bucket, |piece| {
                pairs.extend(piece.iter().map(|p| u64::from_le_bytes(*p).rotate_left(32)))
            })?;
            // After the rotation, the target is the high half.
            pairs.sort_unstable();
            for place in (begin..end).rev() {
                let mut semi = forest.ancestor[place as usize];
                while let Some(pair) = pairs.pop_if(|p| (*p >> 32) as u32 == place) {
                    semi = semi.min(forest.smallest(pair as u32, place));
                }
                finish(place, semi, &mut forest);
            }
        }
        let bytes: Vec<u8> = found.iter().flat_map(|s| s.to_le_bytes()).collect();
        semis.write_all_at(&bytes, u64::from(begin) * 4)?;
    }
    Ok(semis)
}

/// Objects with a known semidominator, linked to their parents. Paths are compressed when they are walked.
struct Forest {
    /// Initially the parent.
    ancestor: Vec<u32>,
    /// The smallest semidominator on the path to the ancestor, without the ancestor.
    label: Vec<u32>,
}

impl Forest {
    /// The smallest semidominator on the path up from `from`, through places above `now` only.
    fn smallest(&mut self, from: u32, now: u32) -> u32 {
        const NONE: u32 = u32::MAX;
        if from <= now {
            return from;
        }
        // A path can be as long as a linked list, so it is reversed on the way up instead of kept on a stack.
        let (mut below, mut at) = (NONE, from);
        while self.ancestor[at as usize] > now {
            let next = self.ancestor[at as usize];
            self.ancestor[at as usize] = below;
            (below, at) = (at, next);
        }
        let top = self.ancestor[at as usize];
        let mut smallest = self.label[at as usize];
        while below != NONE {
            let next = self.ancestor[below as usize];
            smallest = smallest.min(self.label[below as usize]);
            self.label[below as usize] = smallest;
            self.ancestor[below as usize] = top;
            below = next;
        }
        self.label[from as usize]
    }
}

/// The dominator of each place: its nearest ancestor in the tree that is not larger than its semidominator.
/// Jumps over powers of two bound the search for every input.
fn nearest(parents: &mut File, semis: &mut File, reached: u32, scratch: &Scratch) -> io::Result<File> {
    let count = reached as usize + 1;
    let mut dominator = vec![0_u32; count];
    let mut jump = vec![0_u32; count];
    // A jump has 2^k - 1 steps, so k is enough.
    let mut length = vec![0_u8; count];
    let mut parents = Numbers::new(parents, count)?;
    let mut semis = Numbers::new(semis, count)?;
    for place in 0..count {
        let (parent, semi) = (parents.next()?, semis.next()?);
        if place == 0 {
            continue;
        }
        let mut at = parent;
        while at > semi {
            let far = jump[at as usize];
            at = if far > semi { far } else { dominator[at as usize] };
        }
        dominator[place] = at;
        let far = jump[at as usize];
        if length[at as usize] == length[far as usize] {
            jump[place] = jump[far as usize];
            length[place] = length[at as usize] + 1;
        } else {
            jump[place] = at;
            length[place] = 1;
        }
    }
    drop((jump, length));
    write_u32s(scratch, dominator)
}

/// Reads the numbers of a file one by one.
struct Numbers {
    file: File,
    held: Vec<u32>,
    read: usize,
    count: usize,
}

impl Numbers {
    fn new(file: &File, count: usize) -> io::Result<Numbers> {
        Ok(Numbers { file: file.try_clone()?, held: Vec::new(), read: 0, count })
    }

    fn next(&mut self) -> io::Result<u32> {
        if self.held.is_empty() {
            let now = (self.count - self.read).min(1 << 16);
            let mut bytes = vec![0; now * 4];
            self.file.read_exact_at(&mut bytes, self.read as u64 * 4)?;
            self.held = bytes.as_chunks::<4>().0.iter().rev().map(|b| u32::from_le_bytes(*b)).collect();
            self.read += now;
        }
        Ok(self.held.pop().unwrap_or(0))
    }
}
