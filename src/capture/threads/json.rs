//! Parses JSON thread dumps: `jcmd Thread.dump_to_file -format=json`, Spring Boot's `/actuator/threaddump`,
//! `py-spy dump --json`.

use serde::Deserialize;

use super::{Dump, Frame, How, Lock, Runtime, Thread, Unreadable, Wait, jvm};

/// Parses the JSON text, which starts `skipped` bytes into the file.
pub fn parse(text: &str, skipped: usize) -> Result<Vec<Dump>, Unreadable> {
    let any: Any = serde_json::from_str(text).map_err(|e| {
        let line_start: usize =
            text.split_inclusive('\n').take(e.line().saturating_sub(1)).map(str::len).sum();
        let offset = (line_start + e.column()).min(text.len());
        let whole = text.as_bytes().get(..offset).unwrap_or_default();
        let threads = [&b"\"stack\""[..], b"\"stackTrace\"", b"\"frames\""];
        let seen =
            threads.map(|key| whole.windows(key.len()).filter(|w| *w == key).count()).into_iter().max();
        Unreadable {
            offset: (skipped + offset) as u64,
            what: if e.is_eof() { "the JSON ends too early,".to_owned() } else { format!("{e},") },
            readable: format!("{} threads begin before it", seen.unwrap_or(0)),
        }
    })?;
    Ok(match any {
        Any::Jvm { dump } => vec![dump.into_dump()],
        Any::Spring { threads } => vec![spring(threads)],
        Any::PySpy(threads) => vec![py_spy(threads)],
    })
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Any {
    Jvm {
        #[serde(rename = "threadDump")]
        dump: JvmDump,
    },
    Spring {
        threads: Vec<SpringThread>,
    },
    PySpy(Vec<PyThread>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JvmDump {
    time: Option<String>,
    thread_containers: Vec<Container>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default)]
    container: String,
    #[serde(default)]
    threads: Vec<JvmThread>,
    thread_count: Option<Number>,
}

/// The first version of the format writes numbers as strings, because JSON numbers are not exact.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Number(u64),
}

