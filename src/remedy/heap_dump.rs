//! A heap dump, brought home whole: predicted, written in the container, streamed in verified chunks, checked, cleaned up.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use sha2::{Digest, Sha256};

use super::files::FileOp;
use super::guard::Permission;
use super::jvm::{self, Jvm, command};
use super::plan::{LocalFile, Severity, Stage};
use super::run::{Cx, Done, Job, Params, Progress, Stop};
use crate::world::ObjectRef;
use crate::world::quantity::bytes;

/// dd's block: small enough not to push a container at its limit over it.
const BLOCK: u64 = 64 << 10;
/// Blocks a chunk: 4 MiB is a fraction of a second on a bad line, and what a cut costs.
const BLOCKS: u64 = 64;
const CHUNK: u64 = BLOCK * BLOCKS;
/// Tries of one chunk before giving up.
const TRIES: u32 = 6;
/// Bytes of heap a JVM writes a second on a slow disk; what the pause is predicted by.
const DUMP_RATE: u64 = 100 << 20;

static CREATED: LazyLock<Regex> = LazyLock::new(|| {
    // A literal pattern; a test compiles it.
    #[allow(clippy::expect_used)]
    Regex::new(r"Heap dump file created \[(?P<bytes>\d+) bytes in (?P<secs>[0-9.]+) secs\]")
        .expect("compiles")
});

pub(super) fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    if let Some(dir) = params.get("container-dir")
        && (!dir.starts_with('/') || dir.contains("..") || dir.chars().any(|c| c.is_control() || c == ' '))
    {
        return Err(format!("--container-dir {dir:?} is not an absolute path"));
    }
    Ok(Box::pin(async move { heap_dump(cx, target, params).await }))
}

async fn heap_dump(cx: Cx, pod: ObjectRef, params: Params) -> Result<Done, Stop> {
    cx.guards(&[Permission::on("create", &pod).sub("exec")]).await?;
    // Finding the JVM is exec already, so what forbids exec ends it here.
    cx.cleared()?;
    let jvm = jvm::find(&cx, &pod, &params).await?;
    let dir = params.get("container-dir").map_or("/tmp", String::as_str).trim_end_matches('/').to_owned();
    let remote = format!("{dir}/khud-{}-{}.hprof", jvm.pid, cx.now().0);
    predict(&cx, &pod, &jvm, &dir, &params).await?;
    let pid = jvm.pid.to_string();
    let mut words = vec!["jcmd", pid.as_str(), "GC.heap_dump"];
    if params.get("all").is_some_and(|v| v != "false") {
        words.push("-all");
    }
    words.push(&remote);
    cx.kubectl(format!(
        "kubectl exec -n {} {} -c {} -- {}",
        pod.namespace,
        pod.name,
        jvm.container,
        words.join(" ")
    ));
    let path = jvm::local_path(&cx, &pod, &jvm.container, &params, "hprof");
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
            clean(&cx, &pod, &jvm, &remote).await;
            return Err(stop);
        }
    };
    let size = match written {
        Ok(size) => size,
        Err(why) => {
            clean(&cx, &pod, &jvm, &remote).await;
            return Err(Stop::Failed(format!("the JVM wrote no heap dump: {why}")));
        }
    };
    let fetched = fetch(&cx, &pod, &jvm, &remote, size, &path).await;
    let cleaned = clean(&cx, &pod, &jvm, &remote).await;
    let left = if cleaned { String::new() } else { format!("; {remote} is still in the container") };
    let part = part_of(&path);
    match fetched {
        Ok(sha256) => {
            cx.file(LocalFile { path: path.display().to_string(), bytes: size, sha256: sha256.clone() });
            let text = format!(
                "{} of heap in {}, sha256 equal to the container's{left}",
                bytes(size),
                path.display()
            );
            Ok(if cleaned { Done::Verified(text) } else { Done::Applied(text) })
        }
        Err((have, stop)) => {
            let kept = if have > 0 {
                cx.file(LocalFile { path: part.display().to_string(), bytes: have, sha256: String::new() });
                format!("; {} of {} kept in {}", bytes(have), bytes(size), part.display())
            } else {
                // Not there where it could not even be created; then there is nothing to remove either.
                let _ = cx.stubborn().local(FileOp::Discard { part }).await;
                String::new()
            };
            Err(match stop {
                Stop::Failed(why) => Stop::Failed(format!("{why}{kept}{left}")),
                Stop::Cancelled => Stop::Failed(format!("stopped by the operator{kept}{left}")),
                other => other,
            })
        }
    }
}

