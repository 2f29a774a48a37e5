//! Wordings about certificates, files, pools, configuration and models.

use super::all_say;

#[test]
fn certificates_and_handshakes() {
    all_say(&[
        (
            "cert.expired",
            "",
            "x509: certificate has expired or is not yet valid: current time 2026-11-21T00:00:00Z is after 2026-01-01T00:00:00Z",
        ),
        (
            "cert.not-yet",
            "",
            "x509: certificate has expired or is not yet valid: current time 2026-11-21T00:00:00Z is before 2027-01-01T00:00:00Z",
        ),
        ("cert.expired", "", "Error: certificate has expired"),
        ("cert.expired", "", "curl: (60) SSL certificate problem: certificate has expired"),
        (
            "cert.expired",
            "",
            "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)",
        ),
        ("cert.expired", "", "invalid peer certificate: Expired"),
        (
            "cert.hostname",
            "api.internal",
            "x509: certificate is valid for *.example.com, example.com, not api.internal",
        ),
        (
            "cert.hostname",
            "10.0.0.1",
            "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
        ),
        (
            "cert.hostname",
            "db.prod",
            "Error [ERR_TLS_CERT_ALTNAME_INVALID]: Hostname/IP does not match certificate's altnames: Host: db.prod. is not in the cert's altnames: DNS:db",
        ),
        (
            "cert.hostname",
            "db",
            "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid for 'db'. (_ssl.c:1006)",
        ),
        (
            "cert.hostname",
            "ldap.corp",
            "javax.net.ssl.SSLHandshakeException: No subject alternative DNS name matching ldap.corp found.",
        ),
        ("cert.hostname", "pg", "psql: error: server certificate for \"db\" does not match host name \"pg\""),
        (
            "cert.untrusted",
            "",
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        ),
        ("cert.untrusted", "", "Error: unable to verify the first certificate"),
        ("cert.untrusted", "", "Error: self-signed certificate in certificate chain"),
        (
            "cert.untrusted",
            "",
            "Caused by: sun.security.validator.ValidatorException: PKIX path building failed: unable to find valid certification path to requested target",
        ),
        ("cert.untrusted", "", "curl: (60) SSL certificate problem: unable to get local issuer certificate"),
        ("cert.untrusted", "", "invalid peer certificate: UnknownIssuer"),
        ("cert.key-mismatch", "", "tls: private key does not match public key"),
        (
            "cert.key-mismatch",
            "",
            "nginx: [emerg] SSL_CTX_use_PrivateKey(\"/etc/tls/tls.key\") failed (SSL: error:05800074:x509 certificate routines::key values mismatch)",
        ),
        ("cert.format", "", "tls: failed to find any PEM data in certificate input"),
        (
            "cert.format",
            "",
            "nginx: [emerg] cannot load certificate \"/etc/tls/tls.crt\": PEM_read_bio_X509_AUX() failed (SSL: error:0480006C:PEM routines::no start line:Expecting: TRUSTED CERTIFICATE)",
        ),
        ("crash.unreachable", "", "tls: first record does not look like a TLS handshake"),
        (
            "crash.unreachable",
            "",
            "Error: write EPROTO 139:error:0A00010B:SSL routines:ssl3_get_record:wrong version number",
        ),
        (
            "crash.unreachable",
            "",
            "javax.net.ssl.SSLHandshakeException: Received fatal alert: handshake_failure",
        ),
        ("crash.unreachable", "", "remote error: tls: bad certificate"),
        (
            "crash.unreachable",
            "",
            "psql: error: connection to server at \"db\" (10.0.0.1), port 5432 failed: server does not support SSL, but SSL was required",
        ),
    ]);
}

