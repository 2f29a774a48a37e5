//! The programs of the shell, and those for files and tests.
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;

use super::super::files::Content;
use super::stream::{cat, dd, echo, grep, head_tail, sha256sum, unescape, wc};
use super::{Output, Piece, Session, Source, drain, jvm, system, tar};

const NAMES: [&str; 47] = [
    "echo",
    "printf",
    "cat",
    "ls",
    "stat",
    "df",
    "du",
    "sha256sum",
    "wc",
    "head",
    "tail",
    "dd",
    "tar",
    "rm",
    "mkdir",
    "touch",
    "cp",
    "mv",
    "test",
    "[",
    "true",
    "false",
    "sleep",
    "env",
    "printenv",
    "pwd",
    "cd",
    "id",
    "whoami",
    "hostname",
    "date",
    "uname",
    "ps",
    "which",
    "command",
    "grep",
    "tr",
    "nslookup",
    "getent",
    "wget",
    "curl",
    "nc",
    "free",
    "nproc",
    "set",
    "export",
    "chroot",
];

/// Whether an ordinary image has a program of this name.
pub fn known(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    let in_path = !program.contains('/')
        || ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"].iter().any(|p| program == format!("{p}{name}"));
    in_path && (NAMES.contains(&name) || jvm::known(name) || name == "nvidia-smi")
}

/// Whether the command reads stdin.
pub fn reads_input(words: &[&str]) -> bool {
    let all = words.join(" ");
    matches!(
        words.first(),
        Some(&"cat" | &"tar" | &"tee" | &"wc" | &"sha256sum" | &"grep" | &"head" | &"tail")
    ) || all.contains("cat >")
        || all.contains("tar x")
        || all.contains("tar -x")
        || all.contains("base64 -d")
}

/// Runs a program; None if there is none of this name.
pub fn run(s: &mut Session, words: &[&str], input: Source) -> Option<Output> {
    if !known(words[0]) {
        return None;
    }
    let name = words[0].rsplit('/').next().unwrap_or(words[0]);
    let args = &words[1..];
    Some(match name {
        "echo" => echo(args),
        "printf" => {
            Output::text(unescape(args.first().unwrap_or(&"")).replace("%s", args.get(1).unwrap_or(&"")))
        }
        "cat" => cat(s, args, input),
        "ls" => ls(s, args),
        "stat" => stat(s, args),
        "df" => df(s, args),
        "du" => du(s, args),
        "sha256sum" => sha256sum(s, args, input),
        "wc" => wc(s, args, input),
        "head" | "tail" => head_tail(s, name, args, input),
        "dd" => dd(s, args, input),
        "tar" => tar::run(s, args, input),
        "rm" => rm(s, args),
        "mkdir" => each(s, args, "mkdir: can't create directory", |s, p| s.make_dir(p)),
        "touch" => each(s, args, "touch:", |s, p| match s.file(p) {
            Some(_) => Ok(()),
            None => s.put(p, Content::Text(Bytes::new())),
        }),
        "cp" | "mv" => copy(s, name, args),
        "test" => Output { code: i32::from(!test(s, args)), ..Output::nothing() },
        "[" => Output {
            code: i32::from(!test(s, args.strip_suffix(&["]"]).unwrap_or(args))),
            ..Output::nothing()
        },
        "true" | "set" | "export" => Output::nothing(),
        "false" => Output::fail(1, ""),
        "sleep" => {
            let seconds: f64 = args.first().and_then(|a| a.trim_end_matches('s').parse().ok()).unwrap_or(0.0);
            let wait = Duration::try_from_secs_f64(seconds.clamp(0.0, 1e6)).unwrap_or_default();
            Output { out: Box::new(std::iter::once(Piece::Wait(wait))), ..Output::nothing() }
        }
        "pwd" => Output::text(format!("{}\n", s.cwd)),
        "cd" => {
            let to = s.path(args.first().unwrap_or(&"/root"));
            if s.is_dir(&to) {
                s.cwd = to;
                Output::nothing()
            } else {
                Output::fail(2, format!("sh: 1: cd: can't cd to {}\n", args.first().unwrap_or(&"")))
            }
        }
        "which" | "command" => {
            let wanted = args.iter().find(|a| !a.starts_with('-')).unwrap_or(&"");
            if known(wanted) { Output::text(format!("/usr/bin/{wanted}\n")) } else { Output::fail(1, "") }
        }
        "grep" => grep(s, args, input),
        "tr" => {
            let text = drain(input);
            let (from, to) = (unescape(args.first().unwrap_or(&"")), unescape(args.get(1).unwrap_or(&"")));
            let (from, to) = (from.as_bytes().first().copied(), to.as_bytes().first().copied());
            let mapped: Vec<u8> =
                text.iter().map(|b| if Some(*b) == from { to.unwrap_or(*b) } else { *b }).collect();
            Output::bytes(Bytes::from(mapped))
        }
        name if jvm::known(name) => jvm::run(s, name, args),
        _ => system::run(s, name, args),
    })
}

