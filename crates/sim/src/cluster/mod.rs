//! The cluster behind the API server: controllers, scheduler, kubelets and containers.
mod cache;
mod cadvisor;
pub(crate) mod chance;
mod controllers;
mod dcgm;
mod dispatch;
pub(crate) mod engine;
mod events;
mod files;
mod hprof;
mod http;
pub(crate) mod images;
mod kubelet;
mod kubeproxy;
mod logs;
mod machines;
mod network;
mod node_http;
pub(crate) mod object;
mod player;
mod prometheus;
mod requests;
mod resources;
mod scheduler;
pub(crate) mod shell;
mod usage;
mod vllm;

use crate::cluster::kubelet::node;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::api::store::Store;
use crate::scenario::Loaded;
use crate::scenario::Mistake;

use engine::{Engine, Timer};

/// A running cluster on a store.
#[derive(Clone)]
pub struct Cluster {
    engine: Arc<Mutex<Engine>>,
    store: Arc<Store>,
}

impl Cluster {
    /// Builds the scenario's cluster and replays its history up to the store's time. Nothing runs until
    /// [`Cluster::run`] is polled or [`Cluster::advance`] is called.
    pub fn stage(store: Arc<Store>, loaded: &Loaded) -> Self {
        let mut engine = Engine::new(store.clone(), loaded.scenario.seed.unwrap_or(1));
        let (now, before) = (store.clock().now(), store.clock().skew());
        // A manual clock cannot go back, so the history is replayed from now on.
        let history = loaded.scenario.history.map_or(Duration::ZERO, |h| h.duration());
        let zero = if store.clock().speed() > 0.0 { now } else { now.checked_add(history).unwrap_or(now) };
        engine.stage(&loaded.scenario, zero);
        if store.clock().speed() > 0.0 {
            // The replay took some real time. The clock is right again, and the remaining steps count from
            // now.
            let late = before - store.clock().skew();
            store.clock().set_skew(before);
            engine.delay_steps(late);
        }
        Self { engine: Arc::new(Mutex::new(engine)), store }
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    fn lock(&self) -> MutexGuard<'_, Engine> {
        // A panic in one reconciliation leaves the others usable.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs while it is polled: wakes for changes of the store and for the next timer.
    pub async fn run(self) {
        let mut news = self.store.subscribe();
        loop {
            while news.try_next().is_some() {}
            let due = {
                let mut engine = self.lock();
                engine.settle();
                engine.next_due()
            };
            let clock = self.store.clock().clone();
            let timer = async {
                match due {
                    Some(due) => clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = news.next() => {}
                () = timer => {}
            }
        }
    }

    /// Advances a manual clock, event by event.
    pub fn advance(&self, time: Duration) {
        let mut engine = self.lock();
        let now = engine.now();
        engine.run_until(now.checked_add(time).unwrap_or(now));
    }

    /// Handles everything that is due, without advancing the time.
    pub fn settle(&self) {
        self.lock().settle();
    }

    /// The steps that were refused so far.
    pub fn refused(&self) -> Vec<Mistake> {
        self.lock().player.refused.clone()
    }
}

impl Engine {
    /// Sets the clock to the cluster's birth. A manual clock cannot go back.
    pub(crate) fn be_at(&mut self, birth: Timestamp) {
        self.replaying = true;
        self.jump(birth);
    }

    /// Starts the periodic timers.
    pub(crate) fn start_clockwork(&mut self) {
        self.after(Duration::from_secs(10), Timer::Leases);
        self.after(Duration::from_secs(300), Timer::Expire);
    }

    /// Replays the history, which leaves objects and one hour of events.
    pub(crate) fn live_until(&mut self, zero: Timestamp) {
        self.run_until(zero);
        self.replaying = false;
        self.expire_events_now();
        node::heartbeat_all(self);
        self.settle();
    }
}
