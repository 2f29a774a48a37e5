//! Java in a container, through exec: find the JVM, ask jcmd. No shell, and no cluster text in any command.

use std::sync::LazyLock;

use regex::Regex;

use super::action::Spec;
use super::cx::Cx;
use super::diff;
use super::files::{FileOp, safe_name};
use super::plan::{LocalFile, Severity, Stage};
use super::run::{Done, Params, Stop};
use crate::world::ask::Exec;
use crate::world::{ContainerState, ObjectRef, Probe, Role};

/// Options that the captures share.
pub(super) const CONTAINER: Spec =
    Spec::value("container", "NAME", "the container the JVM runs in").short('c');
pub(super) const OUT: Spec = Spec::value("out", "DIR", "where the file goes (default: here)");
pub(super) const PID: Spec = Spec::value("pid", "PID", "which JVM, where there are several");
pub(super) const ALL: Spec = Spec::flag("all", "unreachable objects too, without a full GC first");

/// `kubectl exec` of these words in the target.
pub(super) fn kubectl(target: &ObjectRef, params: &Params, words: &str) -> String {
    let container = params.get("container").map_or_else(String::new, |c| format!(" -c {c}"));
    format!("kubectl exec -n {} {}{container} -- {words}", target.namespace, target.name)
}

/// A JVM in a container of the target pod.
#[derive(Clone, Debug)]
pub(super) struct Jvm {
    pub container: String,
    pub pid: u32,
    /// The main class or jar, as jcmd prints it.
    pub main: String,
    pub liveness: Option<Probe>,
    /// Bytes; the container's ephemeral-storage limit.
    pub storage_limit: Option<u64>,
}

/// What a command printed, as text.
pub(super) struct Printed {
    pub out: String,
    pub err: String,
    pub code: i32,
}

/// Runs a command and takes its output as text (invalid UTF-8 replaced).
pub(super) async fn command(
    cx: &Cx,
    pod: &ObjectRef,
    container: &str,
    words: &[&str],
) -> Result<Printed, Stop> {
    let exec = exec(pod, container, words);
    Ok(match cx.exec(exec).await? {
        Ok(o) => Printed {
            out: String::from_utf8_lossy(&o.stdout).into_owned(),
            err: String::from_utf8_lossy(&o.stderr).into_owned(),
            code: o.exit_code,
        },
        Err(why) => Printed { out: String::new(), err: why, code: -1 },
    })
}

pub(super) fn exec(pod: &ObjectRef, container: &str, words: &[&str]) -> Exec {
    Exec {
        namespace: pod.namespace.clone(),
        pod: pod.name.clone(),
        container: container.into(),
        command: words.iter().map(|w| (*w).to_owned()).collect(),
    }
}

impl Printed {
    /// The first line that says something, for an error sentence.
    pub fn first_line(&self) -> String {
        let text = if self.err.trim().is_empty() { &self.out } else { &self.err };
        let line = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.ends_with(':')).unwrap_or("");
        if line.is_empty() { format!("exit status {}", self.code) } else { line.chars().take(300).collect() }
    }
}

/// Finds the JVM: the container named, or each running app container in turn.
pub(super) async fn find(cx: &Cx, pod: &ObjectRef, params: &Params) -> Result<Jvm, Stop> {
    let object = pod.clone();
    let running = cx
        .look(move |world, _| {
            let p = world.pods.find(&object.namespace, &object.name)?;
            let list: Vec<_> = p
                .containers
                .iter()
                .filter(|c| matches!(c.spec.role, Role::App | Role::Sidecar))
                .map(|c| {
                    let up = matches!(c.state, ContainerState::Running { .. });
                    (c.spec.name.to_string(), up, c.spec.liveness.clone(), c.spec.limits.ephemeral_storage)
                })
                .collect();
            Some(list)
        })
        .await?
        .ok_or_else(|| Stop::Refused(format!("there is no {pod}")))?;
    let wanted = params.get("container");
    if let Some(name) = wanted
        && !running.iter().any(|c| c.0 == *name)
    {
        let names: Vec<&str> = running.iter().map(|c| c.0.as_str()).collect();
        return Err(Stop::Refused(format!("{pod} has no container {name}; it has {}", names.join(", "))));
    }
    let mut tried = Vec::new();
    for (name, up, liveness, storage_limit) in running {
        if wanted.is_some_and(|w| *w != name) {
            continue;
        }
        if !up {
            tried.push(format!("{name} does not run"));
            continue;
        }
        let printed = command(cx, pod, &name, &["jcmd", "-l"]).await?;
        if printed.code != 0 {
            // The runtime's sentence is long and says in its middle that there is no such program.
            let absent = ["executable file not found", "no such file or directory"]
                .iter()
                .any(|t| printed.err.contains(t));
            let why = if absent {
                "there is no jcmd in the image".to_owned()
            } else {
                format!("jcmd does not run ({})", printed.first_line())
            };
            tried.push(format!("{name}: {why}"));
            continue;
        }
        let mut found = processes(&printed.out);
        if found.is_empty() {
            found = in_proc(cx, pod, &name).await?;
        }
        if let Some(pid) = params.get("pid") {
            found.retain(|(p, _)| p.to_string() == *pid);
        }
        match found.as_slice() {
            [] => tried.push(format!("{name}: no JVM")),
            [(pid, main)] => {
                return Ok(Jvm { container: name, pid: *pid, main: main.clone(), liveness, storage_limit });
            }
            many => {
                let list: Vec<String> = many.iter().map(|(p, m)| format!("{p} {m}")).collect();
                return Err(Stop::Refused(format!(
                    "container {name} runs {} JVMs ({}); choose one with --pid",
                    many.len(),
                    list.join(", ")
                )));
            }
        }
    }
    Err(Stop::Refused(format!("no JVM to ask in {pod}: {}", tried.join("; "))))
}

