//! Certificates that expired, do not fit or are not trusted, and handshakes that fail.

use super::table::{Row, exact, named, plain};
use crate::judge::log as causes;

pub const ROWS: &[Row] = &[
    exact(
        causes::CERT_NOT_YET,
        &["is before", "not yet valid", "notyetvalid", "not_yet_valid"],
        r"certificate has expired or is not yet valid: current time \S+ is before|certificate is not yet valid|CertificateNotYetValid|NotValidYet|CERT_NOT_YET_VALID",
        "a certificate is not valid yet",
    )
    .always(),
    exact(
        causes::CERT_EXPIRED,
        &[
            "certificate has expired",
            "certificate expired",
            "cert_has_expired",
            "certificateexpired",
            "expired certificate",
            "certificate: expired",
            "certexpired",
            "alert number 45",
        ],
        r"(?i)certificate has expired|(?:alert )?certificate expired|CERT_HAS_EXPIRED|CertificateExpiredException|expired certificate|invalid peer certificate: Expired|CertExpired|SSL alert number 45",
        "a certificate has expired",
    )
    .always(),
    exact(
        causes::CERT_HOSTNAME,
        &[
            "certificate is valid for",
            "ip sans",
            "common name field",
            "altname",
            "hostname mismatch",
            "doesn't match",
            "subject alternative",
            "subject name",
            "no name matching",
            "notvalidforname",
            "not valid for name",
            "not valid for any names",
            "does not match host name",
            "certificatenamemismatch",
        ],
        r#"certificate is valid for [^\n]*, not %host%|cannot validate certificate for %host2% because it doesn't contain any IP SANs|certificate relies on legacy Common Name|not valid for any names, but wanted to match %host3%|(?:does not match certificate's|ERR_TLS_CERT_ALTNAME_INVALID[^\n]*?) altnames:? (?:Host: )?%host4%|[Hh]ostname mismatch, certificate is not valid for '%host5%'|hostname '%host6%' doesn't match|No subject alternative DNS name matching %host7% found|No subject alternative names? (?:present|matching)|No name matching %host8% found|Certificate for <%host9%> doesn't match|no alternative certificate subject name matches target host ?name '%host10%'|NotValidForName|certificate not valid for name "?%host11%|server certificate for "[^"]+" (?:\([^)]*\) )?does not match host name "%host12%"|RemoteCertificateNameMismatch"#,
        "the certificate is not for the name asked for[: {host}]",
    )
    .always(),
    exact(
        causes::CERT_UNTRUSTED,
        &[
            "unknown authority",
            "local issuer certificate",
            "self-signed certificate",
            "self signed certificate",
            "leaf_signature",
            "self_signed",
            "issuer_cert",
            "first certificate",
            "pkix path",
            "valid certification path",
            "unknownissuer",
            "certificatechainerrors",
            "partialchain",
            "untrustedroot",
            "unknown ca",
            "alert number 48",
            "unknown certificate authority",
            "certificate is not trusted",
        ],
        r"certificate signed by unknown authority|unable to get (?:local )?issuer certificate|self[- ]signed certificate|UNABLE_TO_VERIFY_LEAF_SIGNATURE|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT|unable to verify the first certificate|PKIX path (?:building|validation) failed|unable to find valid certification path|UnknownIssuer|RemoteCertificateChainErrors|PartialChain|UntrustedRoot|alert unknown ca|unknown certificate authority|SSL alert number 48|certificate is not trusted",
        "a certificate is not trusted",
    )
    .always(),
    exact(
        causes::CERT_KEY_MISMATCH,
        &["private key does not match", "key values mismatch", "key_values_mismatch", "key and certificate do not match"],
        r"(?i)private key does not match|key[ _]values[ _]mismatch|key and certificate do not match",
        "the certificate and its private key do not belong together",
    )
    .always(),
    exact(
        causes::CERT_FORMAT,
        &["pem data", "no start line", "asn1", "bad end line", "invalid keystore format", "not enough data"],
        r"failed to find any PEM data|no start line|(?i:asn1)[^\n]{0,60}(?:structure error|syntax error|not enough data|wrong tag|encoding routines)|bad end line|Invalid keystore format",
        "a certificate or key file cannot be read",
    )
    .always(),
    named(
        causes::CERT_UNTRUSTED,
        &["certificate verify failed", "remote certificate", "certificate_verify_failed"],
        r"(?i:certificate[ _]verify[ _]failed)|The remote certificate (?:is invalid|was rejected)",
        "a certificate does not verify",
    )
    .always(),
    // The handshake itself. "TLS handshake error from <client>: EOF" is a probe that hung up, and no row of these.
    named(
        causes::UNREACHABLE,
        &["does not look like a tls handshake", "gave http response to https", "wrong version number", "wrong_version_number"],
        r"(?i)first record does not look like a TLS handshake|gave HTTP response to HTTPS client|wrong[ _]version[ _]number",
        "TLS is spoken to a port that does not speak it",
    )
    .running(causes::LOG_TLS),
    named(
        causes::UNREACHABLE,
        &["handshake", "protocol version", "no protocols in common", "tls: ", "ssl: ", "alert number"],
        r"SSLHandshakeException|(?i:ssl|tls)[^\n]{0,80}(?:(?i:handshake)[ _](?i:failure|failed|timeout|timed out|alert)|alert (?:protocol version|internal error|certificate (?:required|unknown)))|handshake[ _]failure|HANDSHAKE_FAILURE|remote error: tls: (?:bad|unknown|revoked|unsupported) certificate|remote error: tls: [^\n]+|tls: (?:no supported versions|protocol version not supported|server selected unsupported|client didn't provide a certificate|certificate required)|no protocols in common|SSL alert number (?:40|42|46|70|116)\b",
        "the TLS handshake fails",
    )
    .running(causes::LOG_TLS),
    named(
        causes::UNREACHABLE,
        &["support ssl", "ssl was required", "ssl connection", "no encryption", "ssl_error_syscall"],
        r"server does not support SSL|SSL was required|The server requires SSL|no encryption\b|SSL_ERROR_SYSCALL",
        "server and program do not agree on TLS",
    )
    .running(causes::LOG_TLS),
    plain(
        causes::UNREACHABLE,
        &["sslerror", "ssl error", "tls error", "ssl_error"],
        r"\b(?i:ssl|tls)[ _]?(?i:error)\b",
        "a TLS connection fails",
    )
    .running(causes::LOG_TLS),
];
