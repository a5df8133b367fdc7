//! Checking JSON against a table of keys: wrong types are errors with their place, unknown keys are named once.

use serde_json::{Map, Value};

use super::former::{advice, was_allowed};
use super::hosts::HostPattern;
use super::jsonc::{Step, key_offset, name_of, offset, way};
use super::nearest::nearest;
use super::problem::{MOST_PROBLEMS, Problem, at_most};
use super::values::{duration_of, size_of};

/// What a key may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueKind {
    /// A text.
    Text,
    /// An `http` or `https` address.
    Address,
    /// `true` or `false`.
    Flag,
    /// A whole number from … to.
    Whole(u64, u64),
    /// A number from … to.
    Fraction(f64, f64),
    /// A duration of at least so many milliseconds.
    Duration(u64),
    /// A size in bytes from … to.
    Size(u64, u64),
    /// One of some words.
    Choice(&'static [&'static str]),
    /// An array of texts.
    Texts,
    /// An array of hosts, each as [`HostPattern`] reads it.
    Hosts,
    /// An array of origins, as a content security policy names them.
    Origins,
    /// A text, or an array of texts.
    TextOrTexts,
    /// An object of durations of at least so many milliseconds, under names that are not ours to know.
    Durations(u64),
    /// An object that scripts may fill as they like.
    Object,
    /// Anything: known, but its content is not for us to judge.
    Any,
}

/// A checked value.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// Of `Text`, `Address` and `Choice`.
    Text(String),
    /// Of `Flag`.
    Flag(bool),
    /// Of `Whole`, `Duration` (milliseconds) and `Size` (bytes).
    Whole(u64),
    /// Of `Fraction`.
    Fraction(f64),
    /// Of `Hosts`.
    Hosts(Vec<HostPattern>),
    /// Of the kinds that are only checked.
    Other,
}

impl Checked {
    /// The text; empty if it is none.
    pub fn text(self) -> String {
        if let Self::Text(text) = self { text } else { String::new() }
    }

    /// The flag.
    pub fn flag(&self) -> bool {
        matches!(self, Self::Flag(true))
    }

    /// The number; 0 if it is none. The table's bounds keep it within the target's type.
    pub fn whole<T: TryFrom<u64> + Default>(&self) -> T {
        if let Self::Whole(number) = self { T::try_from(*number).unwrap_or_default() } else { T::default() }
    }

    /// The hosts; none if it is something else.
    pub fn hosts(self) -> Vec<HostPattern> {
        if let Self::Hosts(hosts) = self { hosts } else { Vec::new() }
    }

    /// The number; 0 if it is none.
    pub fn fraction(&self) -> f64 {
        if let Self::Fraction(number) = self { *number } else { 0.0 }
    }
}

/// A key of a configuration file.
#[derive(Debug)]
pub struct Key<T: 'static> {
    /// `httpServer.port`.
    pub path: &'static str,
    /// What it may hold.
    pub kind: ValueKind,
    /// Where the value goes; the JSON as it was written comes along.
    pub set: fn(&mut T, Checked, &Value),
}

/// Checks a value; the error says what was expected.
pub fn check(kind: ValueKind, value: &Value) -> Result<Checked, String> {
    let expected = || Err(expectation(kind));
    match (kind, value) {
        (ValueKind::Any, _) | (ValueKind::Object, Value::Object(_)) => Ok(Checked::Other),
        (ValueKind::Text, Value::String(text)) => Ok(Checked::Text(text.clone())),
        (ValueKind::Address, Value::String(text)) => {
            let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            match rest {
                Some(rest) if !rest.trim_matches('/').is_empty() => {
                    Ok(Checked::Text(text.trim_end_matches('/').to_owned()))
                }
                _ => expected(),
            }
        }
        (ValueKind::Flag, Value::Bool(flag)) => Ok(Checked::Flag(*flag)),
        (ValueKind::Whole(min, max), Value::Number(number)) => match number.as_u64() {
            Some(number) if (min..=max).contains(&number) => Ok(Checked::Whole(number)),
            _ => expected(),
        },
        (ValueKind::Fraction(min, max), Value::Number(number)) => match number.as_f64() {
            Some(number) if (min..=max).contains(&number) => Ok(Checked::Fraction(number)),
            _ => expected(),
        },
        (ValueKind::Duration(min), value) => match duration_of(value) {
            Some(number) if number >= min => Ok(Checked::Whole(number)),
            _ => expected(),
        },
        (ValueKind::Size(min, max), value) => match size_of(value) {
            Some(number) if (min..=max).contains(&number) => Ok(Checked::Whole(number)),
            _ => expected(),
        },
        (ValueKind::Choice(words), Value::String(text)) if words.contains(&text.as_str()) => {
            Ok(Checked::Text(text.clone()))
        }
        (ValueKind::Hosts, Value::Array(items)) => {
            let hosts: Option<Vec<_>> = items.iter().map(|item| HostPattern::parse(item.as_str()?)).collect();
            hosts.map_or_else(expected, |hosts| Ok(Checked::Hosts(hosts)))
        }
        (ValueKind::Origins, Value::Array(items)) if items.iter().all(|item| item.as_str().is_some_and(is_origin)) => {
            Ok(Checked::Other)
        }
        (ValueKind::TextOrTexts, Value::String(_)) => Ok(Checked::Other),
        (ValueKind::Texts | ValueKind::TextOrTexts, Value::Array(items)) if items.iter().all(Value::is_string) => {
            Ok(Checked::Other)
        }
        (ValueKind::Durations(min), Value::Object(items))
            if items.values().all(|item| item.is_null() || check(ValueKind::Duration(min), item).is_ok()) =>
        {
            Ok(Checked::Other)
        }
        _ => expected(),
    }
}

