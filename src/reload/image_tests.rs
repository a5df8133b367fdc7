//! What a change of one file means for the images of bots, from files on.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::builtin::BUILTINS;
use super::testing::{reader, workspace, write};
use crate::config::Settings;
use crate::program::Images;

const FILES: &[(&str, &str)] = &[
    ("hooks/before_incoming_middleware/all.js", "require('dates')"),
    ("actions/greet.js", "return 1"),
    ("content-types/own.js", "module.exports = { id: 'own' }"),
    ("libraries/lib.js", "exports.a = 1"),
    ("node_modules/dates/package.json", r#"{ "main": "lib/main.js" }"#),
    ("node_modules/dates/lib/main.js", "require('./part')"),
    ("node_modules/dates/lib/part.js", ""),
    ("bots/a/bot.config.json", "{}"),
    ("bots/a/hooks/before_incoming_middleware/x.js", "require('lib'); require('./y')"),
    ("bots/a/hooks/before_incoming_middleware/y.js", ""),
    ("bots/a/libraries/mine.js", ""),
    ("bots/a/actions/act.js", "require('mine')"),
    ("bots/b/bot.config.json", "{}"),
    ("bots/b/content-elements/builtin_text.json", r#"[{ "id": "e", "formData": {} }]"#),
    ("bots/b/flows/main.flow.json", r#"{ "startNode": "entry", "nodes": [{ "name": "entry" }] }"#),
    ("bots/c/bot.config.json", "{}"),
    ("bots/c/actions/act.js", ""),
];

#[test]
fn a_change_of_one_file_changes_the_keys_of_exactly_the_bots_that_it_concerns() {
    let root = workspace(FILES);
    let mut reader = reader(root.path(), BUILTINS);
    let settings = Settings::default();
    let mut read = || Images::of(&reader.read(&settings).program);
    let before = read();
    for (path, text) in FILES {
        let changed = match *path {
            "bots/b/content-elements/builtin_text.json" => r#"[{ "id": "other", "formData": {} }]"#.to_owned(),
            path if path.ends_with("/bot.config.json") => r#"{ "description": "other" }"#.to_owned(),
            path if path.ends_with("package.json") => r#"{ "main": "lib/part.js" }"#.to_owned(),
            path if path.ends_with(".json") => text.replace("entry", "start"),
            _ => format!("{text}\n// other"),
        };
        write(root.path(), path, &changed);
        let after = read();
        let differs: BTreeSet<&str> =
            before.keys().filter(|(bot, key)| after.key(bot) != Some(*key)).map(|(bot, _)| bot).collect();
        let concerned: BTreeSet<&str> = match path.strip_prefix("bots/") {
            Some(own) => [&own[..1]].into(),
            None => ["", "a", "b", "c"].into(),
        };
        assert_eq!(differs, concerned, "{path}");
        write(root.path(), path, text);
        assert!(before.keys().eq(read().keys()), "{path} is as it was");
    }
}

#[test]
fn an_image_has_no_files_of_other_bots_and_all_that_its_own_require() {
    let root = workspace(FILES);
    let program = reader(root.path(), BUILTINS).read(&Settings::default()).program;
    let images = Images::of(&program);
    let image = images.image("a").unwrap();
    let own: Vec<Arc<str>> = image.scripts.iter().map(|script| Arc::clone(&script.path)).collect();
    assert!(own.iter().all(|path| !path.starts_with("bots/") || path.starts_with("bots/a/")), "{own:?}");
    for needed in ["bots/a/libraries/mine.js", "libraries/lib.js", "node_modules/dates/lib/part.js"] {
        assert!(own.iter().any(|path| **path == *needed), "{needed}");
    }
    let shared: Vec<&str> = image.scripts[..image.shared as usize].iter().map(|script| &*script.path).collect();
    let package =
        ["node_modules/dates/lib/main.js", "node_modules/dates/lib/part.js", "node_modules/dates/package.json"];
    assert_eq!(shared, package);
    assert_eq!(image.packages, [0]);
}
