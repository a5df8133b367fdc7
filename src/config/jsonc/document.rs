//! A text of JSON with the place of every value beside it, for files whose values are judged one by one.

use jsonc_parser::common::Ranged;
use jsonc_parser::errors::ParseError;
use jsonc_parser::{CollectOptions, ParseOptions, ast, parse_to_ast};
use serde_json::{Map, Value};

use crate::config::problem::Problem;

/// A step on the way to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// A property.
    Key(&'a str),
    /// An element of an array.
    Index(usize),
}

/// A text that was read. Its values are looked at through [`Document::root`].
#[derive(Debug)]
pub struct Document<'a> {
    root: ast::Value<'a>,
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'d>(&'d ast::Value<'d>);

impl<'a> Document<'a> {
    /// Reads a text, as [`crate::config::jsonc::parse`] does.
    ///
    /// # Errors
    /// A text that is no JSON: the problem names line and column.
    pub fn read(path: &str, text: &'a str) -> Result<Self, Box<Problem>> {
        let collect = CollectOptions::default();
        let parsed = parse_to_ast(text, &collect, &options()).map_err(|error| refused(path, text, &error))?;
        match parsed.value {
            Some(root) => Ok(Self { root }),
            None => Err(empty(path)),
        }
    }

    /// The outermost value.
    pub fn root(&self) -> Spot<'_> {
        Spot(&self.root)
    }
}

impl<'d> Spot<'d> {
    /// The byte offset at which it begins.
    pub fn at(self) -> usize {
        self.0.start()
    }

    /// The member of that name, the last one as in JavaScript; `None` for `null` too.
    pub fn member(self, name: &str) -> Option<Self> {
        let ast::Value::Object(object) = self.0 else { return None };
        let found = object.properties.iter().rev().find(|property| property.name.as_str() == name);
        found.map(|property| Spot(&property.value)).filter(|spot| !spot.is_null())
    }

    /// The elements of an array; `None` if it is none.
    pub fn items(self) -> Option<impl Iterator<Item = Self>> {
        let ast::Value::Array(array) = self.0 else { return None };
        Some(array.elements.iter().map(Spot))
    }

    /// The text; `None` if it is none.
    pub fn text(self) -> Option<&'d str> {
        if let ast::Value::StringLit(literal) = self.0 { Some(&literal.value) } else { None }
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        matches!(self.0, ast::Value::Object(_))
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        matches!(self.0, ast::Value::NullKeyword(_))
    }

    /// The value itself.
    ///
    /// # Errors
    /// It holds a number that JSON cannot: the problem names line and column in `text`, which the document was read of.
    pub fn value(self, path: &str, text: &str) -> Result<Value, Box<Problem>> {
        convert(self.0.clone()).map_err(|(offset, reason)| not_json(path, text, offset, &reason))
    }

    /// Its type in words, as [`name_of`].
    pub fn name(self) -> String {
        convert(self.0.clone()).map_or_else(|_| "a number".to_owned(), |value| name_of(&value))
    }

    /// The byte offset, in `source`, of the character at `offset` in this text; of the text itself if it is written with
    /// escapes, so that the two differ.
    pub fn within(self, source: &str, offset: usize) -> usize {
        let text = self.text().unwrap_or_default();
        let inside = self.at() + 1;
        let plain = source.get(inside..inside + text.len()).is_some_and(|written| written == text);
        if plain { inside + offset.min(text.len()) } else { self.at() }
    }

    /// Follows a way; the innermost value on it that exists.
    pub fn follow(self, steps: &[Step<'_>]) -> Self {
        let mut here = self;
        for step in steps {
            let next = match (step, here.0) {
                (Step::Key(key), ast::Value::Object(object)) => {
                    object.properties.iter().rev().find(|property| property.name.as_str() == *key).map(|p| &p.value)
                }
                (Step::Index(index), ast::Value::Array(array)) => array.elements.get(*index),
                _ => None,
            };
            match next {
                Some(next) => here = Spot(next),
                None => break,
            }
        }
        here
    }
}

/// Comments and trailing commas, and nothing else that JSON does not know.
fn options() -> ParseOptions {
    ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    }
}

fn refused(path: &str, text: &str, error: &ParseError) -> Box<Problem> {
    let mut reason = error.kind().to_string();
    reason[..1].make_ascii_lowercase();
    not_json(path, text, error.range().start, &reason)
}

fn not_json(path: &str, text: &str, offset: usize, reason: &str) -> Box<Problem> {
    Box::new(Problem::error(path, format!("not valid JSON: {reason}")).at(text, offset))
}

fn empty(path: &str) -> Box<Problem> {
    Box::new(Problem::error(path, "not valid JSON: the file is empty"))
}

/// Fails with the offset and a reason.
fn convert(value: ast::Value<'_>) -> Result<Value, (usize, String)> {
    Ok(match value {
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
        ast::Value::StringLit(literal) => Value::String(literal.value.into_owned()),
        ast::Value::NumberLit(literal) => match serde_json::from_str(literal.value) {
            Ok(number) => Value::Number(number),
            Err(_) => return Err((literal.range.start, format!("{} is not a number JSON can hold", literal.value))),
        },
        ast::Value::Array(array) => Value::Array(array.elements.into_iter().map(convert).collect::<Result<_, _>>()?),
        ast::Value::Object(object) => {
            let mut map = Map::new();
            for property in object.properties {
                map.insert(property.name.into_string(), convert(property.value)?);
            }
            Value::Object(map)
        }
    })
}

/// A value's type in words, short texts and numbers with their value: `the text "no"`, `an array`.
pub fn name_of(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() <= 40 => format!("the text {text:?}"),
        Value::String(_) => "a text".into(),
        Value::Array(_) => "an array".into(),
        Value::Object(_) => "an object".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_reached_by_name_and_know_their_places() {
        let text = "{ // c\n \"a\": [1, \"x\\n\"], \"b\": null, \"c\": \"plain\" }";
        let document = Document::read("x.json", text).unwrap();
        let root = document.root();
        assert!(root.is_object() && root.member("b").is_none() && root.member("d").is_none());
        let items: Vec<Spot<'_>> = root.member("a").unwrap().items().unwrap().collect();
        assert_eq!((items[1].text(), &text[items[1].at()..][..3]), (Some("x\n"), "\"x\\"));
        assert_eq!(items[1].within(text, 1), items[1].at(), "an escape moves what follows");
        assert_eq!(&text[root.member("c").unwrap().within(text, 2)..][..1], "a");
        assert_eq!(items[0].name(), "the number 1");
        assert_eq!(Document::read("x.json", "").unwrap_err().to_string(), super::empty("x.json").to_string());
    }
}
