//! Regions: probes other clusters every half minute, and follows what they have.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::probe::Session;
use crate::app::core::msg::Msg;
use crate::app::core::regions::held;
use crate::cluster::feed::Scope;
use crate::cluster::{Connection, Options, status_of};
use crate::config::regions::Region;
use crate::world::ask::Call;
use crate::world::regions::{Holds, Probe, Sight};
use crate::world::{Clock, Kind, Time};

/// How often a region is probed.
const EVERY: Duration = Duration::from_secs(30);

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(5);

/// How long the first lists of a region may take.
const LISTS: Duration = Duration::from_secs(8);

/// The kinds that are watched in a region: its capacity and its models are made of them.
const KINDS: &[Kind] =
    &[Kind::Node, Kind::Pod, Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::ResourceQuota];

/// One region under watch.
pub struct Eye {
    region: Region,
    options: Options,
    clock: Clock,
    session: Option<Session>,
    /// It is the cluster that the cockpit is in: what it has is known already.
    own: bool,
}

impl Eye {
    /// `options`: how this cluster is reached; of them the context is the region's.
    pub fn new(region: Region, options: &Options, clock: Clock, own: bool) -> Eye {
        let options = Options {
            context: Some(region.context.clone()),
            namespace: None,
            // Nothing is ever changed there, and nobody can be asked.
            read_only: true,
            interactive: false,
            ..options.clone()
        };
        Eye { region, options, clock, session: None, own }
    }

    /// Probes the region, and says what it has.
    pub async fn look(&mut self) -> Sight {
        let at = self.clock.now();
        let (url, clock) = (self.region.health.clone(), self.clock.clone());
        let health = async move {
            let url = url?;
            let began = Instant::now();
            let answer = match status_of(&url, WITHIN, clock).await {
                Ok(status) if status < 400 => Ok(()),
                Ok(status) => Err(format!("HTTP {status}")),
                Err(why) => Err(why),
            };
            Some(probe(at, began, answer))
        };
        let (health, connection) = tokio::join!(health, self.connection());
        let began = Instant::now();
        let answer = match connection {
            Ok(connection) => ready(&connection).await,
            Err(why) => Err(why),
        };
        let api = probe(at, began, answer);
        let holds = match api.ms {
            Some(_) if !self.own => self.holds().await,
            _ => None,
        };
        let server = self.session.as_ref().map_or("", |s| s.connection.server()).into();
        Sight { context: self.region.context.as_str().into(), server, api, health, holds }
    }

    /// The connection; the kubeconfig is read again as long as there is none.
    async fn connection(&mut self) -> Result<Connection, String> {
        if let Some(session) = &self.session {
            return Ok(session.connection.clone());
        }
        let opening = Connection::open(self.options.clone(), self.clock.clone());
        let connection = match tokio::time::timeout(WITHIN, opening).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(e)) => return Err(e.to_string()),
            Err(_) => return Err("its credentials did not come in time".to_owned()),
        };
        let kinds: &[Kind] = if self.own { &[] } else { KINDS };
        self.session = Some(Session::start(connection.clone(), &Scope::Cluster, kinds));
        Ok(connection)
    }

    async fn holds(&mut self) -> Option<Holds> {
        let session = self.session.as_mut()?;
        if !session.settled() {
            session.settle(LISTS, |_, _| {}).await;
        }
        session.world.synced(&Kind::Node).then(|| held(&session.world))
    }

    /// Takes in what changes there; never ends.
    async fn follow(&mut self) {
        match &mut self.session {
            Some(session) if !self.own => loop {
                session.next().await;
            },
            _ => std::future::pending().await,
        }
    }

    /// Looks again and again, until nobody listens.
    pub async fn watch(mut self, inbox: mpsc::Sender<Msg>) {
        let mut again = tokio::time::interval(EVERY);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = again.tick() => {}
                () = self.follow() => {}
            }
            let sight = Box::new(self.look().await);
            if inbox.send(Msg::Region(sight)).await.is_err() {
                return;
            }
        }
    }
}

/// Whether the API server answers and says that it is ready. A refusal is an answer, too.
async fn ready(connection: &Connection) -> Result<(), String> {
    match tokio::time::timeout(WITHIN, connection.call(Call::get("/readyz"))).await {
        Err(_) => Err(format!("no answer within {} s", WITHIN.as_secs())),
        Ok(Err(e)) => Err(e.to_string()),
        Ok(Ok(answer)) if answer.status >= 500 => Err(format!("not ready: {}", answer.message())),
        Ok(Ok(_)) => Ok(()),
    }
}

fn probe(at: Time, began: Instant, answer: Result<(), String>) -> Probe {
    let ms = u32::try_from(began.elapsed().as_millis()).unwrap_or(u32::MAX);
    match answer {
        Ok(()) => Probe { at, ms: Some(ms), why: None },
        Err(why) => Probe { at, ms: None, why: Some(why.into()) },
    }
}
