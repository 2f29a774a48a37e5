//! Runs exec credential plugins: once, with a time limit, without the cockpit's terminal.

use std::process::{Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop, ProcessSession};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::error::{ConnectError, tidy};
use crate::world::Time;

/// The limit for a plugin that may prompt a person to log in.
const LIMIT_INTERACTIVE: Duration = Duration::from_secs(300);
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Credential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<String>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Runs the exec plugin of `auth`, if it has one, and replaces it with the credential it printed. Returns the
/// expiry. The plugin gets the terminal only if `interactive`.
///
/// # Errors
/// The plugin is missing, fails, exceeds the time limit, or prints no valid credential.
pub(super) async fn fill(
    auth: &mut AuthInfo,
    interactive: bool,
    now: Time,
) -> Result<Option<Time>, ConnectError> {
    let has_other = auth.token.is_some() || auth.token_file.is_some() || auth.username.is_some();
    let Some(exec) = auth.exec.take().filter(|_| !has_other) else { return Ok(None) };
    let command = exec.command.clone().unwrap_or_default();
    let failed = |why: String| ConnectError::PluginFailed { command: command.clone(), why };
    let output = run(&exec, interactive).await?;
    let status = serde_json::from_slice::<Credential>(&output.stdout)
        .map_err(|_| failed(format!("its output is not an ExecCredential{}", said(&output))))?
        .status
        .ok_or_else(|| failed(format!("it printed no credential (no status){}", said(&output))))?;
    let base64 = |pem: String| base64::engine::general_purpose::STANDARD.encode(pem);
    match (status.token, status.client_certificate_data, status.client_key_data) {
        (_, Some(certificate), Some(key)) => {
            auth.client_certificate_data = Some(base64(certificate));
            auth.client_key_data = Some(base64(key).into());
        }
        (Some(token), _, _) if !token.trim().is_empty() => auth.token = Some(token.trim().into()),
        _ => {
            return Err(failed(format!(
                "it printed neither a token nor a certificate with its key{}",
                said(&output)
            )));
        }
    }
    let expires = status.expiration_timestamp.and_then(|t| Time::parse(&t));
    if let Some(at) = expires.filter(|at| *at <= now) {
        return Err(failed(format!("its credential expired at {}{}", at.to_jiff(), said(&output))));
    }
    Ok(expires)
}

/// The plugin's last line for people. Its stdout may hold a secret, so stdout is quoted only if it reads like
/// a sentence.
fn said(output: &Output) -> String {
    let last = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().map(|l| tidy(l, 200)).rfind(|l| !l.is_empty())
    };
    match (last(&output.stderr), last(&output.stdout)) {
        (Some(line), _) => format!("; it said: {line}"),
        (None, Some(line)) if line.contains(' ') && !line.contains(['{', '"']) => {
            format!("; it printed: {line}")
        }
        (None, Some(_)) => format!(" ({} bytes)", output.stdout.len()),
        (None, None) => "; it printed nothing".to_owned(),
    }
}

/// The command with its environment, pipes and process session.
fn command(exec: &ExecConfig, interactive: bool) -> Result<CommandWrap, String> {
    let mut spec = json!({ "interactive": interactive });
    if exec.provide_cluster_info
        && let Some(cluster) = &exec.cluster
    {
        spec["cluster"] = serde_json::to_value(cluster).map_err(|e| e.to_string())?;
    }
    let version = exec.api_version.as_deref().unwrap_or("client.authentication.k8s.io/v1");
    let info = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": spec });
    let mut child = Command::new(exec.command.as_deref().unwrap_or_default());
    child
        .args(exec.args.iter().flatten())
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(if interactive { Stdio::inherit() } else { Stdio::piped() });
    for pair in exec.env.iter().flatten() {
        if let (Some(name), Some(value)) = (pair.get("name"), pair.get("value")) {
            child.env(name, value);
        }
    }
    for name in exec.drop_env.iter().flatten() {
        child.env_remove(name);
    }
    let mut wrap = CommandWrap::from(child);
    wrap.wrap(KillOnDrop);
    if !interactive {
        // In its own session the plugin has no controlling terminal: it cannot write to the screen or read
        // keys, and the kill on drop also ends its children.
        wrap.wrap(ProcessSession);
    }
    Ok(wrap)
}

async fn run(exec: &ExecConfig, interactive: bool) -> Result<Output, ConnectError> {
    let name = exec.command.clone().unwrap_or_default();
    let failed = |why: String| ConnectError::PluginFailed { command: name.clone(), why };
    if name.is_empty() {
        return Err(failed("the kubeconfig names no command".into()));
    }
    let interactive = interactive && exec.interactive_mode != Some(ExecInteractiveMode::Never);
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) && !interactive {
        return Err(failed("it always prompts on the terminal (interactiveMode: Always)".into()));
    }
    let spawned = command(exec, interactive).map_err(failed)?.spawn();
    let child = spawned.map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => ConnectError::PluginMissing {
            command: name.clone(),
            install: exec.install_hint.clone().unwrap_or_default(),
        },
        _ => failed(e.to_string()),
    })?;
    let limit = if interactive { LIMIT_INTERACTIVE } else { LIMIT };
    let output = collect(child, limit).await.map_err(failed)?;
    if output.status.success() {
        return Ok(output);
    }
    let code = output.status.code().map_or_else(|| "a signal".to_owned(), |c| format!("status {c}"));
    Err(failed(format!("it ended with {code}{}", said(&output))))
}

