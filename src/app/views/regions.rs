//! `:regions`: clusters side by side: whether they answer, what is free there, and which model runs where.

use std::collections::BTreeMap;

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::regions::{held, watch};
use crate::app::core::stack;
use crate::app::core::standing;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, number, shape};
use crate::app::views::list::{ListView, Row, Rows};
use crate::config::regions::Region as Setting;
use crate::judge::region;
use crate::world::regions::{Holds, Region};
use crate::world::{Text, time};

static SHAPES: &[Shape] = &[
    shape("REGION", 26, 60, 100),
    number("API", 5, 12, 98),
    number("HEALTH", 6, 12, 90),
    number("NODES", 5, 9, 85),
    number("GPUS FREE", 9, 11, 96),
    number("SICK", 4, 9, 88),
    shape("READY REPLICAS, OR WHY", 10, 200, 95),
];

/// Contexts that are watched where the configuration names none: the operator asked for it by opening the view.
const UNNAMED: usize = 8;

#[derive(Debug)]
struct Regions;

pub fn open(model: &mut Model) -> Vec<Effect> {
    stack::push(model, ListView::new(Regions));
    // Regions of the configuration are watched from the start.
    let named = !model.prefs.settings.regions.is_empty() || !model.data.world.regions.is_empty();
    if named || model.contexts.len() > UNNAMED {
        return Vec::new();
    }
    let contexts = model.contexts.iter();
    let all = contexts.map(|(context, _)| Setting { context: context.clone(), health: None }).collect();
    vec![watch(model, all)]
}

impl Rows for Regions {
    fn title(&self) -> String {
        "regions".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        let regions = &model.data.world.regions;
        let mut models: BTreeMap<Text, Vec<String>> = BTreeMap::new();
        let mut rows = Vec::new();
        for (name, region) in regions.iter() {
            let own = (**name == *model.cluster.context).then(|| held(&model.data.world));
            let holds = own.as_ref().or(region.holds.as_ref().map(|(_, h)| h));
            for (of, (ready, wanted)) in holds.iter().flat_map(|h| &h.models) {
                models.entry(of.clone()).or_default().push(format!("{name} {ready}/{wanted}"));
            }
            rows.push(row(model, name, region, holds));
        }
        rows.extend(models.into_iter().map(|(name, places)| Row {
            id: format!("model {name}").into(),
            object: None,
            cells: vec![
                Cell::plain(Value::Text(name)),
                Cell::plain(Value::None),
                Cell::plain(Value::None),
                Cell::plain(Value::None),
                Cell::plain(Value::None),
                Cell::plain(Value::None),
                Cell::plain(Value::Text(places.join("   ").into())),
            ],
            indent: 2,
        }));
        rows
    }

    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        let context = row.object.as_ref()?.name.clone();
        Some(Box::new(move |model| standing::switch(model, &context)))
    }

    fn noun(&self) -> &'static str {
        "regions and models"
    }

    fn empty(&self, model: &Model) -> &'static str {
        if model.contexts.len() > UNNAMED && model.prefs.settings.regions.is_empty() {
            "Name the contexts to watch in config.toml: regions = [\"us-east-1\", \"eu-west-1 https://…/health\"]."
        } else {
            "The regions have not answered yet."
        }
    }
}

fn row(model: &Model, name: &Text, region: &Region, holds: Option<&Holds>) -> Row {
    let answered = |probes: &std::collections::VecDeque<crate::world::regions::Probe>| match probes.back() {
        None => Cell::plain(Value::None),
        Some(probe) => match probe.ms {
            Some(0) => Cell::new(Value::Text("<1 ms".into()), "status.ok"),
            Some(ms) => Cell::new(Value::Text(format!("{ms} ms").into()), "status.ok"),
            None => {
                let missed =
                    probes.iter().rev().take_while(|p| p.ms.is_none()).last().map_or(probe.at, |p| p.at);
                let lasted = time::human(missed.age(model.data.now));
                Cell::new(Value::Text(format!("silent {lasted}").into()), "status.bad")
            }
        },
    };
    let why = [&region.api, &region.health].into_iter().find_map(|p| p.back()?.why.clone());
    let told = why.or_else(|| {
        let (namespace, used, hard) = holds?.quota.as_ref()?;
        Some(format!("GPU quota of {namespace}: {used} of {hard} used").into())
    });
    let of = |pair: Option<(u64, u64)>, bad: bool| match pair {
        None => Cell::plain(Value::None),
        Some((some, all)) => {
            let scope = if bad { "status.bad" } else { "text" };
            Cell::new(Value::Text(format!("{some}/{all}").into()), scope)
        }
    };
    let count = |(a, b): (usize, usize)| (a as u64, b as u64);
    Row {
        id: name.clone(),
        object: Some(region::object(name)),
        cells: vec![
            Cell::plain(Value::Text(name.clone())),
            answered(&region.api),
            answered(&region.health),
            of(holds.map(|h| count(h.nodes)), holds.is_some_and(|h| h.nodes.0 < h.nodes.1)),
            of(holds.map(|h| h.gpus), false),
            of(holds.map(|h| count(h.pods)), holds.is_some_and(|h| h.pods.0 > 0)),
            Cell::plain(Value::text(&told.unwrap_or_default())),
        ],
        indent: 0,
    }
}
