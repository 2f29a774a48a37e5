//! The dossier of `khud do bundle`: from a look at the whole cluster, its timeline and the journal.

use std::sync::Arc;

use super::look::Look;
use super::{report, settings};
use crate::app::core::dossier::Knowing;
use crate::cluster::Connection;
use crate::cluster::feed::Scope;
use crate::detect::postmortem;
use crate::remedy::bundle::Known;
use crate::world::ObjectRef;

/// An incident may reach beyond the object's namespace, so all of the cluster is looked at, as by `khud scan`.
pub async fn of(connection: Connection, object: &ObjectRef) -> Known {
    let cluster = connection.context().to_owned();
    // Without them there is less to tell, and the bundle says what is in it.
    let timeline = report::remembered(&connection).unwrap_or_default();
    let done = report::done(&cluster).unwrap_or_else(|_| postmortem::done_of_timeline(&timeline));
    let mut look = Look::start(connection, &Scope::Cluster, &settings::loaded());
    look.run(None).await;
    look.ask(object).await;
    let (library, _) = super::playbook::library();
    let knowing = Knowing {
        cluster: &cluster,
        world: &look.session.world,
        detector: &look.detector,
        library: Arc::new(library),
        timeline: &timeline,
        done: &done,
        now: look.session.now(),
    };
    knowing.of(object)
}
