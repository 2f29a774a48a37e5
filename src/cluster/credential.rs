//! Exec credential plugins, run by khud itself: once, with a time limit, never on the cockpit's terminal.

use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use kube::config::{AuthInfo, ExecConfig, ExecInteractiveMode};
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::error::{ConnectError, tidy};
use crate::world::Time;

/// A plugin that asks a person to log in may take this long at the start, and no longer.
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

/// Runs the exec plugin of `auth`, where it has one, and puts what it printed in its place. Returns when that expires.
///
/// # Errors
/// Where the plugin is missing, fails, takes too long or prints no credential.
pub(super) async fn fill(auth: &mut AuthInfo, interactive: bool) -> Result<Option<Time>, ConnectError> {
    let has_other = auth.token.is_some() || auth.token_file.is_some() || auth.username.is_some();
    let Some(exec) = auth.exec.take().filter(|_| !has_other) else { return Ok(None) };
    let command = exec.command.clone().unwrap_or_default();
    let failed = |why: String| ConnectError::PluginFailed { command: command.clone(), why };
    let printed = run(&exec, interactive).await?;
    let status = serde_json::from_slice::<Credential>(&printed)
        .map_err(|e| failed(format!("what it printed is no ExecCredential ({e})")))?
        .status
        .ok_or_else(|| failed("it printed no credential (no status)".into()))?;
    let base64 = |pem: String| base64::engine::general_purpose::STANDARD.encode(pem);
    match (status.token, status.client_certificate_data, status.client_key_data) {
        (_, Some(certificate), Some(key)) => {
            auth.client_certificate_data = Some(base64(certificate));
            auth.client_key_data = Some(base64(key).into());
        }
        (Some(token), _, _) => auth.token = Some(token.into()),
        _ => return Err(failed("it printed neither a token nor a certificate with its key".into())),
    }
    Ok(status.expiration_timestamp.and_then(|t| Time::parse(&t)))
}

async fn run(exec: &ExecConfig, interactive: bool) -> Result<Vec<u8>, ConnectError> {
    let command = exec.command.clone().unwrap_or_default();
    let failed = |why: String| ConnectError::PluginFailed { command: command.clone(), why };
    if command.is_empty() {
        return Err(failed("the kubeconfig names no command".into()));
    }
    let interactive = interactive && exec.interactive_mode != Some(ExecInteractiveMode::Never);
    if exec.interactive_mode == Some(ExecInteractiveMode::Always) && !interactive {
        return Err(failed("it wants to ask on the terminal, which the cockpit is using".into()));
    }
    let mut spec = json!({ "interactive": interactive });
    if exec.provide_cluster_info
        && let Some(cluster) = &exec.cluster
    {
        spec["cluster"] = serde_json::to_value(cluster).map_err(|e| failed(e.to_string()))?;
    }
    let version = exec.api_version.as_deref().unwrap_or("client.authentication.k8s.io/v1");
    let info = json!({ "apiVersion": version, "kind": "ExecCredential", "spec": spec });
    let mut child = Command::new(&command);
    child
        .args(exec.args.iter().flatten())
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(if interactive { Stdio::inherit() } else { Stdio::piped() })
        .kill_on_drop(true);
    for pair in exec.env.iter().flatten() {
        if let (Some(name), Some(value)) = (pair.get("name"), pair.get("value")) {
            child.env(name, value);
        }
    }
    for name in exec.drop_env.iter().flatten() {
        child.env_remove(name);
    }
    let child = child.spawn().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => ConnectError::PluginMissing {
            command: command.clone(),
            install: exec.install_hint.clone().unwrap_or_default(),
        },
        _ => failed(e.to_string()),
    })?;
    let limit = if interactive { LIMIT_INTERACTIVE } else { LIMIT };
    let output = tokio::time::timeout(limit, child.wait_with_output())
        .await
        .map_err(|_| failed(format!("it printed nothing for {} s", limit.as_secs())))?
        .map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        let said = tidy(&String::from_utf8_lossy(&output.stderr), 300);
        let code = output.status.code().map_or_else(|| "a signal".to_owned(), |c| format!("status {c}"));
        return Err(failed(if said.is_empty() {
            format!("it ended with {code}")
        } else {
            format!("it ended with {code} and said: {said}")
        }));
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let expires = fill(&mut a, false).await.unwrap();
        assert_eq!(expires, Time::parse("2026-11-21T01:05:53Z"));
        assert!(a.token.is_some() && a.exec.is_none());
    }

    #[tokio::test]
    async fn every_way_a_plugin_fails_is_a_sentence() {
        let say = async |mut a: AuthInfo| fill(&mut a, false).await.unwrap_err().to_string();
        let text = say(auth("echo 'no valid session; run corp login' >&2; exit 7")).await;
        assert!(text.contains("ended with status 7 and said: no valid session; run corp login"), "{text}");
        let text = say(auth("echo hello")).await;
        assert!(text.contains("no ExecCredential"), "{text}");
        let text = say(auth("echo '{\"status\":{}}'")).await;
        assert!(text.contains("neither a token nor a certificate"), "{text}");
        let mut missing = auth("");
        if let Some(e) = missing.exec.as_mut() {
            e.command = Some("khud-no-such-plugin".into());
            e.install_hint = Some("brew install corp-login".into());
        }
        let text = say(missing).await;
        assert!(text.contains("is not installed") && text.ends_with("brew install corp-login"), "{text}");
    }
}
