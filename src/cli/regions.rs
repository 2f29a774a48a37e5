//! `khud regions`: clusters side by side, one look at each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::args::{Common, Regions, TableOrJson};
use super::open::{options, runtime};
use super::{exit, out, settings};
use crate::app::executor::regions::Eye;
use crate::config::regions::Region;
use crate::term::clean_lines;
use crate::world::Clock;
use crate::world::regions::{Probe, Sight};

pub fn run(common: &Common, args: &Regions) -> u8 {
    let regions = match chosen(common, args) {
        Ok(regions) => regions,
        Err(why) => {
            out::complain(&clean_lines(&why));
            return exit::USAGE;
        }
    };
    let rt = match runtime() {
        Ok(rt) => rt,
        Err(why) => {
            out::complain(&why);
            return exit::USAGE;
        }
    };
    let clock = Clock::wall();
    let options = options(common, false);
    let mut eyes: Vec<Eye> =
        regions.into_iter().map(|region| Eye::new(region, &options, clock.clone(), false)).collect();
    let sights = rt.block_on(join_all(eyes.iter_mut().map(Eye::look)));
    rt.shutdown_timeout(Duration::from_millis(200));
    let text = match args.output {
        TableOrJson::Json => format!("{:#}\n", json!({"regions": sights})),
        TableOrJson::Table => clean_lines(&table(&sights)),
    };
    let silent = |s: &Sight| s.api.ms.is_none() || s.health.as_ref().is_some_and(|h| h.ms.is_none());
    match out::result(&text) {
        exit::DONE if sights.iter().any(silent) => exit::FAILED,
        code => code,
    }
}

/// The contexts of the command line; else those of the configuration; else all of the kubeconfig.
fn chosen(common: &Common, args: &Regions) -> Result<Vec<Region>, String> {
    let configured = settings::loaded_with_complaints().config.unwrap_or_default().for_context("").regions;
    let (there, _) = crate::cluster::contexts(&options(common, false)).map_err(|e| e.to_string())?;
    let plain = |context: &str| {
        let known = configured.iter().find(|r| r.context == context).cloned();
        known.unwrap_or_else(|| Region { context: context.to_owned(), health: None })
    };
    let named: Vec<Region> = match (args.contexts.as_slice(), configured.as_slice()) {
        ([], []) => there.iter().map(|c| plain(&c.name)).collect(),
        ([], configured) => configured.to_vec(),
        (typed, _) => typed.iter().map(|name| plain(name)).collect(),
    };
    let unknown = named.iter().find(|r| !there.iter().any(|c| c.name == r.context));
    match unknown {
        Some(region) => {
            Err(format!("the kubeconfig has no context {:?}; `khud contexts` lists them", region.context))
        }
        None if named.is_empty() => Err("the kubeconfig has no context".to_owned()),
        None => Ok(named),
    }
}

fn table(sights: &[Sight]) -> String {
    let answered = |probe: Option<&Probe>| match probe {
        None => "-".to_owned(),
        Some(p) => p.ms.map_or("silent".to_owned(), |ms| format!("{ms} ms")),
    };
    let mut rows = vec![["REGION", "API", "HEALTH", "NODES", "GPUS FREE", "SICK PODS"].map(str::to_owned)];
    for s in sights {
        let of = |pair: Option<(u64, u64)>| pair.map_or("-".to_owned(), |(a, b)| format!("{a}/{b}"));
        let count = |(a, b): (usize, usize)| (a as u64, b as u64);
        let holds = s.holds.as_ref();
        rows.push([
            s.context.to_string(),
            answered(Some(&s.api)),
            answered(s.health.as_ref()),
            of(holds.map(|h| count(h.nodes))),
            of(holds.map(|h| h.gpus)),
            of(holds.map(|h| count(h.pods))),
        ]);
    }
    let mut out = String::new();
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let _ = writeln!(out, "{}", cells.join("  ").trim_end());
    }
    for s in sights {
        let doors = [("API server", Some(&s.api)), ("health URL", s.health.as_ref())];
        for (what, why) in doors.into_iter().filter_map(|(what, p)| Some((what, p?.why.as_ref()?))) {
            let _ = writeln!(out, "{}: {what}: {why}", s.context);
        }
    }
    let mut models: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for s in sights {
        for (name, (ready, wanted)) in s.holds.iter().flat_map(|h| &h.models) {
            models.entry(name).or_default().push(format!("{} {ready}/{wanted}", s.context));
        }
    }
    if !models.is_empty() {
        out.push_str("\nWorkloads with GPUs, and their ready replicas\n");
    }
    for (name, places) in models {
        let _ = writeln!(out, "  {name}  {}", places.join("  "));
    }
    out
}
