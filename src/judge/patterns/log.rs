//! Log lines that say why a program ended. Only for the log of the container that ended, near its end.

use super::{Match, group, re, short};
use crate::judge::{image, log as causes, roles};

re!(
    JAVA_OOM,
    r"java\.lang\.OutOfMemoryError(?:: (?P<kind>[^\n]+))?|OutOfMemoryError: (?P<kind2>Java heap space)"
);
re!(GO_OOM, r"runtime error: out of memory|fatal error: runtime: out of memory");
re!(NODE_OOM, r"JavaScript heap out of memory");
re!(PY_OOM, r"^MemoryError\b");
re!(
    CUDA_OOM,
    r"(?:torch(?:\.cuda)?\.OutOfMemoryError|CUDA out of memory|CUDA_ERROR_OUT_OF_MEMORY)(?:[^\n]*?Tried to allocate (?P<size>[0-9.]+ [KMGT]iB))?"
);
re!(MISMATCH, r"(?i)driver/library version mismatch");
re!(
    NVML,
    r"could not load NVML library|ERROR_LIBRARY_NOT_FOUND|libnvidia-ml\.so[^\n]*(?:not found|cannot open)"
);
re!(
    MODULE,
    r#"Cannot find (?:module|package) '(?P<node>[^']+)'|(?:ModuleNotFoundError|ImportError): No module named '?(?P<py>[\w.\-]+)'?|error while loading shared libraries: (?P<so>[^:\s]+)|(?:java\.lang\.)?(?:ClassNotFoundException|NoClassDefFoundError): (?P<java>\S+)|cannot load such file -- (?P<ruby>\S+)"#
);
re!(
    RESOLVE,
    r#"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (?P<node>[\w.\-]+)|lookup (?P<go>[\w.\-]+)(?: on [\w.:\[\]]+)?: (?:no such host|server misbehaving|i/o timeout)|UnknownHostException: (?P<java>[\w.\-]+)|could not translate host name "(?P<pg>[^"]+)"|can't resolve '(?P<bb>[^']+)'|server can't find (?P<ns>[^:\s]+)|[Cc]ould not resolve host:? (?P<curl>[\w.\-]+)|Failed to resolve '(?P<py>[^']+)'"#
);
re!(
    PLAIN_RESOLVE,
    r"Name or service not known|Temporary failure in name resolution|nodename nor servname provided"
);
re!(
    REFUSED,
    r#"connect ECONNREFUSED (?P<node>[\w.:\-\[\]]+)|dial tcp (?P<go>\S+?): (?:connect: connection refused|i/o timeout|connect: no route to host)|connection to server at "(?P<pg>[^"]+)"(?: \([^)]*\))?, port (?P<port>\d+) failed|Connection to (?P<jdbc>\S+) refused|[Cc]onnect(?:ion)? to (?P<plain>[\w.\-]+:\d+)[^\n]*?(?:refused|timed out)"#
);
re!(
    PLAIN_REFUSED,
    r"(?i)connection refused|ETIMEDOUT|EHOSTUNREACH|no route to host|network is unreachable|could not connect to server"
);
re!(
    CONFIG,
    r#"KeyError: '(?P<key>[A-Z][A-Z0-9_]+)'|(?i:(?:missing|required|undefined)[^\n]{0,30}(?:environment variable|env var|setting|config(?:uration)?(?: key| value| option)?))\W+(?P<env>[A-Za-z][\w.\-]+)?|(?i:environment variable)\W+(?P<env2>[A-Za-z_]\w+)\W+(?i:is )?(?i:not set|missing|required|undefined|must be set)|(?P<env3>[A-Z][A-Z0-9_]{2,}) (?:is not set|is required|must be set|not defined|environment variable (?:is )?(?:not set|missing|required))|(?i:(?:invalid|bad|malformed|cannot parse|failed to (?:parse|load|read)|unable to (?:parse|load|read)|error (?:parsing|loading|reading))[^\n]{0,20}config\w*)|(?i:config(?:uration)? (?:file )?(?:error|invalid|not found|missing))|(?i:yaml|toml|json): (?:unmarshal|line \d+|invalid)"#
);
re!(RBAC, r#"is forbidden: User "(?P<user>[^"]+)" cannot (?P<what>\w+ resource "[^"]+")"#);
re!(PLATFORM, r"exec format error");
re!(DISK, r"(?i)no space left on device");

re!(MODEL_OOM, r"(?i)load(?:ing)? (?:the )?(?:model|weights|checkpoint)[^\n]*(?:out of memory|OutOfMemory)");
re!(
    VERSIONS,
    r"version `?(?:GLIBC|GLIBCXX)_[0-9.]+'? not found|UnsupportedClassVersionError|CUDA driver version is insufficient"
);
re!(
    MODEL_CORRUPT,
    r"(?i)SafetensorError|UnpicklingError|checksum mismatch|corrupt(?:ed)? (?:model|weights|checkpoint)"
);
re!(
    MODEL_PATH,
    r"(?i)failed to load model[^\n]*(?:no such file|not found|does not exist)|(?:model|weights|checkpoint|safetensors)[^\n]*(?:no such file or directory|does not exist)|no such file or directory: '[^']*(?:model|weights|checkpoint|safetensors)"
);

/// What one line of a log says, if it says why the program ended.
pub fn log_line(line: &str) -> Option<Match> {
    rank(line).map(|(_, clue)| clue)
}

/// The line of a log that explains best, with what it says. More telling kinds win; among equals the last one does,
/// being nearest the end.
pub fn log<S: AsRef<str>>(lines: &[S]) -> Option<(Match, &str)> {
    let mut best: Option<(u8, Match, &str)> = None;
    for line in lines {
        let line = line.as_ref();
        if let Some((rank, clue)) = rank(line)
            && best.as_ref().is_none_or(|(r, _, _)| rank <= *r)
        {
            best = Some((rank, clue, line));
        }
    }
    best.map(|(_, clue, line)| (clue, line))
}

/// Lower ranks are more telling.
fn rank(line: &str) -> Option<(u8, Match)> {
    let clue = |cause, words: String, subject: &str| Match::new(cause, words, subject);
    // What a model's server says while it loads comes before what the libraries under it say of the same.
    for (pattern, cause, words) in [
        (&MODEL_OOM, causes::MODEL_OOM_LOADING, "the model does not fit into memory while loading"),
        (&VERSIONS, causes::INCOMPATIBLE, "versions do not fit"),
        (&MODEL_CORRUPT, causes::MODEL_CORRUPT, "the model's files do not read"),
        (&MODEL_PATH, causes::MODEL_PATH, "the model's files are not where the server looks for them"),
    ] {
        if pattern.is_match(line) {
            return Some((0, clue(cause, words.into(), "")));
        }
    }
    if PLATFORM.is_match(line) {
        return Some((1, clue(image::PLATFORM, "image is not for this architecture".into(), "")));
    }
    if let Some(c) = JAVA_OOM.captures(line) {
        let kind = group(&c, &["kind", "kind2"]).unwrap_or("out of memory");
        return Some((1, clue(causes::OOM_HEAP, format!("JVM: {}", short(kind, 40)), kind)));
    }
    if let Some(c) = CUDA_OOM.captures(line) {
        let words = match group(&c, &["size"]) {
            Some(size) => format!("CUDA out of memory, wanted {size}"),
            None => "CUDA out of memory".into(),
        };
        return Some((1, clue(causes::OOM_HEAP, words, "CUDA")));
    }
    for (pattern, what) in [(&GO_OOM, "Go"), (&NODE_OOM, "Node.js"), (&PY_OOM, "Python")] {
        if pattern.is_match(line) {
            return Some((1, clue(causes::OOM_HEAP, format!("{what} ran out of heap"), what)));
        }
    }
    if MISMATCH.is_match(line) {
        let words = "NVIDIA driver and library versions differ".into();
        return Some((1, clue(roles::GPU_DRIVER_MISMATCH, words, "")));
    }
    if NVML.is_match(line) {
        return Some((2, clue(roles::GPU_PLUGIN, "NVML library cannot be loaded".into(), "")));
    }
    if let Some(c) = MODULE.captures(line) {
        let what = group(&c, &["node", "py", "so", "java", "ruby"]).unwrap_or("");
        return Some((2, clue(causes::DEPENDENCY, format!("{} is missing", short(what, 40)), what)));
    }
    if let Some(c) = RBAC.captures(line) {
        let what = group(&c, &["what"]).unwrap_or("");
        return Some((
            2,
            clue(causes::RBAC_FORBIDDEN, format!("RBAC: cannot {}", what.replace('"', "")), what),
        ));
    }
    if let Some(c) = RESOLVE.captures(line) {
        let host = group(&c, &["node", "go", "java", "pg", "bb", "ns", "curl", "py"]).unwrap_or("");
        return Some((2, clue(causes::UNREACHABLE, format!("{} does not resolve", short(host, 60)), host)));
    }
    if let Some(c) = REFUSED.captures(line) {
        let mut host = group(&c, &["node", "go", "pg", "jdbc", "plain"]).unwrap_or("").to_owned();
        if let Some(port) = c.name("port") {
            host = format!("{host}:{}", port.as_str());
        }
        return Some((2, clue(causes::UNREACHABLE, format!("{} not reachable", short(&host, 60)), &host)));
    }
    if PLAIN_RESOLVE.is_match(line) {
        return Some((3, clue(causes::UNREACHABLE, "a host does not resolve".into(), "")));
    }
    if PLAIN_REFUSED.is_match(line) {
        return Some((3, clue(causes::UNREACHABLE, "a connection is refused or times out".into(), "")));
    }
    if let Some(c) = CONFIG.captures(line) {
        let key = group(&c, &["key", "env", "env2", "env3"]).unwrap_or("");
        let words =
            if key.is_empty() { "reports bad configuration".into() } else { format!("{key} not set") };
        return Some((3, clue(causes::CONFIG, words, key)));
    }
    if DISK.is_match(line) {
        return Some((3, clue(causes::VOLUME_FULL, "no space left where it writes".into(), "")));
    }
    None
}

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

    /// Lines of `captures/logs`, the seeds, and the runtimes' own wordings.
    #[test]
    fn lines_that_say_why() {
        for (line, cause, subject) in [
            ("Error: Cannot find module 'missing-dependency'", "crash.dependency", "missing-dependency"),
            ("ModuleNotFoundError: No module named 'flash_attn'", "crash.dependency", "flash_attn"),
            (
                "python: error while loading shared libraries: libcudart.so.12: cannot open shared object file",
                "crash.dependency",
                "libcudart.so.12",
            ),
            (
                "Error: getaddrinfo ENOTFOUND database-new.production.svc.cluster.local",
                "crash.unreachable",
                "database-new.production.svc.cluster.local",
            ),
            (
                "2026/01/01 dial tcp: lookup db.prod.svc.cluster.local on 10.96.0.10:53: no such host",
                "crash.unreachable",
                "db.prod.svc.cluster.local",
            ),
            (
                "psycopg2.OperationalError: connection to server at \"10.0.0.5\", port 5432 failed: Connection refused",
                "crash.unreachable",
                "10.0.0.5:5432",
            ),
            ("Error: connect ECONNREFUSED 127.0.0.1:6379", "crash.unreachable", "127.0.0.1:6379"),
            ("java.lang.OutOfMemoryError: Java heap space", "crash.oom-heap", "Java heap space"),
            (
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.15 GiB",
                "crash.oom-heap",
                "CUDA",
            ),
            (
                "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
                "crash.oom-heap",
                "Node.js",
            ),
            ("KeyError: 'DATABASE_URL'", "crash.config", "DATABASE_URL"),
            ("Error: environment variable DATABASE_URL is not set", "crash.config", "DATABASE_URL"),
            ("fatal: DATABASE_URL is required", "crash.config", "DATABASE_URL"),
            ("panic: failed to load config: open /etc/app.yaml", "crash.config", ""),
            (
                "pods is forbidden: User \"system:serviceaccount:prod:api\" cannot list resource \"pods\" in API group \"\"",
                "rbac.forbidden",
                "list resource \"pods\"",
            ),
        ] {
            let clue = log_line(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((clue.cause.id(), &*clue.subject), (cause, subject), "{line}");
        }
        for line in [
            "[WARN] Memory usage: 112MB",
            "waiting",
            "Fatal error: Database connection failed",
            "GET /health 200",
        ] {
            assert_eq!(log_line(line), None, "{line}");
        }
    }

    /// The model's server and the library under it tell of one thing; the near misses say none of it.
    #[test]
    fn models_that_do_not_load_are_told_from_what_their_libraries_say() {
        let lines =
            ["Error loading model weights: out of memory", "torch.OutOfMemoryError: CUDA out of memory."];
        assert_eq!(log(&lines).unwrap().0.cause, "model.oom-loading");
        for (line, cause) in [
            ("safetensors_rust.SafetensorError: Error while deserializing header", "model.corrupt"),
            (
                "FileNotFoundError: [Errno 2] No such file or directory: '/models/llama/model.safetensors'",
                "model.path",
            ),
            ("/lib/libc.so.6: version `GLIBC_2.34' not found (required by ./app)", "crash.incompatible"),
        ] {
            assert_eq!(log_line(line).unwrap().cause, cause, "{line}");
        }
        for line in
            ["Loading model weights took 12.1 s", "checkpoint saved", "No such file or directory: '/etc/app'"]
        {
            assert_eq!(log_line(line), None, "{line}");
        }
    }

    #[test]
    fn the_most_telling_line_wins() {
        let lines = ["connection refused", "Error: getaddrinfo ENOTFOUND db.prod", "bye"];
        let (clue, line) = log(&lines).unwrap();
        assert_eq!((clue.subject.as_str(), line), ("db.prod", lines[1]));
        assert_eq!(
            proxy_log("another app is currently holding the xtables lock").unwrap().cause,
            "proxy.iptables-lock"
        );
    }
}
