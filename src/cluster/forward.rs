//! One HTTP request to a port inside a pod's network namespace, by way of a port-forward.
//!
//! The pod proxy reaches what listens on the pod's address; this also reaches what listens on 127.0.0.1 there, as
//! kube-proxy's metrics do. It opens a session, so `--read-only` refuses it.

use std::time::Duration;

use bytes::Bytes;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::ask::{Fetched, segment};
use super::connect::Connection;
use super::error::{Failure, tidy};

/// No page khud reads this way comes near it.
const LIMIT: u64 = 16 << 20;

impl Connection {
    /// GETs `http://127.0.0.1:PORT/PATH` inside the pod.
    ///
    /// # Errors
    /// Where no session could be opened (`Refused`, in the API server's words), nothing listens, or it takes longer
    /// than `within`.
    pub async fn port_get(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
        path: &str,
        within: Duration,
    ) -> Result<Fetched, Failure> {
        // kube puts these into the path as they are.
        if segment(namespace) != namespace || segment(pod) != pod {
            return Err(Failure::Protocol(format!("{namespace}/{pod} cannot be the name of a pod")));
        }
        let fetch = async {
            self.renew_before_expiry().await?;
            let pods: Api<Pod> = Api::namespaced(self.client(), namespace);
            let mut forward = pods.portforward(pod, &[port]).await.map_err(|e| self.not_started(e))?;
            let mut stream = forward
                .take_stream(port)
                .ok_or_else(|| Failure::Protocol("the port-forward has no stream".into()))?;
            let broken = |e: &std::io::Error| {
                Failure::Protocol(format!("port {port} of {namespace}/{pod} cannot be read: {e}"))
            };
            // HTTP/1.0: the answer comes whole and ends with the connection.
            let path = path.trim_start_matches('/');
            let ask = format!("GET /{path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n");
            stream.write_all(ask.as_bytes()).await.map_err(|e| broken(&e))?;
            stream.flush().await.map_err(|e| broken(&e))?;
            let mut answer = Vec::new();
            let read = (&mut stream).take(LIMIT).read_to_end(&mut answer).await;
            match parse(&answer) {
                Some(fetched) => Ok(fetched),
                None => Err(match read {
                    Err(e) => broken(&e),
                    Ok(_) if answer.is_empty() => {
                        Failure::Protocol(format!("nothing answers on port {port} of {namespace}/{pod}"))
                    }
                    Ok(_) => Failure::Protocol(format!(
                        "port {port} of {namespace}/{pod} does not speak HTTP: {}",
                        tidy(&String::from_utf8_lossy(&answer[..answer.len().min(200)]), 80)
                    )),
                }),
            }
        };
        tokio::time::timeout(within, fetch)
            .await
            .map_err(|_| Failure::TimedOut { server: self.server().to_owned(), after: within })?
    }
}

/// An HTTP/1.x answer that ends where the bytes do.
fn parse(answer: &[u8]) -> Option<Fetched> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.lines().next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Fetched { status, body: Bytes::copy_from_slice(&answer[end + 4..]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_cut_at_their_head() {
        let got = parse(b"HTTP/1.0 503 Service Unavailable\r\nA: b\r\n\r\nno\r\n\r\nyes").unwrap();
        assert_eq!((got.status, got.text().as_str()), (503, "no\r\n\r\nyes"));
        for bad in ["", "HTTP/1.0 200 OK\r\n", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.0 x\r\n\r\n"] {
            assert!(parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
