//! What a heap dump says: classes, suspects, collections, strings and loaders, in the form that is printed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io;

use serde::Serialize;

use super::collections::Found;
use super::dominators::Tree;
use super::graph::Graph;
use super::index::Index;
use super::objects::Objects;
use super::paths::{Path, Paths, of_the_jdk};
use super::retained::{Node, Retained, Sums};
use super::spill::{stream_u32s, u32_at};
use super::strings::Duplicates;
use crate::capture::size;

/// An object or a class with this share of the heap is a suspect, in percent (MAT's).
const SUSPECT: u64 = 10;
/// The way from a suspect to where its bytes pile up goes on while one object keeps this share, in percent (MAT's).
const DROP: u64 = 70;
/// Steps on that way.
const DEPTH: usize = 1000;
/// Bytes from which on a class without instances is listed.
const HOLDS: u64 = 1 << 10;
/// Collections and loaders that are listed.
const LISTED: usize = 20;
/// So many loaders with a class of the same name are a leak, or a framework that makes classes on purpose.
const LOADERS: usize = 5;

#[derive(Debug, Serialize)]
pub struct Report {
    pub file: String,
    pub file_bytes: u64,
    /// Shallow bytes of the objects that roots reach: what the heap would have after a collection.
    pub bytes: u64,
    /// Objects that roots reach.
    pub objects: u64,
    pub unreachable_objects: u64,
    pub unreachable_bytes: u64,
    /// References to objects that the file does not have.
    pub dangling_references: u64,
    /// Bytes of a reference on the heap: 4 with compressed references.
    pub reference_bytes: u32,
    /// Largest retained first. Classes without instances are left out, unless their static fields hold much.
    pub classes: Vec<ClassRow>,
    pub suspects: Vec<Suspect>,
    /// Those that retain most.
    pub collections: Vec<CollectionRow>,
    pub duplicate_strings: Strings,
    pub class_loaders: Vec<LoaderRow>,
    /// What the file does not say, as sentences.
    pub unknown: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct ClassRow {
    pub class: String,
    pub instances: u64,
    pub shallow: u64,
    /// What would be freed with all instances, the class and its static fields.
    pub retained: u64,
}

#[derive(Debug, Serialize)]
pub struct Suspect {
    pub sentence: String,
    pub class: String,
    pub retained: u64,
    /// From a root to the object, a step each.
    pub path: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct CollectionRow {
    pub class: String,
    /// Elements; of an array its length.
    pub elements: u64,
    pub retained: u64,
    /// Who has it: a static field, else the nearest class outside the JDK on the path.
    pub owner: Option<String>,
    pub path: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Strings {
    /// Values of Strings that were compared: those of up to 64 KiB.
    pub compared: u64,
    pub different: u64,
    /// Bytes of the values beyond one for each text.
    pub wasted: u64,
    pub top: Vec<StringRow>,
}

#[derive(Debug, Serialize)]
pub struct StringRow {
    /// The begin of the text; none where it looks like a secret.
    pub text: Option<String>,
    pub count: u64,
    pub wasted: u64,
}

#[derive(Debug, Serialize)]
pub struct LoaderRow {
    /// Its class, and its address; the boot loader has none.
    pub loader: String,
    pub classes: u64,
    pub instances: u64,
    /// What would be freed with the loader and its classes; none for the boot loader.
    pub retained: Option<u64>,
}

/// The objects that the report speaks of, by number, so that their paths can be looked for.
pub struct Numbers {
    suspects: Vec<Trail>,
    /// The fullest collections with their places.
    collections: Vec<(Found, Node)>,
    loaders: Vec<Loader>,
    number: HashMap<u32, u32>,
    pub wanted: HashSet<u32>,
}

/// A suspect, and the way down to where its bytes are.
struct Trail {
    nodes: Vec<Node>,
    /// How many objects hang below the last.
    spread: u64,
    /// How many of its class stand right below the roots, and what all of them retain; of a single one nothing.
    group: Option<(u64, u64)>,
}

struct Loader {
    id: u64,
    number: u32,
    /// What would be freed with it and its classes.
    retained: u64,
}

impl Numbers {
    /// # Errors
    /// When the index cannot be read.
    pub fn find(
        loaders: &[(u64, u32)],
        objects: u32,
        graph: &Graph,
        tree: &mut Tree,
        retained: &Retained,
    ) -> io::Result<Numbers> {
        let threshold = (retained.reached_bytes / 100 * SUSPECT).max(1);
        let mut suspects = Vec::new();
        for top in retained.top.iter().take_while(|n| n.retained >= threshold) {
            suspects.push(trail(*top, retained)?);
        }
        for (class, sums) in retained.sums.iter().enumerate() {
            let of_class = |t: &&Trail| t.nodes[0].class as usize == class;
            let single: u64 = suspects.iter().filter(of_class).map(|t| t.nodes[0].retained).sum();
            let largest = retained.top.iter().find(|n| n.class as usize == class);
            if sums.top > 1
                && sums.top_retained.saturating_sub(single) >= threshold
                && let Some(largest) = largest
            {
                suspects
                    .push(Trail { group: Some((sums.top, sums.top_retained)), ..trail(*largest, retained)? });
            }
        }
        let mut collections = Vec::new();
        for found in graph.collections.found() {
            let place = u32_at(&tree.places, u64::from(found.number))?;
            if place != 0 {
                collections.push((found, retained.node(place)?));
            }
        }
        collections
            .sort_by_key(|(found, node)| (std::cmp::Reverse(node.retained), found.is_array, node.place));
        let listed = loaders.iter().zip(&retained.of_loaders);
        let mut listed: Vec<Loader> = listed
            .map(|((id, number), retained)| Loader { id: *id, number: *number, retained: *retained })
            .collect();
        listed.sort_by_key(|l| (std::cmp::Reverse(l.retained), l.number));

        // From places back to numbers, for the few that are spoken of.
        let mut number: HashMap<u32, u32> =
            suspects.iter().flat_map(|t| &t.nodes).map(|n| (n.place, u32::MAX)).collect();
        stream_u32s(&mut tree.places, objects as usize, |object, place| {
            if let Some(known) = number.get_mut(&place) {
                *known = object as u32;
            }
        })?;
        let mut wanted: HashSet<u32> = number.values().copied().filter(|n| *n != u32::MAX).collect();
        wanted.extend(collections.iter().take(2 * LISTED).map(|(found, _)| found.number));
        wanted.extend(listed.iter().take(LISTED).map(|l| l.number));
        Ok(Numbers { suspects, collections, loaders: listed, number, wanted })
    }

    /// The collection at a place.
    fn collection(&self, place: u32) -> Option<&Found> {
        self.collections.iter().find(|(_, node)| node.place == place).map(|(found, _)| found)
    }
}

fn trail(top: Node, retained: &Retained) -> io::Result<Trail> {
    let mut nodes = vec![top];
    let mut at = top;
    loop {
        let (largest, spread) = retained.largest_child(at.place)?;
        match largest {
            Some(next) if next.retained >= at.retained / 100 * DROP && nodes.len() < DEPTH => {
                nodes.push(next);
                at = next;
            }
            _ => return Ok(Trail { nodes, spread, group: None }),
        }
    }
}

/// What the report is made of.
pub struct Parts<'a> {
    pub index: &'a Index,
    pub graph: &'a Graph,
    pub retained: &'a Retained,
    pub paths: &'a Paths,
    pub numbers: &'a Numbers,
    pub strings: &'a Duplicates,
}

impl Report {
    /// Puts the parts into words. `dump` is the heap dump itself.
    ///
    /// # Errors
    /// When the index or the dump cannot be read again.
    pub fn new(name: &str, length: u64, dump: &File, parts: &Parts<'_>) -> io::Result<Report> {
        let Parts { index, graph, retained, strings, .. } = parts;
        let mut objects = Objects::new(dump, index, graph)?;
        let mut suspects = parts.suspects(&mut objects)?;
        suspects.extend(parts.loader_leaks(&mut objects)?);
        suspects.sort_by_key(|s| std::cmp::Reverse(s.retained));
        let mut unknown = Vec::new();
        // HotSpot leaves some classes out that it makes for itself. One in a hundred objects is more than that.
        if graph.dangling > index.objects / 100 {
            unknown
                .push(format!("{} references lead to objects that the file does not have", graph.dangling));
        }
        if graph.twice > 0 {
            unknown.push(format!("{} objects are in the file twice: their first counts", graph.twice));
        }
        Ok(Report {
            file: name.to_owned(),
            file_bytes: length,
            bytes: retained.reached_bytes,
            objects: retained.sums.iter().map(|s| s.instances).sum(),
            unreachable_objects: retained.unreached,
            unreachable_bytes: retained.unreached_bytes,
            dangling_references: graph.dangling,
            reference_bytes: index.classes.layout.reference,
            classes: classes(index, &retained.sums),
            suspects,
            collections: parts.collections(&mut objects)?,
            duplicate_strings: Strings {
                compared: strings.strings,
                different: strings.texts,
                wasted: strings.wasted,
                top: strings
                    .top
                    .iter()
                    .map(|d| {
                        let text = Some(objects.text(d.array)?).filter(|t| !looks_secret(t));
                        Ok(StringRow { text, count: d.count, wasted: d.wasted })
                    })
                    .collect::<io::Result<_>>()?,
            },
            class_loaders: parts.loaders(&mut objects)?,
            unknown,
        })
    }
}

/// Classes of one name, by different loaders, are one row each.
fn classes(index: &Index, sums: &[Sums]) -> Vec<ClassRow> {
    let mut rows: Vec<ClassRow> = (sums.iter().enumerate())
        .filter(|(_, s)| s.instances > 0 || s.retained >= HOLDS)
        .map(|(class, s)| ClassRow {
            class: index.classes.name(class as u32).to_owned(),
            instances: s.instances,
            shallow: s.shallow,
            retained: s.retained,
        })
        .collect();
    rows.sort_by(|a, b| {
        b.retained.cmp(&a.retained).then(b.shallow.cmp(&a.shallow)).then_with(|| a.class.cmp(&b.class))
    });
    rows
}

impl Parts<'_> {
    fn path(&self, number: u32, objects: &mut Objects<'_>) -> io::Result<Path> {
        self.paths.describe(number, objects, self.graph)
    }

