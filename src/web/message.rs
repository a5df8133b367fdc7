//! What a visitor sends to `/messages`: checked, and made into what the store keeps of it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;

use super::error::HttpError;
use super::json_members;

/// What may be sent. Anything else goes to `/events`.
const TYPES: [&str; 7] =
    ["text", "quick_reply", "form", "login_prompt", "visit", "request_start_conversation", "postback"];

/// Most members that `sensitive` may name: each is looked for.
const SENSITIVE: usize = 1_000;

/// The members of a body that the web channel itself looks at. `null` counts as absent; the last of a name counts, as in
/// JavaScript.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a RawValue>,
    text: Option<&'a RawValue>,
    raw: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
    sensitive: Option<&'a RawValue>,
    timezone: Option<&'a RawValue>,
    language: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    fn read(body: &'a RawValue) -> Result<Self, HttpError> {
        let mut fields = Self::default();
        json_members::each(body, |name, _, value| {
            let field = match &*name {
                "type" => &mut fields.kind,
                "text" => &mut fields.text,
                "raw" => &mut fields.raw,
                "data" => &mut fields.data,
                "sensitive" => &mut fields.sensitive,
                "timezone" => &mut fields.timezone,
                "language" => &mut fields.language,
                _ => return,
            };
            *field = Some(value).filter(|value| value.get() != "null");
        })?;
        Ok(fields)
    }
}

/// A checked message.
#[derive(Debug)]
pub(crate) struct VisitorMessage {
    /// Its type, one of those that may be sent.
    pub(crate) kind: &'static str,
    /// What is stored of it.
    pub(crate) stored: Stored,
    /// What a `visit` says of the visitor.
    pub(crate) visit: Visit,
}

/// What is stored of a message: without what its sender called sensitive.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) text: Option<String>,
    pub(crate) raw: Option<Box<RawValue>>,
    pub(crate) data: Option<Box<RawValue>>,
    pub(crate) payload: Box<RawValue>,
}

/// What a `visit` says of the visitor, as far as it makes sense.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Visit {
    /// Hours from UTC: −12 to 14, whole or half.
    pub(crate) timezone: Option<f64>,
    /// A language code of one to three characters.
    pub(crate) language: Option<String>,
}

impl VisitorMessage {
    /// Checks a body. `longest` is in UTF-16 units, as JavaScript counts.
    pub(crate) fn check(body: &RawValue, longest: usize) -> Result<Self, HttpError> {
        let fields = Fields::read(body)?;
        let kind = fields
            .kind
            .and_then(json_members::exact_text)
            .and_then(|asked| TYPES.into_iter().find(|known| *known == asked))
            .ok_or_else(|| HttpError::plain("`type` is required and must be valid"))?;
        let text = fields.text.and_then(json_members::text);
        if kind != "postback" {
            let fine = text.as_ref().is_some_and(|text| !text.is_empty() && text.encode_utf16().count() <= longest);
            if !fine {
                return Err(HttpError::too_long(longest));
            }
        }
        let visit = if kind == "visit" { Visit::read(&fields) } else { Visit::default() };
        let stored = if fields.sensitive.is_some() || kind == "login_prompt" {
            Stored::without_secrets(body, fields.sensitive, kind)?
        } else {
            Stored {
                text: text.map(Cow::into_owned),
                raw: fields.raw.map(ToOwned::to_owned),
                data: fields.data.map(ToOwned::to_owned),
                payload: body.to_owned(),
            }
        };
        Ok(Self { kind, stored, visit })
    }
}

impl Visit {
    fn read(fields: &Fields<'_>) -> Self {
        let timezone = fields.timezone.and_then(|raw| serde_json::from_str::<f64>(raw.get()).ok());
        let language = fields.language.and_then(json_members::exact_text);
        Self {
            timezone: timezone.filter(|hours| (-12.0..=14.0).contains(hours) && (hours * 2.0).fract() == 0.0),
            language: language.filter(|code| (1..4).contains(&code.chars().count())).map(Cow::into_owned),
        }
    }
}

impl Stored {
    /// What is left when the members named in `sensitive` are taken out; of a login, the password never stays.
    fn without_secrets(body: &RawValue, sensitive: Option<&RawValue>, kind: &str) -> Result<Self, HttpError> {
        let mut paths = HashSet::from([Cow::Borrowed("sensitive")]);
        match sensitive.map(|named| (named, named.get().as_bytes().first())) {
            Some((path, Some(b'"'))) => paths.extend(json_members::text(path)),
            Some((list, Some(b'['))) => {
                let mut named = 0;
                json_members::items(list, |path| {
                    paths.extend(json_members::text(path));
                    named += 1;
                    named <= SENSITIVE
                })?;
                if named > SENSITIVE {
                    return Err(HttpError::plain(format!("`sensitive` can name {SENSITIVE} members at most")));
                }
            }
            _ => {}
        }
        if kind == "login_prompt" {
            paths.insert(Cow::Borrowed("data.password"));
        }
        let mut text = String::with_capacity(body.get().len());
        write_without(body, &paths.iter().map(|path| &**path).collect(), &mut text)?;
        let payload = RawValue::from_string(text).map_err(HttpError::parse_failed)?;
        let fields = Fields::read(&payload)?;
        Ok(Self {
            text: fields.text.and_then(json_members::text).map(Cow::into_owned),
            raw: fields.raw.map(ToOwned::to_owned),
            data: fields.data.map(ToOwned::to_owned),
            payload,
        })
    }
}

