//! The arguments of a call, taken out by position and checked.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::ServiceError;

/// Arguments by position. One that is missing is `undefined`.
pub(crate) struct Args<'c> {
    method: &'static str,
    list: Vec<&'c RawValue>,
}

impl<'c> Args<'c> {
    pub(super) fn parse(method: &'static str, args: &'c RawValue) -> Result<Self, ServiceError> {
        let list = serde_json::from_str(args.get()).map_err(|error| ServiceError::Refused {
            method,
            message: format!("arguments must be an array: {error}"),
        })?;
        Ok(Self { method, list })
    }

    /// The JSON text of an argument; `None` if it is missing.
    pub(super) fn raw(&self, at: usize) -> Option<&'c RawValue> {
        self.list.get(at).copied()
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
            None => "undefined".to_owned(),
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