    fn suspects(&self, objects: &mut Objects<'_>) -> io::Result<Vec<Suspect>> {
        let mut out = Vec::new();
        for trail in &self.numbers.suspects {
            let last = trail.nodes[trail.nodes.len() - 1];
            // The map says more than its table, the list more than its array.
            let collection = |n: &&Node| self.numbers.collection(n.place).is_some_and(|f| !f.is_array);
            let target = *trail.nodes.iter().rev().find(collection).unwrap_or(&last);
            let Some(number) = self.numbers.number.get(&target.place) else { continue };
            let path = self.path(*number, objects)?;
            let class = self.index.classes.name(target.class).to_owned();
            let (sentence, class, retained) = match trail.group {
                None => (self.single(trail, &target, &class, &path), class, target.retained),
                Some((count, retained)) => {
                    let of = self.index.classes.name(trail.nodes[0].class);
                    let share = percent(retained, self.retained.reached_bytes);
                    let sentence = format!(
                        "{} instances of {of} hold {} ({share} % of the heap).",
                        grouped(count),
                        size(retained)
                    );
                    (sentence, of.to_owned(), retained)
                }
            };
            out.push(Suspect { sentence, class, retained, path: path.steps });
        }
        Ok(out)
    }

    fn single(&self, trail: &Trail, target: &Node, class: &str, path: &Path) -> String {
        let share = percent(target.retained, self.retained.reached_bytes);
        let owner = path.static_field.as_ref().map(|(class, _)| class.clone()).filter(|c| !of_the_jdk(c));
        let owner = owner.or_else(|| path.owner.clone()).map(|o| format!("{o}: ")).unwrap_or_default();
        let elements = match self.numbers.collection(target.place) {
            Some(found) => {
                format!(", {} {}", grouped(found.elements), if found.is_array { "places" } else { "entries" })
            }
            None if trail.spread > 1 => format!(", {} objects right below it", grouped(trail.spread)),
            None => String::new(),
        };
        let reached = match (&path.static_field, &path.thread) {
            (Some((class, field)), _) => format!("static field {field} of {class}"),
            (None, Some(thread)) => format!("thread \"{thread}\""),
            (None, None) => path.root.clone(),
        };
        let what = if self.retained.class_objects.contains_key(&target.place) { "the class" } else { "one" };
        let class =
            self.retained.class_objects.get(&target.place).map_or(class, |c| self.index.classes.name(*c));
        format!(
            "{owner}{what} {class} holds {} ({share} % of the heap){elements}, reached from {reached}.",
            size(target.retained)
        )
    }

