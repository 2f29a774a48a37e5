//! Builds kube's client on khud's own connections: with any proxy, and a full TLS handshake for each.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Uri, header};
use hyper::rt::{Read, Write};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::Client;
use kube::client::{Body, ClientBuilder, ConfigExt as _};
use kube::config::Config;
use rustls::client::Resumption;
use tower::util::{MapRequestLayer, option_layer};
use tower::{Service, ServiceBuilder};
use tower_http::decompression::DecompressionLayer;

use super::gate::Gate;
use super::proxy::{Protocol, Proxy};
use super::token::TokenFile;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes a client. It reads certificates and trust stores from the disk.
///
/// # Errors
/// kube's error for a certificate, key, header or server name that cannot be used.
pub(super) fn client(
    config: &Config,
    proxy: Option<&Proxy>,
    token: Option<TokenFile>,
    gate: &Gate,
) -> Result<Client, kube::Error> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    match proxy {
        None => over(http, config, token, gate),
        Some(proxy) => match proxy.protocol {
            Protocol::Http => over(tunnel(proxy, http), config, token, gate),
            // The kubeconfig's authorities also verify the proxy, as with kubectl.
            Protocol::Https => over(tunnel(proxy, encrypted(config, http)?), config, token, gate),
            Protocol::Socks5 => {
                let mut socks = SocksV5::new(proxy.url.clone(), http);
                if let Some((user, password)) = proxy.credentials() {
                    socks = socks.with_auth(user, password);
                }
                over(socks, config, token, gate)
            }
        },
    }
}

fn tunnel<C>(proxy: &Proxy, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.url.clone(), connector);
    match proxy.basic() {
        Some(basic) => tunnel.with_auth(basic),
        None => tunnel,
    }
}

/// Adds TLS to the connector for https URLs.
fn encrypted<C>(config: &Config, connector: C) -> Result<hyper_rustls::HttpsConnector<C>, kube::Error> {
    let mut tls = config.rustls_client_config()?;
    // A resumed session loses the client certificate if several API servers share one address. Go, and so
    // kubectl, never resumes.
    tls.resumption = Resumption::disabled();
    let mut builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = rustls::pki_types::ServerName::try_from(name.clone()).map_err(|e| {
            kube::Error::Service(format!("tls-server-name {name:?} is not a valid name ({e})").into())
        })?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    Ok(builder.enable_http1().wrap_connector(connector))
}

/// Adds kube's own layers to a connector, without its retries, and the gate as the outermost layer.
fn over<C>(
    connector: C,
    config: &Config,
    token: Option<TokenFile>,
    gate: &Gate,
) -> Result<Client, kube::Error>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send + Sync + std::error::Error + 'static,
{
    let mut connector = TimeoutConnector::new(encrypted(config, connector)?);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let client: hyper_util::client::legacy::Client<_, Body> =
        hyper_util::client::legacy::Builder::new(TokioExecutor::new()).build(connector);
    let token = token.map(|file| {
        let file = Arc::new(file);
        MapRequestLayer::new(move |mut request: Request<Body>| {
            if let Some(bearer) = file.bearer() {
                request.headers_mut().insert(header::AUTHORIZATION, bearer);
            }
            request
        })
    });
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(DecompressionLayer::new().gzip(!config.disable_compression))
        .layer(option_layer(config.auth_layer()?))
        .layer(option_layer(token))
        .layer(config.extra_headers_layer()?)
        .map_err(Into::into)
        .service(client);
    Ok(ClientBuilder::new(service, config.default_namespace.clone()).with_layer(gate).build())
}
