//! What an action says of itself: the JSDoc block at its top.
//!
//! ```js
//! /**
//!  * Keeps a value.
//!  * @title Set Variable
//!  * @category Storage
//!  * @param {string} name - What to call it
//!  * @param {any} [value=1] - What to keep
//!  */
//! ```

use crate::reading::{ActionDoc, ActionParam};

/// The tags that make a comment the action's own.
const TAGS: [&str; 5] = ["title", "category", "author", "hidden", "param"];

/// Reads what an action says of itself in one of its JSDoc comments, each given as it stands between `/**` and `*/`: the
/// first one that has a tag of ours, else the very first if nothing but comments stands before it (`leads`).
pub(super) fn action_doc<'a>(comments: impl Iterator<Item = &'a str> + Clone, leads: bool) -> ActionDoc {
    let tagged = comments.clone().find(|text| sections(text).1.iter().any(|(tag, _)| TAGS.contains(&tag.as_str())));
    let Some(text) = tagged.or_else(|| comments.clone().next().filter(|_| leads)) else { return ActionDoc::default() };
    let (description, tags) = sections(text);
    let mut doc = ActionDoc { description, ..ActionDoc::default() };
    for (tag, text) in tags {
        match tag.as_str() {
            "title" => doc.title = text,
            "category" => doc.category = text,
            "author" => doc.author = text,
            "hidden" => doc.hidden = text != "false",
            "param" => doc.params.extend(param(&text)),
            _ => {}
        }
    }
    doc
}

/// What stands before the first tag, and the tags with their texts.
fn sections(comment: &str) -> (String, Vec<(String, String)>) {
    let mut description = String::new();
    let mut tags: Vec<(String, String)> = Vec::new();
    for line in comment.lines() {
        let line = line.trim();
        let line = line.strip_prefix('*').unwrap_or(line).trim();
        if let Some(rest) = line.strip_prefix('@') {
            let (tag, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            tags.push((tag.to_owned(), text.trim().to_owned()));
            continue;
        }
        let open = tags.last_mut().map_or(&mut description, |(_, text)| text);
        if !open.is_empty() {
            open.push('\n');
        }
        open.push_str(line);
    }
    for (_, text) in &mut tags {
        text.truncate(text.trim_end().len());
    }
    (description.trim().to_owned(), tags)
}

/// `{type} [name=default] - text`; nothing without a name.
fn param(text: &str) -> Option<ActionParam> {
    let (kind, rest) = if text.starts_with('{') { bracketed(text, '{', '}') } else { ("any", text) };
    // `{string=}` is the older way to say that it may be left out.
    let (kind, optional) = kind.trim().strip_suffix('=').map_or((kind.trim(), false), |kind| (kind, true));
    let rest = rest.trim_start();
    let (name, default, required, rest) = if rest.starts_with('[') {
        let (inside, rest) = bracketed(rest, '[', ']');
        let (name, default) = inside.split_once('=').map_or((inside, None), |(name, default)| (name, Some(default)));
        (name, default.map(|text| text.trim().to_owned()), false, rest)
    } else {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        (&rest[..end], None, !optional, &rest[end..])
    };
    let description = rest.trim_start();
    let description = description.strip_prefix('-').unwrap_or(description).trim();
    let name = name.trim();
    (!name.is_empty()).then(|| ActionParam {
        name: name.to_owned(),
        kind: kind.to_owned(),
        required,
        default,
        description: description.to_owned(),
    })
}

/// What stands within the brackets that a text begins with, and what follows them; all of it if they are never closed.
fn bracketed(text: &str, open: char, close: char) -> (&str, &str) {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return (&text[1..at], &text[at + 1..]);
            }
        }
    }
    (&text[1..], "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn doc(comment: &str) -> ActionDoc {
        action_doc([comment].into_iter(), true)
    }

    #[test]
    fn everything_an_action_says_of_itself_is_read() {
        let doc = doc("
 * Store data, and nothing else.
 *
 * More of it.
 * @title Set Variable
 * @category Storage
 * @author Somebody, Inc.
 * @hidden
 * @param {string} type - Pick between: user, session, temp, bot
 * @param {any} [value=a [b] = c] Where to - and
 *   what for
 * @param {{ a: { b: string } }} nested
 * @param {number=} times
 * @param   bare
 * @param {string}
 * @param [open
 * @returns {void} nothing
 ");
        expect![[r#"
            {
              "title": "Set Variable",
              "description": "Store data, and nothing else.\n\nMore of it.",
              "category": "Storage",
              "author": "Somebody, Inc.",
              "hidden": true,
              "params": [
                {
                  "name": "type",
                  "type": "string",
                  "required": true,
                  "default": null,
                  "description": "Pick between: user, session, temp, bot"
                },
                {
                  "name": "value",
                  "type": "any",
                  "required": false,
                  "default": "a [b] = c",
                  "description": "Where to - and\nwhat for"
                },
                {
                  "name": "nested",
                  "type": "{ a: { b: string } }",
                  "required": true,
                  "default": null,
                  "description": ""
                },
                {
                  "name": "times",
                  "type": "number",
                  "required": false,
                  "default": null,
                  "description": ""
                },
                {
                  "name": "bare",
                  "type": "any",
                  "required": true,
                  "default": null,
                  "description": ""
                },
                {
                  "name": "open",
                  "type": "any",
                  "required": false,
                  "default": null,
                  "description": ""
                }
              ]
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&doc).unwrap());
    }

    #[test]
    fn the_comment_with_a_tag_counts_and_else_the_first_one_at_the_top() {
        let of = |comments: &[&str], leads: bool| action_doc(comments.iter().copied(), leads);
        assert_eq!(of(&[" A licence ", " Real @title no ", "\n * @title Yes"], true).title, "Yes");
        assert_eq!(of(&[" Says hello ", " other "], true).description, "Says hello");
        assert_eq!(of(&[" A helper "], false), ActionDoc::default());
        assert_eq!(of(&[], true), ActionDoc::default());
        assert!(!doc("@hidden false").hidden);
    }
}
