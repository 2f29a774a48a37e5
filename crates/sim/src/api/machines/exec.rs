//! exec and attach: the streams of a command as channels of a WebSocket.
use super::logs::container;
use super::{ExecIo, ExecRequest, ExecResult};
use crate::api::handler::{Api, Call};
use crate::api::meta::status::Status;
use crate::api::meta::text;
use crate::api::wire::body::Answer;
use crate::api::wire::request::RequestInfo;
use crate::api::wire::websocket::{self, CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT, Socket, message};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::SplitStream;
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

/// The newest first. In v5 a client can close stdin.
const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
/// The number of chunks a stream may be ahead of its reader.
const AHEAD: usize = 64;

pub fn answer(api: &Api, call: &mut Call, info: &RequestInfo, run: bool) -> Result<Answer, Status> {
    let pod = api.pod(info)?;
    let query = &call.query;
    let request = ExecRequest {
        container: container(&pod, query.get("container"))?,
        command: if run { query.all("command").map(String::from).collect() } else { Vec::new() },
        stdin: query.flag("stdin"),
        tty: query.flag("tty"),
    };
    if run && request.command.is_empty() {
        return Err(Status::bad_request("you must specify at least 1 command for the container"));
    }
    if text(&pod, &["spec", "nodeName"]).is_empty() {
        return Err(Status::bad_request(format!("pod {} does not have a host assigned", info.name)));
    }
    if matches!(text(&pod, &["status", "phase"]), "Succeeded" | "Failed") {
        let phase = text(&pod, &["status", "phase"]);
        let text = format!("cannot exec into a container in a completed pod; current phase is {phase}");
        return Err(Status::bad_request(text));
    }
    // The same defaults as kubectl: a stream that was not requested is not sent.
    let wants = (query.flag("stdout"), query.flag("stderr") && !request.tty);
    let (stdin, from_client) = mpsc::channel(AHEAD);
    let (stdout, out) = mpsc::channel(AHEAD);
    let (stderr, err) = mpsc::channel(AHEAD);
    let (resize, sizes) = mpsc::channel(AHEAD);
    if !websocket::offered(call).any(|p| PROTOCOLS.contains(&p)) {
        // Refused before anything runs.
        return websocket::upgrade(call, &PROTOCOLS, |_, _| Box::pin(std::future::ready(())));
    }
    let io = ExecIo { stdin: from_client, stdout, stderr, resize: sizes };
    let command = api.machines.exec(&info.namespace, &info.name, request, io)?;
    websocket::upgrade(call, &PROTOCOLS, move |socket, _| {
        Box::pin(run_streams(socket, command, Outputs { out, err, wants }, stdin, resize))
    })
}

struct Outputs {
    out: mpsc::Receiver<Bytes>,
    err: mpsc::Receiver<Bytes>,
    /// The streams the client requested: stdout, stderr.
    wants: (bool, bool),
}

/// The terminal size as the client sends it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Size {
    width: u16,
    height: u16,
}

async fn run_streams(
    socket: Socket,
    command: BoxFuture<'static, ExecResult>,
    outputs: Outputs,
    stdin: mpsc::Sender<Bytes>,
    resize: mpsc::Sender<(u16, u16)>,
) {
    let (mut to, from) = socket.split();
    // Stdin has its own task: a command that does not read it must not block its output.
    let reader = tokio::spawn(read_client(from, stdin, resize));
    let Outputs { mut out, mut err, wants } = outputs;
    let mut command = std::pin::pin!(command);
    let (mut out_open, mut err_open) = (true, true);
    let result = loop {
        let (channel, data) = tokio::select! {
            biased;
            data = out.recv(), if out_open => match data {
                Some(data) => (STDOUT, data),
                None => { out_open = false; continue }
            },
            data = err.recv(), if err_open => match data {
                Some(data) => (STDERR, data),
                None => { err_open = false; continue }
            },
            result = &mut command => break result,
        };
        let wanted = if channel == STDOUT { wants.0 } else { wants.1 };
        if wanted && to.send(message(channel, &data)).await.is_err() {
            // The client is gone: dropping the command ends it.
            reader.abort();
            return;
        }
    };
    // Output written before the command ended may still be queued.
    while let Ok(data) = out.try_recv() {
        if wants.0 && to.feed(message(STDOUT, &data)).await.is_err() {
            return;
        }
    }
    while let Ok(data) = err.try_recv() {
        if wants.1 && to.feed(message(STDERR, &data)).await.is_err() {
            return;
        }
    }
    let status = json_status(&result);
    if to.send(message(ERROR, status.as_bytes())).await.is_ok() {
        websocket::close(to, async { drop(reader.await) }).await;
    }
}

/// Forwards the client's input until the client disconnects.
async fn read_client(
    mut from: SplitStream<Socket>,
    stdin: mpsc::Sender<Bytes>,
    resize: mpsc::Sender<(u16, u16)>,
) {
    let mut stdin = Some(stdin);
    while let Some((channel, data)) = websocket::receive(&mut from).await {
        match channel {
            STDIN => {
                if let Some(open) = &stdin
                    && open.send(data).await.is_err()
                {
                    // The command stopped reading; drop the input.
                    stdin = None;
                }
            }
            RESIZE => {
                if let Ok(size) = serde_json::from_slice::<Size>(&data) {
                    let _ = resize.try_send((size.width, size.height));
                }
            }
            CLOSE if data.first() == Some(&STDIN) => stdin = None,
            _ => {}
        }
    }
}

/// The content of the error channel at the end.
fn json_status(result: &ExecResult) -> String {
    match result {
        ExecResult::Exited(0) => json!({"metadata": {}, "status": "Success"}),
        ExecResult::Exited(code) => json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}}),
        ExecResult::Failed(why) => {
            json!({"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
            "message": format!("Internal error occurred: {why}"), "details": {"causes": [{"message": why}]}})
        }
    }
    .to_string()
}
