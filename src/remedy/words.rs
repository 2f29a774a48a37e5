//! The words after an action's target: `KEY=VALUE`, `KEY-`, amounts of resources.

use super::action::{Action, Spec};
use super::diff::sensitive;
use super::kubectl::quoted;
use super::run::Params;

/// The options of one line, as they are typed after `khud do ACTION TARGET`.
///
/// # Errors
/// A sentence about the first word that is no option of the action.
pub fn options(action: &Action, line: &str) -> Result<Params, String> {
    let mut out = Params::new();
    let mut rest = Vec::new();
    let mut words =
        shlex::split(line).ok_or_else(|| format!("{line:?} has a quote that is not closed"))?.into_iter();
    while let Some(word) = words.next() {
        let (name, given) = match word.split_once('=') {
            Some((name, value)) if word.starts_with('-') => (name.to_owned(), Some(value.to_owned())),
            _ => (word.clone(), None),
        };
        let named = |o: &&Spec| {
            let short = o.short.map(|c| format!("-{c}"));
            !o.words && (name.strip_prefix("--") == Some(o.name) || short.as_deref() == Some(name.as_str()))
        };
        let Some(option) = action.options.iter().find(named) else {
            if word.starts_with("--") || !action.options.iter().any(|o| o.words) {
                let known: Vec<String> = action.options.iter().map(Spec::usage).collect();
                return Err(format!("{} has no {word}; it has {}", action.name, known.join(", ")));
            }
            rest.push(word);
            continue;
        };
        let value = match (option.value, given) {
            ("", _) => String::new(),
            (_, Some(value)) => value,
            (_, None) => {
                words.next().ok_or_else(|| format!("{} needs a value: {}", option.usage(), option.about))?
            }
        };
        // The values of an option that may be repeated are lines.
        let before = out.remove(option.name).filter(|_| option.many);
        let value = before.map_or(value.clone(), |before| format!("{before}\n{value}"));
        out.insert(option.name.to_owned(), value);
    }
    if let Some(option) = action.options.iter().find(|o| o.words && !rest.is_empty()) {
        out.insert(option.name.to_owned(), joined(rest.iter().map(String::as_str)));
    }
    Ok(out)
}

/// One word that sets a key or takes it away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Word {
    Set(String, String),
    Remove(String),
}

impl Word {
    pub fn key(&self) -> &str {
        match self {
            Word::Set(key, _) | Word::Remove(key) => key,
        }
    }
}

/// Words as one line that reads as the same words again, whatever they hold.
pub fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|w| if plain(w) { w.to_owned() } else { quoted(w).into_owned() }).collect::<Vec<_>>().join(" ")
}

/// Whether a shell reads the word as it stands. `shlex` quotes `=` and `,` too, which makes `A=1` hard to read.
fn plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "+-./:@_=,%".contains(c))
}

/// The words of a line, with quotes as a POSIX shell reads them.
///
/// # Errors
/// A quote is not closed, or there is nothing.
pub(super) fn split(line: &str) -> Result<Vec<String>, String> {
    match shlex::split(line) {
        None => Err(format!("{line:?} has a quote that is not closed")),
        Some(words) if words.is_empty() => Err("nothing was named".to_owned()),
        Some(words) => Ok(words),
    }
}

/// `KEY=VALUE` and `KEY-`, each key once.
///
/// # Errors
/// A sentence about the first word that is neither.
pub(super) fn pairs(line: &str) -> Result<Vec<Word>, String> {
    let mut out: Vec<Word> = Vec::new();
    for word in split(line)? {
        let read = match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => Word::Set(key.to_owned(), value.to_owned()),
            None if word.len() > 1 && word.ends_with('-') => Word::Remove(word[..word.len() - 1].to_owned()),
            _ => return Err(format!("{word:?} is neither KEY=VALUE nor KEY-")),
        };
        if out.iter().any(|w| w.key() == read.key()) {
            return Err(format!("{} is named twice", read.key()));
        }
        out.push(read);
    }
    Ok(out)
}

/// `cpu=500m,memory=1Gi`; an empty amount (`cpu=`) takes it away.
///
/// # Errors
/// A sentence about the first that is no quantity.
pub(super) fn amounts(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let mut out = Vec::new();
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, amount) = part
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("{part:?} is not RESOURCE=AMOUNT, for example memory=512Mi"))?;
        if !amount.is_empty() && crate::world::quantity::milli(amount).is_none() {
            return Err(format!("{amount:?} is no amount of {name}; write 500m, 2, 512Mi or 1Gi"));
        }
        out.push((name.to_owned(), (!amount.is_empty()).then(|| amount.to_owned())));
    }
    Ok(out)
}

/// The line with the values hidden that a name calls secret.
pub(super) fn shown(line: &str) -> String {
    let Some(words) = shlex::split(line) else { return "<hidden>".to_owned() };
    let hidden = words.into_iter().map(|word| match word.split_once('=') {
        Some((key, _)) if sensitive(key) => format!("{key}=<hidden>"),
        _ => word,
    });
    let hidden: Vec<String> = hidden.collect();
    joined(hidden.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_as_a_shell_reads_them_and_each_key_once() {
        let read = pairs("A=1 'B=two words' C- D=").unwrap();
        let set = |k: &str, v: &str| Word::Set(k.to_owned(), v.to_owned());
        assert_eq!(read, [set("A", "1"), set("B", "two words"), Word::Remove("C".to_owned()), set("D", "")]);
        assert_eq!(pairs("A=x=y").unwrap(), [set("A", "x=y")], "only the first = parts them");
        for bad in ["", "A", "=1", "-", "A=1 A-", "'A=1"] {
            assert!(pairs(bad).is_err(), "{bad:?}");
        }
        let words = ["A=it's", "B=$(rm -rf ~)", "C=a b"];
        assert_eq!(split(&joined(words.into_iter())).unwrap(), words);
    }

    #[test]
    fn amounts_are_quantities_and_an_empty_one_takes_it_away() {
        let some = |n: &str, a: &str| (n.to_owned(), Some(a.to_owned()));
        assert_eq!(amounts("cpu=500m, memory=1Gi").unwrap(), [some("cpu", "500m"), some("memory", "1Gi")]);
        assert_eq!(amounts("cpu=").unwrap(), [("cpu".to_owned(), None)]);
        for bad in ["cpu", "=1", "memory=1GB", "memory=-1", "memory=lots"] {
            assert!(amounts(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_line_of_options_reads_as_the_command_line_does() {
        let read = |name: &str, line: &str| options(crate::remedy::action(name).unwrap(), line);
        let params =
            read("set-resources", "--limits memory=1Gi,cpu=2 --requests=memory=512Mi -c app").unwrap();
        let all: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(all, [("container", "app"), ("limits", "memory=1Gi,cpu=2"), ("requests", "memory=512Mi")]);
        assert_eq!(read("set-env", "A=1 -c app 'B=x y'").unwrap()["env"], "A=1 'B=x y'");
        for (name, line) in [
            ("set-resources", "--limit memory=1Gi"),
            ("set-resources", "memory=1Gi"),
            ("set-resources", "--limits"),
        ] {
            assert!(read(name, line).is_err(), "{name} {line}");
        }
    }

    #[test]
    fn a_secret_is_hidden_by_its_name() {
        assert_eq!(shown("MODE=fast DB_PASSWORD='hunter 2'"), "MODE=fast 'DB_PASSWORD=<hidden>'");
        assert_eq!(shown("DB_PASSWORD='hunter"), "<hidden>", "what cannot be read is hidden whole");
    }
}
