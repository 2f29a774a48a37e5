//! Texts the kubelet and the container runtime write about a pod: pulls, creation, start, volumes, sandbox, eviction.

use super::{Match, group, re, short};
use crate::judge::{claim, create, ended, image, log, roles, volume, workload};

re!(RATE, r"(?i)toomanyrequests|429 Too Many Requests|pull rate limit");
re!(
    AUTH,
    r"(?i)pull access denied|insufficient_scope|401 Unauthorized|403 Forbidden|requested access to the resource is denied|no basic auth credentials|authentication required|unauthorized:"
);
re!(
    PLATFORM,
    r"no match(?:ing manifest)? for (?:platform|linux|windows)|no image found in (?:image index|manifest list) for architecture|exec format error"
);
re!(
    NETWORK,
    r"no such host|i/o timeout|connection refused|TLS handshake|tls: |x509: ?|gave HTTP response to HTTPS client|network is unreachable|no route to host|connection reset|context deadline exceeded|context canceled|EOF$|50[0234] (?:Internal Server Error|Bad Gateway|Service Unavailable|Gateway Timeout)|server misbehaving|Client\.Timeout"
);
re!(
    NOT_FOUND,
    r"manifest (?:for \S+ )?(?:not found|unknown)|MANIFEST_UNKNOWN|NAME_UNKNOWN|repository name not known|: not found(?:$|\s)|code = NotFound|404 Not Found"
);
re!(LOOKUP, r"lookup (?P<host>[^\s:]+)");
re!(PULLING, r#"(?:[Pp]ulling image|pull image|unpack image|resolve reference) "(?P<image>[^"]+)""#);
re!(
    MISSING,
    r#"(?i)\b(?P<kind>configmaps?|secrets?) "(?P<name>[^"]+)" (?:not found|is forbidden)|references non-existent (?P<kind2>config|secret) key: (?P<key>\S+)|couldn't find key (?P<key2>\S+) in (?P<kind3>ConfigMap|Secret) (?P<object>\S+)"#
);
re!(
    NAMED_USER,
    r"image has non-numeric user \((?P<user>[^)]+)\)|unable to find user (?P<unknown>[^\s:]+): no matching entries"
);
re!(
    SUBPATH,
    r#"(?:failed to prepare subPath|failed to create subPath directory) for volumeMount "(?P<volume>[^"]+)""#
);
re!(PROFILE, r#"(?:cannot load seccomp profile|[Pp]rofile) "(?P<profile>[^"]+)""#);
re!(VOLUME, r#"for volume "(?P<volume>[^"]+)""#);
re!(
    EXEC,
    r#"exec: "(?P<what>[^"]+)": (?P<why>[^"]*)$|executable file `(?P<what2>[^`]+)` (?P<why2>not found|[^\n]*permission denied)"#
);
re!(DRIVER, r"requirement error: unsatisfied condition: (?P<wants>[^,\n]+)");
re!(
    SHORT,
    r"(?i)code = ResourceExhausted|(?:insufficient|not enough|no) (?:free )?(?:capacity|space|storage)|(?:quota|capacity) (?:is )?exceeded|exceeded (?:its )?(?:quota|capacity)"
);
re!(PLUGIN, r#"plugin type="(?P<plugin>[^"]+)"|failed to find plugin "(?P<plugin2>[^"]+)""#);
re!(LOW, r"The node was low on resource: (?P<resource>[^.]+)\.");
re!(OFFENDER, r"Container (?P<name>\S+) was using (?P<used>[^,]+), request is (?P<request>[^,]+),");
re!(
    DEVICES,
    r"(?P<how>cannot allocate unhealthy devices|requested number of devices unavailable for|cannot allocate unregistered device|unregistered device) (?P<resource>[\w./-]+\w)(?:\. Requested: (?P<wanted>\d+), Available: (?P<free>\d+))?"
);
re!(
    ROOM,
    r"Node didn't have enough (?:resource|capacity): (?P<resource>\S+), requested: (?P<wanted>\d+), used: (?P<used>\d+), capacity: (?P<all>\d+)"
);
re!(TOKEN, r#"failed to fetch token: serviceaccounts? "(?P<name>[^"]+)" not found"#);
re!(CLASS, r#"storageclass(?:\.storage\.k8s\.io)? "(?P<class>[^"]+)" not found"#);

/// Why an image is not there. `reason` is the waiting reason (empty for an event's text), `image` the spec's reference.
///
/// The cause of a back-off stands in the waiting message itself, so events that expired are not needed.
pub fn pull(reason: &str, message: &str, image: &str) -> Option<Match> {
    let image = PULLING.captures(message).and_then(|c| group(&c, &["image"])).unwrap_or(image);
    match reason {
        "ErrImageNeverPull" => {
            return Some(Match::new(image::NEVER_PULL, "image absent, pull policy Never", image));
        }
        "InvalidImageName" => {
            return Some(Match::new(
                image::INVALID_NAME,
                format!("image name {} cannot be parsed", short(image, 60)),
                image,
            ));
        }
        "" | "ErrImagePull" | "ImagePullBackOff" | "ImageInspectError" | "RegistryUnavailable" => {}
        _ => return None,
    }
    // The quoted reference would otherwise match by its own tag or host.
    let text = if image.len() > 2 { message.replace(image, "IMAGE") } else { message.to_owned() };
    let text = text.trim_end();
    if text.contains("invalid reference format") {
        let words = format!("image name {} cannot be parsed", short(image, 60));
        return Some(Match::new(image::INVALID_NAME, words, image));
    }
    if text.contains("is not present with pull policy of Never") {
        return Some(Match::new(image::NEVER_PULL, "image absent, pull policy Never", image));
    }
    // Throttling first: registries word it as a refusal too.
    if RATE.is_match(text) {
        return Some(Match::new(
            image::RATE_LIMIT,
            format!("{} limits pulls", registry(image)),
            registry(image),
        ));
    }
    if AUTH.is_match(text) {
        let words = format!("{} refused the credentials", registry(image));
        return Some(Match::new(image::AUTH, words, registry(image)));
    }
    if PLATFORM.is_match(text) {
        return Some(Match::new(image::PLATFORM, "image is not for this architecture", image));
    }
    if text.contains("no space left on device") {
        return Some(Match::new(create::RUNTIME_DISK_FULL, "no space on the node for the image", image));
    }
    if NETWORK.is_match(text) {
        let host = LOOKUP.captures(text).and_then(|c| group(&c, &["host"])).unwrap_or(registry(image));
        let how = if text.contains("no such host") || text.contains("server misbehaving") {
            "does not resolve"
        } else if text.contains("connection refused") {
            "refuses connections"
        } else if text.contains("x509")
            || text.contains("tls: ")
            || text.contains("TLS handshake")
            || text.contains("to HTTPS client")
        {
            "fails at TLS"
        } else if text.contains("unexpected status") {
            "answers with an error"
        } else {
            "does not answer"
        };
        return Some(Match::new(image::NETWORK, format!("registry {host} {how}"), host));
    }
    if NOT_FOUND.is_match(text) {
        let (words, subject) = absent(image);
        return Some(Match::new(image::NOT_FOUND, words, subject));
    }
    None
}

/// The image that a message about a pull names.
pub fn pulled(message: &str) -> Option<&str> {
    PULLING.captures(message).and_then(|c| c.name("image")).map(|m| m.as_str())
}

/// `localhost:5000` of `localhost:5000/team/app:v1`; `docker.io` where the reference names no registry.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains('.') || host.contains(':') || host == "localhost" => host,
        _ => "docker.io",
    }
}

fn absent(image: &str) -> (String, String) {
    if let Some((_, digest)) = image.split_once('@') {
        return (format!("digest {} not found", short(digest, 24)), digest.to_owned());
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    match last.split_once(':') {
        Some((_, tag)) => (format!("tag {tag} not found"), tag.to_owned()),
        None => (format!("image {last} not found"), last.to_owned()),
    }
}

/// Why a container's configuration cannot be made (`CreateContainerConfigError`, or a `Failed` event's text).
pub fn create(message: &str) -> Option<Match> {
    if let Some(c) = NAMED_USER.captures(message) {
        let user = group(&c, &["user", "unknown"]).unwrap_or("");
        let words = if c.name("user").is_some() {
            format!("user {user} of the image is a name; runAsNonRoot wants a number")
        } else {
            format!("user {user} is not known in the image")
        };
        return Some(Match::new(log::USER, words, user));
    }
    if let Some(c) = SUBPATH.captures(message) {
        let volume = group(&c, &["volume"]).unwrap_or("");
        return Some(Match::new(create::SUBPATH, format!("subPath is not in volume {volume}"), volume));
    }
    if let Some(clue) = security(message) {
        return Some(clue);
    }
    if message.contains("runAsNonRoot") || message.contains("breaks non-root policy") {
        return Some(Match::new(create::RUN_AS_ROOT, "image would run as root, runAsNonRoot refuses", ""));
    }
    missing(message)
}

/// What AppArmor or seccomp refuse, or cannot apply.
pub fn security(message: &str) -> Option<Match> {
    let words = if message.contains("seccomp profile") || message.contains("seccomp filter") {
        "the seccomp profile cannot be applied"
    } else if message.contains("apparmor") || message.contains("AppArmor") {
        "the AppArmor profile cannot be applied"
    } else {
        return None;
    };
    let profile = PROFILE.captures(message).and_then(|c| group(&c, &["profile"])).unwrap_or("");
    let words =
        if profile.is_empty() { words.to_owned() } else { format!("{words}: {}", short(profile, 60)) };
    Some(Match::new(log::CONTAINER_SECURITY, words, profile))
}

fn missing(message: &str) -> Option<Match> {
    let c = MISSING.captures(message)?;
    if let Some(name) = c.name("name") {
        let secret = c.name("kind").is_some_and(|k| k.as_str().to_ascii_lowercase().starts_with("secret"));
        let (cause, kind) = if secret {
            (create::SECRET_MISSING, "Secret")
        } else {
            (create::CONFIGMAP_MISSING, "ConfigMap")
        };
        return Some(Match::new(cause, format!("{kind} {} missing", name.as_str()), name.as_str()));
    }
    let key = group(&c, &["key", "key2"])?.trim_end_matches([',', ';', '.']);
    let words = match group(&c, &["object"]) {
        Some(object) => {
            let kind = group(&c, &["kind3"]).unwrap_or("ConfigMap");
            format!("key {key} missing in {kind} {}", object.rsplit('/').next().unwrap_or(object))
        }
        // The kubelet names the volume; the Secret or ConfigMap stands in its spec.
        None => {
            let kind = match group(&c, &["kind2"]) {
                Some("secret") => "Secret",
                _ => "ConfigMap",
            };
            match VOLUME.captures(message).and_then(|v| group(&v, &["volume"])) {
                Some(volume) => format!("key {key} missing in the {kind} of volume {volume}"),
                None => format!("key {key} missing in a {kind}"),
            }
        }
    };
    Some(Match::new(create::KEY_MISSING, words, key))
}

/// Why a container did not start: `StartError`, `RunContainerError`, `CreateContainerError`, `ContainerCannotRun`.
pub fn start(message: &str) -> Option<Match> {
    if message.contains("exec format error") {
        return Some(Match::new(image::PLATFORM, "image is not for this architecture", ""));
    }
    if message.to_ascii_lowercase().contains("driver/library version mismatch") {
        return Some(Match::new(roles::GPU_DRIVER_MISMATCH, "NVIDIA driver and library versions differ", ""));
    }
    if let Some(c) = DRIVER.captures(message) {
        let wants = group(&c, &["wants"]).unwrap_or("");
        let words = format!("the node's driver is older than the image needs ({})", short(wants, 40));
        return Some(Match::new(roles::GPU_DRIVER_MISMATCH, words, wants));
    }
    if message.contains("unresolvable CDI devices") && message.contains("nvidia.com/") {
        let words = "the node's CDI files do not know the GPU that the pod was given";
        return Some(Match::new(create::RUNTIME_NVIDIA, words, ""));
    }
    if message.contains("nvidia-container-cli") || message.contains("nvidia-container-runtime") {
        return Some(Match::new(create::RUNTIME_NVIDIA, "NVIDIA container runtime failed", ""));
    }
    if message.contains("no space left on device") {
        return Some(Match::new(create::RUNTIME_DISK_FULL, "no space left on the node", ""));
    }
    if let Some(clue) = security(message) {
        return Some(clue);
    }
    // A file of a volume over a directory of the image, or the other way round.
    if message.contains("error mounting") && message.contains("not a directory") {
        let at = message.split("to rootfs at \"").nth(1).and_then(|s| s.split('"').next()).unwrap_or("");
        let words = format!("a file and a directory meet at mount {}", short(at, 40));
        let cause = if message.contains("volume-subpath") { create::SUBPATH } else { volume::MOUNT };
        return Some(Match::new(cause, words, at));
    }
    if message.contains("read-only file system") {
        let words = "a mount point cannot be made: the root is read-only";
        return Some(Match::new(log::READ_ONLY_FS, words, ""));
    }
    if let Some(c) = EXEC.captures(message.trim_end()) {
        let what = group(&c, &["what", "what2"]).unwrap_or("");
        let why = group(&c, &["why", "why2"]).unwrap_or("");
        let words = if why.contains("permission denied") {
            format!("{} is not executable", short(what, 40))
        } else {
            format!("command {} not found", short(what, 40))
        };
        return Some(Match::new(create::COMMAND, words, what));
    }
    None
}

/// Why a volume is not there. `reason` is the event's (`FailedMount`, `FailedAttachVolume`, `FailedMapVolume`).
pub fn mount(reason: &str, message: &str) -> Option<Match> {
    if !matches!(reason, "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" | "") {
        return None;
    }
    if let Some(clue) = missing(message) {
        return Some(clue);
    }
    if let Some(name) = TOKEN.captures(message).and_then(|c| group(&c, &["name"]).map(str::to_owned)) {
        let words = format!("ServiceAccount {name} does not exist");
        return Some(Match::new(workload::SERVICE_ACCOUNT_MISSING, words, name));
    }
    if message.contains("Multi-Attach error") {
        return Some(Match::new(volume::MULTI_ATTACH, "volume is attached to another node", ""));
    }
    if reason == "FailedAttachVolume" || message.contains("AttachVolume.Attach failed") {
        return Some(Match::new(volume::ATTACH, "volume cannot be attached", ""));
    }
    if reason.is_empty() && !message.contains("MountVolume") && !message.contains("mount volumes") {
        return None;
    }
    let volume = message.split("volume \"").nth(1).and_then(|s| s.split('"').next()).unwrap_or("");
    let words = if volume.is_empty() {
        "volume cannot be mounted".to_owned()
    } else {
        format!("volume {volume} cannot be mounted")
    };
    Some(Match::new(volume::MOUNT, words, volume))
}

/// What a claim's own events say (`FailedBinding`, `ProvisioningFailed`).
pub fn claim(reason: &str, message: &str) -> Option<Match> {
    if let Some(c) = CLASS.captures(message) {
        let class = group(&c, &["class"]).unwrap_or("");
        return Some(Match::new(claim::CLASS_MISSING, format!("storage class {class} missing"), class));
    }
    match reason {
        "FailedBinding" if message.contains("no storage class is set") => {
            Some(Match::new(claim::CLAIM_UNBOUND, "no volume fits and no storage class is set", ""))
        }
        "FailedBinding" => Some(Match::new(claim::CLAIM_UNBOUND, "no volume fits the claim", "")),
        "VolumeMismatch" => {
            let why = message.rsplit(": ").next().unwrap_or(message);
            Some(Match::new(claim::NO_MATCH, short(why, 60), ""))
        }
        "ProvisioningFailed" if SHORT.is_match(message) => {
            let why = message.rsplit("desc = ").next().unwrap_or(message);
            Some(Match::new(volume::CAPACITY, format!("the storage has no room: {}", short(why, 60)), ""))
        }
        "ProvisioningFailed" => {
            Some(Match::new(claim::PROVISIONER, format!("provisioning failed: {}", short(message, 60)), ""))
        }
        _ => None,
    }
}

/// Why a sandbox cannot be made (`FailedCreatePodSandBox`, `NetworkNotReady`).
pub fn sandbox(message: &str) -> Option<Match> {
    if message.to_ascii_lowercase().contains("driver/library version mismatch") {
        return Some(Match::new(roles::GPU_DRIVER_MISMATCH, "NVIDIA driver and library versions differ", ""));
    }
    let network =
        ["cni", "setup network", "network for sandbox", "network is not ready", "NetworkReady=false"];
    let plugin = PLUGIN.captures(message).and_then(|c| group(&c, &["plugin", "plugin2"]).map(str::to_owned));
    if plugin.is_some() || network.iter().any(|n| message.contains(n)) {
        let words = match &plugin {
            Some(p) => format!("network plugin {p} failed"),
            None => "the node's network plugin is not ready".to_owned(),
        };
        return Some(Match::new(volume::SANDBOX_NETWORK, words, plugin.unwrap_or_default()));
    }
    if message.is_empty() {
        return None;
    }
    if message.contains("no space left on device") {
        return Some(Match::new(create::RUNTIME_DISK_FULL, "no space left on the node", ""));
    }
    Some(Match::new(volume::SANDBOX_RUNTIME, "the runtime cannot make the sandbox", ""))
}

/// Why a kubelet refuses a pod that the scheduler gave it: the message of a failed pod.
pub fn admission(message: &str) -> Option<Match> {
    if let Some(c) = DEVICES.captures(message) {
        let resource = group(&c, &["resource"]).unwrap_or("");
        let words = match (group(&c, &["how"]), group(&c, &["wanted"]).zip(group(&c, &["free"]))) {
            (Some("cannot allocate unhealthy devices"), _) => format!("no healthy {resource}"),
            (_, Some((wanted, free))) => format!("{resource}: {wanted} wanted, {free} available"),
            (Some(how), _) if how.contains("unregistered") => {
                format!("no device plugin has registered {resource}")
            }
            _ => format!("no {resource} is available"),
        };
        return Some(Match::new(ended::POD_REJECTED, words, resource));
    }
    if let Some(c) = ROOM.captures(message) {
        let part = |name: &'static str| group(&c, &[name]).unwrap_or("");
        let words = format!(
            "not enough {}: {} wanted, {} of {} in use",
            part("resource"),
            part("wanted"),
            part("used"),
            part("all")
        );
        return Some(Match::new(ended::POD_REJECTED, words, part("resource")));
    }
    None
}

/// Why a pod was thrown out: `status.reason` and `status.message`, or a DisruptionTarget condition's reason.
pub fn evicted(reason: &str, message: &str) -> Option<Match> {
    match reason {
        "Preempting" | "PreemptionByScheduler" | "Preempted" => {
            return Some(Match::new(ended::PREEMPTED, "preempted by a pod of higher priority", ""));
        }
        "DeletionByTaintManager" | "TaintManagerEviction" => {
            return Some(Match::new(ended::TAINT, "evicted by a NoExecute taint", ""));
        }
        "Evicted" | "TerminationByKubelet" => {}
        _ => return None,
    }
    if let Some(c) = LOW.captures(message) {
        let resource = group(&c, &["resource"]).unwrap_or("").trim();
        let who = OFFENDER.captures(message).map_or_else(String::new, |c| {
            format!(" ({} used {})", group(&c, &["name"]).unwrap_or(""), group(&c, &["used"]).unwrap_or(""))
        });
        let cause = match resource {
            "memory" => ended::MEMORY,
            "pids" => ended::PID,
            // ephemeral-storage, inodes, nodefs.*, imagefs.*
            _ => ended::DISK,
        };
        return Some(Match::new(cause, format!("node was low on {resource}{who}"), resource));
    }
    let limit = [
        "exceeds the limit",
        "ephemeral local storage usage exceeds",
        "exceeded its local ephemeral storage limit",
    ];
    if limit.iter().any(|l| message.contains(l)) {
        let volume =
            message.split("EmptyDir volume \"").nth(1).and_then(|s| s.split('"').next()).unwrap_or("");
        let words = if volume.is_empty() {
            "over its ephemeral storage limit".to_owned()
        } else {
            format!("emptyDir {volume} over its size limit")
        };
        return Some(Match::new(ended::EPHEMERAL_LIMIT, words, volume));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waiting messages of `captures/list/pods.json` and the wordings of other runtimes.
    #[test]
    fn pull_errors_name_their_cause() {
        let back_off =
            |rest: &str| format!("Back-off pulling image \"localhost:5000/api-server:v2.0.1\": {rest}");
        for (text, cause, words) in [
            (back_off("ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"localhost:5000/api-server:v2.0.1\": failed to resolve image: localhost:5000/api-server:v2.0.1: not found"), "image.not-found", "tag v2.0.1 not found"),
            ("rpc error: code = Unknown desc = Error response from daemon: manifest for myregistry.io/api-server:v2.0.1 not found".into(), "image.not-found", "tag v2.0.1 not found"),
            ("Back-off pulling image \"myregistry.io/api-server:v2.0.1\": ErrImagePull: failed to pull and unpack image \"myregistry.io/api-server:v2.0.1\": failed to resolve image: failed to do request: Head \"https://myregistry.io/v2/api-server/manifests/v2.0.1\": dial tcp: lookup myregistry.io on 10.0.0.2:53: no such host".into(), "image.network", "registry myregistry.io does not resolve"),
            ("failed to resolve image: failed to do request: Head \"http://localhost:5999/v2/api-server/manifests/v2.0.0\": dial tcp 127.0.0.1:5999: connect: connection refused".into(), "image.network", "registry myregistry.io refuses connections"),
            ("Head \"https://localhost:5001/v2/team/vllm/manifests/v1\": tls: first record does not look like a TLS handshake".into(), "image.network", "registry myregistry.io fails at TLS"),
            ("failed to resolve image: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials".into(), "image.auth", "myregistry.io refused the credentials"),
            ("failed to authorize: failed to fetch anonymous token: unexpected status: 403 Forbidden".into(), "image.auth", "myregistry.io refused the credentials"),
            ("failed to resolve image: unexpected status from HEAD request to http://localhost:5002/v2/library/nginx/manifests/1.27: 429 Too Many Requests".into(), "image.rate-limit", "myregistry.io limits pulls"),
            ("429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit. 401 Unauthorized".into(), "image.rate-limit", "myregistry.io limits pulls"),
            ("no match for platform in manifest sha256:0: not found".into(), "image.platform", "image is not for this architecture"),
        ] {
            let clue = pull("ImagePullBackOff", &text, "myregistry.io/api-server:v2.0.1").unwrap_or_else(|| panic!("{text}"));
            assert_eq!((clue.cause.id(), &*clue.words), (cause, words), "{text}");
        }
        assert_eq!(pull("InvalidImageName", "", "A:::b").unwrap().cause, "image.invalid-name");
        assert_eq!(pull("ErrImageNeverPull", "", "a:1").unwrap().cause, "image.never-pull");
        assert_eq!(
            pull("ImagePullBackOff", "Back-off pulling image \"a:1\"", "a:1"),
            None,
            "no cause, no guess"
        );
        assert_eq!(pull("CrashLoopBackOff", "429 Too Many Requests", "a:1"), None, "not a pull");
        assert_eq!(pull("", "something else", "registry/x509:latest"), None, "the name proves nothing");
    }

    #[test]
    fn configuration_start_and_volume_texts() {
        let c = create("configmap \"api-server-config\" not found").unwrap();
        assert_eq!((c.cause.id(), &*c.subject), ("config.configmap-missing", "api-server-config"));
        assert_eq!(create("secret \"hf-token\" not found").unwrap().cause, "config.secret-missing");
        let c = create("couldn't find key database_url in ConfigMap hidden/app-config").unwrap();
        assert_eq!(
            (c.cause.id(), &*c.words),
            ("config.key-missing", "key database_url missing in ConfigMap app-config")
        );
        let text = "container has runAsNonRoot and image will run as root (pod: \"p\", container: c)";
        assert_eq!(create(text).unwrap().cause, "config.run-as-root");

        for (text, cause, subject) in [
            (
                "container has runAsNonRoot and image has non-numeric user (nginx), cannot verify user is non-root (pod: \"p\", container: c)",
                "config.user",
                "nginx",
            ),
            ("unable to find user app: no matching entries in passwd file", "config.user", "app"),
            (
                "failed to prepare subPath for volumeMount \"data\" of container \"app\"",
                "volume.subpath",
                "data",
            ),
            (
                "failed to generate seccomp security options: cannot load seccomp profile \"/var/lib/kubelet/seccomp/a.json\": open: no such file or directory",
                "container.security",
                "/var/lib/kubelet/seccomp/a.json",
            ),
            ("Cannot enforce AppArmor: profile \"k8s-deny\" is not loaded", "container.security", "k8s-deny"),
        ] {
            let clue = create(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((clue.cause.id(), &*clue.subject), (cause, subject), "{text}");
        }
        let text = "error during container init: unable to apply apparmor profile: apparmor failed to apply profile: write /proc/self/attr/apparmor/exec: no such file or directory";
        assert_eq!(start(text).unwrap().cause, "container.security");
        let text =
            "MountVolume.SetUp failed for volume \"tls\" : references non-existent secret key: tls.crt";
        assert_eq!(
            mount("FailedMount", text).unwrap().words,
            "key tls.crt missing in the Secret of volume tls"
        );

        let oci = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: ";
        let c = start(&format!(
            "{oci}exec: \"/no/such/binary\": stat /no/such/binary: no such file or directory"
        ))
        .unwrap();
        assert_eq!((c.cause.id(), &*c.words), ("container.command", "command /no/such/binary not found"));
        let c = start(&format!("{oci}exec: \"/etc/passwd\": permission denied")).unwrap();
        assert_eq!(c.words, "/etc/passwd is not executable");
        assert_eq!(start(&format!("{oci}exec /app: exec format error")).unwrap().cause, "image.platform");

        let c = start(&format!("{oci}error during container init: error mounting \"/var/lib/kubelet/pods/x/volume-subpaths/c/app/0\" to rootfs at \"/etc/app\": mount src=x: not a directory: unknown")).unwrap();
        assert_eq!((c.cause.id(), &*c.subject), ("volume.subpath", "/etc/app"));

        let text = "MountVolume.SetUp failed for volume \"s\" : secret \"db-credentials\" not found";
        assert_eq!(mount("FailedMount", text).unwrap().cause, "config.secret-missing");
        let text = "MountVolume.SetUp failed for volume \"m\" : hostPath type check failed: /no/such/dir is not a directory";
        assert_eq!(mount("FailedMount", text).unwrap().words, "volume m cannot be mounted");
        let text = "Multi-Attach error for volume \"pvc-1\" Volume is already exclusively attached to one node and can't be attached to another";
        assert_eq!(mount("FailedAttachVolume", text).unwrap().cause, "volume.multi-attach");
        let c = claim("ProvisioningFailed", "storageclass.storage.k8s.io \"fast-ssd\" not found").unwrap();
        assert_eq!((c.cause.id(), &*c.subject), ("volume.class-missing", "fast-ssd"));

        let text = "Failed to create pod sandbox: rpc error: failed to setup network for sandbox \"a\": plugin type=\"calico\" failed (add): x";
        assert_eq!(sandbox(text).unwrap().words, "network plugin calico failed");
        assert_eq!(sandbox("Failed to create pod sandbox: rpc error").unwrap().cause, "sandbox.runtime");
    }

    #[test]
    fn refusals_of_a_kubelet_name_the_device() {
        for (text, words) in [
            (
                "Pod was rejected: Allocate failed due to no healthy devices present; cannot allocate unhealthy devices nvidia.com/gpu, which is unexpected",
                "no healthy nvidia.com/gpu",
            ),
            (
                "Pod was rejected: Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected",
                "nvidia.com/gpu: 1 wanted, 0 available",
            ),
            (
                "Allocate failed due to cannot allocate unregistered device nvidia.com/gpu, which is unexpected",
                "no device plugin has registered nvidia.com/gpu",
            ),
            (
                "Pod was rejected: Node didn't have enough resource: cpu, requested: 500, used: 3800, capacity: 4000",
                "not enough cpu: 500 wanted, 3800 of 4000 in use",
            ),
        ] {
            assert_eq!(admission(text).map(|m| m.words).as_deref(), Some(words), "{text}");
        }
        assert_eq!(admission("Pod was rejected: Resources cannot be allocated with Topology locality"), None);
    }

    #[test]
    fn evictions_name_the_resource() {
        let c = evicted("Evicted", "Usage of EmptyDir volume \"d\" exceeds the limit \"4Mi\". ").unwrap();
        assert_eq!((c.cause.id(), &*c.words), ("evicted.ephemeral-limit", "emptyDir d over its size limit"));
        let text = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. Container app was using 3Gi, request is 1Gi, has larger consumption of memory. ";
        let c = evicted("Evicted", text).unwrap();
        assert_eq!((c.cause.id(), &*c.words), ("evicted.memory", "node was low on memory (app used 3Gi)"));
        assert_eq!(
            evicted("Evicted", "The node was low on resource: ephemeral-storage. ").unwrap().cause,
            "evicted.disk"
        );
        assert_eq!(evicted("PreemptionByScheduler", "").unwrap().cause, "preempted");
        assert_eq!(evicted("Error", "memory"), None);
    }
}
