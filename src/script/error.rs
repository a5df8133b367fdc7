//! What a script threw, as data: QuickJS gives the place of an error only in the text of its stack.
//!
//! A frame's line is `    at name (file:line:column)`, that of a syntax error `    at file:line:column`. Names and files are
//! the script's own and may hold anything, so lines are read from the right.

use std::fmt;

use serde::Serialize;

use crate::telemetry::escape::{one_line, shortened};

/// Longest message, in characters.
const MESSAGE_CHARS: usize = 2_000;
/// Longest name of an error, a function or a file, in characters.
const NAME_CHARS: usize = 200;
/// Most frames that are kept, the innermost ones.
const FRAMES: usize = 50;
/// Most lines of a stack that are looked at.
const STACK_LINES: usize = 500;
/// Files with this prefix are the engine's own.
const ENGINE_PREFIX: &str = "nudge:";

/// An error of a script, with its place where one is known. Its text is safe to print: one line, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScriptError {
    /// `TypeError` and the like; `Error` where the script gave none.
    pub name: String,
    /// The message, at most 2,000 characters.
    pub message: String,
    /// The file it happened in, or else the file that was running.
    pub file: String,
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column, from 1.
    pub column: Option<u32>,
    /// The calls that led there, innermost first, less those of the engine and of native functions.
    pub frames: Vec<StackFrame>,
}

/// One call of a script's stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StackFrame {
    /// The function's name, where it has one.
    pub function: Option<String>,
    /// Its file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl ScriptError {
    /// Reads an error off its `name`, `message` and `stack`. `fallback_file` is what was running: the stack of a value that
    /// is no `Error`, of a rejection made by the host and of some syntax errors is empty.
    pub fn new(name: &str, message: &str, stack: &str, fallback_file: &str) -> Self {
        let frames: Vec<_> = stack.lines().take(STACK_LINES).filter_map(StackFrame::parse).take(FRAMES).collect();
        let place = frames.first();
        let name = if name.trim().is_empty() { "Error" } else { name };
        Self {
            name: printable(name, NAME_CHARS),
            message: printable(message, MESSAGE_CHARS),
            file: place.map_or_else(|| printable(fallback_file, NAME_CHARS), |frame| frame.file.clone()),
            line: place.map(|frame| frame.line),
            column: place.map(|frame| frame.column),
            frames,
        }
    }

    /// Takes the wrapper off the columns of first lines. `prefix_columns` tells how many columns the wrapper of a file put
    /// before the file's own text: 0 for a file that is not wrapped.
    #[must_use]
    pub fn without_wrappers(mut self, prefix_columns: impl Fn(&str) -> u32) -> Self {
        for frame in &mut self.frames {
            if frame.line == 1 {
                frame.column = frame.column.saturating_sub(prefix_columns(&frame.file)).max(1);
            }
        }
        self.column = self.frames.first().map(|frame| frame.column);
        self
    }
}

/// `file:line:column: Name: message`.
impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}", self.name)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl std::error::Error for ScriptError {}

impl StackFrame {
    /// Reads one line of a stack; `None` for native and engine frames, text that a script evaluated, and anything else.
    fn parse(line: &str) -> Option<Self> {
        let call = line.trim().strip_prefix("at ")?;
        let (function, place) = match call.strip_suffix(')') {
            Some(inner) => {
                let open = opening_parenthesis(inner)?;
                (inner[..open].trim(), &inner[open + 1..])
            }
            None => ("", call),
        };
        let (rest, column) = number_at_end(place)?;
        let (file, line) = number_at_end(rest)?;
        // `<input>` is what eval and new Function were given.
        if file.is_empty() || file.starts_with('<') || file.starts_with(ENGINE_PREFIX) {
            return None;
        }
        let function = match function {
            "" | "<anonymous>" | "<eval>" => None,
            name => Some(printable(name, NAME_CHARS)),
        };
        Some(Self { function, file: printable(file, NAME_CHARS), line, column })
    }
}