pub(super) fn files<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().copied().filter(|a| !a.starts_with('-') || *a == "-").collect()
}

fn ls(s: &Session, args: &[&str]) -> Output {
    let long = args.iter().any(|a| a.starts_with('-') && a.contains('l'));
    let mut names: Vec<String> = files(args).iter().flat_map(|n| s.glob(n)).collect();
    if names.is_empty() {
        names.push(s.cwd.clone());
    }
    let mut out = String::new();
    let mut output = Output::nothing();
    for name in names {
        let one = |path: &str, shown: &str, out: &mut String| {
            if long {
                let (kind, size, at) = match s.file(path) {
                    Some(f) => ("-rw-r--r--", f.content.size(), f.modified),
                    None => ("drwxr-xr-x", 4096, s.cluster.store.clock().now()),
                };
                let _ = writeln!(out, "{kind} 1 root root {size:>12} {} {shown}", at.strftime("%b %e %H:%M"));
            } else {
                let _ = writeln!(out, "{shown}");
            }
        };
        if s.file(&name).is_some() {
            one(&name, &name, &mut out);
        } else if s.is_dir(&name) {
            for entry in s.names(&name) {
                one(&format!("{}/{entry}", s.path(&name)), &entry, &mut out);
            }
        } else {
            let _ = writeln!(output.err, "ls: cannot access '{name}': No such file or directory");
            output.code = 2;
        }
    }
    output.out = Box::new(std::iter::once(Piece::Data(Bytes::from(out))));
    output
}

fn stat(s: &Session, args: &[&str]) -> Output {
    let format =
        args.iter().position(|a| *a == "-c" || *a == "--format").and_then(|i| args.get(i + 1)).copied();
    let format = format.or_else(|| {
        args.iter()
            .find_map(|a| a.strip_prefix("--format=").or(a.strip_prefix("-c").filter(|f| !f.is_empty())))
    });
    let name = args.last().copied().unwrap_or_default();
    let Some(file) = s.file(name) else {
        if s.is_dir(name) {
            return Output::text("4096\n");
        }
        return Output::fail(1, format!("stat: cannot statx '{name}': No such file or directory\n"));
    };
    let size = file.content.size();
    Output::text(match format {
        Some(f) => format!(
            "{}\n",
            f.replace("%s", &size.to_string())
                .replace("%n", name)
                .replace("%Y", &file.modified.as_second().to_string())
        ),
        None => format!(
            "  File: {name}\n  Size: {size}\tBlocks: {}\tIO Block: 4096   regular file\n",
            size.div_ceil(512)
        ),
    })
}

/// As captured: `df -k` of an overlay.
fn df(s: &Session, args: &[&str]) -> Output {
    let path = files(args).first().map_or("/".to_owned(), |p| s.path(p));
    if !s.is_dir(&path) && s.file(&path).is_none() {
        return Output::fail(1, format!("df: {path}: can't find mount point\n"));
    }
    let (total, used) = s
        .look(|e, run, _| {
            let machine = e.machines.get(&run.node);
            let total = machine.map_or(100e9, |m| m.storage);
            (total / 1024.0, (total * 0.31 + run.disk(e.now())) / 1024.0)
        })
        .unwrap_or((0.0, 0.0));
    let free = (total - used).max(0.0);
    let head = "Filesystem           1K-blocks      Used Available Use% Mounted on";
    let share = (used / total * 100.0).ceil();
    if args.iter().any(|a| a.contains('h')) {
        let g = |k: f64| format!("{:.1}G", k / 1_048_576.0);
        return Output::text(format!(
            "Filesystem                Size      Used Available Use% Mounted on\noverlay {:>22} {:>9} {:>9} {share:>3}% /\n",
            g(total),
            g(used),
            g(free)
        ));
    }
    Output::text(format!(
        "{head}\noverlay {:>22} {:>9} {:>9} {share:>3}% /\n",
        total as u64, used as u64, free as u64
    ))
}

