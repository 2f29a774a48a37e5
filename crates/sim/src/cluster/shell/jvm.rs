//! The JDK's tools on a JVM of the scenario: jps, jcmd, jmap, jstack, worded as in OpenJDK 17
//! (captures/exec).
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::chance::{fnv, mix};
use super::super::files::Content;
use super::super::hprof::{Hprof, Share};
use super::{Output, Piece, Session, Source};
use crate::scenario::format::Jvm;

const MIB: f64 = 1_048_576.0;
/// The speed of a heap dump, in bytes per second.
const DUMP_RATE: f64 = 220.0 * MIB;

pub fn known(name: &str) -> bool {
    matches!(name, "jps" | "jcmd" | "jmap" | "jstack")
}

pub fn run(s: &Session, tool: &str, args: &[&str]) -> Output {
    let behaviour = s.behaviour();
    let Some(jvm) = &behaviour.jvm else {
        return Output::fail(127, format!("sh: 1: {tool}: not found\n"));
    };
    let files: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with('-')).collect();
    match (tool, args) {
        ("jps", _) => {
            let long = args.iter().any(|a| a.contains('l'));
            let flags = if args.iter().any(|a| a.contains('v')) {
                format!(" {}", options(jvm))
            } else {
                String::new()
            };
            let main =
                if long { jvm.main.as_str() } else { jvm.main.rsplit('.').next().unwrap_or(&jvm.main) };
            let own = if long { "jdk.jcmd/sun.tools.jps.Jps" } else { "Jps" };
            Output::text(format!("1 {main}{flags}\n190 {own}\n"))
        }
        ("jcmd", [] | ["-l"]) => {
            Output::text(format!("1 {}\n20 jdk.jcmd/sun.tools.jcmd.JCmd -l\n", jvm.main))
        }
        ("jcmd", [pid, command @ ..]) => {
            let main_class = jvm.main.contains(pid) && pid.parse::<u32>().is_err();
            if *pid != "1" && *pid != "0" && !main_class {
                return no_process(pid);
            }
            let mut output = jcmd(s, jvm, command);
            let head = std::iter::once(Piece::Data(Bytes::from_static(b"1:\n")));
            output.out = Box::new(head.chain(output.out));
            output
        }
        ("jstack", _) => Output::text(threads(s, jvm)),
        ("jmap", _) => {
            if files.first() != Some(&"1") {
                return no_process(files.first().unwrap_or(&"0"));
            }
            match args.iter().find_map(|a| a.strip_prefix("-dump:")) {
                Some(dump) => {
                    let path = dump.split(',').find_map(|p| p.strip_prefix("file=")).unwrap_or("heap.bin");
                    heap_dump(s, jvm, path)
                }
                None => Output::text(histogram(s, jvm)),
            }
        }
        _ => Output::fail(1, format!("usage: {tool} <pid>\n")),
    }
}

fn no_process(pid: &str) -> Output {
    Output {
        err: "java.io.IOException: No such process\n\tat jdk.attach/sun.tools.attach.VirtualMachineImpl.sendQuitTo(Native Method)\n\tat jdk.attach/sun.tools.attach.VirtualMachineImpl.<init>(VirtualMachineImpl.java:82)\n\tat jdk.attach/sun.tools.attach.AttachProviderImpl.attachVirtualMachine(AttachProviderImpl.java:58)\n\tat jdk.attach/com.sun.tools.attach.VirtualMachine.attach(VirtualMachine.java:207)\n\tat jdk.jcmd/sun.tools.jcmd.JCmd.executeCommandForPid(JCmd.java:113)\n\tat jdk.jcmd/sun.tools.jcmd.JCmd.main(JCmd.java:97)\n".into(),
        code: 1,
        ..Output::text(format!("{pid}:\n"))
    }
}

fn jcmd(s: &Session, jvm: &Jvm, command: &[&str]) -> Output {
    match command {
        ["GC.heap_dump", rest @ ..] => match rest.iter().find(|a| !a.starts_with('-')) {
            Some(path) => heap_dump(s, jvm, path),
            None => {
                Output::fail(1, "java.lang.IllegalArgumentException: The argument 'filename' is mandatory.\n")
            }
        },
        ["GC.class_histogram", ..] => Output::text(histogram(s, jvm)),
        ["GC.heap_info"] => Output::text(heap_info(s, jvm)),
        ["Thread.print", ..] => Output::text(threads(s, jvm)),
        ["VM.flags", ..] => Output::text(flags(jvm)),
        ["VM.command_line"] => Output::text(format!(
            "VM Arguments:\njvm_args: {}\njava_command: {}\njava_class_path (initial): /app/app.jar\nLauncher Type: SUN_STANDARD\n",
            options(jvm),
            jvm.main
        )),
        ["VM.version"] => Output::text("OpenJDK 64-Bit Server VM version 17.0.15+6\nJDK 17.0.15\n"),
        ["VM.uptime"] => Output::text(format!("{:.3} s\n", s.elapsed().as_secs_f64())),
        ["GC.run"] => Output::text("Command executed successfully\n"),
        [] | ["help"] => Output::text(
            "The following commands are available:\nGC.class_histogram\nGC.heap_dump\nGC.heap_info\nGC.run\nThread.print\nVM.command_line\nVM.flags\nVM.uptime\nVM.version\nhelp\n",
        ),
        [other, ..] => Output {
            code: 1,
            ..Output::text(format!(
                "java.lang.IllegalArgumentException: Unknown diagnostic command\n{other}\n"
            ))
        },
    }
}

