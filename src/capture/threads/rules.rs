//! The frames of runtimes, thread pools and connection pools, and what a thread that waits there waits for.

use super::{Frame, Runtime, Thread};

/// Packages of the JDK and of frameworks. A frame there shows how a thread waits, not for what.
const JVM: [&str; 34] = [
    "java.",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "org.springframework.",
    "org.hibernate.",
    "org.apache.tomcat.",
    "org.apache.catalina.",
    "org.apache.coyote.",
    "org.apache.commons.",
    "org.apache.http.",
    "org.apache.hc.",
    "org.eclipse.jetty.",
    "org.jboss.",
    "org.xnio.",
    "io.undertow.",
    "io.netty.",
    "io.grpc.",
    "io.agroal.",
    "reactor.",
    "com.zaxxer.",
    "com.mchange.",
    "com.alibaba.druid.",
    "com.mysql.",
    "org.postgresql.",
    "oracle.",
    "org.mybatis.",
    "org.jooq.",
    "redis.clients.",
];
const GO: [&str; 13] = [
    "runtime.",
    "sync.",
    "internal/",
    "net.",
    "net/",
    "time.",
    "os.",
    "os/",
    "syscall.",
    "bufio.",
    "io.",
    "database/sql.",
    "created by ",
];
/// Python's standard library and pools by file, in py-spy's short form.
const PYTHON: [&str; 12] = [
    "threading.py",
    "queue.py",
    "socket.py",
    "ssl.py",
    "selectors.py",
    "subprocess.py",
    "socketserver.py",
    "concurrent/futures/",
    "asyncio/",
    "multiprocessing/",
    "sqlalchemy/",
    "<frozen",
];

/// The frames of an idle worker.
const IDLE: [&str; 25] = [
    "ThreadPoolExecutor.getTask",
    "ScheduledThreadPoolExecutor$DelayedWorkQueue.take",
    "ForkJoinPool.awaitWork",
    "java.util.TimerThread.mainLoop",
    "java.lang.ref.ReferenceQueue.remove",
    "java.lang.ref.Reference.waitForReferencePendingList",
    "sun.nio.ch.EPoll.wait",
    "sun.nio.ch.EPollArrayWrapper.epollWait",
    "sun.nio.ch.KQueue.poll",
    "sun.nio.ch.Net.accept",
    "sun.nio.ch.ServerSocketChannelImpl.accept",
    "java.net.PlainSocketImpl.socketAccept",
    "java.net.ServerSocket.accept",
    "io.netty.channel.epoll.Native.epollWait",
    "org.apache.tomcat.util.threads.TaskQueue.take",
    "org.apache.tomcat.util.threads.TaskQueue.poll",
    "org.apache.catalina.core.StandardServer.await",
    "org.eclipse.jetty.util.thread.QueuedThreadPool.idleJobPoll",
    "org.eclipse.jetty.util.thread.ReservedThreadExecutor$ReservedThread.reservedWait",
    "org.jboss.threads.EnhancedQueueExecutor$ThreadBody",
    "kotlinx.coroutines.scheduling.CoroutineScheduler$Worker.park",
    "org.apache.catalina.core.ContainerBase$ContainerBackgroundProcessor",
    "internal/poll.(*FD).Accept",
    "os/signal.signal_recv",
    "runtime.gopark",
];
/// The functions and files of an idle Python worker.
const IDLE_PYTHON: [(&str, &str); 5] = [
    ("_worker", "concurrent/futures/thread.py"),
    ("get", "queue.py"),
    ("select", "selectors.py"),
    ("accept", "socket.py"),
    ("serve_forever", "socketserver.py"),
];

/// The functions that take an object out of a pool, and the name of that object.
const POOLS: [(&str, &str); 14] = [
    ("com.zaxxer.hikari.pool.HikariPool.getConnection", "a connection of a HikariCP pool"),
    ("org.apache.tomcat.jdbc.pool.ConnectionPool.borrowConnection", "a connection of a Tomcat JDBC pool"),
    ("org.apache.commons.pool2.impl.GenericObjectPool.borrowObject", "an object of a commons-pool2 pool"),
    ("org.apache.commons.pool.impl.GenericObjectPool.borrowObject", "an object of a commons-pool pool"),
    ("com.mchange.v2.resourcepool.BasicResourcePool.awaitAvailable", "a connection of a c3p0 pool"),
    ("com.alibaba.druid.pool.DruidDataSource.getConnection", "a connection of a Druid pool"),
    ("io.agroal.pool.ConnectionPool.getConnection", "a connection of an Agroal pool"),
    ("oracle.ucp.common.UniversalConnectionPool", "a connection of an Oracle UCP pool"),
    ("org.apache.http.pool.AbstractConnPool", "a connection of an Apache HttpClient pool"),
    (
        "org.apache.http.impl.conn.PoolingHttpClientConnectionManager",
        "a connection of an Apache HttpClient pool",
    ),
    ("org.apache.hc.core5.pool.", "a connection of an Apache HttpClient 5 pool"),
    ("database/sql.(*DB).conn", "a connection of a database/sql pool"),
    ("github.com/jackc/puddle/v2.(*Pool[", "a connection of a pgx pool"),
    ("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).", "a connection of a go-redis pool"),
];

