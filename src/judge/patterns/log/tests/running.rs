//! What running pods repeat, and lines that only look like a fault.

use super::super::repeats;
use super::one;
use crate::world::Time;

/// Lines that have a fault's words and are none, alone and repeated.
#[test]
fn lines_that_mean_something_else() {
    let lines = [
        "[WARN] Memory usage: 112MB",
        "waiting",
        "GET /health 200",
        "OOM score adjusted to 999",
        "oom_score_adj=-998 for pid 1",
        "started oom-exporter on :8080",
        "oom kill disabled",
        "processed 1200 records, 0 errors",
        "sync finished: 14 created, 0 failed, 0 errors",
        "access denied count=0",
        "connections=12 refused=0 timeouts=0",
        "level=info msg=\"sync done\" err=nil",
        "level=info msg=\"request\" error=\"\"",
        "done error=<nil>",
        "errors: 0, warnings: 0",
        "no errors found",
        "finished without errors",
        "permission denied (ignored)",
        "mkdir /cache: permission denied (ignored)",
        "WARN deprecated option --foo: use --bar",
        "java -XX:+ExitOnOutOfMemoryError -XX:+HeapDumpOnOutOfMemoryError -jar app.jar",
        "Picked up JAVA_TOOL_OPTIONS: -XX:OnOutOfMemoryError=kill",
        "retrying connection to db... attempt 3 connected",
        "connection refused, retry 2 succeeded",
        "retry 3: connected to db:5432",
        "INFO will retry on connection refused",
        "handles connection refused errors by backing off",
        "INFO alerting on connection refused",
        "registered rule \"connection refused\"",
        "10.0.0.1 - - [01/Jan/2026:10:00:00 +0000] \"GET /errors/connection-refused HTTP/1.1\" 200 12",
        "10.0.0.1 - - [01/Jan/2026:10:00:00 +0000] \"POST /api/permission-denied HTTP/1.1\" 503 0 \"-\" \"curl\"",
        "{\"level\":\"info\",\"msg\":\"request\",\"path\":\"/error\",\"status\":200,\"error\":null}",
        "{\"level\":\"info\",\"msg\":\"stats\",\"errors\":0,\"denied\":0}",
        "{\"level\":\"debug\",\"msg\":\"connect failed: connection refused\"}",
        "DEBUG dial tcp 10.0.0.1:80: connect: connection refused",
        "fetching https://example.com/docs/error/no-space-left-on-device.html",
        "downloaded https://host/OutOfMemoryError.html",
        "Found module 'missing-dependency'",
        "getaddrinfo returned 10.0.0.1 for database",
        "environment variable DATABASE_URL is fine",
        "DATABASE_URL is set",
        "Loading model weights took 12.1 s",
        "checkpoint saved to /models/ckpt",
        "model loaded from /models/llama in 12 s",
        "cache miss for key error-page",
        "user error@example.com logged in",
        "http: TLS handshake error from 10.0.0.7:51233: EOF",
        "certificate will expire in 80 days",
        "certificate renewed; the old one expired yesterday",
        "TLS enabled with certificate /etc/tls/tls.crt",
        "connection pool size 10, active 2, idle 8",
        "WARNING: Connection pool is full, discarding connection: api. Connection pool size: 10",
        "acquired connection, but time to acquire exceeded slow threshold",
        "Quota: 10Gi, used 3Gi",
        "filesystem is mounted read-only as configured",
        "mounted /etc/config (ro)",
        "listening on port 8080",
        "port 8080 is free",
        "address 10.0.0.1 already in use by this node's own lease: keeping it",
        "thread pool started with 8 threads",
        "GPU KV cache usage: 99.0%, Prefix cache hit rate: 12.3%",
        "CUDA is available: 8 devices",
        "recovered from panic in handler",
        "segment 12 sealed, no space reclaimed",
        "denied-list reloaded",
        "exit code 0",
        "0 exceptions thrown",
        "Fatal error handler installed",
        "panic button enabled",
        "E2E test 'connection refused' passed",
        "failed=0 ok=12",
        "falling back to in-memory cache: dial tcp 10.0.0.1:6379: connect: connection refused",
        "skipping /proc/1/fd: permission denied",
    ];
    assert!(lines.len() >= 60);
    let alone: Vec<_> = lines.iter().filter_map(|l| one(l).map(|found| (l, found))).collect();
    assert!(alone.is_empty(), "as the end of a log: {alone:#?}");
    let repeated: Vec<_> =
        lines.iter().filter(|line| !repeats(&[**line; 12].join("\n"), None).is_empty()).collect();
    assert!(repeated.is_empty(), "repeated: {repeated:#?}");
}

/// A minute of a running pod's log: one error every ten seconds among requests that work.
fn minute(error: &str, level: &str) -> String {
    (0..60)
        .map(|s| {
            if s % 10 == 9 {
                format!("2026-01-01T10:00:{s:02}.000Z {level} {error}\n")
            } else {
                format!("2026-01-01T10:00:{s:02}.000Z INFO served request {s}\n")
            }
        })
        .collect()
}

#[test]
fn an_error_a_running_pod_repeats_is_counted() {
    let now = Time::parse("2026-01-01T10:01:05Z");
    for (error, cause) in [
        ("remote error: tls: handshake failure", "log.tls"),
        ("x509: certificate signed by unknown authority", "cert.untrusted"),
        ("getaddrinfo ENOTFOUND payments", "log.dns"),
        ("dial tcp 10.0.0.9:5432: connect: connection refused", "log.refused"),
        ("HikariPool-1 - Connection is not available, request timed out after 30000ms.", "log.pool"),
        ("write /data/out: disk quota exceeded", "volume.quota"),
        ("open /data/out: read-only file system", "config.read-only-fs"),
        ("open /data/out: permission denied", "log.permission"),
        ("RuntimeError: No CUDA devices available", "gpu.vanished"),
        (
            "pods is forbidden: User \"system:serviceaccount:a:b\" cannot list resource \"pods\" in API group",
            "rbac.forbidden",
        ),
        ("403 Forbidden", "log.permission"),
    ] {
        let text = minute(error, "ERROR");
        let found = repeats(&text, now);
        assert_eq!(
            found.iter().map(|r| (r.cause.id(), r.count)).collect::<Vec<_>>(),
            [(cause, 6)],
            "{error}"
        );
        assert_eq!(found[0].window(), Some(std::time::Duration::from_secs(50)));
        assert!(found[0].line.contains(error), "quoted as printed");
        assert!(repeats(&minute(error, "DEBUG"), now).is_empty(), "{error} at debug");
        assert!(repeats(&text, Time::parse("2026-01-01T10:20:00Z")).is_empty(), "{error}: it has stopped");
        assert!(
            repeats(&format!("{text}2026-01-01T10:01:01.000Z INFO reconnected\n"), now).is_empty(),
            "{error}: got over"
        );
    }
}

#[test]
fn a_handled_trace_in_a_healthy_log_repeats_nothing() {
    let entry = "2026-01-01T10:00:01.000Z WARN lookup failed, falling back to the cached value\njava.net.ConnectException: Connection to redis:6379 refused\n\tat java.base/Net.connect(Net.java:1)\n2026-01-01T10:00:02.000Z INFO served request\n";
    assert!(repeats(&entry.repeat(10), None).is_empty());
    assert!(!repeats(&entry.replace(", falling back to the cached value", "").repeat(10), None).is_empty());
    let flaps =
        "ERROR dial tcp 10.0.0.9:5432: connect: connection refused\nINFO connection established\n".repeat(10);
    assert!(repeats(&flaps, None).is_empty(), "every one of them was got over");
}