/// The JVM options on the command line.
fn options(jvm: &Jvm) -> String {
    let mut all = format!("-Xmx{}m", (jvm.heap.0 / MIB) as u64);
    for option in &jvm.options {
        all.push(' ');
        all.push_str(option);
    }
    all
}

fn shares(s: &Session, jvm: &Jvm) -> Vec<Share> {
    let elapsed = s.elapsed();
    let mut shares: Vec<Share> = jvm
        .classes
        .iter()
        .map(|c| Share {
            class: c.name.clone(),
            instances: c.instances.at(elapsed) as u64,
            size: c.size.0 as u64,
        })
        .collect();
    // The classes of every JVM, as captured.
    for (class, instances, bytes) in [
        ("java.lang.Class", 12_751_u64, 1_593_552_u64),
        ("[Ljava.lang.Object;", 61_214, 3_747_280),
        ("java.util.HashMap$Node", 51_051, 1_633_632),
        ("java.util.concurrent.ConcurrentHashMap$Node", 41_141, 1_316_512),
        ("[C", 7_007, 1_033_032),
        ("java.lang.reflect.Method", 9_212, 810_656),
    ] {
        if !shares.iter().any(|s| s.class == class) {
            shares.push(Share { class: class.into(), instances, size: bytes / instances });
        }
    }
    shares.sort_by_key(|s| std::cmp::Reverse(s.instances * s.size));
    shares
}

fn heap_dump(s: &Session, jvm: &Jvm, path: &str) -> Output {
    let path = s.path(path);
    let starts = format!("Dumping heap to {path} ...\n");
    let parent = path.rsplit_once('/').map_or("/", |p| if p.0.is_empty() { "/" } else { p.0 });
    if !s.is_dir(parent) {
        return Output::text(format!("{starts}Unable to create {path}: No such file or directory\n"));
    }
    if s.file(&path).is_some() {
        return Output::text(format!("{starts}Unable to create {path}: File exists\n"));
    }
    let size = jvm.dump.at(s.elapsed()) as u64;
    let seed = mix(fnv(format!("{}{}", s.uid, s.attempt).as_bytes()));
    let now = s.cluster.store.clock().now();
    let dump = Arc::new(Hprof::new(&shares(s, jvm), size, seed, now.as_millisecond()));
    let rate = jvm.dump_rate.map_or(DUMP_RATE, |r| r.0.max(1.0));
    let took = Duration::from_secs_f64(dump.size() as f64 / rate);
    let done = format!("Heap dump file created [{} bytes in {:.3} secs]\n", dump.size(), took.as_secs_f64());
    let place = Session {
        cluster: s.cluster.clone(),
        uid: s.uid.clone(),
        container: s.container,
        attempt: s.attempt,
        cwd: s.cwd.clone(),
        root: s.root.clone(),
        env: Default::default(),
        last: 0,
        input: Bytes::new(),
    };
    // The file appears when the dump is complete.
    let finish = std::iter::once_with(move || match place.put(&path, Content::Heap(dump)) {
        Ok(()) => Piece::Data(Bytes::from(done)),
        Err(why) => Piece::Data(Bytes::from(format!("Unable to create {path}: {why}\n"))),
    });
    let out: Source =
        Box::new([Piece::Data(Bytes::from(starts)), Piece::Wait(took)].into_iter().chain(finish));
    Output { out, err: String::new(), code: 0 }
}

fn histogram(s: &Session, jvm: &Jvm) -> String {
    let mut out = String::from(
        " num     #instances         #bytes  class name (module)\n-------------------------------------------------------\n",
    );
    let shares = shares(s, jvm);
    for (i, share) in shares.iter().enumerate() {
        let module = if share.class.starts_with("java.") || share.class.starts_with('[') {
            " (java.base@17.0.15)"
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "{:>4}: {:>13} {:>14}  {}{module}",
            i + 1,
            share.instances,
            share.instances * share.size,
            share.class
        );
    }
    let (instances, bytes) =
        shares.iter().fold((0, 0), |t, s| (t.0 + s.instances, t.1 + s.instances * s.size));
    let _ = writeln!(out, "Total {instances:>13} {bytes:>14}");
    out
}

