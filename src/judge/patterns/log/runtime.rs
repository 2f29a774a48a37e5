//! Memory, threads, file handles, ports and faults of the program itself, as the runtimes print them.

use super::table::{Row, exact, named, plain};
use crate::judge::crash;
use crate::judge::log as causes;

pub const ROWS: &[Row] = &[
    // Java.
    exact(
        causes::JVM_METASPACE,
        &["metaspace", "compressed class space"],
        r"OutOfMemoryError: (?P<what>Metaspace|Compressed class space)",
        "JVM: {what} is full",
    )
    .always(),
    exact(
        causes::THREADS,
        &["native thread", "start thread"],
        r#"OutOfMemoryError: [Uu]nable to create (?:new )?native thread|Failed to start (?:the native )?thread "?[^\n]*pthread_create failed"#,
        "JVM: no more threads can be created",
    )
    .always(),
    exact(
        causes::OOM_HEAP,
        &["direct buffer memory", "outofdirectmemoryerror"],
        r"OutOfMemoryError: (?:Cannot reserve \d+ bytes of )?(?P<what>[Dd]irect buffer memory)|OutOfDirectMemoryError: failed to allocate",
        "JVM: direct buffer memory is full",
    )
    .always(),
    exact(
        causes::JVM_HEAP_OVER_LIMIT,
        &["could not reserve enough space"],
        r"Could not reserve enough space for (?P<what>(?:\d+KB )?object heap|code cache)",
        "JVM: no room for the {what} it is told to take",
    ),
    exact(
        causes::OOM_HEAP,
        &["java heap space", "gc overhead limit", "exceeds vm limit", "required array"],
        r"OutOfMemoryError: (?P<what>Java heap space|GC overhead limit exceeded|Requested array size exceeds VM limit|Required array (?:length|size)[^\n]{0,40})",
        "JVM: {what}",
    )
    .always(),
    exact(
        causes::OOM_HEAP,
        &["java.lang.outofmemoryerror"],
        r"java\.lang\.OutOfMemoryError(?:: (?P<what>[^\n]+))?",
        "JVM: [{what}]",
    )
    .always(),
    exact(
        causes::OOM_HEAP,
        &["insufficient memory for the java runtime", "native memory allocation"],
        r"insufficient memory for the Java Runtime|Native memory allocation \((?:mmap|malloc)\) failed to (?:map|allocate) (?P<what>\d+) bytes",
        "JVM: no native memory is left",
    ),
    // Other runtimes.
    exact(
        causes::OOM_HEAP,
        &["runtime: out of memory", "runtime error: out of memory", "runtime: cannot allocate memory"],
        r"runtime(?: error)?: (?:out of memory|cannot allocate memory)",
        "Go: out of memory",
    ),
    exact(
        causes::OOM_HEAP,
        &["javascript heap out of memory"],
        r"(?P<what>JavaScript heap) out of memory",
        "Node.js ran out of heap",
    ),
    exact(
        causes::OOM_HEAP,
        &["memoryerror"],
        r"^(?:[\w.]+\.)?(?:_?Array)?MemoryError\b(?:: (?P<what>[^\n]+))?",
        "Python ran out of memory",
    )
    .always(),
    exact(
        causes::OOM_HEAP,
        &["bad_alloc", "bad_array_new_length"],
        r"(?P<what>std::bad_(?:alloc|array_new_length))",
        "C++: memory could not be allocated (bad_alloc)",
    )
    .always(),
    exact(
        causes::OOM_HEAP,
        &["memory allocation of"],
        r"memory allocation of (?P<what>\d+) bytes failed",
        "Rust: {what} bytes could not be allocated",
    ),
    exact(
        causes::OOM_HEAP,
        &["outofmemoryexception", "gc heap initialization failed"],
        r"System\.OutOfMemoryException|GC heap initialization failed",
        ".NET ran out of memory",
    )
    .always(),
    exact(
        causes::OOM_HEAP,
        &["allowed memory size"],
        r"Allowed memory size of (?P<what>\d+) bytes exhausted",
        "PHP: memory_limit of {what} bytes is used up",
    )
    .always(),
    exact(
        causes::OOM_HEAP,
        &["nomemoryerror", "failed to allocate memory"],
        r"NoMemoryError|^failed to allocate memory",
        "Ruby ran out of memory",
    ),
    exact(
        causes::OOM_HEAP,
        &["out of memory", "error_out_of_memory", "alloc_failed"],
        r"(?:CUDA|HIP) out of memory\.?(?: Tried to allocate (?P<what>[0-9.]+ [KMGT]iB))?|CUDA error: out of memory|CUDA_ERROR_OUT_OF_MEMORY|CUBLAS_STATUS_ALLOC_FAILED|cudaMalloc failed: out of memory|RESOURCE_EXHAUSTED: Out of memory",
        "CUDA out of memory[, wanted {what}]",
    )
    .always(),
    named(
        causes::OOM_HEAP,
        &["cannot allocate memory", "enomem"],
        r"\b(?P<what>fork|mmap|malloc|calloc|realloc|clone|spawn)\b[^\n]{0,60}(?:[Cc]annot allocate memory|ENOMEM)|\[Errno 12\] Cannot allocate memory|\(12: Cannot allocate memory\)|kind: OutOfMemory",
        "memory could not be allocated",
    )
    .always(),
    // Threads and handles.
    exact(
        causes::THREADS,
        &[
            "pthread_create",
            "start new thread",
            "new os thread",
            "thread limit",
            "create thread",
            "thread constructor failed",
            "failed to spawn thread",
            "thread creation failed",
        ],
        r"pthread_create(?:\(\))? (?:has )?failed|can't start new thread|failed to create new OS thread|program exceeds \d+-thread limit|(?:can't|[Uu]nable to|[Cc]annot|could not) create [Tt]hread\b|thread constructor failed: Resource temporarily|failed to spawn thread: Os \{ code: 11|[Tt]hread creation failed",
        "no more threads can be created",
    )
    .always(),
    exact(
        causes::THREADS,
        &["resource temporarily unavailable", "eagain"],
        r"\b(?:fork|clone|vfork)\b[^\n]{0,40}Resource temporarily unavailable|spawn \S+ EAGAIN|Cannot fork",
        "no more processes or threads can be created",
    )
    .always(),
    exact(
        causes::OPEN_FILES,
        &["too many open files", "emfile", "file watchers", "inotify"],
        r"(?i:too many open files)|\bEMFILE\b|System limit for number of file watchers reached|inotify_(?:init|add_watch)[^\n]*(?:No space left|[Tt]oo many)|user limit on the total number of inotify",
        "too many open files or watches",
    )
    .always(),
    // Ports.
    exact(
        causes::PORT_IN_USE,
        &["address already in use", "eaddrinuse", "addrinuse", "already in use", "connection in use"],
        r"EADDRINUSE[^\n]*?:(?P<port>\d{1,5})\b|[Aa]ddress already in use \([^)\n]*:(?P<port2>\d{1,5})\)|[Pp]ort (?P<port3>\d{1,5}) (?:is|was) already in use|:(?P<port4>\d{1,5}): bind: address already in use|(?:bind|listen)[^\n]*?[:\]](?P<port5>\d{1,5})\b[^\n]*?[Aa]ddress already in use|bind on address \('[^']*', (?P<port6>\d{1,5})|[Ff]ailed to bind to address \S+?:(?P<port7>\d{1,5}): address already in use|Connection in use: \('[^']*', (?P<port8>\d{1,5})\)|:(?P<port9>\d{1,5})[^\n]{0,20}: (?:bind: )?[Aa]ddress already in use",
        "port {port} is already in use",
    ),
    exact(
        causes::PORT_IN_USE,
        &["address already in use", "eaddrinuse", "addrinuse", "port already in use"],
        r"(?i:address already in use)|EADDRINUSE|kind: AddrInUse|(?i:port already in use)",
        "its port is already in use",
    ),
    // Faults of the program's own code.
    exact(
        crash::APPLICATION,
        &["panic: runtime error", "fatal error: "],
        r"^(?:panic|fatal error): (?P<what>runtime error: [^\n]+|all goroutines are asleep - deadlock!|concurrent map [^\n]+|stack overflow)",
        "panics: {what}",
    ),
    exact(
        crash::APPLICATION,
        &["segmentation fault", "sigsegv", "fatal error has been detected by the java"],
        r"(?P<what>(?i:segmentation fault)|SIGSEGV|fatal error has been detected by the Java Runtime)",
        "the program crashed: segmentation fault",
    ),
    exact(
        crash::APPLICATION,
        &["double free", "invalid pointer", "stack smashing", "corrupted", "pure virtual method"],
        r"(?P<what>double free or corruption|(?:free|munmap_chunk|realloc)\(\): invalid (?:pointer|size|next size)|stack smashing detected|malloc\(\): [^\n]*corrupt[^\n]*|corrupted (?:size vs|double-linked)[^\n]*|pure virtual method called)",
        "the program crashed: {what}",
    ),
    exact(
        crash::APPLICATION,
        &["assertion"],
        r"(?P<what>Assertion `[^'\n]+' failed|Assertion failed: [^\n]+|assertion `?[^\n]{1,60}`? failed)",
        "the program aborts: {what}",
    ),
    exact(
        crash::APPLICATION,
        &[
            "nullpointerexception",
            "classcastexception",
            "outofboundsexception",
            "stackoverflowerror",
            "concurrentmodificationexception",
        ],
        r"(?P<what>(?:NullPointer|ClassCast|ArrayIndexOutOfBounds|StringIndexOutOfBounds|IndexOutOfBounds|ConcurrentModification)Exception|StackOverflowError)",
        "fails in its own code: {what}",
    ),
    exact(
        crash::APPLICATION,
        &[
            "typeerror",
            "attributeerror",
            "indexerror",
            "zerodivisionerror",
            "nameerror",
            "unboundlocalerror",
            "assertionerror",
            "recursionerror",
            "syntaxerror",
            "indentationerror",
            "referenceerror",
            "rangeerror",
        ],
        r"^(?:Uncaught )?(?P<what>(?:Type|Attribute|Index|ZeroDivision|Name|UnboundLocal|Assertion|Recursion|Syntax|Indentation|Reference|Range)Error(?:: [^\n]+)?)",
        "fails in its own code: {what}",
    ),
    exact(
        crash::APPLICATION,
        &["nullreferenceexception", "invalidcastexception", "indexoutofrangeexception"],
        r"System\.(?P<what>(?:NullReference|InvalidCast|IndexOutOfRange)Exception)",
        "fails in its own code: {what}",
    ),
    exact(
        crash::APPLICATION,
        &["nomethoderror", "undefined method"],
        r"(?P<what>undefined method [^\n]+)",
        "fails in its own code: {what}",
    ),
    exact(
        crash::APPLICATION,
        &["call to undefined", "call to a member function"],
        r"(?P<what>Call to (?:undefined (?:function|method) [^\s]+|a member function [^\s]+ on \w+))",
        "fails in its own code: {what}",
    ),
    exact(
        crash::APPLICATION,
        &["on a `none` value", "index out of bounds", "with overflow"],
        r"(?P<what>called `Option::unwrap\(\)` on a `None` value|index out of bounds: the len is \d+[^\n]*|attempt to \w+ with overflow)",
        "panics: {what}",
    ),
    plain(
        crash::APPLICATION,
        &["core dumped", "aborted"],
        r"(?P<what>Aborted(?: \(core dumped\))?|Bus error \(core dumped\)|Floating point exception)",
        "the program crashed: {what}",
    ),
];