    fn collections(&self, objects: &mut Objects<'_>) -> io::Result<Vec<CollectionRow>> {
        let mut out: Vec<CollectionRow> = Vec::new();
        for (found, node) in self.numbers.collections.iter().take(2 * LISTED) {
            let path = self.path(found.number, objects)?;
            let owner =
                path.static_field.as_ref().map(|(class, field)| format!("{class}.{field}")).or(path.owner);
            // The array inside a collection is no second one.
            let inside = found.is_array
                && path.steps.iter().rev().take(1).any(|s| {
                    [".table  ", ".elementData  ", ".queue  ", ".elements  "].iter().any(|f| s.starts_with(f))
                });
            if inside || out.len() == LISTED {
                continue;
            }
            let class = self.index.classes.name(found.class).to_owned();
            out.push(CollectionRow {
                class,
                elements: found.elements,
                retained: node.retained,
                owner,
                path: path.steps,
            });
        }
        Ok(out)
    }

    fn loader_name(&self, id: u64, number: u32, objects: &mut Objects<'_>) -> io::Result<String> {
        Ok(format!("{} {id:#x}", objects.class_name(number)?))
    }

    fn loaders(&self, objects: &mut Objects<'_>) -> io::Result<Vec<LoaderRow>> {
        let of = |id: u64| {
            let loaded = self
                .index
                .classes
                .all
                .iter()
                .zip(&self.retained.sums)
                .filter(move |(c, _)| c.dumped && c.dump.loader == id);
            loaded.fold((0, 0), |(classes, instances), (_, s)| (classes + 1, instances + s.instances))
        };
        let (classes, instances) = of(0);
        let mut out =
            vec![LoaderRow { loader: "<boot loader>".to_owned(), classes, instances, retained: None }];
        for loader in self.numbers.loaders.iter().take(LISTED) {
            let (classes, instances) = of(loader.id);
            let name = self.loader_name(loader.id, loader.number, objects)?;
            out.push(LoaderRow { loader: name, classes, instances, retained: Some(loader.retained) });
        }
        Ok(out)
    }