/// The used heap, from the container's memory and -Xmx.
fn heap_used(s: &Session, jvm: &Jvm) -> f64 {
    let memory = s.look(|e, run, c| run.container_memory(c, e.now())).unwrap_or(0.0);
    (memory - 140.0 * MIB).clamp(16.0 * MIB, jvm.heap.0 * 0.985)
}

fn heap_info(s: &Session, jvm: &Jvm) -> String {
    let kib = |b: f64| (b / 1024.0) as u64;
    let used = heap_used(s, jvm);
    let committed = (used * 1.15).min(jvm.heap.0);
    let region = 1024;
    format!(
        " garbage-first heap   total {}K, used {}K [0x0000000080000000, 0x0000000100000000)\n  region size {region}K, {} young ({}K), {} survivors ({}K)\n Metaspace       used 68211K, committed 69120K, reserved 1114112K\n  class space    used 8411K, committed 8832K, reserved 1048576K\n",
        kib(committed),
        kib(used),
        kib(used) / region / 12,
        kib(used) / 12 / region * region,
        4,
        4 * region
    )
}

fn flags(jvm: &Jvm) -> String {
    let heap = jvm.heap.0 as u64;
    let own: String = jvm.options.iter().map(|o| format!(" {o}")).collect();
    format!(
        "-XX:CICompilerCount=3 -XX:ConcGCThreads=1 -XX:G1HeapRegionSize=1048576 -XX:InitialHeapSize={} -XX:MaxHeapSize={heap} -XX:MaxNewSize={} -XX:MinHeapDeltaBytes=1048576 -XX:SoftMaxHeapSize={heap} -XX:+UseCompressedClassPointers -XX:+UseCompressedOops{own} \n",
        heap / 8,
        heap * 3 / 5
    )
}

fn threads(s: &Session, jvm: &Jvm) -> String {
    let now = s.cluster.store.clock().now();
    let up = s.elapsed().as_secs_f64();
    let mut out = format!(
        "{}\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6-Debian-1deb12u1 mixed mode, sharing):\n\n",
        now.strftime("%Y-%m-%d %H:%M:%S")
    );
    let mut thread = |n: usize, name: &str, daemon: bool, state: &str, stack: &[String]| {
        let tid = 0x7f46_b801_8000_u64 + n as u64 * 0x1410;
        let (doing, said) = match state {
            "RUNNABLE" => ("runnable", "RUNNABLE"),
            "BLOCKED" => ("waiting for monitor entry", "BLOCKED (on object monitor)"),
            "WAITING" => ("waiting on condition", "WAITING (parking)"),
            _ => ("waiting on condition", "TIMED_WAITING (sleeping)"),
        };
        let _ = writeln!(
            out,
            "\"{name}\" #{n}{} prio=5 os_prio=0 cpu={:.2}ms elapsed={up:.2}s tid=0x{tid:016x} nid={:#x} {doing}  [0x00007f463bcfd000]\n   java.lang.Thread.State: {said}",
            if daemon { " daemon" } else { "" },
            up * 3.1,
            n + 6,
        );
        for frame in stack {
            let _ = writeln!(out, "\t{}{frame}", if frame.starts_with('-') { "" } else { "at " });
        }
        out.push('\n');
    };
    let main = [
        "java.lang.Thread.sleep(java.base@17.0.15/Native Method)".to_owned(),
        format!("{}.main({}.java:41)", jvm.main, jvm.main.rsplit('.').next().unwrap_or_default()),
    ];
    thread(1, "main", false, "TIMED_WAITING", &main);
    let handler = [
        "java.lang.ref.Reference.waitForReferencePendingList(java.base@17.0.15/Native Method)".to_owned(),
        "java.lang.ref.Reference.processPendingReferences(java.base@17.0.15/Reference.java:253)".to_owned(),
    ];
    thread(2, "Reference Handler", true, "RUNNABLE", &handler);
    thread(4, "Signal Dispatcher", true, "RUNNABLE", &[]);
    for (i, t) in jvm.threads.iter().enumerate() {
        thread(20 + i, &t.name, true, t.state.as_deref().unwrap_or("RUNNABLE"), &t.stack);
    }
    out.push_str("\"VM Thread\" os_prio=0 cpu=36.38ms elapsed=27.18s tid=0x00007f46b804c480 nid=0x8 runnable  \n\nJNI global refs: 14, weak refs: 0\n\n");
    out
}
