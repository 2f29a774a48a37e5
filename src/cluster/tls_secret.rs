//! The certificate in a Secret that an Ingress names: read by name, and of it only whom it is for and until when.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::extensions::GeneralName;

use super::Connection;
use crate::world::ask::Call;
use crate::world::{Kind, ObjectRef, Text, Time, TlsSecret};

impl Connection {
    /// Reads a Secret and keeps nothing of it but what its `tls.crt` says in public: dates and names.
    ///
    /// # Errors
    /// A sentence where the Secret could not be asked for.
    pub async fn tls_secret(&self, namespace: &Text, name: &Text) -> Result<TlsSecret, String> {
        let object = ObjectRef::new(Kind::Secret, namespace.clone(), name.clone());
        let answer = self.call(Call::get(object.path())).await.map_err(|e| e.to_string())?;
        match answer.status {
            200 => Ok(facts(answer.body["data"]["tls.crt"].as_str())),
            404 => Ok(TlsSecret::Missing),
            _ => {
                Err(format!("asked for Secret {namespace}/{name} and the server said: {}", answer.message()))
            }
        }
    }
}

/// The certificate in the base64 text of `tls.crt`.
fn facts(encoded: Option<&str>) -> TlsSecret {
    let Some(encoded) = encoded else { return TlsSecret::Unusable("it has no tls.crt".to_owned()) };
    let unusable = || TlsSecret::Unusable("its tls.crt is no certificate (PEM)".to_owned());
    let Ok(pem) = STANDARD.decode(encoded) else { return unusable() };
    let Ok(der) = CertificateDer::from_pem_slice(&pem) else { return unusable() };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&der) else { return unusable() };
    let at = |seconds: i64| Time(seconds.saturating_mul(1000));
    let validity = certificate.validity();
    let mut names: Vec<String> = Vec::new();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        names.extend(alternative.value.general_names.iter().filter_map(|n| match n {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        }));
    }
    if names.is_empty() {
        // Old certificates name their host in the subject alone.
        names.extend(
            certificate.subject().iter_common_name().filter_map(|n| n.as_str().ok()).map(str::to_owned),
        );
    }
    TlsSecret::Certificate {
        from: at(validity.not_before.timestamp()),
        until: at(validity.not_after.timestamp()),
        names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_whom_it_is_for_and_until_when() {
        let mut params =
            rcgen::CertificateParams::new(vec!["shop.example.com".into(), "*.example.org".into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2025, 1, 1);
        params.not_after = rcgen::date_time_ymd(2025, 4, 1);
        let certificate = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let read = facts(Some(&STANDARD.encode(certificate.pem())));
        let TlsSecret::Certificate { from, until, names } = read else { panic!("{read:?}") };
        assert_eq!(
            (from, until),
            (Time::parse("2025-01-01T00:00:00Z").unwrap(), Time::parse("2025-04-01T00:00:00Z").unwrap())
        );
        assert_eq!(names, ["shop.example.com", "*.example.org"]);
        for (text, says) in
            [(None, "no tls.crt"), (Some("!"), "no certificate"), (Some("aGVsbG8="), "no certificate")]
        {
            assert!(matches!(facts(text), TlsSecret::Unusable(why) if why.contains(says)), "{text:?}");
        }
    }
}
