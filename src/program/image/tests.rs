//! What an image holds, and when its key changes.

use super::*;
use crate::program::{Element, HookKind, Require};

const KIND: HookKind = HookKind::BeforeIncomingMiddleware;

/// A script that requires these files by these names.
fn script(path: &str, source: &str, requires: &[(&str, &str)]) -> Arc<Script> {
    let role = match path {
        _ if path.ends_with(".json") => Role::Json,
        _ if path.contains("hooks/") => Role::Hook(KIND),
        _ if path.contains("actions/") => Role::Action,
        _ => Role::Module,
    };
    let require =
        |(name, file): &(&str, &str)| Require { name: (*name).to_owned(), file: Some((*file).into()), manifest: None };
    let shape = Shape { requires: requires.iter().map(require).collect(), ..Shape::default() };
    Arc::new(Script { path: path.into(), source: source.into(), role, shape })
}

/// A workspace of two bots with packages, a library and a hook of all.
fn program(change: impl Fn(&str) -> String) -> Arc<Program> {
    let of = |path: &str, requires: &[(&str, &str)]| script(path, &change(path), requires);
    let scripts = vec![
        of("hooks/k/all.js", &[("dates", "node_modules/dates/index.js"), ("own", "libraries/own.js")]),
        of("bots/a/hooks/k/x.js", &[("texts", "node_modules/texts/index.js"), ("deep", "bots/a/node_modules/deep.js")]),
        of("bots/B/hooks/k/x.js", &[("odd", "node_modules/odd/index.js")]),
        of("bots/B/actions/say.js", &[]),
        of("node_modules/texts/index.js", &[("./part", "node_modules/texts/part.js")]),
        of("node_modules/texts/part.js", &[]),
        of("node_modules/dates/index.js", &[]),
        of("node_modules/odd/index.js", &[("own", "libraries/own.js")]),
        of("bots/a/node_modules/deep.js", &[]),
        of("libraries/own.js", &[]),
    ];
    let hooks = |list: &[u32]| BTreeMap::from([(KIND, list.to_vec())]).into();
    let element = |text: String| Element {
        content_type: "builtin_text".into(),
        json: serde_json::value::to_raw_value(&text).unwrap(),
    };
    let a = BotProgram {
        hooks: hooks(&[0, 1]),
        elements: BTreeMap::from([("e".to_owned(), element(change("bots/a/elements")))]).into(),
        ..BotProgram::default()
    };
    let b = BotProgram {
        hooks: hooks(&[0, 2]),
        actions: BTreeMap::from([("say".to_owned(), 3)]).into(),
        default_language: change("bots/b/bot.config.json"),
        ..BotProgram::default()
    };
    let global = BotProgram { hooks: hooks(&[0]), ..BotProgram::default() };
    let bots = [("a".to_owned(), a), ("b".to_owned(), b)].into();
    Arc::new(Program { version: 7, scripts, global, bots })
}

fn plain(path: &str) -> String {
    format!("text of {path}")
}

fn paths(scripts: &[ScriptRef]) -> Vec<&str> {
    scripts.iter().map(|script| &*script.path).collect()
}

#[test]
fn an_image_holds_what_is_shared_then_what_is_of_all_then_the_bots_own() {
    let images = Images::of(&program(plain));
    let image = images.image("b").unwrap();
    let shared = ["node_modules/dates/index.js", "node_modules/texts/index.js", "node_modules/texts/part.js"];
    let all = ["hooks/k/all.js", "libraries/own.js", "node_modules/odd/index.js"];
    let own = ["bots/B/actions/say.js", "bots/B/hooks/k/x.js"];
    assert_eq!(paths(&image.scripts), [&shared[..], &all, &own].concat());
    assert_eq!(image.shared, 3);
    assert_eq!(image.program.hooks[&KIND], [3, 7]);
    assert_eq!(image.program.actions["say"], 6);
    // What its own scripts and those of all name, not what other bots do.
    assert_eq!(image.packages, [0, 5]);
    let image = images.image("a").unwrap();
    assert_eq!(paths(&image.scripts[6..]), ["bots/a/hooks/k/x.js", "bots/a/node_modules/deep.js"]);
    assert_eq!(image.packages, [0, 1, 7]);
    let nobody = images.image("").unwrap();
    assert_eq!((nobody.scripts.len(), &nobody.program.hooks[&KIND][..]), (6, &[3][..]));
    assert!(images.image("c").is_none() && images.key("c").is_none());
    let layer = images.layer();
    assert_eq!(paths(&layer.scripts), shared);
    assert_eq!(layer.packages, [0, 1]);
    assert_eq!((layer.key, images.layer_key()), (image.layer, nobody.layer));
}

#[test]
fn a_program_of_one_bot_is_made_of_its_image_and_the_texts() {
    let images = Images::of(&program(plain));
    let image = images.image("b").unwrap();
    let text = serde_json::to_string(&image).unwrap();
    let image: Image = serde_json::from_str(&text).unwrap();
    let one = image.clone().into_program(|blob| images.blob(blob)).unwrap();
    assert_eq!(one.bots.keys().collect::<Vec<_>>(), ["b"]);
    let hook = one.bots["b"].hooks[&KIND][1];
    assert_eq!(&*one.scripts[hook as usize].source, "text of bots/B/hooks/k/x.js");
    assert_eq!(one.scripts[hook as usize].source.blob(), BlobId::of("text of bots/B/hooks/k/x.js"));
    let nobody = images.image("").unwrap().into_program(|blob| images.blob(blob)).unwrap();
    assert!(nobody.bots.is_empty());
    assert_eq!(nobody.global.hooks[&KIND], [3]);
    let gone = BlobId::of("text of libraries/own.js");
    let lacks = image.into_program(|blob| images.blob(blob).filter(|_| blob != gone)).unwrap_err();
    assert_eq!(&*lacks.path, "libraries/own.js");
}

#[test]
fn keys_differ_for_exactly_the_bots_that_a_change_concerns() {
    let before = Images::of(&program(plain));
    for (changed, concerned) in [
        ("hooks/k/all.js", &["", "a", "b"][..]),
        ("libraries/own.js", &["", "a", "b"]),
        ("node_modules/texts/part.js", &["", "a", "b"]),
        ("bots/a/hooks/k/x.js", &["a"]),
        ("bots/a/node_modules/deep.js", &["a"]),
        ("bots/a/elements", &["a"]),
        ("bots/B/hooks/k/x.js", &["b"]),
        ("bots/B/actions/say.js", &["b"]),
        ("bots/b/bot.config.json", &["b"]),
        ("nothing", &[]),
    ] {
        let change = |path: &str| if path == changed { "other".to_owned() } else { plain(path) };
        let after = Images::of(&program(change));
        let differs: Vec<&str> =
            before.keys().filter(|(bot, key)| after.key(bot) != Some(*key)).map(|(bot, _)| bot).collect();
        assert_eq!(differs, concerned, "{changed}");
        let shared = changed.starts_with("node_modules/texts");
        assert_eq!(before.layer_key() != after.layer_key(), shared, "{changed}");
    }
}

#[test]
fn the_order_in_which_files_were_found_changes_no_key() {
    let program = program(plain);
    let last = program.scripts.len() as u32 - 1;
    let mut turned = Program::clone(&program);
    turned.scripts.reverse();
    for bot in turned.bots.values_mut().chain([&mut turned.global]) {
        for index in bot.hooks.values_mut().flatten().chain(bot.actions.values_mut()) {
            *index = last - *index;
        }
    }
    let (before, after) = (Images::of(&program), Images::of(&Arc::new(turned)));
    assert!(before.keys().eq(after.keys()));
}
