//! Realms as those are that processes are forked from.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::*;
use crate::config::ScriptLimits;
use crate::engine::tests::{Sink, hello};
use crate::engine::{Host, LoadedProgram};
use crate::program::{BotProgram, Program, Role, Script, Shape};
use crate::protocol::Outbox;
use crate::script::realm::evaluate;
use crate::script::{Meter, with_realm};

/// A realm that was made warm and has a bot of these files; and what it sent.
fn with_warm_realm(files: &[(&str, Role, &str)], body: impl FnOnce(&BotRealm<'_>)) -> Vec<u8> {
    let limits = ScriptLimits::default();
    let meter = Rc::new(Meter::new(limits.clone()));
    let sink = Sink::default();
    let host = Rc::new(Host::new(Rc::clone(&meter), Arc::new(hello(limits)), Outbox::new(sink.clone())));
    let mut program = Program::default();
    let mut bot = BotProgram::default();
    for ((path, role, source), index) in files.iter().zip(0..) {
        let script = Script { path: (*path).into(), source: (*source).into(), role: *role, shape: Shape::default() };
        program.scripts.push(Arc::new(script));
        match role {
            Role::Hook(kind) => bot.hooks.entry(*kind).or_default().push(index),
            Role::ContentType => {
                bot.content_types.insert((*path).into(), index);
            }
            _ => {}
        }
    }
    program.bots.insert("bot".into(), bot);
    with_realm(&meter, |realm| {
        let realm = BotRealm::new(realm, Rc::clone(&host)).unwrap();
        realm.warm().unwrap();
        realm.load(Arc::new(LoadedProgram::new(program)), "bot");
        body(&realm);
        host.flush();
    })
    .unwrap();
    sink.0.lock().clone()
}

fn holds(realm: &BotRealm<'_>, text: &str) -> bool {
    evaluate(&realm.realm.ctx, "x.js", text).unwrap()
}

#[test]
fn in_a_warm_realm_packages_and_what_browsers_have_are_only_looked_up() {
    with_warm_realm(&[("x.js", Role::Module, "")], |realm| {
        assert_eq!(realm.host.loaded.get(), 0);
        let all = "[_, Buffer, URL, URLSearchParams, fetch, Headers, TextDecoder, AbortSignal, FormData, File].every(Boolean)";
        assert!(holds(realm, all));
        let require: Function<'_> = realm.base.get("requireFrom").unwrap();
        let require: Function<'_> = require.call((0,)).unwrap();
        for module in BUNDLED {
            require.call::<_, rquickjs::Value<'_>>((module.name,)).unwrap();
        }
        assert_eq!(realm.host.loaded.get(), 0);
        assert!(realm.scrub());
    });
}

#[test]
fn a_bots_files_are_compiled_and_its_content_types_are_there_less_those_that_fail() {
    let kind = HookKind::BeforeOutgoingMiddleware;
    let files = [
        ("a.js", Role::Hook(kind), "1"),
        ("b.js", Role::ContentType, "module.exports = { id: 'b' }"),
        ("c.js", Role::ContentType, "throw new Error('no')"),
        ("d.js", Role::Hook(HookKind::AfterEventProcessed), "(("),
    ];
    let sent = with_warm_realm(&files, |realm| {
        assert_eq!(realm.warm_bot(), [(2, NotPreloaded::Failed("Error: no".into()))]);
        assert_eq!(realm.host.loaded.get(), 0);
        assert_eq!(realm.outgoing_hooks().unwrap().len(), 1);
        realm.file(0).unwrap();
        realm.load_module(1).unwrap();
        assert_eq!(realm.host.loaded.get(), 0, "neither is compiled again");
        assert!(realm.file(3).is_err(), "what is wrong with it is said where it is to run");
        realm.realm.drop_exception();
        assert!(realm.scrub());
    });
    assert!(sent.is_empty());
}

#[test]
fn a_package_is_shared_as_it_is_once_loaded_with_what_it_put_on_the_global_object() {
    let files = [("x.js", Role::Module, "globalThis.runtime = {}; module.exports = { at: {} }")];
    with_warm_realm(&files, |realm| {
        assert_eq!(realm.preload(0), Ok(()));
        assert!(realm.scrub());
        realm.realm.ctx.globals().set("exported", realm.load_module(0).unwrap()).unwrap();
        assert!(holds(realm, "typeof runtime === 'object' && (runtime = 1, runtime !== 1)"));
        assert!(realm.scrub(), "what an event adds can still be removed");
        assert!(holds(realm, "typeof runtime === 'object' && typeof exported === 'undefined'"));
        assert_eq!(realm.host.loaded.get(), 0);
    });
}

#[test]
fn a_package_that_cannot_be_shared_leaves_no_trace() {
    let refused = |source: &str| {
        let mut why = None;
        let files = [
            ("x.js", Role::Module, source),
            ("part.js", Role::Module, "globalThis.parts = (globalThis.parts || 0) + 1"),
        ];
        let sent = with_warm_realm(&files, |realm| {
            why = realm.preload(0).err();
            assert!(!realm.host.awaits_something());
            assert!(holds(realm, "typeof parts === 'undefined'"), "{source}");
            realm.load_module(1).unwrap();
            assert!(holds(realm, "parts === 1"), "{source}: it was loaded anew");
            assert!(realm.scrub(), "{source}");
        });
        assert!(sent.is_empty(), "{source}");
        why.unwrap_or_else(|| panic!("{source}")).to_string()
    };
    assert_eq!(refused("require('./part'); null.x"), "it failed: TypeError: cannot read property 'x' of null");
    let endless = refused("require('./part'); for (;;) {}");
    assert!(endless.starts_with("it computed for more than"), "{endless}");
    let waits = "it waits for a timer or an answer while it loads";
    assert_eq!(refused("require('./part'); setInterval(() => {}, 1000)"), waits);
    assert_eq!(refused("require('./part'); fetch('http://a').catch(() => {})"), waits);
    assert_eq!(refused("require('./part'); Math.random()"), "it draws random numbers while it loads");
    assert_eq!(refused("require('./part'); console.log(1)"), "it writes to the log while it loads");
    assert_eq!(refused("require('./part'); Promise.reject(1)"), "it failed: it rejects a promise");
}

#[test]
fn realms_draw_other_numbers_once_they_are_renewed() {
    let three = |realm: &BotRealm<'_>| -> Vec<f64> {
        let text = "[Math.random(), _.random(0, 1, true), Math.random()]";
        evaluate(&realm.realm.ctx, "x.js", text).unwrap()
    };
    let drawn = |renew: bool| {
        let mut drawn = Vec::new();
        with_warm_realm(&[], |realm| {
            realm.random.seed(7);
            drawn.push(three(realm));
            if renew {
                realm.renew();
            }
            drawn.push(three(realm));
        });
        drawn
    };
    let (parent, other, child) = (drawn(false), drawn(false), drawn(true));
    assert_eq!(parent, other);
    assert_eq!(child[0], parent[0]);
    assert_ne!(child[1], parent[1]);
    assert!(parent.iter().flatten().all(|number| (0.0..1.0).contains(number)));
}

