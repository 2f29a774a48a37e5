//! Whole logs: traces, chains, what competes and what was got over.

use super::super::{Language, Sure, ended, repeats};

fn lines_of(parts: &[&str]) -> String {
    parts.join("\n")
}

/// Cause, what is named and the quoted line of a whole log.
fn read(text: &str) -> (&'static str, String, String, Sure) {
    let found = ended(text).found.expect("an answer");
    (found.cause.id(), found.named.text(), found.line.trim().to_owned(), found.sure)
}

#[test]
fn the_last_cause_of_a_java_trace_decides() {
    let log = lines_of(&[
        "2026-01-01T10:00:00.000Z  INFO 1 --- [main] c.acme.App : Starting App",
        "2026-01-01T10:00:03.000Z ERROR 1 --- [main] o.s.boot.SpringApplication : Application run failed",
        "org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'entityManagerFactory'",
        "\tat org.springframework.beans.factory.support.AbstractBeanFactory.getBean(AbstractBeanFactory.java:205)",
        "Caused by: org.hibernate.exception.JDBCConnectionException: unable to obtain isolated JDBC connection",
        "\tat org.hibernate.Foo.bar(Foo.java:12)",
        "\t... 16 common frames omitted",
        "Caused by: java.net.UnknownHostException: orders-db",
        "\tat java.base/sun.nio.ch.NioSocketImpl.connect(NioSocketImpl.java:567)",
        "\t... 40 common frames omitted",
        "2026-01-01T10:00:03.100Z  INFO 1 --- [main] c.acme.App : shutting down",
    ]);
    let want = "Caused by: java.net.UnknownHostException: orders-db";
    assert_eq!(read(&log), ("crash.unreachable", "orders-db".into(), want.into(), Sure::Proved));
    assert_eq!(ended(&log).language, Some(Language::Java));
    // Without the cause that is known, the last cause is still the line that decides.
    let log = log
        .replace("java.net.UnknownHostException: orders-db", "com.acme.LedgerException: ledger 7 is broken");
    let (cause, _, line, _) = read(&log);
    assert_eq!(
        (cause, &*line),
        ("crash.application", "Caused by: com.acme.LedgerException: ledger 7 is broken")
    );
}

#[test]
fn chained_tracebacks_name_the_error_that_began_it() {
    let log = lines_of(&[
        "Traceback (most recent call last):",
        "  File \"/usr/lib/python3/urllib3/connection.py\", line 198, in _new_conn",
        "    sock = connection.create_connection(",
        "ConnectionRefusedError: [Errno 111] Connection refused",
        "",
        "The above exception was the direct cause of the following exception:",
        "",
        "Traceback (most recent call last):",
        "  File \"/app/main.py\", line 3, in <module>",
        "    requests.get(\"http://api:8080/config-error\")",
        "requests.exceptions.ConnectionError: HTTPConnectionPool(host='api', port=8080): Max retries exceeded with url: /x (Caused by NewConnectionError('Failed to establish a new connection: [Errno 111] Connection refused'))",
    ]);
    let (cause, named, line, sure) = read(&log);
    assert_eq!((cause, &*named, sure), ("crash.unreachable", "api:8080", Sure::Proved));
    assert!(line.starts_with("requests.exceptions.ConnectionError"), "the line that names the host: {line}");
    let log = lines_of(&[
        "Traceback (most recent call last):",
        "  File \"/app/main.py\", line 9, in load",
        "    return cache[\"connection refused\"]",
        "KeyError: 'session'",
        "",
        "During handling of the above exception, another exception occurred:",
        "",
        "Traceback (most recent call last):",
        "  File \"/app/main.py\", line 12, in <module>",
        "    os.mkdir(\"/data/s\")",
        "PermissionError: [Errno 13] Permission denied: '/data/s'",
    ]);
    assert_eq!(read(&log).1, "/data/s");
    assert_eq!(ended(&log).language, Some(Language::Python));
}

