//! System information in a container: processes, memory, names, network, GPUs.
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

use super::super::network::Unreached;
use super::super::object::text;
use super::{Output, Piece, Session};
use crate::cluster::kubelet::crash;
use crate::cluster::{dcgm, network, usage};

/// The timeout of a request.
const GIVES_UP: Duration = Duration::from_secs(5);

impl Session {
    /// Files that the kernel or the kubelet provides.
    pub(super) fn made_up(&self, path: &str) -> Option<Bytes> {
        let text = self.look(|engine, run, c| {
            let now = engine.now();
            let used = run.container_memory(c, now) as u64;
            let limit = crash::memory_limit(engine, &run.uid, self.container);
            Some(match path {
                "/proc/1/cmdline" => {
                    let jvm = c.run.as_ref().and_then(|r| r.behaviour.jvm.as_ref());
                    jvm.map_or_else(
                        || format!("{}\0", c.name),
                        |j| format!("/opt/java/bin/java\0-Xmx{}m\0-cp\0/app/app.jar\0{}\0", (j.heap.0 / 1_048_576.0) as u64, j.main),
                    )
                }
                "/proc/1/status" => format!("Name:\t{}\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t1\nPid:\t1\nPPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nVmRSS:\t{} kB\n", c.name, used / 1024),
                "/proc/meminfo" => {
                    let total = usage::node_memory(engine, &run.node) as u64 / 1024;
                    let free = total.saturating_sub(usage::node_usage(engine, &run.node, now).1 as u64 / 1024);
                    format!("MemTotal:       {total} kB\nMemFree:        {free} kB\nMemAvailable:   {free} kB\n")
                }
                "/sys/fs/cgroup/memory.max" => limit.map_or("max\n".into(), |l| format!("{}\n", l as u64)),
                "/sys/fs/cgroup/memory.current" => format!("{}\n", used + used / 20),
                "/sys/fs/cgroup/memory.stat" => format!("anon {}\nfile {}\nkernel {}\n", used * 9 / 10, used / 10, used / 50),
                "/sys/fs/cgroup/memory.events" => format!("low 0\nhigh 0\nmax {0}\noom {0}\noom_kill {0}\n", 0),
                "/etc/hostname" => format!("{}\n", run.key.name),
                "/etc/hosts" => format!("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n{}\t{}\n", run.ip.clone().unwrap_or_default(), run.key.name),
                "/etc/resolv.conf" => match text(&run.pod, "/spec/dnsPolicy") {
                    "Default" => "nameserver 10.0.0.2\n".into(),
                    _ => format!("search {}.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n", run.key.ns),
                },
                _ => return None,
            })
        });
        text.flatten().map(Bytes::from)
    }
}

pub fn run(s: &Session, tool: &str, args: &[&str]) -> Output {
    let asked = args.iter().copied().find(|a| !a.starts_with('-'));
    let clock = s.cluster.store.clock().now();
    match tool {
        "env" => Output::text(s.env.iter().map(|(k, v)| format!("{k}={v}\n")).collect::<String>()),
        "printenv" => match asked.map(|k| s.env.get(k)) {
            None => run(s, "env", &[]),
            Some(Some(value)) => Output::text(format!("{value}\n")),
            Some(None) => Output::fail(1, ""),
        },
        "id" => Output::text("uid=0(root) gid=0(root) groups=0(root)\n"),
        "whoami" => Output::text("root\n"),
        "hostname" => Output::text(s.look(|_, r, _| format!("{}\n", r.key.name)).unwrap_or_default()),
        "date" => match args.first() {
            Some(&"+%s") => Output::text(format!("{}\n", clock.as_second())),
            _ => Output::text(format!("{}\n", clock.strftime("%a %b %e %H:%M:%S UTC %Y"))),
        },
        "uname" => Output::text(if args.contains(&"-r") { "6.8.0-1021-aws\n" } else { "Linux\n" }),
        "nproc" => Output::text(
            s.look(|e, r, _| e.machines.get(&r.node).map_or(1, |m| m.cores as u64))
                .map_or_else(String::new, |n| format!("{n}\n")),
        ),
        "ps" => {
            let line = s
                .made_up("/proc/1/cmdline")
                .map(|c| String::from_utf8_lossy(&c).replace('\0', " "))
                .unwrap_or_default();
            Output::text(format!(
                "PID   USER     TIME  COMMAND\n    1 root      0:41 {line}\n   31 root      0:00 ps\n"
            ))
        }
        "free" => {
            let text = s
                .made_up("/proc/meminfo")
                .map(|m| String::from_utf8_lossy(&m).into_owned())
                .unwrap_or_default();
            let field = |n: usize| {
                text.lines()
                    .nth(n)
                    .and_then(|l| l.split_whitespace().nth(1))
                    .and_then(|v| v.parse::<u64>().ok())
                    .unwrap_or(0)
            };
            let (total, free) = (field(0), field(2));
            Output::text(format!(
                "              total        used        free      shared  buff/cache   available\nMem:     {total:>10} {:>11} {free:>11}           0           0 {free:>11}\n",
                total.saturating_sub(free)
            ))
        }
        "nslookup" | "getent" => resolve(s, tool, args),
        "wget" | "curl" | "nc" => fetch(s, tool, args),
        "nvidia-smi" => nvidia_smi(s, args),
        _ => Output::fail(127, format!("sh: 1: {tool}: not found\n")),
    }
}

