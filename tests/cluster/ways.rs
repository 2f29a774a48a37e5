//! The ways to a server that a kubeconfig can describe: proxies, paths, certificates, tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use khud::cluster::{ConnectError, Connection, Options};
use khud::world::Clock;
use khud_sim::{Sim, SimOptions};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, SignatureAlgorithm,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{HandshakeKind, RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::front::Front;

async fn open(cluster: Value, user: Value) -> Result<Connection, ConnectError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    let config = json!({
        "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x",
    });
    std::fs::write(&path, config.to_string()).unwrap();
    Connection::open(Options { kubeconfig: Some(path), ..Options::default() }, Clock::wall()).await
}

/// A proxy that lets `me` with the password `p@ss` through and counts whom it let.
struct Proxy {
    port: u16,
    passed: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(socks: bool) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, passed) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let count = passed.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let count = count.clone();
                tokio::spawn(async move {
                    let target = match socks {
                        true => socks5(&mut socket).await,
                        false => connect(&mut socket).await,
                    };
                    if let Some(target) = target {
                        count.fetch_add(1, Ordering::SeqCst);
                        let mut upstream = TcpStream::connect(target).await.unwrap();
                        // A client that hangs up is no failure of the proxy.
                        let _ = copy_bidirectional(&mut socket, &mut upstream).await;
                    }
                });
            }
        });
        Proxy { port, passed }
    }
}

/// CONNECT with basic authentication; where to.
async fn connect(socket: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let wanted = format!("Basic {}", STANDARD.encode("me:p@ss"));
    let known = head
        .lines()
        .any(|l| l.to_ascii_lowercase().starts_with("proxy-authorization:") && l.ends_with(&wanted));
    let answer = if known { "200 OK" } else { "407 Proxy Authentication Required" };
    socket.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await.ok()?;
    known.then(|| head.split_whitespace().nth(1).unwrap().to_owned())
}