fn du(s: &Session, args: &[&str]) -> Output {
    let name = files(args).first().copied().unwrap_or(".");
    let path = s.path(name);
    let size = s.file(&path).map_or_else(
        || {
            s.names(&path)
                .iter()
                .filter_map(|n| s.file(&format!("{path}/{n}")))
                .map(|f| f.content.size())
                .sum()
        },
        |f| f.content.size(),
    );
    Output::text(format!("{}\t{name}\n", size.div_ceil(1024)))
}

fn rm(s: &Session, args: &[&str]) -> Output {
    let force = args.iter().any(|a| a.starts_with('-') && a.contains('f'));
    let tree = args.iter().any(|a| a.starts_with('-') && (a.contains('r') || a.contains('R')));
    let mut output = Output::nothing();
    for name in files(args).iter().flat_map(|n| s.glob(n)) {
        if s.file(&name).is_some() {
            s.remove(&name, false);
        } else if s.is_dir(&name) && tree {
            s.remove(&name, true);
        } else if s.is_dir(&name) {
            let _ = writeln!(output.err, "rm: cannot remove '{name}': Is a directory");
            output.code = 1;
        } else if !force {
            let _ = writeln!(output.err, "rm: cannot remove '{name}': No such file or directory");
            output.code = 1;
        }
    }
    output
}

fn each(
    s: &Session,
    args: &[&str],
    what: &str,
    f: impl Fn(&Session, &str) -> Result<(), &'static str>,
) -> Output {
    let mut output = Output::nothing();
    for name in files(args) {
        if let Err(why) = f(s, name) {
            let _ = writeln!(output.err, "{what} '{name}': {why}");
            output.code = 1;
        }
    }
    output
}

fn copy(s: &Session, tool: &str, args: &[&str]) -> Output {
    let names = files(args);
    let [from, to] = names.as_slice() else {
        return Output::fail(1, format!("{tool}: missing file operand\n"));
    };
    let Some(file) = s.file(from) else {
        return Output::fail(1, format!("{tool}: cannot stat '{from}': No such file or directory\n"));
    };
    let target = if s.is_dir(to) {
        format!("{}/{}", s.path(to), from.rsplit('/').next().unwrap_or(from))
    } else {
        (*to).to_owned()
    };
    if let Err(why) = s.put(&target, file.content) {
        return Output::fail(1, format!("{tool}: cannot create regular file '{to}': {why}\n"));
    }
    if tool == "mv" {
        s.remove(from, false);
    }
    Output::nothing()
}

fn test(s: &Session, args: &[&str]) -> bool {
    let number = |t: &str| t.parse::<i64>().unwrap_or(0);
    match args {
        ["!", rest @ ..] => !test(s, rest),
        ["-f" | "-s" | "-r", path] => s.file(path).is_some(),
        ["-e", path] => s.file(path).is_some() || s.is_dir(path),
        ["-d", path] => s.is_dir(path),
        ["-n", text] => !text.is_empty(),
        ["-z", text] => text.is_empty(),
        [a, "=" | "==", b] => a == b,
        [a, "!=", b] => a != b,
        [a, "-eq", b] => number(a) == number(b),
        [a, "-ne", b] => number(a) != number(b),
        [a, "-gt", b] => number(a) > number(b),
        [a, "-ge", b] => number(a) >= number(b),
        [a, "-lt", b] => number(a) < number(b),
        [a, "-le", b] => number(a) <= number(b),
        [text] => !text.is_empty(),
        _ => false,
    }
}
