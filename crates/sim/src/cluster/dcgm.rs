//! dcgm-exporter: the GPUs of a node in its text format, with the default counters and labels (dcgm-exporter
//! 4.8).
use std::fmt::Write as _;

use jiff::Timestamp;

use super::chance::{digest, fnv, mix};
use super::engine::Engine;
use super::kubelet::{Machine, PodRun};

const MIB: f64 = 1_048_576.0;

/// The UUID of a GPU, derived from the node's name.
pub fn gpu_uuid(node: &str, index: u32) -> String {
    let d = digest(&format!("gpu/{node}/{index}"));
    format!("GPU-{}-{}-{}-{}-{}", &d[..8], &d[8..12], &d[12..16], &d[16..20], &d[20..32])
}

/// The state of one GPU.
#[derive(Clone, Debug, Default)]
pub struct GpuState {
    pub used_mib: f64,
    pub free_mib: f64,
    pub reserved_mib: f64,
    pub util: f64,
    /// The share of the load that does work, 0..1.
    pub work: f64,
    pub watts: f64,
    pub temp: f64,
    pub xid: u32,
    /// (pod, namespace, container, pod uid)
    pub holder: Option<[String; 4]>,
}

/// The counters served by default: (name, type, help, value).
type Counter = (&'static str, &'static str, &'static str, fn(&GpuState, f64) -> f64);
const COUNTERS: [Counter; 23] = [
    ("DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz).", |g, _| {
        if g.util > 0.0 { 1980.0 } else { 345.0 }
    }),
    ("DCGM_FI_DEV_MEM_CLOCK", "gauge", "Memory clock frequency (in MHz).", |_, _| 2619.0),
    ("DCGM_FI_DEV_MEMORY_TEMP", "gauge", "Memory temperature (in C).", |g, _| (g.temp + 7.0).round()),
    ("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C).", |g, _| g.temp.round()),
    ("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W).", |g, _| (g.watts * 1000.0).round() / 1000.0),
    (
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        "counter",
        "Total energy consumption since boot (in mJ).",
        |g, up| (g.watts * up * 1000.0).round(),
    ),
    ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "Total number of PCIe retries.", |_, _| 0.0),
    ("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %).", |g, _| g.util.round()),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", "gauge", "Memory utilization (in %).", |g, _| (g.util * 0.55).round()),
    ("DCGM_FI_DEV_ENC_UTIL", "gauge", "Encoder utilization (in %).", |_, _| 0.0),
    ("DCGM_FI_DEV_DEC_UTIL", "gauge", "Decoder utilization (in %).", |_, _| 0.0),
    ("DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error encountered.", |g, _| f64::from(g.xid)),
    ("DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB).", |g, _| g.free_mib.round()),
    ("DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB).", |g, _| g.used_mib.round()),
    ("DCGM_FI_DEV_FB_RESERVED", "gauge", "Framebuffer memory reserved (in MiB).", |g, _| {
        g.reserved_mib.round()
    }),
    (
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
        "counter",
        "Total number of NVLink bandwidth counters for all lanes.",
        |_, _| 0.0,
    ),
    ("DCGM_FI_DEV_VGPU_LICENSE_STATUS", "gauge", "vGPU License status", |_, _| 0.0),
    (
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        "counter",
        "Number of remapped rows for uncorrectable errors",
        |_, _| 0.0,
    ),
    (
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        "counter",
        "Number of remapped rows for correctable errors",
        |_, _| 0.0,
    ),
    ("DCGM_FI_DEV_ROW_REMAP_FAILURE", "gauge", "Whether remapping of rows has failed", |_, _| 0.0),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Ratio of time the graphics engine is active.", |g, _| {
        (g.util * 0.98).round() / 100.0
    }),
    (
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
        "gauge",
        "Ratio of cycles the tensor (HMMA) pipe is active.",
        |g, _| (g.util * g.work * 4.1).round() / 1000.0,
    ),
    (
        "DCGM_FI_PROF_DRAM_ACTIVE",
        "gauge",
        "Ratio of cycles the device memory interface is active sending or receiving data.",
        |g, _| (g.util * g.work * 5.3).round() / 1000.0,
    ),
];

