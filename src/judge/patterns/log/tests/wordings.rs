//! Wordings of runtimes, images and peers.

use super::all_say;

#[test]
fn memory_threads_and_handles() {
    all_say(&[
        (
            "crash.oom-heap",
            "Java heap space",
            "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space",
        ),
        (
            "crash.oom-heap",
            "GC overhead limit exceeded",
            "java.lang.OutOfMemoryError: GC overhead limit exceeded",
        ),
        (
            "crash.oom-heap",
            "Java heap space",
            "Terminating due to java.lang.OutOfMemoryError: Java heap space",
        ),
        ("crash.oom-heap", "Direct buffer memory", "java.lang.OutOfMemoryError: Direct buffer memory"),
        (
            "crash.oom-heap",
            "direct buffer memory",
            "Caused by: java.lang.OutOfMemoryError: Cannot reserve 1048576 bytes of direct buffer memory (allocated: 10, limit: 20)",
        ),
        ("jvm.metaspace", "Metaspace", "java.lang.OutOfMemoryError: Metaspace"),
        ("jvm.metaspace", "Compressed class space", "java.lang.OutOfMemoryError: Compressed class space"),
        ("jvm.heap-over-limit", "object heap", "Could not reserve enough space for object heap"),
        (
            "crash.threads",
            "",
            "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or process/resource limits reached",
        ),
        (
            "crash.threads",
            "",
            "[0.123s][warning][os,thread] Failed to start thread \"GC Thread#0\" - pthread_create failed (EAGAIN) for attributes: stacksize: 1024k",
        ),
        ("crash.threads", "", "RuntimeError: can't start new thread"),
        ("crash.threads", "", "runtime: failed to create new OS thread (have 10 already; errno=11)"),
        (
            "crash.threads",
            "",
            "OpenBLAS blas_thread_init: pthread_create failed for thread 3 of 64: Resource temporarily unavailable",
        ),
        ("crash.threads", "", "/bin/sh: fork: retry: Resource temporarily unavailable"),
        ("crash.threads", "", "Error: spawn /usr/bin/convert EAGAIN"),
        (
            "crash.threads",
            "",
            "thread 'main' panicked at src/main.rs:4:5: failed to spawn thread: Os { code: 11, kind: WouldBlock, message: \"Resource temporarily unavailable\" }",
        ),
        ("crash.oom-heap", "", "fatal error: runtime: out of memory"),
        (
            "crash.oom-heap",
            "JavaScript heap",
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        ),
        ("crash.oom-heap", "", "MemoryError"),
        (
            "crash.oom-heap",
            "Unable to allocate 7.45 GiB for an array with shape (1000000000,)",
            "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array with shape (1000000000,)",
        ),
        (
            "crash.oom-heap",
            "std::bad_alloc",
            "terminate called after throwing an instance of 'std::bad_alloc'",
        ),
        ("crash.oom-heap", "1073741824", "memory allocation of 1073741824 bytes failed"),
        (
            "crash.oom-heap",
            "",
            "Unhandled exception. System.OutOfMemoryException: Exception of type 'System.OutOfMemoryException' was thrown.",
        ),
        (
            "crash.oom-heap",
            "134217728",
            "PHP Fatal error:  Allowed memory size of 134217728 bytes exhausted (tried to allocate 20480 bytes) in /app/a.php on line 3",
        ),
        ("crash.oom-heap", "", "[FATAL] failed to allocate memory"),
        ("crash.oom-heap", "fork", "fork: Cannot allocate memory"),
        (
            "crash.oom-heap",
            "2.50 GiB",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.15 GiB",
        ),
        (
            "crash.oom-heap",
            "",
            "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 4096.00 MiB on device 0: cudaMalloc failed: out of memory",
        ),
        ("crash.open-files", "", "accept4() failed (24: Too many open files)"),
        (
            "crash.open-files",
            "",
            "Error: ENOSPC: System limit for number of file watchers reached, watch '/app'",
        ),
        ("crash.open-files", "", "OSError: [Errno 24] Too many open files: '/tmp/x'"),
        ("crash.port-in-use", "3000", "Error: listen EADDRINUSE: address already in use :::3000"),
        ("crash.port-in-use", "8080", "listen tcp :8080: bind: address already in use"),
        (
            "crash.port-in-use",
            "80",
            "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
        ),
        ("crash.port-in-use", "8080", "Web server failed to start. Port 8080 was already in use."),
        (
            "crash.port-in-use",
            "8000",
            "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
        ),
        (
            "crash.port-in-use",
            "5000",
            "System.IO.IOException: Failed to bind to address http://[::]:5000: address already in use.",
        ),
        ("crash.port-in-use", "8000", "[ERROR] Connection in use: ('0.0.0.0', 8000)"),
        ("crash.port-in-use", "", "java.net.BindException: Address already in use"),
        (
            "crash.port-in-use",
            "6379",
            "Warning: Could not create server TCP listening socket *:6379: bind: Address already in use",
        ),
        (
            "crash.port-in-use",
            "",
            "Error: Os { code: 98, kind: AddrInUse, message: \"Address already in use\" }",
        ),
    ]);
}