/// The address of a name, by the pod's resolver. The error is nslookup's output.
fn lookup(s: &Session, name: &str) -> Result<(String, String), String> {
    let found = s.look(|engine, run, _| {
        let ours = engine.machines.get(&run.node).is_some_and(|m| m.dns);
        let server = engine.cache.in_namespace("pods", "kube-system").any(|(_, p)| {
            super::super::object::label(p, "k8s-app")
                .or(super::super::object::label(p, "app"))
                .is_some_and(|l| l.contains("dns"))
                && super::super::object::ready(p)
        });
        if !ours || !server {
            return Err(";; connection timed out; no servers could be reached\n\n".to_owned());
        }
        let bare = name.trim_end_matches('.').trim_end_matches(".cluster.local").trim_end_matches(".svc");
        let (service, ns) = bare.split_once('.').map_or((bare, &*run.key.ns), |(a, b)| (a, b));
        let full = format!("{service}.{ns}.svc.cluster.local");
        if let Some(object) = engine.cache.find("services", ns, service) {
            let ip = match text(object, "/spec/clusterIP") {
                "" | "None" => "10.96.13.37",
                ip => ip,
            };
            return Ok((full, ip.to_owned()));
        }
        let outside = name.contains('.')
            && !name.contains("cluster.local")
            && !name.contains(".svc")
            && engine.cache.find("namespaces", "", ns).is_none();
        if outside {
            return Ok((name.to_owned(), "203.0.113.10".to_owned()));
        }
        Err(format!(
            "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n** server can't find {name}: NXDOMAIN\n\n"
        ))
    });
    found.unwrap_or_else(|| Err(String::new()))
}

fn resolve(s: &Session, tool: &str, args: &[&str]) -> Output {
    let names: Vec<&str> = args.iter().copied().filter(|a| !a.starts_with('-') && *a != "hosts").collect();
    let Some(name) = names.first() else { return Output::fail(1, format!("usage: {tool} NAME\n")) };
    match lookup(s, name) {
        Ok((full, ip)) if tool == "getent" => Output::text(format!("{ip:<15} {full}\n")),
        Ok((full, ip)) => Output::text(format!(
            "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\nName:\t{full}\nAddress: {ip}\n\n"
        )),
        Err(_) if tool == "getent" => Output::fail(2, ""),
        Err(text) => Output { code: 1, ..Output::text(text) },
    }
}

