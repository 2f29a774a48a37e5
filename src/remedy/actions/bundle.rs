//! Bundle: the evidence of an object in one file, for whoever looks at it later.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::bundle::around::{Around, ContainerLog, around};
use crate::remedy::bundle::{ENDING, File, INDEX, hidden, words};
use crate::remedy::cx::Cx;
use crate::remedy::diff;
use crate::remedy::files::{FileOp, safe_name};
use crate::remedy::jvm;
use crate::remedy::plan::{LocalFile, Severity};
use crate::remedy::run::{Done, Job, Params, Progress, Stop};
use crate::world::ask::Call;
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Bundle",
    about: "its evidence in one file: objects, events, logs",
    options: &[jvm::OUT, Spec::value("lines", "N", "lines of each log, from its end (default: 2000)")],
    rights: &[Right::on_target("get")],
    kubectl,
    ..Action::new("bundle", start)
};

/// kubectl has no such command; the nearest one reads the object alone.
fn kubectl(target: &ObjectRef, _: &Params) -> String {
    match &*target.namespace {
        "" => format!("kubectl describe {}/{}", target.kind.name().to_ascii_lowercase(), target.name),
        namespace => format!("kubectl cluster-info dump -n {namespace}"),
    }
}

/// Objects of the same incident that are taken along.
const OTHERS: usize = 12;
/// The most bytes of one log.
const LOG: usize = 1 << 20;
/// The most bytes of all texts. Whoever hands it on has a limit, too.
const ALL: usize = 48 << 20;

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let lines: u32 = match params.get("lines") {
        None => 2000,
        Some(text) => text.parse().map_err(|_| format!("--lines {text:?} is not a number of lines"))?,
    };
    Ok(Box::pin(async move {
        cx.target(&target).await?;
        let known = cx.known(&target).await?;
        let (of, others) = (target.clone(), known.objects.clone());
        let found = cx
            .look(move |world, _| {
                let mut found = around(world, &of);
                others.iter().take(OTHERS).for_each(|o| found.join(around(world, o)));
                found
            })
            .await?;
        match known.objects.len() {
            0 => {}
            all => cx.impact(
                format!("its incident has {all} more objects; {} of them are taken along", all.min(OTHERS)),
                Severity::Info,
                "with their owners, pods and logs",
            ),
        }
        cx.impact(
            format!("{} objects and {} containers' logs are read", found.objects.len(), found.logs.len()),
            Severity::Info,
            "what Secrets hold, and what a name or its form calls secret, is left out and listed",
        );
        if found.more_pods > 0 {
            cx.impact(
                format!("{} more pods are left out", found.more_pods),
                Severity::Info,
                "those that are not ready come first",
            );
        }
        let path = file(&target, params.get("out").map_or(".", String::as_str), cx.now().seconds());
        cx.begin().await?;
        // Before the rest is read: a cluster in trouble changes meanwhile.
        let (all, now) = (found.objects.clone(), cx.now());
        let said = cx
            .look(move |world, _| {
                let events = words::events(world, &all);
                (words::wrong(world, &all, now), events, words::measured(world, &all))
            })
            .await?;
        let mut bundle = Bundle::default();
        for (File { name, text }, about) in known.files {
            bundle.add(name, text, about);
        }
        objects(&cx, &mut bundle, &found).await?;
        logs(&cx, &mut bundle, &found.logs, lines).await?;
        bundle.add("events.txt".to_owned(), said.1, "their events, oldest first");
        bundle.add(
            "measured.txt".to_owned(),
            said.2,
            "memory and CPU over time, as far as khud has read any",
        );
        let texts = bundle.texts(&cx, &target, &said.0);
        let count = texts.len();
        let done = cx.local(FileOp::Archive { path: path.clone(), texts, at: now.seconds() }).await?;
        let sha256 = done.sha256.unwrap_or_default();
        cx.file(LocalFile { path: path.display().to_string(), bytes: done.length, sha256 });
        let missing = match bundle.unread.len() {
            0 => String::new(),
            n => format!("; {n} things could not be read and are listed in it"),
        };
        Ok(Done::Verified(format!(
            "{count} texts are in {}{missing}; `khud {}` opens it",
            path.display(),
            path.display()
        )))
    }))
}

/// The file that is written: the one that is named, or one in the folder that is named.
fn file(target: &ObjectRef, out: &str, at: i64) -> PathBuf {
    if out.ends_with(ENDING) {
        return PathBuf::from(out);
    }
    let space = if target.namespace.is_empty() { String::new() } else { format!("{}-", target.namespace) };
    let name = format!("{}-{space}{}-{at}", target.kind.name().to_ascii_lowercase(), target.name);
    Path::new(out).join(format!("{}{ENDING}", safe_name(&name)))
}

/// What was read so far.
#[derive(Default)]
struct Bundle {
    texts: Vec<File>,
    bytes: usize,
    /// A line for each text in the index.
    about: Vec<String>,
    /// What could not be read, and why.
    unread: Vec<String>,
    hidden: Vec<String>,
}

