//! `khud agent`: the GPUs of this machine on `/metrics`, in dcgm-exporter's names, for machines that have no exporter.

use std::convert::Infallible;
use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
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

/// Reads the GPUs as exposition text, once for each request.
type Measure = fn() -> Result<String, String>;

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
    tokio::select! {
        () = accept(listener, measure) => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = end.recv() => Ok(()),
    }
}

/// Takes connections and never ends. The timer lets hyper drop a client that sends no request.
async fn accept(listener: TcpListener, measure: Measure) {
    loop {
        // A connection that broke off before it was taken needs no answer.
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(request, measure));
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new());
            // The only error is a client that hung up.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, measure: Measure) -> Result<Response<String>, Infallible> {
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::telemetry::dcgm;
    use crate::world::Time;
    use crate::world::gpu::{Gpu, Holder};

    const GIB: u64 = 1 << 30;

    fn one_gpu() -> Gpu {
        let holder = Holder {
            namespace: "ml".into(),
            pod: "llm-0".into(),
            container: "server".into(),
            uid: "uid-llm-0".into(),
            memory: Some(20 * GIB),
            ..Holder::default()
        };
        let mut gpu = Gpu {
            node: "gpu-1".into(),
            index: 3,
            uuid: "GPU-a".into(),
            busy: Some(97.0),
            temperature: Some(61.0),
            holders: vec![holder],
            ..Gpu::default()
        };
        (gpu.memory.used, gpu.memory.free) = (Some(22 * GIB), Some(10 * GIB));
        gpu
    }

    /// Status and body of one request to an agent that reads its GPUs this way.
    async fn ask(measure: Measure, method: &str, path: &str) -> (u16, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let agent = tokio::spawn(accept(listener, measure));
        let mut stream = TcpStream::connect(at).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        agent.abort();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    #[tokio::test]
    async fn the_dcgm_reader_understands_what_the_agent_serves() {
        let (status, text) = ask(|| Ok(exposition::write(&[one_gpu()])), "GET", "/metrics").await;
        assert_eq!(status, 200);
        let read = dcgm::read(&text, &"gpu-1".into(), Time(5));
        let [gpu] = read.as_slice() else { panic!("{read:#?}") };
        assert_eq!(
            (gpu.index, &*gpu.uuid, gpu.memory.used, gpu.usable()),
            (3, "GPU-a", Some(22 * GIB), Some(32 * GIB))
        );
        assert_eq!((gpu.busy, gpu.temperature), (Some(97.0), Some(61.0)));
        let [holder] = gpu.holders.as_slice() else { panic!("{gpu:#?}") };
        assert_eq!((&*holder.namespace, &*holder.pod, holder.memory), ("ml", "llm-0", Some(20 * GIB)));
    }

    #[tokio::test]
    async fn a_driver_that_fails_is_said_and_the_agent_stays_up() {
        let fails: Measure = || Err("the driver does not answer".to_owned());
        assert_eq!(ask(fails, "GET", "/metrics").await, (503, "the driver does not answer\n".to_owned()));
        assert_eq!(ask(|| panic!("in the driver's library"), "GET", "/metrics").await.0, 500);
        assert_eq!(ask(fails, "GET", "/healthz").await.0, 200);
        assert_eq!(ask(fails, "GET", "/other").await.0, 404);
        assert_eq!(ask(fails, "POST", "/metrics").await.0, 405);
    }
}