#[test]
fn files_users_and_capabilities() {
    all_say(&[
        ("volume.full", "/data/wal/1", "write /data/wal/1: no space left on device"),
        (
            "volume.full",
            "",
            "PANIC:  could not write to file \"pg_wal/xlogtemp.29\": No space left on device",
        ),
        ("volume.full", "/data/x", "OSError: [Errno 28] No space left on device: '/data/x'"),
        (
            "volume.full",
            "",
            "ERROR: could not resize shared memory segment \"/PostgreSQL.12\" to 8388608 bytes: No space left on device",
        ),
        ("volume.quota", "/scratch/out", "OSError: [Errno 122] Disk quota exceeded: '/scratch/out'"),
        ("volume.quota", "/data/log", "write /data/log: disk quota exceeded"),
        ("config.read-only-fs", "/app/tmp", "OSError: [Errno 30] Read-only file system: '/app/tmp'"),
        (
            "config.read-only-fs",
            "/var/cache/nginx/client_temp",
            "nginx: [emerg] mkdir() \"/var/cache/nginx/client_temp\" failed (30: Read-only file system)",
        ),
        ("config.read-only-fs", "/tmp/a", "open /tmp/a: read-only file system"),
        ("config.read-only-fs", "/var/run/app.pid", "touch: /var/run/app.pid: Read-only file system"),
        ("config.read-only-fs", "/app/.cache", "Error: EROFS: read-only file system, mkdir '/app/.cache'"),
        ("config.capability", "80", "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)"),
        ("config.capability", "80", "listen tcp :80: bind: permission denied"),
        ("config.capability", "443", "Error: listen EACCES: permission denied 0.0.0.0:443"),
        (
            "config.capability",
            "80",
            "(13)Permission denied: AH00072: make_sock: could not bind to address 0.0.0.0:80",
        ),
        ("config.capability", "chown", "chown: changing ownership of '/data': Operation not permitted"),
        (
            "config.capability",
            "failed switching to",
            "error: failed switching to \"redis\": operation not permitted",
        ),
        ("config.capability", "setgroups", "su-exec: setgroups: Operation not permitted"),
        ("config.capability", "RTNETLINK answers", "RTNETLINK answers: Operation not permitted"),
        (
            "config.capability",
            "",
            "iptables v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)",
        ),
        ("config.user", "", "\"root\" execution of the PostgreSQL server is not permitted."),
        ("config.user", "", "java.lang.RuntimeException: can not run elasticsearch as root"),
        ("config.user", "", "initdb: error: cannot be run as root"),
        ("config.user", "1001", "KeyError: 'getpwuid(): uid not found: 1001'"),
        ("config.user", "nginx", "nginx: [emerg] getpwnam(\"nginx\") failed in /etc/nginx/nginx.conf:2"),
        ("config.user", "", "This script must be run as root"),
        ("container.security", "", "Bad system call (core dumped)"),
        ("volume.permission", "/data/db", "open /data/db: permission denied"),
        ("volume.permission", "/data/cache", "PermissionError: [Errno 13] Permission denied: '/data/cache'"),
        ("volume.permission", "/data", "Error: EACCES: permission denied, mkdir '/data'"),
        (
            "volume.permission",
            "/var/lib/app",
            "mkdir: cannot create directory '/var/lib/app': Permission denied",
        ),
        ("volume.permission", "/data/nodes", "java.nio.file.AccessDeniedException: /data/nodes"),
        (
            "volume.permission",
            "/var/log/app.log",
            "java.io.FileNotFoundException: /var/log/app.log (Permission denied)",
        ),
        (
            "volume.permission",
            "/var/cache/nginx/client_temp",
            "nginx: [emerg] mkdir() \"/var/cache/nginx/client_temp\" failed (13: Permission denied)",
        ),
        (
            "volume.permission",
            "/data/keys",
            "System.UnauthorizedAccessException: Access to the path '/data/keys' is denied.",
        ),
        (
            "volume.permission",
            "/var/lib/postgresql/data",
            "FATAL:  data directory \"/var/lib/postgresql/data\" has wrong ownership",
        ),
        ("volume.permission", "/var/lib/grafana", "GF_PATHS_DATA='/var/lib/grafana' is not writable."),
        (
            "volume.permission",
            "/var/lib/mysql/is_writable",
            "mysqld: Can't create/write to file '/var/lib/mysql/is_writable' (OS errno 13 - Permission denied)",
        ),
        ("crash.config", "/etc/app/config.yaml", "open /etc/app/config.yaml: no such file or directory"),
    ]);
}

