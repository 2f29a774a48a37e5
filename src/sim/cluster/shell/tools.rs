//! The small programs: files, text, tests.
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::super::files::Content;
use super::disk::blocks;
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

/// Is there a program of this name in an ordinary image?
pub fn known(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    let in_path = !program.contains('/')
        || ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"].iter().any(|p| program == format!("{p}{name}"));
    in_path && (NAMES.contains(&name) || jvm::known(name) || name == "nvidia-smi")
}

/// Does the command read what the client sends?
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

fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\0", "\0")
}

fn echo(args: &[&str]) -> Output {
    match args.first() {
        Some(&"-n") => Output::text(args[1..].join(" ")),
        Some(&"-e") => Output::text(format!("{}\n", unescape(&args[1..].join(" ")))),
        _ => Output::text(format!("{}\n", args.join(" "))),
    }
}

fn files<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().copied().filter(|a| !a.starts_with('-') || *a == "-").collect()
}

fn cat(s: &Session, args: &[&str], input: Source) -> Output {
    let names = files(args);
    if names.is_empty() || names == ["-"] {
        return Output { out: input, ..Output::nothing() };
    }
    let mut out: Source = Box::new(std::iter::empty());
    let mut output = Output::nothing();
    for name in names.iter().flat_map(|n| s.glob(n)) {
        match s.read(&name) {
            Ok(source) => out = Box::new(out.chain(source)),
            Err(why) => {
                let _ = writeln!(output.err, "cat: {name}: {why}");
                output.code = 1;
            }
        }
    }
    output.out = out;
    output
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

fn sha256sum(s: &Session, args: &[&str], input: Source) -> Output {
    let mut output = Output::nothing();
    let mut out = String::new();
    let names = files(args);
    let sum = |source: Source| {
        let mut hash = Sha256::new();
        for piece in source {
            if let Piece::Data(data) = piece {
                hash.update(&data);
            }
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    if names.is_empty() || names == ["-"] {
        return Output::text(format!("{}  -\n", sum(input)));
    }
    for name in names {
        match s.read(name) {
            Ok(source) => {
                let _ = writeln!(out, "{}  {name}", sum(source));
            }
            Err(why) => {
                let _ = writeln!(output.err, "sha256sum: {name}: {why}");
                output.code = 1;
            }
        }
    }
    output.out = Box::new(std::iter::once(Piece::Data(Bytes::from(out))));
    output
}

fn wc(s: &Session, args: &[&str], input: Source) -> Output {
    let name = files(args).first().copied();
    let source = match name.map(|n| s.read(n)) {
        None => input,
        Some(Ok(source)) => source,
        Some(Err(why)) => return Output::fail(1, format!("wc: {}: {why}\n", name.unwrap_or_default())),
    };
    let (mut bytes, mut lines) = (0_u64, 0_u64);
    for piece in source {
        if let Piece::Data(data) = piece {
            bytes += data.len() as u64;
            lines += data.iter().filter(|b| **b == b'\n').count() as u64;
        }
    }
    let shown = if args.iter().any(|a| a.contains('l')) { lines } else { bytes };
    Output::text(match name {
        Some(name) => format!("{shown} {name}\n"),
        None => format!("{shown}\n"),
    })
}

fn head_tail(s: &Session, tool: &str, args: &[&str], input: Source) -> Output {
    let (mut unit, mut count, mut name) = ('n', "10".to_owned(), None);
    let mut i = 0;
    while i < args.len() {
        match args[i] {
            "-c" | "-n" => {
                unit = if args[i] == "-c" { 'c' } else { 'n' };
                count = args.get(i + 1).map_or(String::new(), |c| (*c).to_owned());
                i += 1;
            }
            a if a.starts_with("-c") || a.starts_with("-n") => {
                unit = if a.starts_with("-c") { 'c' } else { 'n' };
                count = a[2..].to_owned();
            }
            a if a.starts_with('-') && a.len() > 1 => count = a[1..].to_owned(),
            a => name = Some(a),
        }
        i += 1;
    }
    let from_start = count.starts_with('+');
    let Ok(n) = count.trim_start_matches('+').parse::<u64>() else {
        return Output::fail(1, format!("{tool}: invalid number '{count}'\n"));
    };
    let file = name.map(|n| (n, s.file(n)));
    if let Some((name, None)) = &file {
        return Output::fail(1, format!("{tool}: {name}: No such file or directory\n"));
    }
    let content = file.and_then(|f| f.1).map(|f| f.content);
    // Offsets into files are reached without reading what is before them.
    let out: Source = match (tool, unit, content) {
        ("head", 'c', content) => take_bytes(content.map_or(input, |c| blocks(c, 0)), n),
        ("tail", 'c', Some(c)) if from_start => blocks(c, n.saturating_sub(1)),
        ("tail", 'c', Some(c)) => {
            let at = c.size().saturating_sub(n);
            blocks(c, at)
        }
        ("tail", 'c', None) if from_start => skip_bytes(input, n.saturating_sub(1)),
        (tool, unit, content) => {
            let text = drain(content.map_or(input, |c| blocks(c, 0)));
            return Output::bytes(by_lines(tool, unit, n, from_start, &text));
        }
    };
    Output { out, ..Output::nothing() }
}

fn by_lines(tool: &str, unit: char, n: u64, from_start: bool, text: &Bytes) -> Bytes {
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    if unit == 'c' {
        return text.slice(text.len().saturating_sub(n)..);
    }
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    let chosen = match (tool, from_start) {
        ("head", _) => &lines[..n.min(lines.len())],
        (_, true) => &lines[n.saturating_sub(1).min(lines.len())..],
        _ => &lines[lines.len().saturating_sub(n)..],
    };
    Bytes::from(chosen.concat())
}

pub fn take_bytes(source: Source, mut left: u64) -> Source {
    Box::new(source.map_while(move |piece| match piece {
        Piece::Data(data) => {
            let keep = left.min(data.len() as u64);
            left -= keep;
            (keep > 0).then(|| Piece::Data(data.slice(..keep as usize)))
        }
        wait => Some(wait),
    }))
}

fn skip_bytes(source: Source, mut skip: u64) -> Source {
    Box::new(source.map(move |piece| match piece {
        Piece::Data(data) => {
            let drop = skip.min(data.len() as u64);
            skip -= drop;
            Piece::Data(data.slice(drop as usize..))
        }
        wait => wait,
    }))
}

fn dd(s: &Session, args: &[&str], input: Source) -> Output {
    let get = |key: &str| args.iter().find_map(|a| a.strip_prefix(key));
    let size = |text: &str| -> Option<u64> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let scale = match &text[split..] {
            "" => 1,
            "k" | "K" => 1 << 10,
            "M" => 1 << 20,
            "G" => 1 << 30,
            _ => return None,
        };
        text[..split].parse::<u64>().ok().map(|n| n * scale)
    };
    let block = match get("bs=").map(size) {
        None => 512,
        Some(Some(block)) if block > 0 => block,
        Some(_) => {
            return Output::fail(1, format!("dd: invalid number '{}'\n", get("bs=").unwrap_or_default()));
        }
    };
    let skip = get("skip=").and_then(size).unwrap_or(0) * block;
    let count = get("count=").and_then(size).map(|c| c * block);
    let (source, length) = match get("if=") {
        Some(name) => match s.file(name) {
            Some(file) => {
                let left = file.content.size().saturating_sub(skip);
                (blocks(file.content, skip), left.min(count.unwrap_or(u64::MAX)))
            }
            None => match s.read(name) {
                Ok(source) => (source, count.unwrap_or(0)),
                Err(why) => return Output::fail(1, format!("dd: failed to open '{name}': {why}\n")),
            },
        },
        None => (skip_bytes(input, skip), count.unwrap_or(0)),
    };
    let source = match count {
        Some(count) => take_bytes(source, count),
        None => source,
    };
    let err = format!(
        "{}+{} records in\n{}+{} records out\n",
        length / block,
        u64::from(length % block > 0),
        length / block,
        u64::from(length % block > 0)
    );
    if let Some(target) = get("of=") {
        return match s.write(target, drain(source), false) {
            None => Output { err, ..Output::nothing() },
            Some(why) => Output::fail(1, format!("dd: failed to open '{target}': {why}\n")),
        };
    }
    Output { out: source, err, code: 0 }
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

fn grep(s: &Session, args: &[&str], input: Source) -> Output {
    let words = files(args);
    let Some((pattern, names)) = words.split_first() else { return Output::fail(2, "grep: no pattern\n") };
    let has = |f: char| args.iter().any(|a| a.starts_with('-') && a.contains(f));
    let pattern = if has('i') { format!("(?i){pattern}") } else { (*pattern).to_owned() };
    let Ok(regex) = regex::Regex::new(&pattern) else {
        return Output::fail(2, format!("grep: bad regex '{pattern}'\n"));
    };
    let text = match names.first() {
        Some(name) => match s.read(name) {
            Ok(source) => drain(source),
            Err(why) => return Output::fail(2, format!("grep: {name}: {why}\n")),
        },
        None => drain(input),
    };
    let text = String::from_utf8_lossy(&text);
    let found: Vec<&str> = text.lines().filter(|l| regex.is_match(l) != has('v')).collect();
    let code = i32::from(found.is_empty());
    let out = if has('c') {
        format!("{}\n", found.len())
    } else if has('q') || found.is_empty() {
        String::new()
    } else {
        format!("{}\n", found.join("\n"))
    };
    Output { code, ..Output::text(out) }
}