/// The name of the pod's first app container.
pub(super) async fn first_container(cx: &Cx, pod: &ObjectRef) -> Result<String, Stop> {
    let object = pod.clone();
    let first = cx
        .look(move |world, _| {
            let p = world.pods.find(&object.namespace, &object.name)?;
            let app = p.containers.iter().find(|c| c.spec.role == Role::App)?;
            Some(app.spec.name.to_string())
        })
        .await?;
    first.ok_or_else(|| Stop::Refused(format!("there is no {pod}")))
}

/// JVMs that `jcmd -l` does not list, because they share no performance data (-XX:+PerfDisableSharedMem) or run as a
/// user without a name: processes that have mapped libjvm.so. jcmd reaches them by their pid.
async fn in_proc(cx: &Cx, pod: &ObjectRef, container: &str) -> Result<Vec<(u32, String)>, Stop> {
    let listed = command(cx, pod, container, &["ls", "/proc"]).await?;
    let pids: Vec<u32> = listed.out.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    if pids.is_empty() {
        return Ok(Vec::new());
    }
    let maps: Vec<String> = pids.iter().map(|p| format!("/proc/{p}/maps")).collect();
    let mut words = vec!["grep", "-l", "-s", "libjvm.so"];
    words.extend(maps.iter().map(String::as_str));
    // grep fails on the processes that it may not read; what it printed holds all the same.
    let found = command(cx, pod, container, &words).await?;
    let pid = |line: &str| line.trim().strip_prefix("/proc/")?.strip_suffix("/maps")?.parse().ok();
    Ok(found
        .out
        .lines()
        .filter_map(pid)
        .map(|p: u32| (p, "a JVM that jcmd does not list".to_owned()))
        .collect())
}

/// `jcmd -l`: pid and main class, without jcmd itself.
fn processes(text: &str) -> Vec<(u32, String)> {
    text.lines()
        .filter_map(|line| {
            let (pid, main) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            Some((pid.parse().ok()?, main.to_owned()))
        })
        .filter(|(_, main)| !main.contains("sun.tools.jcmd") && !main.contains("sun.tools.jps"))
        .collect()
}

static USED: LazyLock<Regex> = LazyLock::new(|| {
    // A literal pattern; a test compiles it.
    #[allow(clippy::expect_used)]
    Regex::new(r"used (?P<n>\d+)(?P<unit>[KMG])").expect("compiles")
});

/// Bytes of heap in use, from `GC.heap_info`: the generations' lines, not the spaces inside them, not metaspace.
pub(super) fn heap_used(text: &str) -> Option<u64> {
    let mut sum = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("Metaspace") || trimmed.starts_with("class space") {
            continue;
        }
        if let Some(c) = USED.captures(line) {
            let n: u64 = c["n"].parse().ok()?;
            let unit = match &c["unit"] {
                "K" => 1u64 << 10,
                "M" => 1 << 20,
                _ => 1 << 30,
            };
            sum = Some(sum.unwrap_or(0) + n * unit);
        }
    }
    sum
}

/// Seconds until the kubelet kills a container whose liveness probe stops answering.
pub(super) fn killed_after(probe: &Probe) -> u64 {
    u64::from(probe.failure_threshold) * u64::from(probe.period) + u64::from(probe.timeout)
}

