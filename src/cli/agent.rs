//! `khud agent`: the GPUs of this machine on `/metrics`, in dcgm-exporter's names, for machines that have no exporter.

use std::convert::Infallible;
use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::args::Agent as Args;
use super::open::runtime;
use super::{exit, gpu, out};
use crate::telemetry::{exposition, nvml};
use crate::world::Clock;

/// The text format's media type.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub fn run(args: &Args) -> u8 {
    // Without a driver there is nothing to serve: said before the port is taken.
    if let Err(why) = nvml::load() {
        out::complain(&why);
        return exit::FAILED;
    }
    let result = runtime().and_then(|rt| rt.block_on(serve(args.listen)));
    match result {
        Ok(()) => exit::DONE,
        Err(why) => {
            out::complain(&why);
            exit::FAILED
        }
    }
}

/// Serves until the process is told to end.
///
/// # Errors
/// A sentence where the port cannot be had.
async fn serve(listen: SocketAddr) -> Result<(), String> {
    let listener = TcpListener::bind(listen).await.map_err(|e| format!("cannot listen on {listen}: {e}"))?;
    let at = listener.local_addr().map_err(|e| format!("cannot listen on {listen}: {e}"))?;
    out::complain(&format!("serving http://{at}/metrics"));
    let mut end = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|e| format!("cannot wait for signals: {e}"))?;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that broke off before it was taken is none of ours.
                let Ok((stream, _)) = accepted else { continue };
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(answer);
                    // Who asked has hung up.
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            _ = tokio::signal::ctrl_c() => return Ok(()),
            _ = end.recv() => return Ok(()),
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => match tokio::task::spawn_blocking(measure).await {
            Ok(Ok(text)) => (StatusCode::OK, text),
            Ok(Err(why)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "reading the GPUs failed\n".to_owned()),
        },
        (&Method::GET, "/healthz") => (StatusCode::OK, "ok\n".to_owned()),
        (&Method::GET, _) => (StatusCode::NOT_FOUND, "khud agent serves /metrics and /healthz\n".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(TEXT));
    Ok(response)
}

/// The library is loaded anew each time: a driver that was updated meanwhile is found, and one that went is said.
fn measure() -> Result<String, String> {
    let library = nvml::load()?;
    let (_, gpus) = gpu::look(&library, Clock::wall().now())?;
    Ok(exposition::write(&gpus))
}
