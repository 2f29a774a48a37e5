//! port-forward over WebSocket: two channels for each port, data and errors.
use crate::api::handler::{Api, Call};
use crate::api::meta::status::Status;
use crate::api::meta::text;
use crate::api::wire::body::Answer;
use crate::api::wire::request::RequestInfo;
use crate::api::wire::websocket::{self, Socket, message};
use futures::{SinkExt, StreamExt};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

const PROTOCOL: &str = "v4.channel.k8s.io";
/// The most bytes read from a port at once.
const CHUNK: usize = 32 << 10;

pub fn answer(api: &Api, call: &mut Call, info: &RequestInfo) -> Result<Answer, Status> {
    let pod = api.pod(info)?;
    if text(&pod, &["spec", "nodeName"]).is_empty() {
        return Err(Status::bad_request(format!("pod {} does not have a host assigned", info.name)));
    }
    if !websocket::offered(call).any(|p| p == PROTOCOL) {
        return Err(Status::bad_request(format!(
            "ports are forwarded over {PROTOCOL} here and not over SPDY, which kubectl port-forward wants: reach the port \
             through the proxy, /api/v1/namespaces/{}/pods/{}:PORT/proxy/",
            info.namespace, info.name
        )));
    }
    let numbers = call.query.all("ports").flat_map(|p| p.split(','));
    let ports = numbers.map(|p| p.parse::<u16>().ok().filter(|p| *p > 0));
    let ports: Option<Vec<u16>> = ports.collect();
    let ports = ports.filter(|p| !p.is_empty() && p.len() <= 64).ok_or_else(|| {
        Status::bad_request("query parameter \"ports\" must name ports between 1 and 65535")
    })?;
    let machines = Arc::clone(&api.machines);
    let (ns, name) = (info.namespace.clone(), info.name.clone());
    websocket::upgrade(call, &[PROTOCOL], move |socket, _| {
        let streams = ports.iter().map(|port| (*port, machines.dial(&ns, &name, *port))).collect();
        Box::pin(forward(socket, streams))
    })
}

async fn forward(socket: Socket, streams: Vec<(u16, Result<DuplexStream, Status>)>) {
    let (mut to, mut from) = socket.split();
    let (outbox, mut outgoing) = mpsc::channel::<Message>(64);
    let mut writers: Vec<Option<WriteHalf<DuplexStream>>> = Vec::new();
    let mut greeting = Vec::new();
    for (i, (port, stream)) in streams.into_iter().enumerate() {
        // At most 64 ports, so channels fit into a byte.
        let channel = (2 * i) as u8;
        greeting.push(message(channel, &port.to_le_bytes()));
        greeting.push(message(channel + 1, &port.to_le_bytes()));
        match stream {
            Ok(stream) => {
                let (read, write) = tokio::io::split(stream);
                tokio::spawn(pump(channel, read, outbox.clone()));
                writers.push(Some(write));
            }
            Err(status) => {
                greeting.push(message(channel + 1, status.message.as_bytes()));
                writers.push(None);
            }
        }
    }
    drop(outbox);
    let reader = tokio::spawn(async move {
        while let Some((channel, data)) = websocket::receive(&mut from).await {
            let writer = writers.get_mut(usize::from(channel / 2)).filter(|_| channel % 2 == 0);
            if let Some(slot) = writer
                && let Some(open) = slot
                && open.write_all(&data).await.is_err()
            {
                *slot = None;
            }
        }
        // The client is gone: dropping the writers ends the streams.
    });
    for frame in greeting {
        if to.send(frame).await.is_err() {
            return;
        }
    }
    while let Some(frame) = outgoing.recv().await {
        if to.send(frame).await.is_err() {
            return;
        }
    }
    websocket::close(to, async { drop(reader.await) }).await;
}

async fn pump(channel: u8, mut from: ReadHalf<DuplexStream>, to: mpsc::Sender<Message>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(n) = from.read(&mut buffer).await {
        if n == 0 || to.send(message(channel, &buffer[..n])).await.is_err() {
            return;
        }
    }
}
