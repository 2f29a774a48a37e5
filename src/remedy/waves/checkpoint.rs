//! The operator's command that has jobs save their work before they are evicted. Its exit code is a gate.

use super::run::lock;
use super::select;
use super::side_by_side::SideBySide;
use super::state::Phase;
use super::steps::Machine;
use crate::remedy::run::Stop;

impl Machine {
    /// Runs the command once for each node of the wave that has jobs. One that was cut off runs again: to save twice harms
    /// nobody.
    pub(super) async fn checkpoint(&self, n: usize) -> Result<(), Stop> {
        let Some(words) = self.asked.checkpoint.clone() else { return Ok(()) };
        let mut jobs = SideBySide::default();
        for (name, node) in self.among(n, &[Phase::Cordoned]) {
            let allowed = self.asked.allowed;
            let on_it = self
                .see(&name, move |world, name, now| {
                    let Some(node) = world.nodes.find("", name) else { return Vec::new() };
                    let found = select::survey(world, now, node, allowed, &select::budgets(world));
                    found.jobs.into_iter().map(|j| j.name).collect::<Vec<_>>()
                })
                .await?;
            if on_it.is_empty() || node.checkpointed {
                continue;
            }
            let mut command = self.command(n, &name, &words).await?;
            command.env.push(("KHUD_JOBS".to_owned(), on_it.join(",")));
            command.log = command.log.with_extension("checkpoint.log");
            let cx = self.cx.clone();
            jobs.add(name, async move { cx.command(command).await });
        }
        self.board("jobs save their work");
        let (mut failed, mut saved, mut cancelled) = (Vec::new(), Vec::new(), false);
        while let Some((name, result)) = jobs.next().await {
            let why = match result {
                Ok(Ok(ran)) if ran.code == Some(0) => {
                    self.change(&name, |node| node.checkpointed = true);
                    self.save().await?;
                    saved.push(name);
                    continue;
                }
                Ok(Ok(ran)) => {
                    let code = ran
                        .code
                        .map_or("it ended by a signal or its time".to_owned(), |c| format!("exit code {c}"));
                    format!("{code}: {}", ran.tail.lines().next_back().unwrap_or("it printed nothing"))
                }
                Ok(Err(why)) => why,
                Err(Stop::Cancelled) => {
                    cancelled = true;
                    continue;
                }
                Err(other) => return Err(other),
            };
            failed.push(format!("{name}: {why}"));
        }
        if cancelled {
            return Err(Stop::Cancelled);
        }
        if !failed.is_empty() {
            failed.sort();
            return Err(Stop::Failed(format!(
                "gate checkpoint of wave {n} does not hold, no job was evicted: {}",
                failed.join("; ")
            )));
        }
        if !saved.is_empty() {
            saved.sort();
            self.note(n, format!("gate checkpoint holds: the jobs of {} saved their work", saved.join(", ")));
            let done = lock(&self.state).count(Phase::Done);
            self.cx.step(format!("wave {n}: jobs saved their work, {done} nodes are done")).await;
        }
        Ok(())
    }
}
