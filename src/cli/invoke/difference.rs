//! What changed between two JSON values, as paths with before and after.

use serde_json::Value;

/// How long a value is shown, in characters.
const SHOWN: usize = 200;

/// Lines such as `session.name: "a" → "b"`, `+ temp.x: 1`, `- user.old: true`; objects are walked, all else is compared
/// as it is. Paths are written as scripts would write them.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut out = Vec::new();
    walk("", before, after, &mut out);
    out
}

fn walk(path: &str, before: &Value, after: &Value, out: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, before) in old {
                match new.get(key) {
                    Some(after) => walk(&join(path, key), before, after, out),
                    None => out.push(format!("- {}: {}", join(path, key), shown(before))),
                }
            }
            for (key, after) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                out.push(format!("+ {}: {}", join(path, key), shown(after)));
            }
        }
        _ if before == after => {}
        _ => out.push(format!("  {path}: {} → {}", shown(before), shown(after))),
    }
}

fn join(path: &str, key: &str) -> String {
    let mut chars = key.chars();
    let plain = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$')
        && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '$');
    match (plain, path) {
        (true, "") => key.to_owned(),
        (true, _) => format!("{path}.{key}"),
        (false, _) => format!("{path}[{}]", Value::from(key)),
    }
}

fn shown(value: &Value) -> String {
    crate::telemetry::escape::shortened(&value.to_string(), SHOWN)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_are_named_by_path() {
        let before = json!({ "session": { "a": 1, "b": [1], "same": {} }, "temp": { "gone": true } });
        let after = json!({ "session": { "a": 2, "b": [1, 2], "same": {} }, "temp": { "odd key": null } });
        expect![[r#"
              session.a: 1 → 2
              session.b: [1] → [1,2]
            - temp.gone: true
            + temp["odd key"]: null"#]]
        .assert_eq(&differences(&before, &after).join("\n"));
        assert!(differences(&before, &before).is_empty());
    }
}
