//! NVIDIA's dcgm-exporter, of every generation: labels, time-slicing, MIG, unified memory, dynamic allocation.

use std::collections::BTreeMap;

use super::number::{celsius, mebibytes, percent, real, watts, whole};
use super::prom::{self, Sample};
use crate::world::gpu::{Gpu, Holder, Slowdown, Xid};
use crate::world::{Text, Time};

/// Reads an exporter's text. `node` is where it runs: exporters name hosts, which need not be nodes.
///
/// The device's value is the sample that names no pod, else the largest. Where both are there (time-slicing from 4.5.2
/// on), a pod's sample is what its own processes use. The parent of MIG instances is left out; they carry what is
/// measured for the device alone.
pub fn read(text: &str, node: &Text, at: Time) -> Vec<Gpu> {
    let mut drafts: BTreeMap<(u32, String, String), Draft> = BTreeMap::new();
    for sample in prom::samples(text) {
        let Some(field) = field(sample.name) else { continue };
        let id = identity(&sample);
        let draft = drafts.entry((id.index, id.uuid.to_owned(), id.instance.clone())).or_default();
        draft.describe(&sample, &id);
        draft.take(field, &sample);
    }
    let gpus = drafts.into_values().map(|d| d.finish(node, at)).collect();
    without_parents(gpus)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Used,
    Free,
    Reserved,
    Total,
    Busy,
    /// Share of the time in which an engine was busy; the only one that MIG instances have.
    EngineActive,
    TensorActive,
    DramActive,
    Temperature,
    Power,
    Xid,
    XidCount,
    DoubleBit,
    SingleBit,
    Remapped,
    RemapFailed,
    ClockReasons,
    ClockEvents,
    Health,
}

/// The metrics khud reads, with the names of DCGM 1.x beside today's.
fn field(metric: &str) -> Option<Field> {
    Some(match metric {
        "DCGM_FI_DEV_FB_USED" | "dcgm_fb_used" => Field::Used,
        "DCGM_FI_DEV_FB_FREE" | "dcgm_fb_free" => Field::Free,
        "DCGM_FI_DEV_FB_RESERVED" => Field::Reserved,
        "DCGM_FI_DEV_FB_TOTAL" => Field::Total,
        "DCGM_FI_DEV_GPU_UTIL" | "dcgm_gpu_utilization" => Field::Busy,
        "DCGM_FI_PROF_GR_ENGINE_ACTIVE" => Field::EngineActive,
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE" => Field::TensorActive,
        "DCGM_FI_PROF_DRAM_ACTIVE" => Field::DramActive,
        "DCGM_FI_DEV_GPU_TEMP" | "dcgm_gpu_temp" => Field::Temperature,
        "DCGM_FI_DEV_POWER_USAGE" | "dcgm_power_usage" => Field::Power,
        "DCGM_FI_DEV_XID_ERRORS" | "dcgm_xid_errors" => Field::Xid,
        "DCGM_EXP_XID_ERRORS_COUNT" => Field::XidCount,
        // Errors since the driver was loaded; aggregates cover the device's whole life.
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL" | "dcgm_ecc_dbe_volatile_total" => Field::DoubleBit,
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL" | "dcgm_ecc_sbe_volatile_total" => Field::SingleBit,
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS" => Field::Remapped,
        "DCGM_FI_DEV_ROW_REMAP_FAILURE" => Field::RemapFailed,
        "DCGM_FI_DEV_CLOCKS_EVENT_REASONS" | "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS" => Field::ClockReasons,
        "DCGM_EXP_CLOCK_EVENTS_COUNT" => Field::ClockEvents,
        "DCGM_EXP_GPU_HEALTH_STATUS" => Field::Health,
        _ => return None,
    })
}

struct Identity<'s> {
    index: u32,
    uuid: &'s str,
    instance: String,
}

