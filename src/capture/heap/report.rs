//! Builds the report on a heap dump: classes, suspects, collections, strings and loaders.

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

/// The smallest share of the heap, in percent, that makes an object or class a suspect; the same as MAT's.
const SUSPECT: u64 = 10;
/// The walk from a suspect downwards continues while one child has this share of its parent, in percent; the
/// same as MAT's.
const DROP: u64 = 70;
/// The most steps of that walk.
const DEPTH: usize = 1000;
/// A class without instances is listed if it retains at least this many bytes.
const HOLDS: u64 = 1 << 10;
/// The most collections and loaders that are listed.
const LISTED: usize = 20;
/// This many loaders with a class of the same name are a leak, or a framework that generates classes.
const LOADERS: usize = 5;

/// The report on a heap dump, in the form that is printed as JSON.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The path of the dump, as given.
    pub file: String,
    /// The size of the dump, in bytes.
    pub file_bytes: u64,
    /// Shallow bytes of the reachable objects: the heap after a garbage collection.
    pub bytes: u64,
    /// The number of reachable objects.
    pub objects: u64,
    /// The number of objects that no root reaches.
    pub unreachable_objects: u64,
    /// The shallow bytes of those objects.
    pub unreachable_bytes: u64,
    /// References to objects that the file does not contain.
    pub dangling_references: u64,
    /// The size of a reference on the heap, in bytes: 4 with compressed references.
    pub reference_bytes: u32,
    /// Sorted by retained bytes. A class without instances is listed only if its static fields retain much.
    pub classes: Vec<ClassRow>,
    /// Objects and classes that retain a large share of the heap, the largest first.
    pub suspects: Vec<Suspect>,
    /// The collections that retain the most.
    pub collections: Vec<CollectionRow>,
    /// Equal strings.
    pub duplicate_strings: Strings,
    /// Class loaders, by retained bytes.
    pub class_loaders: Vec<LoaderRow>,
    /// The questions that the file cannot answer, one sentence each.
    pub unknown: Vec<String>,
}

/// One class, with all its instances.
#[derive(Debug, Serialize)]
pub struct ClassRow {
    /// The name as Java writes it.
    pub class: String,
    /// The number of reachable instances.
    pub instances: u64,
    /// The shallow bytes of the instances.
    pub shallow: u64,
    /// The bytes freed with all instances, the class object and its static fields.
    pub retained: u64,
}

/// An object or class that retains a large share of the heap.
#[derive(Debug, Serialize)]
pub struct Suspect {
    /// The suspicion, as a sentence.
    pub sentence: String,
    /// The class of the object.
    pub class: String,
    /// The retained bytes.
    pub retained: u64,
    /// One step for each object from a root to the suspect.
    pub path: Vec<String>,
}

/// A collection with many elements.
#[derive(Debug, Serialize)]
pub struct CollectionRow {
    /// The class of the collection.
    pub class: String,
    /// The number of elements, or the length of an array.
    pub elements: u64,
    /// The retained bytes.
    pub retained: u64,
    /// The static field that holds the collection, else the nearest class outside the JDK on the path.
    pub owner: Option<String>,
    /// One step for each object from a root to the collection.
    pub path: Vec<String>,
}

/// Equal String values.
#[derive(Debug, Serialize)]
pub struct Strings {
    /// The number of String values compared: those of up to 64 KiB.
    pub compared: u64,
    /// The number of distinct values.
    pub different: u64,
    /// The bytes of all values beyond the first of each text.
    pub wasted: u64,
    /// The values that waste the most.
    pub top: Vec<StringRow>,
}

/// A String value that occurs more than once.
#[derive(Debug, Serialize)]
pub struct StringRow {
    /// The start of the text; none if it looks like a secret.
    pub text: Option<String>,
    /// The number of its copies.
    pub count: u64,
    /// The bytes of the copies beyond the first.
    pub wasted: u64,
}

/// A class loader.
#[derive(Debug, Serialize)]
pub struct LoaderRow {
    /// Class and address of the loader; the boot loader has no address.
    pub loader: String,
    /// The number of its classes.
    pub classes: u64,
    /// The number of instances of its classes.
    pub instances: u64,
    /// The bytes freed with the loader and its classes; none for the boot loader.
    pub retained: Option<u64>,
}

/// The objects in the report, by number. Their paths are searched for.
pub struct Numbers {
    suspects: Vec<Trail>,
    /// The largest collections and their nodes.
    collections: Vec<(Found, Node)>,
    loaders: Vec<Loader>,
    number: HashMap<u32, u32>,
    pub wanted: HashSet<u32>,
}

/// A suspect and the path down to the object that accumulates its bytes.
struct Trail {
    nodes: Vec<Node>,
    /// The number of children of the last object.
    spread: u64,
    /// For a suspect class: the number of its instances directly below the roots, and the bytes they retain.
    group: Option<(u64, u64)>,
}

struct Loader {
    id: u64,
    number: u32,
    /// The bytes freed with the loader and its classes.
    retained: u64,
}

impl Numbers {
    /// # Errors
    /// The index cannot be read.
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

        // Maps places back to object numbers, for the few objects in the report.
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

/// The inputs of the report.
pub struct Parts<'a> {
    pub index: &'a Index,
    pub graph: &'a Graph,
    pub retained: &'a Retained,
    pub paths: &'a Paths,
    pub numbers: &'a Numbers,
    pub strings: &'a Duplicates,
}

impl Report {
    /// Builds the report. `dump` is the heap dump.
    ///
    /// # Errors
    /// The index or the dump cannot be read again.
    pub fn new(name: &str, length: u64, dump: &File, parts: &Parts<'_>) -> io::Result<Report> {
        let Parts { index, graph, retained, strings, .. } = parts;
        let mut objects = Objects::new(dump, index, graph)?;
        let mut suspects = parts.suspects(&mut objects)?;
        suspects.extend(parts.loader_leaks(&mut objects)?);
        suspects.sort_by_key(|s| std::cmp::Reverse(s.retained));
        let mut unknown = Vec::new();
        // HotSpot omits some classes that it generates for itself, but far fewer than one object in a
        // hundred.
        if graph.dangling > index.objects / 100 {
            unknown.push(format!("{} references lead to objects that are not in the file", graph.dangling));
        }
        if graph.twice > 0 {
            unknown.push(format!("{} objects are in the file twice: the first copy counts", graph.twice));
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

/// Classes with the same name but different loaders become one row.
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
            // A map tells more than its table, and a list more than its array.
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
            // Skips the array inside a listed collection.
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

    /// Finds classes that several loaders of one class have loaded: an application that was reloaded without
    /// being unloaded.
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

/// Groups the digits: `10,000,000`.
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

/// Whether a text may be a password, key or token. Heaps hold secrets, and people share reports.
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
