//! `nvidia-smi`: the CSV of a query and the XML of `-q -x`, as drivers from 450 to 580 write them.

use roxmltree::{Document, Node, ParsingOptions};

use super::dcgm::has_unified_memory;
use super::number::{MIB, celsius, percent, watts};
use crate::world::gpu::{Gpu, Slowdown};
use crate::world::{Text, Time};

/// The fields khud queries; [`csv`] reads the columns in any order and leaves out those it does not know.
pub const QUERY: &[&str] = &[
    "nvidia-smi",
    "--query-gpu=index,uuid,name,driver_version,memory.total,memory.reserved,memory.used,memory.free,utilization.gpu,temperature.gpu,power.draw,ecc.errors.uncorrected.volatile.total",
    "--format=csv,nounits",
];

/// Reads the CSV of a query with its header.
///
/// # Errors
/// The tool's own sentence, where it says that it cannot see GPUs.
pub fn csv(text: &str, node: &Text, at: Time) -> Result<Vec<Gpu>, Text> {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let header = lines.next().ok_or("nvidia-smi printed nothing")?;
    let columns: Vec<&str> = header.split(',').map(|c| c.trim().split(' ').next().unwrap_or("")).collect();
    if !columns.contains(&"index") && !columns.contains(&"uuid") {
        return Err(header.into());
    }
    let mut out = Vec::new();
    for (row, line) in lines.enumerate() {
        let values: Vec<&str> = line.split(',').map(str::trim).collect();
        if values.len() != columns.len() {
            continue;
        }
        let of = |name: &str| columns.iter().position(|c| *c == name).map(|i| values[i]);
        let fields = Fields {
            index: of("index"),
            uuid: of("uuid"),
            name: of("name"),
            driver: of("driver_version"),
            total: of("memory.total"),
            reserved: of("memory.reserved"),
            used: of("memory.used"),
            free: of("memory.free"),
            busy: of("utilization.gpu"),
            temperature: of("temperature.gpu"),
            power: of("power.draw").or_else(|| of("power.draw.instant")),
            uncorrected: of("ecc.errors.uncorrected.volatile.total"),
        };
        out.push(fields.gpu(row, node, at));
    }
    Ok(out)
}

/// Reads the XML of `nvidia-smi -q -x`.
///
/// # Errors
/// The tool's own sentence, or where the XML breaks off.
pub fn xml(text: &str, node: &Text, at: Time) -> Result<Vec<Gpu>, Text> {
    if !text.trim_start().starts_with('<') {
        let said = text.lines().map(str::trim).find(|l| !l.is_empty());
        return Err(said.unwrap_or("nvidia-smi printed nothing").into());
    }
    // The document names its DTD and declares nothing in it.
    let options = ParsingOptions { allow_dtd: true, nodes_limit: 1_000_000, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options)
        .map_err(|e| Text::from(format!("the XML of nvidia-smi cannot be read: {e}")))?;
    let root = document.root_element();
    let driver = at_path(root, &["driver_version"]);
    let mut out = Vec::new();
    for (row, gpu) in root.children().filter(|n| n.has_tag_name("gpu")).enumerate() {
        let of = |path: &[&str]| at_path(gpu, path);
        let power = [
            ["gpu_power_readings", "instant_power_draw"],
            ["gpu_power_readings", "power_draw"],
            ["gpu_power_readings", "average_power_draw"],
            ["power_readings", "power_draw"],
        ];
        let fields = Fields {
            index: of(&["minor_number"]),
            uuid: of(&["uuid"]),
            name: of(&["product_name"]),
            driver,
            total: of(&["fb_memory_usage", "total"]),
            reserved: of(&["fb_memory_usage", "reserved"]),
            used: of(&["fb_memory_usage", "used"]),
            free: of(&["fb_memory_usage", "free"]),
            busy: of(&["utilization", "gpu_util"]),
            temperature: of(&["temperature", "gpu_temp"]),
            power: power.iter().find_map(|path| of(path).filter(|v| number(v).is_some())),
            uncorrected: of(&["ecc_errors", "volatile", "dram_uncorrectable"])
                .or_else(|| of(&["ecc_errors", "volatile", "double_bit", "total"])),
        };
        let mut read = fields.gpu(row, node, at);
        read.slowdown = slowdown(gpu);
        read.ecc.remapped = of(&["remapped_rows", "remapped_row_unc"]).and_then(number).map(|n| n as u64);
        read.ecc.remap_failed = of(&["remapped_rows", "remapped_row_failure"]).and_then(|v| match v {
            "Yes" => Some(true),
            "No" => Some(false),
            _ => None,
        });
        out.push(read);
    }
    Ok(out)
}