/// A bot's zygote is a copy of the one without a bot: its own hooks and how it treats `bp` count, not those of that one.
#[test]
fn what_was_kept_without_a_bot_does_not_outlive_the_loading_of_one() {
    let kind = HookKind::BeforeOutgoingMiddleware;
    let hook = |path: &str, reads_bp| {
        let shape = Shape { reads_bp, ..Shape::default() };
        Arc::new(Script { path: path.into(), source: "1".into(), role: Role::Hook(kind), shape })
    };
    let bot =
        |hooks: &[u32]| BotProgram { hooks: BTreeMap::from([(kind, hooks.to_vec())]).into(), ..BotProgram::default() };
    let global = Program { scripts: vec![hook("a.js", true)], global: bot(&[0]), ..Program::default() };
    let mut own = Program { scripts: vec![hook("a.js", true), hook("b.js", false)], ..Program::default() };
    own.bots.insert("own".into(), bot(&[0, 1]));
    with_warm_realm(&[], |realm| {
        realm.load(Arc::new(LoadedProgram::new(global)), "");
        assert!(realm.warm_bot().is_empty());
        assert_eq!(realm.outgoing_hooks().unwrap().len(), 1);
        realm.load(Arc::new(LoadedProgram::new(own)), "own");
        assert!(realm.warm_bot().is_empty());
        assert_eq!(realm.outgoing_hooks().unwrap().len(), 2);
    });
}