#[test]
fn programs_images_and_commands() {
    all_say(&[
        ("image.platform", "", "exec /usr/bin/app: exec format error"),
        (
            "crash.incompatible",
            "GLIBC_2.34",
            "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by ./app)",
        ),
        (
            "crash.incompatible",
            "com/acme/App",
            "java.lang.UnsupportedClassVersionError: com/acme/App has been compiled by a more recent version",
        ),
        (
            "crash.incompatible",
            "_ZN3foo3barEv",
            "./app: symbol lookup error: /usr/lib/libfoo.so: undefined symbol: _ZN3foo3barEv",
        ),
        (
            "crash.incompatible",
            "__memcpy_chk",
            "Error relocating /app/lib.so: __memcpy_chk: symbol not found",
        ),
        (
            "crash.incompatible",
            "'void com.acme.A.b(int)'",
            "java.lang.NoSuchMethodError: 'void com.acme.A.b(int)'",
        ),
        ("crash.incompatible", "", "was compiled against a different Node.js version using"),
        (
            "crash.incompatible",
            "url_quote",
            "ImportError: cannot import name 'url_quote' from 'werkzeug.urls' (/usr/lib/python3/urls.py)",
        ),
        ("crash.incompatible", "numpy", "AttributeError: module 'numpy' has no attribute 'bool'"),
        ("crash.incompatible", "", "FATAL:  database files are incompatible with server"),
        (
            "crash.incompatible",
            "",
            "RuntimeError: CUDA error: no kernel image is available for execution on the device",
        ),
        ("crash.incompatible", "", "Illegal instruction (core dumped)"),
        ("crash.dependency", "missing-dependency", "Error: Cannot find module 'missing-dependency'"),
        ("crash.dependency", "flash_attn", "ModuleNotFoundError: No module named 'flash_attn'"),
        (
            "crash.dependency",
            "libcudart.so.12",
            "python: error while loading shared libraries: libcudart.so.12: cannot open shared object file: No such file or directory",
        ),
        (
            "crash.dependency",
            "libgomp.so.1",
            "OSError: libgomp.so.1: cannot open shared object file: No such file or directory",
        ),
        (
            "crash.dependency",
            "libstdc++.so.6",
            "Error loading shared library libstdc++.so.6: No such file or directory (needed by /app)",
        ),
        (
            "crash.dependency",
            "org.postgresql.Driver",
            "java.lang.ClassNotFoundException: org.postgresql.Driver",
        ),
        ("crash.dependency", "com.acme.Main", "Error: Could not find or load main class com.acme.Main"),
        (
            "crash.dependency",
            "netty_tcnative",
            "java.lang.UnsatisfiedLinkError: no netty_tcnative in java.library.path: /usr/lib",
        ),
        ("crash.dependency", "pg", "/app/a.rb:1:in 'require': cannot load such file -- pg (LoadError)"),
        (
            "crash.dependency",
            "rails-7.1.0",
            "Could not find rails-7.1.0 in any of the sources (Bundler::GemNotFound)",
        ),
        (
            "crash.dependency",
            "System.Data.SqlClient",
            "Unhandled exception. System.IO.FileNotFoundException: Could not load file or assembly 'System.Data.SqlClient, Version=4.6.0.0'",
        ),
        (
            "crash.dependency",
            "DBI.pm",
            "Can't locate DBI.pm in @INC (you may need to install the DBI module)",
        ),
        (
            "crash.dependency",
            "App\\Kernel",
            "PHP Fatal error:  Uncaught Error: Class \"App\\Kernel\" not found in /app/index.php:8",
        ),
        ("crash.dependency", "ffmpeg", "exec: \"ffmpeg\": executable file not found in $PATH"),
        ("container.command", "curl", "sh: 1: curl: not found"),
        ("container.command", "migrate", "/entrypoint.sh: line 12: migrate: command not found"),
        ("container.command", "bash", "env: 'bash': No such file or directory"),
        ("container.command", "/app/start.sh", "exec /app/start.sh: no such file or directory"),
        (
            "container.command",
            "/app/main.py",
            "python3: can't open file '/app/main.py': [Errno 2] No such file or directory",
        ),
        ("container.command", "/app/app.jar", "Error: Unable to access jarfile /app/app.jar"),
        ("container.command", "/app/run.sh", "/bin/sh: /app/run.sh: Permission denied"),
        ("container.command", "nosuch", "[FATAL tini (7)] exec nosuch failed: No such file or directory"),
        (
            "crash.application",
            "runtime error: invalid memory address or nil pointer dereference",
            "panic: runtime error: invalid memory address or nil pointer dereference",
        ),
        ("crash.application", "Segmentation fault", "Segmentation fault (core dumped)"),
        ("crash.application", "double free or corruption", "double free or corruption (out)"),
        ("crash.application", "Assertion `n > 0' failed", "app: main.c:12: main: Assertion `n > 0' failed."),
        (
            "crash.application",
            "TypeError: Cannot read properties of undefined (reading 'x')",
            "TypeError: Cannot read properties of undefined (reading 'x')",
        ),
    ]);
}