/// A time for a file name: `20261121T010553Z`.
pub(super) fn stamp(at: crate::world::Time) -> String {
    let text = crate::world::Time(at.seconds() * 1000).to_string();
    text.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// The local path of a capture: out directory, pod, container, time.
pub(super) fn local_path(
    cx: &Cx,
    pod: &ObjectRef,
    container: &str,
    params: &Params,
    what: &str,
) -> std::path::PathBuf {
    let name = safe_name(&format!("{}-{container}", pod.name));
    let dir = params.get("out").map_or(".", String::as_str);
    std::path::Path::new(dir).join(format!("{name}-{}.{what}", stamp(cx.now())))
}

/// A jcmd command whose output is text: run it, keep it.
pub(super) async fn text(
    cx: Cx,
    pod: ObjectRef,
    params: Params,
    words: &'static [&'static str],
    what: &str,
    pause: &str,
) -> Result<Done, Stop> {
    cx.guards().await?;
    cx.cleared()?;
    let jvm = find(&cx, &pod, &params).await?;
    let pid = jvm.pid.to_string();
    let mut command_words = vec!["jcmd", pid.as_str()];
    command_words.extend(words);
    cx.kubectl(format!(
        "kubectl exec -n {} {} -c {} -- {}",
        pod.namespace,
        pod.name,
        jvm.container,
        command_words.join(" ")
    ));
    cx.change(pod.clone(), diff::unified(&serde_json::Value::Null, &serde_json::Value::Null));
    cx.impact("the JVM pauses", Severity::Info, format!("for {pause}"));
    let path = local_path(&cx, &pod, &jvm.container, &params, what);
    cx.impact("file", Severity::Info, format!("written to {}", path.display()));
    cx.confirm(format!("Run {} in {pod} ({})?", words[0], jvm.main), None).await?;
    let run = exec(&pod, &jvm.container, &command_words);
    cx.stage(Stage::Watching);
    let output = cx.exec(run.clone()).await?;
    cx.note_exec(&run, if output.is_ok() { 101 } else { 0 });
    let output = output.map_err(|why| Stop::Failed(format!("{} could not run: {why}", words[0])))?;
    if output.exit_code != 0 || output.stdout.is_empty() {
        let text = String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("").to_owned();
        return Err(Stop::Failed(format!(
            "{} failed with exit status {}: {text}",
            words[0], output.exit_code
        )));
    }
    let bytes = output.stdout.len() as u64;
    let sha256 = super::transfer::hex(&sha2::Digest::finalize(
        <sha2::Sha256 as sha2::Digest>::new_with_prefix(&output.stdout),
    ));
    cx.local(FileOp::Save { path: path.clone(), bytes: output.stdout }).await?;
    cx.file(LocalFile { path: path.display().to_string(), bytes, sha256 });
    if output.truncated {
        return Ok(Done::Applied(format!(
            "{} is cut short: the output was longer than khud takes",
            path.display()
        )));
    }
    Ok(Done::Verified(format!("{} of {pod} in {}", words[0], path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Handler;

    #[test]
    fn jcmd_output_is_read() {
        // captures/exec/jcmd-list.txt, jcmd-heap-info.txt
        let list = "1 Leak 1\n20 jdk.jcmd/sun.tools.jcmd.JCmd -l\n";
        assert_eq!(processes(list), [(1, "Leak 1".to_owned())]);
        let info = " def new generation   total 13696K, used 9699K [0x00000000f3800000, 0x0)\n  eden space 12224K,  79% used [0x0, 0x0)\n  from space 1472K,   0% used [0x0)\n tenured generation   total 30212K, used 18125K [0x0)\n   the space 30212K,  59% used [0x0)\n Metaspace       used 335K, committed 512K, reserved 1114112K\n  class space    used 23K, committed 128K, reserved 1048576K\n";
        assert_eq!(heap_used(info), Some((9699 + 18125) * 1024));
        assert_eq!(heap_used(" garbage-first heap   total 262144K, used 34567K [0x0)"), Some(34567 * 1024));
        assert_eq!(heap_used("1:\n"), None);
    }

    #[test]
    fn a_liveness_probe_kills_after_its_failures() {
        let probe = Probe {
            handler: Handler::Tcp { port: "8080".into() },
            initial_delay: 0,
            period: 15,
            timeout: 1,
            failure_threshold: 6,
        };
        assert_eq!(killed_after(&probe), 91);
    }
}
