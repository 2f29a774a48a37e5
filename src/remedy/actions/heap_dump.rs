//! A heap dump: predicted, written in the container, brought home and removed there; or one that was left there before.

use regex::Regex;
use std::path::Path;
use std::sync::LazyLock;

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::files::FileOp;
use crate::remedy::jvm::{self, Jvm, command};
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Job, Params, Progress, Stop};
use crate::remedy::transfer;
use crate::remedy::transfer::{
    Home, bring_home, clean, discard, left_behind, local_disk, moved, part_of, place,
};
use crate::world::quantity::bytes;
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Heap dump",
    about: "dump a JVM's heap and bring the file here",
    kinds: &[Kind::Pod],
    options: &[
        jvm::CONTAINER,
        jvm::OUT,
        jvm::PID,
        Spec::value("container-dir", "DIR", "where in the container it is written (default: /tmp)"),
        Spec::value(
            "leftover",
            "fetch|remove",
            "a dump an earlier run left in the container: bring it here, or remove it",
        ),
        jvm::ALL,
        Spec::flag("force", "go on in spite of what speaks against it"),
    ],
    rights: &[Right::on_target("create").sub("exec")],
    causes: &[
        ("crash.oom-limit", 2),
        ("crash.oom-heap", 2),
        ("memory.leak", 2),
        ("memory.near-limit", 2),
        ("jvm.unbounded-cache", 2),
    ],
    sequential: true,
    kubectl,
    ..Action::new("heap-dump", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    jvm::kubectl(target, params, "jcmd 1 GC.heap_dump /tmp/heap.hprof")
}

/// Bytes of heap a JVM writes a second on a slow disk; what the pause is predicted by.
const DUMP_RATE: u64 = 100 << 20;

static CREATED: LazyLock<Regex> = LazyLock::new(|| {
    // A literal pattern; a test compiles it.
    #[allow(clippy::expect_used)]
    Regex::new(r"Heap dump file created \[(?P<bytes>\d+) bytes in (?P<secs>[0-9.]+) secs\]")
        .expect("compiles")
});

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    if let Some(dir) = params.get("container-dir")
        && (!dir.starts_with('/') || dir.contains("..") || dir.chars().any(|c| c.is_control() || c == ' '))
    {
        return Err(format!("--container-dir {dir:?} is not an absolute path"));
    }
    let leftover = match params.get("leftover").map(String::as_str) {
        None => None,
        Some("fetch") => Some(Leftover::Fetch),
        Some("remove") => Some(Leftover::Remove),
        Some(other) => return Err(format!("--leftover {other:?} is neither fetch nor remove")),
    };
    Ok(Box::pin(async move {
        match leftover {
            None => heap_dump(cx, target, params).await,
            Some(what) => leftovers(cx, target, params, what).await,
        }
    }))
}

/// What to do with a dump that an earlier run left in the container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leftover {
    Fetch,
    Remove,
}

fn dir_of(params: &Params) -> String {
    params.get("container-dir").map_or("/tmp", String::as_str).trim_end_matches('/').to_owned()
}

/// Brings the newest dump home that an earlier run left in the container, or removes all of them.
async fn leftovers(cx: Cx, pod: ObjectRef, params: Params, what: Leftover) -> Result<Done, Stop> {
    cx.target(&pod).await?;
    cx.guards().await?;
    cx.cleared()?;
    let container = match params.get("container") {
        Some(name) => name.clone(),
        None => jvm::first_container(&cx, &pod).await?,
    };
    let dir = dir_of(&params);
    let found = left_behind(&cx, &pod, &container, &dir).await?;
    let Some((newest, size)) = found.last().cloned() else {
        return Err(Stop::Refused(format!("khud left no heap dump in {dir} of {pod} ({container})")));
    };
    let then = place(&cx, &pod, &container).await?;
    let then = then.ok_or_else(|| Stop::Refused(format!("there is no {pod} any more")))?;
    let home = Home { pod: &pod, container: &container, remote: newest, then };
    if what == Leftover::Remove {
        let all =
            found.iter().map(|(path, n)| format!("{path} ({})", bytes(*n))).collect::<Vec<_>>().join(", ");
        cx.kubectl(transfer::kubectl(&home, &["rm", "-f", &home.remote]));
        cx.impact("heap dumps removed from the container", Severity::Warning, all);
        cx.confirm(format!("Remove {} heap dumps from {pod}?", found.len()), None).await?;
        let mut kept = Vec::new();
        for (remote, _) in &found {
            let one = Home { remote: remote.clone(), ..home.clone() };
            if !clean(&cx, &one).await {
                kept.push(remote.clone());
            }
        }
        return match kept.is_empty() {
            true => Ok(Done::Verified(format!("{} heap dumps removed from {pod}", found.len()))),
            false => Err(Stop::Failed(format!("still in the container: {}", kept.join(", ")))),
        };
    }
    let path = jvm::local_path(&cx, &pod, &container, &params, "hprof");
    local_disk(&cx, &path, size, false).await?;
    cx.cleared()?;
    cx.kubectl(transfer::kubectl(&home, &["cat", &home.remote]));
    cx.impact("file", Severity::Info, format!("{} of {} into {}", bytes(size), home.remote, path.display()));
    cx.confirm(format!("Bring {} home from {pod} and remove it there?", home.remote), None).await?;
    cx.local(FileOp::Create { part: part_of(&path), final_path: path.clone() }).await?;
    bring_home(&cx, &home, size, &path).await
}

