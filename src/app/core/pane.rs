//! The overview's panes, and how keys arrange them.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// The overview's panes, in the order of `tab` and `alt-1…6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&str")]
pub enum Pane {
    Findings,
    Pods,
    Nodes,
    Gpus,
    Events,
    KubeProxy,
}

impl Pane {
    pub const ALL: [Pane; 6] =
        [Pane::Findings, Pane::Pods, Pane::Nodes, Pane::Gpus, Pane::Events, Pane::KubeProxy];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Pane::Findings => "findings",
            Pane::Pods => "pods",
            Pane::Nodes => "nodes",
            Pane::Gpus => "gpu",
            Pane::Events => "events",
            Pane::KubeProxy => "kube-proxy",
        }
    }

    /// The pane of a name in the configuration.
    pub fn named(name: &str) -> Option<Pane> {
        Pane::ALL.into_iter().find(|pane| pane.name() == name)
    }

    pub fn title(self) -> &'static str {
        match self {
            Pane::Findings => "INCIDENTS",
            Pane::Pods => "PODS",
            Pane::Nodes => "NODES",
            Pane::Gpus => "GPU MEMORY",
            Pane::Events => "EVENTS",
            Pane::KubeProxy => "KUBE-PROXY",
        }
    }
}

impl From<Pane> for &'static str {
    fn from(pane: Pane) -> &'static str {
        pane.name()
    }
}

impl TryFrom<String> for Pane {
    type Error = String;

    fn try_from(name: String) -> Result<Pane, String> {
        Pane::named(&name).ok_or_else(|| format!("there is no pane {name:?}"))
    }
}

/// The panes as keys changed them; everything else is as configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Arrangement {
    /// The panes that show, in their order.
    #[serde(deserialize_with = "some_and_none_twice")]
    pub(in crate::app) panes: Option<Vec<Pane>>,
    /// Percent of the screen's width that the left side has.
    pub(in crate::app) left: Option<u16>,
    /// The rows each pane of a side had when a seam of it was moved: its share of the height on any screen.
    pub(in crate::app) heights: BTreeMap<Pane, u16>,
    /// The pane of the right side that stood below the events when a seam was moved.
    pub(in crate::app) below_events: Option<Pane>,
}

fn some_and_none_twice<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Pane>>, D::Error> {
    let panes = Option::<Vec<Pane>>::deserialize(from)?;
    let all = panes.as_deref().unwrap_or(&[Pane::Pods]);
    match !all.is_empty() && all.iter().enumerate().all(|(i, pane)| !all[..i].contains(pane)) {
        true => Ok(panes),
        false => Err(D::Error::custom("it has no pane, or one twice")),
    }
}
