//! GPUs as dcgm-exporter writes them: what `khud agent` serves, and any reader of the exporter understands.

use std::fmt::Write as _;

use super::number::MIB;
use crate::world::gpu::{Gpu, Holder};

/// A gauge of the exporter: its name, its help, and its value of a device and of one of its holders.
struct Gauge {
    name: &'static str,
    help: &'static str,
    device: fn(&Gpu) -> Option<f64>,
    holder: fn(&Holder) -> Option<f64>,
}

const fn gauge(name: &'static str, help: &'static str, device: fn(&Gpu) -> Option<f64>) -> Gauge {
    Gauge { name, help, device, holder: |_| None }
}

fn mib(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|b| (b / MIB) as f64)
}

const GAUGES: [Gauge; 10] = [
    Gauge {
        name: "DCGM_FI_DEV_FB_USED",
        help: "Framebuffer memory used (in MiB).",
        device: |g| mib(g.memory.used),
        holder: |h| mib(h.memory),
    },
    gauge("DCGM_FI_DEV_FB_FREE", "Framebuffer memory free (in MiB).", |g| mib(g.memory.free)),
    gauge("DCGM_FI_DEV_FB_RESERVED", "Framebuffer memory reserved (in MiB).", |g| mib(g.memory.reserved)),
    gauge("DCGM_FI_DEV_FB_TOTAL", "Total framebuffer memory (in MiB).", |g| mib(g.memory.total)),
    Gauge {
        name: "DCGM_FI_DEV_GPU_UTIL",
        help: "GPU utilization (in %).",
        device: |g| g.busy,
        holder: |h| h.busy,
    },
    gauge("DCGM_FI_DEV_GPU_TEMP", "GPU temperature (in C).", |g| g.temperature),
    gauge("DCGM_FI_DEV_POWER_USAGE", "Power draw (in W).", |g| g.power),
    gauge("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "Uncorrectable memory errors since the driver was loaded.", |g| {
        g.ecc.uncorrected.map(|n| n as f64)
    }),
    gauge("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "Why the clocks are lowered (bitmask).", |g| {
        g.slowdown.map(|s| {
            f64::from(
                u32::from(s.thermal) * 0x40 + u32::from(s.hardware) * 0x8 + u32::from(s.power_cap) * 0x4,
            )
        })
    }),
    Gauge {
        name: "DCGM_EXP_GPU_HEALTH_STATUS",
        help: "20 where the driver says that the GPU cannot be used.",
        device: |g| (!g.trouble.is_empty()).then_some(20.0),
        holder: |_| None,
    },
];

/// Writes the GPUs in the text format. A device's value names no pod; what each container's processes use follows it.
pub fn write(gpus: &[Gpu]) -> String {
    let mut out = String::new();
    for gauge in &GAUGES {
        let mut lines = String::new();
        for gpu in gpus {
            let labels = device_labels(gpu);
            let health = if gauge.name == "DCGM_EXP_GPU_HEALTH_STATUS" {
                format!(",health_watch=\"DRIVER\",health_error_code=\"{}\"", escaped(&gpu.trouble))
            } else {
                String::new()
            };
            if let Some(value) = (gauge.device)(gpu) {
                let _ = writeln!(lines, "{}{{{labels}{health}}} {value}", gauge.name);
            }
            for (i, holder) in gpu.holders.iter().enumerate() {
                if let Some(value) = (gauge.holder)(holder) {
                    let _ = writeln!(lines, "{}{{{labels}{}}} {value}", gauge.name, holder_labels(holder, i));
                }
            }
        }
        if !lines.is_empty() {
            let _ = write!(out, "# HELP {0} {1}\n# TYPE {0} gauge\n{lines}", gauge.name, gauge.help);
        }
    }
    out
}

fn device_labels(g: &Gpu) -> String {
    let mut out = format!(
        "gpu=\"{0}\",UUID=\"{1}\",device=\"nvidia{0}\",modelName=\"{2}\",hostname=\"{3}\"",
        g.index,
        escaped(&g.uuid),
        escaped(&g.model),
        escaped(&g.node)
    );
    if !g.driver.is_empty() {
        let _ = write!(out, ",DCGM_FI_DRIVER_VERSION=\"{}\"", escaped(&g.driver));
    }
    if !g.instance.is_empty() {
        let _ =
            write!(out, ",GPU_I_PROFILE=\"{}\",GPU_I_ID=\"{}\"", escaped(&g.profile), escaped(&g.instance));
    }
    out
}

fn holder_labels(h: &Holder, place: usize) -> String {
    format!(
        ",container=\"{}\",namespace=\"{}\",pod=\"{}\",pod_uid=\"{}\",vgpu=\"{place}\"",
        escaped(&h.container),
        escaped(&h.namespace),
        escaped(&h.pod),
        escaped(&h.uid)
    )
}

/// A label's value as the text format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::dcgm;
    use super::*;
    use crate::world::Time;
    use crate::world::gpu::{Ecc, Memory, Slowdown};

    #[test]
    fn khuds_reader_reads_back_what_the_agent_writes() {
        let memory = Memory {
            used: Some(60 * MIB),
            free: Some(30 * MIB),
            reserved: Some(10 * MIB),
            total: Some(100 * MIB),
            unified: false,
        };
        let holder = |pod: &str, bytes| Holder {
            namespace: "ml".into(),
            pod: pod.into(),
            container: "server".into(),
            uid: format!("uid-{pod}").into(),
            memory: bytes,
            ..Holder::default()
        };
        let whole = Gpu {
            node: "n1".into(),
            index: 0,
            uuid: "GPU-a".into(),
            model: "NVIDIA \"odd\\name\"".into(),
            driver: "570.86.15".into(),
            source: "dcgm".into(),
            memory,
            busy: Some(97.0),
            temperature: Some(61.0),
            power: Some(512.3),
            slowdown: Some(Slowdown { thermal: true, hardware: false, power_cap: true }),
            ecc: Ecc { uncorrected: Some(2), ..Ecc::default() },
            holders: vec![holder("llm-0", Some(50 * MIB)), holder("side-0", Some(0))],
            read_at: Time(5),
            ..Gpu::default()
        };
        let slice = Gpu {
            index: 1,
            uuid: "MIG-b".into(),
            instance: "2".into(),
            profile: "1g.5gb".into(),
            busy: None,
            holders: vec![holder("llm-1", Some(7 * MIB))],
            ..whole.clone()
        };
        let text = write(&[whole.clone(), slice.clone()]);
        assert_eq!(dcgm::read(&text, &"n1".into(), Time(5)), [whole, slice]);
        let lost = Gpu { node: "n1".into(), trouble: "device fell off the bus".into(), ..Gpu::default() };
        let read = dcgm::read(&write(&[lost]), &"n1".into(), Time(5));
        assert!(read[0].trouble.contains("device fell off the bus"), "{read:?}");
    }
}