#[test]
fn names_and_peers() {
    all_say(&[
        (
            "crash.unreachable",
            "database-new.production.svc.cluster.local",
            "Error: getaddrinfo ENOTFOUND database-new.production.svc.cluster.local",
        ),
        ("crash.unreachable", "redis", "Error: getaddrinfo EAI_AGAIN redis"),
        (
            "crash.unreachable",
            "db.prod.svc.cluster.local",
            "2026/01/01 dial tcp: lookup db.prod.svc.cluster.local on 10.96.0.10:53: no such host",
        ),
        (
            "crash.unreachable",
            "kafka",
            "dial tcp: lookup kafka on 10.96.0.10:53: read udp 10.1.1.1:3321->10.96.0.10:53: i/o timeout",
        ),
        (
            "crash.unreachable",
            "orders-db",
            "java.net.UnknownHostException: orders-db: Name or service not known",
        ),
        (
            "crash.unreachable",
            "pg-main",
            "psycopg2.OperationalError: could not translate host name \"pg-main\" to address: Name or service not known",
        ),
        (
            "crash.unreachable",
            "pg-main",
            "psycopg.OperationalError: failed to resolve host 'pg-main': [Errno -2] Name or service not known",
        ),
        (
            "crash.unreachable",
            "mysql-0",
            "pymysql.err.OperationalError: (2005, \"Unknown MySQL server host 'mysql-0' (-2)\")",
        ),
        (
            "crash.unreachable",
            "api-gw",
            "nginx: [emerg] host not found in upstream \"api-gw\" in /etc/nginx/conf.d/default.conf:12",
        ),
        (
            "crash.unreachable",
            "api-gw:8080",
            "nginx: [emerg] host not found in upstream \"api-gw:8080\" in /etc/nginx/nginx.conf:3",
        ),
        ("crash.unreachable", "config-server:8888", "wget: bad address 'config-server:8888'"),
        ("crash.unreachable", "vault", "curl: (6) Could not resolve host: vault"),
        ("crash.unreachable", "minio", "wget: unable to resolve host address ‘minio’"),
        ("crash.unreachable", "db.svc", "** server can't find db.svc: NXDOMAIN"),
        (
            "crash.unreachable",
            "redis:6379",
            "redis.exceptions.ConnectionError: Error -2 connecting to redis:6379. Name or service not known.",
        ),
        (
            "crash.unreachable",
            "mongo:27017",
            "pymongo.errors.ServerSelectionTimeoutError: mongo:27017: [Errno -2] Name or service not known",
        ),
        (
            "crash.unreachable",
            "kafka:9092",
            "Couldn't resolve server kafka:9092 from bootstrap.servers as DNS resolution failed for kafka",
        ),
        (
            "crash.unreachable",
            "kafka:9092",
            "%3|1700000000.1|FAIL|rdkafka#producer-1| [thrd:kafka:9092/bootstrap]: kafka:9092/bootstrap: Failed to resolve 'kafka:9092': Name or service not known",
        ),
        (
            "crash.unreachable",
            "api:80",
            "aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host api:80 ssl:default [Name or service not known]",
        ),
        (
            "crash.unreachable",
            "feature-flags",
            "urllib3.exceptions.NameResolutionError: <urllib3.connection.HTTPConnection object at 0x7f>: Failed to resolve 'feature-flags' ([Errno -2] Name or service not known)",
        ),
        (
            "crash.unreachable",
            "",
            "getaddrinfo: Temporary failure in name resolution (Socket::ResolutionError)",
        ),
        (
            "crash.unreachable",
            "",
            "Error: Custom { kind: Uncategorized, error: \"failed to lookup address information: Name or service not known\" }",
        ),
        ("crash.unreachable", "127.0.0.1:6379", "Error: connect ECONNREFUSED 127.0.0.1:6379"),
        (
            "crash.unreachable",
            "10.0.0.5:5432",
            "psycopg2.OperationalError: connection to server at \"10.0.0.5\", port 5432 failed: Connection refused",
        ),
        (
            "crash.unreachable",
            "pg:5432",
            "psql: error: connection to server at \"pg\" (10.1.2.3), port 5432 failed: Connection refused",
        ),
        (
            "crash.unreachable",
            "10.96.4.4:5432",
            "failed to connect to `host=db user=app`: dial tcp 10.96.4.4:5432: connect: connection refused",
        ),
        (
            "crash.unreachable",
            "10.96.0.1:443",
            "Get \"https://10.96.0.1:443/version\": dial tcp 10.96.0.1:443: i/o timeout",
        ),
        (
            "crash.unreachable",
            "pg:5432",
            "org.postgresql.util.PSQLException: Connection to pg:5432 refused. Check that the hostname and port are correct",
        ),
        (
            "crash.unreachable",
            "kafka-0:9092",
            "[AdminClient clientId=adminclient-1] Connection to node -1 (kafka-0/10.0.0.1:9092) could not be established. Node may not be available.",
        ),
        (
            "crash.unreachable",
            "redis:6379",
            "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused.",
        ),
        ("crash.unreachable", "redis:6379", "Could not connect to Redis at redis:6379: Connection refused"),
        (
            "crash.unreachable",
            "db",
            "pymysql.err.OperationalError: (2003, \"Can't connect to MySQL server on 'db' ([Errno 111] Connection refused)\")",
        ),
        (
            "crash.unreachable",
            "db:3306",
            "ERROR 2003 (HY000): Can't connect to MySQL server on 'db:3306' (111)",
        ),
        (
            "crash.unreachable",
            "api:8080",
            "requests.exceptions.ConnectionError: HTTPConnectionPool(host='api', port=8080): Max retries exceeded with url: /v1 (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))",
        ),
        (
            "crash.unreachable",
            "api:80",
            "org.apache.http.conn.HttpHostConnectException: Connect to api:80 [api/10.0.0.1] failed: Connection refused",
        ),
        (
            "crash.unreachable",
            "10.0.0.9:9200",
            "io.netty.channel.AbstractChannel$AnnotatedConnectException: Connection refused: es/10.0.0.9:9200",
        ),
        (
            "crash.unreachable",
            "rabbit:5672",
            "[ERROR/MainProcess] consumer: Cannot connect to amqp://guest:**@rabbit:5672//: [Errno 111] Connection refused.",
        ),
        (
            "crash.unreachable",
            "minio:9000",
            "curl: (7) Failed to connect to minio port 9000 after 3 ms: Couldn't connect to server",
        ),
        ("crash.unreachable", "db:5432", "nc: connect to db port 5432 (tcp) failed: Connection refused"),
        (
            "crash.unreachable",
            "10.0.0.7:50051",
            "grpc._channel._InactiveRpcError: failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.7:50051: Failed to connect to remote host: Connection refused",
        ),
        (
            "crash.unreachable",
            "10.0.0.8:8080",
            "2026/01/01 10:00:00 [error] 29#29: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.2, server: _, request: \"GET / HTTP/1.1\", upstream: \"http://10.0.0.8:8080/\", host: \"x\"",
        ),
        ("crash.unreachable", "", "nats: no servers available for connection"),
        (
            "crash.unreachable",
            "",
            "com.mysql.cj.jdbc.exceptions.CommunicationsException: Communications link failure",
        ),
        (
            "crash.unreachable",
            "trainer-0:29500",
            "torch.distributed.DistNetworkError: The client socket has timed out after 60000ms while trying to connect to (trainer-0, 29500).",
        ),
        ("crash.unreachable", "", "SQLSTATE[HY000] [2002] Connection refused"),
    ]);
}
