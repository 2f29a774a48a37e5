//! Files: full disks, quotas, read-only roots, refused users and capabilities, files that are not there.

use super::table::{Row, exact, named, plain};
use crate::judge::log as causes;
use crate::judge::volume;

pub const ROWS: &[Row] = &[
    exact(
        causes::VOLUME_FULL,
        &["shared memory"],
        r"could not resize shared memory segment[^\n]*No space left on device|workers are out of shared memory",
        "shared memory (/dev/shm) is full",
    )
    .always(),
    exact(
        causes::VOLUME_FULL,
        &["no space left on device", "enospc", "not enough space on the disk", "disk is full", "flood stage"],
        r#"(?i:no space left on device)[^\n]*?['"]%path%['"]|['"]?%path2%['"]?[^\n]{0,40}?(?i:no space left on device)|(?i:no space left on device)|\bENOSPC\b(?:[^\n]{0,60}?['"]%path3%)?|There is not enough space on the disk|(?i:the disk is full)|flood[ -]stage (?:disk )?watermark \S+ exceeded"#,
        "no space left[ for {path}]",
    )
    .always(),
    exact(
        causes::VOLUME_QUOTA,
        &["quota exceeded", "edquot", "database space exceeded", "alarm:nospace"],
        r#"mvcc: database space exceeded|alarm:NOSPACE|%path%['"]?[^\n]{0,40}?(?i:disk quota exceeded)|(?i:disk quota exceeded)[^\n]{0,12}['"]%path2%|(?i:disk quota exceeded)|\bEDQUOT\b(?:[^\n]{0,60}?['"]%path3%)?"#,
        "the disk quota is used up[ at {path}]",
    )
    .always(),
    exact(
        causes::READ_ONLY_FS,
        &["read-only file system", "erofs", "readonlyfilesystem"],
        r#"(?i:read-only file system)[^\n]{0,30}['"]%path%|%path2%['"]?\)?[^\n]{0,40}?(?i:read-only file system)|(?i:read-only file system)|\bEROFS\b(?:[^\n]{0,60}?['"]%path3%)?|kind: ReadOnlyFilesystem"#,
        "it writes[ {path}] on a read-only file system",
    )
    .always(),
    exact(
        causes::SHARED_WRITERS,
        &[
            "unable to lock",
            "node locks",
            "lock db directory",
            "lock on file",
            "directory lock",
            "/lock: ",
            "postmaster.pid",
            "mongod.lock",
            "lockobtainfailed",
        ],
        r#"Unable to lock (?:\./)?(?P<what>\S+?),? error: 11|failed to obtain node locks, tried \[+(?P<what2>[^\],\s]+)|lock DB directory: resource temporarily unavailable|Failed to acquire lock on file \.lock in (?P<what3>\S+?)\.? A Kafka instance|Cannot acquire directory lock on "(?P<what4>[^"]+)"|(?P<what5>/\S+/LOCK): (?:Resource temporarily unavailable|already held)|lock file "(?P<what6>postmaster\.pid)" already exists|Unable to lock the lock file: (?P<what7>\S+) \(Resource temporarily|LockObtainFailedException: Lock held by another program: (?P<what8>\S+)"#,
        "another process holds the data directory[: {what}]",
    )
    .always(),
    // Low ports, owners and other things a capability allows.
    exact(
        causes::CAPABILITY,
        &["permission denied", "eacces"],
        r"cannot bind '[^']*:(?P<port7>\d{1,4})': Permission denied|bind\(\) to \S*:(?P<port>\d{1,4}) failed \(13: Permission denied\)|listen (?:tcp|udp)[46]? \S*:(?P<port2>\d{1,4}): bind: permission denied|listen EACCES: permission denied \S*:(?P<port3>\d{1,4})\b|bind on address \('[^']*', (?P<port4>\d{1,4})\): permission denied|could not bind to address \S*:(?P<port5>\d{1,4})\b|[Pp]ermission denied[^\n]{0,40}could not bind[^\n]*?:(?P<port6>\d{1,4})\b",
        "port {port} may not be opened without NET_BIND_SERVICE",
    ),
    exact(
        causes::CAPABILITY,
        &["socketexception (13)"],
        r"SocketException \(13\): Permission denied",
        "its port may not be opened without NET_BIND_SERVICE",
    ),
    exact(
        causes::CAPABILITY,
        &["operation not permitted", "eperm"],
        r"\b(?P<what>chown|setgroups|setuid|setgid|setresuid|setresgid|initgroups|mount|umount|unshare|setns|iptables|mknod|prctl|capset|sysctl|mlock(?:all)?|setpriority|nice|ptrace|socket|ioctl|bpf|perf_event_open|chroot|RTNETLINK answers|failed switching to)\b[^\n]{0,120}?(?i:operation not permitted)|EPERM: operation not permitted, (?P<what2>chown|setuid|setgid|mknod)",
        "{what} is not permitted: a capability is missing",
    ),
    exact(
        causes::CAPABILITY,
        &["you must be root", "cap_", "raw socket", "permission to capture", "are you root", "lock memory"],
        r"Permission denied \(you must be root\)|ping: (?:permission denied|socket:)[^\n]*|missing (?:capability )?(?P<what>CAP_[A-Z_]+)|[Cc]ouldn't create raw socket|You don't have permission to capture|Failed to lock memory",
        "a capability is missing[: {what}]",
    ),
    exact(
        causes::USER,
        &["as root", "as \"root\"", "\"root\" execution", "without --no-sandbox", "run elasticsearch"],
        r#"(?i)(?:must not|cannot|can ?not|should not|may not|refus(?:es|ing) to) (?:be )?run[^\n]{0,30} as ["']?root|"root" execution of the PostgreSQL server is not permitted|Running as root without --no-sandbox|how to run mysqld as root"#,
        "the program refuses to run as root",
    ),
    exact(
        causes::USER,
        &["as root", "be root", "root privilege", "root user"],
        r"(?i)(?:must|has to|needs? to) be (?:run|started|executed) (?:as|with|by) (?:the )?root|you (?:must|need to) be root|requires? root(?:$| privileges| access)|only root (?:can|may)",
        "the program wants to run as root",
    ),
    exact(
        causes::USER,
        &["uid not found", "no user exists", "effective user id", "user id ", "unknown userid", "getpwnam", "no matching entries in passwd"],
        r#"uid not found: (?P<user>\d+)|No user exists for uid (?P<user2>\d+)|could not look up effective user ID (?P<user3>\d+)|cannot find name for user ID (?P<user4>\d+)|unknown userid (?P<user5>\d+)|getpwnam\("(?P<user6>[^"]+)"\) failed|unable to find user (?P<user7>\S+): no matching entries"#,
        "user {user} is not known in the image",
    ),
    exact(
        causes::CONTAINER_SECURITY,
        &["bad system call", "sigsys", "apparmor", "seccomp"],
        r#"Bad system call|\bSIGSYS\b|apparmor="DENIED"|(?i:blocked by seccomp)"#,
        "a system call is refused by seccomp or AppArmor",
    ),
    exact(
        volume::PERMISSION,
        &["wrong ownership", "invalid permissions", "not writable", "must be writable", "access rights to the directory", "change permissions of directory", "error number 13"],
        r#"does not have the access rights to the directory|error number 13 in a file operation|could not change permissions of directory "%path4%"|directory "%path%" has (?:wrong ownership|invalid permissions)|='?%path2%'? is not writable|(?i:directory|path|folder|file)?[^\n]{0,20}['"]?%path3%['"]? (?:is|must be|isn't) (?:not )?writable|must be writable"#,
        "its user may not write[ {path}]",
    )
    .running(causes::LOG_PERMISSION),
    named(
        volume::PERMISSION,
        &["permission denied", "permissiondenied", "accessdenied", "eacces", "access to the path", "errcode: 13", "access denied"],
        r#"%path6%['"]?: eacces\b|(?:drive|disk|path) %path7%: (?:file|drive|disk) access denied|AccessDeniedException\[%path8%|(?:[Pp]ermission denied|EACCES)[^\n]{0,40}?['"]%path%['"]|%path2%(?:['"]|’)?\)?[^\n/]{0,40}?(?:\([Pp]ermission denied\)|[Pp]ermission denied)|AccessDeniedException: %path3%|Access to the path '%path4%' is denied|'%path5%' \((?:OS errno 13|Errcode: 13)"#,
        "its user may not use {path}",
    )
    .running(causes::LOG_PERMISSION),
    plain(
        volume::PERMISSION,
        &["permission denied", "permissionerror", "permissiondenied", "eacces"],
        r"(?i:permission denied)|PermissionError|kind: PermissionDenied|\bEACCES\b",
        "a permission is denied",
    )
    .running(causes::LOG_PERMISSION),
    plain(
        causes::CAPABILITY,
        &["operation not permitted"],
        r"(?i:operation not permitted)",
        "an operation is not permitted",
    )
    .running(causes::LOG_PERMISSION),
    // Files that are not there, where their name says that they configure.
    named(
        causes::CONFIG,
        &["no such file or directory", "enoent", "filenotfound", "cannot find the file", "does not exist", "was not found"],
        r#"cannot load certificate(?: key)? "%path6%"[^\n]{0,80}(?i:no such file)|\bFile %path5% (?:was not found|does not exist)|(?:open|stat|read|load|parse|config|file|BIO_new_file|fopen|path)[^\n]{0,60}?%path%['"]?[^\n]{0,30}(?i:no such file or directory|does not exist)|(?i:no such file or directory)[^\n]{0,20}['"]%path2%|FileNotFoundException: %path3% \(No such file|Could not find (?:a part of the path|file) '%path4%'"#,
        "file {path} is missing",
    ),
];
