//! Serves a scenario and reads its pods with the kube crate, as a test of a controller or a tool would:
//! `cargo run -p khud-sim --example serve -- crashloop-oom`
use k8s_openapi::api::core::v1::Pod;
use khud_sim::{Fleet, SimOptions, scenario};
use kube::api::{Api, ListParams, ResourceExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "healthy".to_owned());
    let fleet = Fleet::start(&scenario::load(&name)?, SimOptions::default()).await?;

    let kubeconfig = Kubeconfig::from_yaml(&fleet.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let pods = Api::<Pod>::all(Client::try_from(config)?);
    for pod in pods.list(&ListParams::default()).await? {
        let phase = pod.status.as_ref().and_then(|s| s.phase.clone()).unwrap_or_default();
        println!("{}/{} {phase}", pod.namespace().unwrap_or_default(), pod.name_any());
    }
    fleet.stop().await;
    Ok(())
}
