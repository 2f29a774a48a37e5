//! A file in a container, brought home whole: streamed in verified chunks and checked; a dump is removed there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::cx::Cx;
use super::files::FileOp;
use super::jvm::{self, command};
use super::plan::{LocalFile, Severity, Stage};
use super::run::{Done, Progress, Stop};
use crate::world::ObjectRef;
use crate::world::ask::Call;
use crate::world::quantity::bytes;

/// dd's block: small enough not to push a container at its limit over it.
const BLOCK: u64 = 64 << 10;
/// Blocks a chunk: 4 MiB is a fraction of a second on a bad line, and what a cut costs.
const BLOCKS: u64 = 64;
const CHUNK: u64 = BLOCK * BLOCKS;
/// Tries of one chunk before giving up.
const TRIES: u32 = 6;
/// The container that a dump lies in, and which run of it: another run has another file system.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Place {
    uid: String,
    container_id: String,
}

/// Where the container runs now; `None` where the pod is gone.
pub(super) async fn place(cx: &Cx, pod: &ObjectRef, container: &str) -> Result<Option<Place>, Stop> {
    let answer = cx.call(Call::get(pod.path())).await?;
    if answer.status == 404 {
        return Ok(None);
    }
    if !answer.ok() {
        return Err(Stop::Failed(format!("{pod} cannot be read: {}", answer.message())));
    }
    let all = answer.body["status"]["containerStatuses"].as_array();
    let own = all.into_iter().flatten().find(|c| c["name"] == container);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
    Ok(Some(Place {
        uid: text(&answer.body["metadata"]["uid"]),
        container_id: own.map(|c| text(&c["containerID"])).unwrap_or_default(),
    }))
}

/// Why the container is not the one that was planned for, where it is not.
pub(super) async fn moved(
    cx: &Cx,
    pod: &ObjectRef,
    container: &str,
    then: &Place,
) -> Result<Option<String>, Stop> {
    Ok(match place(&cx.stubborn(), pod, container).await? {
        None => Some(format!("{pod} is gone")),
        Some(now) if now.uid != then.uid => Some(format!("{pod} was deleted and made anew")),
        Some(now) if now.container_id != then.container_id => {
            Some(format!("container {container} of {pod} restarted meanwhile"))
        }
        Some(_) => None,
    })
}

/// Dumps of earlier runs in a directory of the container: path and bytes, oldest first.
pub(super) async fn left_behind(
    cx: &Cx,
    pod: &ObjectRef,
    container: &str,
    dir: &str,
) -> Result<Vec<(String, u64)>, Stop> {
    let listed = command(cx, pod, container, &["ls", "-ln", dir]).await?;
    Ok(left_in(&listed.out, dir))
}

/// `ls -ln`: the size is the fifth column, the name the last. Names of khud's dumps hold no spaces and sort by time.
fn left_in(text: &str, dir: &str) -> Vec<(String, u64)> {
    let mut found: Vec<(String, u64)> = text
        .lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let name = columns.last().filter(|n| n.starts_with("khud-") && n.ends_with(".hprof"))?;
            Some((format!("{dir}/{name}"), columns.get(4)?.parse().ok()?))
        })
        .collect();
    found.sort_by_key(|(path, _)| path.rsplit('-').next().map(str::to_owned));
    found
}

/// The kubectl command that runs these words in the container.
pub(super) fn kubectl(home: &Home<'_>, words: &[&str]) -> String {
    let (pod, container) = (home.pod, home.container);
    format!("kubectl exec -n {} {} -c {container} -- {}", pod.namespace, pod.name, words.join(" "))
}

/// Whether the disk here holds `need` bytes. Asked before the JVM is stopped for it.
pub(super) async fn local_disk(cx: &Cx, path: &Path, need: u64, force: bool) -> Result<(), Stop> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match cx.local(FileOp::Free { dir: dir.to_owned() }).await {
        Ok(free) => {
            let ok = free.length >= need;
            let text = format!(
                "{} here has {} free, the file needs {}",
                dir.display(),
                bytes(free.length),
                bytes(need)
            );
            let hint = if ok { "" } else { "; --out names another directory" };
            cx.guard("local disk", ok || force, format!("{text}{hint}"));
        }
        Err(Stop::Failed(why)) => cx.impact("free space here unknown", Severity::Warning, why),
        Err(stop) => return Err(stop),
    }
    Ok(())
}

/// Removes a part file that holds nothing.
pub(super) async fn discard(cx: &Cx, path: &Path) {
    // Not there where it could not even be created.
    let _ = cx.stubborn().local(FileOp::Discard { part: part_of(path) }).await;
}

/// A dump in a container.
#[derive(Clone)]
pub(super) struct Home<'a> {
    pub pod: &'a ObjectRef,
    pub container: &'a str,
    /// Its path there.
    pub remote: String,
    pub then: Place,
}