async fn heap_dump(cx: Cx, pod: ObjectRef, params: Params) -> Result<Done, Stop> {
    cx.target(&pod).await?;
    cx.guards().await?;
    // Finding the JVM is exec already, so what forbids exec ends it here.
    cx.cleared()?;
    let jvm = jvm::find(&cx, &pod, &params).await?;
    let then = place(&cx, &pod, &jvm.container).await?;
    let then = then.ok_or_else(|| Stop::Refused(format!("there is no {pod} any more")))?;
    let dir = dir_of(&params);
    let path = jvm::local_path(&cx, &pod, &jvm.container, &params, "hprof");
    for (path, size) in left_behind(&cx, &pod, &jvm.container, &dir).await? {
        cx.impact(
            "an earlier heap dump is still in the container",
            Severity::Warning,
            format!("{path}, {}; --leftover fetch brings it here, --leftover remove removes it", bytes(size)),
        );
    }
    let remote = format!("{dir}/khud-{}-{}.hprof", jvm.pid, cx.now().0);
    predict(&cx, &pod, &jvm, &dir, &path, &params).await?;
    let pid = jvm.pid.to_string();
    let mut words = vec!["jcmd", pid.as_str(), "GC.heap_dump"];
    if params.get("all").is_some_and(|v| v != "false") {
        words.push("-all");
    }
    words.push(&remote);
    let home = Home { pod: &pod, container: &jvm.container, remote: remote.clone(), then };
    cx.kubectl(transfer::kubectl(&home, &words));
    cx.impact(
        "file",
        Severity::Info,
        format!("{} here; removed from the container afterwards", path.display()),
    );
    cx.impact(
        "a heap dump holds the program's data",
        Severity::Warning,
        "passwords, tokens and customer data among it; the file is readable by you alone",
    );
    cx.confirm(format!("Dump the heap of {} in {pod}? It stands still meanwhile.", jvm.main), None).await?;
    if let Some(why) = moved(&cx, &pod, &jvm.container, &home.then).await? {
        return Err(Stop::Refused(format!("{why} since the plan was made; nothing was changed")));
    }
    // A directory that cannot be written to must not cost the JVM a pause.
    cx.local(FileOp::Create { part: part_of(&path), final_path: path.clone() }).await?;
    cx.step(format!("the JVM is told to write {remote} in container {} of {pod}", jvm.container)).await;
    cx.progress(Progress { line: "the JVM writes its heap".into(), ..Progress::default() });
    let dump = jvm::exec(&pod, &jvm.container, &words);
    let result = cx.exec(dump.clone()).await;
    let written = match result {
        Ok(Ok(output)) => {
            cx.note_exec(&dump, 101);
            let text = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            created(&text)
        }
        Ok(Err(why)) => {
            cx.note_exec(&dump, 0);
            Err(why)
        }
        Err(stop) => {
            // jcmd may have gone on without us.
            clean(&cx, &home).await;
            discard(&cx, &path).await;
            return Err(stop);
        }
    };
    let size = match written {
        Ok(size) => size,
        Err(why) => {
            discard(&cx, &path).await;
            if let Some(moved) = moved(&cx, &pod, &jvm.container, &home.then).await? {
                return Err(Stop::Failed(format!("{moved} while the JVM wrote its heap; there is no dump")));
            }
            clean(&cx, &home).await;
            return Err(Stop::Failed(format!("the JVM wrote no heap dump: {why}")));
        }
    };
    bring_home(&cx, &home, size, &path).await
}

