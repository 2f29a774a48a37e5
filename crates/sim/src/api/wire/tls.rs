//! TLS with the server's own certificate authority.
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::PrivateKeyDer;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::server::TlsStream;

/// A server certificate and the authority that signed it.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    ca_pem: Arc<str>,
}

/// The certificates could not be created.
#[derive(Debug, thiserror::Error)]
#[error("no certificate for the API server could be made: {0}")]
pub struct TlsError(String);

impl Tls {
    /// Creates an authority, and a certificate for `ip`, localhost and the usual service names.
    pub fn new(ip: IpAddr) -> Result<Tls, TlsError> {
        Self::make(ip).map_err(|e| TlsError(e.to_string()))
    }

    fn make(ip: IpAddr) -> Result<Tls, Box<dyn std::error::Error>> {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "khud embedded cluster");
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;
        let names =
            ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(String::from);
        let mut server = CertificateParams::new(names.to_vec())?;
        server.subject_alt_names.push(SanType::IpAddress(ip));
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &ca)?;
        let private = PrivateKeyDer::try_from(key.serialize_der())?;
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)?;
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem: ca.pem().into() })
    }

    /// The authority in base64, as in a kubeconfig.
    pub fn ca_base64(&self) -> String {
        BASE64_STANDARD.encode(self.ca_pem.as_bytes())
    }

    /// The authority's certificate.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
    ) -> std::io::Result<TlsStream<S>> {
        self.acceptor.accept(socket).await
    }
}