/// Transfers a dump into the part file that was made for it, checks it, and removes it from the container once the copy
/// here is whole or the operator stopped.
pub(super) async fn bring_home(cx: &Cx, home: &Home<'_>, size: u64, path: &Path) -> Result<Done, Stop> {
    let Home { pod, remote, .. } = home;
    cx.step(format!("{remote} in {pod} holds {}; it is brought here", bytes(size))).await;
    let (have, stop) = match fetch(cx, home, size, path).await {
        Ok(sha256) => {
            let cleaned = clean(cx, home).await;
            cx.file(LocalFile { path: path.display().to_string(), bytes: size, sha256 });
            let text =
                format!("{} of heap in {}, sha256 equal to the container's", bytes(size), path.display());
            return Ok(match cleaned {
                true => Done::Verified(text),
                false => Done::Applied(format!("{text}; {remote} is still in the container")),
            });
        }
        Err(failed) => failed,
    };
    let kept = kept(cx, have, size, path).await;
    let (why, stopped) = match stop {
        Stop::Failed(why) => (why, false),
        Stop::Cancelled => ("stopped by the operator".to_owned(), true),
        other => return Err(other),
    };
    let left = match moved(cx, pod, home.container, &home.then).await {
        Ok(Some(moved)) => format!("; {moved}, and the dump with it"),
        _ if stopped && clean(cx, home).await => String::new(),
        _ if stopped => format!("; {remote} is still in the container"),
        // The only whole copy is the one there.
        _ => format!(
            "; {remote} is still in the container: `khud do heap-dump {} -n {} --leftover fetch` tries again, \
             `--leftover remove` removes it",
            format_args!("pod/{}", pod.name),
            pod.namespace
        ),
    };
    Err(Stop::Failed(format!("{why}{kept}{left}")))
}

/// Transfers a file that stays where it is.
pub(super) async fn copy(cx: &Cx, home: &Home<'_>, size: u64, path: &Path) -> Result<Done, Stop> {
    match fetch(cx, home, size, path).await {
        Ok(sha256) => {
            cx.file(LocalFile { path: path.display().to_string(), bytes: size, sha256 });
            Ok(Done::Verified(format!(
                "{} in {}, sha256 equal to the container's",
                bytes(size),
                path.display()
            )))
        }
        Err((have, Stop::Failed(why))) => {
            Err(Stop::Failed(format!("{why}{}", kept(cx, have, size, path).await)))
        }
        Err((have, stop)) => {
            kept(cx, have, size, path).await;
            Err(stop)
        }
    }
}

/// The part file of a transfer that broke off, in words; an empty one is removed.
async fn kept(cx: &Cx, have: u64, size: u64, path: &Path) -> String {
    if have == 0 {
        discard(cx, path).await;
        return String::new();
    }
    let part = part_of(path);
    cx.file(LocalFile { path: part.display().to_string(), bytes: have, sha256: String::new() });
    format!("; {} of {} kept in {}", bytes(have), bytes(size), part.display())
}

pub(super) fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Streams the file and checks it. On failure: the verified bytes in the part file, and why.
async fn fetch(cx: &Cx, home: &Home<'_>, size: u64, path: &Path) -> Result<String, (u64, Stop)> {
    cx.stage(Stage::Watching);
    let part = part_of(path);
    let want = remote_sha(cx, home).await.map_err(|s| (0, s))?;
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
        match chunk(cx, home, have, expect).await.map_err(|s| (have, s))? {
            Ok(data) => {
                hasher.update(&data);
                let op = FileOp::Write { part: part.clone(), offset: have, bytes: data };
                // A stop waits for the bytes that are here: what is kept is counted.
                have = cx.stubborn().local(op).await.map_err(|s| (have, s))?.length;
                tries = 0;
            }
            Err(why) => {
                // Another run of the container has another file system: trying again finds nothing.
                if let Some(moved) =
                    moved(cx, home.pod, home.container, &home.then).await.map_err(|s| (have, s))?
                {
                    return Err((have, Stop::Failed(format!("the transfer was cut: {moved} ({why})"))));
                }
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

async fn remote_sha(cx: &Cx, home: &Home<'_>) -> Result<String, Stop> {
    let printed = command(cx, home.pod, home.container, &["sha256sum", &home.remote]).await?;
    let sum = printed.out.split_whitespace().next().unwrap_or("").to_owned();
    if printed.code != 0 || sum.len() != 64 || !sum.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Stop::Failed(format!("sha256sum in the container failed: {}", printed.first_line())));
    }
    Ok(sum)
}

/// One chunk at `offset`, exactly `expect` bytes or the reason why not.
async fn chunk(cx: &Cx, home: &Home<'_>, offset: u64, expect: u64) -> Result<Result<Vec<u8>, String>, Stop> {
    let (input, block) = (format!("if={}", home.remote), format!("bs={BLOCK}"));
    let (skip, count) = (format!("skip={}", offset / BLOCK), format!("count={BLOCKS}"));
    let exec = jvm::exec(home.pod, home.container, &["dd", &input, &block, &skip, &count]);
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
pub(super) async fn clean(cx: &Cx, home: &Home<'_>) -> bool {
    let cx = cx.stubborn();
    matches!(command(&cx, home.pod, home.container, &["rm", "-f", &home.remote]).await, Ok(p) if p.code == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_that_were_left_are_found_in_the_listing() {
        let ls = "total 790\n\
            -rw-------    1 0        0         404750336 Nov 21 01:05 khud-1-1795223153000.hprof\n\
            -rw-------    1 0        0              1234 Nov 21 02:05 khud-7-1795226753000.hprof\n\
            -rw-r--r--    1 0        0                 3 Nov 21 01:05 khud-notes.txt\n\
            drwxr-xr-x    2 0        0              4096 Nov 21 01:05 hsperfdata_root\n";
        let found = left_in(ls, "/tmp");
        let expected =
            [("/tmp/khud-1-1795223153000.hprof", 404_750_336), ("/tmp/khud-7-1795226753000.hprof", 1234)];
        assert_eq!(found, expected.map(|(path, n)| (path.to_owned(), n)));
        assert!(left_in("ls: /tmp: Permission denied\n", "/tmp").is_empty());
    }
}
