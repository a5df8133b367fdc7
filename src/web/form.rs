//! `application/x-www-form-urlencoded` bodies as JSON: `a=1&b[c]=2&d[]=3` is `{"a":"1","b":{"c":"2"},"d":["3"]}`.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::HttpError;

/// Deepest `a[b][c]`; further brackets stay part of the last name.
const DEEPEST: usize = 5;
/// Most fields of one form.
const FIELDS: usize = 1_000;

/// Reads a form. Values are strings; a name given twice makes an array.
pub(crate) fn to_json(text: &str) -> Result<Box<RawValue>, HttpError> {
    if percent_encoding::percent_decode_str(text).decode_utf8().is_err() {
        return Err(HttpError::BadRequest("the form is not valid UTF-8".into()));
    }
    let mut object = Map::new();
    for (index, (name, value)) in form_urlencoded::parse(text.as_bytes()).enumerate() {
        if index >= FIELDS {
            return Err(HttpError::BadRequest(format!("the form has more than {FIELDS} fields")));
        }
        let (first, rest) = name.split_once('[').filter(|_| name.ends_with(']')).unwrap_or((&name, ""));
        let path: Vec<&str> = if first.is_empty() || rest.is_empty() {
            vec![&name]
        } else {
            std::iter::once(first).chain(rest[..rest.len() - 1].splitn(DEEPEST, "][")).collect()
        };
        put(&mut object, &path, value.into_owned());
    }
    serde_json::value::to_raw_value(&object).map_err(HttpError::parse_failed)
}

fn put(object: &mut Map<String, Value>, path: &[&str], value: String) {
    let [name, rest @ ..] = path else { return };
    match (object.get_mut(*name), rest) {
        (None, []) => {
            object.insert((*name).to_owned(), Value::String(value));
        }
        (None, [""]) => {
            object.insert((*name).to_owned(), Value::Array(vec![Value::String(value)]));
        }
        (None, rest) => {
            let mut inner = Map::new();
            put(&mut inner, rest, value);
            object.insert((*name).to_owned(), Value::Object(inner));
        }
        (Some(Value::Array(list)), _) => list.push(Value::String(value)),
        (Some(Value::Object(inner)), rest) if !rest.is_empty() => put(inner, rest, value),
        (Some(other), _) => {
            let before = other.take();
            *other = Value::Array(vec![before, Value::String(value)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        to_json(text).unwrap().get().to_owned()
    }

    #[test]
    fn a_form_is_an_object_of_strings() {
        assert_eq!(read("type=text&text=a+b%26c"), r#"{"type":"text","text":"a b&c"}"#);
        assert_eq!(read("a=1&a=2&b[]=3&c[d][e]=4"), r#"{"a":["1","2"],"b":["3"],"c":{"d":{"e":"4"}}}"#);
        assert_eq!(read("__proto__[x]=1"), r#"{"__proto__":{"x":"1"}}"#);
        assert_eq!(read("[]=1&x[=2"), r#"{"[]":"1","x[":"2"}"#);
    }

    #[test]
    fn a_form_that_is_not_utf_8_is_refused() {
        assert!(to_json("a=%ff").is_err());
        assert!(to_json("a=%C3&b=%A9").is_err());
    }
}
