//! Reads a bundle of evidence: a compressed tar of texts, held in memory and never unpacked to disk.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// The most bytes that a bundle may hold unpacked: a small file can claim to be a large one.
const LARGEST: u64 = 256 << 20;

/// The first bytes of a zstd frame.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A bundle's texts, in their order: the index comes first.
#[derive(Debug, Default)]
pub struct Bundle {
    /// Name and text of each. Names come from the file and are no paths of this machine.
    pub texts: Vec<(String, String)>,
    /// Why the rest could not be read, where the file is damaged.
    pub damaged: Option<String>,
}

/// Whether a file begins as a bundle does.
pub fn is_bundle(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut f| f.read_exact(&mut magic)).is_ok() && magic == MAGIC
}

impl Bundle {
    /// Reads the whole file.
    ///
    /// # Errors
    /// A sentence: the file cannot be opened, is no bundle, or nothing of it can be read.
    pub fn open(path: &Path) -> Result<Bundle, String> {
        let tell = |why: &dyn std::fmt::Display| format!("cannot read {}: {why}", path.display());
        let file = File::open(path).map_err(|e| tell(&e))?;
        let mut bundle = Bundle::read(BufReader::new(file));
        if bundle.texts.is_empty() {
            let why = bundle.damaged.take();
            return Err(tell(&why.unwrap_or_else(|| "it holds no texts".to_owned())));
        }
        Ok(bundle)
    }

    fn read(from: impl Read) -> Bundle {
        let mut out = Bundle::default();
        out.damaged = out.fill(from).err();
        out
    }

    /// Takes texts in until the end, or until one cannot be read.
    fn fill(&mut self, from: impl Read) -> Result<(), String> {
        let plain = ruzstd::decoding::StreamingDecoder::new(from)
            .map_err(|e| format!("it is no bundle: it is not compressed as one ({e})"))?;
        let mut tar = tar::Archive::new(plain.take(LARGEST));
        let broken = |n: usize, e: std::io::Error| format!("it is damaged behind its text number {n}: {e}");
        for entry in tar.entries().map_err(|e| broken(0, e))? {
            let n = self.texts.len();
            let mut entry = entry.map_err(|e| broken(n, e))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut bytes = Vec::new();
            // What was read of a text that breaks off is evidence, too.
            let end = entry.read_to_end(&mut bytes);
            self.texts.push((name, String::from_utf8_lossy(&bytes).into_owned()));
            end.map_err(|e| broken(n, e))?;
        }
        Ok(())
    }

    /// The text of that name, or the only one whose name ends so.
    ///
    /// # Errors
    /// A sentence: there is none, or there are several.
    pub fn text(&self, name: &str) -> Result<&str, String> {
        if let Some((_, text)) = self.texts.iter().find(|(n, _)| n == name) {
            return Ok(text);
        }
        let like: Vec<&(String, String)> = self.texts.iter().filter(|(n, _)| n.ends_with(name)).collect();
        match like[..] {
            [(_, text)] => Ok(text),
            [] => Err(format!("the bundle has no text {name:?}; its index lists them")),
            _ => {
                let names: Vec<&str> = like.iter().take(5).map(|(n, _)| n.as_str()).collect();
                Err(format!("several texts end with {name:?}: {}", names.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bundle made with the same libraries, so that its bytes are known to be whole.
    fn bundle() -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in
            [("index.md", "# Evidence\n"), ("logs/pod/a/app.log", "one\ntwo\n"), ("../../etc/x", "?")]
        {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            // Names that leave the folder are refused by the library's own setter; an attacker has none.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, text.as_bytes()).unwrap();
        }
        let tar = tar.into_inner().unwrap();
        ruzstd::encoding::compress_to_vec(tar.as_slice(), ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn texts_are_found_by_name_or_by_its_end() {
        let bundle = Bundle::read(bundle().as_slice());
        assert_eq!(bundle.damaged, None);
        assert_eq!(bundle.texts.len(), 3);
        assert_eq!(bundle.text("index.md").unwrap(), "# Evidence\n");
        assert_eq!(bundle.text("app.log").unwrap(), "one\ntwo\n");
        assert_eq!(bundle.text("../../etc/x").unwrap(), "?", "a name is only a name");
        assert!(bundle.text("nothing").unwrap_err().contains("has no text"));
    }

    #[test]
    fn a_damaged_file_gives_what_is_whole_and_never_panics() {
        let whole = bundle();
        for cut in 0..whole.len() {
            let read = Bundle::read(&whole[..cut]);
            assert!(read.damaged.is_some() || read.texts.len() == 3, "{cut} of {} bytes", whole.len());
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x55;
            let _ = Bundle::read(flipped.as_slice());
        }
        assert!(Bundle::read(&b"# not a bundle"[..]).damaged.unwrap().contains("it is no bundle"));
    }
}