fn identity<'s>(s: &'s Sample<'_>) -> Identity<'s> {
    let device = s.label("device").unwrap_or("");
    // GKE names shares of a device after it: `nvidia0/gi1/vgpu0`.
    let part = |prefix: &str| device.split('/').skip(1).find_map(|p| p.strip_prefix(prefix)).unwrap_or("");
    let number = device.split('/').next().and_then(|d| d.strip_prefix("nvidia"));
    let dra = s.any(&["dra_mig_profile"]).and_then(|_| s.any(&["dra_device_name"]));
    Identity {
        index: s.any(&["gpu", "minor_number"]).or(number).and_then(|n| n.parse().ok()).unwrap_or(0),
        uuid: s.any(&["UUID", "uuid"]).unwrap_or(""),
        instance: s.any(&["GPU_I_ID"]).or(dra).unwrap_or(part("gi")).to_owned(),
    }
}

/// The container that a sample is about. A Prometheus that does not honour labels renames those of the workload to
/// `exported_…`, and `pod` is then the exporter itself.
fn holder(s: &Sample<'_>) -> Option<Holder> {
    let exported = s.label("exported_pod").is_some() || s.label("exported_namespace").is_some();
    let names: [&[&str]; 3] = if exported {
        [&["exported_namespace"], &["exported_pod"], &["exported_container"]]
    } else {
        [&["namespace", "pod_namespace"], &["pod", "pod_name"], &["container", "container_name"]]
    };
    let [namespace, pod, container] = names.map(|n| Text::from(s.any(n).unwrap_or("")));
    if pod.is_empty() {
        return None;
    }
    let uid = s.any(&["pod_uid"]).unwrap_or("").into();
    let claim = s.any(&["dra_claim_name"]).unwrap_or("").into();
    Some(Holder { namespace, pod, container, uid, claim, memory: None, busy: None })
}

/// The samples of one number of one device.
#[derive(Default)]
struct Shared {
    /// The value of the sample that names no pod.
    device: Option<f64>,
    largest: Option<f64>,
    /// By the place among the holders.
    held: BTreeMap<usize, f64>,
}

impl Shared {
    fn take(&mut self, holder: Option<usize>, value: f64) {
        match holder {
            None => self.device = Some(value),
            Some(i) => drop(self.held.insert(i, value)),
        }
        self.largest = Some(self.largest.map_or(value, |l| l.max(value)));
    }

    fn value(&self) -> Option<f64> {
        self.device.or(self.largest)
    }

    /// The share of each holder, where the exporter reports it.
    fn shares(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.held.iter().filter(|_| self.device.is_some()).map(|(i, v)| (*i, *v))
    }
}

#[derive(Default)]
struct Draft {
    gpu: Gpu,
    fields: BTreeMap<Field, Shared>,
}

impl Draft {
    fn describe(&mut self, s: &Sample<'_>, id: &Identity<'_>) {
        let g = &mut self.gpu;
        g.index = id.index;
        g.instance = id.instance.as_str().into();
        let fields: [(&mut Text, &[&str]); 4] = [
            (&mut g.uuid, &["UUID", "uuid"]),
            (&mut g.model, &["modelName"]),
            (&mut g.driver, &["DCGM_FI_DRIVER_VERSION"]),
            (&mut g.profile, &["GPU_I_PROFILE", "dra_mig_profile"]),
        ];
        for (field, names) in fields {
            if field.is_empty()
                && let Some(value) = s.any(names)
            {
                *field = value.into();
            }
        }
    }