/// Whether the disk holds it, how long the JVM stands still, and whether the kubelet would kill it for that.
async fn predict(cx: &Cx, pod: &ObjectRef, jvm: &Jvm, dir: &str, params: &Params) -> Result<(), Stop> {
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

fn part_of(path: &std::path::Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Streams the file and checks it. On failure: the verified bytes in the part file, and why.
async fn fetch(
    cx: &Cx,
    pod: &ObjectRef,
    jvm: &Jvm,
    remote: &str,
    size: u64,
    path: &std::path::Path,
) -> Result<String, (u64, Stop)> {
    cx.stage(Stage::Watching);
    let part = part_of(path);
    let want = remote_sha(cx, pod, jvm, remote).await.map_err(|s| (0, s))?;
    cx.local(FileOp::Create { part: part.clone(), final_path: path.to_owned() }).await.map_err(|s| (0, s))?;
    let mut hasher = Sha256::new();
    let mut have = 0u64;
    let mut tries = 0;
    while have < size {
        cx.progress(Progress {
            line: format!("{} of {}", bytes(have), bytes(size)),
            done: have,
            total: size,
            items: Vec::new(),
        });
        let expect = CHUNK.min(size - have);
        match chunk(cx, pod, jvm, remote, have, expect).await.map_err(|s| (have, s))? {
            Ok(data) => {
                hasher.update(&data);
                let op = FileOp::Write { part: part.clone(), offset: have, bytes: data };
                // A stop waits for the bytes that are here: what is kept is counted.
                have = cx.stubborn().local(op).await.map_err(|s| (have, s))?.length;
                tries = 0;
            }
            Err(why) => {
                tries += 1;
                if tries >= TRIES {
                    return Err((have, Stop::Failed(format!("the transfer was cut {tries} times: {why}"))));
                }
                // What is written is verified by its length; the next try starts right behind it.
                cx.sleep(Duration::from_secs(1 << tries.min(4))).await.map_err(|s| (have, s))?;
            }
        }
    }
    let got = hex(&hasher.finalize());
    if got != want {
        let why = format!("the copy does not match: sha256 {got} here, {want} in the container");
        return Err((have, Stop::Failed(why)));
    }
    cx.local(FileOp::Finish { part, final_path: path.to_owned() }).await.map_err(|s| (have, s))?;
    cx.progress(Progress { line: bytes(size), done: size, total: size, items: Vec::new() });
    Ok(got)
}

async fn remote_sha(cx: &Cx, pod: &ObjectRef, jvm: &Jvm, remote: &str) -> Result<String, Stop> {
    let printed = command(cx, pod, &jvm.container, &["sha256sum", remote]).await?;
    let sum = printed.out.split_whitespace().next().unwrap_or("").to_owned();
    if printed.code != 0 || sum.len() != 64 || !sum.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Stop::Failed(format!("sha256sum in the container failed: {}", printed.first_line())));
    }
    Ok(sum)
}

/// One chunk at `offset`, exactly `expect` bytes or the reason why not.
async fn chunk(
    cx: &Cx,
    pod: &ObjectRef,
    jvm: &Jvm,
    remote: &str,
    offset: u64,
    expect: u64,
) -> Result<Result<Vec<u8>, String>, Stop> {
    let (input, block) = (format!("if={remote}"), format!("bs={BLOCK}"));
    let (skip, count) = (format!("skip={}", offset / BLOCK), format!("count={BLOCKS}"));
    let exec = jvm::exec(pod, &jvm.container, &["dd", &input, &block, &skip, &count]);
    Ok(match cx.exec(exec).await? {
        Ok(o) if o.exit_code == 0 && !o.truncated && o.stdout.len() as u64 == expect => Ok(o.stdout),
        Ok(o) if o.exit_code != 0 => {
            let text = String::from_utf8_lossy(&o.stderr);
            Err(format!("dd ended with {}: {}", o.exit_code, text.lines().next().unwrap_or("")))
        }
        Ok(o) => Err(format!("got {} bytes of a chunk of {expect}", o.stdout.len())),
        Err(why) => Err(why),
    })
}

/// Removes the dump from the container, also after a stop; whether it is known to be gone.
async fn clean(cx: &Cx, pod: &ObjectRef, jvm: &Jvm, remote: &str) -> bool {
    let cx = cx.stubborn();
    matches!(command(&cx, pod, &jvm.container, &["rm", "-f", remote]).await, Ok(p) if p.code == 0)
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
