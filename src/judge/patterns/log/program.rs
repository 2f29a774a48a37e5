//! What is missing from an image or does not fit it: commands, modules, libraries, versions, architecture.

use super::table::{Row, exact, named};
use crate::judge::log as causes;
use crate::judge::{create, extension, image};

pub const ROWS: &[Row] = &[
    exact(
        image::PLATFORM,
        &["exec format error"],
        r"(?i:exec format error)",
        "image is not for this architecture",
    ),
    // Versions that do not fit.
    exact(
        causes::INCOMPATIBLE,
        &["glibc", "cxxabi"],
        r"version `?(?P<what>(?:GLIBC|GLIBCXX|CXXABI)_[0-9.]+)'? not found",
        "the image's C library has no {what}",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["unsupportedclassversionerror"],
        r"UnsupportedClassVersionError: (?P<what>\S+)",
        "class {what} needs a newer Java",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["undefined symbol", "symbol not found"],
        r"undefined symbol: (?P<what>[^\s,]+)|symbol not found: (?P<what2>[^\s,]+)|: (?P<what3>\S+): symbol not found",
        "a library has no symbol {what}",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["nosuchmethoderror", "nosuchfielderror", "abstractmethoderror", "incompatibleclasschangeerror"],
        r"(?:NoSuchMethod|NoSuchField|AbstractMethod|IncompatibleClassChange)Error: (?P<what>[^\n]+)",
        "libraries of different versions: {what}",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["different node.js version", "node_module_version"],
        r"compiled against a different Node\.js version|NODE_MODULE_VERSION (?P<what>\d+)",
        "a native module was built for another Node.js",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["cannot import name"],
        r"cannot import name '(?P<what>[^']+)'",
        "{what} is not in the installed version of its module",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["has no attribute", "dtype size changed", "descriptors cannot be created", "_array_api"],
        r"AttributeError: module '(?P<what>[^']+)' has no attribute|(?P<what2>numpy\.dtype) size changed|(?P<what3>Descriptors) cannot be created directly|(?P<what4>_ARRAY_API) not found",
        "installed versions do not fit each other: {what}",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["incompatible with server", "was initialized by postgresql", "downgrade from", "invalid mysql server"],
        r"database files are incompatible with server|data directory was initialized by PostgreSQL version (?P<what>[0-9.]+)|Cannot downgrade from|Invalid MySQL server (?:upgrade|downgrade)",
        "the data was written by another version",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["driver version is insufficient", "no kernel image is available", "nvidia driver on your system is too old"],
        r"CUDA driver version is insufficient|no kernel image is available for execution|NVIDIA driver on your system is too old",
        "the program's CUDA does not fit the driver or GPU",
    )
    .always(),
    exact(
        extension::CRD_NOT_SERVED,
        &["no matches for kind"],
        r#"no matches for kind \\*"(?P<what>[^"\\]+)\\*" in (?:group|version) \\*"(?P<what2>[^"\\]+)"#,
        "the API server does not serve kind {what}",
    )
    .always(),
    exact(
        causes::INCOMPATIBLE,
        &["auth_mode", "authentication protocol", "authentication method", "scram authentication requires"],
        r"ER_NOT_SUPPORTED_AUTH_MODE|[Cc]lient does not support authentication protocol|authentication method (?:unknown to the client|\d+ (?:is )?not supported)|SCRAM authentication requires libpq version \d+",
        "the client is too old for the way its database signs in",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["digital envelope routines", "err_ossl_evp_unsupported"],
        r"digital envelope routines:[^\n]*unsupported|ERR_OSSL_EVP_UNSUPPORTED",
        "it needs an algorithm that the image's OpenSSL no longer has",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["illegal instruction", "sigill", "kernel too old", "does not support x86-64-v"],
        r"(?i:illegal instruction)|SIGILL|kernel too old|CPU does not support x86-64-v\d",
        "the program is built for another CPU or kernel",
    ),
    exact(
        causes::INCOMPATIBLE,
        &["requires python", "requires a different python", "unsupported engine", "framework: 'microsoft"],
        r"[Rr]equires (?:a different )?Python[^\n]*|Unsupported engine|Framework: '(?P<what>Microsoft[^']+)', version '[^']+'",
        "the runtime's version does not fit",
    ),
    // Modules and libraries that are missing.
    exact(
        causes::DEPENDENCY,
        &["cannot find module", "cannot find package", "cannot resolve module"],
        r"[Cc]annot find (?:module|package) ['`](?P<module>[^'`]+)['`]|cannot find package (?P<module2>\S+)",
        "{module} is missing",
    ),
    exact(
        causes::DEPENDENCY,
        &["no module named"],
        r"No module named '?%module%'?(?:\s|$|;)",
        "{module} is missing",
    )
    .always(),
    exact(
        causes::DEPENDENCY,
        &["loading shared librar", "cannot open shared object", "error loading shared library"],
        r"loading shared librar(?:y|ies):? (?P<module>[^:\s]+)|(?P<module2>[\w.+-]+\.so[\w.]*): cannot open shared object",
        "{module} is missing",
    ),
    exact(
        causes::DEPENDENCY,
        &["classnotfoundexception", "noclassdeffounderror", "could not find or load main class"],
        r"(?:ClassNotFoundException|NoClassDefFoundError): (?P<module>[^\s:]+)|Could not find or load main class (?P<module2>\S+)",
        "{module} is missing",
    ),
    exact(
        causes::DEPENDENCY,
        &["java.library.path", "unsatisfiedlinkerror"],
        r"UnsatisfiedLinkError: (?:no (?P<module>\S+) in java|(?P<module2>[^\s:]+))|\bno (?P<module3>\S+) in java\.library\.path",
        "{module} is missing",
    ),
    exact(
        causes::DEPENDENCY,
        &["cannot load such file", "could not find gem", "could not find "],
        r"cannot load such file -- (?P<module>\S+)|Could not find (?:gem '(?P<module2>[^' ]+)|(?P<module3>[\w.-]+)(?:, [\w.-]+)* in (?:any of the sources|locally installed gems))",
        "{module} is missing",
    ),
    exact(
        causes::DEPENDENCY,
        &["could not load file or assembly", "dllnotfoundexception", "unable to load shared library", "valid icu package"],
        r"valid (?P<module3>ICU) package installed|Could not load file or assembly '(?P<module>[^',]+)|Unable to load shared library '(?P<module2>[^']+)'",
        "{module} is missing",
    ),
    exact(
        causes::DEPENDENCY,
        &["can't locate", "failed opening required", "not found in /", "uncaught error: class"],
        r#"Can't locate (?P<module>\S+) in @INC|Failed opening required '(?P<module2>[^']+)'|Uncaught Error: Class ["'](?P<module3>[^"']+)["'] not found"#,
        "{module} is missing",
    ),
    exact(
        causes::DEPENDENCY,
        &["cuda_home", "missingcudaexception"],
        r"(?P<module>CUDA_HOME) (?:environment variable is not set|does not exist)",
        "{module}, the CUDA toolkit, is missing",
    ),
    exact(
        causes::DEPENDENCY,
        &["executable file not found"],
        r#"exec: "(?P<module>[^"]+)": executable file not found"#,
        "{module} is missing",
    ),
    // Commands of an entrypoint or a shell.
    exact(
        create::COMMAND,
        &["not found"],
        r"^(?:\S*/)?(?:ba|da|a|z|k)?sh: (?:line )?(?:\d+: )?(?:exec: (?:line \d+: )?)?(?P<what>[\w./+-]+): (?:command )?not found\s*$|^\S+: (?:line )?\d+: (?:exec: )?(?P<what2>[\w./+-]+): (?:command )?not found\s*$|exec: (?:line \d+: )?(?P<what3>[\w./+-]+): not found\s*$",
        "command {what} not found",
    ),
    exact(
        create::COMMAND,
        &["no such file or directory", "can't open", "can't execute"],
        r"^(?:\S*/)?env: (?:can't execute )?(?:'|‘)?(?P<what>[\w./-]+)(?:'|’)?: No such file|\bexec:? (?:failed )?['`]?(?P<what2>/[^\s:'`]+)['`]?(?: failed)?: [Nn]o such file or directory|^(?:\S*/)?(?:ba|da|a)?sh: (?:(?:line )?\d+: )?(?:can't open '(?P<what3>[^']+)'|(?P<what4>[\w./-]+): No such file or directory)|\[FATAL tini \(\d+\)\] exec (?P<what5>\S+) failed|\[dumb-init\] (?P<what6>\S+): No such file|can't open file '(?P<what7>[^']+)'",
        "{what} is not in the image",
    ),
    exact(
        create::COMMAND,
        &["unable to access jarfile", "could not open input file", "bad interpreter"],
        r"Unable to access jarfile (?P<what>\S+)|Could not open input file: (?P<what2>\S+)|(?P<what3>\S+): bad interpreter",
        "{what} is not in the image",
    ),
    exact(
        create::COMMAND,
        &["permission denied"],
        r"^(?:\S*/)?(?:ba|da|a)?sh: (?:(?:line )?\d+: )?(?P<what>[\w./-]+): Permission denied\s*$|\bexec:? (?P<what2>/[^\s:]+): [Pp]ermission denied|exec user process caused: permission denied",
        "command[ {what}] is not executable",
    ),
    named(
        causes::DEPENDENCY,
        &["importerror"],
        r"^ImportError: (?P<what>[^\n]+)",
        "a module cannot be imported: {what}",
    ),
];
