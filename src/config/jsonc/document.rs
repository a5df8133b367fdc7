//! A text of JSON with the place of every value beside it, for files whose values are judged one by one.

use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ast, parse_to_ast};
use serde_json::Value;

use super::{Step, convert, options};
use crate::config::problem::Problem;

/// A text that was read. Its values are looked at through [`Document::root`].
#[derive(Debug)]
pub struct Document<'a> {
    root: ast::Value<'a>,
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'d>(&'d ast::Value<'d>);

impl<'a> Document<'a> {
    /// Reads a text, as [`super::parse`] does.
    ///
    /// # Errors
    /// A text that is no JSON: the problem names line and column.
    pub fn read(path: &str, text: &'a str) -> Result<Self, Box<Problem>> {
        let collect = CollectOptions::default();
        let parsed = parse_to_ast(text, &collect, &options()).map_err(|error| super::refused(path, text, &error))?;
        match parsed.value {
            Some(root) => Ok(Self { root }),
            None => Err(super::empty(path)),
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
        convert(self.0.clone()).map_err(|(offset, reason)| super::not_json(path, text, offset, &reason))
    }

    /// Its type in words, as [`super::name_of`].
    pub fn name(self) -> String {
        convert(self.0.clone()).map_or_else(|_| "a number".to_owned(), |value| super::name_of(&value))
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
        assert_eq!(Document::read("x.json", "").unwrap_err().to_string(), super::super::empty("x.json").to_string());
    }
}
