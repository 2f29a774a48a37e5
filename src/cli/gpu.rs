//! `khud gpu`: the GPUs of this machine and the pods that hold them, without a cluster.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::args::{Gpu as Args, TableOrJson};
use super::{exit, out};
use crate::telemetry::cgroup::{self, Pods};
use crate::telemetry::nvml;
use crate::term::clean;
use crate::world::gpu::Gpu;
use crate::world::{Clock, Text, Time};

/// How often `--watch` looks.
const EVERY: Duration = Duration::from_secs(2);

pub fn run(args: &Args) -> u8 {
    let library = match nvml::load() {
        Ok(library) => library,
        Err(why) => {
            out::complain(&why);
            return exit::FAILED;
        }
    };
    let clock = Clock::wall();
    loop {
        let text = match look(&library, clock.now()) {
            Ok((driver, gpus)) => match args.output {
                TableOrJson::Table => table(&driver, &gpus),
                TableOrJson::Json => json(&host(), &driver, &gpus, args.watch),
            },
            Err(why) => {
                out::complain(&why);
                return exit::FAILED;
            }
        };
        let again = args.watch && args.output == TableOrJson::Table && std::io::stdout().is_terminal();
        let clear = if again { "\x1b[H\x1b[2J" } else { "" };
        if let code @ 1.. = out::result(&format!("{clear}{text}")) {
            return code;
        }
        if !args.watch {
            return exit::DONE;
        }
        std::thread::sleep(EVERY);
    }
}

/// Every GPU of this machine now.
///
/// # Errors
/// A sentence where the driver tells nothing.
pub fn look(library: &dyn nvml::Library, now: Time) -> Result<(Text, Vec<Gpu>), String> {
    let pods = Pods::read(Path::new("/var/log"));
    let place = |pid: u32| cgroup::place(&std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?);
    nvml::read(library, &host(), &pods, &place, now)
}

/// The node's name, where the DaemonSet gives it, else the machine's.
pub fn host() -> Text {
    let given = std::env::var("NODE_NAME").ok().filter(|n| !n.is_empty());
    let own = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    given.or_else(own).map_or_else(|| "localhost".into(), |n| n.trim().into())
}

/// One GPU or slice. Sizes in bytes, utilisation in per cent, degrees Celsius, watt; what is not known is null.
#[derive(Serialize)]
struct Line<'g> {
    index: u32,
    /// The MIG instance and its profile; null for a whole GPU.
    instance: Option<&'g str>,
    profile: Option<&'g str>,
    uuid: &'g str,
    name: &'g str,
    memory_used: Option<u64>,
    memory_total: Option<u64>,
    utilisation: Option<f64>,
    temperature: Option<f64>,
    power: Option<f64>,
    pods: Vec<PodLine<'g>>,
    /// `ok`, `slowed` (for heat) or `failed`.
    state: &'static str,
    reason: Option<&'g str>,
}

#[derive(Serialize)]
struct PodLine<'g> {
    namespace: &'g str,
    name: &'g str,
    container: &'g str,
    memory: Option<u64>,
}

fn said(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The contract's document: on one line where others follow.
fn json(host: &str, driver: &str, gpus: &[Gpu], one_line: bool) -> String {
    let line = |g: &'_ Gpu| -> serde_json::Value {
        let hot = g.slowdown.is_some_and(|s| s.thermal);
        let (state, reason) = match () {
            () if !g.trouble.is_empty() => ("failed", Some(&*g.trouble)),
            () if hot => ("slowed", Some("the clocks are lowered for heat")),
            () if g.memory.unified => ("ok", Some("unified memory: its use is the machine's")),
            () => ("ok", None),
        };
        let pods = g.holders.iter().map(|h| PodLine {
            namespace: &h.namespace,
            name: &h.pod,
            container: &h.container,
            memory: h.memory,
        });
        let line = Line {
            index: g.index,
            instance: said(&g.instance),
            profile: said(&g.profile),
            uuid: &g.uuid,
            name: &g.model,
            memory_used: g.memory.used,
            memory_total: g.total(),
            utilisation: g.busy,
            temperature: g.temperature,
            power: g.power,
            pods: pods.collect(),
            state,
            reason,
        };
        serde_json::to_value(line).unwrap_or_default()
    };
    let answer = serde_json::json!({
        "host": host, "driver": driver, "source": "nvml", "gpus": gpus.iter().map(line).collect::<Vec<_>>(),
    });
    if one_line { format!("{answer}\n") } else { format!("{answer:#}\n") }
}

