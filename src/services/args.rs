//! The arguments of a call, taken out by position and checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::error::ServiceError;

/// What a missing argument is called.
const UNDEFINED: &str = "undefined";

/// Arguments by position. One that is missing is `undefined`.
pub(crate) struct Args<'c> {
    method: &'static str,
    list: Vec<&'c RawValue>,
    /// What stood in the place of some arguments that JSON cannot hold: `undefined`, `a function`.
    without_json: BTreeMap<usize, String>,
}

/// Arguments among which are some that JSON cannot hold.
#[derive(Deserialize)]
struct Mixed<'c> {
    #[serde(borrow)]
    args: Vec<&'c RawValue>,
    not: BTreeMap<usize, String>,
}

impl<'c> Args<'c> {
    /// Reads the arguments: an array, or `{ args, not }` where `not` says by position what JSON cannot hold.
    pub(super) fn parse(method: &'static str, args: &'c RawValue) -> Result<Self, ServiceError> {
        let read = |error: serde_json::Error| ServiceError::Refused {
            method,
            message: format!("arguments must be an array: {error}"),
        };
        if args.get().starts_with('{') {
            let Mixed { args, not } = serde_json::from_str(args.get()).map_err(read)?;
            return Ok(Self { method, list: args, without_json: not });
        }
        let list = serde_json::from_str(args.get()).map_err(read)?;
        Ok(Self { method, list, without_json: BTreeMap::new() })
    }

    /// Puts an argument in the place of another one.
    pub(super) fn replace(&mut self, at: usize, argument: &'c RawValue) {
        if let Some(given) = self.list.get_mut(at) {
            *given = argument;
        }
    }

    /// The JSON text of an argument; `None` if it is missing.
    pub(super) fn raw(&self, at: usize) -> Option<&'c RawValue> {
        if self.without_json.contains_key(&at) { None } else { self.list.get(at).copied() }
    }

    /// An argument of some type; anything else is an error.
    pub(super) fn required<T: DeserializeOwned>(
        &self,
        at: usize,
        argument: &'static str,
        expected: &'static str,
    ) -> Result<T, ServiceError> {
        let parsed = self.raw(at).and_then(|raw| serde_json::from_str(raw.get()).ok());
        parsed.ok_or_else(|| self.wrong(at, argument, expected))
    }

    /// An argument of some type, or nothing if it is missing or null; anything else is an error.
    pub(super) fn optional<T: DeserializeOwned>(
        &self,
        at: usize,
        argument: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, ServiceError> {
        match self.raw(at) {
            Some(raw) if raw.get() != "null" => self.required(at, argument, expected).map(Some),
            None if self.without_json.get(&at).is_some_and(|what| what != UNDEFINED) => {
                Err(self.wrong(at, argument, expected))
            }
            _ => Ok(None),
        }
    }

    /// A string.
    pub(super) fn string(&self, at: usize, argument: &'static str) -> Result<String, ServiceError> {
        self.required(at, argument, "a string")
    }

    /// A string that holds something.
    pub(super) fn text(&self, at: usize, argument: &'static str) -> Result<String, ServiceError> {
        match self.string(at, argument) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(self.wrong(at, argument, "a string that is not empty")),
        }
    }

    /// The error that says what was expected and what came.
    pub(super) fn wrong(&self, at: usize, argument: &'static str, expected: &'static str) -> ServiceError {
        let value = self.raw(at).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        let got = match &value {
            None => self.without_json.get(&at).map_or(UNDEFINED, String::as_str).to_owned(),
            Some(Value::Null) => "null".to_owned(),
            Some(Value::Bool(_)) => "a boolean".to_owned(),
            Some(Value::Number(_)) => "a number".to_owned(),
            Some(Value::String(text)) if text.is_empty() => "an empty string".to_owned(),
            Some(Value::String(text)) => format!("{:?}", text.chars().take(40).collect::<String>()),
            Some(Value::Array(_)) => "an array".to_owned(),
            Some(Value::Object(_)) => "an object".to_owned(),
        };
        ServiceError::Argument { method: self.method, argument, expected, got }
    }
}
