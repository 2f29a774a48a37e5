//! A parser for the parts of the shell language used in `sh -c`: lists, pipes, redirections, quotes,
//! variables, `if`, `for`.

/// A part of a word.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(String),
    Variable(String),
    /// `$(…)`
    Output(String),
}

pub type Word = Vec<Part>;

#[derive(Clone, Debug, PartialEq)]
pub enum Redirect {
    In(Word),
    Out(Word, bool),
    Err(Word),
    ErrToOut,
    OutToErr,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Simple { words: Vec<Word>, redirects: Vec<Redirect> },
    If { test: Vec<Step>, then: Vec<Step>, other: Vec<Step> },
    For { name: String, words: Vec<Word>, body: Vec<Step> },
}

/// When a pipeline runs, depending on the result of the previous one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    Success,
    Failure,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub when: When,
    pub pipeline: Vec<Command>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(Word),
    Op(&'static str),
}

/// Sorted so that a longer operator precedes its prefix.
const OPERATORS: [&str; 12] = ["&&", "||", ">>", "2>&1", "1>&2", ">&2", "2>", "|", ";", ">", "<", "&"];

/// Parses a script. The error is the shell's.
pub fn parse(script: &str) -> Result<Vec<Step>, String> {
    let tokens = tokens(script)?;
    let mut at = 0;
    let steps = list(&tokens, &mut at, &[], 0)?;
    match tokens.get(at) {
        None => Ok(steps),
        Some(token) => Err(unexpected(token)),
    }
}

fn unexpected(token: &Token) -> String {
    let name = match token {
        Token::Op(op) => (*op).to_owned(),
        Token::Word(w) => plain(w).unwrap_or_else(|| "word".into()),
    };
    format!("sh: 1: Syntax error: \"{name}\" unexpected")
}

/// The text of a word without variables.
fn plain(word: &Word) -> Option<String> {
    match word.as_slice() {
        [Part::Text(t)] => Some(t.clone()),
        _ => None,
    }
}

fn tokens(script: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = script.chars().collect();
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let rest: String = chars[i..chars.len().min(i + 4)].iter().collect();
        if chars[i] == '\n' {
            out.push(Token::Op(";"));
            i += 1;
        } else if chars[i].is_whitespace() {
            i += 1;
        } else if chars[i] == '#' {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
        } else if let Some(op) = OPERATORS.iter().find(|op| rest.starts_with(**op)) {
            out.push(Token::Op(op));
            i += op.len();
        } else {
            out.push(Token::Word(word(&chars, &mut i)?));
        }
    }
    Ok(out)
}

fn word(chars: &[char], i: &mut usize) -> Result<Word, String> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut quoted = false;
    let flush = |text: &mut String, parts: &mut Word| {
        if !text.is_empty() {
            parts.push(Part::Text(std::mem::take(text)));
        }
    };
    let mut double = false;
    while *i < chars.len() {
        let c = chars[*i];
        match c {
            '"' => {
                double = !double;
                quoted = true;
                *i += 1;
            }
            '\'' if !double => {
                let end = chars[*i + 1..]
                    .iter()
                    .position(|c| *c == '\'')
                    .ok_or("sh: 1: Syntax error: Unterminated quoted string")?;
                text.extend(&chars[*i + 1..*i + 1 + end]);
                quoted = true;
                *i += end + 2;
            }
            '\\' if *i + 1 < chars.len() => {
                let next = chars[*i + 1];
                if double && !matches!(next, '"' | '\\' | '$' | '`') {
                    text.push('\\');
                }
                text.push(next);
                *i += 2;
            }
            '$' => {
                flush(&mut text, &mut parts);
                parts.push(dollar(chars, i)?);
            }
            _ if double => {
                text.push(c);
                *i += 1;
            }
            _ if c.is_whitespace() || matches!(c, ';' | '|' | '&' | '<' | '>') => break,
            _ => {
                text.push(c);
                *i += 1;
            }
        }
    }
    if double {
        return Err("sh: 1: Syntax error: Unterminated quoted string".into());
    }
    flush(&mut text, &mut parts);
    if parts.is_empty() && quoted {
        parts.push(Part::Text(String::new()));
    }
    Ok(parts)
}

