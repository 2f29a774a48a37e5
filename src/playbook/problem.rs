//! What is wrong with a playbook or its cases, and where in the file.

/// A place in a playbook's file. Lines and columns count from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Position {
    pub line: u64,
    pub column: u64,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} column {}", self.line, self.column)
    }
}

impl From<serde_saphyr::Location> for Position {
    fn from(at: serde_saphyr::Location) -> Position {
        Position { line: at.line(), column: at.column() }
    }
}

/// One complaint, with its place in the file; about the whole file where it has none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Problem {
    pub at: Position,
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.at != Position::default() {
            write!(f, "{}: ", self.at)?;
        }
        f.write_str(&self.message)
    }
}
