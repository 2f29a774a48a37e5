//! The embedded cluster: a Kubernetes API server on loopback, with controllers, kubelets and scenarios.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod api;
mod check;
pub mod clock;
pub mod cluster;
mod fleet;
pub mod scenario;

pub use check::check_file;
pub use fleet::Fleet;

use api::access::auth::MASTERS;
use api::faults::{self, Faults, Timed};
use api::load::{Load, LoadOptions};
use api::machines::{Machines, NoMachines};
use api::meta::status::Status;
use api::server::ApiServer;
use api::store::Store;
use api::wire::kubeconfig::{Access, kubeconfig};
use api::wire::tls::{Tls, TlsError};
use clock::SimClock;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::task::JoinSet;

/// The options of an embedded cluster.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Port 0 selects a free one.
    pub listen: SocketAddr,
    pub tls: bool,
    pub clock: SimClock,
    /// Makes uids and generated names reproducible.
    pub seed: Option<u64>,
    /// A generated cluster besides the other objects.
    pub load: Option<LoadOptions>,
    /// Faults and their times, counted from the start.
    pub faults: Vec<Timed>,
}

impl Default for SimOptions {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        SimOptions {
            listen,
            tls: false,
            clock: SimClock::wall(1.0),
            seed: None,
            load: None,
            faults: Vec::new(),
        }
    }
}

/// Why an embedded cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error(
        "the embedded cluster cannot listen on {address}: {source}. Choose another address with --listen."
    )]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the embedded cluster could not create its own objects: {0}")]
    Bootstrap(#[from] Status),
}

/// A running embedded cluster.
pub struct Sim {
    server: ApiServer,
    /// Churn, faults and the expiry of events. They end with the cluster.
    _tasks: JoinSet<()>,
}

impl Sim {
    /// Starts an API server without nodes.
    pub async fn start(options: SimOptions) -> Result<Sim, SimError> {
        Self::start_with(options, |_| Arc::new(NoMachines)).await
    }

    /// Starts an API server with the machines that `machines` builds on its store.
    pub async fn start_with(
        options: SimOptions,
        machines: impl FnOnce(&Arc<Store>) -> Arc<dyn Machines>,
    ) -> Result<Sim, SimError> {
        let store = match options.seed {
            Some(seed) => Store::seeded(options.clock, seed),
            None => Store::new(options.clock),
        };
        let tls = options.tls.then(|| Tls::new(options.listen.ip())).transpose()?;
        api::bootstrap(&store)?;
        let mut tasks = JoinSet::new();
        if let Some(load) = options.load {
            tasks.spawn(Load::fill(&store, load)?.churn());
        }
        let machines = machines(&store);
        tasks.spawn(api::store::expiry::run(store.clone()));
        let (address, clock) = (options.listen, store.clock().clone());
        let server = ApiServer::start(store, machines, address, tls).await;
        let server = server.map_err(|source| SimError::Listen { address, source })?;
        if !options.faults.is_empty() {
            tasks.spawn(faults::play(options.faults, server.faults().clone(), clock));
        }
        Ok(Sim { server, _tasks: tasks })
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        self.server.url()
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_of("admin", &[MASTERS])
    }

    /// The kubeconfig of a user in some groups. The stored roles give the rights.
    pub fn kubeconfig_of(&self, user: &str, groups: &[&str]) -> String {
        kubeconfig(&[self.access("khud", user, groups)])
    }

    /// A new token of a user for this cluster, under a context name.
    pub fn access(&self, context: &str, user: &str, groups: &[&str]) -> Access {
        self.server.access(context, user, groups)
    }

    pub fn store(&self) -> &Arc<Store> {
        self.server.store()
    }

    /// The faults between the API server and its clients: `sim.faults().set([Fault::Reset])`.
    pub fn faults(&self) -> &Faults {
        self.server.faults()
    }

    /// Closes the listener and all connections.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}
