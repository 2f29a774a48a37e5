//! Reads class histograms (`jcmd GC.class_histogram`, `jmap -histo`) and compares two of them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use super::size;

/// The largest file that is read as a histogram, in bytes. A JVM with a million classes prints less.
const LIMIT: u64 = 256 << 20;
/// The most rows of the text table; JSON has all rows.
const ROWS: usize = 30;

/// A histogram: instances and shallow bytes of each class.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Counts by class name, as Java writes it.
    pub classes: BTreeMap<String, Count>,
    /// A sentence about missing rows, if any are missing.
    pub incomplete: Option<String>,
}

/// Instances and bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The number of instances.
    pub instances: u64,
    /// Shallow bytes: without the objects that the instances refer to.
    pub bytes: u64,
}

/// The result of one histogram, or of two of the same process.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The number of classes.
    pub classes: usize,
    /// The totals of the newest histogram.
    pub total: Count,
    /// The growth from the older histogram; none with one histogram.
    pub growth: Option<Growth>,
    /// The conspicuous facts, one sentence each.
    pub summary: Vec<String>,
    /// Sorted by growth in bytes, or by bytes if there is one histogram.
    pub rows: Vec<Row>,
    /// The questions that the histograms cannot answer, one sentence each.
    pub unknown: Vec<String>,
}

/// The difference between two histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// More (or fewer) instances.
    pub instances: i64,
    /// More (or fewer) shallow bytes.
    pub bytes: i64,
}

/// One class.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The name as Java writes it: `byte[]`, `java.util.HashMap$Node[]`.
    pub class: String,
    /// The number of instances.
    pub instances: u64,
    /// The shallow bytes of the instances.
    pub bytes: u64,
    /// The growth from the older histogram; none with one histogram.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
}

/// Reads a file with one histogram.
///
/// # Errors
/// A sentence with the file's name, and the first row that could not be parsed.
pub fn read(path: &Path) -> Result<Histogram, String> {
    let name = path.display();
    let fail = |e: std::io::Error| format!("{name} could not be read: {e}");
    let length = std::fs::metadata(path).map_err(fail)?.len();
    if length > LIMIT {
        return Err(format!(
            "{name} was not read: it has {length} bytes, and khud reads histograms of up to {LIMIT} bytes"
        ));
    }
    let bytes = std::fs::read(path).map_err(fail)?;
    if bytes.starts_with(b"JAVA PROFILE ") {
        return Err(format!("{name} is a JVM heap dump: open it with `khud heap`"));
    }
    parse(&String::from_utf8_lossy(&bytes))
        .map_err(|e| format!("{name} is not a class histogram that khud can read: {e}"))
}

/// Parses rows like `   1:          2922       27398832  [B (java.base@17.0.15)` between a header and a
/// total.
///
/// # Errors
/// A sentence: there is no row, or a row is cut off.
pub fn parse(text: &str) -> Result<Histogram, String> {
    let mut histogram = Histogram::default();
    let mut total = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let at = offset;
        offset += line.len();
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        if first == "Total" {
            let mut number = || words.next().and_then(|w| w.parse::<u64>().ok());
            total = number().zip(number()).map(|(instances, bytes)| Count { instances, bytes });
            continue;
        }
        if first.strip_suffix(':').is_none_or(|n| n.parse::<u64>().is_err()) || words.clone().count() == 0 {
            continue;
        }
        let mut number = || words.next().and_then(|w| w.parse::<u64>().ok());
        let (Some(instances), Some(bytes)) = (number(), number()) else {
            return Err(format!(
                "the row at byte {at} has no counts; {} classes were readable before",
                histogram.classes.len()
            ));
        };
        let Some(class) = words.next() else {
            return Err(format!(
                "the row at byte {at} is cut off; {} classes were readable before",
                histogram.classes.len()
            ));
        };
        // Several class loaders can load classes of the same name. Each has its own row.
        let count = histogram.classes.entry(java_name(class)).or_default();
        count.instances = count.instances.saturating_add(instances);
        count.bytes = count.bytes.saturating_add(bytes);
    }
    if histogram.classes.is_empty() {
        return Err("it has no row like `1: 2922 27398832 [B`".to_owned());
    }
    let read = histogram.total();
    match total {
        None => {
            histogram.incomplete = Some("the histogram has no last line: classes may be missing".to_owned())
        }
        Some(total) if total != read => {
            histogram.incomplete = Some(format!(
                "its total is {} bytes, its rows have {}: rows are missing",
                total.bytes, read.bytes
            ));
        }
        Some(_) => {}
    }
    Ok(histogram)
}

impl Histogram {
    /// The sum over all classes.
    pub fn total(&self) -> Count {
        self.classes.values().fold(Count::default(), |sum, c| Count {
            instances: sum.instances.saturating_add(c.instances),
            bytes: sum.bytes.saturating_add(c.bytes),
        })
    }
}