impl Number {
    fn text(self) -> String {
        match self {
            Number::Text(text) => text,
            Number::Number(number) => number.to_string(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JvmThread {
    tid: Number,
    #[serde(default)]
    name: String,
    state: Option<String>,
    #[serde(default, rename = "virtual")]
    is_virtual: bool,
    park_blocker: Option<ParkBlocker>,
    blocked_on: Option<String>,
    waiting_on: Option<String>,
    #[serde(default)]
    stack: Vec<String>,
    #[serde(default)]
    monitors_owned: Vec<Monitors>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParkBlocker {
    object: Option<String>,
    /// The owner of the lock. The format reserves the field.
    exclusive_owner_thread_id: Option<Number>,
}

#[derive(Deserialize)]
struct Monitors {
    #[serde(default)]
    locks: Vec<Option<String>>,
}

impl JvmDump {
    fn into_dump(self) -> Dump {
        let mut dump = Dump { taken: self.time, ..Dump::of(Runtime::Jvm) };
        let (mut listed, mut counted) = (0, 0);
        let mut owners: Vec<(String, Lock)> = Vec::new();
        for container in self.thread_containers {
            listed += container.threads.len() as u64;
            counted += container.thread_count.and_then(|n| n.text().parse::<u64>().ok()).unwrap_or(0);
            let structured = container.container != "<root>" && !container.container.is_empty();
            for thread in container.threads {
                let mut thread = thread.into_thread(&mut owners);
                // Before JDK 24, a virtual thread is recognised only by its empty name inside a container.
                thread.is_virtual |= structured && thread.name.is_empty();
                dump.threads.push(thread);
            }
        }
        for (owner, lock) in owners {
            dump.lists_lock_owners = true;
            if let Some(thread) = dump.threads.iter_mut().find(|t| t.id == owner)
                && !thread.holds.contains(&lock)
            {
                thread.holds.push(lock);
            }
        }
        if counted > listed {
            dump.incomplete = Some(format!(
                "the JVM counted {counted} threads and listed {listed}: it does not track the others"
            ));
        }
        dump
    }
}

impl JvmThread {
    fn into_thread(self, owners: &mut Vec<(String, Lock)>) -> Thread {
        let entering = self.blocked_on.map(|id| Wait { how: How::Enter, lock: identity(id) });
        let parked = self.park_blocker.and_then(|b| {
            let lock = identity(b.object?);
            owners.extend(b.exclusive_owner_thread_id.map(|id| (format!("#{}", id.text()), lock.clone())));
            Some(Wait { how: How::Park, lock })
        });
        let notified = self.waiting_on.map(|id| Wait { how: How::Notify, lock: identity(id) });
        let waits = entering.or(parked).or(notified);
        let mut holds: Vec<Lock> =
            self.monitors_owned.into_iter().flat_map(|m| m.locks).flatten().map(identity).collect();
        if let Some(wait) = &waits {
            holds.retain(|held| held.id != wait.lock.id);
        }
        Thread {
            name: self.name,
            id: format!("#{}", self.tid.text()),
            state: self.state.unwrap_or_else(|| "UNKNOWN".to_owned()),
            is_virtual: self.is_virtual,
            frames: self.stack.iter().map(|f| jvm::frame(f)).collect(),
            waits,
            holds,
            count: 1,
            ..Thread::default()
        }
    }
}

/// Parses `java.lang.Object@1b2c3d`.
fn identity(id: String) -> Lock {
    let class = id.split('@').next().unwrap_or_default().to_owned();
    Lock { id, class }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpringThread {
    thread_name: String,
    thread_id: u64,
    #[serde(default)]
    thread_state: String,
    lock_info: Option<SpringLock>,
    #[serde(default)]
    stack_trace: Vec<SpringFrame>,
    #[serde(default)]
    locked_monitors: Vec<SpringLock>,
    #[serde(default)]
    locked_synchronizers: Vec<SpringLock>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpringLock {
    class_name: String,
    identity_hash_code: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpringFrame {
    class_name: String,
    method_name: String,
    file_name: Option<String>,
    #[serde(default)]
    line_number: i64,
    #[serde(default)]
    native_method: bool,
}

impl From<SpringLock> for Lock {
    fn from(lock: SpringLock) -> Lock {
        Lock { id: format!("{}@{:x}", lock.class_name, lock.identity_hash_code), class: lock.class_name }
    }
}

fn spring(threads: Vec<SpringThread>) -> Dump {
    let mut dump = Dump { lists_lock_owners: true, ..Dump::of(Runtime::Jvm) };
    for thread in threads {
        let how = match thread.thread_state.as_str() {
            "BLOCKED" => How::Enter,
            _ if thread.stack_trace.iter().take(2).any(|f| f.method_name == "park") => How::Park,
            _ => How::Notify,
        };
        let frames = thread.stack_trace.into_iter().map(|f| {
            let place = match (f.native_method, f.file_name) {
                (true, _) => "Native Method".to_owned(),
                (false, Some(file)) if f.line_number > 0 => format!("{file}:{}", f.line_number),
                (false, file) => file.unwrap_or_else(|| "Unknown Source".to_owned()),
            };
            Frame { function: format!("{}.{}", f.class_name, f.method_name), place }
        });
        let waits = thread.lock_info.map(|lock| Wait { how, lock: lock.into() });
        let mut holds: Vec<Lock> =
            thread.locked_monitors.into_iter().chain(thread.locked_synchronizers).map(Lock::from).collect();
        holds.retain(|held| waits.as_ref().is_none_or(|w: &Wait| w.lock.id != held.id));
        dump.threads.push(Thread {
            name: thread.thread_name,
            id: format!("#{}", thread.thread_id),
            state: thread.thread_state,
            frames: frames.collect(),
            waits,
            holds,
            count: 1,
            ..Thread::default()
        });
    }
    dump
}

#[derive(Deserialize)]
struct PyThread {
    thread_id: u64,
    thread_name: Option<String>,
    #[serde(default)]
    active: bool,
    #[serde(default)]
    owns_gil: bool,
    frames: Vec<PyFrame>,
}

#[derive(Deserialize)]
struct PyFrame {
    name: String,
    filename: String,
    short_filename: Option<String>,
    #[serde(default)]
    line: i64,
}

fn py_spy(threads: Vec<PyThread>) -> Dump {
    let mut dump = Dump::of(Runtime::Python);
    dump.threads.extend(threads.into_iter().map(|thread| {
        let state = match (thread.active, thread.owns_gil) {
            (_, true) => "active+gil",
            (true, false) => "active",
            (false, false) => "idle",
        };
        let frames = thread.frames.into_iter().map(|f| {
            let file = f.short_filename.unwrap_or(f.filename);
            let place = if f.line > 0 { format!("{file}:{}", f.line) } else { file };
            Frame { function: f.name, place }
        });
        Thread {
            name: thread.thread_name.unwrap_or_default(),
            id: thread.thread_id.to_string(),
            state: state.to_owned(),
            frames: frames.collect(),
            count: 1,
            ..Thread::default()
        }
    }));
    dump
}
