//! Runs commands in containers over WebSocket, as `kubectl exec` does.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::ask::segment;
use super::connect::Connection;
use super::error::{Failure, tidy};
use super::slim::Refusal;
use crate::world::ask::{Exec, ExecOutput};

/// kube's default pipe holds 1 KiB, which makes a heap dump three times slower.
const PIPE: usize = 256 << 10;

impl Connection {
    /// Runs a command and keeps at most `limit` bytes of each output. Dropping the future closes the session.
    ///
    /// # Errors
    /// The command could not be started (`Refused`, with the API server's message), or the connection broke.
    /// A command that exits with an error is no `Failure`: see `exit_code`.
    pub async fn exec(&self, exec: &Exec, limit: usize) -> Result<ExecOutput, Failure> {
        // kube does not encode these names in the path.
        if [&exec.namespace, &exec.pod].iter().any(|n| segment(n) != ***n) {
            return Err(Failure::Protocol(format!(
                "{}/{} is not a valid pod name",
                exec.namespace, exec.pod
            )));
        }
        self.renew_before_expiry().await?;
        self.ensure_may_change().await?;
        let params = AttachParams::default()
            .container(&*exec.container)
            .stdin(false)
            .stdout(true)
            .stderr(true)
            .max_stdout_buf_size(PIPE)
            .max_stderr_buf_size(PIPE);
        let pods: Api<Pod> = Api::namespaced(self.client(), &exec.namespace);
        let start = pods.exec(&exec.pod, exec.command.clone(), &params);
        let after = self.request_timeout();
        let mut process = tokio::time::timeout(after, start)
            .await
            .map_err(|_| Failure::TimedOut { server: self.server().to_owned(), after })?
            .map_err(|e| self.not_started(e))?;
        let (Some(out), Some(err), Some(status)) =
            (process.stdout(), process.stderr(), process.take_status())
        else {
            return Err(Failure::Protocol("the exec session has no outputs".into()));
        };
        let (mut stdout, mut stderr) = (Bounded::new(limit), Bounded::new(limit));
        // Both outputs must be drained, else kube's task blocks and never sends the status.
        let copied = tokio::try_join!(drain(out, &mut stdout), drain(err, &mut stderr));
        let broken = |why: String| Failure::Broken { server: self.server().to_owned(), why };
        copied.map_err(|e| broken(format!("the command's output was cut off ({e})")))?;
        let status = status.await.ok_or_else(|| broken("the session ended before the command did".into()))?;
        let truncated = stdout.truncated || stderr.truncated;
        Ok(ExecOutput {
            stdout: stdout.bytes,
            stderr: stderr.bytes,
            exit_code: exit_code(&status)?,
            truncated,
        })
    }

    pub(super) fn not_started(&self, error: kube::Error) -> Failure {
        match error {
            kube::Error::Api(s) => Failure::Refused(Refusal {
                code: s.code,
                reason: s.reason.clone(),
                message: tidy(&s.message, 500),
                ..Refusal::default()
            }),
            kube::Error::UpgradeConnection(e) => Failure::Protocol(format!(
                "no session in the pod could be opened: {}",
                tidy(&e.to_string(), 300)
            )),
            other => Failure::from_response(other, self.server()),
        }
    }
}

/// Output bytes up to a limit; the rest is dropped.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Bounded {
    fn new(limit: usize) -> Bounded {
        Bounded { bytes: Vec::new(), limit, truncated: false }
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = self.limit - self.bytes.len();
        self.truncated |= bytes.len() > room;
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

async fn drain(mut from: impl AsyncRead + Unpin, to: &mut Bounded) -> std::io::Result<()> {
    let mut buffer = vec![0; PIPE];
    loop {
        match from.read(&mut buffer).await? {
            0 => return Ok(()),
            n => to.take(&buffer[..n]),
        }
    }
}

/// The exit status from the `Status` of the last frame (channel 3).
pub(super) fn exit_code(status: &Status) -> Result<i32, Failure> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.iter().flat_map(|d| d.causes.iter().flatten());
    let code = causes
        .filter(|c| c.reason.as_deref() == Some("ExitCode"))
        .find_map(|c| c.message.as_deref()?.parse().ok());
    if status.reason.as_deref() == Some("NonZeroExitCode")
        && let Some(code) = code
    {
        return Ok(code);
    }
    Err(Failure::Refused(Refusal {
        code: status.code.and_then(|c| u16::try_from(c).ok()).unwrap_or(500),
        reason: status.reason.clone().unwrap_or_default(),
        message: tidy(status.message.as_deref().unwrap_or("the command could not be run"), 500),
        ..Refusal::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(json: serde_json::Value) -> Status {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_status_tells_the_exit_code_or_why_there_is_none() {
        assert_eq!(exit_code(&status(serde_json::json!({"status": "Success"}))), Ok(0));
        let failed = serde_json::json!({"status": "Failure", "reason": "NonZeroExitCode",
            "message": "command terminated with non-zero exit code",
            "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}});
        assert_eq!(exit_code(&status(failed)), Ok(3));
        let absent = serde_json::json!({"status": "Failure", "reason": "InternalError", "code": 500,
            "message": "error executing command in container: exec: \"/no/such/tool\": stat /no/such/tool: no such file or directory"});
        let text = exit_code(&status(absent)).unwrap_err().to_string();
        assert!(text.contains("no such file or directory"), "{text}");
    }

    #[tokio::test]
    async fn output_over_the_limit_is_drained_and_cut() {
        let mut output = Bounded::new(10);
        drain(&b"0123456789abcdef"[..], &mut output).await.unwrap();
        assert_eq!((output.bytes.as_slice(), output.truncated), (&b"0123456789"[..], true));
    }
}