    /// Loaders of one class that all loaded classes of the same name: an application that was loaded again and again.
    fn loader_leaks(&self, objects: &mut Objects<'_>) -> io::Result<Vec<Suspect>> {
        let by_id: HashMap<u64, &Loader> = self.numbers.loaders.iter().map(|l| (l.id, l)).collect();
        let mut same: BTreeMap<&str, Vec<&Loader>> = BTreeMap::new();
        for class in self.index.classes.all.iter().filter(|c| c.dumped && !c.name.ends_with("[]")) {
            if let Some(loader) = by_id.get(&class.dump.loader) {
                same.entry(&class.name).or_default().push(loader);
            }
        }
        let mut said: HashSet<String> = HashSet::new();
        let mut leaks: Vec<(&str, Vec<&Loader>)> =
            same.into_iter().filter(|(_, l)| l.len() >= LOADERS).collect();
        leaks.sort_by_key(|(_, loaders)| std::cmp::Reverse(loaders.len()));
        let mut out = Vec::new();
        for (class, loaders) in leaks {
            let of = objects.class_name(loaders[0].number)?.to_owned();
            if !said.insert(of.clone()) {
                continue;
            }
            let retained = loaders.iter().map(|l| l.retained).sum();
            let largest = self.numbers.loaders.iter().find(|l| loaders.iter().any(|o| o.id == l.id));
            let path = largest.map_or_else(|| Ok(Path::default()), |l| self.path(l.number, objects))?;
            let count = loaders.len();
            let sentence = format!(
                "Class {class} was loaded {count} times: {count} class loaders of {of} are still there and hold {}.",
                size(retained)
            );
            out.push(Suspect { sentence, class: of, retained, path: path.steps });
        }
        Ok(out)
    }
}

fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(100)
}

/// `10,000,000`
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Whether a text may be a password, a key or a token. Heaps hold them, and reports are passed around.
fn looks_secret(text: &str) -> bool {
    let lower = text.to_lowercase();
    let named = [
        "password",
        "passwd",
        "secret",
        "private key",
        "bearer ",
        "authorization:",
        "api_key",
        "apikey",
        "token=",
    ];
    if named.iter().any(|n| lower.contains(n)) || text.starts_with("eyJ") {
        return true;
    }
    let opaque = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
    let kinds = [char::is_uppercase, char::is_lowercase, char::is_numeric];
    text.chars().count() >= 20 && text.chars().all(opaque) && kinds.iter().all(|k| text.chars().any(k))
}