/// Converts JVM names to Java's: `[[B` to `byte[][]`, `[Ljava.lang.Object;` to `java.lang.Object[]`. Other
/// names keep their form, with `/` as `.`.
pub fn java_name(class: &str) -> String {
    let element = class.trim_start_matches('[');
    let depth = class.len() - element.len();
    let named = match element {
        _ if depth == 0 => class,
        "B" => "byte",
        "C" => "char",
        "D" => "double",
        "F" => "float",
        "I" => "int",
        "J" => "long",
        "S" => "short",
        "Z" => "boolean",
        _ => element.strip_prefix('L').and_then(|e| e.strip_suffix(';')).unwrap_or(element),
    };
    format!("{}{}", named.replace('/', "."), "[]".repeat(depth))
}

fn difference(newer: u64, older: u64) -> i64 {
    i64::try_from(i128::from(newer) - i128::from(older)).unwrap_or(if newer > older {
        i64::MAX
    } else {
        i64::MIN
    })
}

/// Compares two histograms, or reports one.
pub fn report(older: Option<&Histogram>, newest: &Histogram) -> Report {
    let zero = Count::default();
    let names = older.into_iter().flat_map(|h| h.classes.keys()).chain(newest.classes.keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    let growth_of = |before: &Count, now: &Count| Growth {
        instances: difference(now.instances, before.instances),
        bytes: difference(now.bytes, before.bytes),
    };
    let mut rows: Vec<Row> = names
        .into_iter()
        .map(|class| {
            let now = newest.classes.get(class).unwrap_or(&zero);
            let growth = older.map(|o| growth_of(o.classes.get(class).unwrap_or(&zero), now));
            Row { class: class.clone(), instances: now.instances, bytes: now.bytes, growth }
        })
        .collect();
    rows.sort_by_key(|r| std::cmp::Reverse((r.growth.map_or(0, |g| g.bytes), r.bytes)));
    let total = newest.total();
    let growth = older.map(|o| growth_of(&o.total(), &total));
    let mut report = Report {
        classes: newest.classes.len(),
        total,
        growth,
        summary: Vec::new(),
        rows,
        unknown: older.into_iter().chain([newest]).filter_map(|h| h.incomplete.clone()).collect(),
    };
    report.summary = summary(&report);
    report
}

fn summary(report: &Report) -> Vec<String> {
    let Some(growth) = report.growth else {
        let Some(first) = report.rows.first() else { return Vec::new() };
        let percent = share(first.bytes, report.total.bytes);
        return vec![format!(
            "{} has the most bytes: {} ({percent} % of the heap).",
            first.class,
            size(first.bytes)
        )];
    };
    let mut out = vec![match growth.bytes {
        0 => "The heap has the same size in both histograms.".to_owned(),
        more @ 1.. => {
            format!("The heap grew by {} to {}.", size(more.unsigned_abs()), size(report.total.bytes))
        }
        less => format!("The heap shrank by {} to {}.", size(less.unsigned_abs()), size(report.total.bytes)),
    }];
    let grown: Vec<&Row> = report.rows.iter().filter(|r| r.growth.is_some_and(|g| g.bytes > 0)).collect();
    if let Some((first, more)) = grown.first().and_then(|r| Some((r, r.growth?))) {
        out.push(format!(
            "{} grew most: {} and {} instances more.",
            first.class,
            size(more.bytes.unsigned_abs()),
            more.instances
        ));
    }
    // Arrays and the JDK's classes hold most bytes. The application's class tells their purpose.
    let own = |r: &&&Row| {
        !r.class.ends_with("[]")
            && !["java.", "jdk.", "sun.", "javax."].iter().any(|p| r.class.starts_with(p))
    };
    if let Some((own, more)) = grown.iter().find(own).and_then(|r| Some((r, r.growth?)))
        && grown.first().is_some_and(|first| first.class != own.class)
    {
        out.push(format!("Outside the JDK, {} grew most: {} instances more.", own.class, more.instances));
    }
    out
}

fn share(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(100)
}

/// The report as lines of text.
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    for sentence in &report.summary {
        out.push_str(&format!("- {sentence}\n"));
    }
    for unknown in &report.unknown {
        out.push_str(&format!("? {unknown}\n"));
    }
    out.push('\n');
    // Writing to a String cannot fail.
    let _ = match report.growth {
        Some(_) => {
            writeln!(out, "{:>14} {:>12} {:>14} {:>12}  CLASS", "+BYTES", "+INSTANCES", "BYTES", "INSTANCES")
        }
        None => writeln!(out, "{:>14} {:>12}  CLASS", "BYTES", "INSTANCES"),
    };
    let changed = |r: &&Row| r.growth.is_none_or(|g| g.bytes != 0 || g.instances != 0);
    let rows: Vec<&Row> = report.rows.iter().filter(changed).collect();
    for row in rows.iter().take(ROWS) {
        let _ = match row.growth {
            Some(g) => writeln!(
                out,
                "{:>+14} {:>+12} {:>14} {:>12}  {}",
                g.bytes, g.instances, row.bytes, row.instances, row.class
            ),
            None => writeln!(out, "{:>14} {:>12}  {}", row.bytes, row.instances, row.class),
        };
    }
    if rows.len() > ROWS {
        let _ = writeln!(out, "{} more classes; `-o json` lists them", rows.len() - ROWS);
    }
    out
}
