//! Which panes of the overview have nothing to say, and the few words that stand for them.

use crate::app::core::causes::answer;
use crate::app::core::model::Model;
use crate::app::core::pane::Pane;
use crate::app::table::health;
use crate::app::views::{gpus, incidents};
use crate::world::{Kind, StreamState};

/// The line that stands for a pane without rows of interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub text: String,
    /// There are no rows at all, or none that ever say something.
    pub empty: bool,
}

/// The words for a pane that has nothing to say; `None` where one of its rows does.
pub fn summary(model: &Model, pane: Pane) -> Option<Summary> {
    let world = &model.data.world;
    let refused = |kind: &Kind| match answer(world, kind)? {
        StreamState::Forbidden { .. } => Some(Summary { text: "forbidden".into(), empty: true }),
        StreamState::Unsupported { .. } => Some(Summary { text: "not served".into(), empty: true }),
        _ => None,
    };
    match pane {
        Pane::Findings | Pane::Pods | Pane::Events => None,
        Pane::Nodes => refused(&Kind::Node).or_else(|| {
            let well = |n| health::node(&model.data.cx(), n) == health::Health::Ok;
            let all = world.nodes.len();
            let healthy = world.synced(&Kind::Node) && all > 0 && world.nodes.values().all(well);
            healthy.then(|| Summary { text: format!("{all} ready"), empty: false })
        }),
        Pane::Gpus => refused(&Kind::Node).or_else(|| {
            let (rows, count) = gpus::rows(model, 1);
            if count == 0 {
                return world.synced(&Kind::Node).then(|| Summary { text: "none".into(), empty: true });
            }
            let (meant, here) = (model.data.vitals.gpus_meant, model.data.vitals.gpus_allocatable);
            let caused =
                |n: &crate::world::Node| model.data.cx().cause(&crate::world::Object::reference(n)).is_some();
            let well = here >= meant && !rows.is_empty() && !world.nodes.values().any(caused);
            if well && idle(model) {
                return Some(Summary { text: format!("{count}, none in use"), empty: true });
            }
            well.then(|| Summary { text: format!("{count}, no finding"), empty: false })
        }),
        Pane::KubeProxy => refused(&Kind::Pod).or_else(|| {
            let proxies = model.overview.pane(pane).table()?;
            if !world.synced(&Kind::Pod) {
                return None;
            }
            if proxies.is_empty() && proxies.filter.is_empty() {
                return Some(Summary { text: "none".into(), empty: true });
            }
            let cx = model.data.cx();
            let pods = world.pods.values().filter(|p| crate::app::table::vitals::is_kube_proxy(p));
            let mut calm =
                pods.map(|p| p.status().restarts == 0 && health::pod(&cx, p) == health::Health::Ok);
            calm.all(|c| c).then(|| Summary { text: format!("{}, no restarts", proxies.total), empty: true })
        }),
    }
}

/// Nobody asked for a GPU, and none that is measured holds more than its driver does.
fn idle(model: &Model) -> bool {
    /// Bytes that a driver keeps for itself at most.
    const DRIVER: u64 = 1 << 30;
    let mut gpus = model.data.world.readings.gpus();
    model.data.vitals.gpus_requested == 0
        && gpus
            .all(|g| g.holders.is_empty() && g.trouble.is_empty() && g.memory.used.is_none_or(|u| u < DRIVER))
}

/// Panes that take one line in a layout that gives so many rows to the pods: those without rows that say something,
/// and, where something is wrong and the room is needed for it, those that are healthy.
pub fn folded(model: &Model, pods: u16) -> Vec<Pane> {
    /// Rows of a table that are not its own: titles, and the line that counts the healthy.
    const AROUND: usize = 3;
    let (critical, warnings) = incidents::counts(model);
    let pressed = critical + warnings > 0 && model.data.vitals.pods_sick + AROUND > usize::from(pods);
    let folds = |pane: &Pane| {
        *pane != model.overview.focus && summary(model, *pane).is_some_and(|s| s.empty || pressed)
    };
    [Pane::Nodes, Pane::Gpus, Pane::KubeProxy].into_iter().filter(folds).collect()
}
