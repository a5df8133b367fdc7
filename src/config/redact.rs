//! What of a configuration scripts may not see.

use serde_json::{Map, Value};

/// Parts of key names whose values stay on the server's side, compared without regard to case, `_` and `-`.
pub const SECRET_KEYS: [&str; 15] = [
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
    "apikey",
    "accesskey",
    "signingkey",
    "privatekey",
    "licensekey",
    "credential",
    "authorization",
    "connectionstring",
    "databaseurl",
    "redisurl",
];

/// Whether a key's value is a secret: `appSecret`, `jwtSecret`, `smtp_password`, `pageAccessToken`, `X-API-Key` …
pub fn is_secret(key: &str) -> bool {
    let plain: String = key.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect();
    SECRET_KEYS.iter().any(|part| plain.contains(part))
}

/// The configuration without its secrets. Numbers and flags stay whatever their key (`maxTokens: 100` tells nothing).
pub fn redact(config: &Map<String, Value>) -> Map<String, Value> {
    config
        .iter()
        .filter(|(key, value)| !is_secret(key) || matches!(value, Value::Number(_) | Value::Bool(_) | Value::Null))
        .map(|(key, value)| (key.clone(), redact_value(value)))
        .collect()
}

fn redact_value(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(redact(object)),
        Value::Array(items) => Value::Array(items.iter().map(redact_value).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_are_left_out_at_every_depth() {
        let config = json!({
            "appSecret": "s", "jwtSecret": "s", "name": "bot", "maxTokens": 100, "tokens": ["s"],
            "smtp": { "host": "h", "smtp_password": "s", "list": [{ "X-API-Key": "s", "id": 1 }] },
            "pro": { "licenseKey": "s", "auth": { "clientSecret": { "v": "s" } } },
            "databaseUrl": "postgres://u:p@h"
        });
        let seen = Value::Object(redact(config.as_object().unwrap()));
        assert_eq!(
            seen,
            json!({
                "name": "bot", "maxTokens": 100, "smtp": { "host": "h", "list": [{ "id": 1 }] },
                "pro": { "auth": {} }
            })
        );
    }
}
