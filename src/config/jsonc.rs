//! JSON with comments and trailing commas, read strictly otherwise, with the place of every value at hand for errors.

mod document;

use serde_json::{Map, Value};

use super::problem::Problem;

pub use document::{Document, Spot, Step, name_of};

/// Reads a text; the problem names line and column. An empty text is an error. Of a key given twice the last one counts, as in JavaScript.
pub fn parse(path: &str, text: &str) -> Result<Value, Box<Problem>> {
    Document::read(path, text)?.root().value(path, text)
}

/// Reads a text that must hold an object.
pub fn parse_object(path: &str, text: &str) -> Result<Map<String, Value>, Box<Problem>> {
    match parse(path, text)? {
        Value::Object(object) => Ok(object),
        other => {
            let message = format!("expected an object, got {}", name_of(&other));
            Err(Box::new(Problem::error(path, message).at(text, offset(text, &[]))))
        }
    }
}

/// The byte offset of a value in a text that was read with [`parse`]; of the innermost one on the way that exists.
pub fn offset(text: &str, steps: &[Step<'_>]) -> usize {
    Document::read("", text).map_or(0, |document| document.root().follow(steps).at())
}

/// The byte offset of a property's name: like [`offset`], but of the last key itself.
pub fn key_offset(text: &str, steps: &[Step<'_>]) -> usize {
    let start = offset(text, steps);
    let Some(Step::Key(key)) = steps.last() else { return start };
    // The name stands before its colon; comments between the two are rare enough to be taken for the place.
    let before = text[..start].trim_end_matches(|c: char| c.is_whitespace() || c == ':');
    let name = key.len() + 2;
    if before.ends_with('"') && before.len() >= name { before.len() - name } else { start }
}

/// `httpServer.cors`, `[2].formData["a b"]`: a way as people write it.
pub fn way(steps: &[Step<'_>]) -> String {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Index(index) => out.push_str(&format!("[{index}]")),
            Step::Key(key) if !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-$".contains(c)) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Step::Key(key) => out.push_str(&format!("[{key:?}]")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn comments_and_trailing_commas_are_accepted() {
        let text = "// a\n{ \"a\": [1, -2.5e3,], /* b */ \"b\": { \"c\": \"\\u00e9\", }, \"a\": null }\n";
        assert_eq!(parse("x.json", text).unwrap(), json!({ "a": null, "b": { "c": "é" } }));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for bad in
            ["{a: 1}", "{'a': 1}", "[1 2]", "[0x10]", "[+1]", "[.5]", "[NaN]", "{} {}", "", "\"\\x41\"", "[1e999]"]
        {
            assert!(parse("x.json", bad).is_err(), "{bad}");
        }
        expect![[r#"
            bots/a/bot.config.json:2:12: error: not valid JSON: expected comma
              1 | {
            > 2 |   "id": "a" "name": "b"
                |            ^
              3 | }"#]]
        .assert_eq(&parse("bots/a/bot.config.json", "{\n  \"id\": \"a\" \"name\": \"b\"\n}").unwrap_err().to_string());
        assert_eq!(
            parse_object("x.json", "[]").unwrap_err().to_string(),
            "x.json:1:1: error: expected an object, got an array\n> 1 | []\n    | ^"
        );
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        assert!(parse("x.json", &"[".repeat(100_000)).is_err());
    }

    #[test]
    fn a_way_leads_to_its_place() {
        let text = "{ \"a\": [ 1, { \"b c\": true } ] }";
        let steps = [Step::Key("a"), Step::Index(1), Step::Key("b c")];
        assert_eq!(&text[offset(text, &steps)..][..4], "true");
        assert_eq!(way(&steps), "a[1][\"b c\"]");
        assert_eq!(&text[key_offset(text, &steps)..][..5], "\"b c\"");
        assert_eq!(&text[offset(text, &[Step::Key("a"), Step::Index(9)])..][..1], "[");
    }
}
