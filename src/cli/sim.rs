//! `khud sim` and `khud demo`: serves the embedded cluster, and opens the cockpit on its address.

use std::path::Path;
use std::time::Duration;

use super::args::{Cli, Common, Demo, Sim as Args};
use super::open::{self, runtime};
use super::{exit, out};
use crate::app::executor::state_files;
use crate::config::files::Places;
use crate::term;
use khud_sim::api::faults::parse_schedule;
use khud_sim::api::load::LoadOptions;
use khud_sim::clock::SimClock;
use khud_sim::{Fleet, Sim, SimOptions, scenario};

/// Serves a scenario until stopped.
pub fn serve(common: &Common, args: &Args) -> u8 {
    if let Some(file) = &args.check {
        return match khud_sim::check_file(&file.to_string_lossy()) {
            Ok(line) => out::result(&format!("{line}\n")),
            Err(e) => {
                out::complain(&e.to_string());
                exit::FAILED
            }
        };
    }
    finish(runtime().and_then(|rt| {
        let result = rt.block_on(async {
            let generated = args.nodes > 0 || args.pods > 0;
            let load = LoadOptions { nodes: args.nodes, pods: args.pods, churn: args.churn, seed: args.seed };
            let options = SimOptions {
                listen: args.listen,
                tls: args.tls,
                clock: SimClock::wall(args.speed),
                seed: Some(args.seed),
                load: generated.then_some(load),
                faults: parse_schedule(&args.faults.join(","), args.seed).map_err(|e| e.to_string())?,
            };
            // A generated cluster has no scenario unless one is named.
            if let (None, true) = (&args.scenario, generated) {
                let sim = Sim::start(options).await.map_err(|e| e.to_string())?;
                until_stopped(common, &sim.kubeconfig(), &format!("{}\n", sim.url())).await?;
                sim.stop().await;
            } else {
                let fleet = start(args.scenario.as_deref().unwrap_or("healthy"), options).await?;
                let all: Vec<_> = fleet.sims().collect();
                let urls = match all.as_slice() {
                    [(_, sim)] => format!("{}\n", sim.url()),
                    all => all.iter().map(|(context, sim)| format!("{context}  {}\n", sim.url())).collect(),
                };
                until_stopped(common, &fleet.kubeconfig(), &urls).await?;
                fleet.stop().await;
            }
            Ok(exit::DONE)
        });
        rt.shutdown_timeout(Duration::from_millis(200));
        result
    }))
}

/// Runs the embedded cluster with the cockpit on it.
pub fn demo(cli: &Cli, args: &Demo) -> u8 {
    if args.list {
        let lines = scenario::built_in_names();
        let wide = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        return out::result(
            &lines.iter().map(|(name, about)| format!("{name:wide$}  {about}\n")).collect::<String>(),
        );
    }
    if let Some(why) = term::unusable() {
        out::complain(&why);
        return exit::FAILED;
    }
    finish(runtime().and_then(|rt| {
        let result = rt.block_on(async {
            let options =
                SimOptions { clock: SimClock::wall(args.speed), seed: Some(1), ..SimOptions::default() };
            let fleet = start(&args.scenario, options).await?;
            let dir = private_dir()?;
            let file = dir.join("kubeconfig");
            write_private(&file, &fleet.kubeconfig())?;
            let common = Common { kubeconfig: Some(file), context: None, ..cli.common.clone() };
            let result = open::open(cli, &common).await;
            fleet.sims().for_each(|(context, sim)| forget(context, sim.url()));
            // If it cannot be removed, it stays in the temporary directory.
            let _ = std::fs::remove_dir_all(&dir);
            fleet.stop().await;
            result
        });
        rt.shutdown_timeout(Duration::from_millis(200));
        result
    }))
}

/// Removes the cockpit's saved state of the embedded cluster, because the next one is a different cluster.
fn forget(context: &str, url: &str) {
    let Some(places) = Places::find() else { return };
    for server in [url.to_owned(), format!("{url}/")] {
        // If it cannot be removed, a small unused folder stays.
        let _ = std::fs::remove_dir_all(state_files::folder(&places.state, context, &server));
    }
}

fn finish(result: Result<u8, String>) -> u8 {
    result.unwrap_or_else(|why| {
        out::complain(&why);
        exit::FAILED
    })
}

async fn start(name: &str, options: SimOptions) -> Result<Fleet, String> {
    let loaded = scenario::load(name).map_err(|e| e.to_string())?;
    Fleet::start(&loaded, options).await.map_err(|e| e.to_string())
}

/// Prints the address and waits for ctrl-c.
async fn until_stopped(common: &Common, kubeconfig: &str, urls: &str) -> Result<(), String> {
    if let Some(file) = &common.kubeconfig {
        write_private(file, kubeconfig)?;
    }
    if out::result(urls) != exit::DONE {
        return Err("the address could not be printed".to_owned());
    }
    tokio::signal::ctrl_c()
        .await
        .map_err(|_| "cannot listen for ctrl-c, so nothing could stop the server".to_owned())
}

/// Creates a directory that only this user can read.
fn private_dir() -> Result<std::path::PathBuf, String> {
    use std::os::unix::fs::DirBuilderExt;
    let base = std::env::temp_dir();
    for n in 0..100 {
        let dir = base.join(format!("khud-demo-{}-{n}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => return Ok(dir),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(format!("cannot make a directory in {}: {e}", base.display())),
        }
    }
    Err(format!("cannot make a directory in {}: too many khud-demo-* are there", base.display()))
}

/// Writes a file that only this user can read, because it holds the token. An existing file is replaced
/// atomically, so that a reader never sees half of it.
fn write_private(path: &Path, text: &str) -> Result<(), String> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let tell = |e: std::io::Error| format!("cannot write the kubeconfig {}: {e}", path.display());
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .map_err(tell)?;
    file.write_all(text.as_bytes()).map_err(tell)?;
    std::fs::rename(&part, path).map_err(tell)
}