/// Writes the members of an object but for those of these names and, where there is none of the name, those of the dotted
/// path.
fn write_without(object: &RawValue, paths: &HashSet<&str>, out: &mut String) -> Result<(), HttpError> {
    let mut names = HashSet::new();
    json_members::each(object, |name, _, _| {
        names.extend(paths.get(&*name).copied());
    })?;
    let mut below: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (first, rest) in paths.difference(&names).filter_map(|path| path.split_once('.')) {
        below.entry(first).or_default().insert(rest);
    }
    let mut result = Ok(());
    let mut separator = '{';
    json_members::each(object, |name, written, value| {
        if names.contains(&*name) || result.is_err() {
            return;
        }
        out.push(separator);
        separator = ',';
        out.push_str(written.get());
        out.push(':');
        match below.get(&*name) {
            Some(paths) if value.get().starts_with('{') => result = write_without(value, paths, out),
            _ => out.push_str(value.get()),
        }
    })?;
    if separator == '{' {
        out.push('{');
    }
    out.push('}');
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> Result<VisitorMessage, String> {
        let raw = RawValue::from_string(body.to_owned()).unwrap();
        VisitorMessage::check(&raw, 360).map_err(|error| error.to_string())
    }

    #[test]
    fn a_message_needs_a_known_type_and_a_text() {
        for bad in [r#"{}"#, r#"{"type":"foo","text":"a"}"#, r#"{"type":1,"text":"a"}"#, r#"{"type":null}"#] {
            assert_eq!(check(bad).unwrap_err(), "`type` is required and must be valid", "{bad}");
        }
        let long = format!(r#"{{"type":"text","text":"{}"}}"#, "a".repeat(361));
        for bad in [r#"{"type":"text"}"#, r#"{"type":"visit","text":""}"#, r#"{"type":"form","text":1}"#, &long] {
            assert_eq!(check(bad).unwrap_err(), "Text must be a valid string of less than 360 chars", "{bad}");
        }
        assert_eq!(check("[]").unwrap_err(), "\"value\" must be an object");
        assert!(check(r#"{"type":"postback","data":{"payload":"P"}}"#).is_ok());
    }

    #[test]
    fn an_ordinary_message_is_stored_as_it_was_written() {
        let message =
            check(r#"{ "type":"t\u0065xt", "text":"h\u0069", "data":{"b":1,"a":2}, "__proto__":{"x":1} }"#).unwrap();
        assert_eq!((message.kind, message.stored.text.as_deref()), ("text", Some("hi")));
        assert_eq!(message.stored.data.unwrap().get(), r#"{"b":1,"a":2}"#);
        assert!(message.stored.payload.get().contains(r#""__proto__":{"x":1}"#));
    }

    #[test]
    fn what_is_sensitive_is_not_stored() {
        for sensitive in [r#"["pin","data.card"]"#, r#"["pin","data.card",7]"#] {
            let body = format!(
                r#"{{"type":"text","text":"secret","pin":"1234","data":{{"card":"9","name":"x"}},"sensitive":{sensitive}}}"#
            );
            let stored = check(&body).unwrap().stored;
            assert_eq!(stored.payload.get(), r#"{"type":"text","text":"secret","data":{"name":"x"}}"#);
            assert_eq!(stored.data.unwrap().get(), r#"{"name":"x"}"#);
        }
        let stored = check(r#"{"type":"text","text":"secret","pin":"1234","sensitive":"pin"}"#).unwrap().stored;
        assert_eq!(stored.payload.get(), r#"{"type":"text","text":"secret"}"#);
        let login = check(r#"{"type":"login_prompt","text":"x","data":{"username":"a","password":"b"}}"#).unwrap();
        assert_eq!(login.stored.data.unwrap().get(), r#"{"username":"a"}"#);
    }

    #[test]
    fn a_visit_says_timezone_and_language_where_they_make_sense() {
        let visit = |more: &str| check(&format!(r#"{{"type":"visit","text":"User visit"{more}}}"#)).unwrap().visit;
        assert_eq!(visit(""), Visit::default());
        assert_eq!(
            visit(r#","timezone":-4.5,"language":"fr""#),
            Visit { timezone: Some(-4.5), language: Some("fr".into()) }
        );
        assert_eq!(visit(r#","timezone":15,"language":"fr-CA""#), Visit::default());
        assert_eq!(visit(r#","timezone":1.2,"language":3"#), Visit::default());
        assert_eq!(visit(r#","timezone":null,"language":"""#), Visit::default());
        assert_eq!(visit(r#","timezone":0"#).timezone, Some(0.0));
    }
}
