//! Finds khud's directories, reads all configuration files, and notices when one changes.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use etcetera::BaseStrategy;

use super::document::{LARGEST, Level, Problem, hint, quote};
use super::keymap::Keymap;
use super::settings::Config;
use super::sheet::{BUILT_IN, Sheet};

/// The directories khud reads and writes.
#[derive(Debug, Clone)]
pub struct Places {
    /// config.toml, keymap.toml, rules.yaml, themes/, playbooks/.
    pub config: PathBuf,
    /// Log, journal, timeline.
    pub state: PathBuf,
}

impl Places {
    /// `$KHUD_CONFIG_DIR` and `$KHUD_STATE_DIR`, else khud's directories in the XDG directories; `None`
    /// without a home directory.
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

    pub fn rules_file(&self) -> PathBuf {
        self.config.join("rules.yaml")
    }

    pub fn theme_file(&self, name: &str) -> PathBuf {
        self.config.join("themes").join(format!("{name}.toml"))
    }
}

/// The configuration. A rejected file is `None`, with the reason in `problems`. At the start its default
/// applies, after a reload its last valid content.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    pub config: Option<Config>,
    pub keymap: Option<Keymap>,
    /// The user's own themes, by name.
    pub themes: BTreeMap<String, Sheet>,
    /// The text of the user's own rules; empty without a file. `detect` parses it.
    pub rules: Option<String>,
    pub problems: Vec<Problem>,
}

/// The most themes of the user that are read.
const THEMES: usize = 64;

/// Reads config.toml, keymap.toml, rules.yaml and the themes. A missing file is not a problem.
pub fn load(places: &Places) -> Loaded {
    let mut loaded = Loaded::default();
    let path = places.config_file();
    match read(&path) {
        Ok(None) => loaded.config = Some(Config::default()),
        Ok(Some(text)) => match Config::from_toml(&path.to_string_lossy(), &text) {
            Ok(config) => {
                loaded.problems.extend(config.warnings.iter().cloned());
                loaded.config = Some(config);
            }
            Err(problems) => loaded.problems.extend(problems),
        },
        Err(problem) => loaded.problems.push(problem),
    }
    let path = places.keymap_file();
    match read(&path) {
        Ok(None) => loaded.keymap = Some(Keymap::default()),
        Ok(Some(text)) => match Keymap::from_toml(&path.to_string_lossy(), &text) {
            Ok((keymap, warnings)) => {
                loaded.keymap = Some(keymap);
                loaded.problems.extend(warnings);
            }
            Err(problems) => loaded.problems.extend(problems),
        },
        Err(problem) => loaded.problems.push(problem),
    }
    match read(&places.rules_file()) {
        Ok(text) => loaded.rules = Some(text.unwrap_or_default()),
        Err(problem) => loaded.problems.push(problem),
    }
    for name in own_themes(places) {
        match theme(Some(places), &name) {
            Ok((sheet, warnings)) => {
                loaded.problems.extend(warnings);
                loaded.themes.insert(name, sheet);
            }
            Err(problems) => loaded.problems.extend(problems),
        }
    }
    if let Some(config) = &loaded.config {
        let name = &config.top().theme;
        if !loaded.themes.contains_key(name) && !BUILT_IN.iter().any(|(n, _)| n == name) {
            let names = loaded.themes.keys().map(String::as_str).chain(BUILT_IN.iter().map(|(n, _)| *n));
            let text = format!("there is no theme {}{}", quote(name), hint(name, names));
            let file = places.config_file().to_string_lossy().into_owned();
            loaded.problems.push(Problem {
                file,
                line: config.line_of("theme"),
                level: Level::Warning,
                text,
            });
        }
    }
    loaded
}

/// Finds a theme by name: the user's file, else a built-in theme, else a path.
///
/// # Errors
/// The reason why there is none, or all problems in its file.
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
            let text = format!("there is no theme {}; khud has {}{hint}", quote(name), names.join(", "));
            vec![problem(&path, text)]
        }),
        Err(problem) => Err(vec![problem]),
    }
}

/// The names of the themes in the user's directory.
fn own_themes(places: &Places) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(places.config.join("themes"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
        .filter(|name| !name.chars().any(char::is_control))
        .collect();
    names.sort();
    names.truncate(THEMES);
    names
}

fn problem(path: &Path, text: String) -> Problem {
    Problem { file: path.to_string_lossy().into_owned(), line: 1, level: Level::Error, text }
}

/// The file's text; `None` if the file does not exist.
fn read(path: &Path) -> Result<Option<String>, Problem> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(problem(path, format!("the file could not be opened: {e}"))),
    };
    let mut bytes = Vec::new();
    // Read one byte more than allowed, to detect a larger file.
    file.take(LARGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| problem(path, format!("the file could not be read: {e}")))?;
    String::from_utf8(bytes).map(Some).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes()[..good].iter().filter(|b| **b == b'\n').count();
        Problem { line, ..problem(path, "the file is not UTF-8 text".to_owned()) }
    })
}

/// Remembers when files last changed, so that each check costs one `stat` per file.
#[derive(Debug)]
pub struct Watch {
    places: Places,
    seen: Vec<Option<SystemTime>>,
}

impl Watch {
    pub fn new(places: Places) -> Watch {
        let seen = Watch::look(&places);
        Watch { places, seen }
    }

    fn look(places: &Places) -> Vec<Option<SystemTime>> {
        let own = own_themes(places).into_iter().map(|name| places.theme_file(&name));
        let files = [places.config_file(), places.keymap_file(), places.rules_file()];
        files.into_iter().chain(own).map(|f| modified(&f)).collect()
    }

    /// True once after a file changed, appeared or disappeared.
    pub fn changed(&mut self) -> bool {
        let now = Watch::look(&self.places);
        let changed = now != self.seen;
        self.seen = now;
        changed
    }

    pub fn places(&self) -> &Places {
        &self.places
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
        assert!(loaded.config.unwrap().for_context("x").mouse);
        assert!(loaded.keymap.is_none());
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
        fs::write(places.config_file(), "\ntheme = 'mime'\n").unwrap();
        let loaded = load(&places);
        assert_eq!(loaded.themes.keys().collect::<Vec<_>>(), ["mine"]);
        assert_eq!((loaded.problems[0].line, loaded.problems[0].level), (2, Level::Warning));
        assert!(loaded.problems[0].text.ends_with("did you mean \"mine\"?"), "{}", loaded.problems[0]);
        let said = theme(Some(&places), "norf").unwrap_err();
        assert!(said[0].text.ends_with("did you mean \"nord\"?"), "{}", said[0]);
        assert!(theme(None, "../../etc/passwd").is_err());
    }

    #[test]
    fn a_change_is_noticed_once() {
        let (_dir, places) = places();
        let mut watch = Watch::new(places.clone());
        assert!(!watch.changed());
        fs::write(places.config_file(), "").unwrap();
        assert!(watch.changed());
        assert!(!watch.changed());
        fs::remove_file(places.config_file()).unwrap();
        assert!(watch.changed());
    }
}