/// The current state of each GPU of a node.
pub(super) fn gpus_of(engine: &Engine, machine: &Machine, now: Timestamp) -> Vec<GpuState> {
    let Some(gpu) = &machine.gpu else { return Vec::new() };
    let total = gpu.memory.0 / MIB;
    let reserved = (total * 0.0073).round();
    (0..gpu.count)
        .map(|index| {
            let noise = (mix(fnv(format!("{}{index}", machine.name).as_bytes())) % 1000) as f64 / 1000.0;
            let mut state = GpuState {
                used_mib: 4.0,
                reserved_mib: reserved,
                watts: 68.0 + 6.0 * noise,
                temp: 29.0 + 4.0 * noise,
                ..GpuState::default()
            };
            let holder = engine
                .cache
                .on_node(&machine.name)
                .filter_map(|p| engine.runs.get(super::object::uid(p)))
                .find(|r| r.gpus.contains(&index) && !r.done);
            if let Some(run) = holder {
                used_by(run, &mut state, now, noise);
            }
            state.used_mib = state.used_mib.min(total - reserved);
            state.free_mib = total - reserved - state.used_mib;
            state
        })
        .collect()
}

/// The answer of dcgm-exporter on a node to `/metrics`.
pub(super) fn dcgm_text(engine: &Engine, node: &str, now: Timestamp) -> String {
    let Some(machine) = engine.machines.get(node) else { return String::new() };
    let Some(gpu) = machine.gpu.as_ref().filter(|_| machine.nvml) else { return String::new() };
    let states = gpus_of(engine, machine, now);
    let up = super::kubelet::since(machine.booted, now).as_secs_f64();
    let mut out = String::new();
    for (name, kind, help, value) in COUNTERS {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (i, state) in states.iter().enumerate() {
            let i = i as u32;
            let _ = write!(
                out,
                "{name}{{gpu=\"{i}\",UUID=\"{}\",pci_bus_id=\"00000000:{:02X}:00.0\",device=\"nvidia{i}\",modelName=\"{}\",hostname=\"{node}\",DCGM_FI_DRIVER_VERSION=\"{}\"",
                gpu_uuid(node, i),
                0x18 + i * 0x11,
                gpu.product.replace('-', " "),
                machine.driver,
            );
            if let Some([pod, ns, container, uid]) = &state.holder {
                let _ = write!(
                    out,
                    ",container=\"{container}\",namespace=\"{ns}\",pod=\"{pod}\",pod_uid=\"{uid}\""
                );
            }
            if name == "DCGM_FI_DEV_XID_ERRORS" {
                let message = if state.xid == 0 { "No Error" } else { "XID error" };
                let _ = write!(out, ",err_code=\"{}\",err_msg=\"{message}\"", state.xid);
            }
            let _ = writeln!(out, "}} {}", plain(value(state, up)));
        }
    }
    out
}

/// Formats a number like the exporter: integers without a decimal point.
fn plain(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.6}") }
}

fn used_by(run: &PodRun, state: &mut GpuState, now: Timestamp, noise: f64) {
    let wants = |c: &&super::kubelet::Container| {
        super::kubelet::spec_of(run, c)
            .is_some_and(|s| s.pointer("/resources/limits/nvidia.com~1gpu").is_some())
    };
    let Some(container) = run.containers.iter().find(wants) else { return };
    state.holder =
        Some([run.key.name.to_string(), run.key.ns.to_string(), container.name.clone(), run.uid.to_string()]);
    let Some(going) = container.run.as_ref().filter(|_| container.running()) else { return };
    let elapsed = going.elapsed(now);
    if let Some(used) = &going.behaviour.gpu {
        state.used_mib = used.memory.at(elapsed) / MIB;
        // The load of a GPU varies a little, but is the same for the same second.
        let second = now.as_second() as u64 / 5;
        let shake = (mix(second ^ fnv(run.uid.as_bytes())) % 100) as f64 / 100.0 - 0.5;
        let util = used.util.at(elapsed);
        state.work = used.work.as_ref().map_or(1.0, |w| w.at(elapsed));
        state.util = if util > 0.0 { (util + shake * 6.0).clamp(1.0, 100.0) } else { 0.0 };
        state.xid = used.xid.filter(|(at, _)| elapsed >= at.duration()).map_or(0, |x| x.1);
    }
    // A kernel that only waits needs little power.
    state.watts += state.util * (1.2 + 4.4 * state.work);
    state.temp += state.util * 0.38 + noise * 2.0;
}