#[test]
fn a_panic_decides_over_what_was_only_warned_about() {
    let log = lines_of(&[
        "2026/01/01 10:00:00 starting",
        "time=\"2026-01-01T10:00:01Z\" level=warning msg=\"cache disabled\" err=\"dial tcp 10.0.0.9:6379: connect: connection refused\"",
        "panic: runtime error: invalid memory address or nil pointer dereference",
        "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]",
        "",
        "goroutine 1 [running]:",
        "main.connectDatabase(0x0)",
        "\t/app/main.go:12 +0x1d",
        "main.main()",
        "\t/app/main.go:8 +0x20",
        "exit status 2",
    ]);
    let answer = ended(&log);
    let found = answer.found.unwrap();
    assert_eq!(found.cause.id(), "crash.application");
    assert!(found.line.starts_with("panic: runtime error"), "{}", found.line);
    assert_eq!(
        answer.also.iter().map(|p| (p.cause.id(), p.named.text())).collect::<Vec<_>>(),
        [("crash.unreachable", "10.0.0.9:6379".to_owned())]
    );
    assert_eq!(answer.language, Some(Language::Go));
}

/// A panic whose own words say little is explained by the error before it.
#[test]
fn an_error_explains_the_panic_that_follows_it() {
    let log = lines_of(&[
        "2026/01/01 10:00:00 open store: dial tcp 10.0.0.9:5432: connect: connection refused",
        "panic: cannot start without a store",
        "",
        "goroutine 1 [running]:",
        "main.main()",
        "\t/app/main.go:8 +0x20",
    ]);
    let (cause, named, _, _) = read(&log);
    assert_eq!((cause, &*named), ("crash.unreachable", "10.0.0.9:5432"));
}

#[test]
fn every_runtime_has_its_decisive_line() {
    for (log, language, line) in [
        (
            &[
                "thread 'main' panicked at src/main.rs:9:31:",
                "no route for tenant 7",
                "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
            ][..],
            Language::Rust,
            "no route for tenant 7",
        ),
        (
            &[
                "terminate called after throwing an instance of 'std::runtime_error'",
                "  what():  ledger 7 is broken",
            ][..],
            Language::Cpp,
            "what():  ledger 7 is broken",
        ),
        (
            &[
                "Unhandled exception. System.AggregateException: One or more errors occurred.",
                " ---> Acme.LedgerException: ledger 7 is broken",
                "   at Acme.Program.Main(String[] args) in /src/Program.cs:line 9",
                "   --- End of inner exception stack trace ---",
                "   at Acme.Program.<Main>(String[] args)",
            ][..],
            Language::DotNet,
            "---> Acme.LedgerException: ledger 7 is broken",
        ),
        (
            &[
                "/app/server.js:12",
                "    throw new Error('ledger 7 is broken');",
                "    ^",
                "",
                "Error: ledger 7 is broken",
                "    at Object.<anonymous> (/app/server.js:12:11)",
                "    at node:internal/main/run_main_module:23:47",
                "",
                "Node.js v20.11.0",
            ][..],
            Language::Node,
            "Error: ledger 7 is broken",
        ),
        (
            &[
                "/app/app.rb:3:in 'load': ledger 7 is broken (LedgerError)",
                "\tfrom /app/app.rb:9:in '<main>'",
            ][..],
            Language::Ruby,
            "/app/app.rb:3:in 'load': ledger 7 is broken (LedgerError)",
        ),
        (
            &[
                "PHP Fatal error:  Uncaught LedgerException: ledger 7 is broken in /app/index.php:4",
                "Stack trace:",
                "#0 {main}",
                "  thrown in /app/index.php on line 4",
            ][..],
            Language::Php,
            "PHP Fatal error:  Uncaught LedgerException: ledger 7 is broken in /app/index.php:4",
        ),
        (
            &[
                "Exception in thread \"main\" com.acme.LedgerException: ledger 7 is broken",
                "\tat com.acme.Main.main(Main.java:4)",
            ][..],
            Language::Java,
            "Exception in thread \"main\" com.acme.LedgerException: ledger 7 is broken",
        ),
        (
            &[
                "ERROR 01-01 10:00:00 core.py:390] Traceback (most recent call last):",
                "ERROR 01-01 10:00:00 core.py:390]   File \"/vllm/core.py\", line 12, in run",
                "ERROR 01-01 10:00:00 core.py:390]     start()",
                "ERROR 01-01 10:00:00 core.py:390] acme.LedgerError: ledger 7 is broken",
            ][..],
            Language::Python,
            "ERROR 01-01 10:00:00 core.py:390] acme.LedgerError: ledger 7 is broken",
        ),
    ] {
        let log = lines_of(log);
        let answer = ended(&log);
        let found = answer.found.unwrap_or_else(|| panic!("no answer: {log}"));
        assert_eq!(
            (answer.language, found.line.trim(), found.cause.id()),
            (Some(language), line, "crash.application"),
            "{log}"
        );
        assert!(!found.known && found.sure == Sure::Likely);
    }
}

