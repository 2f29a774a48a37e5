//! Where the files are, reading them all, and noticing that one changed.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use etcetera::BaseStrategy;

use super::document::{LARGEST, Level, Problem, hint, quote};
use super::keymap::Keymap;
use super::settings::Config;
use super::sheet::{BUILT_IN, Sheet};

/// The directories khud reads from and writes to.
#[derive(Debug, Clone)]
pub struct Places {
    /// config.toml, keymap.toml, themes/, playbooks/.
    pub config: PathBuf,
    /// Log, journal, timeline.
    pub state: PathBuf,
}

impl Places {
    /// `$KHUD_CONFIG_DIR` and `$KHUD_STATE_DIR`, else khud's directories under the XDG ones; `None` where there is
    /// no home directory to look in.
    pub fn find() -> Option<Places> {
        let named = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let xdg = etcetera::choose_base_strategy().ok();
        let config = named("KHUD_CONFIG_DIR").or_else(|| Some(xdg.as_ref()?.config_dir().join("khud")))?;
        let state = named("KHUD_STATE_DIR").or_else(|| {
            let xdg = xdg.as_ref()?;
            Some(xdg.state_dir().unwrap_or_else(|| xdg.data_dir()).join("khud"))
        })?;
        Some(Places { config, state })
    }

    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    pub fn keymap_file(&self) -> PathBuf {
        self.config.join("keymap.toml")
    }

    pub fn theme_file(&self, name: &str) -> PathBuf {
        self.config.join("themes").join(format!("{name}.toml"))
    }
}

/// All the user may configure, read; whatever was refused is at its default, with the reason in `problems`.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    pub config: Config,
    pub keymap: Keymap,
    pub problems: Vec<Problem>,
}

/// Reads config.toml and keymap.toml. A file that is not there is no problem.
pub fn load(places: &Places) -> Loaded {
    let mut loaded = Loaded::default();
    let path = places.config_file();
    match read(&path) {
        Ok(None) => {}
        Ok(Some(text)) => match Config::from_toml(&path.to_string_lossy(), &text) {
            Ok(config) => {
                loaded.problems.extend(config.warnings.iter().cloned());
                loaded.config = config;
            }
            Err(problems) => loaded.problems.extend(problems),
        },
        Err(problem) => loaded.problems.push(problem),
    }
    let path = places.keymap_file();
    match read(&path) {
        Ok(None) => {}
        Ok(Some(text)) => match Keymap::from_toml(&path.to_string_lossy(), &text) {
            Ok((keymap, warnings)) => {
                loaded.keymap = keymap;
                loaded.problems.extend(warnings);
            }
            Err(problems) => loaded.problems.extend(problems),
        },
        Err(problem) => loaded.problems.push(problem),
    }
    loaded
}

/// A theme by name: the user's file of that name, else one khud carries, else a path to a file.
///
/// # Errors
/// Why there is none, or everything wrong in its file.
pub fn theme(places: Option<&Places>, name: &str) -> Result<(Sheet, Vec<Problem>), Vec<Problem>> {
    let plain = !name.contains(['/', '\\']) && !name.starts_with('.');
    let own = places.filter(|_| plain).map(|p| p.theme_file(name));
    let path = own.unwrap_or_else(|| PathBuf::from(name));
    let find = |name: &str| read(&places?.theme_file(name)).ok().flatten();
    match read(&path) {
        Ok(Some(text)) => Sheet::from_toml(name, &path.to_string_lossy(), &text, &find),
        Ok(None) => Sheet::built_in(name).map(|sheet| (sheet, Vec::new())).ok_or_else(|| {
            let hint = hint(name, BUILT_IN.iter().map(|(n, _)| *n));
            let names: Vec<&str> = BUILT_IN.iter().map(|(n, _)| *n).collect();
            let text = format!("there is no theme {}; khud carries {}{hint}", quote(name), names.join(", "));
            vec![problem(&path, text)]
        }),
        Err(problem) => Err(vec![problem]),
    }
}

