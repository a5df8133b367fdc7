//! Content elements: `bots/<id>/content-elements/<type>.json`.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::config::jsonc::{Document, Step, name_of, way};
use crate::config::{MOST_PROBLEMS, Problem, at_most};
use crate::program::Element;

/// Elements by their ids, in the order of the file.
type Elements = Vec<(String, Element)>;

/// Reads a file of elements. What is wrong with single elements comes beside the others.
///
/// # Errors
/// A text that is not a JSON array.
pub(super) fn read_elements(
    path: &str,
    content_type: &str,
    text: &str,
) -> Result<(Elements, Vec<Problem>), Vec<Problem>> {
    let document = Document::read(path, text).map_err(|problem| vec![*problem])?;
    let root = document.root();
    let items = match root.value(path, text).map_err(|problem| vec![*problem])? {
        Value::Array(items) => items,
        other => {
            let message = format!("expected an array of elements, got {}", name_of(&other));
            return Err(vec![Problem::error(path, message).at(text, root.at())]);
        }
    };
    let content_type: Arc<str> = content_type.into();
    let mut seen = HashSet::new();
    let (mut elements, mut problems) = (Vec::new(), Vec::new());
    // The place of a problem costs a walk through the file.
    let mut wrong = |message: String, steps: &[Step<'_>]| {
        let problem = Problem::error(path, message);
        let placed = problems.len() < MOST_PROBLEMS;
        problems.push(if placed { problem.at(text, root.follow(steps).at()) } else { problem });
    };
    for (index, item) in items.into_iter().enumerate() {
        match read_element(&content_type, item) {
            Ok((id, element)) if seen.insert(id.clone()) => elements.push((id, element)),
            Ok((id, _)) => {
                wrong(format!("a second element has the id {id:?}"), &[Step::Index(index), Step::Key("id")]);
            }
            Err((key, expected, got)) => {
                let steps: Vec<Step<'_>> =
                    [Some(Step::Index(index)), key.map(Step::Key)].into_iter().flatten().collect();
                wrong(format!("\"{}\" must be {expected}, got {got}", way(&steps)), &steps);
            }
        }
    }
    Ok((elements, at_most(path, problems, "this file")))
}

/// A key (or the element itself), what was expected there and what there is.
type Wrong = (Option<&'static str>, &'static str, String);

fn read_element(content_type: &Arc<str>, item: Value) -> Result<(String, Element), Wrong> {
    let Value::Object(mut item) = item else { return Err((None, "an object", name_of(&item))) };
    let wrong = |key: &'static str, expected, value: Option<&Value>| {
        Err((Some(key), expected, value.map_or_else(|| "nothing".to_owned(), name_of)))
    };
    let id = match item.get("id") {
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        other => return wrong("id", "a text that is not empty", other),
    };
    match item.get("formData") {
        Some(Value::Object(_)) => {}
        other => return wrong("formData", "an object", other),
    }
    // In this order, whatever the file's; other keys behind.
    let mut out = Map::new();
    out.insert("id".into(), id.clone().into());
    out.insert("contentType".into(), (**content_type).into());
    for key in ["formData", "createdBy", "createdOn", "modifiedOn"] {
        out.insert(key.into(), item.shift_remove(key).unwrap_or(Value::Null));
    }
    for (key, value) in item {
        out.entry(key).or_insert(value);
    }
    let json: Box<RawValue> = to_raw_value(&out).map_err(|_| (None, "JSON", "something else".to_owned()))?;
    Ok((id, Element { content_type: Arc::clone(content_type), json }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    const PATH: &str = "bots/a/content-elements/builtin_text.json";

    #[test]
    fn elements_get_their_content_type_from_the_file_name() {
        let text = r#"[ // ours
            { "formData": { "text$en": "Hi" }, "id": "builtin_text-1", "createdBy": "admin", "x": 1, },
        ]"#;
        let (elements, problems) = read_elements(PATH, "builtin_text", text).unwrap();
        assert!(problems.is_empty());
        let (id, element) = &elements[0];
        assert_eq!((id.as_str(), &*element.content_type), ("builtin_text-1", "builtin_text"));
        assert_eq!(
            element.json.get(),
            r#"{"id":"builtin_text-1","contentType":"builtin_text","formData":{"text$en":"Hi"},"createdBy":"admin","createdOn":null,"modifiedOn":null,"x":1}"#
        );
    }

    #[test]
    fn wrong_elements_are_named_with_file_line_and_column() {
        let text = "[\n  { \"id\": \"a\", \"formData\": {} },\n  { \"id\": \"a\", \"formData\": {} },\n  { \"id\": 1 },\n  { \"id\": \"b\", \"formData\": [] },\n  7\n]";
        let (elements, problems) = read_elements(PATH, "builtin_text", text).unwrap();
        assert_eq!(elements.len(), 1);
        let shown: Vec<String> = problems.into_iter().map(|problem| problem.without_frame().to_string()).collect();
        expect![[r#"
            bots/a/content-elements/builtin_text.json:3:11: error: a second element has the id "a"
            bots/a/content-elements/builtin_text.json:4:11: error: "[2].id" must be a text that is not empty, got the number 1
            bots/a/content-elements/builtin_text.json:5:28: error: "[3].formData" must be an object, got an array
            bots/a/content-elements/builtin_text.json:6:3: error: "[4]" must be an object, got the number 7"#]].assert_eq(&shown.join("\n"));
        expect![[r#"
            bots/a/content-elements/builtin_text.json:2:4: error: not valid JSON: unexpected token in object
              1 | [
            > 2 |   {,}
                |    ^
              3 | ]"#]]
        .assert_eq(&read_elements(PATH, "t", "[\n  {,}\n]").unwrap_err()[0].to_string());
        expect![[r#"
            bots/a/content-elements/builtin_text.json:1:1: error: expected an array of elements, got an object
            > 1 | {}
                | ^"#]]
        .assert_eq(&read_elements(PATH, "t", "{}").unwrap_err()[0].to_string());
    }
}