/// Whether the disk holds it, how long the JVM stands still, and whether the kubelet would kill it for that.
async fn predict(
    cx: &Cx,
    pod: &ObjectRef,
    jvm: &Jvm,
    dir: &str,
    path: &Path,
    params: &Params,
) -> Result<(), Stop> {
    let pid = jvm.pid.to_string();
    let info = command(cx, pod, &jvm.container, &["jcmd", &pid, "GC.heap_info"]).await?;
    let used = jvm::heap_used(&info.out);
    let disk = command(cx, pod, &jvm.container, &["df", "-k", dir]).await?;
    let free = free_bytes(&disk.out);
    let force = params.get("force").is_some_and(|v| v != "false");
    let Some(used) = used else {
        cx.impact(
            "size unknown",
            Severity::Warning,
            format!("the JVM does not say how full its heap is: {}", info.first_line()),
        );
        return Ok(());
    };
    // Headers and class data come on top of the live objects.
    let need = used + used / 5 + (16 << 20);
    local_disk(cx, path, need, force).await?;
    match free {
        Some(free) if free < need => cx.guard(
            "disk",
            force,
            format!(
                "{dir} has {} free and the dump may need {}; --container-dir names another place",
                bytes(free),
                bytes(need)
            ),
        ),
        Some(free) => cx.guard(
            "disk",
            true,
            format!("{dir} has {} free, the dump needs at most {}", bytes(free), bytes(need)),
        ),
        None => cx.impact(
            "free space unknown",
            Severity::Warning,
            format!("df in the container says: {}", disk.first_line()),
        ),
    }
    if let Some(limit) = jvm.storage_limit
        && need > limit
    {
        cx.guard(
            "ephemeral storage",
            force,
            format!(
                "the dump may need {} and the container's limit is {}: the kubelet would evict the pod",
                bytes(need),
                bytes(limit)
            ),
        );
    }
    let pause = 1 + used / DUMP_RATE;
    cx.impact(
        "the JVM stands still",
        Severity::Warning,
        format!("about {pause} s for {} of heap, after a full GC", bytes(used)),
    );
    if let Some(probe) = &jvm.liveness {
        let killed = jvm::killed_after(probe);
        if pause >= killed {
            cx.guard(
                "liveness",
                force,
                format!("the kubelet kills the container after {killed} s without an answer and the dump takes about {pause} s; --force goes on"),
            );
        } else {
            cx.guard("liveness", true, format!("about {pause} s of pause, the kubelet waits {killed} s"));
        }
    }
    cx.cleared()
}

/// `df -k`: the fourth column of the last line, in KiB.
fn free_bytes(text: &str) -> Option<u64> {
    let line = text.lines().rfind(|l| !l.trim().is_empty())?;
    // A long device name wraps the line, so count from the right: avail, use%, mount point.
    let columns: Vec<&str> = line.split_whitespace().collect();
    let percent = columns.iter().rposition(|c| c.ends_with('%'))?;
    columns.get(percent.checked_sub(1)?)?.parse::<u64>().ok().map(|k| k * 1024)
}

/// The size jcmd reports, or why there is none.
fn created(text: &str) -> Result<u64, String> {
    if let Some(c) = CREATED.captures(text)
        && let Ok(n) = c["bytes"].parse()
    {
        return Ok(n);
    }
    let line = text.lines().map(str::trim).rfind(|l| !l.is_empty() && !l.ends_with(':')).unwrap_or("");
    Err(if line.is_empty() { "it printed nothing".to_owned() } else { line.chars().take(300).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `captures/exec`.
    #[test]
    fn what_the_tools_print() {
        let df = "Filesystem           1K-blocks      Used Available Use% Mounted on\noverlay              264212084  24374420  70911468  26% /\n";
        assert_eq!(free_bytes(df), Some(70_911_468 * 1024));
        assert_eq!(free_bytes("a-very-long-device-name\n   100 40 60 40% /tmp\n"), Some(60 * 1024));
        assert_eq!(free_bytes(""), None);
        let ok =
            "1:\nDumping heap to /tmp/a.hprof ...\nHeap dump file created [32348539 bytes in 0.048 secs]\n";
        assert_eq!(created(ok), Ok(32_348_539));
        let bad = "1:\nDumping heap to /nope/a.hprof ...\nUnable to create /nope/a.hprof: No such file or directory\n";
        assert_eq!(created(bad), Err("Unable to create /nope/a.hprof: No such file or directory".to_owned()));
    }
}
