//! Writes a bundle: texts without secrets in a compressed tar, the index first.

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::{File, INDEX};
use crate::world::redact::{MASK, redact};

/// The archive's bytes. `texts` begins with the index, which is completed by what was taken out of the others.
///
/// # Errors
/// A sentence about a name that tar cannot hold.
pub fn write(texts: &[File], at: i64) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(texts.len());
    let mut hidden = String::new();
    for File { name, text } in texts {
        let before = text.matches(MASK).count();
        let clean = redact(text).into_owned();
        let found = clean.matches(MASK).count().saturating_sub(before);
        if found > 0 {
            hidden
                .push_str(&format!("- {name}: {found} times what looks like a token, a password or a key\n"));
        }
        out.push((name.as_str(), clean));
    }
    if let Some((_, index)) = out.iter_mut().find(|(name, _)| *name == INDEX) {
        index.push_str(if hidden.is_empty() {
            "- nothing in the texts looked like a secret\n"
        } else {
            &hidden
        });
    }
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in &out {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(at).unwrap_or(0));
        tar.append_data(&mut header, name, text.as_bytes())
            .map_err(|e| format!("cannot pack {name}: {e}"))?;
    }
    let tar = tar.into_inner().map_err(|e| format!("cannot pack the bundle: {e}"))?;
    Ok(compress_to_vec(tar.as_slice(), CompressionLevel::Fastest))
}