#[test]
fn pools_credentials_and_rights() {
    all_say(&[
        (
            "pool.exhausted",
            "",
            "java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 30000ms.",
        ),
        (
            "pool.exhausted",
            "",
            "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
        ),
        ("pool.exhausted", "", "FATAL:  sorry, too many clients already"),
        (
            "pool.exhausted",
            "",
            "FATAL: remaining connection slots are reserved for non-replication superuser connections",
        ),
        ("pool.exhausted", "", "pymysql.err.OperationalError: (1040, 'Too many connections')"),
        (
            "pool.exhausted",
            "",
            "KnexTimeoutError: Knex: Timeout acquiring a connection. The pool is probably full.",
        ),
        ("pool.exhausted", "", "SequelizeConnectionAcquireTimeoutError: Operation timeout"),
        ("pool.exhausted", "", "pool timed out while waiting for an open connection"),
        (
            "pool.exhausted",
            "",
            "Npgsql.NpgsqlException: The connection pool has been exhausted, either raise 'Max Pool Size'",
        ),
        (
            "pool.exhausted",
            "",
            "ActiveRecord::ConnectionTimeoutError: could not obtain a connection from the pool within 5.000 seconds",
        ),
        (
            "pool.exhausted",
            "",
            "redis.clients.jedis.exceptions.JedisException: Could not get a resource from the pool",
        ),
        ("pool.exhausted", "", "ERR max number of clients reached"),
        (
            "pool.exhausted",
            "",
            "asyncpg.exceptions.TooManyConnectionsError: too many connections for role \"app\"",
        ),
        ("crash.config", "app", "FATAL:  password authentication failed for user \"app\""),
        (
            "crash.config",
            "app",
            "ERROR 1045 (28000): Access denied for user 'app'@'10.0.0.3' (using password: YES)",
        ),
        (
            "crash.config",
            "",
            "redis.exceptions.ResponseError: WRONGPASS invalid username-password pair or user is disabled.",
        ),
        ("crash.config", "", "MongoServerError: Authentication failed."),
        ("crash.config", "orders", "FATAL:  database \"orders\" does not exist"),
        ("crash.config", "payments", "ERROR: permission denied for table payments"),
        ("crash.config", "", "botocore.exceptions.NoCredentialsError: Unable to locate credentials"),
        (
            "crash.config",
            "s3:GetObject",
            "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: s3:GetObject",
        ),
        (
            "rbac.forbidden",
            "system:serviceaccount:prod:api",
            "pods is forbidden: User \"system:serviceaccount:prod:api\" cannot list resource \"pods\" in API group \"\" in the namespace \"prod\"",
        ),
        (
            "rbac.forbidden",
            "system:serviceaccount:prod:api",
            "HTTP response body: {\"message\":\"pods is forbidden: User \\\"system:serviceaccount:prod:api\\\" cannot list resource \\\"pods\\\" in API group\"}",
        ),
    ]);
}

#[test]
fn configuration() {
    all_say(&[
        ("crash.config", "DATABASE_URL", "KeyError: 'DATABASE_URL'"),
        ("crash.config", "DATABASE_URL", "Error: environment variable DATABASE_URL is not set"),
        ("crash.config", "DATABASE_URL", "fatal: DATABASE_URL is required"),
        ("crash.config", "API_TOKEN", "required key API_TOKEN missing value"),
        ("crash.config", "DB_HOST", "/entrypoint.sh: line 3: DB_HOST: unbound variable"),
        ("crash.config", "DB_HOST", "/start.sh: 4: DB_HOST: parameter not set"),
        ("crash.config", "SECRET_KEY_BASE", "key not found: \"SECRET_KEY_BASE\" (KeyError)"),
        ("crash.config", "STRIPE_KEY", "Missing required environment variable: STRIPE_KEY"),
        (
            "crash.config",
            "DATABASE_URL",
            "thread 'main' panicked at src/main.rs:9:5: DATABASE_URL must be set: NotPresent",
        ),
        (
            "crash.config",
            "app.queue.url",
            "Could not resolve placeholder 'app.queue.url' in value \"${app.queue.url}\"",
        ),
        (
            "crash.config",
            "configure a DataSource",
            "Failed to configure a DataSource: 'url' attribute is not specified",
        ),
        (
            "crash.config",
            "Settings",
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings",
        ),
        ("crash.config", "-foo", "flag provided but not defined: -foo"),
        ("crash.config", "--frobnicate", "error: unexpected argument '--frobnicate' found"),
        ("crash.config", "--max-foo", "api_server.py: error: unrecognized arguments: --max-foo"),
        ("crash.config", "--model", "error: the following arguments are required: --model"),
        ("crash.config", "UseFooGC", "Unrecognized VM option 'UseFooGC'"),
        (
            "crash.config",
            "proxy_passs",
            "nginx: [emerg] unknown directive \"proxy_passs\" in /etc/nginx/conf.d/default.conf:7",
        ),
        ("crash.config", "", "*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***"),
        ("crash.config", "", "Error: Database is uninitialized and superuser password is not specified."),
        ("crash.config", "unmarshal errors:", "yaml: unmarshal errors:"),
        ("crash.config", "", "panic: failed to load config: open /etc/app.yaml"),
        (
            "crash.config",
            "",
            "Error loading config (--config.file=/etc/prometheus/prometheus.yml): parsing YAML file",
        ),
    ]);
}

