//! Identifies the cluster by the UID of its namespace kube-system, and checks it whenever it may have
//! changed.

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
    /// The UID of kube-system, the same as at the start.
    Verified(String),
    /// The reason why the UID could not be read.
    Unverified(String),
    /// Another cluster answers: both UIDs.
    Other { known: String, found: String },
}

/// Whether the connection still leads to the cluster and user it was opened for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    pub identity: Identity,
    /// A sentence if the kubeconfig's context names another cluster or user now. Meanwhile khud renews no
    /// credentials and sends no changes.
    pub moved: Option<String>,
    /// A sentence if the last run of the credential plugin failed. The user may have to log in.
    pub plugin: Option<String>,
}

/// The result of a check is valid for changes sent within this time.
const HOLDS: Duration = Duration::from_secs(5);
/// The timeout of one request for kube-system.
const PATIENCE: Duration = Duration::from_secs(10);
const PATH: &str = "/api/v1/namespaces/kube-system";

/// The identity of a connection's cluster, as far as it is known.
#[derive(Debug)]
pub(super) struct IdentityGuard {
    standing: watch::Sender<Standing>,
    state: Mutex<State>,
    /// One check at a time; the others wait for its result.
    checking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    known: Option<String>,
    /// When the last check that got an answer began.
    checked: Option<Instant>,
    /// When the connection last failed or was replaced, so that another cluster may answer.
    doubted: Option<Instant>,
    /// When the last check failed, and the failure.
    failed: Option<(Instant, Failure)>,
}

impl IdentityGuard {
    pub fn new() -> IdentityGuard {
        let state = State { known: None, checked: None, doubted: None, failed: None };
        IdentityGuard {
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

    /// Makes the next watch and the next change check the identity first.
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

    /// The failure that stops a change, and the failure that stops every request.
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
    /// Sets the expected UID of kube-system. Call it before the first request: otherwise the first cluster
    /// that answers is trusted.
    pub fn expect(&self, uid: Option<String>) {
        self.identity_guard().state().known = uid;
    }

    /// Reports whether the connection still leads to the same cluster, now and after each change.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.identity_guard().standing()
    }

    /// Reads which cluster answers.
    ///
    /// # Errors
    /// No answer came. A cluster that hides its UID is no failure: see [`Identity::Unverified`].
    pub async fn identify(&self) -> Result<Identity, Failure> {
        self.identity_guard().doubt();
        self.check_identity().await?;
        Ok(self.identity_guard().standing.borrow().identity.clone())
    }

    /// Checks the identity before a watch continues: changes of another cluster must not reach the World.
    pub(super) async fn ensure_same_cluster(&self) -> Result<(), Failure> {
        let due = {
            let state = self.identity_guard().state();
            let other = matches!(self.identity_guard().standing.borrow().identity, Identity::Other { .. });
            match (state.checked, state.doubted) {
                // After another cluster answered, the right one may be back.
                (Some(checked), _) if other => checked.elapsed() >= HOLDS,
                (Some(checked), doubted) => doubted.is_some_and(|at| at > checked),
                (None, doubted) => doubted.is_some(),
            }
        };
        if due {
            self.check_identity().await?;
        }
        self.identity_guard().stop(self.server()).1.map_or(Ok(()), Err)
    }

    /// Checks the identity before a change is sent.
    pub(super) async fn ensure_same_cluster_for_change(&self) -> Result<(), Failure> {
        let fresh = {
            let state = self.identity_guard().state();
            state.checked.is_some_and(|at| at.elapsed() < HOLDS && state.doubted.is_none_or(|d| d <= at))
        };
        if !fresh {
            self.check_identity().await?;
        }
        self.identity_guard().stop(self.server()).0.map_or(Ok(()), Err)
    }

    async fn check_identity(&self) -> Result<(), Failure> {
        let wanted = Instant::now();
        let identity_guard = self.identity_guard();
        let _turn = identity_guard.checking.lock().await;
        {
            // The task that held the lock before may have brought the answer.
            let state = identity_guard.state();
            if state.checked.is_some_and(|at| at >= wanted) {
                return Ok(());
            }
            if let Some((_, failure)) = state.failed.as_ref().filter(|(at, _)| *at >= wanted) {
                return Err(failure.clone());
            }
        }
        let began = Instant::now();
        match self.kube_system().await {
            Ok((_, Some(found))) => identity_guard.judge(found),
            // The server is failing or refuses the credentials. The next request reports that itself.
            Ok((_, None)) => {}
            Err(failure) => {
                let mut state = identity_guard.state();
                state.failed = Some((Instant::now(), failure.clone()));
                state.doubted = state.doubted.or(Some(began));
                return Err(failure);
            }
        }
        identity_guard.state().checked = Some(began);
        Ok(())
    }

    /// Whether the cluster answers, and not only a load balancer in front of it. The object is read from
    /// etcd; `/version` and watches are not.
    ///
    /// # Errors
    /// No answer came.
    pub(super) async fn answers(&self) -> Result<bool, Failure> {
        let began = Instant::now();
        let (status, found) = self.kube_system().await?;
        if let Some(found) = found {
            self.identity_guard().judge(found);
            self.identity_guard().state().checked = Some(began);
        }
        if status != 403 {
            return Ok(status < 500);
        }
        // The authorizer refuses before etcd is read, so another read must reach etcd.
        let namespace = super::ask::segment(self.namespace());
        let (status, _) = self.get(&format!("/api/v1/namespaces/{namespace}/pods?limit=1"), 8 << 20).await?;
        Ok(status < 500)
    }

    /// The HTTP status and the UID of kube-system. The inner error says why the UID is hidden; `None` means
    /// unknown for now.
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
