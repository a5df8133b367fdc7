//! Paths into a JSON value, as lodash writes them: `a.b[0]["c.d"]`.

use serde_json::{Map, Value};

/// The keys from the outside in.
pub(super) type Path = Vec<String>;

/// Longest path; deeper values could not be written as JSON anyway.
const DEEPEST: usize = 100;

/// Largest index that a path may write to: one call must not make an array that fills the memory.
const LARGEST_INDEX: usize = 100_000;

/// Reads a path given as text or as an array of keys; `None` if it is neither, or too deep.
pub(super) fn parse(given: &Value) -> Option<Path> {
    let path = match given {
        Value::String(text) => split(text),
        Value::Number(number) => vec![number.to_string()],
        Value::Array(keys) => keys
            .iter()
            .map(|key| match key {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
            .collect::<Option<_>>()?,
        _ => return None,
    };
    (path.len() <= DEEPEST).then_some(path)
}

fn split(text: &str) -> Path {
    let mut path = Vec::new();
    let mut rest = text;
    let mut after_bracket = true;
    // One more than there may be is enough to know. Each of them may take a look through all that follows.
    while !rest.is_empty() && path.len() <= DEEPEST {
        if let Some(inner) = rest.strip_prefix('[')
            && let Some((key, behind)) = bracket(inner)
        {
            path.push(key);
            rest = behind;
            after_bracket = true;
            continue;
        }
        if let Some(behind) = rest.strip_prefix('.') {
            // Between two keys a dot parts them; elsewhere it means an empty key.
            if path.is_empty() && after_bracket {
                path.push(String::new());
            }
            rest = behind;
            after_bracket = false;
            if rest.is_empty() || rest.starts_with('.') {
                path.push(String::new());
            }
            continue;
        }
        let end = rest.char_indices().skip(1).find(|(_, c)| matches!(c, '.' | '[')).map_or(rest.len(), |(at, _)| at);
        path.push(rest[..end].to_owned());
        rest = &rest[end..];
        after_bracket = false;
    }
    path
}

/// The key inside brackets and what follows them.
fn bracket(inner: &str) -> Option<(String, &str)> {
    let quote = inner.chars().next().filter(|c| *c == '"' || *c == '\'');
    let Some(quote) = quote else {
        let (key, behind) = inner.split_once(']')?;
        return Some((key.to_owned(), behind));
    };
    let mut key = String::new();
    let mut escaped = false;
    for (at, c) in inner.char_indices().skip(1) {
        match c {
            _ if escaped => {
                key.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            _ if c == quote => return inner[at + 1..].strip_prefix(']').map(|behind| (key, behind)),
            _ => key.push(c),
        }
    }
    None
}

/// The part of a value that a path leads to.
pub(super) fn get<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| match value {
        Value::Object(map) => map.get(key),
        Value::Array(list) => index(key).and_then(|index| list.get(index)),
        _ => None,
    })
}

/// Puts a value where a path leads to, and makes what is missing on the way: an array where the next key is an index, else
/// an object. What is in the way and is neither is replaced.
pub(super) fn set(value: &mut Value, path: &[String], new: Value) {
    let Some((key, rest)) = path.split_first() else {
        *value = new;
        return;
    };
    let place = match value {
        Value::Array(list) if index(key).is_some_and(|index| index <= LARGEST_INDEX) => {
            let index = index(key).unwrap_or_default();
            if list.len() <= index {
                list.resize(index + 1, Value::Null);
            }
            &mut list[index]
        }
        Value::Object(map) => map.entry(key.as_str()).or_insert(Value::Null),
        // A property that is no index gets lost when an array is written as JSON: it is not even begun.
        Value::Array(_) => return,
        // Anything else cannot hold a key.
        other => {
            *other = Value::Object(Map::new());
            match other {
                Value::Object(map) => map.entry(key.as_str()).or_insert(Value::Null),
                _ => return,
            }
        }
    };
    if let Some(next) = rest.first()
        && !place.is_object()
        && !place.is_array()
    {
        *place = if index(next).is_some() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    }
    set(place, rest, new);
}

/// Takes away the part of a value that a path leads to; whether there was one. An entry of an array becomes `null`, so that
/// the others keep their places.
pub(super) fn remove(value: &mut Value, path: &[String]) -> bool {
    let Some((key, rest)) = path.split_first() else { return false };
    match value {
        Value::Object(map) if rest.is_empty() => map.shift_remove(key).is_some(),
        Value::Object(map) => map.get_mut(key).is_some_and(|inner| remove(inner, rest)),
        Value::Array(list) => match index(key).and_then(|index| list.get_mut(index)) {
            Some(entry) if rest.is_empty() => !entry.take().is_null(),
            Some(entry) => remove(entry, rest),
            None => false,
        },
        _ => false,
    }
}

/// A key that is an index: decimal, without leading zeros.
fn index(key: &str) -> Option<usize> {
    let plain = key == "0" || (!key.starts_with('0') && !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit()));
    plain.then(|| key.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_that_is_too_long_is_looked_at_no_further() {
        // Each bracket that is never closed takes a look through all of the others.
        assert_eq!(parse(&"[".repeat(8 << 20).into()), None);
        assert_eq!(parse(&"[".repeat(DEEPEST).into()).map(|path| path.len()), Some(DEEPEST));
        assert_eq!(parse(&"[".repeat(DEEPEST + 1).into()), None);
    }

    #[test]
    fn paths_are_read_as_lodash_does() {
        for (text, keys) in [
            ("a", vec!["a"]),
            ("a.b[0].c", vec!["a", "b", "0", "c"]),
            ("[0][1]", vec!["0", "1"]),
            ("a[\"b.c\"].d", vec!["a", "b.c", "d"]),
            ("a['it\\'s']", vec!["a", "it's"]),
            ("", vec![]),
            (".a", vec!["", "a"]),
            ("a..b", vec!["a", "", "b"]),
            ("日.本", vec!["日", "本"]),
            ("__proto__.x", vec!["__proto__", "x"]),
            ("a[", vec!["a", "["]),
        ] {
            assert_eq!(parse(&json!(text)).unwrap(), keys, "{text:?}");
        }
        assert_eq!(parse(&json!(["a", 0])).unwrap(), ["a", "0"]);
        assert!(parse(&json!({})).is_none());
    }

    #[test]
    fn what_is_missing_on_the_way_is_made() {
        let mut value = Value::Null;
        set(&mut value, &parse(&json!("a.b[1].c")).unwrap(), json!(7));
        assert_eq!(value, json!({ "a": { "b": [null, { "c": 7 }] } }));
        set(&mut value, &parse(&json!("a.b[0]")).unwrap(), json!("x"));
        set(&mut value, &parse(&json!("a.b[0].deep")).unwrap(), json!(true));
        assert_eq!(value, json!({ "a": { "b": [{ "deep": true }, { "c": 7 }] } }));
        assert_eq!(get(&value, &parse(&json!("a.b[1].c")).unwrap()), Some(&json!(7)));
        assert_eq!(get(&value, &parse(&json!("a.x.y")).unwrap()), None);
        set(&mut value, &parse(&json!("__proto__.x")).unwrap(), json!(1));
        assert_eq!(get(&value, &parse(&json!("__proto__.x")).unwrap()), Some(&json!(1)));
        let before = value.clone();
        set(&mut value, &parse(&json!("a.b[99999999999]")).unwrap(), json!(1));
        set(&mut value, &parse(&json!("a.b.name")).unwrap(), json!(1));
        assert_eq!(value, before, "a huge index does not fill the memory, and no array is thrown away");
    }

    #[test]
    fn numbers_beside_what_is_set_stay_what_they_are() {
        for number in [
            "0.30000000000000004",
            "5e-324",
            "1.7976931348623157e308",
            "1.1111111111111111e106",
            "-0.0",
            "9007199254740993",
        ] {
            let mut value: Value = serde_json::from_str(&format!(r#"{{"kept":[{number}]}}"#)).unwrap();
            set(&mut value, &parse(&json!("new")).unwrap(), json!(1));
            let (kept, exact) = (value["kept"][0].to_string(), number.parse::<f64>().unwrap());
            assert_eq!(kept.parse::<f64>().unwrap().to_bits(), exact.to_bits(), "{number}: {kept}");
        }
    }

    #[test]
    fn what_is_removed_leaves_the_rest_in_its_place() {
        let mut value = json!({ "a": { "b": 1, "c": 2 }, "list": [1, { "x": 1 }, 3] });
        for (path, there) in [("a.b", true), ("a.b", false), ("list[1].x", true), ("list[0]", true), ("list[9]", false)]
        {
            assert_eq!(remove(&mut value, &parse(&json!(path)).unwrap()), there, "{path}");
        }
        assert_eq!(value, json!({ "a": { "c": 2 }, "list": [null, {}, 3] }));
        assert!(!remove(&mut value, &[]));
    }
}