fn dollar(chars: &[char], i: &mut usize) -> Result<Part, String> {
    *i += 1;
    match chars.get(*i) {
        Some('(') => {
            let mut depth = 0;
            let start = *i + 1;
            while *i < chars.len() {
                match chars[*i] {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                *i += 1;
                if depth == 0 {
                    return Ok(Part::Output(chars[start..*i - 1].iter().collect()));
                }
            }
            Err("sh: 1: Syntax error: end of file unexpected (expecting \")\")".into())
        }
        Some('{') => {
            let end = chars[*i..].iter().position(|c| *c == '}').ok_or("sh: 1: Bad substitution")?;
            let name = chars[*i + 1..*i + end].iter().collect();
            *i += end + 1;
            Ok(Part::Variable(name))
        }
        Some(c) if matches!(c, '?' | '$' | '#' | '@') => {
            *i += 1;
            Ok(Part::Variable(c.to_string()))
        }
        _ => {
            let start = *i;
            while chars.get(*i).is_some_and(|c| c.is_ascii_alphanumeric() || *c == '_') {
                *i += 1;
            }
            let name: String = chars[start..*i].iter().collect();
            Ok(if name.is_empty() { Part::Text("$".into()) } else { Part::Variable(name) })
        }
    }
}

fn is_keyword(token: Option<&Token>, words: &[&str]) -> bool {
    matches!(token, Some(Token::Word(w)) if plain(w).is_some_and(|p| words.contains(&p.as_str())))
}

fn list(tokens: &[Token], at: &mut usize, until: &[&str], depth: usize) -> Result<Vec<Step>, String> {
    if depth > 20 {
        return Err("sh: 1: Maximum function recursion depth (1000) reached".into());
    }
    let mut steps = Vec::new();
    let mut when = When::Always;
    while *at < tokens.len() {
        if tokens[*at] == Token::Op(";") || tokens[*at] == Token::Op("&") {
            *at += 1;
            when = When::Always;
            continue;
        }
        if is_keyword(tokens.get(*at), until) {
            return Ok(steps);
        }
        let mut pipeline = vec![command(tokens, at, depth)?];
        while tokens.get(*at) == Some(&Token::Op("|")) {
            *at += 1;
            pipeline.push(command(tokens, at, depth)?);
        }
        steps.push(Step { when, pipeline });
        when = match tokens.get(*at) {
            Some(Token::Op("&&")) => When::Success,
            Some(Token::Op("||")) => When::Failure,
            Some(Token::Op(";" | "&")) => When::Always,
            None => break,
            Some(token) => return Err(unexpected(token)),
        };
        *at += 1;
    }
    match until {
        [] => Ok(steps),
        [first, ..] => Err(format!("sh: 1: Syntax error: end of file unexpected (expecting {first:?})")),
    }
}

fn expect(tokens: &[Token], at: &mut usize, word: &str) -> Result<(), String> {
    if !is_keyword(tokens.get(*at), &[word]) {
        return Err(tokens.get(*at).map_or_else(
            || format!("sh: 1: Syntax error: end of file unexpected (expecting {word:?})"),
            unexpected,
        ));
    }
    *at += 1;
    Ok(())
}

fn command(tokens: &[Token], at: &mut usize, depth: usize) -> Result<Command, String> {
    if is_keyword(tokens.get(*at), &["if"]) {
        *at += 1;
        let test = list(tokens, at, &["then"], depth + 1)?;
        expect(tokens, at, "then")?;
        let then = list(tokens, at, &["else", "fi"], depth + 1)?;
        let other = if is_keyword(tokens.get(*at), &["else"]) {
            *at += 1;
            list(tokens, at, &["fi"], depth + 1)?
        } else {
            Vec::new()
        };
        expect(tokens, at, "fi")?;
        return Ok(Command::If { test, then, other });
    }
    if is_keyword(tokens.get(*at), &["for"]) {
        *at += 1;
        let name = match tokens.get(*at) {
            Some(Token::Word(w)) => plain(w).ok_or("sh: 1: Syntax error: Bad for loop variable")?,
            _ => return Err("sh: 1: Syntax error: Bad for loop variable".into()),
        };
        *at += 1;
        expect(tokens, at, "in")?;
        let mut words = Vec::new();
        while let Some(Token::Word(w)) = tokens.get(*at) {
            words.push(w.clone());
            *at += 1;
        }
        while tokens.get(*at) == Some(&Token::Op(";")) {
            *at += 1;
        }
        expect(tokens, at, "do")?;
        let body = list(tokens, at, &["done"], depth + 1)?;
        expect(tokens, at, "done")?;
        return Ok(Command::For { name, words, body });
    }
    let (mut words, mut redirects) = (Vec::new(), Vec::new());
    loop {
        match tokens.get(*at) {
            Some(Token::Word(w)) => words.push(w.clone()),
            Some(Token::Op("2>&1")) => redirects.push(Redirect::ErrToOut),
            Some(Token::Op(">&2" | "1>&2")) => redirects.push(Redirect::OutToErr),
            Some(Token::Op(op @ (">" | ">>" | "<" | "2>"))) => {
                *at += 1;
                let Some(Token::Word(target)) = tokens.get(*at) else {
                    return Err("sh: 1: Syntax error: newline unexpected".into());
                };
                redirects.push(match *op {
                    "<" => Redirect::In(target.clone()),
                    "2>" => Redirect::Err(target.clone()),
                    op => Redirect::Out(target.clone(), op == ">>"),
                });
            }
            Some(token) if words.is_empty() && redirects.is_empty() => return Err(unexpected(token)),
            _ => return Ok(Command::Simple { words, redirects }),
        }
        *at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_read_as_a_shell_reads_them() {
        let steps = parse("cd /tmp && tar cf - \"a b\" | wc -c; echo 'it''s' > x 2>&1 || true").unwrap();
        let whens: Vec<When> = steps.iter().map(|s| s.when).collect();
        assert_eq!(whens, [When::Always, When::Success, When::Always, When::Failure]);
        assert_eq!(steps[1].pipeline.len(), 2);
        let Command::Simple { words, redirects } = &steps[2].pipeline[0] else { panic!("{steps:?}") };
        assert_eq!(words[1], [Part::Text("its".into())]);
        assert_eq!(redirects.len(), 2);
        assert!(matches!(
            parse("if [ -f /x ]; then echo yes; else echo no; fi").unwrap()[0].pipeline[0],
            Command::If { .. }
        ));
        for wrong in ["echo 'x", "if true", "| x", "echo $(", "for"] {
            assert!(parse(wrong).is_err_and(|e| e.starts_with("sh: 1:")), "{wrong}");
        }
    }
}
