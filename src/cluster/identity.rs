//! Which cluster answers at an address: the UID of its namespace kube-system, checked whenever it may have changed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, header};
use serde::Deserialize;
use tokio::sync::watch;

use super::ask::is_html;
use super::connect::Connection;
use super::error::{Failure, tidy};
use super::slim::Refusal;

/// Which cluster answers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Identity {
    /// Not asked yet.
    #[default]
    Unknown,
    /// The UID of kube-system, the same as ever.
    Verified(String),
    /// The cluster does not say: why.
    Unverified(String),
    /// Another cluster than the one known: both UIDs.
    Other { known: String, found: String },
}

/// Whether the connection still leads where it was opened to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    pub identity: Identity,
    /// What the kubeconfig's context has become, where that is another cluster or user: a sentence. No credentials are
    /// renewed and no changes sent meanwhile.
    pub moved: Option<String>,
    /// Why the credential plugin brought nothing when it was last run: a sentence. A login may be due.
    pub plugin: Option<String>,
}

/// A check answers for changes sent within this time.
const HOLDS: Duration = Duration::from_secs(5);
/// For one answer about kube-system.
const PATIENCE: Duration = Duration::from_secs(10);
const PATH: &str = "/api/v1/namespaces/kube-system";

/// What a connection knows of the cluster behind it.
#[derive(Debug)]
pub(super) struct Watchman {
    standing: watch::Sender<Standing>,
    state: Mutex<State>,
    /// One check at a time; the others wait for its result.
    checking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    known: Option<String>,
    /// When the last check that brought an answer began.
    checked: Option<Instant>,
    /// When something last happened that may mean another cluster.
    doubted: Option<Instant>,
    /// When the last check failed, and how.
    failed: Option<(Instant, Failure)>,
}