    fn take(&mut self, field: Field, s: &Sample<'_>) {
        let value = match field {
            Field::Used | Field::Free | Field::Reserved | Field::Total => {
                mebibytes(s.value).map(|bytes| bytes as f64)
            }
            Field::Busy => percent(s.value),
            Field::EngineActive | Field::TensorActive | Field::DramActive => percent(s.value * 100.0),
            Field::Temperature => celsius(s.value),
            Field::Power => watts(s.value),
            _ => real(s.value),
        };
        let Some(value) = value else { return };
        match field {
            Field::Xid => self.xid(value, s.any(&["err_msg"]), None),
            Field::XidCount if value > 0.0 => {
                let code = s.label("xid").and_then(|x| x.parse().ok()).unwrap_or(0.0);
                self.xid(code, None, whole(value));
            }
            Field::ClockReasons => self.slowed(value as u64),
            Field::ClockEvents => {
                let bit = match s.label("clock_event").unwrap_or("").to_ascii_lowercase().as_str() {
                    "hw_slowdown" => 0x8,
                    "sw_thermal" | "sw_thermal_slowdown" => 0x20,
                    "hw_thermal" | "hw_thermal_slowdown" => 0x40,
                    "hw_power_brake" | "hw_power_brake_slowdown" => 0x80,
                    "sw_power_cap" => 0x4,
                    _ => 0,
                };
                self.slowed(if value > 0.0 { bit } else { 0 });
            }
            // 0 passes, 10 warns, 20 fails.
            Field::Health if value >= 20.0 => {
                let said = [s.label("health_watch"), s.label("health_error_code")];
                let said: Vec<&str> = said.into_iter().flatten().filter(|t| !t.is_empty()).collect();
                self.gpu.trouble = format!("DCGM health check failed: {}", said.join(" ")).into();
            }
            Field::XidCount | Field::Health => {}
            _ => {
                let place = holder(s).map(|h| self.place(h));
                self.fields.entry(field).or_default().take(place, value);
            }
        }
    }

    fn xid(&mut self, code: f64, message: Option<&str>, recent: Option<u64>) {
        if code < 1.0 {
            return;
        }
        let xid = self.gpu.xid.get_or_insert_with(Xid::default);
        xid.code = code as u32;
        if let Some(message) = message {
            xid.message = message.into();
        }
        xid.recent = recent.or(xid.recent);
    }

    /// Bits of `nvmlClocksEventReasons`.
    fn slowed(&mut self, bits: u64) {
        let s = self.gpu.slowdown.get_or_insert_with(Slowdown::default);
        s.thermal |= bits & (0x20 | 0x40) != 0;
        s.hardware |= bits & (0x8 | 0x80) != 0;
        s.power_cap |= bits & 0x4 != 0;
    }

    /// The holder's place among those of this device.
    fn place(&mut self, new: Holder) -> usize {
        // Some samples of a pod leave its container out.
        let same = |h: &Holder| {
            (&h.namespace, &h.pod) == (&new.namespace, &new.pod)
                && (h.container == new.container || h.container.is_empty() || new.container.is_empty())
        };
        match self.gpu.holders.iter().position(same) {
            Some(i) => {
                let known = &mut self.gpu.holders[i];
                for (field, value) in [
                    (&mut known.container, new.container),
                    (&mut known.uid, new.uid),
                    (&mut known.claim, new.claim),
                ] {
                    if field.is_empty() {
                        *field = value;
                    }
                }
                i
            }
            None => {
                self.gpu.holders.push(new);
                self.gpu.holders.len() - 1
            }
        }
    }

    fn finish(mut self, node: &Text, at: Time) -> Gpu {
        let value = |field| self.fields.get(&field).and_then(Shared::value);
        let bytes = |field| value(field).map(|v| v as u64);
        let g = &mut self.gpu;
        g.node = node.clone();
        g.source = "dcgm".into();
        g.read_at = at;
        g.memory.used = bytes(Field::Used);
        g.memory.free = bytes(Field::Free);
        g.memory.reserved = bytes(Field::Reserved);
        g.memory.total = bytes(Field::Total);
        g.memory.unified = g.memory.used.is_none() && has_unified_memory(&g.model);
        // GPU_UTIL is 0 or absent on MIG instances, and GR_ENGINE_ACTIVE can stick at 0.
        g.busy = match (value(Field::Busy), value(Field::EngineActive)) {
            (Some(busy), _) if busy > 0.0 => Some(busy),
            (_, Some(active)) => Some(active),
            (busy, None) => busy,
        };
        g.tensor_active = value(Field::TensorActive);
        g.memory_active = value(Field::DramActive);
        g.temperature = value(Field::Temperature);
        g.power = value(Field::Power);
        g.ecc.uncorrected = bytes(Field::DoubleBit);
        g.ecc.corrected = bytes(Field::SingleBit);
        g.ecc.remapped = bytes(Field::Remapped);
        g.ecc.remap_failed = value(Field::RemapFailed).map(|v| v > 0.0);
        if let Some(shared) = self.fields.get(&Field::Used) {
            shared.shares().for_each(|(i, v)| g.holders[i].memory = Some(v as u64));
        }
        if let Some(shared) = self.fields.get(&Field::Busy) {
            shared.shares().for_each(|(i, v)| g.holders[i].busy = Some(v));
        }
        self.gpu
    }
}

