//! Filter programs: cat, wc, head, tail, dd, sha256sum, grep.
use std::fmt::Write as _;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::disk::blocks;
use super::tools::files;
use super::{Output, Piece, Session, Source, drain};

pub(super) fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\0", "\0")
}

pub(super) fn echo(args: &[&str]) -> Output {
    match args.first() {
        Some(&"-n") => Output::text(args[1..].join(" ")),
        Some(&"-e") => Output::text(format!("{}\n", unescape(&args[1..].join(" ")))),
        _ => Output::text(format!("{}\n", args.join(" "))),
    }
}

pub(super) fn cat(s: &Session, args: &[&str], input: Source) -> Output {
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

pub(super) fn sha256sum(s: &Session, args: &[&str], input: Source) -> Output {
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

pub(super) fn wc(s: &Session, args: &[&str], input: Source) -> Output {
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

pub(super) fn head_tail(s: &Session, tool: &str, args: &[&str], input: Source) -> Output {
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
    // Offsets are sought without reading the bytes before them.
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

pub(super) fn dd(s: &Session, args: &[&str], input: Source) -> Output {
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

pub(super) fn grep(s: &Session, args: &[&str], input: Source) -> Output {
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