impl Bundle {
    fn add(&mut self, name: String, text: String, about: &str) {
        if text.is_empty() {
            return;
        }
        if self.bytes + text.len() > ALL {
            self.unread.push(format!("{name}: the bundle is full ({} MiB)", ALL >> 20));
            return;
        }
        self.bytes += text.len();
        self.about.push(format!("- {name}: {about}, {} bytes", text.len()));
        self.texts.push(File { name, text });
    }

    /// All of it, the index first.
    fn texts(&mut self, cx: &Cx, target: &ObjectRef, wrong: &str) -> Vec<File> {
        let list = |of: &[String], none: &str| match of {
            [] => format!("{none}\n"),
            of => of.iter().map(|line| format!("{line}\n")).collect(),
        };
        let unread: Vec<String> = self.unread.iter().map(|u| format!("- {}", words::one_line(u))).collect();
        let hidden: String = self.hidden.iter().map(|h| format!("- {h}\n")).collect();
        let text = format!(
            "# Evidence of {target}\n\nWritten by khud {} at {} from the context {}.\n\n## What is wrong\n\n{}\n## Texts\n\n\
             `khud FILE --show NAME` prints one.\n\n{}\n## Not read\n\n{}\n## Left out because it may be secret\n\n{hidden}",
            env!("CARGO_PKG_VERSION"),
            cx.now(),
            cx.options().context,
            if wrong.is_empty() { "khud's rules find nothing in what was read.\n" } else { wrong },
            list(&self.about, "Nothing."),
            list(&unread, "Everything was read."),
        );
        let mut out = vec![File { name: INDEX.to_owned(), text }];
        out.append(&mut self.texts);
        out
    }
}

/// Reads one thing; why it could not be read is kept instead.
async fn read(cx: &Cx, bundle: &mut Bundle, name: &str, path: String) -> Result<Option<Value>, Stop> {
    match cx.call(Call::get(path)).await {
        Ok(answer) if answer.ok() => return Ok(Some(answer.body)),
        Ok(answer) => bundle.unread.push(format!("{name}: {} ({})", answer.message(), answer.status)),
        // The server may be half dead: what else there is counts the more.
        Err(Stop::Failed(why)) => bundle.unread.push(format!("{name}: {why}")),
        Err(stop) => return Err(stop),
    }
    Ok(None)
}

fn place(object: &ObjectRef) -> String {
    let kind = safe_name(&object.kind.name().to_ascii_lowercase());
    match &*object.namespace {
        "" => format!("{kind}/{}", safe_name(&object.name)),
        namespace => format!("{kind}/{}/{}", safe_name(namespace), safe_name(&object.name)),
    }
}

/// The objects as YAML, and what the metrics API and the kubelet say of pods and nodes.
async fn objects(cx: &Cx, bundle: &mut Bundle, found: &Around) -> Result<(), Stop> {
    let all = found.objects.len() as u64;
    for (i, object) in found.objects.iter().enumerate() {
        cx.progress(Progress {
            line: format!("reading {object}"),
            done: i as u64,
            total: all,
            items: Vec::new(),
        });
        let name = format!("objects/{}.yaml", place(object));
        if let Some(body) = read(cx, bundle, &name, object.path()).await? {
            let (body, hidden) = hidden::hide(body);
            bundle.hidden.extend(hidden.into_iter().map(|h| format!("{name}: {h}")));
            bundle.add(name, diff::yaml(&body), "the object");
        }
        let usage = match object.kind {
            Kind::Pod => format!("namespaces/{}/pods/{}", object.namespace, object.name),
            Kind::Node => format!("nodes/{}", object.name),
            _ => continue,
        };
        let name = format!("usage/{}.yaml", place(object));
        if let Some(body) = read(cx, bundle, &name, format!("/apis/metrics.k8s.io/v1beta1/{usage}")).await? {
            bundle.add(name, diff::yaml(&body), "CPU and memory by the metrics API");
        }
    }
    Ok(())
}

/// The logs, each container's with that of the run before.
async fn logs(cx: &Cx, bundle: &mut Bundle, of: &[ContainerLog], lines: u32) -> Result<(), Stop> {
    for (i, ContainerLog { pod, container, previous }) in of.iter().enumerate() {
        let line = format!("reading the log of {container} of {pod}");
        cx.progress(Progress { line, done: i as u64, total: of.len() as u64, items: Vec::new() });
        for before in [false, true].into_iter().filter(|b| !b || *previous) {
            let run = if before { ".previous" } else { "" };
            let name = format!("logs/{}/{}{run}.log", place(pod), safe_name(container));
            // With its time before it no line is taken for JSON.
            let path = format!(
                "{}/log?container={container}&tailLines={lines}&limitBytes={LOG}&timestamps=true{}",
                pod.path(),
                if before { "&previous=true" } else { "" }
            );
            if let Some(body) = read(cx, bundle, &name, path).await? {
                let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
                bundle.add(name, text, if before { "the log of the run before" } else { "the log" });
            }
        }
    }
    Ok(())
}