fn slowdown(gpu: Node<'_, '_>) -> Option<Slowdown> {
    let (prefix, reasons) =
        ["clocks_event_reason", "clocks_throttle_reason"].into_iter().find_map(|prefix| {
            let name = format!("{prefix}s");
            Some((prefix, gpu.children().find(|n| n.has_tag_name(name.as_str()))?))
        })?;
    let active = |what: &str| at_path(reasons, &[&format!("{prefix}_{what}")]) == Some("Active");
    Some(Slowdown {
        thermal: active("hw_thermal_slowdown") || active("sw_thermal_slowdown"),
        hardware: active("hw_power_brake_slowdown"),
        power_cap: active("sw_power_cap"),
    })
}

fn at_path<'d>(mut node: Node<'d, '_>, path: &[&str]) -> Option<&'d str> {
    for name in path {
        node = node.children().find(|n| n.has_tag_name(*name))?;
    }
    node.text().map(str::trim)
}

/// The number that a field begins with, whatever its unit. Words stand for what there is not: `[N/A]`,
/// `[Not Supported]`, `[Unknown Error]`, `ERR!`.
fn number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0)
}

#[derive(Default)]
struct Fields<'t> {
    index: Option<&'t str>,
    uuid: Option<&'t str>,
    name: Option<&'t str>,
    driver: Option<&'t str>,
    total: Option<&'t str>,
    reserved: Option<&'t str>,
    used: Option<&'t str>,
    free: Option<&'t str>,
    busy: Option<&'t str>,
    temperature: Option<&'t str>,
    power: Option<&'t str>,
    uncorrected: Option<&'t str>,
}

