//! `khud import k9s`: takes a k9s configuration over, and lists what it could not take.

use std::path::{Path, PathBuf};

use super::{exit, out};
use crate::config::Config;
use crate::config::document::LARGEST;
use crate::config::files::Places;
use crate::config::k9s::{self, Imported, Source};
use crate::config::own::to_toml;

/// Files read at most: a directory that is none of k9s's is not read through.
const MOST: usize = 500;

pub fn run(dir: Option<&Path>, write: bool) -> u8 {
    let Some(dir) = dir.map(Path::to_path_buf).or_else(home) else {
        out::complain("there is no home directory to look for k9s's configuration in; name its directory");
        return exit::USAGE;
    };
    let files = match read(&dir) {
        Ok(files) => files,
        Err(why) => {
            out::complain(&why);
            return exit::USAGE;
        }
    };
    let imported = k9s::import(&files);
    for sentence in &imported.left_out {
        out::complain(&format!("not taken: {sentence}"));
    }
    match write {
        true => match keep(&imported) {
            Ok(said) => out::result(&said),
            Err(why) => {
                out::complain(&why);
                exit::FAILED
            }
        },
        false => out::result(&shown(&imported)),
    }
}

/// Where k9s keeps its configuration.
fn home() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let named = std::env::var_os("K9S_CONFIG_DIR").filter(|v| !v.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(etcetera::choose_base_strategy().ok()?.config_dir().join("k9s")))
}

/// The files of the directory that k9s reads.
fn read(dir: &Path) -> Result<Vec<Source>, String> {
    let mut files = Vec::new();
    for folder in ["", "plugins", "skins"] {
        let folder_path = dir.join(folder);
        let entries = match std::fs::read_dir(&folder_path) {
            Ok(entries) => entries,
            Err(_) if !folder.is_empty() => continue,
            Err(why) => return Err(format!("cannot read {}: {why}", dir.display())),
        };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        names.retain(|n| n.ends_with(".yaml") || n.ends_with(".yml"));
        names.sort();
        for name in names.into_iter().take(MOST) {
            let path = folder_path.join(&name);
            if std::fs::metadata(&path).is_ok_and(|m| m.len() > LARGEST as u64) {
                return Err(format!("{} is larger than {LARGEST} bytes", path.display()));
            }
            let text =
                std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
            files.push((Path::new(folder).join(name).to_string_lossy().into_owned(), text));
        }
    }
    if files.is_empty() {
        return Err(format!("{} has no YAML files: is it k9s's directory?", dir.display()));
    }
    Ok(files)
}

/// All of it, as files have it.
fn shown(imported: &Imported) -> String {
    let mut text = format!("# for config.toml\n{}", to_toml(&imported.own));
    for (name, theme) in &imported.themes {
        text.push_str(&format!("# for themes/{name}.toml\n{theme}\n"));
    }
    text
}

/// Adds it to khud's configuration. A file is written only where the whole of it still reads, and no theme is replaced.
fn keep(imported: &Imported) -> Result<String, String> {
    let places = Places::find().ok_or("there is no home directory to write khud's configuration to")?;
    let path = places.config_file();
    let before = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(format!("cannot read {}: {e}", path.display())),
    };
    let own = to_toml(&imported.own);
    let text = match (before.trim().is_empty(), own.is_empty()) {
        (true, _) => own.clone(),
        (_, true) => before.clone(),
        _ => format!("{}\n\n{own}", before.trim_end()),
    };
    if let Err(problems) = Config::from_toml(&path.to_string_lossy(), &text) {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        return Err(format!(
            "{} would not read any more with it, so nothing was written ({first}); `khud import k9s` without --write prints what to add",
            path.display()
        ));
    }
    let mut said = String::new();
    if text != before {
        put(&path, &text)?;
        said.push_str(&format!("added to {}\n", path.display()));
    }
    for (name, theme) in &imported.themes {
        let path = places.theme_file(name);
        if path.exists() {
            out::complain(&format!("not taken: {} is there already", path.display()));
            continue;
        }
        put(&path, theme)?;
        said.push_str(&format!("wrote {}\n", path.display()));
    }
    Ok(said)
}

fn put(path: &Path, text: &str) -> Result<(), String> {
    let fails = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fails)?;
    }
    std::fs::write(path, text).map_err(fails)
}
