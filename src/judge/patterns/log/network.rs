//! Names that do not resolve and peers that do not answer. A host is taken only from the place where a known message
//! prints it.

use super::table::{Row, exact, named, plain};
use crate::judge::log as causes;

pub const ROWS: &[Row] = &[
    // Names.
    exact(
        causes::UNREACHABLE,
        &["enotfound", "eai_again"],
        r"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) %host%",
        "{host} does not resolve",
    )
    .running(causes::LOG_DNS),
    exact(
        causes::UNREACHABLE,
        &["lookup "],
        r"lookup %host%(?: on [\w.:\[\]]+)?: (?:no such host|server misbehaving|no answer|[^\n]*(?:i/o timeout|connection refused|network is unreachable|[Tt]emporary failure|operation was canceled))",
        "{host} does not resolve",
    )
    .running(causes::LOG_DNS),
    exact(
        causes::UNREACHABLE,
        &["unknownhostexception", "unresolvedaddressexception", "failed to resolve", "couldn't resolve server"],
        r#"UnknownHostException: (?:failed to resolve ['"])?%host%|[Ff]ailed to resolve (?:host )?'%host2%(?::%port%)?'|Couldn't resolve server %host3%:%port3% from bootstrap"#,
        "{host} does not resolve",
    )
    .running(causes::LOG_DNS),
    exact(
        causes::UNREACHABLE,
        &["could not translate host name", "unknown mysql server host", "host not found in upstream", "bad address"],
        r#"could not translate host name "%host%"|Unknown (?:MySQL|MariaDB) server host '%host2%'|host not found in upstream "%host3%(?::%port3%)?"|bad address '%host4%(?::%port4%)?'"#,
        "{host} does not resolve",
    )
    .running(causes::LOG_DNS),
    exact(
        causes::UNREACHABLE,
        &["could not resolve host", "resolve host address", "can't resolve", "server can't find", "could not be resolved"],
        r#"[Cc]ould not resolve host(?:name)?:? ["']?%host%|unable to resolve host address (?:'|‘)%host2%|can't resolve '%host3%'|server can't find %host4%: (?:NXDOMAIN|SERVFAIL)|%host5% could not be resolved"#,
        "{host} does not resolve",
    )
    .running(causes::LOG_DNS),
    exact(
        causes::UNREACHABLE,
        &["name or service not known", "temporary failure in name resolution", "no address associated", "nodename nor servname"],
        r#"connecting to %host%:%port%\. (?:Name or service not known|Temporary failure|No address associated)|[Cc]annot connect to host %host2%:%port2% [^\n]*\[(?:Name or service|Temporary failure|No address)|%host3%:%port3%/*: \[Errno -\d\]|getaddrinfo for %host4% failed|(?:Name or service not known|Temporary failure in name resolution) \(%host5%:%port5%\)|for "%host6%" port %port6%: getaddrinfo|TCP connection to %host7%:%port7% \(getaddrinfo|^(?:ping6?|ssh|nc|telnet|traceroute|rsync): %host8%: (?:Name or service not known|Temporary failure in name resolution)"#,
        "{host} does not resolve",
    )
    .running(causes::LOG_DNS),
    exact(
        causes::UNREACHABLE,
        &["dns resolution failed", "name resolver error", "failed to lookup address", "no resolvable bootstrap", "nxdomain"],
        r#"DNS resolution failed for (?:name: )?%host%|(?i:name resolver error)|failed to lookup address information|No resolvable bootstrap urls|\bnxdomain\b|no record found for Query"#,
        "[{host} does not resolve]",
    )
    .running(causes::LOG_DNS),
    exact(
        causes::UNREACHABLE,
        &["no servers could be reached"],
        r"connection timed out; no servers could be reached|;; communications error to \S+: timed out",
        "the name server does not answer",
    )
    .running(causes::LOG_DNS),
    plain(
        causes::UNREACHABLE,
        &[
            "name or service not known",
            "temporary failure in name resolution",
            "nodename nor servname",
            "no such host",
            "no address associated",
            "nxdomain",
        ],
        r"Name or service not known|Temporary failure in name resolution|nodename nor servname provided|[Nn]o such host|No address associated with hostname|NXDOMAIN",
        "a host does not resolve",
    )
    .running(causes::LOG_DNS),
    // Connections.
    exact(
        causes::UNREACHABLE,
        &["econnrefused", "ehostunreach", "etimedout"],
        r"connect (?:ECONNREFUSED|EHOSTUNREACH|ETIMEDOUT|ENETUNREACH) (?:::ffff:)?%addr%|connect ECONNREFUSED (?P<what>/\S+)",
        "{addr}{what} not reachable",
    )
    .running(causes::LOG_REFUSED),
    exact(
        causes::UNREACHABLE,
        &["dial tcp"],
        r"dial tcp[46]? %addr%: (?:connect: (?:connection refused|no route to host|connection timed out|network is unreachable|connection reset by peer)|i/o timeout|operation was canceled)",
        "{addr} not reachable",
    )
    .running(causes::LOG_REFUSED),
    exact(
        causes::UNREACHABLE,
        &["connection to server at", "could not connect to server", "running on host"],
        r#"connection to server at "%host%"(?: \([^)]*\))?, port %port% failed: (?:[Cc]onnection refused|[Cc]onnection timed out|timeout expired|[Nn]o route to host|[Nn]etwork is unreachable|server closed)|running on host "%host2%"(?: \([^)]*\))? and accepting"#,
        "{host}[:{port}] not reachable",
    )
    .running(causes::LOG_REFUSED),
    exact(
        causes::UNREACHABLE,
        &["refused", "timed out", "unreachable", "could not be established", "bootstrap broker"],
        r"Connection to %addr% refused|Connection to node -?\d+ \(%host%/[^)]*:%port%\) could not be established|Bootstrap broker %addr2% \(id: [^)]*\) disconnected|Error \d+ connecting to %addr3%\.|connect to [Rr]edis at %addr4%|[Cc]onnection (?:to|refused to|refused by) %addr5%[^\n]{0,40}(?:refused|timed out|failed)|Connect to (?:https?://)?%addr6% [^\n]*(?:failed|refused|timed out)|Connection refused: (?:[\w.-]+/)?%addr7%|Connection refused \(%addr8%\)|%addr9%: \[Errno 11[0-9]\]",
        "{addr}[{host}:{port}] not reachable",
    )
    .running(causes::LOG_REFUSED),
    exact(
        causes::UNREACHABLE,
        &["can't connect to", "can't reach", "failed to connect to", "connect to"],
        r"Can't reach database server at [`'\x22]?%host5%[`'\x22]?:[`'\x22]?%port5%|Can't connect to (?:MySQL |MariaDB )?server on '%host%(?::%port%)?'|[Ff]ailed to connect to %host2%(?: \([^)]*\))? port %port2%|[Ff]ailed to connect to %host6%/(?:[\d.]+|\[[^\]]*\]):%port6%|[Ff]ailed to connect to (?:[\w ]{1,24} at (?:address )?)?%addr%|can't connect to remote host \(%host3%\)|Can't connect to local (?:MySQL|MariaDB) server through socket '(?P<what>[^']+)'|nc: connect to %host4% port %port4% \(tcp\) failed",
        "{host}{addr}{what}[:{port}] not reachable",
    )
    .running(causes::LOG_REFUSED),
    exact(
        causes::UNREACHABLE,
        &["connectionpool(host="],
        r"HTTPS?ConnectionPool\(host='%host%', port=%port%\): (?:Max retries exceeded[^\n]*(?:NewConnectionError|ConnectTimeoutError|[Cc]onnection refused|[Tt]imed out|Remote end closed)|Read timed out)",
        "{host}[:{port}] not reachable",
    )
    .running(causes::LOG_REFUSED),
    exact(
        causes::UNREACHABLE,
        &["cannot connect to host", "cannot connect to", "could not connect to", "unable to connect to"],
        r"[Cc]annot connect to host %host%:%port% ssl:\S+ \[(?:Connect call failed|Connection refused|Connection timed out)|(?i:cannot|could not|unable to) connect to (?:[a-z][a-z0-9+]*://)?(?:[^@\s/]*@)?%addr%",
        "{host}{addr}[:{port}] not reachable",
    )
    .running(causes::LOG_REFUSED),
    exact(
        causes::UNREACHABLE,
        &["upstream", "healthy upstream", "reset before headers"],
        r#"(?:connect\(\) failed|upstream timed out|no live upstreams)[^\n]*upstream: "[a-z]+://(?:%addr%|%host%)|no live upstreams|no healthy upstream|connection_failure[^\n]*outbound\|%port2%\|[^|]*\|%host2%|upstream_reset_before_response_started\{connection_failure|upstream connect error or disconnect/reset before headers"#,
        "upstream[ {addr}][ {host}] not reachable",
    )
    .running(causes::LOG_REFUSED),
    exact(
        causes::UNREACHABLE,
        &["connect(2)", "failed to connect to all addresses", "client socket has", "connection to server "],
        r#"connect\(2\) for "?%host%"? port %port%|failed to connect to all addresses; last error: \w+: ipv[46]:%addr%|client socket has (?:timed out|failed)[^\n]*\(%host2%, %port2%\)|socketStart?Connect: Connect to %host3%<%port3%> failed"#,
        "{host}{addr}[:{port}] not reachable",
    )
    .running(causes::LOG_REFUSED),
    exact(
        causes::UNREACHABLE,
        &["no response", "rejecting connections"],
        r"^%addr% - (?:no response|rejecting connections)\s*$",
        "{addr} not reachable",
    )
    .running(causes::LOG_REFUSED),
    named(
        causes::UNREACHABLE,
        &["no server available", "no servers available", "serverselection", "server selection", "communications link failure", "brokers are down", "nohostavailable"],
        r"backend '[^']+' has no server available|no servers available for connection|(?i:server ?selection) ?(?i:error|timeout|timed out)|Communications link failure|(?:\d+/\d+|all) brokers are down|NoHostAvailable|No brokers available|NoBrokersAvailable",
        "its database or broker is not reachable",
    )
    .running(causes::LOG_REFUSED),
    plain(
        causes::UNREACHABLE,
        &[
            "connection refused",
            "econnrefused",
            "etimedout",
            "ehostunreach",
            "no route to host",
            "network is unreachable",
            "could not connect to server",
            "connection timed out",
            "connect timed out",
            "connectexception",
            "sockettimeoutexception",
            "download timed out",
        ],
        r"download timed out|(?i:connection refused)|ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH|(?i:no route to host)|(?i:network is unreachable)|could not connect to server|(?i:connect(?:ion)? timed out)|ConnectException|SocketTimeoutException",
        "a connection is refused or times out",
    )
    .running(causes::LOG_REFUSED),
];
