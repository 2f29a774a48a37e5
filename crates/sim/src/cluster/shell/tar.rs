//! tar in the ustar format, as far as `kubectl cp` needs it.
use bytes::{Bytes, BytesMut};

use super::super::files::{Content, File};
use super::disk::blocks;
use super::{Output, Piece, Session, Source, drain};

const BLOCK: usize = 512;

pub fn run(s: &Session, args: &[&str], input: Source) -> Output {
    let Some((mode, rest)) = args.split_first() else {
        return Output::fail(2, "tar: must specify one of -c, -r, -t, -u, -x\n");
    };
    let mut archive = None;
    let mut dir = s.cwd.clone();
    let mut names = Vec::new();
    let mut i = 0;
    let flags = mode.trim_start_matches('-');
    if flags.ends_with('f') {
        archive = rest.first().copied();
        i = 1;
    }
    while i < rest.len() {
        match rest[i] {
            "-f" => {
                archive = rest.get(i + 1).copied();
                i += 1;
            }
            "-C" => {
                dir = rest.get(i + 1).map_or_else(|| dir.clone(), |d| s.path(d));
                i += 1;
            }
            a if a.starts_with('-') => {}
            a => names.push(a),
        }
        i += 1;
    }
    match flags.chars().next() {
        Some('c') => create(s, &dir, &names, archive),
        Some('x' | 't') => extract(s, &dir, flags.starts_with('t'), archive, input),
        _ => Output::fail(2, "tar: must specify one of -c, -r, -t, -u, -x\n"),
    }
}

fn create(s: &Session, dir: &str, names: &[&str], archive: Option<&str>) -> Output {
    let mut out: Source = Box::new(std::iter::empty());
    let mut output = Output::nothing();
    for name in names {
        let full = super::super::files::absolute(dir, name);
        let mut members = Vec::new();
        collect(s, &full, &mut members, 0);
        if members.is_empty() && !s.is_dir(&full) {
            output.err.push_str(&format!("tar: {name}: Cannot stat: No such file or directory\n"));
            output.code = 2;
        }
        if name.starts_with('/') {
            output.err.push_str("tar: removing leading '/' from member names\n");
        }
        for (path, file) in members {
            let shown = match path.strip_prefix(&full) {
                Some(rest) => format!("{}{rest}", name.trim_start_matches('/')),
                None => path.trim_start_matches('/').to_owned(),
            };
            let size = file.content.size();
            let pad = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
            let head = header(&shown, size, file.modified.as_second());
            let tail = Bytes::from(vec![0_u8; pad as usize]);
            out = Box::new(
                out.chain(std::iter::once(Piece::Data(head)))
                    .chain(blocks(file.content, 0))
                    .chain(std::iter::once(Piece::Data(tail))),
            );
        }
    }
    out = Box::new(out.chain(std::iter::once(Piece::Data(Bytes::from(vec![0_u8; 2 * BLOCK])))));
    match archive {
        None | Some("-") => output.out = out,
        Some(path) => {
            if let Some(why) = s.write(path, drain(out), false) {
                output.err.push_str(&format!("tar: {path}: Cannot open: {why}\n"));
                output.code = 2;
            }
        }
    }
    output
}

fn collect(s: &Session, path: &str, found: &mut Vec<(String, File)>, depth: usize) {
    if let Some(file) = s.file(path) {
        found.push((path.to_owned(), file));
    } else if depth < 16 && s.is_dir(path) {
        for name in s.names(path) {
            collect(s, &format!("{}/{name}", path.trim_end_matches('/')), found, depth + 1);
        }
    }
}

fn header(name: &str, size: u64, modified: i64) -> Bytes {
    let mut h = BytesMut::zeroed(BLOCK);
    let mut put = |at: usize, text: &str, room: usize| {
        let bytes = &text.as_bytes()[..text.len().min(room)];
        h[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(0, name, 100);
    put(100, "0000644\0", 8);
    put(108, "0000000\0", 8);
    put(116, "0000000\0", 8);
    put(124, &format!("{size:011o}\0"), 12);
    put(136, &format!("{:011o}\0", modified.max(0)), 12);
    put(148, "        ", 8);
    put(156, "0", 1);
    put(257, "ustar\x0000", 8);
    put(265, "root", 32);
    put(297, "root", 32);
    let sum: u32 = h.iter().map(|b| u32::from(*b)).sum();
    let text = format!("{sum:06o}\0 ");
    h[148..156].copy_from_slice(text.as_bytes());
    h.freeze()
}

fn extract(s: &Session, dir: &str, list_only: bool, archive: Option<&str>, input: Source) -> Output {
    let data = match archive {
        None | Some("-") => drain(input),
        Some(path) => match s.read(path) {
            Ok(source) => drain(source),
            Err(why) => return Output::fail(2, format!("tar: {path}: Cannot open: {why}\n")),
        },
    };
    let field = |h: &[u8]| String::from_utf8_lossy(h).trim_matches(['\0', ' ']).to_owned();
    let mut at = 0;
    let mut listing = String::new();
    while at + BLOCK <= data.len() {
        let head = data.slice(at..at + BLOCK);
        if head.iter().all(|b| *b == 0) {
            break;
        }
        let name = field(&head[..100]);
        let Ok(size) = usize::from_str_radix(&field(&head[124..136]), 8) else {
            return Output::fail(2, "tar: This does not look like a tar archive\n");
        };
        at += BLOCK;
        let end = at.saturating_add(size);
        if end > data.len() {
            return Output::fail(2, "tar: Unexpected EOF in archive\n");
        }
        let path = super::super::files::absolute(dir, name.trim_start_matches('/'));
        listing.push_str(&name);
        listing.push('\n');
        if !list_only {
            make_parents(s, &path);
            let result = match head[156] {
                b'5' => s.make_dir(&path),
                _ => s.put(&path, Content::Text(data.slice(at..end))),
            };
            if let Err(why) = result {
                return Output::fail(2, format!("tar: {name}: Cannot open: {why}\n"));
            }
        }
        at = end.next_multiple_of(BLOCK);
    }
    if list_only { Output::text(listing) } else { Output::nothing() }
}

/// Creates the parent directories of a member, as tar does.
fn make_parents(s: &Session, path: &str) {
    for (i, _) in path.match_indices('/').skip(1) {
        if !s.is_dir(&path[..i]) {
            // If this fails, the member fails too and reports why.
            let _ = s.make_dir(&path[..i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_tar_reads() {
        let h = header("tmp/a.hprof", 32_348_539, 0);
        assert_eq!(&h[124..136], b"00173314573\0");
        let sum: u32 =
            h.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
        assert_eq!(&h[148..156], format!("{sum:06o}\0 ").as_bytes());
    }
}
