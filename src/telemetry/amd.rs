//! AMD's device-metrics-exporter: MI2xx and MI3xx, partitions, and metric names with a prefix of the site's choice.

use super::number::{celsius, mebibytes, percent, watts, whole};
use super::prom::{self, Sample};
use crate::world::gpu::{Gpu, Holder};
use crate::world::{Text, Time};

/// The metrics khud reads. MI3xx say junction temperature and package power, MI2xx edge temperature and average package
/// power: the first of a pair is preferred.
const METRICS: [&str; 11] = [
    "gpu_used_vram",
    "gpu_free_vram",
    "gpu_total_vram",
    "gpu_gfx_activity",
    "gpu_junction_temperature",
    "gpu_edge_temperature",
    "gpu_package_power",
    "gpu_average_package_power",
    "gpu_ecc_uncorrect_total",
    "gpu_ecc_correct_total",
    "gpu_health",
];

/// A device under construction, with the values of which another is preferred.
#[derive(Default)]
struct Draft {
    gpu: Gpu,
    serial: String,
    partition: String,
    edge: Option<f64>,
    average: Option<f64>,
}

/// Reads an exporter's text. Memory is given in MB, which are mebibytes.
pub fn read(text: &str, node: &Text, at: Time) -> Vec<Gpu> {
    let mut drafts: Vec<Draft> = Vec::new();
    for sample in prom::samples(text) {
        let Some(metric) = known(sample.name) else { continue };
        let draft = place(&mut drafts, &sample);
        let (g, v) = (&mut draft.gpu, sample.value);
        match metric {
            "gpu_used_vram" => g.memory.used = mebibytes(v),
            "gpu_free_vram" => g.memory.free = mebibytes(v),
            "gpu_total_vram" => g.memory.total = mebibytes(v),
            "gpu_gfx_activity" => g.busy = percent(v),
            "gpu_junction_temperature" => g.temperature = celsius(v),
            "gpu_edge_temperature" => draft.edge = celsius(v),
            "gpu_package_power" => g.power = watts(v),
            "gpu_average_package_power" => draft.average = watts(v),
            "gpu_ecc_uncorrect_total" => g.ecc.uncorrected = whole(v),
            "gpu_ecc_correct_total" => g.ecc.corrected = whole(v),
            "gpu_health" if v == 0.0 => g.trouble = "the exporter reports it unhealthy".into(),
            _ => {}
        }
    }
    finish(drafts, node, at)
}

fn known(name: &str) -> Option<&'static str> {
    METRICS
        .into_iter()
        .find(|m| name.strip_suffix(m).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('_')))
}