impl Fields<'_> {
    fn gpu(&self, row: usize, node: &Text, at: Time) -> Gpu {
        let said = |field: Option<&str>| Text::from(field.filter(|v| !v.starts_with('[')).unwrap_or(""));
        let real = |field: Option<&str>| field.and_then(number);
        let mebibytes = |field| real(field).filter(|n| *n < 1e9).map(|n| n as u64 * MIB);
        let mut g = Gpu {
            node: node.clone(),
            index: real(self.index).map_or(row as u32, |n| n as u32),
            uuid: said(self.uuid),
            model: said(self.name),
            driver: said(self.driver),
            source: "nvidia-smi".into(),
            read_at: at,
            busy: real(self.busy).and_then(percent),
            temperature: real(self.temperature).and_then(celsius),
            power: real(self.power).and_then(watts),
            ..Gpu::default()
        };
        g.memory.total = mebibytes(self.total);
        g.memory.reserved = mebibytes(self.reserved);
        g.memory.used = mebibytes(self.used);
        g.memory.free = mebibytes(self.free);
        g.memory.unified = g.memory.used.is_none() && has_unified_memory(&g.model);
        g.ecc.uncorrected = real(self.uncorrected).map(|n| n as u64);
        let all = [self.name, self.used, self.busy, self.temperature, self.power];
        for words in ["GPU requires reset", "Unknown Error", "GPU is lost"] {
            if all.iter().flatten().any(|v| v.contains(words)) {
                g.trouble = words.into();
                break;
            }
        }
        g
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Text {
        "n1".into()
    }

    #[test]
    fn words_in_place_of_numbers_are_no_numbers() {
        let text = "index, uuid, name, driver_version, memory.total [MiB], memory.used [MiB], memory.free [MiB], utilization.gpu [%], temperature.gpu, power.draw [W]\n\
                    0, GPU-a, NVIDIA H100 80GB HBM3, 550.54.15, 81559 MiB, 60000 MiB, 21000 MiB, 97 %, 61, 512.31 W\n\
                    1, GPU-b, NVIDIA GB10, 580.95.05, [N/A], [N/A], [N/A], 96 %, 60, [Not Supported]\n\
                    2, GPU-c, NVIDIA H100 80GB HBM3, 550.54.15, 81559, [GPU requires reset], [GPU requires reset], [Unknown Error], ERR!, [Unknown Error]\n\
                    broken, line\n";
        let gpus = csv(text, &node(), Time(5)).unwrap();
        assert_eq!(gpus.len(), 3);
        let a = &gpus[0];
        assert_eq!((a.memory.used, a.total()), (Some(60000 * MIB), Some(81559 * MIB)));
        assert_eq!(
            (a.busy, a.temperature, a.power, &*a.driver),
            (Some(97.0), Some(61.0), Some(512.31), "550.54.15")
        );
        assert!(gpus[1].memory.unified && gpus[1].memory.used.is_none() && gpus[1].power.is_none());
        assert_eq!(
            (&*gpus[2].trouble, gpus[2].busy, gpus[2].temperature),
            ("GPU requires reset", None, None)
        );
        let said = csv("Failed to initialize NVML: Driver/library version mismatch\n", &node(), Time(5))
            .unwrap_err();
        assert_eq!(&*said, "Failed to initialize NVML: Driver/library version mismatch");
    }

    #[test]
    fn the_xml_of_each_generation_of_drivers() {
        let of = |power: &str, reasons: &str| {
            format!(
                "<?xml version=\"1.0\" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM \"nvsmi_device_v12.dtd\">\n<nvidia_smi_log>\
                 <driver_version>535.161.08</driver_version><attached_gpus>1</attached_gpus><gpu id=\"00000000:07:00.0\">\
                 <product_name>Tesla V100-SXM2-32GB</product_name><uuid>GPU-a</uuid><minor_number>3</minor_number>\
                 <fb_memory_usage><total>32768 MiB</total><reserved>300 MiB</reserved><used>12000 MiB</used><free>20468 MiB</free></fb_memory_usage>\
                 <utilization><gpu_util>65 %</gpu_util></utilization><temperature><gpu_temp>51 C</gpu_temp></temperature>\
                 {power}{reasons}<remapped_rows><remapped_row_unc>2</remapped_row_unc><remapped_row_failure>Yes</remapped_row_failure></remapped_rows>\
                 </gpu></nvidia_smi_log>"
            )
        };
        for (power, want) in [
            ("<power_readings><power_draw>120.5 W</power_draw></power_readings>", Some(120.5)),
            ("<gpu_power_readings><power_draw>121.5 W</power_draw></gpu_power_readings>", Some(121.5)),
            (
                "<gpu_power_readings><average_power_draw>100 W</average_power_draw><instant_power_draw>122.5 W</instant_power_draw></gpu_power_readings>",
                Some(122.5),
            ),
            ("<gpu_power_readings><power_draw>N/A</power_draw></gpu_power_readings>", None),
        ] {
            let old = "<clocks_throttle_reasons><clocks_throttle_reason_hw_thermal_slowdown>Active</clocks_throttle_reason_hw_thermal_slowdown></clocks_throttle_reasons>";
            let new = "<clocks_event_reasons><clocks_event_reason_hw_thermal_slowdown>Active</clocks_event_reason_hw_thermal_slowdown></clocks_event_reasons>";
            for reasons in [old, new] {
                let g = xml(&of(power, reasons), &node(), Time(5)).unwrap().remove(0);
                assert_eq!(
                    (g.index, &*g.model, g.memory.used),
                    (3, "Tesla V100-SXM2-32GB", Some(12000 * MIB))
                );
                assert_eq!((g.power, g.slowdown.map(|s| s.thermal)), (want, Some(true)), "{power}");
                assert_eq!((g.ecc.remapped, g.ecc.remap_failed), (Some(2), Some(true)));
            }
        }
        assert_eq!(&*xml("No devices were found\n", &node(), Time(5)).unwrap_err(), "No devices were found");
        assert!(xml("<nvidia_smi_log><gpu>", &node(), Time(5)).is_err());
    }
}
