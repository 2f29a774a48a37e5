//! A running scenario: one embedded cluster or several, each with a context in one kubeconfig.
use std::sync::Arc;
use std::time::Duration;

use crate::api::access::auth::MASTERS;
use crate::api::faults::parse_schedule;
use crate::api::wire::kubeconfig::kubeconfig;
use crate::cluster::Cluster;
use crate::scenario::Loaded;
use crate::scenario::Mistake;
use crate::{Sim, SimError, SimOptions};

/// The running clusters of a scenario.
pub struct Fleet {
    members: Vec<Member>,
}

struct Member {
    context: String,
    sim: Sim,
    cluster: Cluster,
}

impl Fleet {
    /// Starts a scenario's clusters. If the first has a fixed port, the others listen on the next ports.
    ///
    /// # Errors
    /// Why one of them could not be started. None is left running then.
    pub async fn start(loaded: &Loaded, options: SimOptions) -> Result<Fleet, SimError> {
        let mut fleet = Fleet { members: Vec::new() };
        let alone = loaded.beside.is_empty();
        for (i, loaded) in (0_u16..).zip(std::iter::once(loaded).chain(&loaded.beside)) {
            let mut options = options.clone();
            options.clock = options.clock.another();
            // Another cluster has UIDs of its own.
            options.seed = options.seed.map(|seed| seed.wrapping_add(i.into()));
            if options.listen.port() != 0 {
                options.listen.set_port(options.listen.port().saturating_add(i));
            }
            let faults = loaded.scenario.faults.join(",");
            // The check of the scenario parsed them before.
            options.faults.extend(parse_schedule(&faults, options.seed.unwrap_or(1)).unwrap_or_default());
            let mut staged = None;
            let sim = Sim::start_with(options, |store| {
                let cluster = Cluster::stage(store.clone(), loaded);
                staged = Some(cluster.clone());
                Arc::new(cluster)
            });
            let (sim, Some(cluster)) = (sim.await?, staged) else { continue };
            if cluster.store().clock().speed() > 0.0 {
                tokio::spawn(cluster.clone().run());
            }
            let context = if alone { "khud".to_owned() } else { loaded.name.clone() };
            fleet.members.push(Member { context, sim, cluster });
        }
        Ok(fleet)
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> String {
        let access = |m: &Member| m.sim.access(&m.context, "admin", &[MASTERS]);
        kubeconfig(&self.members.iter().map(access).collect::<Vec<_>>())
    }

    /// The clusters with their context names, in the order of the scenario.
    pub fn sims(&self) -> impl Iterator<Item = (&str, &Sim)> {
        self.members.iter().map(|m| (m.context.as_str(), &m.sim))
    }

    /// Advances manual clocks.
    pub fn advance(&self, time: Duration) {
        self.members.iter().for_each(|m| m.cluster.advance(time));
    }

    /// The steps that were refused so far.
    pub fn refused(&self) -> Vec<Mistake> {
        self.members.iter().flat_map(|m| m.cluster.refused()).collect()
    }

    /// Closes the listeners and all connections.
    pub async fn stop(self) {
        for member in self.members {
            member.sim.stop().await;
        }
    }
}
