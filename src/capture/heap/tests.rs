//! Retained sizes against their definition, on heaps of any shape; and files of any content.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::Write;

use proptest::prelude::*;

use super::*;

#[path = "../../../tests/support/hprof.rs"]
mod hprof_writer;
use hprof_writer::{INT, OBJECT, OBJECT_CLASS, OBJECTS, STRING, Writer, basics};

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn scratch() -> spill::Scratch {
    spill::Scratch::new(vec![std::env::temp_dir()])
}

fn analysed(bytes: &[u8]) -> Result<Report, Error> {
    analyse(file(bytes), "test.hprof", &scratch(), &mut |_, _| ())
}

/// Far apart, so that no array seems to lie inside another and references count 8 bytes.
fn id(node: usize) -> u64 {
    0x7_0000_0000 + node as u64 * 0x1000
}

/// A heap of arrays that refer to each other; some are roots.
fn graph_dump(references: &[Vec<usize>], roots: &[usize]) -> Vec<u8> {
    let mut w = Writer::new(Vec::new()).unwrap();
    basics(&mut w).unwrap();
    for (node, to) in references.iter().enumerate() {
        w.object_array(id(node), OBJECTS, to.len() as u32, to.iter().map(|t| id(*t))).unwrap();
    }
    for root in roots {
        w.jni_global(id(*root)).unwrap();
    }
    w.finish().unwrap()
}

/// Shallow bytes of an array with 8-byte references: header of 16 and length of 4, to a multiple of 8.
fn shallow(references: &[usize]) -> u64 {
    (20 + 8 * references.len() as u64).next_multiple_of(8)
}

/// Bytes that roots reach when `without` is taken away.
fn reached(references: &[Vec<usize>], roots: &[usize], without: Option<usize>) -> u64 {
    let mut seen = vec![false; references.len()];
    let mut open: Vec<usize> = roots.to_vec();
    let mut sum = 0;
    while let Some(node) = open.pop() {
        if Some(node) == without || std::mem::replace(&mut seen[node], true) {
            continue;
        }
        sum += shallow(&references[node]);
        open.extend(&references[node]);
    }
    sum
}

fn heap() -> impl Strategy<Value = (Vec<Vec<usize>>, Vec<usize>)> {
    (2..40_usize).prop_flat_map(|nodes| {
        let references = proptest::collection::vec(proptest::collection::vec(0..nodes, 0..4), nodes);
        (references, proptest::collection::vec(0..nodes, 1..4))
    })
}

proptest! {
    #[test]
    fn an_object_retains_what_no_root_reaches_without_it((references, roots) in heap()) {
        let dump = graph_dump(&references, &roots);
        let measured = measure(file(&dump), &scratch(), &mut |_, _| ()).unwrap();
        let ids = measured.ids.load().unwrap();
        let all = reached(&references, &roots, None);
        for node in 0..references.len() {
            let number = ids.find(id(node)).unwrap();
            let place = spill::u32_at(&measured.tree.places, u64::from(number)).unwrap();
            let expected = all - reached(&references, &roots, Some(node));
            let found = if place == 0 { 0 } else { measured.retained.node(place).unwrap().retained };
            prop_assert_eq!(found, expected, "node {} of {:?}, roots {:?}", node, &references, &roots);
        }
    }

    #[test]
    fn a_file_of_any_content_is_answered_or_refused_with_an_offset(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = small();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        match analysed(&bytes) {
            Ok(report) => prop_assert_eq!(report.bytes, report.classes.iter().map(|c| c.shallow).sum::<u64>()),
            Err(Error::Broken(broken)) => prop_assert!(broken.offset <= bytes.len() as u64),
            Err(Error::Refused(why)) => prop_assert!(!why.is_empty()),
            Err(Error::Io(e)) => prop_assert!(false, "{}", e),
        }
    }
}

