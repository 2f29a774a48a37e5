//! Dumps of any content: cut off, changed, or made up. Each is read or refused, and its table can be printed.

use proptest::prelude::*;

use super::*;

const JSTACK: &str = include_str!("../../../tests/fixtures/dumps/jstack-l.txt");
const JSON: &str = r#"{"threadDump": {"time": "2026-11-28T22:01:36Z", "threadContainers": [{"container": "<root>",
    "threads": [{"tid": 1, "name": "main", "state": "WAITING", "parkBlocker": {"object": "a.B@1", "exclusiveOwnerThreadId": "2"},
    "stack": ["java.base/a.B.c(B.java:1)"]}, {"tid": "2", "name": "x", "waitingOn": "c.D@2", "stack": [],
    "monitorsOwned": [{"depth": 0, "locks": ["c.D@2", null]}]}], "threadCount": "3"}]}}"#;
const GO: &str = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 7 gp=0x1 m=nil [sync.Mutex.Lock, 3 minutes]:\n\
    sync.(*Mutex).lockSlow(0xc00001a0a8)\n\t/usr/go/sync/mutex.go:171 +0x15d\nmain.(*Cache).Get(...)\n\t/src/cache.go:9\n\
    ...additional frames elided...\ncreated by main.main in goroutine 1\n\t/src/main.go:5 +0x1\n";
const PYTHON: &str = "Thread 0x7F3 (idle): \"MainThread\"\n    wait (threading.py:302)\n    _do_get (sqlalchemy/pool/impl.py:147)\n";

fn seed() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![JSTACK, JSON, GO, PYTHON])
}

fn read_and_print(bytes: &[u8]) {
    if let Ok(dumps) = parse(bytes) {
        // Twice, so that changes are looked at too.
        let twice = [dumps.clone(), dumps].concat();
        let report = analyse(twice).unwrap();
        assert!(!table(&report).is_empty());
    }
}

proptest! {
    #[test]
    fn a_dump_that_was_cut_or_changed_is_read_or_refused(
        text in seed(),
        cut in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut bytes = text.as_bytes()[..=cut.index(text.len())].to_vec();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        read_and_print(&bytes);
    }

    #[test]
    fn lines_that_look_like_dumps_are_read_or_refused(
        lines in proptest::collection::vec("(\"|#|at |- |goroutine |Thread |\\()?[\"#<>@()\\[\\]a-c0-2 .:=,x\u{e9}]{0,20}", 0..12),
    ) {
        read_and_print(lines.join("\n").as_bytes());
    }
}

#[test]
fn each_seed_is_a_dump() {
    for text in [JSTACK, JSON, GO, PYTHON] {
        assert_eq!(parse(text.as_bytes()).unwrap().len(), 1);
    }
    let go = &parse(GO.as_bytes()).unwrap()[0];
    let lock = go.threads[0].waits.as_ref().unwrap();
    assert_eq!(
        (lock.lock.class.as_str(), lock.lock.id.as_str(), go.all_asleep),
        ("sync.Mutex", "0xc00001a0a8", true)
    );
    let places: Vec<&str> = go.threads[0].frames.iter().map(|f| f.place.as_str()).collect();
    assert_eq!(places, ["mutex.go:171", "cache.go:9", "main.go:5"]);
    // What the JSON counts and does not list is said; the owner of a lock is found by its thread's number.
    let jvm = analyse(parse(JSON.as_bytes()).unwrap()).unwrap();
    assert!(jvm.unknown[0].contains("counted 3 threads and listed 2"), "{:?}", jvm.unknown);
    assert_eq!(jvm.locks[0].owner.as_deref(), Some("x"));
}
