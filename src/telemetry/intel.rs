//! Intel's XPU Manager: `xpum_…` of 1.x, and the OpenTelemetry names (`hw_…`) of 2.x, which is another program.

use std::collections::BTreeMap;

use super::number::{bytes, celsius, percent, watts, whole};
use super::prom::{self, Sample};
use crate::world::gpu::{Gpu, Holder};
use crate::world::{Text, Time};

/// The readings of a device; tiles report apart.
#[derive(Default)]
struct Draft {
    gpu: Gpu,
    card: Option<u32>,
    used: BTreeMap<String, u64>,
    size: BTreeMap<String, u64>,
    /// 1.x says no size, but which per cent of it is used.
    ratio: BTreeMap<String, f64>,
    /// Per cent by engine or task.
    busy: BTreeMap<String, Vec<f64>>,
    power: BTreeMap<String, f64>,
}

/// Reads an exporter's text.
pub fn read(text: &str, node: &Text, at: Time) -> Vec<Gpu> {
    let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
    for s in prom::samples(text) {
        if !(s.name.starts_with("xpum_") || s.name.starts_with("hw_")) {
            continue;
        }
        let Some(device) = s.any(&["pci_bdf", "uuid", "hw_id", "dev_file"]) else { continue };
        let draft = drafts.entry(device.to_owned()).or_default();
        draft.describe(&s);
        draft.take(&s);
    }
    // 2.x describes other hardware of the machine by the same names: only what has a GPU's numbers is one.
    let devices =
        drafts.into_values().filter(|d| !(d.used.is_empty() && d.busy.is_empty() && d.ratio.is_empty()));
    devices.enumerate().map(|(i, d)| d.finish(i, node, at)).collect()
}

impl Draft {
    fn describe(&mut self, s: &Sample<'_>) {
        if let Some(card) = s.label("dev_file").and_then(|f| f.strip_prefix("card")) {
            self.card = card.parse().ok().or(self.card);
        }
        let g = &mut self.gpu;
        for (field, value) in [
            (&mut g.uuid, s.any(&["uuid", "pci_bdf", "hw_id"])),
            (&mut g.model, s.any(&["dev_name", "hw_model", "hw_name"])),
            (&mut g.driver, s.any(&["hw_driver_version"])),
        ] {
            if field.is_empty()
                && let Some(value) = value
            {
                *field = value.into();
            }
        }
        if let Some(pod) = s.any(&["exported_pod", "pod"])
            && g.holders.is_empty()
        {
            g.holders.push(Holder {
                namespace: s.any(&["exported_namespace", "namespace"]).unwrap_or("").into(),
                pod: pod.into(),
                container: s.any(&["exported_container", "container"]).unwrap_or("").into(),
                ..Holder::default()
            });
        }
    }

    fn take(&mut self, s: &Sample<'_>) {
        let tile = s.any(&["sub_dev", "com_intel_subdevice_id"]).unwrap_or("").to_owned();
        let on_device = s.any(&["hw_memory_location"]).is_none_or(|l| l == "device");
        let v = s.value;
        match s.name {
            "xpum_memory_used_bytes" => keep(&mut self.used, tile, bytes(v)),
            "hw_memory_usage_bytes" if on_device => keep(&mut self.used, tile, bytes(v)),
            "hw_memory_size_bytes" if on_device => keep(&mut self.size, tile, bytes(v)),
            "xpum_memory_ratio" => keep(&mut self.ratio, tile, percent(v)),
            "xpum_engine_ratio" => self.busy.entry("all".into()).or_default().extend(percent(v)),
            "hw_gpu_utilization_ratio" => {
                let task = s.any(&["hw_gpu_task"]).unwrap_or("all").to_owned();
                self.busy.entry(task).or_default().extend(percent(v * 100.0));
            }
            "xpum_power_watts" | "hw_power_watts" => keep(&mut self.power, tile, watts(v)),
            "xpum_temperature_celsius" | "hw_temperature_celsius" => {
                let place = s.any(&["location", "hw_sensor_location"]).unwrap_or("gpu");
                if matches!(place, "gpu" | "core") {
                    let hottest = self.gpu.temperature.into_iter().chain(celsius(v));
                    self.gpu.temperature = hottest.max_by(f64::total_cmp);
                }
            }
            "hw_errors" | "hw_errors_total" => {
                let count = whole(v);
                if s.any(&["error_type"]).is_some_and(|t| t.starts_with("uncorrect")) {
                    self.gpu.ecc.uncorrected = self.gpu.ecc.uncorrected.max(count);
                } else if s.any(&["error_type"]).is_some_and(|t| t.starts_with("correct")) {
                    self.gpu.ecc.corrected = self.gpu.ecc.corrected.max(count);
                }
            }
            _ => {}
        }
    }