#[test]
fn models_and_gpus() {
    all_say(&[
        ("model.oom-loading", "", "Error loading model weights: out of memory"),
        (
            "model.oom-loading",
            "",
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
        ),
        (
            "model.oom-loading",
            "",
            "ValueError: The model's max seq len (32768) is larger than the maximum number of tokens that can be stored in KV cache (12288).",
        ),
        (
            "model.oom-loading",
            "2.00 GiB",
            "ValueError: To serve at least one request with the models's max seq len (32768), (2.00 GiB KV cache is needed, which is larger than the available KV cache memory (0.78 GiB).",
        ),
        (
            "model.oom-loading",
            "",
            "ValueError: Free memory on device (5.01/6.0 GiB) on startup is less than desired GPU memory utilization (0.9, 5.4 GiB).",
        ),
        (
            "model.corrupt",
            "",
            "safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge",
        ),
        ("model.corrupt", "", "_pickle.UnpicklingError: invalid load key, 'v'."),
        (
            "model.corrupt",
            "",
            "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory",
        ),
        ("model.corrupt", "", "gguf_init_from_file: invalid magic characters 'vers'"),
        (
            "model.transfer-incomplete",
            "9976576152",
            "OSError: Consistency check failed: file should be of size 9976576152 but has size 1024 (model.safetensors).",
        ),
        (
            "model.path",
            "",
            "FileNotFoundError: [Errno 2] No such file or directory: '/models/llama/model.safetensors'",
        ),
        (
            "model.path",
            "config.json",
            "OSError: /models/llama does not appear to have a file named config.json.",
        ),
        (
            "model.path",
            "",
            "OSError: meta-llama/nope is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'",
        ),
        (
            "model.incompatible",
            "",
            "ValueError: The checkpoint you are trying to load has model type `foo` but Transformers does not recognize this architecture.",
        ),
        ("model.incompatible", "foo", "error loading model: unknown model architecture: 'foo'"),
        (
            "crash.config",
            "",
            "huggingface_hub.errors.GatedRepoError: 401 Client Error. Cannot access gated repo for url",
        ),
        ("gpu.driver-mismatch", "", "Failed to initialize NVML: Driver/library version mismatch"),
        ("gpu.plugin", "", "Failed to initialize NVML: could not load NVML library."),
        ("gpu.vanished", "", "RuntimeError: No CUDA GPUs are available"),
        ("gpu.vanished", "", "RuntimeError: No CUDA devices available"),
        ("gpu.vanished", "", "RuntimeError: Found no NVIDIA driver on your system."),
        ("gpu.vanished", "", "RuntimeError: Failed to infer device type"),
        (
            "gpu.hung-collective",
            "",
            "[rank0]:[E1218 20:27:21.426415540 ProcessGroupNCCL.cpp:629] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=BROADCAST) ran for 600081 milliseconds before timing out.",
        ),
        (
            "crash.application",
            "an illegal memory access was encountered",
            "RuntimeError: CUDA error: an illegal memory access was encountered",
        ),
        (
            "crash.incompatible",
            "",
            "RuntimeError: The NVIDIA driver on your system is too old (found version 11040).",
        ),
    ]);
}