/// For a value that is refused now and was fine once: the nearest one that is fine, and that in words.
pub(super) fn nearest_allowed(path: &str, kind: ValueKind, value: &Value) -> Option<(Checked, String)> {
    let (number, nearest, words) = match kind {
        ValueKind::Duration(min) => {
            let number = duration_of(value)?;
            (number, number.max(min), format!("{} ms", number.max(min)))
        }
        ValueKind::Size(min, max) => {
            let number = size_of(value)?;
            (number, number.clamp(min, max), size(number.clamp(min, max)))
        }
        _ => return None,
    };
    was_allowed(path, number).then(|| (Checked::Whole(nearest), format!("the nearest, {words}, is taken instead")))
}

/// `*`, `self`, or an origin whose host may begin with `*.` and whose port may be `*`. What it holds goes into a header.
fn is_origin(text: &str) -> bool {
    if matches!(text, "*" | "self") {
        return true;
    }
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest.map(|rest| rest.strip_prefix("*.").unwrap_or(rest)) else { return false };
    let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "*"));
    !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        && (port == "*" || port.parse::<u16>().is_ok())
}

/// What a kind expects, in words.
pub fn expectation(kind: ValueKind) -> String {
    match kind {
        ValueKind::Text => "a text".into(),
        ValueKind::Address => "an address such as \"https://bots.example.org\"".into(),
        ValueKind::Flag => "true or false".into(),
        ValueKind::Whole(min, max) => format!("a whole number from {min} to {max}"),
        ValueKind::Fraction(min, max) => format!("a number from {min} to {max}"),
        ValueKind::Duration(0) => "a duration such as \"10s\", \"2m\", \"6 hours\", or a number of milliseconds".into(),
        ValueKind::Duration(min) => {
            format!("a duration such as \"10s\", \"2m\", or a number of milliseconds, at least {min} ms")
        }
        ValueKind::Size(min, max) => {
            format!("a size such as \"512kb\", \"10mb\", or a number of bytes, from {} to {}", size(min), size(max))
        }
        ValueKind::Choice(words) => words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or "),
        ValueKind::Texts => "an array of texts".into(),
        ValueKind::Hosts => {
            "an array of hosts such as [\"api.example.org\", \"*.example.org\", \"192.168.0.7\"], without port or path"
                .into()
        }
        ValueKind::Origins => {
            "an array of origins such as [\"self\", \"https://example.org\", \"https://*.example.org\"], or [\"*\"]"
                .into()
        }
        ValueKind::TextOrTexts => "a text or an array of texts".into(),
        ValueKind::Durations(_) => "an object of durations such as { \"email\": \"60d\" }".into(),
        ValueKind::Object => "an object".into(),
        ValueKind::Any => "any value".into(),
    }
}

