//! Something wrong in a file of the workspace: where, what, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::secrets::Secrets;
use crate::code_frame::frame_at;
use crate::telemetry::escape::{lines, one_line, shortened};

/// Most problems named of one file: the place of each costs a walk through it, and nobody reads on.
pub const MOST_PROBLEMS: usize = 100;

/// Longest message and longest advice, in characters: what they quote may be as long as a file.
const LONGEST: usize = 1_000;

/// The first of a file's problems, and how many more there are.
pub fn at_most(path: &str, mut problems: Vec<Problem>, of: &str) -> Vec<Problem> {
    if problems.len() > MOST_PROBLEMS {
        let rest = problems.split_off(MOST_PROBLEMS);
        let message = format!("{} more problems of {of} are not named", rest.len());
        let fatal = rest.iter().any(|problem| problem.fatal);
        problems.push(Problem { fatal, ..Problem::error(path, message) });
    }
    problems
}

/// An error or a warning in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, relative to the workspace, with `/`.
    pub path: String,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column in characters, from 1.
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The lines around the place.
    pub frame: Option<String>,
    /// An error: the file (or the part of it) is not in service, its last good version may be. Otherwise a warning.
    pub fatal: bool,
}

impl Problem {
    /// An error in a file.
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: None,
            column: None,
            message: bounded(message),
            help: None,
            frame: None,
            fatal: true,
        }
    }

    /// A warning about a file.
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { fatal: false, ..Self::error(path, message) }
    }

    /// Adds the place of a byte offset into `source` and the lines around it.
    #[must_use]
    pub fn at(self, source: &str, offset: usize) -> Self {
        let (line, column, frame) = frame_at(source, offset);
        let frame = Some(frame).filter(|frame| !frame.is_empty());
        Self { line: Some(line), column: Some(column), frame, ..self }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(bounded(help)), ..self }
    }

    /// The same where there may be nothing to be done.
    #[must_use]
    pub fn perhaps_help(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// The same without what must not be read: the lines around it may hold secrets.
    #[must_use]
    pub fn without(&self, secrets: &Secrets) -> Self {
        let hide = |text: &String| secrets.hide(text).into_owned();
        let (message, help, frame) = (hide(&self.message), self.help.as_ref().map(hide), self.frame.as_ref().map(hide));
        Self { message, help, frame, ..self.clone() }
    }

    /// The same without the lines around it: for things that need no look at the text.
    #[must_use]
    pub fn without_frame(self) -> Self {
        Self { frame: None, ..self }
    }

    /// `hooks/x/y.js:3:7`, as far as it is known; control characters in the name are escaped.
    pub fn place(&self) -> String {
        let mut out = one_line(&self.path);
        for number in [self.line, self.column].into_iter().map_while(|number| number) {
            out.push(':');
            out.push_str(&number.to_string());
        }
        out
    }
}

fn bounded(text: impl Into<String>) -> String {
    let text = text.into();
    if text.len() <= LONGEST { text } else { shortened(&text, LONGEST) }
}

/// What a terminal shows. Names and messages may hold a script's text: nothing in them acts on the terminal.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.fatal { "error" } else { "warning" };
        write!(f, "{}: {kind}: {}", self.place(), lines(&self.message))?;
        if let Some(frame) = &self.frame {
            write!(f, "\n{frame}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\nhelp: {}", lines(help))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_problem_shows_place_message_source_and_help() {
        let source = "let a\nlet b = (\n";
        let problem = Problem::error("hooks/x/y.js", "unexpected token").at(source, 14).help("close the parenthesis");
        expect![[r#"
            hooks/x/y.js:2:9: error: unexpected token
              1 | let a
            > 2 | let b = (
                |         ^
              3 |
            help: close the parenthesis"#]]
        .assert_eq(&problem.to_string());
    }

    #[test]
    fn what_a_problem_quotes_may_be_long_and_the_problem_is_not() {
        let long = |length: usize| "é".repeat(length);
        let problem = Problem::error("x", long(1_000)).help(long(1_000));
        assert_eq!((problem.message, problem.help), (long(1_000), Some(long(1_000))));
        let problem = Problem::warning("x", long(1_000_000)).help(long(1_001));
        assert_eq!((&problem.message, &problem.help), (&(long(1_000) + "…"), &Some(long(1_000) + "…")));
    }

    #[test]
    fn names_and_messages_cannot_act_on_the_terminal() {
        let problem = Problem::warning("hooks/\u{1b}[2J.js", "says \u{7}");
        assert_eq!(problem.to_string(), "hooks/\\x1b[2J.js: warning: says \\x07");
    }
}
