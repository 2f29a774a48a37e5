//! Retained sizes: the bytes freed with an object, with all objects of a class, or with a class loader.

use std::collections::HashMap;
use std::fs::File;
use std::io;

use super::dominators::Tree;
use super::graph::{self, Graph};
use super::spill::{Deep, Packed, Paged, Scratch, read_u32s, u32_at, write_u32s};

/// The most objects that are kept of those directly below the roots.
const TOP: usize = 200;

/// Counts and sizes of a class's reachable instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub instances: u64,
    pub shallow: u64,
    /// With the class object and its static fields.
    pub retained: u64,
    /// The instances directly below the roots.
    pub top: u64,
    pub top_retained: u64,
}

/// An object in the dominator tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub place: u32,
    pub class: u32,
    pub retained: u64,
}

pub struct Retained {
    /// Sums by class.
    pub sums: Vec<Sums>,
    /// Shallow bytes of all reachable objects: what the roots retain.
    pub reached_bytes: u64,
    pub unreached: u64,
    pub unreached_bytes: u64,
    /// The largest objects directly below the roots, the largest first.
    pub top: Vec<Node>,
    /// The file with retained bytes (`Packed`), by place.
    retained: File,
    classes: File,
    children: File,
    siblings: File,
    /// Classes by the place of their class object.
    pub class_objects: HashMap<u32, u32>,
    /// Loaders by the places of their class loader and of the class objects they loaded.
    loaders: HashMap<u32, u32>,
    /// The retained bytes of each loader with its classes.
    pub of_loaders: Vec<u64>,
}

/// Objects that the sums need, as object numbers.
pub struct Known {
    /// The class object of each class.
    pub classes: Vec<Option<u32>>,
    /// Class loaders: id and object.
    pub loaders: Vec<(u64, u32)>,
    /// The loader of each class as an index into `loaders`; none for the boot loader.
    pub loader_of: Vec<Option<u32>>,
}

/// Sums up the dominator tree. The cache has `cache` bytes.
///
/// # Errors
/// The index cannot be read or written.
pub fn sum(
    known: &Known,
    objects: u32,
    graph: &Graph,
    tree: &mut Tree,
    scratch: &Scratch,
    cache: u64,
) -> io::Result<Retained> {
    let objects = objects as usize;
    let count = tree.reached as usize + 1;
    let mut sums = vec![Sums::default(); known.classes.len()];
    let (mut reached_bytes, mut unreached, mut unreached_bytes) = (0, 0, 0);

    let places = read_u32s(&mut tree.places, objects)?;
    let mut sizes = Packed::new(count);
    graph::each(
        &graph.file,
        |entry| match places[entry.number as usize] {
            0 => {
                unreached += 1;
                unreached_bytes += entry.size;
            }
            place => {
                sizes.set(place as usize, entry.size);
                reached_bytes += entry.size;
                let of_class = &mut sums[entry.class as usize];
                of_class.instances += 1;
                of_class.shallow += entry.size;
            }
        },
        |_, _| Ok(()),
    )?;
    let class_objects: HashMap<u32, u32> = (known.classes.iter().enumerate())
        .filter_map(|(class, number)| Some((places[(*number)? as usize], class as u32)))
        .filter(|(place, _)| *place != 0)
        .collect();
    let loaders =
        known.loaders.iter().enumerate().map(|(i, (_, number))| (places[*number as usize], i as u32));
    let mut loaders: HashMap<u32, u32> = loaders.filter(|(place, _)| *place != 0).collect();
    loaders.extend(
        class_objects.iter().filter_map(|(place, class)| Some((*place, known.loader_of[*class as usize]?))),
    );
    drop(places);

    let dominators = read_u32s(&mut tree.dominators, count)?;
    for place in (1..count).rev() {
        let dominator = dominators[place] as usize;
        let sum = sizes.get(dominator) + sizes.get(place);
        sizes.set(dominator, sum);
    }
    let retained = sizes.save(scratch)?;
    drop(sizes);

    // The first child and the next sibling reuse the memory of the dominators.
    let mut siblings = dominators;
    let mut children = vec![0_u32; count];
    for place in (1..count).rev() {
        let dominator = siblings[place] as usize;
        siblings[place] = children[dominator];
        children[dominator] = place as u32;
    }
    let siblings = write_u32s(scratch, siblings)?;
    let children = write_u32s(scratch, children)?;

    let places = read_u32s(&mut tree.places, objects)?;
    let mut classes = vec![0_u32; count];
    graph::each(
        &graph.file,
        |entry| classes[places[entry.number as usize] as usize] = entry.class,
        |_, _| Ok(()),
    )?;
    drop(places);
    let classes = write_u32s(scratch, classes)?;

    let mut out = Retained {
        sums,
        reached_bytes,
        unreached,
        unreached_bytes,
        top: Vec::new(),
        retained,
        classes,
        children,
        siblings,
        class_objects,
        loaders,
        of_loaders: vec![0; known.loaders.len()],
    };
    out.by_class(scratch, count, cache)?;
    Ok(out)
}

