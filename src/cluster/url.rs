//! A plain GET of any URL, such as a health check or a Prometheus: no kubeconfig, no credentials.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use kube::{Client, Config};

use super::ask::ProxyAnswer;
use super::connect::Connection;
use super::error::tidy;
use super::gate::{Gate, Pulse};
use super::transport;
use crate::world::Clock;

/// The largest answer that is read, in bytes.
const LIMIT: usize = 16 << 20;

/// Clients by scheme and authority. Each is made at its first use, because that reads the trust store.
#[derive(Default)]
pub(super) struct Sites(tokio::sync::Mutex<HashMap<String, Client>>);

impl Connection {
    /// The answer of a URL, whatever its status.
    ///
    /// # Errors
    /// A sentence: no URL, no answer in time, or one of more than 16 MiB.
    pub async fn url_get(&self, url: &str, within: Duration) -> Result<ProxyAnswer, String> {
        let fetch = async {
            let (site, path) = parts(url)?;
            let client = {
                let mut known = self.sites().0.lock().await;
                match known.get(&site.to_string()) {
                    Some(client) => client.clone(),
                    None => {
                        let client = client(site.clone(), within, self.clock().clone()).await?;
                        known.entry(site.to_string()).or_insert(client).clone()
                    }
                }
            };
            let response = send(&client, &path).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), LIMIT).collect().await;
            let body =
                body.map_err(|e| format!("{site} gave no whole answer: {}", tidy(&e.to_string(), 200)))?;
            Ok(ProxyAnswer { status, body: body.to_bytes() })
        };
        timely(fetch, within).await
    }
}

/// The HTTP status that a URL answers with. The answer's body is not read.
///
/// # Errors
/// A sentence: no URL, or no answer in time.
pub async fn status_of(url: &str, within: Duration, clock: Clock) -> Result<u16, String> {
    let fetch = async {
        let (site, path) = parts(url)?;
        let client = client(site, within, clock).await?;
        Ok(send(&client, &path).await?.status().as_u16())
    };
    timely(fetch, within).await
}

async fn timely<T>(fetch: impl Future<Output = Result<T, String>>, within: Duration) -> Result<T, String> {
    tokio::time::timeout(within, fetch)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", within.as_secs())))
}

/// The server of a URL, and what is asked of it.
fn parts(url: &str) -> Result<(Uri, String), String> {
    let uri: Uri = url.parse().map_err(|e| format!("{url:?} is not a URL: {e}"))?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("{url:?} is not an http or https URL"));
    };
    let site = Uri::builder().scheme(scheme).authority(authority.clone()).path_and_query("/").build();
    let site = site.map_err(|e| format!("{url:?} is not a URL: {e}"))?;
    Ok((site, uri.path_and_query().map_or("/", |p| p.as_str()).to_owned()))
}

async fn client(site: Uri, within: Duration, clock: Clock) -> Result<Client, String> {
    let gate = Gate { pulse: Arc::new(Pulse::new(clock)), read_only: Arc::new(AtomicBool::new(true)) };
    // Reading the trust store blocks.
    let client = tokio::task::spawn_blocking(move || {
        // kube's client joins this URL's path and that of each request, so it is given none.
        let mut config = Config::new(site);
        config.connect_timeout = Some(within);
        transport::client(&config, None, None, &gate).map_err(|e| tidy(&e.to_string(), 200))
    });
    client.await.map_err(|e| format!("the client could not be made: {e}"))?
}

async fn send(client: &Client, path: &str) -> Result<Response<Body>, String> {
    let request = Request::get(path).body(Body::empty()).map_err(|e| format!("{path:?}: {e}"))?;
    client.send(request).await.map_err(|e| tidy(&e.to_string(), 200))
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_url_is_taken_apart_into_its_server_and_its_path() {
        let of = |url: &str| parts(url).map(|(site, path)| (site.to_string(), path));
        let own = |site: &str, path: &str| Ok((site.to_owned(), path.to_owned()));
        assert_eq!(of("https://prom.example.com/a/b?c=d"), own("https://prom.example.com/", "/a/b?c=d"));
        assert_eq!(of("http://[::1]:9090"), own("http://[::1]:9090/", "/"));
        for url in ["prom.example.com/a", "ftp://prom.example.com/a", "/a", ""] {
            assert!(of(url).is_err(), "{url}");
        }
    }
}