/// Whether the frame belongs to the runtime's library.
pub fn is_library(frame: &Frame, runtime: Runtime) -> bool {
    match runtime {
        Runtime::Jvm => JVM.iter().any(|p| frame.function.starts_with(p)),
        Runtime::Go => GO.iter().any(|p| frame.function.starts_with(p)),
        Runtime::Python => PYTHON.iter().any(|p| frame.place.starts_with(p)),
    }
}

/// The innermost frame of the application.
pub fn own_frame(thread: &Thread, runtime: Runtime) -> Option<&Frame> {
    let own = thread.frames.iter().find(|f| !is_library(f, runtime));
    own.or(thread.frames.iter().find(|f| !f.function.starts_with("created by ")))
}

/// Whether the thread waits for work, or belongs to the runtime.
pub fn is_idle(thread: &Thread, runtime: Runtime) -> bool {
    if thread.frames.is_empty() {
        return true;
    }
    // An idle frame counts only above the first application frame: below it, the thread is working.
    let mut near = thread.frames.iter().take_while(|f| is_library(f, runtime) || is_idle_frame(f));
    if runtime == Runtime::Python {
        return near.any(|f| {
            IDLE_PYTHON.iter().any(|(name, file)| f.function == *name && f.place.starts_with(file))
        });
    }
    near.any(is_idle_frame)
}

fn is_idle_frame(frame: &Frame) -> bool {
    let function = frame.function.strip_prefix("java.util.concurrent.").unwrap_or(&frame.function);
    IDLE.iter().any(|i| function.starts_with(i))
}

/// The resource the thread waits for, if it waits in a pool's function.
pub fn pool_wait(thread: &Thread, runtime: Runtime) -> Option<&'static str> {
    if runtime == Runtime::Python {
        // py-spy prints no classes, so SQLAlchemy's queue is recognised by its file.
        let in_pool = |f: &Frame| f.function == "_do_get" && f.place.starts_with("sqlalchemy/pool/");
        let waits =
            thread.frames.first().is_some_and(|f| matches!(f.function.as_str(), "wait" | "acquire" | "get"));
        return (waits && thread.frames.iter().any(in_pool)).then_some("a connection of a SQLAlchemy pool");
    }
    if matches!(thread.state.as_str(), "RUNNABLE" | "running" | "runnable" | "syscall" | "IO wait") {
        return None;
    }
    let pool = |f: &Frame| {
        POOLS.iter().find(|(function, _)| f.function.starts_with(function)).map(|(_, what)| *what)
    };
    thread.frames.iter().find_map(pool)
}

/// The name of the thread's pool: the thread's name without the number at its end; none if it has no such
/// name.
pub fn pool_name(name: &str) -> Option<&str> {
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if base.len() == name.len() {
        return None;
    }
    let pool = base.trim_end_matches(['-', '_', '#', ' ', '.']);
    (pool.len() < base.len() && !pool.is_empty()).then_some(pool)
}

/// Shortens a function for a sentence: `com.shop.Cache$Inner.get` to `Cache$Inner.get`.
pub fn short(function: &str, runtime: Runtime) -> &str {
    match runtime {
        Runtime::Jvm => {
            let mut dots = function.rmatch_indices('.');
            dots.next();
            dots.next().map_or(function, |(at, _)| &function[at + 1..])
        }
        Runtime::Go => function.rsplit('/').next().unwrap_or(function),
        Runtime::Python => function,
    }
}

/// Shortens a class: `java.util.concurrent.locks.ReentrantLock$NonfairSync` to `ReentrantLock`.
pub fn short_class(class: &str) -> &str {
    let class = class.strip_prefix("[L").unwrap_or(class).trim_end_matches(';');
    let class =
        ["$NonfairSync", "$FairSync", "$Sync"].iter().find_map(|s| class.strip_suffix(s)).unwrap_or(class);
    if class.starts_with("sync.") {
        return class;
    }
    class.rsplit('.').next().unwrap_or(class)
}

/// Adds the article: `an Object`, `a ReentrantLock`.
pub fn with_article(noun: &str) -> String {
    let vowel = noun.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']);
    format!("{} {noun}", if vowel { "an" } else { "a" })
}
