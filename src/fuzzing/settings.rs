//! Configuration, and what must not be read of it.

use std::collections::BTreeMap;
use std::fs;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::folder::Folder;
use super::workspace::problems;
use crate::config::secrets::{HIDDEN, Secrets};
use crate::config::{HostPattern, Overrides, jsonc, load, parse_duration};

/// What stands between the files of an input.
const BETWEEN: &str = "\n=====\n";

/// `botpress.config.json`, `config/channel-web.json` and `.env` of a workspace, one after the other.
pub(super) fn settings(bytes: &[u8]) {
    thread_local! {
        static FOLDER: Folder = Folder::new("settings");
    }
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(3, BETWEEN);
    FOLDER.with(|folder| {
        let folder = folder.path();
        assert!(fs::create_dir_all(folder.join("config")).is_ok(), "a folder cannot be made");
        for name in ["botpress.config.json", "config/channel-web.json", ".env"] {
            let (path, text) = (folder.join(name), parts.next());
            let written = text.map_or_else(|| fs::remove_file(&path), |text| fs::write(&path, text));
            assert!(written.is_ok() || text.is_none(), "{name} cannot be written");
        }
        let look = || load(folder, &Overrides::default(), &BTreeMap::new());
        let (first, second) = (look(), look());
        assert_eq!(format!("{first:?}"), format!("{second:?}"), "not the same a second time");
        let found = first.map_or_else(|error| error.problems, |(_, problems)| problems);
        assert!(found.len() <= 500, "{} problems", found.len());
        problems_of(&text, &found);
    });
    values(&text);
}

fn problems_of(text: &str, found: &[crate::config::Problem]) {
    for of in found.chunk_by(|a, b| a.path == b.path) {
        problems(text, of);
    }
}

/// A text of its own: a duration, a host; and JSON, whose places are those of its values.
fn values(text: &str) {
    if let Some(milliseconds) = parse_duration(text) {
        assert_eq!(parse_duration(&format!("{milliseconds}ms")), Some(milliseconds));
    }
    if let Some(HostPattern::Name(name)) = HostPattern::parse(text) {
        assert_eq!(HostPattern::parse(&name), Some(HostPattern::Name(name)));
    }
    if let Ok(value) = jsonc::parse("x.json", text) {
        let written = value.to_string();
        assert_eq!(jsonc::parse("x.json", &written).ok(), Some(value), "not the same read again");
    }
    // Whatever is JSON without comments means the same with them.
    if let Ok(strict) = serde_json::from_str::<Value>(text) {
        assert_eq!(jsonc::parse("x.json", text).map_err(|problem| problem.to_string()), Ok(strict));
    }
}

/// The first line is a secret, the rest what is to be shown: JSON stays JSON, and the secret is not in it.
pub(super) fn secrets(secret: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let config = Map::from_iter([("appSecret".to_owned(), Value::from(secret))]);
    let secrets = Secrets::of(&config, &BTreeMap::new());
    let (hidden, of_json) = (secrets.hide(&text), secrets.hide_json(&text));
    assert!(hidden.len() <= 4 * text.len() + HIDDEN.len(), "{} bytes of {}", hidden.len(), text.len());
    let secret = secret.trim();
    // Stars of what is hidden may stand beside others.
    if secret.len() >= 8 && !secret.contains('*') {
        assert!(!hidden.contains(secret), "{secret:?} is shown: {hidden:?}");
    }
    if serde_json::from_str::<IgnoredAny>(&text).is_ok() {
        assert!(serde_json::from_str::<IgnoredAny>(&of_json).is_ok(), "no JSON any more: {of_json}");
        assert!(
            secret.len() < 8 || secret.contains(['"', '*']) || !of_json.contains(secret),
            "{secret:?} is shown: {of_json}"
        );
    }
}