impl Retained {
    /// Walks the tree. An object counts for its class unless an ancestor has the same class. The class object
    /// and what its static fields retain count too.
    fn by_class(&mut self, scratch: &Scratch, count: usize, cache: u64) -> io::Result<()> {
        let children = read_u32s(&mut self.children, count)?;
        let siblings = read_u32s(&mut self.siblings, count)?;
        let mut retained = Paged::new(self.retained.try_clone()?, cache / 2)?;
        let mut classes = Paged::new(self.classes.try_clone()?, cache / 2)?;
        // The number of ancestors of each class.
        let mut above = vec![0_u32; self.sums.len()];
        let mut loaders_above = vec![0_u32; self.of_loaders.len()];
        let mut stack: Deep<2> = Deep::new(scratch)?;
        let mut at = children[0];
        let mut depth = 0_u64;
        loop {
            if at != 0 {
                let class = classes.fixed(u64::from(at), 4)? as u32;
                let size = retained.fixed(u64::from(at), 5)?;
                let named = self.class_objects.get(&at).copied();
                for class in [Some(class), named].into_iter().flatten() {
                    if above[class as usize] == 0 {
                        self.sums[class as usize].retained += size;
                    }
                    above[class as usize] += 1;
                }
                if let Some(loader) = self.loaders.get(&at) {
                    if loaders_above[*loader as usize] == 0 {
                        self.of_loaders[*loader as usize] += size;
                    }
                    loaders_above[*loader as usize] += 1;
                }
                if depth == 0 {
                    self.sums[class as usize].top += 1;
                    self.sums[class as usize].top_retained += size;
                    self.top.push(Node { place: at, class, retained: size });
                    if self.top.len() == 2 * TOP {
                        self.keep_largest();
                    }
                }
                stack.push([u64::from(at), u64::from(class)])?;
                depth += 1;
                at = children[at as usize];
                continue;
            }
            let Some([place, class]) = stack.pop()? else { break };
            depth -= 1;
            above[class as usize] -= 1;
            if let Some(named) = self.class_objects.get(&(place as u32)) {
                above[*named as usize] -= 1;
            }
            if let Some(loader) = self.loaders.get(&(place as u32)) {
                loaders_above[*loader as usize] -= 1;
            }
            at = siblings[place as usize];
        }
        self.keep_largest();
        Ok(())
    }

    fn keep_largest(&mut self) {
        self.top.sort_by_key(|n| (std::cmp::Reverse(n.retained), n.place));
        self.top.truncate(TOP);
    }

    /// The object at a place.
    pub fn node(&self, place: u32) -> io::Result<Node> {
        let class = u32_at(&self.classes, u64::from(place))?;
        Ok(Node { place, class, retained: Packed::at(&self.retained, u64::from(place))? })
    }

    /// The largest child of an object in the tree, and the number of its children.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn largest_child(&self, place: u32) -> io::Result<(Option<Node>, u64)> {
        // A map can have ten million children. They are nearly contiguous, so a small cache is enough.
        let mut siblings = Paged::new(self.siblings.try_clone()?, 1 << 20)?;
        let mut retained = Paged::new(self.retained.try_clone()?, 1 << 20)?;
        let (mut largest, mut most, mut count) = (0, 0, 0);
        let mut at = u32_at(&self.children, u64::from(place))?;
        while at != 0 {
            count += 1;
            let size = retained.fixed(u64::from(at), 5)?;
            if size > most {
                (largest, most) = (at, size);
            }
            at = siblings.fixed(u64::from(at), 4)? as u32;
        }
        Ok((if largest == 0 { None } else { Some(self.node(largest)?) }, count))
    }
}
