//! Telemetry without a screen: reads the sources of one World for scan and diagnose.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::app::core::measure;
use crate::app::executor::needs;
use crate::app::executor::probe::Session;
use crate::config::telemetry::Sources;
use crate::telemetry::{self, Reading, Schedule};
use crate::world::readings::Server;
use crate::world::{Kind, ObjectRef, Time, World};

/// Reads what is due, a few at once.
#[derive(Debug)]
pub struct Meter {
    schedule: Schedule,
    under_way: JoinSet<Vec<Reading>>,
    turns: Arc<Semaphore>,
    /// The pod that somebody asks about.
    about: Option<ObjectRef>,
}

impl Meter {
    /// Reads each source as configured, else at its own pace.
    pub fn new(sources: Sources, prometheus: Option<Server>) -> Meter {
        let mut schedule = Schedule::default();
        schedule.configure(sources, prometheus);
        let turns = Arc::new(Semaphore::new(telemetry::PARALLEL));
        Meter { schedule, under_way: JoinSet::new(), turns, about: None }
    }

    /// Reads what is read only about a pod that somebody asks about.
    pub fn about(&mut self, pod: ObjectRef) {
        self.about = Some(pod);
    }

    /// Reads every source this often instead.
    pub fn hurry(&mut self, every: Duration) {
        self.schedule.hurry(every);
    }

    /// Starts reading the targets that are due.
    pub fn start(&mut self, session: &mut Session) {
        let (now, settled) = (session.now(), session.settled());
        let world = &mut session.world;
        // Before pods and nodes are listed there is nobody to ask; a user may not see nodes at all.
        if !world.synced(&Kind::Pod) || !(world.synced(&Kind::Node) || settled) {
            return;
        }
        if let Some(about) = self.about.as_ref().filter(|o| o.kind == Kind::Pod) {
            let pod = world.pods.find(&about.namespace, &about.name);
            self.schedule.look_at(pod.map(|p| p.node.clone()).filter(|node| !node.is_empty()));
        }
        if self.schedule.looks(now) {
            let pods = world.pods.values().filter(|p| telemetry::concerns(p));
            let targets = self.schedule.targets(world, pods);
            world.readings.leave_unread(self.schedule.unread(&targets));
            self.schedule.follow(&targets, now);
        }
        for target in self.schedule.due(now) {
            let (connection, turns) = (session.connection.clone(), self.turns.clone());
            self.under_way.spawn(async move {
                // The semaphore is never closed; without a permit the reading would only be less orderly.
                let _turn = turns.acquire().await;
                needs::scrape(&connection, target).await
            });
        }
    }

    /// Whether nothing is being read.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// When there is something to start.
    pub fn next_start(&self) -> Option<Time> {
        self.schedule.next()
    }

    /// Waits for the next readings; never ends while nothing is being read. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Vec<Reading> {
        loop {
            match self.under_way.join_next().await {
                Some(Ok(readings)) => return readings,
                // A reading that panicked is told of by its source: it has none.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Takes readings in; the objects whose numbers changed.
    pub fn take(&mut self, world: &mut World, readings: Vec<Reading>) -> Vec<ObjectRef> {
        measure::take(&mut self.schedule, world, readings)
    }
}
