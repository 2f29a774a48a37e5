//! Selects the proxy for a server: the kubeconfig's, else the environment's by Go's rules, which kubectl
//! follows.

use std::net::IpAddr;

use base64::Engine as _;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::kubeconfig::Environment;

/// The protocol of a proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    /// CONNECT over plain HTTP.
    Http,
    /// CONNECT over TLS.
    Https,
    /// SOCKS5. The proxy resolves names for socks5 and socks5h alike, as with Go.
    Socks5,
}

/// The address and credentials of a proxy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Proxy {
    pub protocol: Protocol,
    /// The URL without user and password.
    pub url: Uri,
    credentials: Option<(String, String)>,
}

impl Proxy {
    /// # Errors
    /// The end of a sentence that says why the text is not a proxy URL.
    pub fn parse(text: &str) -> Result<Proxy, String> {
        let uri: Uri = text.trim().parse().map_err(|e| format!("is not a URL ({e})"))?;
        let (protocol, port) = match uri.scheme_str() {
            Some("http") => (Protocol::Http, 80),
            Some("https") => (Protocol::Https, 443),
            Some("socks5" | "socks5h") => (Protocol::Socks5, 1080),
            Some(other) => {
                return Err(format!("has the scheme {other:?}; khud knows http, https, socks5 and socks5h"));
            }
            None => return Err("has no scheme; write http://, https:// or socks5:// before it".to_owned()),
        };
        let Some(host) = uri.host().filter(|h| !h.is_empty()) else { return Err("names no host".to_owned()) };
        let scheme = if protocol == Protocol::Https { "https" } else { "http" };
        let port = uri.port_u16().unwrap_or(port);
        let url = format!("{scheme}://{host}:{port}").parse().map_err(|e| format!("is not a URL ({e})"))?;
        let decoded = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let credentials = uri.authority().and_then(|a| a.as_str().rsplit_once('@')).map(|(user, _)| {
            let (user, password) = user.split_once(':').unwrap_or((user, ""));
            (decoded(user), decoded(password))
        });
        Ok(Proxy { protocol, url, credentials })
    }

    /// The `Proxy-Authorization` header of a CONNECT request.
    pub fn basic(&self) -> Option<HeaderValue> {
        let (user, password) = self.credentials.as_ref()?;
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The user and password of a SOCKS5 proxy.
    pub fn credentials(&self) -> Option<(String, String)> {
        self.credentials.clone()
    }
}

impl std::fmt::Display for Proxy {
    /// The URL without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::Socks5 => "socks5",
        };
        let authority = self.url.authority().map_or("", |a| a.as_str());
        write!(f, "{scheme}://{authority}")
    }
}

/// The proxy that Go's `ProxyFromEnvironment` uses for the URL.
pub(super) fn of_environment(url: &Uri, environment: &Environment) -> Option<String> {
    let host = bare(url.host()?).to_ascii_lowercase();
    let https = url.scheme_str() != Some("http");
    let proxy = if https { environment.https_proxy.as_ref() } else { environment.http_proxy.as_ref() }?;
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        return None;
    }
    let port = url.port_u16().unwrap_or(if https { 443 } else { 80 });
    let spared = environment
        .no_proxy
        .iter()
        .flat_map(|list| list.split(','))
        .map(|rule| rule.trim().to_ascii_lowercase())
        .any(|rule| spares(&rule, &host, address, port));
    if spared {
        return None;
    }
    Some(if proxy.contains("://") { proxy.clone() } else { format!("http://{proxy}") })
}

/// Removes the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
}

/// Whether one entry of NO_PROXY covers the host.
fn spares(rule: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if rule == "*" {
        return true;
    }
    if let Some((net, bits)) = rule.split_once('/')
        && let (Ok(net), Ok(bits)) = (net.parse::<IpAddr>(), bits.parse::<u32>())
    {
        return address.is_some_and(|a| in_network(a, net, bits));
    }
    // A bare IPv6 address has colons but no port.
    let (name, only) = match rule.rsplit_once(':') {
        Some((name, digits)) if bare(rule).parse::<IpAddr>().is_err() => match digits.parse::<u16>() {
            Ok(port) => (name, Some(port)),
            Err(_) => return false,
        },
        _ => (rule, None),
    };
    if only.is_some_and(|p| p != port) {
        return false;
    }
    let name = bare(name);
    if let Ok(one) = name.parse::<IpAddr>() {
        return address == Some(one);
    }
    let name = if name.starts_with("*.") { &name[1..] } else { name };
    let below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    match name.strip_prefix('.') {
        _ if name.is_empty() => false,
        Some(domain) => below(domain),
        None => host == name || below(name),
    }
}

fn in_network(address: IpAddr, net: IpAddr, bits: u32) -> bool {
    match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(n)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        (IpAddr::V6(a), IpAddr::V6(n)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            a.to_bits() & mask == n.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_url_is_taken_apart_and_its_password_never_shown() {
        let proxy = Proxy::parse("socks5h://me:p%40ss%3Aword@bastion:1080").unwrap();
        assert_eq!(proxy.protocol, Protocol::Socks5);
        assert_eq!(proxy.credentials(), Some(("me".into(), "p@ss:word".into())));
        assert_eq!(proxy.to_string(), "socks5://bastion:1080");
        let proxy = Proxy::parse("http://me:secret@[2001:db8::1]").unwrap();
        assert_eq!(proxy.to_string(), "http://[2001:db8::1]:80");
        assert_eq!(proxy.basic().unwrap(), "Basic bWU6c2VjcmV0");
        for (text, why) in [
            ("ftp://proxy", "has the scheme \"ftp\""),
            ("proxy:3128", "has"),
            ("proxy", "has no scheme"),
            ("http://", "is not a URL"),
        ] {
            let error = Proxy::parse(text).unwrap_err();
            assert!(error.starts_with(why), "{text}: {text}");
        }
    }

    /// The rules of Go's `httpproxy` package, which kubectl follows.
    #[test]
    fn no_proxy_is_matched_against_the_cluster() {
        let uses = |url: &str, no_proxy: &str| {
            let environment = Environment {
                https_proxy: Some("proxy:3128".into()),
                no_proxy: Some(no_proxy.into()),
                ..Environment::default()
            };
            let proxy = of_environment(&url.parse().unwrap(), &environment);
            assert!(proxy.is_none() || proxy.as_deref() == Some("http://proxy:3128"));
            proxy.is_some()
        };
        assert!(uses("https://api.corp:6443", ""));
        for loopback in ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443"] {
            assert!(!uses(loopback, ""), "{loopback}");
        }
        for spared in ["other, .corp", "corp", "*.corp", "api.corp:6443", "*", "API.corp"] {
            assert!(!uses("https://api.corp:6443", spared), "{spared}");
        }
        for not in ["*corp", "api.corp:443", ".api.corp", "pi.corp", ":6443", "corp:x", ""] {
            assert!(uses("https://api.corp:6443", not), "{not}");
        }
        assert!(uses("https://corp:6443", ".corp") && uses("https://corp:6443", "*.corp"));
        for spared in ["10.0.0.0/8", "10.1.2.3", "10.1.2.3:6443"] {
            assert!(!uses("https://10.1.2.3:6443", spared), "{spared}");
        }
        assert!(uses("https://11.1.2.3:6443", "10.0.0.0/8") && uses("https://10.1.2.3:6443", "10.1.2.3:443"));
        for spared in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:6443", "2001:db8::/32"] {
            assert!(!uses("https://[2001:db8::1]:6443", spared), "{spared}");
        }
        assert!(!uses("http://api.corp:6443", ""), "HTTPS_PROXY is not for http");
    }
}
