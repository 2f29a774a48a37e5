//! Loads the client certificate and key of a kubeconfig and reads when they expire.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kube::config::AuthInfo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::world::Time;

/// When a credential expires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expiry {
    /// `client certificate` or `token`.
    what: &'static str,
    at: Time,
}

impl Expiry {
    /// The end of a sentence, such as "the token expired at …", if the credential has expired at `now`.
    pub fn sentence(&self, now: Time) -> Option<String> {
        (self.at <= now).then(|| {
            let (what, at) = (self.what, self.at.to_jiff());
            format!("the {what} expired at {at}, {} ago", crate::world::time::human(self.at.age(now)))
        })
    }
}

/// Stores the client certificate and key in `auth` as base64 data, whether the kubeconfig holds data or
/// files.
///
/// # Errors
/// A sentence if one of the two is missing, is unreadable or has a type that khud cannot use.
pub(super) fn load(auth: &mut AuthInfo) -> Result<(), String> {
    let certificate = bytes(
        "client-certificate",
        auth.client_certificate_data.as_deref(),
        auth.client_certificate.as_deref(),
    )?;
    let key = auth.client_key_data.as_ref().map(|k| k.expose_secret().to_owned());
    let key = bytes("client-key", key.as_deref(), auth.client_key.as_deref())?;
    let (certificate, mut key) = match (certificate, key) {
        (None, None) => return Ok(()),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => return Err("it names a client-certificate, but no client-key".to_owned()),
        (None, Some(_)) => return Err("it names a client-key, but no client-certificate".to_owned()),
    };
    if CertificateDer::from_pem_slice(&certificate).is_err() {
        return Err("its client-certificate holds no certificate (PEM)".to_owned());
    }
    usable(&key)?;
    // kube concatenates the key and the certificate, so the key must end with a newline.
    key.push(b'\n');
    auth.client_certificate_data = Some(STANDARD.encode(certificate));
    auth.client_key_data = Some(STANDARD.encode(key).into());
    Ok(())
}

/// # Errors
/// A sentence that says why the private key cannot be used.
fn usable(pem: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(pem);
    if text.contains("ENCRYPTED") {
        return Err("its client-key is encrypted with a passphrase; kubeconfigs hold plain keys".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|e| format!("its client-key holds no private key (PEM): {e}"))?;
    // The DER-encoded object identifier of a curve that TLS has no signatures for.
    let secp256k1 = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];
    if key.secret_der().windows(secp256k1.len()).any(|w| w == secp256k1) {
        return Err(
            "its client-key is on the elliptic curve secp256k1, which TLS does not use; P-256, P-384, P-521, Ed25519 and \
             RSA work"
                .to_owned(),
        );
    }
    Ok(())
}

/// The decoded base64 `data`, which may have line breaks, else the content of `file`; `None` if neither is
/// set.
///
/// # Errors
/// The end of a sentence that names the field.
pub(super) fn bytes(field: &str, data: Option<&str>, file: Option<&str>) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = data.filter(|d| !d.trim().is_empty()) {
        let one_line: String = data.split_whitespace().collect();
        return STANDARD
            .decode(one_line)
            .map(Some)
            .map_err(|e| format!("its {field}-data is not base64 ({e})"));
    }
    let Some(file) = file.filter(|f| !f.is_empty()) else { return Ok(None) };
    std::fs::read(Path::new(file)).map(Some).map_err(|e| format!("its {field} {file} cannot be read ({e})"))
}

/// When the credential of `auth` expires: the `exp` of a JWT token, else the end of the client certificate.
pub(super) fn expiry(auth: &AuthInfo) -> Option<Expiry> {
    let certificate = || {
        let pem = STANDARD.decode(auth.client_certificate_data.as_deref()?).ok()?;
        let der = CertificateDer::from_pem_slice(&pem).ok()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
        let at = Time(parsed.validity().not_after.timestamp().checked_mul(1000)?);
        Some(Expiry { what: "client certificate", at })
    };
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let token = || {
        let payload = auth.token.as_ref()?.expose_secret().split('.').nth(1)?.to_owned();
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some(Expiry { what: "token", at: Time(claims.exp.checked_mul(1000)?) })
    };
    token().or_else(certificate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_lapsed_says_when() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"iss":"x","exp":1763686800}"#);
        let auth = AuthInfo { token: Some(format!("h.{payload}.s").into()), ..AuthInfo::default() };
        let expiry = expiry(&auth).unwrap();
        assert_eq!(expiry.sentence(Time(1_763_686_799_000)), None);
        let text = expiry.sentence(Time(1_763_704_800_000)).unwrap();
        assert_eq!(text, "the token expired at 2025-11-21T01:00:00Z, 5h ago");
        let opaque = AuthInfo { token: Some("abc".to_owned().into()), ..AuthInfo::default() };
        assert_eq!(super::expiry(&opaque), None);
    }

    #[test]
    fn what_a_certificate_or_key_lacks_is_said() {
        let say = |auth: &mut AuthInfo| load(auth).unwrap_err();
        let data = |text: &str| Some(STANDARD.encode(text));
        let mut auth = AuthInfo { client_certificate_data: data("x"), ..AuthInfo::default() };
        assert!(say(&mut auth).contains("no client-key"));
        auth.client_key = Some("/nowhere/key".into());
        assert!(say(&mut auth).contains("client-key /nowhere/key cannot be read"));
        auth.client_certificate_data = Some("%".into());
        assert!(say(&mut auth).contains("client-certificate-data is not base64"));
    }
}
