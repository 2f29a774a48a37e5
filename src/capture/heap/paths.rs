//! Shortest paths from the roots to an object: the reason why it is reachable.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Write};

use super::graph::{self, Graph, target};
use super::objects::{Link, Objects};
use super::spill::{Paged, Scratch, finish};

/// The most steps shown at each end of a path. The middle of a long linked list is only counted.
const ENDS: usize = 12;
/// Marks a root. Object numbers are smaller.
const ROOT: u32 = u32::MAX;

/// The chains of the requested objects, root first.
pub struct Paths(HashMap<u32, Chain>);

/// The two ends of a chain, and the number of objects between them.
struct Chain {
    begin: Vec<u32>,
    left_out: u64,
    end: Vec<u32>,
}

/// A path in words.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// From the root to the object.
    pub steps: Vec<String>,
    /// The static field nearest to the object: class and field.
    pub static_field: Option<(String, String)>,
    /// The thread at the root, if a thread holds the object.
    pub thread: Option<String>,
    /// The description of the root.
    pub root: String,
    /// The nearest class outside the JDK on the path, without the object's own class.
    pub owner: Option<String>,
}

impl Paths {
    /// Searches from the roots, level by level, until all requested objects are found.
    ///
    /// # Errors
    /// The index cannot be read or written.
    pub fn new(
        graph: &Graph,
        objects: u32,
        wanted: &HashSet<u32>,
        scratch: &Scratch,
        cache: u64,
    ) -> io::Result<Paths> {
        let mut from = vec![0_u32; objects as usize];
        let mut open = wanted.len();
        let mut paged = Paged::new(graph.file.try_clone()?, cache)?;
        let mut level: Vec<u32> = Vec::new();
        for root in &graph.roots.list {
            if from[*root as usize] == 0 {
                from[*root as usize] = ROOT;
                open -= usize::from(wanted.contains(root));
                level.push(*root);
            }
        }
        let mut queue = Level::Held(level);
        while open > 0 && !queue.is_empty() {
            let mut next = Levels::new();
            queue.each(|number| {
                let mut at = graph::references(&mut paged, graph.offsets.get(number as usize))?;
                loop {
                    let (coded, after) = paged.number(at)?;
                    at = after;
                    if coded == 0 {
                        return Ok(());
                    }
                    let to = target(number, coded);
                    if from[to as usize] == 0 {
                        from[to as usize] = number + 1;
                        open -= usize::from(wanted.contains(&to));
                        next.push(to, scratch)?;
                    }
                }
            })?;
            queue = next.finish()?;
        }
        Ok(Paths(wanted.iter().filter_map(|number| Some((*number, chain(&from, *number)?))).collect()))
    }

    /// The path to an object, in words.
    ///
    /// # Errors
    /// The dump cannot be read again.
    pub fn describe(&self, number: u32, objects: &mut Objects<'_>, graph: &Graph) -> io::Result<Path> {
        let mut path = Path::default();
        let Some(chain) = self.0.get(&number) else { return Ok(path) };
        let Some(root) = chain.begin.first() else { return Ok(path) };
        let kind = graph.roots.kinds.get(root).map_or("a root", |r| r.kind.describe());
        path.root = kind.to_owned();
        let class = objects.class_name(*root)?;
        let is_thread = kind == "a live thread";
        path.thread = if is_thread { objects.string_field(*root, "name")? } else { None };
        path.steps.push(match (&path.thread, objects.class_object(*root)) {
            (Some(thread), _) => format!("{class} \"{thread}\" ({kind})"),
            (None, Some(_)) => format!("class {class} ({kind})"),
            (None, None) => format!("{class} ({kind})"),
        });
        for pair in chain.begin.windows(2) {
            step(&mut path, pair, objects)?;
        }
        if chain.left_out > 0 {
            path.steps.push(format!("… {} more objects …", chain.left_out));
        } else if let (Some(last), Some(first)) = (chain.begin.last(), chain.end.first()) {
            step(&mut path, &[*last, *first], objects)?;
        }
        for pair in chain.end.windows(2) {
            step(&mut path, pair, objects)?;
        }
        Ok(path)
    }
}