/// Names of every theme that can be chosen, the user's own first.
pub fn theme_names(places: Option<&Places>) -> Vec<String> {
    let mut names: Vec<String> = places
        .and_then(|p| fs::read_dir(p.config.join("themes")).ok())
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .filter(|name| !name.chars().any(char::is_control))
        .collect();
    names.sort();
    names.extend(
        BUILT_IN.iter().map(|(n, _)| (*n).to_owned()).filter(|n| !names.contains(n)).collect::<Vec<_>>(),
    );
    names
}

fn problem(path: &Path, text: String) -> Problem {
    Problem { file: path.to_string_lossy().into_owned(), line: 1, level: Level::Error, text }
}

/// The file's text; `None` where there is no file.
fn read(path: &Path) -> Result<Option<String>, Problem> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(problem(path, format!("the file could not be opened: {e}"))),
    };
    let mut bytes = Vec::new();
    // One byte more than is taken, so that a larger file is seen to be larger.
    file.take(LARGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| problem(path, format!("the file could not be read: {e}")))?;
    String::from_utf8(bytes).map(Some).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes()[..good].iter().filter(|b| **b == b'\n').count();
        Problem { line, ..problem(path, "the file is not UTF-8 text".to_owned()) }
    })
}

/// Remembers when files last changed, so that asking again costs one `stat` each.
#[derive(Debug, Default)]
pub struct Watch {
    files: Vec<(PathBuf, Option<SystemTime>)>,
}

impl Watch {
    /// Watches the configuration, the keymap and the theme in use.
    pub fn new(places: &Places, theme: &str) -> Watch {
        let files = [places.config_file(), places.keymap_file(), places.theme_file(theme)];
        Watch { files: files.into_iter().map(|f| (f.clone(), modified(&f))).collect() }
    }

    /// True once after a file changed, appeared or went away.
    pub fn changed(&mut self) -> bool {
        let mut any = false;
        for (file, seen) in &mut self.files {
            let now = modified(file);
            any |= now != *seen;
            *seen = now;
        }
        any
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|m| m.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> (tempfile::TempDir, Places) {
        let dir = tempfile::tempdir().unwrap();
        let places = Places { config: dir.path().join("config"), state: dir.path().join("state") };
        fs::create_dir_all(places.config.join("themes")).unwrap();
        (dir, places)
    }

    #[test]
    fn what_is_refused_leaves_its_default_and_says_so_with_its_file() {
        let (_dir, places) = places();
        assert!(load(&places).problems.is_empty(), "no file is no problem");
        fs::write(places.config_file(), "mouse = true\n").unwrap();
        fs::write(places.keymap_file(), b"why = 'W'\n# \xff\n").unwrap();
        let loaded = load(&places);
        assert!(loaded.config.for_context("x").mouse);
        assert_eq!(loaded.problems.len(), 1);
        assert_eq!(loaded.problems[0].line, 2);
        assert!(loaded.problems[0].file.ends_with("keymap.toml"));
        assert!(loaded.problems[0].text.contains("UTF-8"));
    }

    #[test]
    fn a_users_theme_comes_before_a_shipped_one_and_may_build_on_it() {
        let (_dir, places) = places();
        let own = "inherits = 'nord'\n[palette]\nred = '#ff0000'\n";
        fs::write(places.theme_file("mine"), own).unwrap();
        let (sheet, _) = theme(Some(&places), "mine").unwrap();
        assert_ne!(sheet.pair("error"), Sheet::built_in("nord").unwrap().pair("error"));
        assert_eq!(sheet.pair("text"), Sheet::built_in("nord").unwrap().pair("text"));
        assert_eq!(theme_names(Some(&places))[0], "mine");
        let said = theme(Some(&places), "norf").unwrap_err();
        assert!(said[0].text.ends_with("did you mean \"nord\"?"), "{}", said[0]);
        assert!(theme(None, "../../etc/passwd").is_err());
    }

    #[test]
    fn a_change_is_noticed_once() {
        let (_dir, places) = places();
        let mut watch = Watch::new(&places, "dark");
        assert!(!watch.changed());
        fs::write(places.config_file(), "").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
        fs::remove_file(places.config_file()).unwrap();
        assert!(watch.changed());
    }
}