#[test]
fn structured_entries_are_read_with_their_stacks() {
    let log = r#"{"level":"info","msg":"starting"}
{"level":"error","msg":"failed to start","stack_trace":"com.acme.StartException: failed\n\tat com.acme.Main.main(Main.java:4)\nCaused by: java.net.ConnectException: Connection to pg:5432 refused\n\tat java.base/Net.connect(Net.java:1)"}
{"level":"info","msg":"shutting down"}"#;
    let (cause, named, line, _) = read(log);
    assert_eq!((cause, &*named), ("crash.unreachable", "pg:5432"));
    assert!(line.starts_with("{\"level\":\"error\""), "quoted as printed: {line}");
}

/// The program said what was wrong, went on for long, and ended for a reason it does not tell.
#[test]
fn an_error_the_program_got_over_is_no_cause() {
    let trace = [
        "2026-01-01 10:00:00 WARN  c.a.Cache - cannot warm the cache",
        "java.net.ConnectException: Connection to redis:6379 refused",
        "\tat java.base/Net.connect(Net.java:1)",
    ];
    let normal: Vec<String> = (0..60)
        .map(|i| format!("2026-01-01 10:01:{:02} INFO  c.a.Web - served request {i}", i % 60))
        .collect();
    let with = |end: &str| {
        let mut all: Vec<&str> = trace.to_vec();
        all.extend(normal.iter().map(String::as_str));
        all.push(end);
        lines_of(&all)
    };
    assert_eq!(ended(&with("2026-01-01 10:02:00 INFO  c.a.Web - bye")).found, None);
    // The same trace at the end is the cause.
    let last: Vec<&str> = normal.iter().map(String::as_str).chain(trace).collect();
    assert_eq!(read(&lines_of(&last)).1, "redis:6379");
    let recovered = lines_of(&[
        trace[0],
        trace[1],
        trace[2],
        "2026-01-01 10:00:05 INFO c.a.Cache - reconnected to redis:6379",
    ]);
    assert_eq!(ended(&recovered).found, None);
}

#[test]
fn memory_that_runs_out_while_a_model_loads_is_the_models() {
    let loading = lines_of(&[
        "INFO 01-01 10:00:00 loader.py:12] Loading safetensors checkpoint shards: 40% Completed",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    ]);
    assert_eq!(read(&loading).0, "model.oom-loading");
    let serving = lines_of(&[
        "INFO 01-01 10:00:00 loader.py:12] Loading safetensors checkpoint shards: 40% Completed",
        "INFO 01-01 10:00:09 loader.py:12] Loading weights took 8.1 seconds",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    ]);
    assert_eq!(read(&serving).0, "crash.oom-heap");
}

#[test]
fn a_vague_line_is_likely_and_its_rival_is_shown() {
    let log = "ERROR connection refused\nERROR environment variable DATABASE_URL is not set";
    let answer = ended(log);
    let found = answer.found.unwrap();
    assert_eq!(
        (found.cause.id(), found.named.text(), found.sure),
        ("crash.config", "DATABASE_URL".into(), Sure::Proved)
    );
    assert_eq!(answer.also[0].cause.id(), "crash.unreachable");
    assert_eq!(ended("connection refused").found.unwrap().sure, Sure::Likely);
    let both = "ERROR dial tcp 10.0.0.9:5432: connect: connection refused\nERROR environment variable DATABASE_URL is not set";
    assert_eq!(ended(both).found.unwrap().sure, Sure::Likely, "two lines prove two causes");
}

#[test]
fn hostile_logs_end_in_an_answer_or_none() {
    let mut bytes = String::new();
    for i in 0..5000u32 {
        bytes.push(char::from_u32(i * 7919 % 0xD800).unwrap_or(' '));
        if i % 97 == 0 {
            bytes.push('\n');
        }
    }
    for text in [
        String::new(),
        "\n\n\n".into(),
        bytes,
        "x".repeat(1 << 20),
        "Caused by: ".repeat(10_000),
        "Traceback (most recent call last):\n".repeat(2000),
        "\tat a.b(C.java:1)\n".repeat(5000),
        format!("{{\"msg\":\"{}\"}}", "\\n".repeat(100_000)),
        "goroutine 1 [running]:\n".repeat(3000),
    ] {
        let _ = (ended(&text), repeats(&text, None));
    }
}
