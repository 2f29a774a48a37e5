//! Dumps that lie on this machine: what `khud threads`, `khud histogram` and `khud heap` say of them, without a cluster.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::hprof::{self, Writer};
use crate::support::lab::bare;

fn fixture(name: &str) -> String {
    format!("{}/tests/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn run(args: &[&str]) -> Output {
    bare(args).output().unwrap()
}

fn json(args: &[&str]) -> Value {
    let output = run(&[args, &["-o", "json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What stderr says of a dump that is refused. Nothing may be on stdout.
fn refused(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    assert!(output.stdout.is_empty(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn texts(of: &Value) -> Vec<&str> {
    of.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

/// What `tests/fixtures/java/Locks.java` does, whichever JVM and tool wrote the dump.
fn assert_locks(report: &Value, owners_listed: bool) {
    let summary = texts(&report["summary"]).join("\n");
    let locks = report["locks"].as_array().unwrap();
    let lock =
        |waiters: usize| locks.iter().find(|l| l["waiters"].as_array().unwrap().len() == waiters).unwrap();
    let cache = lock(6);
    assert!(cache["lock"].as_str().unwrap().starts_with("ReentrantLock "), "{cache}");
    assert!(texts(&cache["waiters"]).contains(&"http-nio-8080-exec-25"), "{cache}");
    if owners_listed {
        assert_eq!(cache["owner"], "http-nio-8080-exec-12");
        assert!(cache["top"].as_str().unwrap().starts_with("Locks.getTransaction("), "{cache}");
        let sentence =
            "6 threads wait for a ReentrantLock held by http-nio-8080-exec-12 in Locks.getTransaction.";
        assert!(summary.contains(sentence), "{summary}");
        assert_eq!(report["unknown"], serde_json::json!([]));
    } else {
        assert_eq!(cache["owner"], Value::Null, "not guessed");
        assert!(texts(&report["unknown"]).join("\n").contains("jstack -l"), "{report}");
    }
    let sentence = "3 threads wait for the monitor of an Object held by refresher in Locks.refresh.";
    assert!(summary.contains(sentence), "{summary}");

    // Two circles: one through monitors, one through locks of java.util.concurrent.
    let mut circles: Vec<Vec<&str>> = (report["deadlocks"].as_array().unwrap().iter())
        .map(|d| d["threads"].as_array().unwrap().iter().map(|t| t["thread"].as_str().unwrap()).collect())
        .collect();
    circles.iter_mut().for_each(|c| c.sort_unstable());
    circles.sort();
    assert_eq!(circles, [vec!["ledger-a", "ledger-b"], vec!["transfer-a", "transfer-b"]]);

    let pools = report["pools"].as_array().unwrap();
    let pool = |name: &str| pools.iter().find(|p| p["pool"] == name).unwrap();
    assert_eq!((&pool("pool-1-thread")["threads"], &pool("pool-1-thread")["busy"]), (&4.into(), &0.into()));
    let http = pool("http-nio-8080-exec");
    assert_eq!((&http["threads"], &http["busy"]), (&7.into(), &7.into()));
    let waiting =
        report["groups"].as_array().unwrap().iter().find(|g| g["count"] == 6 && g["idle"] == false).unwrap();
    assert_eq!(waiting["state"], "WAITING");
    assert!(texts(&waiting["frames"]).iter().any(|f| f.starts_with("Locks.getTransaction(")), "{waiting}");
}

#[test]
fn a_thread_dump_says_who_waits_for_whom_and_which_threads_are_deadlocked() {
    for (file, owners) in [("jstack-l.txt", true), ("jcmd-l.txt", true), ("jstack.txt", false)] {
        let report = json(&["threads", &fixture(&format!("fixtures/dumps/{file}"))]);
        assert_locks(&report, owners);
        assert_eq!(report["threads"], 39, "{file}");
        assert_eq!(report["states"]["BLOCKED"], 5, "{file}");
    }
    // The JVM of the captures does nothing but sleep.
    let quiet = json(&["threads", &fixture("captures/exec/jcmd-thread-print.txt")]);
    assert_eq!(
        (&quiet["summary"], &quiet["deadlocks"], &quiet["threads"]),
        (&serde_json::json!([]), &serde_json::json!([]), &14.into())
    );
}

#[test]
fn two_thread_dumps_say_what_stands_still_and_what_burns() {
    let files = [fixture("fixtures/dumps/jstack-l.txt"), fixture("fixtures/dumps/jcmd-l.txt")];
    let report = json(&["threads", &files[0], &files[1]]);
    assert_eq!(report["dumps"], 2);
    let changes = &report["changes"];
    let stuck = changes["stuck"].as_array().unwrap().iter().find(|s| s["count"] == 6).unwrap();
    assert!(stuck["top"].as_str().unwrap().starts_with("Locks.getTransaction("), "{stuck}");
    assert!(changes["busy"].as_array().unwrap().iter().any(|b| b["thread"] == "burner"), "{changes}");
    let table = String::from_utf8(run(&["threads", &files[0], &files[1]]).stdout).unwrap();
    assert!(
        table.contains("6 threads stand in Locks.getTransaction(Locks.java:8) in both dumps (WAITING)."),
        "{table}"
    );
}

#[test]
fn dumps_of_other_runtimes_and_formats_are_read_by_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    // The JSON of Thread.dump_to_file, JDK 24 and later: monitors, and virtual threads.
    let jvm = write(
        "threads.json",
        r#"{"threadDump": {"processId": "1", "time": "2026-11-28T22:01:36Z", "runtimeVersion": "25+36", "threadContainers": [
            {"container": "<root>", "parent": null, "owner": null, "threads": [
              {"tid": "31", "time": "2026-11-28T22:01:36Z", "name": "writer", "state": "RUNNABLE",
               "stack": ["app//com.shop.Index.write(Index.java:9)"],
               "monitorsOwned": [{"depth": 0, "locks": ["com.shop.Index@4f2", null]}]}], "threadCount": "1"},
            {"container": "java.util.concurrent.ThreadPerTaskExecutor@1", "parent": "<root>", "owner": null, "threads": [
              {"tid": "40", "virtual": true, "name": "", "state": "BLOCKED", "blockedOn": "com.shop.Index@4f2",
               "stack": ["app//com.shop.Index.read(Index.java:20)"]},
              {"tid": "41", "virtual": true, "name": "", "state": "BLOCKED", "blockedOn": "com.shop.Index@4f2",
               "stack": ["app//com.shop.Index.read(Index.java:20)"]}], "threadCount": "2"}]}}"#,
    );
    let report = json(&["threads", &jvm]);
    assert_eq!((&report["threads"], &report["virtual_threads"]), (&3.into(), &2.into()));
    let sentence = "2 threads wait for the monitor of an Index held by writer in Index.write.";
    assert_eq!(texts(&report["summary"]), [sentence]);

    let go = write("goroutines.txt", "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:12 +0x1d\n\n");
    let leak = (0..25).map(|i| {
        format!(
            "goroutine {} [chan send, 34 minutes]:\nmain.(*Relay).send(0xc000010000, {{0x1, 0x2}})\n\t/src/relay.go:40 +0x1d\n\
             created by main.serve in goroutine 1\n\t/src/main.go:9 +0x2b\n\n",
            i + 10
        )
    });
    let mut file = std::fs::OpenOptions::new().append(true).open(&go).unwrap();
    file.write_all(leak.collect::<String>().as_bytes()).unwrap();
    let report = json(&["threads", &go]);
    assert_eq!(report["states"]["chan send"], 25);
    assert_eq!(
        texts(&report["summary"]),
        ["25 goroutines are in chan send in main.(*Relay).send, up to 34 minutes."]
    );

    let profile = write(
        "profile.txt",
        "goroutine profile: total 31\n30 @ 0x43cf10 0x44ca6b\n#\t0x9ca93b\tdatabase/sql.(*DB).conn+0x7ab\t\t/usr/local/go/src/database/sql/sql.go:1183\n\
         #\t0x9cd105\tmain.load+0x65\t/src/load.go:7\n\n1 @ 0x1\n#\t0x1\tmain.main+0x1\t/src/main.go:1\n",
    );
    let report = json(&["threads", &profile]);
    assert_eq!((&report["threads"], &report["groups"][0]["count"]), (&31.into(), &30.into()));
    assert!(
        texts(&report["summary"])[0]
            .starts_with("30 goroutines wait for a connection of a database/sql pool"),
        "{report}"
    );

    let python = write(
        "py-spy.txt",
        "Process 1: python serve.py\nPython v3.11.4 (/usr/local/bin/python3.11)\n\nThread 7 (idle): \"MainThread\"\n    wait (threading.py:359)\n    \
         serve (serve.py:12)\nThread 52 (active+gil): \"tokenizer-0\"\n    findall (re/__init__.py:278)\n    encode (tokens.py:20)\n        \
         Locals:\n            text: \"a (b)\"\n",
    );
    let report = json(&["threads", &python]);
    assert_eq!((&report["threads"], &report["runtime"]), (&2.into(), &"python".into()));
    assert!(
        texts(&report["summary"])[0].starts_with("tokenizer-0 holds the interpreter lock (GIL)"),
        "{report}"
    );
    // Dumps of different programs are not compared.
    assert!(refused(&["threads", &go, &python]).contains("compare dumps of one process"));
}

#[test]
fn what_is_no_dump_is_refused_with_what_was_readable() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("notes.txt"), "no dump\n").unwrap();
    assert!(refused(&["threads", &path("notes.txt")]).contains("known are: jstack"));
    assert!(refused(&["histogram", &path("notes.txt")]).contains("no row like"));
    assert!(refused(&["heap", &path("notes.txt")]).contains("not a JVM heap dump"));
    assert!(refused(&["heap", &path("missing")]).contains("could not be read"));
    std::fs::write(
        path("cut.json"),
        r#"{"threadDump": {"threadContainers": [{"threads": [{"tid": "1", "stack": ["a"#,
    )
    .unwrap();
    let said = refused(&["threads", &path("cut.json")]);
    assert!(
        said.contains("ends too early") && said.contains("at byte ") && said.contains("1 threads"),
        "{said}"
    );

    // A heap dump whose transfer was cut off.
    let mut whole = Writer::new(Vec::new()).unwrap();
    hprof::basics(&mut whole).unwrap();
    for i in 0..1000 {
        whole.bytes(0x1_0000 + i * 64, &[1; 32]).unwrap();
    }
    let whole = whole.finish().unwrap();
    std::fs::write(path("cut.hprof"), &whole[..whole.len() / 2]).unwrap();
    let said = refused(&["heap", &path("cut.hprof")]);
    assert!(said.contains("cut off, at byte ") && said.contains("5 classes and "), "{said}");
    assert!(refused(&["threads", &path("cut.hprof")]).contains("khud heap"));
}

#[test]
fn two_histograms_say_what_grew() {
    let dir = tempfile::tempdir().unwrap();
    let older = fixture("captures/exec/jcmd-class-histogram.txt");
    let text = std::fs::read_to_string(&older).unwrap();
    let row = "   1:          2922       27398832  [B (java.base@17.0.15)\n";
    assert!(text.contains(row));
    let grown = "   1:         52922       77398832  [B (java.base@17.0.15)\n   2:         50000        1600000  com.shop.CacheEntry (app)\n";
    let newer = dir.path().join("newer.txt").to_string_lossy().into_owned();
    std::fs::write(&newer, text.replace(row, grown)).unwrap();

    let one = json(&["histogram", &older]);
    assert_eq!(
        (&one["total"]["bytes"], &one["total"]["instances"]),
        (&27_999_248.into(), &16_381.into()),
        "the file's own total"
    );
    assert_eq!((&one["rows"][0]["class"], &one["growth"]), (&"byte[]".into(), &Value::Null));
    let two = json(&["histogram", &older, &newer]);
    assert_eq!(two["growth"]["bytes"], 51_600_000);
    let rows = two["rows"].as_array().unwrap();
    assert_eq!((&rows[0]["class"], &rows[0]["growth"]["bytes"]), (&"byte[]".into(), &50_000_000.into()));
    assert_eq!(
        (&rows[1]["class"], &rows[1]["growth"]["instances"]),
        (&"com.shop.CacheEntry".into(), &50_000.into())
    );
    assert!(texts(&two["summary"])[2].contains("com.shop.CacheEntry"), "{two}");
    // Rows were added without a new total: that is said, not passed over.
    assert!(texts(&two["unknown"])[0].contains("its total is"), "{two}");
}

/// A program of the JDK, if it is there; else the test is skipped and says so.
fn jdk() -> bool {
    let missing: Vec<&str> = ["java", "javac", "jstack"]
        .into_iter()
        .filter(|tool| Command::new(tool).arg("-version").output().is_err())
        .collect();
    if missing.is_empty() {
        return true;
    }
    let test = std::thread::current().name().unwrap_or_default().to_string();
    let line = format!("SKIPPED: {test} needs a JDK and found no {}\n", missing.join(", "));
    // The print macros would be captured, as nothing fails here.
    let _ = std::io::stderr().write_all(line.as_bytes());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
    let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    false
}

/// Compiles a program of `tests/fixtures/java` into a directory.
fn compiled(program: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let source = fixture(&format!("fixtures/java/{program}.java"));
    let status = Command::new("javac").arg("-d").arg(dir.path()).arg(source).status().unwrap();
    assert!(status.success());
    dir
}

#[test]
fn the_dump_of_a_real_jvm_names_the_map_the_loaders_and_the_strings() {
    if !jdk() {
        return;
    }
    let dir = compiled("Heap");
    let dump: PathBuf = dir.path().join("heap.hprof");
    let status = Command::new("java")
        .args(["-Xmx128m", "-cp"])
        .arg(dir.path())
        .arg("Heap")
        .arg(&dump)
        .status()
        .unwrap();
    assert!(status.success());
    let dump = dump.to_string_lossy().into_owned();
    let report = json(&["heap", &dump]);
    let suspects = report["suspects"].as_array().unwrap();
    // With 4-byte references: the map 48, its table 16 + 4 * 65,536, and for each of 40,000 entries a node 32, a Long
    // 24, a Transaction 24 and an array 16 + 104.
    let retained = 48 + 16 + 4 * 65_536 + 40_000 * (32 + 24 + 24 + 120);
    let cache = &suspects[0];
    assert_eq!((&cache["class"], &cache["retained"]), (&"java.util.HashMap".into(), &retained.into()));
    let sentence = cache["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("Heap$PaymentTransactionCache: one java.util.HashMap holds 8.3 MB"),
        "{sentence}"
    );
    assert!(
        sentence
            .ends_with("40,000 entries, reached from static field CACHE of Heap$PaymentTransactionCache."),
        "{sentence}"
    );
    assert_eq!(texts(&cache["path"]).last(), Some(&"static CACHE  java.util.HashMap"));
    let loaders = suspects.iter().find(|s| s["class"] == "Heap$PluginLoader").unwrap();
    assert!(
        loaders["sentence"].as_str().unwrap().starts_with("Class Heap$Plugin was loaded 12 times"),
        "{loaders}"
    );
    assert!(loaders["retained"].as_u64().unwrap() > 12 * 100_000, "their static arrays count: {loaders}");
    let strings = report["duplicate_strings"]["top"].as_array().unwrap();
    // 5,000 copies that were built, and the constant.
    assert_eq!(
        (&strings[0]["text"], &strings[0]["count"]),
        (&"waiting-for-settlement".into(), &5_001.into())
    );
    let classes = report["classes"].as_array().unwrap();
    let class = |name: &str| classes.iter().find(|c| c["class"] == name).unwrap();
    assert_eq!(class("Heap$Transaction")["instances"], 40_000);
    assert_eq!(class("Heap$Transaction")["shallow"], 40_000 * 24);
    assert_eq!(class("Heap$Transaction")["retained"].as_u64().unwrap() / 1000, 40_000 * (24 + 120) / 1000);
    assert_eq!(
        class("Heap$PaymentTransactionCache")["retained"].as_u64().unwrap() / 1000,
        retained / 1000,
        "with its static map"
    );
    let shallow: u64 = classes.iter().map(|c| c["shallow"].as_u64().unwrap()).sum();
    assert_eq!(report["bytes"], shallow);
}

#[test]
fn the_threads_of_a_real_jvm_are_told_as_they_were_built() {
    if !jdk() {
        return;
    }
    let dir = compiled("Locks");
    let mut child = Command::new("java")
        .args(["-Xmx32m", "-cp"])
        .arg(dir.path())
        .arg("Locks")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The program says when all its threads stand where they belong.
    let mut ready = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut ready)
        .unwrap();
    let dump = Command::new("jstack").args(["-l", &child.id().to_string()]).output();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(ready, "ready\n");
    let file = dir.path().join("threads.txt");
    std::fs::write(&file, dump.unwrap().stdout).unwrap();
    assert_locks(&json(&["threads", &file.to_string_lossy()]), true);
}