/// Systems on a chip whose GPU uses the node's memory: DCGM has no framebuffer to report.
pub(super) fn has_unified_memory(model: &str) -> bool {
    ["GB10", "Thor", "Orin", "Xavier", "Tegra"].iter().any(|name| model.contains(name))
}

/// Leaves out devices that are cut into instances, after giving these what only the device has.
fn without_parents(gpus: Vec<Gpu>) -> Vec<Gpu> {
    let (parents, mut slices): (Vec<Gpu>, Vec<Gpu>) = gpus.into_iter().partition(|g| g.instance.is_empty());
    let mut out = Vec::new();
    for parent in parents {
        let mut cut = false;
        for s in slices.iter_mut().filter(|s| s.index == parent.index) {
            cut = true;
            s.temperature = s.temperature.or(parent.temperature);
            s.power = s.power.or(parent.power);
            s.slowdown = s.slowdown.or(parent.slowdown);
            s.xid = s.xid.take().or_else(|| parent.xid.clone());
            s.ecc.uncorrected = s.ecc.uncorrected.or(parent.ecc.uncorrected);
            s.ecc.corrected = s.ecc.corrected.or(parent.ecc.corrected);
            s.ecc.remapped = s.ecc.remapped.or(parent.ecc.remapped);
            s.ecc.remap_failed = s.ecc.remap_failed.or(parent.ecc.remap_failed);
            for (mine, theirs) in [
                (&mut s.model, &parent.model),
                (&mut s.driver, &parent.driver),
                (&mut s.trouble, &parent.trouble),
            ] {
                if mine.is_empty() {
                    *mine = theirs.clone();
                }
            }
        }
        if !cut {
            out.push(parent);
        }
    }
    out.append(&mut slices);
    out.sort_by(|a, b| (a.index, &a.instance).cmp(&(b.index, &b.instance)));
    out
}

#[cfg(test)]
mod tests {
    use super::super::number::MIB;
    use super::*;

    fn gpus(text: &str) -> Vec<Gpu> {
        read(text, &"gpu-worker-042".into(), Time(5))
    }

    fn mib(n: u64) -> Option<u64> {
        Some(n * MIB)
    }