/// The draft that the sample is about. Guests in virtual machines have neither model nor serial number.
fn place<'d>(drafts: &'d mut Vec<Draft>, s: &Sample<'_>) -> &'d mut Draft {
    let index = s.any(&["gpu_id"]).and_then(|n| n.parse().ok()).unwrap_or(0);
    let serial = s.any(&["serial_number"]).unwrap_or("");
    let partition = s.any(&["gpu_partition_id"]).unwrap_or("");
    let model = s.any(&["card_model", "card_series"]).unwrap_or("");
    let same = |d: &Draft| {
        d.gpu.index == index
            && (d.serial == serial || d.serial.is_empty() || serial.is_empty())
            && (d.partition == partition || d.partition.is_empty() || partition.is_empty())
            && (&*d.gpu.model == model || d.gpu.model.is_empty() || model.is_empty())
    };
    let i = drafts.iter().position(same).unwrap_or_else(|| {
        drafts.push(Draft { gpu: Gpu { index, ..Gpu::default() }, ..Draft::default() });
        drafts.len() - 1
    });
    let draft = &mut drafts[i];
    for (field, value) in [(&mut draft.serial, serial), (&mut draft.partition, partition)] {
        if field.is_empty() {
            *field = value.to_owned();
        }
    }
    let g = &mut draft.gpu;
    for (field, value) in [
        (&mut g.model, model),
        (&mut g.uuid, s.any(&["gpu_uuid", "serial_number"]).unwrap_or("")),
        (&mut g.driver, s.any(&["driver_version"]).unwrap_or("")),
        (&mut g.profile, s.any(&["gpu_compute_partition_type"]).unwrap_or("")),
    ] {
        if field.is_empty() {
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
    draft
}

fn finish(mut drafts: Vec<Draft>, node: &Text, at: Time) -> Vec<Gpu> {
    for d in &mut drafts {
        let g = &mut d.gpu;
        g.node = node.clone();
        g.source = "amd".into();
        g.read_at = at;
        g.temperature = g.temperature.or(d.edge);
        g.power = g.power.or(d.average);
    }
    // Partitions of a device share its serial number; temperature and power are there for the first alone.
    let firsts: Vec<(String, String, Option<f64>, Option<f64>)> = drafts
        .iter()
        .filter(|d| !d.serial.is_empty())
        .map(|d| (d.serial.clone(), d.partition.clone(), d.gpu.temperature, d.gpu.power))
        .collect();
    for d in &mut drafts {
        let others = || firsts.iter().filter(|f| f.0 == d.serial && f.1 != d.partition);
        if others().next().is_some() {
            d.gpu.instance = d.partition.as_str().into();
            d.gpu.temperature = d.gpu.temperature.or_else(|| others().find_map(|f| f.2));
            d.gpu.power = d.gpu.power.or_else(|| others().find_map(|f| f.3));
        } else {
            // A whole device is no partition, though it names the mode it is in (`spx`).
            d.gpu.profile = Text::default();
        }
    }
    let mut out: Vec<Gpu> = drafts.into_iter().map(|d| d.gpu).collect();
    out.sort_by(|a, b| (a.index, &a.instance, &a.model).cmp(&(b.index, &b.instance, &b.model)));
    out
}

#[cfg(test)]
mod tests {
    use super::super::number::MIB;
    use super::*;

    #[test]
    fn both_families_and_any_prefix_are_read() {
        let gpus = read(include_str!("../../tests/exporters/amd.prom"), &"n1".into(), Time(5));
        let (mi250, mi300) = (&gpus[0], &gpus[1]);
        assert_eq!((&*mi250.model, &*mi300.model), ("MI250", "MI300X"));
        assert_eq!((mi250.memory.used, mi250.total()), (Some(1000 * MIB), Some(65536 * MIB)));
        assert_eq!(
            (mi250.temperature, mi250.power),
            (Some(47.0), Some(300.0)),
            "edge and average, where there are no others"
        );
        assert_eq!(mi300.memory.used, Some(1000 * MIB), "the prefix is the site's choice");
    }

    #[test]
    fn partitions_share_what_the_first_one_says() {
        let text = "amd_gpu_used_vram{gpu_id=\"0\",serial_number=\"s\",gpu_partition_id=\"0\",gpu_compute_partition_type=\"cpx\",pod=\"p\",namespace=\"n\"} 10\n\
                    amd_gpu_package_power{gpu_id=\"0\",serial_number=\"s\",gpu_partition_id=\"0\"} 550\n\
                    amd_gpu_used_vram{gpu_id=\"1\",serial_number=\"s\",gpu_partition_id=\"1\",gpu_compute_partition_type=\"cpx\"} 20\n";
        let gpus = read(text, &"n1".into(), Time(5));
        let said: Vec<_> = gpus.iter().map(|g| (g.index, &*g.instance, &*g.profile, g.power)).collect();
        assert_eq!(said, [(0, "0", "cpx", Some(550.0)), (1, "1", "cpx", Some(550.0))]);
        assert_eq!(&*gpus[0].holders[0].pod, "p");

        let guest = "gpu_used_vram{gpu_id=\"0\",serial_number=\"\",card_model=\"\",gpu_partition_id=\"0\"} 1\n\
                     gpu_used_vram{gpu_id=\"1\",serial_number=\"\",card_model=\"\",gpu_partition_id=\"0\"} 2\n";
        let gpus = read(guest, &"n1".into(), Time(5));
        assert_eq!(gpus.iter().map(|g| (g.index, &*g.instance)).collect::<Vec<_>>(), [(0, ""), (1, "")]);
    }
}
