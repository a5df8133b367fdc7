//! What must not be read in logs, traces and pages: values that the configuration and the environment keep as secrets, and what
//! is a secret by its place: passwords in addresses, tokens in queries and headers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use regex::{Captures, Regex};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::redact::{SECRET_KEYS, is_secret};

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";

/// Shortest value that is looked for: a shorter one is part of too much else.
const SHORTEST: usize = 8;

/// Secrets that are known by their values; clones share them.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Vec<Finder<'static>>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(Finder::needle).eq(other.0.iter().map(Finder::needle))
    }
}

impl Secrets {
    /// What a configuration and an environment keep as secrets, by the names of their keys.
    pub fn of(config: &Map<String, Value>, environment: &BTreeMap<String, String>) -> Self {
        let mut values = Vec::new();
        gather(config, &mut values);
        values.extend(environment.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| &**value));
        Self::default().with(values)
    }

    /// These as well.
    #[must_use]
    pub fn with<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut known: Vec<Vec<u8>> = self.0.iter().map(|known| known.needle().to_vec()).collect();
        for value in values.into_iter().map(str::trim).filter(|value| value.len() >= SHORTEST) {
            // As it stands in JSON and in addresses, too.
            let json = Value::from(value).to_string();
            let address = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
            known.extend([value, &json[1..json.len() - 1], &address].map(|form| form.as_bytes().to_vec()));
        }
        // Longer ones first: one may be part of another.
        known.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        known.dedup();
        Self(Arc::new(known.iter().map(|value| Finder::new(value).into_owned()).collect()))
    }

    /// The text with `***` for what must not be read.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut hidden = hide(text);
        for secret in self.0.iter() {
            if let Some(value) = secret.find(hidden.as_bytes()).and(str::from_utf8(secret.needle()).ok()) {
                hidden = Cow::Owned(hidden.replace(value, HIDDEN));
            }
        }
        hidden
    }

    /// The same of JSON text, which stays JSON text: what looks like a secret may go beyond the end of its string.
    pub fn hide_json<'t>(&self, json: &'t str) -> Cow<'t, str> {
        let hidden = self.hide(json);
        if matches!(hidden, Cow::Borrowed(_)) || is_json(&hidden) {
            return hidden;
        }
        let mut out = String::with_capacity(json.len());
        let (mut rest, mut name) = (json, None);
        while let Some((before, inside, after)) = next_string(rest) {
            self.push_plain(before, &mut out);
            let is_name = after.trim_ascii_start().starts_with(':');
            // Between a member's name and its text there is a colon, and nothing else.
            let secret = name.take().is_some_and(|name| before.trim_ascii() == ":" && names_secret(name));
            let shown = if secret { Cow::Borrowed(HIDDEN) } else { self.hide(inside) };
            let quoted = format!("\"{shown}\"");
            out.push_str(if is_json(&quoted) { &quoted } else { "\"***\"" });
            (rest, name) = (after, is_name.then_some(inside));
        }
        self.push_plain(rest, &mut out);
        Cow::Owned(out)
    }

    /// What stands between two strings of JSON: a number may be a secret.
    fn push_plain(&self, plain: &str, out: &mut String) {
        for piece in plain.split_inclusive([',', ':', '[', ']', '{', '}', ' ', '\t', '\r', '\n']) {
            let value = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            match self.hide(value) {
                Cow::Owned(_) => out.extend(["\"***\"", &piece[value.len()..]]),
                Cow::Borrowed(_) => out.push_str(piece),
            }
        }
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// What stands before the next string of a JSON text, inside of its quotation marks, and behind it.
fn next_string(json: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = json.split_once('"')?;
    let mut escaped = false;
    let end = rest.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some((before, &rest[..end], &rest[end + 1..]))
}

/// Whether the text of a member of that name is a secret by its place.
fn names_secret(name: &str) -> bool {
    matches!(hide(&format!("\"{name}\":\"x\"")), Cow::Owned(_))
}

/// The texts under keys of secrets, at every depth.
fn gather<'a>(config: &'a Map<String, Value>, values: &mut Vec<&'a str>) {
    for (key, value) in config {
        match value {
            value if is_secret(key) => texts(value, values),
            Value::Object(object) => gather(object, values),
            Value::Array(items) => items.iter().filter_map(Value::as_object).for_each(|item| gather(item, values)),
            _ => {}
        }
    }
}

