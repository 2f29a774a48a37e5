//! GPUs as their exporters describe them: NVIDIA's dcgm-exporter, AMD's device-metrics-exporter.

use std::collections::BTreeMap;

use super::prom::{self, Sample};
use crate::world::{Text, Time};

/// One GPU, or one MIG slice of it. What the exporter does not say is `None`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Gpu {
    /// The Kubernetes node (where the exporter's pod runs).
    pub node: Text,
    /// The device's number on its node.
    pub index: u32,
    pub uuid: Text,
    /// e.g. `NVIDIA A100-SXM4-80GB`.
    pub model: Text,
    pub driver: Text,
    /// MIG profile (`1g.5gb`) and instance; empty for a whole GPU.
    pub profile: Text,
    pub instance: Text,
    /// Framebuffer memory in MiB.
    pub used: Option<u64>,
    pub free: Option<u64>,
    pub reserved: Option<u64>,
    /// Per cent.
    pub busy: Option<f64>,
    /// Degrees Celsius.
    pub temperature: Option<f64>,
    /// Watt.
    pub power: Option<f64>,
    /// The last XID error; 0 when there was none.
    pub xid: Option<u32>,
    /// Uncorrectable (double-bit) ECC errors, rows remapped for them, and failed remappings.
    pub ecc_errors: Option<u64>,
    pub remapped: Option<u64>,
    pub remap_failed: Option<bool>,
    /// The pod that holds it, where the exporter knows.
    pub namespace: Text,
    pub pod: Text,
    pub container: Text,
    pub read_at: Time,
}

impl Gpu {
    /// Used, free and reserved together: what the device has. MiB.
    pub fn total(&self) -> Option<u64> {
        Some(self.used? + self.free? + self.reserved.unwrap_or(0))
    }

    /// Used of what can be used, 0 to 1.
    pub fn fullness(&self) -> Option<f64> {
        let (used, free) = (self.used?, self.free?);
        (used + free > 0).then(|| used as f64 / (used + free) as f64)
    }
}

/// Reads an exporter's text. `node` is where its pod runs: exporters name hosts, which need not be nodes.
pub fn read(text: &str, node: &Text, at: Time) -> Vec<Gpu> {
    let mut gpus: BTreeMap<(u32, String, String), Gpu> = BTreeMap::new();
    for sample in prom::samples(text) {
        let Some(set) = setter(sample.name) else { continue };
        let index = sample.any(&["gpu", "gpu_id", "minor_number"]).and_then(|g| g.parse().ok()).unwrap_or(0);
        let uuid = sample.any(&["UUID", "gpu_uuid", "uuid", "serial_number"]).unwrap_or("").to_owned();
        let instance = sample.any(&["GPU_I_ID"]).unwrap_or("").to_owned();
        let gpu = gpus.entry((index, uuid, instance)).or_insert_with(|| Gpu {
            node: node.clone(),
            index,
            read_at: at,
            ..Gpu::default()
        });
        describe(gpu, &sample);
        set(gpu, sample.value);
    }
    gpus.into_values().collect()
}

fn describe(gpu: &mut Gpu, s: &Sample<'_>) {
    // Several spellings each: exporters renamed them, and Prometheus prefixes those it sets itself.
    let fields: [(&mut Text, &[&str]); 8] = [
        (&mut gpu.uuid, &["UUID", "gpu_uuid", "uuid", "serial_number"]),
        (&mut gpu.model, &["modelName", "card_series", "card_model"]),
        (&mut gpu.driver, &["DCGM_FI_DRIVER_VERSION", "driver_version"]),
        (&mut gpu.profile, &["GPU_I_PROFILE"]),
        (&mut gpu.instance, &["GPU_I_ID"]),
        (&mut gpu.namespace, &["namespace", "pod_namespace", "exported_namespace"]),
        (&mut gpu.pod, &["pod", "pod_name", "exported_pod"]),
        (&mut gpu.container, &["container", "container_name", "exported_container"]),
    ];
    for (field, names) in fields {
        if field.is_empty()
            && let Some(value) = s.any(names)
        {
            *field = value.into();
        }
    }
}

