//! Maps object ids to object numbers: the index in the sorted list of ids.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};

use super::spill::{Scratch, finish, stream_u32s};

/// The most groups of 4 GiB of addresses. A heap is one range of a few TiB at most.
const GROUPS: usize = 1 << 16;

/// The collected ids, unsorted.
#[derive(Default)]
pub struct Collected {
    groups: BTreeMap<u32, Vec<u32>>,
    last: Option<u32>,
    pub count: u64,
}

impl Collected {
    /// # Errors
    /// A sentence if the ids are scattered more than those of any heap, or if there are more than 2^32 - 2.
    pub fn push(&mut self, id: u64) -> Result<(), String> {
        let high = (id >> 32) as u32;
        if self.last != Some(high) {
            self.last = Some(high);
            if self.groups.len() >= GROUPS && !self.groups.contains_key(&high) {
                return Err("the object ids span more than 256 TiB, which no heap does,".to_owned());
            }
        }
        self.count += 1;
        if self.count >= u64::from(u32::MAX) {
            return Err(
                "the heap has more than 4,294,967,293 objects, which is the most khud can read,".to_owned()
            );
        }
        self.groups.entry(high).or_default().push(id as u32);
        Ok(())
    }

    /// Sorts and numbers the ids. Duplicates get one number.
    pub fn number(self) -> Ids {
        let mut groups = Vec::with_capacity(self.groups.len());
        let mut first = 0;
        for (high, mut lows) in self.groups {
            lows.sort_unstable();
            lows.dedup();
            lows.shrink_to_fit();
            let group = Group::new(high, first, lows);
            first += group.lows.len() as u32;
            groups.push(group);
        }
        Ids { groups, count: first }
    }
}

struct Group {
    high: u32,
    /// The number of its first id.
    first: u32,
    lows: Vec<u32>,
    /// The first position of each step of the range of `lows`, so that a search reads only a few ids.
    steps: Vec<u32>,
    shift: u32,
}

impl Group {
    fn new(high: u32, first: u32, lows: Vec<u32>) -> Group {
        // About one step for every 4 ids in a group without gaps.
        let steps = (lows.len() / 4).next_power_of_two().max(1);
        let shift = 32 - steps.trailing_zeros();
        let mut starts = vec![0; steps + 1];
        let step = |low: u32| if shift == 32 { 0 } else { (low >> shift) as usize };
        for low in &lows {
            starts[step(*low) + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        Group { high, first, lows, steps: starts, shift }
    }

    fn find(&self, low: u32) -> Option<u32> {
        let step = if self.shift == 32 { 0 } else { (low >> self.shift) as usize };
        let (from, to) = (self.steps[step] as usize, self.steps[step + 1] as usize);
        let place = self.lows[from..to].binary_search(&low).ok()?;
        Some(self.first + (from + place) as u32)
    }
}

/// The numbers of the heap's objects: 0 to `count` - 1 in the order of their ids.
#[derive(Default)]
pub struct Ids {
    groups: Vec<Group>,
    pub count: u32,
}

impl Ids {
    /// Moves the ids to a file, because later stages need the memory.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(self, scratch: &Scratch) -> io::Result<Saved> {
        let mut writer = scratch.writer()?;
        let mut groups = Vec::with_capacity(self.groups.len());
        for group in self.groups {
            groups.push((group.high, group.lows.len()));
            for low in group.lows {
                writer.write_all(&low.to_le_bytes())?;
            }
        }
        Ok(Saved { groups, file: finish(writer)?, count: self.count })
    }

    /// The number of the object with this id.
    pub fn find(&self, id: u64) -> Option<u32> {
        let high = (id >> 32) as u32;
        let group = match self.groups.as_slice() {
            [one] if one.high == high => one,
            groups => &groups[groups.binary_search_by_key(&high, |g| g.high).ok()?],
        };
        group.find(id as u32)
    }

    /// The id of an object.
    pub fn id(&self, number: u32) -> Option<u64> {
        let group = &self.groups[self.groups.partition_point(|g| g.first <= number).checked_sub(1)?];
        let low = group.lows.get((number - group.first) as usize)?;
        Some((u64::from(group.high) << 32) | u64::from(*low))
    }
}

/// Ids in a file.
pub struct Saved {
    groups: Vec<(u32, usize)>,
    file: File,
    count: u32,
}

impl Saved {
    /// # Errors
    /// The file cannot be read.
    pub fn load(mut self) -> io::Result<Ids> {
        let mut lows: Vec<Vec<u32>> = self.groups.iter().map(|g| Vec::with_capacity(g.1)).collect();
        let mut group = 0;
        stream_u32s(&mut self.file, self.count as usize, |_, low| {
            while lows[group].len() == self.groups[group].1 {
                group += 1;
            }
            lows[group].push(low);
        })?;
        let mut ids = Ids { groups: Vec::new(), count: self.count };
        let mut first = 0;
        for ((high, count), lows) in self.groups.into_iter().zip(lows) {
            ids.groups.push(Group::new(high, first, lows));
            first += count as u32;
        }
        Ok(ids)
    }
}