/// A size as people write it.
fn size(bytes: u64) -> String {
    let units = [(1 << 40, "tb"), (1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// Goes through a file's object: sets what the table knows, reports what has the wrong type (an error), and, if
/// `name_unknown`, what the table does not know (a warning). `null` counts as not given.
pub fn apply<T>(
    path: &str,
    text: &str,
    object: &Map<String, Value>,
    keys: &[Key<T>],
    name_unknown: bool,
    target: &mut T,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let walk = Walk { path, text, keys, name_unknown };
    walk.object(object, &mut Vec::new(), target, &mut problems);
    at_most(path, problems, "this file")
}

struct Walk<'a, T: 'static> {
    path: &'a str,
    text: &'a str,
    keys: &'a [Key<T>],
    name_unknown: bool,
}

impl<'a, T> Walk<'a, T> {
    fn object(
        &self,
        object: &'a Map<String, Value>,
        steps: &mut Vec<Step<'a>>,
        target: &mut T,
        problems: &mut Vec<Problem>,
    ) {
        for (name, value) in object {
            steps.push(Step::Key(name));
            self.value(value, steps, target, problems);
            steps.pop();
        }
    }

    fn value(&self, value: &'a Value, steps: &mut Vec<Step<'a>>, target: &mut T, problems: &mut Vec<Problem>) {
        let way_here = way(steps);
        let below = format!("{way_here}.");
        if let Some(key) = self.keys.iter().find(|key| key.path == way_here) {
            if value.is_null() {
                return;
            }
            match (check(key.kind, value), key.kind, value) {
                (Ok(checked), ..) => (key.set)(target, checked, value),
                (Err(_), ValueKind::Durations(min), Value::Object(items)) => {
                    for (name, item) in items.iter().filter(|(_, item)| !item.is_null()) {
                        steps.push(Step::Key(name));
                        if problems.len() <= MOST_PROBLEMS
                            && let Err(expected) = check(ValueKind::Duration(min), item)
                        {
                            problems.push(self.wrong_type(&way(steps), &expected, item, steps));
                        }
                        steps.pop();
                    }
                }
                (Err(expected), ..) => {
                    let mut problem = self.wrong_type(&way_here, &expected, value, steps);
                    if let Some((checked, taken)) = nearest_allowed(key.path, key.kind, value) {
                        (key.set)(target, checked, value);
                        (problem.fatal, problem.help) = (false, Some(taken));
                    }
                    problems.push(problem);
                }
            }
        } else if self.keys.iter().any(|key| key.path.starts_with(&below)) {
            match value {
                Value::Object(inner) => self.object(inner, steps, target, problems),
                Value::Null => {}
                other => problems.push(self.wrong_type(&way_here, "an object", other, steps)),
            }
        } else if self.name_unknown && !matches!(way_here.as_str(), "$schema" | "version") {
            let problem = Problem::warning(self.path, format!("the key \"{way_here}\" is not used"));
            if problems.len() >= MOST_PROBLEMS {
                return problems.push(problem);
            }
            let problem = problem.at(self.text, key_offset(self.text, steps)).without_frame();
            problems.push(match (advice(&way_here), nearest(&way_here, self.keys.iter().map(|key| key.path))) {
                (Some(advice), _) => problem.help(advice),
                (None, Some(near)) => problem.help(format!("did you mean \"{near}\"?")),
                (None, None) => problem,
            });
        }
    }

    fn wrong_type(&self, way_here: &str, expected: &str, value: &Value, steps: &[Step<'_>]) -> Problem {
        // A secret of the wrong type is still a secret.
        let got = if super::redact::is_secret(way_here) { String::new() } else { format!(", got {}", name_of(value)) };
        let problem = Problem::error(self.path, format!("\"{way_here}\" must be {expected}{got}"))
            .at(self.text, offset(self.text, steps));
        let problem = match advice(way_here) {
            Some(advice) => problem.help(advice),
            None => problem,
        };
        if got.is_empty() { problem.without_frame() } else { problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_a_size_are_said_as_they_are_written() {
        let heap = expectation(ValueKind::Size(4 << 20, 4 << 30));
        assert_eq!(heap, "a size such as \"512kb\", \"10mb\", or a number of bytes, from 4mb to 4gb");
        assert_eq!(expectation(ValueKind::Size(1, 1_500)).rsplit("from").next(), Some(" 1 to 1500"));
    }

    #[test]
    fn an_origin_cannot_end_the_header_it_goes_into() {
        let of = |text: &str| check(ValueKind::Origins, &serde_json::json!([text])).is_ok();
        for good in ["*", "self", "https://x.org", "http://localhost:8080", "https://*.x.org", "https://x.org:*"] {
            assert!(of(good), "{good}");
        }
        for bad in [
            "",
            "x.org",
            "https://",
            "https://x.org/",
            "https://x.org; script-src *",
            "https://a, https://b",
            "https://x.org:port",
            "'self'",
        ] {
            assert!(!of(bad), "{bad}");
        }
    }

    #[test]
    fn addresses_lose_their_last_slash() {
        assert_eq!(check(ValueKind::Address, &"https://x.org/".into()), Ok(Checked::Text("https://x.org".into())));
        assert!(check(ValueKind::Address, &"x.org".into()).is_err());
        assert!(check(ValueKind::Address, &"http://".into()).is_err());
    }
}