/// The chain from an object back to its root; none if the search did not find the object.
fn chain(from: &[u32], number: u32) -> Option<Chain> {
    // The search goes backwards, so it starts at the end of the chain.
    let (mut end, mut begin) = (VecDeque::new(), VecDeque::new());
    let mut left_out = 0;
    let mut at = number;
    loop {
        if end.len() < ENDS {
            end.push_front(at);
        } else {
            begin.push_front(at);
            if begin.len() > ENDS {
                begin.pop_back();
                left_out += 1;
            }
        }
        match from[at as usize] {
            0 => return None,
            ROOT => break,
            before => at = before - 1,
        }
    }
    if begin.is_empty() {
        std::mem::swap(&mut begin, &mut end);
    }
    Some(Chain { begin: begin.into(), left_out, end: end.into() })
}

fn step(path: &mut Path, pair: &[u32], objects: &mut Objects<'_>) -> io::Result<()> {
    let (from, to) = (pair[0], pair[1]);
    let link = objects.link(from, to)?;
    let holder = objects.class_name(from)?;
    if !of_the_jdk(holder) && !holder.ends_with("[]") {
        path.owner = Some(holder.to_owned());
    }
    if let Link::Static(field) = &link {
        path.static_field = Some((holder.to_owned(), field.clone()));
    }
    let class = objects.class_name(to)?;
    let what = if objects.class_object(to).is_some() { format!("class {class}") } else { class.to_owned() };
    path.steps.push(match link {
        Link::Field(name) => format!(".{name}  {what}"),
        Link::Static(name) => format!("static {name}  {what}"),
        Link::Element(place) => format!("[{place}]  {what}"),
        Link::Local => format!("<local variable>  {what}"),
        Link::Class => format!("<class>  {what}"),
        Link::Superclass => format!("<superclass>  {what}"),
        Link::Loader => format!("<class loader>  {what}"),
        Link::Other => format!("<reference>  {what}"),
    });
    Ok(())
}

/// Whether the class belongs to the JDK.
pub fn of_the_jdk(class: &str) -> bool {
    ["java.", "javax.", "jdk.", "sun.", "com.sun."].iter().any(|p| class.starts_with(p))
        || !class.contains(['.', '$']) && class.ends_with("[]")
}

/// The objects of one level of the search: in memory, or in a file if there are many.
enum Level {
    Held(Vec<u32>),
    Spilled(File),
}

impl Level {
    fn is_empty(&self) -> bool {
        matches!(self, Level::Held(level) if level.is_empty())
    }

    fn each(self, mut each: impl FnMut(u32) -> io::Result<()>) -> io::Result<()> {
        match self {
            Level::Held(level) => level.into_iter().try_for_each(each),
            Level::Spilled(mut file) => {
                let mut buffer = vec![0; 1 << 16];
                loop {
                    let mut filled = 0;
                    while filled < buffer.len() {
                        match file.read(&mut buffer[filled..])? {
                            0 => break,
                            n => filled += n,
                        }
                    }
                    if filled == 0 {
                        return Ok(());
                    }
                    for four in buffer[..filled].as_chunks::<4>().0 {
                        each(u32::from_le_bytes(*four))?;
                    }
                }
            }
        }
    }
}

/// A level that is being filled.
struct Levels {
    held: Vec<u32>,
    spilled: Option<std::io::BufWriter<File>>,
}

/// The most objects of a level in memory.
const HELD: usize = 1 << 20;

impl Levels {
    fn new() -> Levels {
        Levels { held: Vec::new(), spilled: None }
    }

    fn push(&mut self, number: u32, scratch: &Scratch) -> io::Result<()> {
        if self.spilled.is_none() && self.held.len() == HELD {
            let mut writer = scratch.writer()?;
            for held in self.held.drain(..) {
                writer.write_all(&held.to_le_bytes())?;
            }
            self.spilled = Some(writer);
        }
        match &mut self.spilled {
            Some(writer) => writer.write_all(&number.to_le_bytes()),
            None => {
                self.held.push(number);
                Ok(())
            }
        }
    }

    fn finish(self) -> io::Result<Level> {
        self.spilled.map_or(Ok(Level::Held(self.held)), |writer| finish(writer).map(Level::Spilled))
    }
}
