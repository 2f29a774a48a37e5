//! Lines of kube-proxy's log, or of its node's kernel log.

use super::{Match, re};
use crate::judge::roles;

re!(
    LOCK,
    r"(?i)holding the xtables lock|xtables lock in use|failed to acquire (?:old|new) iptables lock|exit status 4"
);
re!(RULES, r"too many iptables rules");
re!(CONNTRACK, r"nf_conntrack: (?:nf_conntrack: )?table full, dropping packet");

/// What a line of kube-proxy's log (or its node's kernel log) says.
pub fn proxy_log(line: &str) -> Option<Match> {
    if LOCK.is_match(line) {
        return Some(Match::new(roles::PROXY_IPTABLES_LOCK, "iptables lock is held", ""));
    }
    if RULES.is_match(line) {
        return Some(Match::new(roles::PROXY_TOO_MANY_RULES, "too many iptables rules", ""));
    }
    if CONNTRACK.is_match(line) {
        return Some(Match::new(roles::PROXY_CONNTRACK_FULL, "conntrack table full", ""));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_it_from_its_rules_is_told_apart() {
        for (line, cause) in [
            ("another app is currently holding the xtables lock", Some("proxy.iptables-lock")),
            ("too many iptables rules", Some("proxy.too-many-rules")),
            ("nf_conntrack: nf_conntrack: table full, dropping packet", Some("proxy.conntrack-full")),
            ("Successfully retrieved node IPs", None),
        ] {
            assert_eq!(proxy_log(line).map(|m| m.cause.id()), cause, "{line}");
        }
    }
}