fn texts<'a>(value: &'a Value, values: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => values.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, values)),
        Value::Object(object) => object.values().for_each(|item| texts(item, values)),
        _ => {}
    }
}

/// The text with `***` for what is a secret by its place.
pub fn hide(text: &str) -> Cow<'_, str> {
    let mut hidden = Cow::Borrowed(text);
    for place in PLACES.iter() {
        if let Cow::Owned(changed) = place.replace_all(&hidden, |found: &Captures<'_>| {
            let after = found.get(2).map_or("", |after| after.as_str());
            format!("{}{HIDDEN}{after}", &found[1])
        }) {
            hidden = Cow::Owned(changed);
        }
    }
    hidden
}

/// Where secrets stand; the first group is what stays before them.
static PLACES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let letters = |key: &&str| key.chars().map(String::from).collect::<Vec<_>>().join("[_-]?");
    let name = format!("(?:{})", SECRET_KEYS.iter().map(letters).collect::<Vec<_>>().join("|"));
    [
        // Passwords in addresses: `postgres://user:password@host`.
        r#"(://[^/ \t\r\n:@"'?#]*:)[^@/ \t\r\n"'?#]+(@)"#.to_owned(),
        // Queries: `?access_token=…`.
        format!(r#"(?i-u:([?&](?:[a-z0-9_.-]*{name}[a-z0-9_.-]*|key|sig|signature|auth|pwd)=))[^& \t\r\n"'<>#\\]+"#),
        // Headers, whatever they hold.
        r#"((?i-u:authorization|cookie|x-[a-z-]*(?:key|token|secret))\\*["']? ?[:=] ?\\*["']?)[^"'\\\r\n]+"#.to_owned(),
        // A token is one wherever it stands.
        r"((?i-u:bearer) +)[A-Za-z0-9._~+/=-]{16,}".to_owned(),
        r"()eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}".to_owned(),
        // Members of objects: `"appSecret": "…"`, also within a text.
        format!(r#"((?i-u:[a-z0-9_.-]*{name}[a-z0-9_-]*)\\*["']? ?[:=] ?\\*["'])[^"'\\]+"#),
        // Environments: `APP_SECRET=…`.
        format!(r#"((?-u:\b)(?-u:[A-Z0-9_]*(?i:{name})[A-Z0-9_]*)=)[^ \t\r\n"'\\]+"#),
    ]
    .iter()
    .filter_map(|place| Regex::new(place).ok())
    .collect()
});

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLANTED: &str = "pl4nted-m4rker";

    #[test]
    fn what_is_a_secret_by_its_place_is_hidden() {
        for (text, expected) in [
            (
                "cannot reach postgres://bot:pl4nted-m4rker@db.example.com/x",
                "cannot reach postgres://bot:***@db.example.com/x",
            ),
            (
                "GET https://x.example/a?id=7&access_token=pl4nted-m4rker&b=1 failed",
                "GET https://x.example/a?id=7&access_token=***&b=1 failed",
            ),
            ("https://x.example/?key=pl4nted-m4rker#top", "https://x.example/?key=***#top"),
            ("authorization: Bearer pl4nted-m4rker", "authorization: ***"),
            (r#"{"Authorization":"Basic pl4nted-m4rker","a":1}"#, r#"{"Authorization":"***","a":1}"#),
            ("Cookie: a=1; session=pl4nted-m4rker", "Cookie: ***"),
            ("x-api-key: pl4nted-m4rker", "x-api-key: ***"),
            ("sent Bearer pl4nted-m4rker-pl4nted", "sent Bearer ***"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3.pl4nted-m4rker is wrong", "*** is wrong"),
            (r#""appSecret": "pl4nted-m4rker","#, r#""appSecret": "***","#),
            ("{ smtp_password: 'pl4nted-m4rker' }", "{ smtp_password: '***' }"),
            (r#"{"body":"{\"clientSecret\":\"pl4nted-m4rker\"}"}"#, r#"{"body":"{\"clientSecret\":\"***\"}"}"#),
            ("APP_SECRET=pl4nted-m4rker next", "APP_SECRET=*** next"),
        ] {
            assert_eq!(hide(text), expected);
            assert!(!hide(text).contains(PLANTED));
        }
    }

    #[test]
    fn what_is_hidden_of_json_leaves_json() {
        let secrets = Secrets::default().with(["n1234567", "87654321"]);
        for (text, expected) in [
            (r#"{"n":[1,87654321],"a":-87654321.5,"b":true}"#, r#"{"n":[1,"***"],"a":"***","b":true}"#),
            (r#"{"cookie":null,"a":1}"#, r#"{"cookie":null,"a":1}"#),
            (r#"{"text":"Your password:","token":"pl4nted"}"#, r#"{"text":"Your password:","token":"***"}"#),
            (r#"["cookie: a", {"Authorization" : "b c"}, 1]"#, r#"["cookie: ***", {"Authorization" : "***"}, 1]"#),
            (r#"{"x-api-key":12,"b":"token='pl4nted'"}"#, r#"{"x-api-key":12,"b":"token='***'"}"#),
            (r#"{"a":"authorization\":","b":"c"}"#, r#"{"a":"authorization\":","b":"c"}"#),
            (r#"["\n1234567", 1]"#, r#"["***", 1]"#),
            (r#"["\u000eyJabcdefghi.abcd.abcd"]"#, r#"["***"]"#),
        ] {
            assert!(is_json(text));
            assert_eq!(secrets.hide_json(text), expected);
        }
    }

    #[test]
    fn what_is_none_stays_as_it_is() {
        for text in [
            "unexpected token in expression: '}'",
            "SyntaxError: Unexpected token",
            "maxTokens: 100, tokens: 7",
            "http://localhost:3000/lite/?botId=welcome-bot",
            "listening on http://[::1]:3000",
            "the bearer of this letter",
            "it is no JSON web token with the claims that are needed",
            r#"{"type":"text","text":"what is my password?"}"#,
            "",
        ] {
            assert!(matches!(hide(text), Cow::Borrowed(_)), "{text} → {}", hide(text));
        }
    }

    #[test]
    fn what_the_configuration_and_the_environment_keep_is_hidden_wherever_it_stands() {
        let config = json!({
            "appSecret": "s3cret-\"of\"-all", "port": 3000, "modules": [{ "smtp": { "password": "m4il-passw0rd" } }],
            "tokens": ["t0ken-number-1", { "second": "t0ken-number-2" }], "short": { "secret": "abc" }
        });
        let environment = [("PAGE_TOKEN", "from-the-environment"), ("PATH", "/usr/local/bin")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let secrets = Secrets::of(config.as_object().unwrap(), &environment).with(["the-stores-own"]);
        let said =
            "a s3cret-\"of\"-all b m4il-passw0rd c t0ken-number-1 t0ken-number-2 from-the-environment the-stores-own";
        assert_eq!(secrets.hide(said), "a *** b *** c *** *** *** ***");
        let json =
            json!({ "said": said, "in": format!("/{}", utf8_percent_encode("s3cret-\"of\"-all", NON_ALPHANUMERIC)) });
        let hidden: Value = serde_json::from_str(&secrets.hide(&json.to_string())).unwrap();
        assert_eq!(hidden, json!({ "said": "a *** b *** c *** *** *** ***", "in": "/***" }));
        assert_eq!(secrets.hide("abc /usr/local/bin 3000"), "abc /usr/local/bin 3000");
        assert_eq!(format!("{secrets:?}"), format!("Secrets({})", secrets.0.len()), "and it is no way around");
    }

    #[test]
    fn every_place_is_one_that_can_be_looked_for() {
        assert_eq!(PLACES.len(), 7);
    }
}