/// A heap with every kind of record: a static map of strings, a thread with a local variable, a weak reference.
fn small() -> Vec<u8> {
    let mut w = Writer::new(Vec::new()).unwrap();
    basics(&mut w).unwrap();
    let (reference, weak, thread, cache) = (0x130, 0x138, 0x140, 0x148);
    w.class(reference, "java/lang/ref/Reference", OBJECT_CLASS, 0, &[], &[("referent", OBJECT)]).unwrap();
    w.class(weak, "java/lang/ref/WeakReference", reference, 0, &[], &[]).unwrap();
    w.class(thread, "java/lang/Thread", OBJECT_CLASS, 0, &[], &[("name", OBJECT), ("tid", INT)]).unwrap();
    w.class(cache, "com/shop/Cache", OBJECT_CLASS, 0, &[("ENTRIES", 0x1000)], &[]).unwrap();
    for class in [reference, weak, thread, cache] {
        w.system_class(class).unwrap();
    }
    // The cache: an array of 200 strings, two equal ones among them.
    w.object_array(0x1000, OBJECTS, 200, (0..200).map(|i| 0x10_0000 + i * 0x100)).unwrap();
    for i in 0..200_u64 {
        let (string, value) = (0x10_0000 + i * 0x100, 0x10_0080 + i * 0x100);
        let fields = [&0_u32.to_be_bytes()[..], &value.to_be_bytes()].concat();
        w.instance(string, STRING, &fields).unwrap();
        w.bytes(value, format!("order {:04}", i.max(1)).as_bytes()).unwrap();
    }
    // A thread that holds a buffer, and a weak reference to what nobody else refers to.
    let fields = [&0x10_0000_u64.to_be_bytes()[..], &7_u32.to_be_bytes()].concat();
    w.instance(0x2000, thread, &fields).unwrap();
    w.thread(0x2000, 1).unwrap();
    w.bytes(0x3000, &[7; 4000]).unwrap();
    w.local(0x3000, 1).unwrap();
    w.instance(0x9000, weak, &0xa000_u64.to_be_bytes()).unwrap();
    w.jni_global(0x9000).unwrap();
    w.bytes(0xa000, &[9; 1000]).unwrap();
    w.finish().unwrap()
}

#[test]
fn the_cache_the_thread_and_the_equal_strings_are_named() {
    let report = analysed(&small()).unwrap();
    // 200 strings of 32 bytes (header 16, int 4, reference 8, to a multiple of 8), values of 10 bytes in 40 (their head
    // has 24), and the array of 24 + 1,600. The thread has the first string too: neither retains it alone.
    let cache = report.suspects.iter().find(|s| s.sentence.contains("com.shop.Cache")).unwrap();
    assert_eq!(cache.retained, 1_624 + 199 * (32 + 40));
    assert!(
        cache.sentence.contains("200 places, reached from static field ENTRIES of com.shop.Cache."),
        "{}",
        cache.sentence
    );
    assert_eq!(cache.path[1..], ["static ENTRIES  java.lang.Object[]"]);
    let thread = report.suspects.iter().find(|s| s.sentence.contains("thread \"order 0001\"")).unwrap();
    assert_eq!((thread.class.as_str(), thread.retained), ("byte[]", 4_024));
    assert_eq!(thread.path[1], "<local variable>  byte[]");
    // What only a weak reference refers to is not kept alive by it.
    assert_eq!((report.unreachable_objects, report.unreachable_bytes), (1, 1_024));
    let strings = &report.duplicate_strings;
    assert_eq!((strings.compared, strings.different, strings.wasted), (200, 199, 40));
    assert_eq!(strings.top[0].text.as_deref(), Some("order 0001"));
    let classes = |name: &str| report.classes.iter().find(|c| c.class == name).unwrap();
    assert_eq!(classes("java.lang.String").instances, 200);
    assert_eq!(
        classes("com.shop.Cache").retained,
        8 + cache.retained,
        "a class counts with its static fields"
    );
}
