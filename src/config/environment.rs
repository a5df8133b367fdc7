//! The environment: the process's own, with what a `.env` file adds.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::problem::{MOST_PROBLEMS, Problem, at_most};

/// Variables that scripts see besides those that begin with [`EXPOSED`].
pub const SEEN_BY_SCRIPTS: [&str; 7] = ["TZ", "LANG", "LC_ALL", "LC_CTYPE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// What the names of variables made for scripts begin with.
pub const EXPOSED: &str = "EXPOSED_";

/// Reads a `.env` file: `NAME=value` lines, `export` before them, comments with `#`, values in single quotes (as they are) or
/// double quotes (with `\n`, `\"` and `\\`, over several lines). Lines that are none of this are reported and skipped.
pub fn parse_env_file(path: &str, text: &str) -> (BTreeMap<String, String>, Vec<Problem>) {
    let (mut variables, mut problems) = (BTreeMap::new(), Vec::new());
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        let offset = text.len() - rest.len();
        let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let line = rest[..end].trim();
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        if line.is_empty() || line.starts_with('#') {
            rest = &rest[end..];
            continue;
        }
        let name = line.split('=').next().unwrap_or("").trim_end();
        if !line.contains('=') || !is_name(name) {
            let problem = Problem::warning(path, "this line is not NAME=value and was skipped");
            // The place of each costs a walk through the file.
            let placed = problems.len() < MOST_PROBLEMS;
            problems.push(if placed { problem.at(text, offset).without_frame() } else { problem });
            rest = &rest[end..];
            continue;
        }
        // The value begins behind the `=`; only a quoted one may go over the end of the line.
        let value_at = rest.find('=').map_or(rest.len(), |at| at + 1);
        let value = rest[value_at..].trim_start_matches([' ', '\t']);
        match quoted(value) {
            Some((value, after)) => {
                variables.insert(name.to_owned(), value);
                rest = after.find('\n').map_or("", |at| &after[at + 1..]);
            }
            None => {
                let line = value.lines().next().unwrap_or("");
                let plain = line.find(" #").map_or(line, |at| &line[..at]);
                let plain = if plain.starts_with('#') { "" } else { plain };
                variables.insert(name.to_owned(), plain.trim().to_owned());
                rest = &rest[end..];
            }
        }
    }
    (variables, at_most(path, problems, "this file"))
}

/// The part of an environment that scripts may see.
pub fn for_scripts(environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    environment
        .iter()
        .filter(|(name, _)| name.starts_with(EXPOSED) || SEEN_BY_SCRIPTS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// A quoted value at the start of a text and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut value = String::new();
    let mut characters = text[1..].char_indices();
    while let Some((at, c)) = characters.next() {
        if c == quote {
            return Some((value, &text[1 + at + 1..]));
        }
        if c == '\\' && quote == '"' {
            match characters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                c @ ('"' | '\\' | '$') => value.push(c),
                c => value.extend(['\\', c]),
            }
        } else {
            value.push(c);
        }
    }
    None
}

/// Overrides a key that is in the file, found without regard to case; false if it is not there.
pub(super) fn override_raw(object: &mut Map<String, Value>, name: &str, text: &str) -> bool {
    for (key, value) in object.iter_mut() {
        if key.eq_ignore_ascii_case(name) {
            *value = any_value(text);
            return true;
        }
        let below = name.get(..key.len()).filter(|start| start.eq_ignore_ascii_case(key));
        let rest = below.and_then(|_| name[key.len()..].strip_prefix('_'));
        if let (Some(rest), Value::Object(inner)) = (rest, value)
            && override_raw(inner, rest, text)
        {
            return true;
        }
    }
    false
}

pub(super) fn any_value(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_env_file_is_read_as_shells_and_libraries_do() {
        let text = "# settings\nBP_PORT=4000\nexport A = b # comment\nEMPTY=\nS='a #\\n $x'\r\nD=\"one\\ntwo \\\"x\\\"\"\nM=\"first\nsecond\" # end\nHASH=a#b\nURL=http://x/?a=b\nnonsense\n1X=2\nLAST='open";
        let (variables, problems) = parse_env_file(".env", text);
        let expected: &[(&str, &str)] = &[
            ("A", "b"),
            ("BP_PORT", "4000"),
            ("D", "one\ntwo \"x\""),
            ("EMPTY", ""),
            ("HASH", "a#b"),
            ("LAST", "'open"),
            ("M", "first\nsecond"),
            ("S", "a #\\n $x"),
            ("URL", "http://x/?a=b"),
        ];
        let found: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
        let places: Vec<_> = problems.iter().map(Problem::place).collect();
        assert_eq!(places, [".env:11:1", ".env:12:1"]);
    }

    #[test]
    fn of_thousands_of_lines_that_are_none_some_are_named_and_the_others_counted() {
        let (variables, problems) = parse_env_file(".env", &("nonsense\n".repeat(200_000) + "A=b"));
        assert_eq!((variables["A"].as_str(), problems.len()), ("b", 101));
        assert_eq!(problems[100].message, "199900 more problems of this file are not named");
        assert!(!problems[100].fatal && problems[99].line == Some(100) && problems[100].line.is_none());
    }

    #[test]
    fn scripts_see_only_what_is_made_for_them() {
        let all = [("EXPOSED_KEY", "1"), ("TZ", "UTC"), ("APP_SECRET", "x"), ("PATH", "/bin"), ("exposed_x", "2")];
        let all = all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(for_scripts(&all).into_keys().collect::<Vec<_>>(), ["EXPOSED_KEY", "TZ"]);
    }
}
