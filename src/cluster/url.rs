//! A plain GET of any URL, such as a health check: no kubeconfig, no credentials.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::{Request, Uri};
use kube::Config;
use kube::client::Body;

use super::error::tidy;
use super::gate::{Gate, Pulse};
use super::transport;
use crate::world::Clock;

/// The HTTP status that a URL answers with. The answer's body is not read.
///
/// # Errors
/// A sentence: no URL, or no answer in time.
pub async fn status_of(url: &str, within: Duration, clock: Clock) -> Result<u16, String> {
    let uri: Uri = url.parse().map_err(|e| format!("{url:?} is not a URL: {e}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("{url:?} is not an http or https URL"));
    }
    let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let request = Request::get(path).body(Body::empty()).map_err(|e| format!("{url:?}: {e}"))?;
    let gate = Gate { pulse: Arc::new(Pulse::new(clock)), read_only: Arc::new(AtomicBool::new(true)) };
    // Reading the trust store blocks.
    let client = tokio::task::spawn_blocking(move || {
        let mut config = Config::new(uri);
        config.connect_timeout = Some(within);
        transport::client(&config, None, None, &gate).map_err(|e| tidy(&e.to_string(), 200))
    });
    let client = client.await.map_err(|e| format!("the client could not be made: {e}"))??;
    match tokio::time::timeout(within, client.send(request)).await {
        Err(_) => Err(format!("no answer within {} s", within.as_secs())),
        Ok(Ok(response)) => Ok(response.status().as_u16()),
        Ok(Err(e)) => Err(tidy(&e.to_string(), 200)),
    }
}