    /// Labels as dcgm-exporter 4.8, 2.x, 1.x and a Prometheus in between write them.
    #[test]
    fn every_generation_of_labels_is_read() {
        let new = r#"
# TYPE DCGM_FI_DEV_FB_USED gauge
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a",pci_bus_id="00000000:07:00.0",device="nvidia0",modelName="NVIDIA A100-SXM4-80GB",hostname="h",DCGM_FI_DRIVER_VERSION="550.54.15",container="train",namespace="ml",pod="llm-0",pod_uid="u-1"} 61440
DCGM_FI_DEV_FB_FREE{gpu="0",UUID="GPU-a",hostname="h"} 19456
DCGM_FI_DEV_FB_RESERVED{gpu="0",UUID="GPU-a",hostname="h"} 1024
DCGM_FI_DEV_XID_ERRORS{gpu="0",UUID="GPU-a",hostname="h",err_code="79",err_msg="GPU has fallen off the bus"} 79
DCGM_EXP_XID_ERRORS_COUNT{gpu="0",UUID="GPU-a",window_size_in_ms="300000",xid="79"} 2
DCGM_FI_DEV_CLOCKS_EVENT_REASONS{gpu="0",UUID="GPU-a"} 64
DCGM_EXP_GPU_HEALTH_STATUS{gpu="0",UUID="GPU-a",health_watch="MEM",health_error_code="DCGM_FR_VOLATILE_DBE_DETECTED"} 20
"#;
        let a = &gpus(new)[0];
        assert_eq!(
            (&*a.node, a.index, &*a.uuid, &*a.model),
            ("gpu-worker-042", 0, "GPU-a", "NVIDIA A100-SXM4-80GB")
        );
        assert_eq!((a.memory.used, a.memory.free, a.total()), (mib(61440), mib(19456), mib(81920)));
        let h = &a.holders[0];
        assert_eq!((&*h.namespace, &*h.pod, &*h.container, &*h.uid), ("ml", "llm-0", "train", "u-1"));
        assert_eq!((&*a.driver, h.memory), ("550.54.15", None), "what one pod uses is what the device says");
        let xid = a.xid.as_ref().unwrap();
        assert_eq!((xid.code, &*xid.message, xid.recent), (79, "GPU has fallen off the bus", Some(2)));
        assert_eq!(a.slowdown, Some(Slowdown { thermal: true, ..Slowdown::default() }));
        assert!(a.trouble.contains("MEM DCGM_FR_VOLATILE_DBE_DETECTED"), "{}", a.trouble);

        let old = r#"DCGM_FI_DEV_FB_USED{gpu="3",UUID="GPU-d",device="nvidia3",Hostname="h",pod_name="p",pod_namespace="n",container_name="c"} 5"#;
        let g = &gpus(old)[0];
        assert_eq!((g.index, &*g.holders[0].pod, &*g.holders[0].namespace, g.total()), (3, "p", "n", None));

        let first =
            "dcgm_fb_used{gpu=\"1\",uuid=\"GPU-o\"} 10\ndcgm_gpu_utilization{gpu=\"1\",uuid=\"GPU-o\"} 42\n";
        let g = &gpus(first)[0];
        assert_eq!((g.memory.used, g.busy, &*g.uuid), (mib(10), Some(42.0), "GPU-o"));

        let relabelled = r#"DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-a",pod="dcgm-exporter-x7",namespace="gpu-operator",exported_pod="llm-0",exported_namespace="ml",exported_container="c"} 5
DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-b",pod="",namespace=""} 5"#;
        let g = gpus(relabelled);
        assert_eq!((&*g[0].holders[0].pod, &*g[0].holders[0].namespace), ("llm-0", "ml"));
        assert_eq!(g[1].holders, [], "an empty label names nobody");
    }

    #[test]
    fn time_slicing_keeps_the_device_apart_from_its_pods() {
        let g = &gpus(include_str!("../../tests/exporters/vgpu.prom"))[0];
        assert_eq!((g.memory.used, g.memory.free, g.total()), (mib(60000), mib(21000), mib(81000)));
        let held: Vec<_> = g.holders.iter().map(|h| (&*h.pod, h.memory)).collect();
        assert_eq!(held, [("busy-0", mib(59000)), ("idle-1", mib(0))]);
        // Before 4.5.2 each pod repeats the device's value.
        let repeated = r#"DCGM_FI_DEV_FB_USED{gpu="0",UUID="a",pod="p",namespace="n"} 60000
DCGM_FI_DEV_FB_USED{gpu="0",UUID="a",pod="q",namespace="n"} 60000"#;
        let g = &gpus(repeated)[0];
        assert_eq!((g.memory.used, g.holders.len(), g.holders[0].memory), (mib(60000), 2, None));
    }