/// How a metric changes a GPU; `None` for metrics khud does not show.
fn setter(metric: &str) -> Option<fn(&mut Gpu, f64)> {
    Some(match metric {
        "DCGM_FI_DEV_FB_USED" | "gpu_used_vram" | "amd_gpu_used_vram" => |g, v| g.used = whole(v),
        "DCGM_FI_DEV_FB_FREE" | "gpu_free_vram" | "amd_gpu_free_vram" => |g, v| g.free = whole(v),
        "DCGM_FI_DEV_FB_RESERVED" => |g, v| g.reserved = whole(v),
        "DCGM_FI_DEV_GPU_UTIL" | "gpu_gfx_activity" | "amd_gpu_gfx_activity" => |g, v| g.busy = real(v),
        "DCGM_FI_DEV_GPU_TEMP" | "gpu_junction_temperature" | "amd_gpu_junction_temperature" => {
            |g, v| g.temperature = real(v)
        }
        "DCGM_FI_DEV_POWER_USAGE" | "gpu_package_power" | "amd_gpu_package_power" => |g, v| g.power = real(v),
        "DCGM_FI_DEV_XID_ERRORS" => |g, v| g.xid = whole(v).and_then(|n| u32::try_from(n).ok()),
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL" | "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL" => {
            |g, v| g.ecc_errors = g.ecc_errors.max(whole(v))
        }
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS" => |g, v| g.remapped = whole(v),
        "DCGM_FI_DEV_ROW_REMAP_FAILURE" => |g, v| g.remap_failed = whole(v).map(|n| n != 0),
        _ => return None,
    })
}

/// DCGM writes blanks as numbers near 2⁶³ or 2³¹ (`DCGM_INT64_BLANK`, `DCGM_INT32_BLANK`).
fn whole(v: f64) -> Option<u64> {
    let blank = v >= 9.2e18 || (2_147_483_632.0..=2_147_483_647.0).contains(&v);
    (v.is_finite() && v >= 0.0 && !blank).then_some(v as u64)
}

fn real(v: f64) -> Option<f64> {
    // DCGM_FP64_BLANK is 2⁴⁷.
    (v.is_finite() && v.abs() < 1.4e14).then_some(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels as dcgm-exporter 4.8 and 2.x write them (`field/facts.md` 2.5).
    #[test]
    fn both_spellings_of_labels_are_read() {
        let new = r#"
# TYPE DCGM_FI_DEV_FB_USED gauge
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a",pci_bus_id="00000000:07:00.0",device="nvidia0",modelName="NVIDIA A100-SXM4-80GB",hostname="h",DCGM_FI_DRIVER_VERSION="550.54.15",container="train",namespace="ml",pod="llm-0"} 61440
DCGM_FI_DEV_FB_FREE{gpu="0",UUID="GPU-a",hostname="h"} 19456
DCGM_FI_DEV_FB_RESERVED{gpu="0",UUID="GPU-a",hostname="h"} 1024
DCGM_FI_DEV_XID_ERRORS{gpu="0",UUID="GPU-a",hostname="h",err_code="79",err_msg="GPU has fallen off the bus"} 79
DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-b",GPU_I_PROFILE="1g.5gb",GPU_I_ID="7"} 100
DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-b",GPU_I_PROFILE="1g.5gb",GPU_I_ID="8"} 200
DCGM_FI_DEV_GPU_TEMP{gpu="1",UUID="GPU-b",GPU_I_ID="8"} 9223372036854775794
DCGM_FI_DEV_SM_CLOCK{gpu="2",UUID="GPU-c"} 1410
"#;
        let gpus = read(new, &"gpu-worker-042".into(), Time(5));
        assert_eq!(gpus.len(), 3);
        let a = &gpus[0];
        assert_eq!(
            (&*a.node, a.index, &*a.uuid, &*a.model),
            ("gpu-worker-042", 0, "GPU-a", "NVIDIA A100-SXM4-80GB")
        );
        assert_eq!((a.used, a.free, a.total(), a.xid), (Some(61440), Some(19456), Some(81920), Some(79)));
        assert_eq!(
            (&*a.namespace, &*a.pod, &*a.container, &*a.driver),
            ("ml", "llm-0", "train", "550.54.15")
        );
        assert_eq!((gpus[1].used, gpus[2].used), (Some(100), Some(200)));
        assert_eq!((&*gpus[2].instance, gpus[2].temperature.map(|t| t > 1e9)), ("8", None));

        let old = r#"DCGM_FI_DEV_FB_USED{gpu="3",UUID="GPU-d",device="nvidia3",Hostname="h",pod_name="p",pod_namespace="n",container_name="c"} 5"#;
        let gpus = read(old, &"n1".into(), Time(5));
        assert_eq!((gpus[0].index, &*gpus[0].pod, &*gpus[0].namespace), (3, "p", "n"));
        assert_eq!(gpus[0].total(), None);
    }

    #[test]
    fn amds_exporter_is_read() {
        let text = "gpu_used_vram{gpu_id=\"0\",serial_number=\"s\",card_model=\"MI300X\",pod=\"p\",namespace=\"n\"} 1000\n\
                    gpu_free_vram{gpu_id=\"0\",serial_number=\"s\"} 3000\n";
        let gpus = read(text, &"n1".into(), Time(5));
        assert_eq!((gpus[0].fullness(), &*gpus[0].model), (Some(0.25), "MI300X"));
    }
}
