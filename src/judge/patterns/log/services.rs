//! What databases, brokers and APIs refuse: full pools, wrong credentials, missing rights.

use super::table::{Row, exact, plain};
use crate::judge::log as causes;

pub const ROWS: &[Row] = &[
    // The API server.
    exact(
        causes::RBAC_FORBIDDEN,
        &["is forbidden: user"],
        r#"is forbidden: User \\*"(?P<user>[^"\\]+)\\*" cannot (?P<verb>\w+) resource \\*"(?P<resource>[^"\\]+)"#,
        "RBAC: cannot {verb} {resource}",
    )
    .always(),
    exact(
        causes::RBAC_FORBIDDEN,
        &["cannot impersonate", "is forbidden: user"],
        r#"User "(?P<user>[^"]+)" cannot (?P<what>impersonate[^\n]*|get path[^\n]*)"#,
        "RBAC: cannot {what}",
    )
    .always(),
    exact(
        causes::CONFIG,
        &["unauthorized", "to provide credentials"],
        r"[Ff]ailed to (?:list|watch|get|update) \*?[\w./]+: (?:Unauthorized|the server has asked)|[Tt]he server has asked for the client to provide credentials",
        "the API server does not accept its token",
    )
    .running(causes::LOG_PERMISSION),
    exact(
        causes::CONFIG,
        &["error making api request", "when calling the"],
        r"Error making API request[^\n]*Code: 40[13]|An error occurred \((?:40[13]|AccessDenied|ExpiredToken|InvalidClientTokenId)\) when calling the (?P<what>\w+) operation",
        "a service denies what it asks for[: {what}]",
    )
    .running(causes::LOG_PERMISSION),
    // Pools.
    exact(
        causes::POOL_EXHAUSTED,
        &[
            "connection is not available",
            "queuepool limit",
            "too many clients",
            "connection slots are reserved",
            "too many connections",
            "max_client_conn",
            "query_wait_timeout",
            "max number of clients",
            "max clients reached",
        ],
        r"Connection is not available, request timed out|QueuePool limit of size \d+ overflow \d+ reached|sorry, too many clients already|remaining connection slots are reserved|[Tt]oo many connections(?: for role)?|no more connections allowed|query_wait_timeout|max number of clients reached|max clients reached",
        "no connection is left in the pool",
    )
    .running(causes::LOG_POOL),
    exact(
        causes::POOL_EXHAUSTED,
        &["acquiring a connection", "pool", "acquiretimeout", "connection limit exceeded"],
        r"Timeout acquiring a connection|[Pp]ool is probably full|ConnectionAcquireTimeoutError|pool timed out while waiting|(?i:connection pool (?:has been |is )?exhausted)|prior to obtaining a connection from the pool|PoolExhaustedException|Cannot get a (?:jdbc )?connection, pool error|Could not get a resource (?:from the pool|since the pool is exhausted)|could not obtain a (?:database )?connection (?:from the pool )?within|ConnectionPoolTimeoutException|Timeout waiting for (?:connection from pool|idle object)|Pool#acquire\(|checking out a connection from (?:the )?connection pool|WaitQueueTimeoutError|checkout a Connection has timed out|PoolTimeout: couldn't get a connection|connection limit exceeded for|pool (?:is )?exhausted|Timed out in bb8",
        "no connection is left in the pool",
    )
    .running(causes::LOG_POOL),
    // Credentials and rights.
    exact(
        causes::CONFIG,
        &["password authentication failed", "access denied for user", "pg_hba.conf"],
        r#"password authentication failed for user "(?P<user>[^"]+)"|Access denied for user '(?P<user2>[^']*)'|no pg_hba\.conf entry for host"#,
        "the database refuses its credentials[ of {user}]",
    )
    .running(causes::LOG_PERMISSION),
    exact(
        causes::CONFIG,
        &[
            "wrongpass",
            "noauth authentication",
            "sasl authentication failed",
            "access_refused",
            "authentication failed",
            "invalid username-password",
            "invalid password",
            "saslauthenticationexception",
            "authenticationerror: ",
        ],
        r"\w\.AuthenticationError: |\bWRONGPASS\b|NOAUTH Authentication required|(?i:sasl authentication failed)|SaslAuthenticationException|ACCESS_REFUSED|(?:MongoServerError|OperationFailure|\(AuthenticationFailed\)|auth error)[^\n]*[Aa]uthentication failed|ERR invalid password",
        "a service refuses its credentials",
    )
    .running(causes::LOG_PERMISSION),
    exact(
        causes::CONFIG,
        &["does not exist", "unknown database"],
        r#"(?:database|role|relation|schema) "(?P<what>[^"]+)" does not exist|Unknown database '(?P<what2>[^']+)'|Table '(?P<what3>[^']+)' doesn't exist"#,
        "{what} does not exist in the database",
    ),
    exact(
        causes::CONFIG,
        &["permission denied for"],
        r"permission denied for (?:table|schema|relation|database|sequence|function) (?P<what>\S+)",
        "the database denies {what}",
    )
    .running(causes::LOG_PERMISSION),
    exact(
        causes::CONFIG,
        &["permissiondenied", "permission_denied", "authorizationfailed", "authorizationexception", "not authorized to", "accessdenied", "signaturedoesnotmatch", "invalidaccesskeyid", "is not authorized to perform"],
        r"(?:Topic|Group|Cluster)AuthorizationException|[Nn]ot authorized to (?:access|execute|perform)|is not authorized to perform: (?P<what>\S+)|Permission '(?P<what2>[\w.]+)' denied on|PERMISSION_DENIED: (?P<what3>[^\n]{1,60})|\(AuthorizationFailed\)|\(AccessDenied\)|AccessDenied: Access Denied|<Code>AccessDenied</Code>|SignatureDoesNotMatch|InvalidAccessKeyId",
        "a service denies what it asks for[: {what}]",
    )
    .running(causes::LOG_PERMISSION),
    exact(
        causes::CONFIG,
        &["locate credentials", "nocredentialproviders", "find default credentials", "no credentials"],
        r"Unable to locate credentials|NoCredentialProviders|could not find default credentials|[Nn]o credentials (?:found|provided)",
        "no credentials are configured",
    )
    .running(causes::LOG_PERMISSION),
    plain(
        causes::CONFIG,
        &["403 forbidden", "unauthorized", "to provide credentials", "status code 403", "status code 401", "status=403", "status: 403"],
        r"\b403 Forbidden\b|\b[Uu]nauthorized\b|asked for the client to provide credentials|[Ss]tatus(?: code|=|:)? ?40[13]\b",
        "a service answers that it is not allowed",
    )
    .running(causes::LOG_PERMISSION),
];
