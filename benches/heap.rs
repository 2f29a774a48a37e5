//! Reading a heap dump: a generated one of 1 GiB whose retained sizes are known. Prints how fast it is parsed and
//! answered and what memory that takes, and fails when a size is wrong.
//!
//! `cargo bench --bench heap`; `KHUD_HEAP_GIB=10` for another size, `KHUD_HEAP_DIR=DIR` for another place than the
//! target directory. Dump and index need about twice the size on disk.
#![allow(clippy::unwrap_used)]

#[path = "../tests/support/hprof.rs"]
mod hprof;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hprof::{INT, OBJECT, OBJECT_CLASS, OBJECTS, Writer, basics};
use khud::capture::heap::{Step, read};

const GIB: u64 = 1 << 30;
/// Entries of a cache: its part of the dump has about 140 MiB.
const ENTRIES: u64 = 1_000_000;
const NODE: u64 = 0x200;
const LIST: u64 = 0x208;
/// Classes of caches, by their number.
const CACHES: u64 = 0x1000;

/// What a generated dump must be answered with.
struct Known {
    caches: u64,
    /// Retained bytes of a cache's array with all that only it refers to, references of 4 bytes.
    cache: u64,
    /// The linked list of one million items.
    list: u64,
    objects: u64,
}

/// Caches of entries, each an array that a static field holds; every entry has a key, a value and its class. A linked
/// list as long as a cache, whose items refer to the first cache's array too, makes paths deep and references shared.
fn generate(out: impl Write, size: u64) -> Known {
    let mut w = Writer::new(out).unwrap();
    basics(&mut w).unwrap();
    w.class(
        NODE,
        "com/shop/Entry",
        OBJECT_CLASS,
        0,
        &[],
        &[("hash", INT), ("key", OBJECT), ("value", OBJECT), ("next", OBJECT)],
    )
    .unwrap();
    w.class(LIST, "com/shop/Link", OBJECT_CLASS, 0, &[], &[("next", OBJECT), ("shared", OBJECT)]).unwrap();
    w.system_class(NODE).unwrap();
    w.system_class(LIST).unwrap();
    // What an entry takes in the file: its instance, its place in the array, key and value.
    let entry = (25 + 28) + 8 + (18 + 8) + (18 + 40);
    let caches = (size.saturating_sub(ENTRIES * (25 + 16)) / (ENTRIES * entry)).max(1);
    let mut address = 0x6_0000_0000_u64;
    let mut next = |bytes: u64| {
        let at = address;
        address += bytes.next_multiple_of(8);
        at
    };
    for cache in 0..caches {
        let array = next(16 + 4 * ENTRIES);
        // An entry is followed by its key and its value.
        let (node, key, value) = (32, 24, 56);
        let first = next(ENTRIES * (node + key + value));
        let at = |i: u64| first + i * (node + key + value);
        let class = CACHES + cache * 8;
        w.class(class, &format!("com/shop/Cache{cache}"), OBJECT_CLASS, 0, &[("ENTRIES", array)], &[])
            .unwrap();
        w.system_class(class).unwrap();
        w.object_array(array, OBJECTS, ENTRIES as u32, (0..ENTRIES).map(at)).unwrap();
        for i in 0..ENTRIES {
            let mut fields = [0; 28];
            fields[4..12].copy_from_slice(&(at(i) + node).to_be_bytes());
            fields[12..20].copy_from_slice(&(at(i) + node + key).to_be_bytes());
            let following = if i + 1 < ENTRIES { at(i + 1) } else { 0 };
            fields[20..].copy_from_slice(&following.to_be_bytes());
            w.instance(at(i), NODE, &fields).unwrap();
            w.bytes(at(i) + node, &i.to_be_bytes()).unwrap();
            w.bytes(at(i) + node + key, &[7; 40]).unwrap();
        }
    }
    let first = next(ENTRIES * 24);
    for i in 0..ENTRIES {
        let mut fields = [0; 16];
        let following = if i + 1 < ENTRIES { first + (i + 1) * 24 } else { 0 };
        fields[..8].copy_from_slice(&following.to_be_bytes());
        fields[8..].copy_from_slice(&0x6_0000_0000_u64.to_be_bytes());
        w.instance(first + i * 24, LIST, &fields).unwrap();
    }
    w.jni_global(first).unwrap();
    w.finish().unwrap();
    Known {
        caches,
        cache: 16 + 4 * ENTRIES + ENTRIES * (32 + 24 + 56),
        list: ENTRIES * 24,
        objects: 5 + 2 + caches + caches * (1 + 3 * ENTRIES) + ENTRIES,
    }
}

/// The most memory that this process had resident, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn main() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let size = number("KHUD_HEAP_GIB").unwrap_or(1) * GIB;
    let dir = std::env::var_os("KHUD_HEAP_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let path = dir.join("bench.hprof");
    let begin = Instant::now();
    let known = generate(BufWriter::with_capacity(1 << 20, File::create(&path).unwrap()), size);
    let bytes = std::fs::metadata(&path).unwrap().len();
    let mib = |n: u64| n as f64 / (1 << 20) as f64;
    println!(
        "dump        {:>8.0} MiB, {} objects, written in {:.1} s",
        mib(bytes),
        known.objects,
        begin.elapsed().as_secs_f64()
    );

    let begin = Instant::now();
    let (mut first, mut second): (Option<Duration>, Option<Duration>) = (None, None);
    let report = read(&path, &mut |step, _| match step {
        Step::Index => {}
        Step::Graph => _ = first.get_or_insert_with(|| begin.elapsed()),
        Step::Tree => _ = second.get_or_insert_with(|| begin.elapsed()),
    });
    let all = begin.elapsed().as_secs_f64();
    std::fs::remove_file(&path).unwrap();
    let report = report.unwrap();
    let (first, second) = (first.unwrap().as_secs_f64(), second.unwrap().as_secs_f64());
    let megabytes = bytes as f64 / 1e6;
    println!("first pass  {:>8.1} s, {:.0} MB/s", first, megabytes / first);
    println!("second pass {:>8.1} s, {:.0} MB/s", second - first, megabytes / (second - first));
    println!("tree        {:>8.1} s", all - second);
    println!("answered    {:>8.1} s", all);
    println!("memory      {:>8.0} MiB at most, allowed {:.0} MiB", mib(peak()), 64.0 + 0.4 * mib(bytes));

    let class = |name: &str| report.classes.iter().find(|c| c.class == name).unwrap();
    assert_eq!(report.objects, known.objects);
    // The list refers to the first cache's array too, so its class does not keep that alone.
    for cache in 1..known.caches {
        // The class counts too: its one static reference takes 8 bytes.
        assert_eq!(class(&format!("com.shop.Cache{cache}")).retained, 8 + known.cache);
    }
    assert!(report.classes.iter().all(|c| c.class != "com.shop.Cache0"), "it holds nothing alone");
    assert_eq!(class("java.lang.Object[]").retained, known.caches * known.cache);
    assert_eq!(class("com.shop.Link").retained, known.list, "the list does not keep what others keep too");
    assert_eq!(class("com.shop.Entry").instances, known.caches * ENTRIES);
}