    fn finish(self, place: usize, node: &Text, at: Time) -> Gpu {
        let Draft { mut gpu, card, used, size, ratio, busy, power } = self;
        gpu.node = node.clone();
        gpu.source = "intel".into();
        gpu.read_at = at;
        gpu.index = card.unwrap_or(u32::try_from(place).unwrap_or(u32::MAX));
        gpu.memory.used = sum(&used);
        let from_ratio = || {
            let mean = ratio.values().sum::<f64>() / ratio.len() as f64;
            // With little memory in use, rounding leaves no usable number.
            (!ratio.is_empty() && mean >= 1.0)
                .then(|| sum(&used).map(|u| (u as f64 * 100.0 / mean) as u64))
                .flatten()
        };
        gpu.memory.total = sum(&size).or_else(from_ratio);
        let mean = |task: &str| {
            busy.get(task).filter(|v| !v.is_empty()).map(|v| v.iter().sum::<f64>() / v.len() as f64)
        };
        let busiest = || busy.values().flatten().copied().max_by(f64::total_cmp);
        gpu.busy = mean("all").or_else(|| mean("compute-all")).or_else(busiest);
        // The device's own sample, where there is one beside those of its tiles.
        gpu.power = power.get("").copied().or_else(|| (!power.is_empty()).then(|| power.values().sum()));
        gpu
    }
}

fn keep<V>(values: &mut BTreeMap<String, V>, tile: String, value: Option<V>) {
    if let Some(value) = value {
        values.insert(tile, value);
    }
}

/// All tiles together; the device's own sample stands for all where it is there.
fn sum(values: &BTreeMap<String, u64>) -> Option<u64> {
    let all = || (!values.is_empty()).then(|| values.values().sum());
    values.get("").copied().or_else(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_generation_is_read_by_tile() {
        let text = r#"xpum_memory_used_bytes{dev_file="card1",dev_name="Intel(R) Data Center GPU Max 1100",pci_bdf="0000:29:00.0",uuid="u",sub_dev="0"} 1000000000
xpum_memory_used_bytes{dev_file="card1",pci_bdf="0000:29:00.0",sub_dev="1"} 3000000000
xpum_memory_ratio{dev_file="card1",pci_bdf="0000:29:00.0",sub_dev="0"} 5
xpum_memory_ratio{dev_file="card1",pci_bdf="0000:29:00.0",sub_dev="1"} 15
xpum_engine_ratio{dev_file="card1",pci_bdf="0000:29:00.0",sub_dev="0"} 40
xpum_engine_ratio{dev_file="card1",pci_bdf="0000:29:00.0",sub_dev="1"} 60
xpum_power_watts{dev_file="card1",pci_bdf="0000:29:00.0"} 250
xpum_power_watts{dev_file="card1",pci_bdf="0000:29:00.0",sub_dev="0"} 120
xpum_temperature_celsius{dev_file="card1",pci_bdf="0000:29:00.0",location="gpu"} 51
xpum_temperature_celsius{dev_file="card1",pci_bdf="0000:29:00.0",location="mem"} 70
"#;
        let gpus = read(text, &"n1".into(), Time(5));
        let g = &gpus[0];
        assert_eq!((gpus.len(), g.index, &*g.model), (1, 1, "Intel(R) Data Center GPU Max 1100"));
        assert_eq!((g.memory.used, g.total()), (Some(4_000_000_000), Some(40_000_000_000)));
        assert_eq!((g.busy, g.power, g.temperature), (Some(50.0), Some(250.0), Some(51.0)));
    }

    #[test]
    fn the_second_generation_is_read() {
        let text = r#"hw_memory_usage_bytes{hw_id="g0",hw_name="GPU 0",pci_bdf="0000:01:00.0",hw_memory_location="device"} 8000000000
hw_memory_usage_bytes{hw_id="g0",hw_name="GPU 0",pci_bdf="0000:01:00.0",hw_memory_location="system"} 5
hw_memory_size_bytes{hw_id="g0",hw_name="GPU 0",pci_bdf="0000:01:00.0",hw_memory_location="device"} 16000000000
hw_gpu_utilization_ratio{pci_bdf="0000:01:00.0",hw_gpu_task="all"} 0.125
hw_gpu_utilization_ratio{pci_bdf="0000:01:00.0",hw_gpu_task="copy-all"} 0.9
hw_errors{pci_bdf="0000:01:00.0",error_type="uncorrected"} 2
hw_power_watts{hw_id="psu1",hw_name="power supply"} 900
"#;
        let gpus = read(text, &"n1".into(), Time(5));
        let g = &gpus[0];
        assert_eq!(
            (gpus.len(), g.fullness(), g.busy, g.ecc.uncorrected),
            (1, Some(0.5), Some(12.5), Some(2))
        );
        assert_eq!(&*g.uuid, "0000:01:00.0");
    }
}