/// Waits for the plugin's exit and its output. A plugin that exceeds the limit is killed with its children.
async fn collect(mut child: Box<dyn ChildWrapper>, limit: Duration) -> Result<Output, String> {
    use tokio::io::AsyncReadExt as _;
    let (mut out, mut err) = (child.stdout().take(), child.stderr().take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let reading = async {
        tokio::join!(
            async {
                if let Some(out) = &mut out {
                    // A read error leaves the output incomplete. An incomplete credential does not parse.
                    let _ = out.read_to_end(&mut stdout).await;
                }
            },
            async {
                if let Some(err) = &mut err {
                    let _ = err.read_to_end(&mut stderr).await;
                }
            }
        );
        child.wait().await
    };
    let ended = tokio::time::timeout(limit, reading).await;
    match ended {
        Ok(Ok(status)) => Ok(Output { status, stdout, stderr }),
        Ok(Err(e)) => Err(e.to_string()),
        Err(_) => {
            // The plugin may have ended by itself in the meantime.
            let _ = child.start_kill();
            let line =
                String::from_utf8_lossy(&stderr).lines().map(|l| tidy(l, 200)).rfind(|l| !l.is_empty());
            let last = line.map_or(String::new(), |l| format!("; it said: {l}"));
            Err(format!("it did not end within {} s{last}", limit.as_secs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Time {
        Time::parse("2026-11-21T01:00:00Z").unwrap()
    }

    fn auth(script: &str) -> AuthInfo {
        let exec = ExecConfig {
            api_version: Some("client.authentication.k8s.io/v1".into()),
            command: Some("sh".into()),
            args: Some(vec!["-c".into(), script.into()]),
            ..ExecConfig::default()
        };
        AuthInfo { exec: Some(exec), ..AuthInfo::default() }
    }

    #[tokio::test]
    async fn a_plugins_token_takes_its_place() {
        let mut a = auth(
            r#"echo "$KUBERNETES_EXEC_INFO" | grep -q '"interactive":false' || exit 3
            echo '{"kind":"ExecCredential","status":{"token":"t","expirationTimestamp":"2026-11-21T01:05:53Z"}}'"#,
        );
        let expires = fill(&mut a, false, now()).await.unwrap();
        assert_eq!(expires, Time::parse("2026-11-21T01:05:53Z"));
        assert!(a.token.is_some() && a.exec.is_none());
    }

    #[tokio::test]
    async fn every_way_a_plugin_fails_is_a_sentence() {
        let say = async |mut a: AuthInfo| fill(&mut a, false, now()).await.unwrap_err().to_string();
        let text = say(auth("echo 'no valid session; run corp login' >&2; exit 7")).await;
        assert!(text.contains("ended with status 7; it said: no valid session; run corp login"), "{text}");
        let text = say(auth("echo '{\"status\":{}}'")).await;
        assert!(text.contains("neither a token nor a certificate"), "{text}");
        let text = say(auth("echo Please log in first; exit 0")).await;
        assert!(text.contains("not an ExecCredential; it printed: Please log in first"), "{text}");
        let text = say(auth("echo s3cr3t-t0ken")).await;
        assert!(text.contains("not an ExecCredential (13 bytes)") && !text.contains("s3cr3t"), "{text}");
        let text = say(auth("echo warming up >&2; echo '{'")).await;
        assert!(text.contains("not an ExecCredential; it said: warming up"), "{text}");
        let old = r#"echo '{"status":{"token":"t","expirationTimestamp":"2026-11-21T00:59:00Z"}}'"#;
        let text = say(auth(old)).await;
        assert!(text.contains("its credential expired at 2026-11-21T00:59:00Z"), "{text}");
        let mut missing = auth("");
        if let Some(e) = missing.exec.as_mut() {
            e.command = Some("khud-no-such-plugin".into());
            e.install_hint = Some("brew install corp-login".into());
        }
        let text = say(missing).await;
        assert!(text.contains("is not installed") && text.ends_with("brew install corp-login"), "{text}");
    }

    /// The cockpit's plugin has no terminal: it cannot prompt and leaves no trace on the screen.
    #[tokio::test]
    async fn a_plugin_has_no_terminal_to_ask_on() {
        let ask = "if (: </dev/tty) 2>/dev/null; then echo has a terminal >&2; else echo no terminal >&2; fi; exit 1";
        let text = fill(&mut auth(ask), false, now()).await.unwrap_err().to_string();
        assert!(text.contains("it said: no terminal"), "{text}");
        let mut always = auth("exit 0");
        if let Some(e) = always.exec.as_mut() {
            e.interactive_mode = Some(ExecInteractiveMode::Always);
        }
        let text = fill(&mut always, false, now()).await.unwrap_err().to_string();
        assert!(text.contains("it always prompts on the terminal"), "{text}");
    }

    #[tokio::test]
    async fn a_plugin_that_hangs_ends_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let exec =
            auth(&format!("echo waiting for the browser >&2; sleep 600 & echo $! >{}; wait", pid.display()));
        let wrap = command(exec.exec.as_ref().unwrap(), false).unwrap().spawn().unwrap();
        let text = collect(wrap, Duration::from_millis(700)).await.unwrap_err();
        assert!(text.contains("did not end within 0 s; it said: waiting for the browser"), "{text}");
        let sleeper = std::fs::read_to_string(&pid).unwrap();
        let gone = async || {
            while std::fs::read_to_string(format!("/proc/{}/stat", sleeper.trim()))
                .is_ok_and(|s| !s.contains(") Z "))
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone()).await.expect("the plugin's child ended too");
    }
}