    #[test]
    fn mig_instances_stand_for_their_device() {
        let text = format!(
            "{}DCGM_FI_DEV_GPU_TEMP{{gpu=\"0\",UUID=\"GPU-a\"}} 61\nDCGM_FI_DEV_GPU_UTIL{{gpu=\"0\",UUID=\"GPU-a\"}} 0\n",
            include_str!("../../tests/exporters/mig.prom")
        );
        let all = gpus(&text);
        assert_eq!(all.len(), 1, "the parent is not counted beside its instance");
        let g = &all[0];
        assert_eq!(
            (&*g.profile, &*g.instance, g.memory.used, g.memory.free),
            ("3g.20gb", "1", mib(19000), mib(900))
        );
        assert_eq!((g.busy, g.temperature, &*g.holders[0].pod), (Some(93.0), Some(61.0), "a"));

        let gke =
            r#"DCGM_FI_DEV_FB_USED{gpu="0",UUID="a",device="nvidia0/gi1/vgpu0",pod="p",namespace="n"} 7"#;
        assert_eq!(&*gpus(gke)[0].instance, "1");
        let dra = r#"DCGM_FI_DEV_FB_USED{gpu="0",UUID="a",pod="p",namespace="n",dra_claim_name="c",dra_driver_name="gpu.nvidia.com",dra_device_name="gpu-0-mig-9-0-1",dra_mig_profile="1g.5gb"} 7"#;
        let g = &gpus(dra)[0];
        assert_eq!((&*g.profile, &*g.instance, &*g.holders[0].claim), ("1g.5gb", "gpu-0-mig-9-0-1", "c"));
    }

    #[test]
    fn an_engine_counter_that_sticks_at_zero_is_not_believed() {
        let text = r#"DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="a"} 87
DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="0",UUID="a"} 0"#;
        assert_eq!(gpus(text)[0].busy, Some(87.0));
    }

    #[test]
    fn what_a_busy_gpu_does_is_told_by_its_tensor_cores_and_its_memory() {
        let text = r#"DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="a"} 100
DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{gpu="0",UUID="a"} 0.004
DCGM_FI_PROF_DRAM_ACTIVE{gpu="0",UUID="a"} 0.001"#;
        let g = &gpus(text)[0];
        assert_eq!((g.busy, g.tensor_active, g.memory_active), (Some(100.0), Some(0.4), Some(0.1)));
        assert!(g.is_stalled());
        let g = &gpus("DCGM_FI_DEV_GPU_UTIL{gpu=\"0\",UUID=\"a\"} 100")[0];
        assert!(!g.is_stalled(), "an exporter that does not count the work says nothing of it");
    }

    #[test]
    fn unified_memory_is_said_and_not_zero() {
        let g = &gpus(include_str!("../../tests/exporters/gb10.prom"))[0];
        assert!(g.memory.unified && g.memory.used.is_none() && g.fullness().is_none());
        assert_eq!((g.busy, g.temperature, &*g.holders[0].pod), (Some(96.0), Some(60.0), "p"));
    }

    #[test]
    fn what_was_not_measured_is_none() {
        for blank in [
            "9223372036854775792",
            "9223372036854775794",
            "2147483632",
            "2147483634",
            "140737488355328",
            "140737488355330",
            "NaN",
            "+Inf",
            "-5000",
            "ERROR - FAILED TO CONVERT TO STRING",
        ] {
            let text = format!(
                "DCGM_FI_DEV_FB_USED{{gpu=\"0\",UUID=\"a\"}} {blank}\nDCGM_FI_DEV_GPU_TEMP{{gpu=\"0\",UUID=\"a\"}} {blank}\n\
                 DCGM_FI_DEV_GPU_UTIL{{gpu=\"0\",UUID=\"a\"}} {blank}\nDCGM_FI_DEV_POWER_USAGE{{gpu=\"0\",UUID=\"a\"}} {blank}\n\
                 DCGM_FI_DEV_XID_ERRORS{{gpu=\"0\",UUID=\"a\"}} {blank}\nDCGM_FI_DEV_FB_FREE{{gpu=\"0\",UUID=\"a\"}} 5\n"
            );
            let g = &gpus(&text)[0];
            let none = (g.memory.used, g.temperature, g.busy, g.power, &g.xid);
            assert_eq!(none, (None, None, None, None, &None), "{blank}");
        }
    }
}
