//! One look at a cluster: its lists, telemetry, the logs that rules need, and the judge's findings.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::app::executor::meter::Meter;
use crate::app::executor::needs;
use crate::app::executor::probe::{PATIENCE, Session};
use crate::cluster::Connection;
use crate::cluster::feed::Scope;
use crate::config::files::Loaded;
use crate::detect::Detector;
use crate::judge::Answer;
use crate::world::ask::LogTail;
use crate::world::{Kind, ObjectRef, TlsSecret};

use super::settings;

/// The longest wait for the answers of all sources.
pub const LOOK: Duration = Duration::from_secs(10);

/// How often a longer look reads telemetry, to see changes.
const PACE: Duration = Duration::from_secs(2);

pub struct Look {
    pub session: Session,
    pub detector: Detector,
    /// The log tails that rules asked for and that are being read.
    logs: JoinSet<(LogTail, Result<String, String>)>,
    meter: Meter,
    /// Certificates of Ingresses on their way.
    secrets: JoinSet<(ObjectRef, Result<TlsSecret, String>)>,
}

impl Look {
    pub fn start(connection: Connection, scope: &Scope, loaded: &Loaded) -> Look {
        let config = loaded.config.clone().unwrap_or_default();
        let telemetry = config.for_context(connection.context());
        let session = Session::start(connection, scope, &Kind::followed());
        Look {
            session,
            detector: Detector::new(settings::detect(loaded)),
            logs: JoinSet::new(),
            secrets: JoinSet::new(),
            meter: Meter::new(telemetry.telemetry, telemetry.prometheus),
        }
    }

    /// Looks closely at one object from now on.
    pub fn about(&mut self, object: &ObjectRef) {
        self.meter.about(object.clone());
    }

    /// Runs until every source has answered and every needed log is read, or for `watch`.
    pub async fn run(&mut self, watch: Option<Duration>) {
        let began = Instant::now();
        let deadline = began + watch.unwrap_or(LOOK);
        if watch.is_some() {
            self.meter.hurry(PACE);
        }
        while Instant::now() < deadline {
            self.fetch();
            self.meter.start(&mut self.session);
            let idle = self.logs.is_empty() && self.secrets.is_empty() && self.meter.is_idle();
            if watch.is_none() && self.session.settled() && idle {
                return;
            }
            if watch.is_none() && self.session.hopeless() && began.elapsed() > PATIENCE {
                return;
            }
            if self.turn(deadline).await.is_break() {
                return;
            }
        }
    }

    /// The judge's answer about an object. The logs it needs are read within the time of a look.
    pub async fn ask(&mut self, object: &ObjectRef) -> Answer {
        let deadline = Instant::now() + LOOK;
        self.detector.ask(&self.session.world, object, self.session.now());
        loop {
            self.fetch();
            let answer = self.answer(object);
            let over = Instant::now() >= deadline;
            if !answer.waiting || over || self.turn(deadline).await.is_break() {
                // A log that did not arrive in time is given up; the answer names it.
                let mut answer = self.answer(object);
                if std::mem::take(&mut answer.waiting) {
                    answer.unseen.push(("a log".to_owned(), "it did not arrive in time".to_owned()));
                }
                return answer;
            }
        }
    }

    fn answer(&self, object: &ObjectRef) -> Answer {
        self.detector.answer(&self.session.world, object, self.session.now())
    }

    /// Waits for the next delta or log and applies it. Ctrl-C breaks.
    async fn turn(&mut self, deadline: Instant) -> std::ops::ControlFlow<()> {
        let now = self.session.now();
        let timers = self.detector.next_timer().into_iter().chain(self.meter.next_start());
        let timer = timers.min().map(|t| (t.0 - now.0).max(10));
        let wait = Duration::from_millis(timer.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(60_000));
        let wake = deadline.min(Instant::now() + wait);
        tokio::select! {
            changes = self.session.next() => {
                let now = self.session.now();
                self.detector.on_changes(&self.session.world, &changes, now);
            }
            Some(Ok((tail, result))) = self.logs.join_next() => {
                let now = self.session.now();
                let answer = result.as_deref().map_err(String::as_str);
                self.detector.on_log(&self.session.world, &tail, answer, now);
            }
            readings = self.meter.next() => {
                let now = self.session.now();
                let touched = self.meter.take(&mut self.session.world, readings);
                self.detector.on_readings(&self.session.world, &touched, now);
            }
            Some(Ok((secret, result))) = self.secrets.join_next() => {
                let now = self.session.now();
                self.detector.on_secret(&self.session.world, &secret, result, now);
            }
            () = tokio::time::sleep_until(wake) => {
                let now = self.session.now();
                self.detector.on_timer(&self.session.world, now);
            }
            _ = tokio::signal::ctrl_c() => return std::ops::ControlFlow::Break(()),
        }
        std::ops::ControlFlow::Continue(())
    }

    fn fetch(&mut self) {
        let now = self.session.now();
        for tail in self.detector.wanted_logs(now) {
            let connection = self.session.connection.clone();
            self.logs.spawn(async move {
                let result = needs::read_log(&connection, &tail).await;
                (tail, result)
            });
        }
        for secret in self.detector.wanted_secrets() {
            let connection = self.session.connection.clone();
            self.secrets.spawn(async move {
                let result = connection.tls_secret(&secret.namespace, &secret.name).await;
                (secret, result)
            });
        }
    }
}
