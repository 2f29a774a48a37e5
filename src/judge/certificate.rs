//! The certificates that Ingresses name: missing, out of date, or for other hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::world::{Ingress, Kind, ObjectRef, Text, Time, TlsSecret};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::evidence::Severity;
use super::limits::seconds;
use super::log;
use super::registry::{Cause, causes};

const WHY: &str = "every client from outside refuses the connection, or is taught to ignore the warning";

causes! {
    TLS_MISSING = "ingress.tls-missing" Warning Watch("ingresses; the Secret by its name") tree "ingress":
        "the Secret with the Ingress' certificate does not exist or holds none",
        why WHY, source "spec.tls and the Secret it names, of which only tls.crt is looked at";
    EXPIRING = "cert.expiring" Warning Watch("ingresses; the Secret by its name") tree "ingress":
        "an Ingress' certificate ends within 14 days",
        why WHY, source "validity of the certificate in the Secret that spec.tls names";
}

/// How long before its end a certificate is told of.
const SOON: Duration = Duration::from_secs(14 * 86_400);
/// How often a Secret is read again.
const AGAIN: Duration = Duration::from_secs(3600);

/// The certificates read from the Secrets that Ingresses name.
#[derive(Debug, Default)]
pub struct Secrets {
    read: BTreeMap<ObjectRef, (Time, Result<TlsSecret, String>)>,
}

impl Secrets {
    /// Takes in what a Secret's certificate says, or why it could not be read.
    pub fn put(&mut self, secret: ObjectRef, answer: Result<TlsSecret, String>, now: Time) {
        self.read.insert(secret, (now, answer));
    }

    /// The certificate read from a Secret.
    pub fn get(&self, secret: &ObjectRef) -> Option<&Result<TlsSecret, String>> {
        self.read.get(secret).map(|(_, answer)| answer)
    }

    /// Forgets Secrets that no Ingress names any more.
    pub fn retain(&mut self, named: &BTreeSet<ObjectRef>) {
        self.read.retain(|secret, _| named.contains(secret));
    }
}

/// The Secrets that an Ingress names.
pub fn secrets_of(ingress: &Ingress) -> impl Iterator<Item = ObjectRef> {
    ingress.tls.iter().map(|t| ObjectRef::new(Kind::Secret, ingress.meta.namespace.clone(), t.secret.clone()))
}

/// Judges the certificates of an Ingress as far as they were read, and asks for the others.
pub fn judge(ctx: &Ctx, ingress: &Ingress, object: &ObjectRef, out: &mut Out) {
    for (tls, secret) in ingress.tls.iter().zip(secrets_of(ingress)) {
        let read = ctx.secrets.read.get(&secret);
        if read.is_none_or(|(at, _)| ctx.now >= at.plus(AGAIN)) {
            out.secrets.push(secret.clone());
        }
        let Some((at, Ok(found))) = read else { continue };
        out.again(at.plus(AGAIN));
        let hosts: Vec<&Text> = if tls.hosts.is_empty() {
            ingress.backends.iter().map(|b| &b.host).filter(|h| !h.is_empty()).collect()
        } else {
            tls.hosts.iter().collect()
        };
        out.signals.extend(one(ctx, ingress, object, &secret, found, &hosts));
    }
}

fn one(
    ctx: &Ctx,
    ingress: &Ingress,
    object: &ObjectRef,
    secret: &ObjectRef,
    found: &TlsSecret,
    hosts: &[&Text],
) -> Option<Diagnosis> {
    let created = ingress.meta.created.unwrap_or(ctx.now);
    let (name, of) = (&secret.name, &ingress.meta.name);
    let new = |cause: Cause, since: Time, title: String, row: &str| {
        Diagnosis::new(cause, object.clone(), since)
            .family(&format!("{cause} {name}"))
            .severity(Severity::Warning)
            .title(format!("Ingress {of}: {title}"))
            .row(row)
            .waits_for(Some(secret.clone()))
            .evidence("ingress spec", format!("tls.secretName: {name}"), object, None)
    };
    let fires = created.plus(seconds(ctx.limits.starting_volume));
    match found {
        TlsSecret::Missing => {
            let title = format!("Secret {name} with its certificate does not exist");
            Some(new(TLS_MISSING, created, title, "certificate missing").fires_at(fires))
        }
        TlsSecret::Unusable(why) => {
            let title = format!("Secret {name} holds no certificate: {why}");
            let signal = new(TLS_MISSING, created, title, "certificate missing").fires_at(fires);
            Some(signal.evidence("secret", why, secret, None))
        }
        TlsSecret::Certificate { from, until, names } => {
            let dates = format!("valid from {from} until {until}");
            let for_names = format!("for {}", names.join(", "));
            let wrong = hosts.iter().find(|h| !names.iter().any(|n| matches(n, h)));
            let signal = if ctx.now >= *until {
                let title = format!("the certificate in Secret {name} expired at {until}");
                new(log::CERT_EXPIRED, *until, title, "certificate expired")
            } else if ctx.now < *from {
                let title = format!("the certificate in Secret {name} is not valid before {from}");
                new(log::CERT_NOT_YET, created, title, "certificate not valid yet")
            } else if let Some(host) = wrong {
                let title = format!("the certificate in Secret {name} is not for {host}");
                new(log::CERT_HOSTNAME, created, title, "certificate for another host")
            } else if until.minus(SOON) <= ctx.now {
                let title = format!("the certificate in Secret {name} ends at {until}");
                new(EXPIRING, until.minus(SOON), title, "certificate ends soon")
            } else {
                return None;
            };
            Some(signal.evidence("certificate", dates, secret, None).evidence(
                "certificate",
                for_names,
                secret,
                None,
            ))
        }
    }
}

/// Whether a certificate's name is the host's: `*.example.com` stands for one label.
fn matches(name: &str, host: &str) -> bool {
    let (name, host) = (name.to_ascii_lowercase(), host.to_ascii_lowercase());
    match name.strip_prefix("*.") {
        Some(rest) => {
            host.split_once('.').is_some_and(|(label, of)| !label.is_empty() && of == rest) || host == name
        }
        None => name == host,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_one_label() {
        for (name, host, fits) in [
            ("shop.example.com", "shop.example.com", true),
            ("*.example.com", "shop.example.com", true),
            ("*.example.com", "*.example.com", true),
            ("*.example.com", "a.shop.example.com", false),
            ("*.example.com", "example.com", false),
            ("Shop.Example.com", "shop.example.com", true),
        ] {
            assert_eq!(matches(name, host), fits, "{name} {host}");
        }
    }
}