/// SOCKS5 (RFC 1928) with user and password (RFC 1929); where to. Names are resolved here.
async fn socks5(socket: &mut TcpStream) -> Option<String> {
    let mut greeting = [0; 2];
    socket.read_exact(&mut greeting).await.ok()?;
    let mut methods = vec![0; greeting[1].into()];
    socket.read_exact(&mut methods).await.ok()?;
    if !methods.contains(&2) {
        socket.write_all(&[5, 0xff]).await.ok()?;
        return None;
    }
    socket.write_all(&[5, 2]).await.ok()?;
    socket.read_u8().await.ok()?;
    let mut words = Vec::new();
    for _ in 0..2 {
        let mut word = vec![0; socket.read_u8().await.ok()?.into()];
        socket.read_exact(&mut word).await.ok()?;
        words.push(String::from_utf8(word).unwrap());
    }
    let known = words == ["me", "p@ss"];
    socket.write_all(&[1, u8::from(!known)]).await.ok()?;
    if !known {
        return None;
    }
    let mut request = [0; 4];
    socket.read_exact(&mut request).await.ok()?;
    let host = match request[3] {
        1 => {
            let mut ip = [0; 4];
            socket.read_exact(&mut ip).await.ok()?;
            std::net::Ipv4Addr::from(ip).to_string()
        }
        _ => {
            let mut name = vec![0; socket.read_u8().await.ok()?.into()];
            socket.read_exact(&mut name).await.ok()?;
            String::from_utf8(name).unwrap()
        }
    };
    let port = socket.read_u16().await.ok()?;
    socket.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    Some(format!("{host}:{port}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_proxy_leads_there_with_its_password() {
    let sim = Sim::start(SimOptions::default()).await.unwrap();
    let user = json!({"token": sim.access("x", "admin", &["system:masters"]).token});
    let server = sim.url().replace("127.0.0.1", "localhost");
    let (http, socks) = (Proxy::start(false).await, Proxy::start(true).await);
    for (proxy, scheme) in [(&http, "http"), (&socks, "socks5"), (&socks, "socks5h")] {
        let before = proxy.passed.load(Ordering::SeqCst);
        let url = format!("{scheme}://me:p%40ss@127.0.0.1:{}", proxy.port);
        let conn = open(json!({"server": server, "proxy-url": url}), user.clone()).await.unwrap();
        conn.check().await.unwrap_or_else(|e| panic!("{scheme}: {e}"));
        assert!(proxy.passed.load(Ordering::SeqCst) > before, "{scheme}: it went through the proxy");
    }
    let say = async |url: String| {
        let conn = open(json!({"server": server, "proxy-url": url}), user.clone()).await.unwrap();
        conn.check().await.unwrap_err().to_string()
    };
    let told = say(format!("http://me:wrong@127.0.0.1:{}", http.port)).await;
    assert!(told.contains("wants a user and a password") && !told.contains("wrong"), "{told}");
    let told = say(format!("socks5://me:wrong@127.0.0.1:{}", socks.port)).await;
    assert!(told.contains("wants a user and a password") && !told.contains("wrong"), "{told}");
    // Nobody listens at port 1: that is the proxy, not the API server.
    let told = say("http://127.0.0.1:1".into()).await;
    assert!(told.contains("refused by the proxy http://127.0.0.1:1"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_may_lie_below_a_path_or_have_no_scheme() {
    let sim = Sim::start(SimOptions::default()).await.unwrap();
    let front = Front::start(&sim).await;
    front.below("/k8s/clusters/c-1");
    let below = format!("{}/k8s/clusters/c-1", front.url);
    let conn = open(json!({"server": below}), json!({"token": "t"})).await.unwrap();
    conn.check().await.unwrap();
    assert_eq!(conn.server(), below);

    let token = sim.access("x", "admin", &["system:masters"]).token;
    let bare = sim.url().trim_start_matches("http://");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let conn = open(json!({"server": bare}), json!({"tokenFile": file})).await.unwrap();
    conn.check().await.unwrap();
}

/// Who signs, and whom.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The algorithm of its key and of the keys that it signs.
    algorithm: &'static SignatureAlgorithm,
}

impl Authority {
    fn new() -> Authority {
        Authority::of(&PKCS_ECDSA_P256_SHA256)
    }

    fn of(algorithm: &'static SignatureAlgorithm) -> Authority {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate_for(algorithm).unwrap();
        Authority { issuer: CertifiedIssuer::self_signed(ca, key).unwrap(), algorithm }
    }

    fn sign(&self, name: &str, until: (i32, u8, u8)) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        let key = KeyPair::generate_for(self.algorithm).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn user(&self, until: (i32, u8, u8)) -> Value {
        let (certificate, key) = self.sign("me", until);
        json!({
            "client-certificate-data": STANDARD.encode(certificate.pem()),
            // Without a newline at its end, as some tools write it.
            "client-key-data": STANDARD.encode(key.serialize_pem().trim_end()),
        })
    }

    fn data(&self) -> String {
        STANDARD.encode(self.issuer.pem())
    }
}

/// An API server for the name that wants client certificates, and forgets who somebody is when a session is resumed.
async fn forgetful(authority: &Authority, name: &str) -> String {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (certificate, key) = authority.sign(name, (2099, 1, 1));
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
                let serve = service_fn(move |_: Request<Incoming>| async move {
                    let (code, body) = match resumed {
                        true => (401, r#"{"kind":"Status","code":401,"message":"Unauthorized"}"#),
                        false => (200, r#"{"gitVersion":"v1.36.2","major":"1","minor":"36"}"#),
                    };
                    let mut response = Response::new(Full::new(Bytes::from(body)));
                    *response.status_mut() = StatusCode::from_u16(code).unwrap();
                    // Each request over a connection of its own.
                    response.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
                    Ok::<_, std::convert::Infallible>(response)
                });
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), serve)
                    .await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_shown_in_every_handshake() {
    let authority = Authority::new();
    let url = forgetful(&authority, "127.0.0.1").await;
    let cluster = json!({"server": url, "certificate-authority-data": authority.data()});
    let conn = open(cluster, authority.user((2099, 1, 1))).await.unwrap();
    for i in 0..4 {
        conn.check().await.unwrap_or_else(|e| panic!("connection {i}: {e}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_certificate_is_said_of_the_right_one() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let url = forgetful(&authority, "api.internal").await;
    let say = async |more: Value, user: Value| {
        let mut cluster = json!({"server": url});
        cluster.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        match open(cluster, user).await {
            Ok(conn) => conn.check().await.map_or_else(|e| e.to_string(), |_| String::new()),
            Err(e) => e.to_string(),
        }
    };
    let good = authority.user((2099, 1, 1));
    let named = json!({"certificate-authority-data": authority.data(), "tls-server-name": "api.internal"});
    assert_eq!(say(named.clone(), good.clone()).await, "");
    let told = say(named.clone(), authority.user((2020, 1, 31))).await;
    assert!(told.contains("the client certificate expired at 2020-01-31T00:00:00Z"), "{told}");
    let told = say(json!({"certificate-authority-data": authority.data()}), good.clone()).await;
    assert!(told.contains("set tls-server-name"), "{told}");
    let other = json!({"certificate-authority-data": authority.data(), "tls-server-name": "other.internal"});
    let told = say(other, good.clone()).await;
    assert!(told.contains("\"other.internal\", the tls-server-name"), "{told}");
    let told = say(json!({"certificate-authority-data": stranger.data()}), good.clone()).await;
    assert!(told.contains("the authority that the kubeconfig names"), "{told}");
    let told = say(json!({}), good.clone()).await;
    assert!(told.contains("the kubeconfig names none"), "{told}");
    let told = say(json!({"insecure-skip-tls-verify": true}), good).await;
    assert_eq!(told, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_every_curve_of_tls_work_on_both_sides() {
    for algorithm in
        [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ECDSA_P521_SHA512, &PKCS_ED25519]
    {
        let authority = Authority::of(algorithm);
        let url = forgetful(&authority, "127.0.0.1").await;
        let cluster = json!({"server": url, "certificate-authority-data": authority.data()});
        let conn = open(cluster, authority.user((2099, 1, 1))).await.unwrap();
        conn.check().await.unwrap_or_else(|e| panic!("{algorithm:?}: {e}"));
    }
}