/// A request from inside the pod to a Service or a pod.
fn fetch(s: &Session, tool: &str, args: &[&str]) -> Output {
    let Some(url) = args.iter().copied().rfind(|a| {
        !a.starts_with('-') && (a.contains('.') || a.contains(':') || a.chars().any(char::is_alphabetic))
    }) else {
        return Output::fail(1, format!("{tool}: missing URL\n"));
    };
    let rest = url.split_once("://").map_or(url, |u| u.1);
    let (host, path) = rest.split_once('/').map_or((rest, "/".to_owned()), |(h, p)| (h, format!("/{p}")));
    let usual = if url.starts_with("https://") { 443 } else { 80 };
    let (host, port) = host.split_once(':').map_or((host, usual), |(h, p)| (h, p.parse().unwrap_or(usual)));
    if !matches!(host, "localhost" | "127.0.0.1")
        && host.parse::<std::net::Ipv4Addr>().is_err()
        && lookup(s, host).is_err()
    {
        return match tool {
            "curl" => Output::fail(6, format!("curl: (6) Could not resolve host: {host}\n")),
            _ => Output::fail(1, format!("{tool}: bad address '{host}'\n")),
        };
    }
    let answer = s.look(|engine, run, _| network::fetch_from(engine, run, host, port, &path));
    match (answer.unwrap_or(Err(Unreached::Refused)), tool) {
        (Ok(reply), _) if reply.status < 400 || tool == "curl" => Output::bytes(reply.body),
        (Ok(reply), _) => {
            Output::fail(1, format!("wget: server returned error: HTTP/1.1 {}\n", reply.status))
        }
        (Err(Unreached::Refused), "curl") => Output::fail(
            7,
            format!("curl: (7) Failed to connect to {host} port {port}: Connection refused\n"),
        ),
        (Err(Unreached::Refused), _) => {
            Output::fail(1, format!("{tool}: can't connect to remote host ({host}): Connection refused\n"))
        }
        (Err(Unreached::TimedOut), _) => {
            let wait = Box::new(std::iter::once(Piece::Wait(GIVES_UP)));
            let said = match tool {
                "curl" => Output::fail(
                    28,
                    format!("curl: (28) Failed to connect to {host} port {port}: Connection timed out\n"),
                ),
                _ => Output::fail(
                    1,
                    format!("{tool}: can't connect to remote host ({host}): Operation timed out\n"),
                ),
            };
            Output { out: wait, ..said }
        }
    }
}

fn nvidia_smi(s: &Session, args: &[&str]) -> Output {
    let state = s.look(|engine, run, _| {
        let machine = engine.machines.get(&run.node)?;
        let gpu = machine.gpu.as_ref()?;
        let states = dcgm::gpus_of(engine, machine, engine.now());
        let mine: Vec<u32> = if run.gpus.is_empty() { (0..gpu.count).collect() } else { run.gpus.clone() };
        let rows =
            mine.iter().filter_map(|g| Some((*g, states.get(*g as usize)?.clone()))).collect::<Vec<_>>();
        Some((machine.nvml, machine.driver.clone(), gpu.clone(), rows))
    });
    let Some((nvml, driver, gpu, rows)) = state.flatten() else {
        return Output::fail(127, "sh: 1: nvidia-smi: not found\n");
    };
    if !nvml {
        return Output {
            code: 18,
            ..Output::text(
                "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.54\n",
            )
        };
    }
    let product = gpu.product.replace('-', " ");
    let total = gpu.memory.0 / 1_048_576.0;
    if let Some(fields) = args.iter().find_map(|a| a.strip_prefix("--query-gpu=")) {
        let plain = args.iter().any(|a| a.contains("nounits"));
        let unit = |v: f64, u: &str| if plain { format!("{v:.0}") } else { format!("{v:.0} {u}") };
        let mut out = String::new();
        if !args.iter().any(|a| a.contains("noheader")) {
            let _ = writeln!(out, "{}", fields.split(',').collect::<Vec<_>>().join(", "));
        }
        for (i, g) in &rows {
            let row: Vec<String> = fields
                .split(',')
                .map(|f| match f.trim() {
                    "index" => i.to_string(),
                    "name" | "gpu_name" => product.clone(),
                    "driver_version" => driver.clone(),
                    "memory.total" => unit(total, "MiB"),
                    "memory.used" => unit(g.used_mib, "MiB"),
                    "memory.free" => unit(g.free_mib, "MiB"),
                    "utilization.gpu" => unit(g.util, "%"),
                    "temperature.gpu" => format!("{:.0}", g.temp),
                    "power.draw" => unit(g.watts, "W"),
                    _ => "[Not Supported]".into(),
                })
                .collect();
            let _ = writeln!(out, "{}", row.join(", "));
        }
        return Output::text(out);
    }
    let mut out = format!(
        "+-----------------------------------------------------------------------------------------+\n| NVIDIA-SMI {driver:<16}       Driver Version: {driver:<14} CUDA Version: {:<9}|\n|-----------------------------------------+------------------------+----------------------+\n",
        gpu.cuda.as_deref().unwrap_or("12.4")
    );
    for (i, g) in &rows {
        let _ = writeln!(
            out,
            "| {i:>3}  {product:<34} | {:>7.0}MiB / {total:>6.0}MiB | {:>6.0}%      Default |",
            g.used_mib, g.util
        );
    }
    out.push_str(
        "+-----------------------------------------+------------------------+----------------------+\n",
    );
    Output::text(out)
}