impl Watchman {
    pub fn new() -> Watchman {
        let state = State { known: None, checked: None, doubted: None, failed: None };
        Watchman {
            standing: watch::Sender::default(),
            state: Mutex::new(state),
            checking: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// The connection may lead elsewhere from now on: the next watch and the next change look first.
    pub fn doubt(&self) {
        self.state().doubted = Some(Instant::now());
    }

    pub fn moved(&self, what: Option<String>) {
        self.standing.send_if_modified(|s| {
            let changed = s.moved != what;
            s.moved = what;
            changed
        });
    }

    pub fn plugin_failed(&self, why: Option<String>) {
        self.standing.send_if_modified(|s| {
            let changed = s.plugin != why;
            s.plugin = why;
            changed
        });
    }

    /// Why a change must not be sent, and why nothing at all may.
    pub fn stop(&self, server: &str) -> (Option<Failure>, Option<Failure>) {
        let standing = self.standing.borrow();
        let other = match &standing.identity {
            Identity::Other { known, found } => Some(Failure::OtherCluster {
                server: server.to_owned(),
                known: known.clone(),
                found: found.clone(),
            }),
            _ => None,
        };
        (other.clone().or_else(|| standing.moved.clone().map(Failure::Moved)), other)
    }

    fn judge(&self, found: Result<String, String>) {
        let identity = match found {
            Err(why) => Identity::Unverified(why),
            Ok(found) => {
                let known = self.state().known.get_or_insert_with(|| found.clone()).clone();
                if known == found { Identity::Verified(found) } else { Identity::Other { known, found } }
            }
        };
        self.standing.send_if_modified(|s| {
            let changed = s.identity != identity;
            s.identity = identity;
            changed
        });
    }
}

#[derive(Deserialize)]
struct Namespace {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    uid: String,
}

impl Connection {
    /// Takes the cluster with this kube-system for the right one. Call it before anything is sent: without it the
    /// first cluster that answers is.
    pub fn expect(&self, uid: Option<String>) {
        self.watchman().state().known = uid;
    }

    /// Whether the connection still leads where it was opened to, now and from now on.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.watchman().standing()
    }

    /// Asks which cluster answers.
    ///
    /// # Errors
    /// Where no answer came. A cluster that does not say is no failure: see [`Identity::Unverified`].
    pub async fn identify(&self) -> Result<Identity, Failure> {
        self.watchman().doubt();
        self.look().await?;
        Ok(self.watchman().standing.borrow().identity.clone())
    }

    /// Before a watch goes on: another cluster's changes must not be mixed into what is known.
    pub(super) async fn same_cluster(&self) -> Result<(), Failure> {
        let due = {
            let state = self.watchman().state();
            let other = matches!(self.watchman().standing.borrow().identity, Identity::Other { .. });
            match (state.checked, state.doubted) {
                // Another cluster answered: perhaps the right one is back.
                (Some(checked), _) if other => checked.elapsed() >= HOLDS,
                (Some(checked), doubted) => doubted.is_some_and(|at| at > checked),
                (None, doubted) => doubted.is_some(),
            }
        };
        if due {
            self.look().await?;
        }
        self.watchman().stop(self.server()).1.map_or(Ok(()), Err)
    }

    /// Before a change is sent.
    pub(super) async fn same_cluster_to_change(&self) -> Result<(), Failure> {
        let fresh = {
            let state = self.watchman().state();
            state.checked.is_some_and(|at| at.elapsed() < HOLDS && state.doubted.is_none_or(|d| d <= at))
        };
        if !fresh {
            self.look().await?;
        }
        self.watchman().stop(self.server()).0.map_or(Ok(()), Err)
    }

    async fn look(&self) -> Result<(), Failure> {
        let wanted = Instant::now();
        let watchman = self.watchman();
        let _turn = watchman.checking.lock().await;
        {
            // Whoever waited for its turn has the answer of the one before.
            let state = watchman.state();
            if state.checked.is_some_and(|at| at >= wanted) {
                return Ok(());
            }
            if let Some((_, failure)) = state.failed.as_ref().filter(|(at, _)| *at >= wanted) {
                return Err(failure.clone());
            }
        }
        let began = Instant::now();
        match self.kube_system().await {
            Ok((_, Some(found))) => watchman.judge(found),
            // The server is in trouble, or does not take the credentials: what is asked next hears so itself.
            Ok((_, None)) => {}
            Err(failure) => {
                let mut state = watchman.state();
                state.failed = Some((Instant::now(), failure.clone()));
                state.doubted = state.doubted.or(Some(began));
                return Err(failure);
            }
        }
        watchman.state().checked = Some(began);
        Ok(())
    }

    /// Whether the cluster, and not only a front that is still up, answers: the object is read from the cluster's
    /// store, which `/version` and watches are not.
    ///
    /// # Errors
    /// Where no answer came.
    pub(super) async fn answers(&self) -> Result<bool, Failure> {
        let began = Instant::now();
        let (status, found) = self.kube_system().await?;
        if let Some(found) = found {
            self.watchman().judge(found);
            self.watchman().state().checked = Some(began);
        }
        if status != 403 {
            return Ok(status < 500);
        }
        // What is forbidden is refused without a look into the store.
        let namespace = super::ask::segment(self.namespace());
        let (status, _) = self.get(&format!("/api/v1/namespaces/{namespace}/pods?limit=1"), 8 << 20).await?;
        Ok(status < 500)
    }

    /// The HTTP status, and the UID of kube-system or why the cluster does not say; `None` where that cannot be told now.
    async fn kube_system(&self) -> Result<(u16, Option<Result<String, String>>), Failure> {
        let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
        let request = self.request(Request::get(PATH).header(header::ACCEPT, accept), Vec::new())?;
        let limit = PATIENCE.min(self.request_timeout());
        let response = self.send_once(request, limit).await?;
        let (status, html) = (response.status().as_u16(), is_html(&response));
        let body = self.collect(response, 1 << 20).await?;
        if html {
            return Err(self.not_kubernetes(status, &body));
        }
        let found = match status {
            200 => match serde_json::from_slice::<Namespace>(&body) {
                Ok(namespace) if !namespace.metadata.uid.is_empty() => {
                    Some(Ok(tidy(&namespace.metadata.uid, 80)))
                }
                _ => Some(Err("the namespace kube-system has no UID".to_owned())),
            },
            403 => Some(Err("you may not read the namespace kube-system".to_owned())),
            404 if Refusal::parse(&body).is_some() => {
                Some(Err("there is no namespace kube-system".to_owned()))
            }
            _ => None,
        };
        Ok((status, found))
    }
}