fn table(driver: &str, gpus: &[Gpu]) -> String {
    let mut out = format!("driver {}, {} GPUs and slices\n", clean(driver), gpus.len());
    let gib =
        |bytes: Option<u64>| bytes.map_or("?".to_owned(), |b| format!("{:.1}", b as f64 / 1_073_741_824.0));
    let number = |v: Option<f64>, unit: &str| v.map_or("?".to_owned(), |v| format!("{v:.0}{unit}"));
    let head = ["GPU", "NAME", "MEMORY", "BUSY", "TEMP", "POWER", "STATE", "PODS"].map(str::to_owned);
    let rows = gpus.iter().map(|g| {
        let dot =
            if g.instance.is_empty() { String::new() } else { format!(".{} {}", g.instance, g.profile) };
        let memory = if g.memory.unified {
            "unified".to_owned()
        } else {
            format!("{}/{} GiB", gib(g.memory.used), gib(g.total()))
        };
        let state = match () {
            () if !g.trouble.is_empty() => g.trouble.to_string(),
            () if g.slowdown.is_some_and(|s| s.thermal) => "slowed by heat".to_owned(),
            () => "ok".to_owned(),
        };
        let pods = g.holders.iter().map(|h| {
            let slash = if h.namespace.is_empty() { "" } else { "/" };
            let used = h.memory.map_or(String::new(), |b| format!(" {} GiB", gib(Some(b))));
            format!("{}{slash}{}{used}", h.namespace, h.pod)
        });
        [
            format!("{}{dot}", g.index),
            g.model.to_string(),
            memory,
            number(g.busy, "%"),
            number(g.temperature, "°C"),
            number(g.power, "W"),
            state,
            pods.collect::<Vec<_>>().join(", "),
        ]
        .map(|cell| clean(&cell).into_owned())
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    for row in &rows {
        for (i, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|r| r[i].chars().count()).max().unwrap_or(0);
            // The last column needs no padding.
            let _ = if i + 1 == row.len() { write!(out, "{cell}") } else { write!(out, "{cell:width$}  ") };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::gpu::{Holder, Memory};

    fn machine() -> Vec<Gpu> {
        let memory = Memory { used: Some(60 << 30), total: Some(80 << 30), ..Memory::default() };
        let holder = Holder {
            namespace: "ml".into(),
            pod: "llm-0".into(),
            container: "server".into(),
            memory: Some(59 << 30),
            ..Holder::default()
        };
        vec![
            Gpu {
                uuid: "GPU-a".into(),
                model: "NVIDIA H100\x1b[31m".into(),
                memory,
                busy: Some(97.0),
                holders: vec![holder],
                ..Gpu::default()
            },
            Gpu { index: 1, trouble: "device fell off the bus".into(), ..Gpu::default() },
        ]
    }

    /// The fields of the contract, with what is unknown as null.
    #[test]
    fn json_is_the_contracts() {
        let value: serde_json::Value = serde_json::from_str(&json("h", "570", &machine(), true)).unwrap();
        let said = ["host", "driver", "source"].map(|field| value[field].as_str().unwrap().to_owned());
        assert_eq!(said, ["h", "570", "nvml"]);
        let g = &value["gpus"][0];
        for field in [
            "index",
            "uuid",
            "name",
            "memory_used",
            "memory_total",
            "utilisation",
            "temperature",
            "power",
            "state",
            "reason",
        ] {
            assert!(g.get(field).is_some(), "{field}");
        }
        assert_eq!((g["memory_used"].as_u64(), g["temperature"].as_f64()), (Some(60 << 30), None));
        assert_eq!(
            g["pods"][0],
            serde_json::json!({"namespace": "ml", "name": "llm-0", "container": "server", "memory": 59u64 << 30})
        );
        let lost = &value["gpus"][1];
        assert_eq!(
            (lost["state"].as_str(), lost["reason"].as_str()),
            (Some("failed"), Some("device fell off the bus"))
        );
    }

    #[test]
    fn the_table_says_unknown_and_shows_no_escapes() {
        let text = table("570.86.15", &machine());
        assert!(
            text.contains("60.0/80.0 GiB") && text.contains("ml/llm-0 59.0 GiB") && !text.contains('\x1b'),
            "{text}"
        );
        assert!(
            text.lines().any(|l| l.contains("?/? GiB") && l.contains("device fell off the bus")),
            "{text}"
        );
    }
}
