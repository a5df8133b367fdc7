//! The texts of the files that are read once, at the start, and which of their keys say something else by now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use crate::beneath;

use super::environment::parse_env_file;
use super::external_auth::KEY_FILE;
use super::jsonc::parse_object;
use super::keys::{CHANNEL_WEB, MAIN};
use super::layout::find_global;

/// Files whose keys are known, beside `.env` and the key of external tokens.
const MAIN_FILE: &str = "botpress.config.json";
const WEB_FILE: &str = "config/channel-web.json";

/// The files as they stand at one moment, by what they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFiles(BTreeMap<&'static str, String>);

impl ConfigFiles {
    /// Reads them. One that is not there, or cannot be read, says nothing.
    pub fn read(root: &Path) -> Self {
        let global = [MAIN_FILE, WEB_FILE, KEY_FILE].map(|name| (name, find_global(root, name).into_iter().next()));
        let files = global.into_iter().chain([(".env", Some(".env".to_owned()))]);
        let text = |path: &str| beneath::text(&root.join(path)).ok();
        Self(files.filter_map(|(name, path)| Some((name, text(&path?)?))).collect())
    }

    /// What is not as it was, file by file: keys, or variables of `.env`. Empty keys stand for a file of which that cannot be said.
    pub fn changes(&self, before: &Self) -> Vec<(&'static str, Vec<String>)> {
        let names: BTreeSet<&'static str> = self.0.keys().chain(before.0.keys()).copied().collect();
        let changed = names.into_iter().filter(|name| self.0.get(name) != before.0.get(name));
        let changes = changed.filter_map(|name| {
            let (Some(now), Some(then)) = (self.said(name), before.said(name)) else { return Some((name, Vec::new())) };
            let keys: BTreeSet<&String> = now.keys().chain(then.keys()).collect();
            let keys: Vec<String> = keys.into_iter().filter(|key| now.get(*key) != then.get(*key)).cloned().collect();
            // Only its spaces or comments are others.
            (!keys.is_empty()).then_some((name, keys))
        });
        changes.collect()
    }

    /// What a file says by key, if it can be read so.
    fn said(&self, name: &str) -> Option<BTreeMap<String, Value>> {
        let Some(text) = self.0.get(name) else { return Some(BTreeMap::new()) };
        let known: Vec<&str> = match name {
            MAIN_FILE => MAIN.iter().map(|key| key.path).collect(),
            WEB_FILE => CHANNEL_WEB.iter().map(|key| key.path).collect(),
            ".env" => {
                let (variables, _) = parse_env_file(name, text);
                return Some(variables.into_iter().map(|(name, value)| (name, Value::String(value))).collect());
            }
            _ => return None,
        };
        let object = parse_object(name, text.strip_prefix('\u{feff}').unwrap_or(text)).ok()?;
        let mut said = BTreeMap::new();
        collect(&object, "", &known, &mut said);
        Some(said)
    }
}

/// The values of an object by their paths: those of known keys as a whole.
fn collect(object: &Map<String, Value>, above: &str, known: &[&str], into: &mut BTreeMap<String, Value>) {
    for (name, value) in object {
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            Value::Object(inner) if !known.contains(&path.as_str()) => collect(inner, &path, known, into),
            value => drop(into.insert(path, value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&'static str, &str)]) -> ConfigFiles {
        ConfigFiles(texts.iter().map(|(name, text)| (*name, (*text).to_owned())).collect())
    }

    #[test]
    fn keys_that_say_something_else_are_named_and_comments_are_nothing() {
        let before = files(&[
            (MAIN_FILE, r#"{ "scripts": { "heap": "8mb", "slice": 5 }, "own": { "a": 1 } }"#),
            (".env", "A=1\nB=2\n"),
        ]);
        let same = files(&[
            (MAIN_FILE, r#"{ "scripts": { "heap": "8mb", /* c */ "slice": 5 }, "own": { "a": 1 } }"#),
            (".env", "A=1\nB=2\n"),
        ]);
        assert_eq!(same.changes(&before), []);
        let after = files(&[
            (MAIN_FILE, r#"{ "scripts": { "heap": "9mb", "slice": 5 }, "own": { "a": 2 }, "queue": { "perBot": 7 } }"#),
            (WEB_FILE, r#"{ "maxMessageLength": 10 }"#),
            (".env", "A=2\n"),
        ]);
        let keys = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            after.changes(&before),
            [
                (".env", keys(&["A", "B"])),
                (MAIN_FILE, keys(&["own.a", "queue.perBot", "scripts.heap"])),
                (WEB_FILE, keys(&["maxMessageLength"])),
            ]
        );
        assert_eq!(files(&[(MAIN_FILE, "{")]).changes(&files(&[])), [(MAIN_FILE, Vec::new())]);
    }
}