/// Where the parenthesis opens that a `)` after `text` would close. Files may hold pairs of them: `x (copy).js`.
fn opening_parenthesis(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (index, byte) in text.bytes().enumerate().rev() {
        match byte {
            b')' => depth += 1,
            b'(' if depth == 0 => return Some(index),
            b'(' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Splits `…:12` into `…` and 12.
fn number_at_end(text: &str) -> Option<(&str, u32)> {
    let (rest, digits) = text.rsplit_once(':')?;
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some((rest, number))
}

/// Text of a script on one line, fit for a terminal and a log, and cut off after so many characters.
fn printable(text: &str, chars: usize) -> String {
    one_line(&shortened(text, chars))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use rquickjs::context::EvalOptions;
    use rquickjs::{CatchResultExt, CaughtError, Context, Runtime, Value};

    use super::*;

    const FILE: &str = "hooks/x (copy)/a:b.js";

    /// What QuickJS itself reports of a script.
    fn error_of(source: &str) -> ScriptError {
        let context = Context::full(&Runtime::new().unwrap()).unwrap();
        context.with(|ctx| {
            let mut options = EvalOptions::default();
            options.strict = false;
            options.filename = Some(FILE.into());
            match ctx.eval_with_options::<Value<'_>, _>(source, options).catch(&ctx) {
                Err(CaughtError::Exception(error)) => ScriptError::new(
                    &error.get::<_, String>("name").unwrap(),
                    &error.message().unwrap_or_default(),
                    &error.stack().unwrap_or_default(),
                    FILE,
                ),
                _ => panic!("it threw no Error"),
            }
        })
    }

    fn check(source: &str, expected: Expect) {
        let error = error_of(source);
        let frames: Vec<_> = error
            .frames
            .iter()
            .map(|frame| format!("{}@{}:{}", frame.function.as_deref().unwrap_or("-"), frame.line, frame.column))
            .collect();
        expected.assert_eq(&format!("{error} [{}]", frames.join(" ")));
    }

    #[test]
    fn a_thrown_error_has_its_place_and_its_calls() {
        check(
            "function f() { null.x }\nfunction g() { [1].map(f) }\ng()",
            expect!["hooks/x (copy)/a:b.js:1:15: TypeError: cannot read property 'x' of null [f@1:15 g@2:24 -@3:1]"],
        );
    }

    #[test]
    fn a_syntax_error_has_a_place_too() {
        check(
            "\nconst x = ;",
            expect!["hooks/x (copy)/a:b.js:2:11: SyntaxError: unexpected token in expression: ';' [-@2:11]"],
        );
        check("/(/", expect!["hooks/x (copy)/a:b.js: SyntaxError: expecting ')' []"]);
    }

    #[test]
    fn evaluated_text_and_native_frames_are_passed_over() {
        check(
            "\nnew Function('nope()')()",
            expect!["hooks/x (copy)/a:b.js:2:5: ReferenceError: nope is not defined [-@2:5]"],
        );
        check(
            "eval('(')",
            expect!["hooks/x (copy)/a:b.js:1:1: SyntaxError: unexpected token in expression: '' [-@1:1]"],
        );
    }

    #[test]
    fn names_and_files_may_hold_what_a_stack_is_made_of() {
        check(
            "({ ['a (b:1:2) (']() { throw new Error('x') } })['a (b:1:2) (']()",
            expect!["hooks/x (copy)/a:b.js:1:34: Error: x [a (b:1:2) (@1:34 -@1:46]"],
        );
        let frame = StackFrame::parse("    at builtin:hooks/x.js:12:3").unwrap();
        assert_eq!((frame.file.as_str(), frame.line, frame.column), ("builtin:hooks/x.js", 12, 3));
        for other in
            ["", "at", "    at map (native)", "    at f (nudge:cms.js:1:2)", "    at <input>:1:2", "at f)", "at :1:2"]
        {
            assert_eq!(StackFrame::parse(other), None, "{other}");
        }
    }

    #[test]
    fn the_wrapper_is_taken_off_first_lines_only() {
        let stack = "    at f (hooks/a.js:1:30)\n    at g (hooks/a.js:2:30)\n    at h (lib.json:1:30)\n    at i (hooks/a.js:1:5)";
        let error = ScriptError::new("Error", "x", stack, "hooks/a.js")
            .without_wrappers(|file| if file == "hooks/a.js" { 20 } else { 0 });
        assert_eq!(error.column, Some(10));
        assert_eq!(error.frames.iter().map(|frame| frame.column).collect::<Vec<_>>(), [10, 30, 30, 1]);
    }

    #[test]
    fn what_a_script_says_cannot_reach_the_terminal_raw() {
        let error = ScriptError::new("\u{1b}[31mE", "a\nb\u{202e}c\t\u{9b}d é", "", "hooks/a.js");
        assert_eq!(error.to_string(), r"hooks/a.js: \x1b[31mE: a\nb\u{202e}c\t\x9bd é");
        let long = ScriptError::new("", &"é".repeat(5_000), "", "hooks/a.js");
        assert_eq!(long.name, "Error");
        assert_eq!(long.message.chars().count(), 2_001);
        assert!(long.message.ends_with('…'));
    }

    #[test]
    fn an_endless_stack_is_cut() {
        let stack = "    at f (a.js:1:1)\n".repeat(10_000);
        assert_eq!(ScriptError::new("RangeError", "x", &stack, "a.js").frames.len(), FRAMES);
    }
}
