//! What one event costs inside a realm, without the wall: the third documented snippet on a 573-byte proactive event.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use nudge::config::ScriptLimits;
use nudge::engine::run::Run;
use nudge::engine::{BotRealm, Host, IdSource, Job, LoadedProgram, Occupancy};
use nudge::model::StateSnapshot;
use nudge::program::{BotProgram, HookKind, Program, Role, Script, Shape};
use nudge::protocol::{DispatchHead, DispatchKind, Hello, Outbox, event_work};
use nudge::script::{Meter, with_realm};

const SNIPPET: &str = include_str!("../tests/snippets/3.js");

fn program(builtins: bool) -> Program {
    let mut program = Program { version: 1, ..Program::default() };
    let mut bot = BotProgram { default_language: "en".into(), ..BotProgram::default() };
    let mut add = |path: &str, source: &str, role| {
        let script = Script { path: path.into(), source: source.into(), role, shape: Shape::default() };
        program.scripts.push(Arc::new(script));
        program.scripts.len() as u32 - 1
    };
    let text = add("content-types/text.js", include_str!("../content-types/text.js"), Role::ContentType);
    add("content-types/_helper.js", include_str!("../content-types/_helper.js"), Role::Module);
    bot.content_types.insert("builtin_text".into(), text);
    let mut hook = |kind: HookKind, name: &str, source: &str| {
        let index = add(&format!("hooks/{}/{name}", kind.folder()), source, Role::Hook(kind));
        bot.hooks.entry(kind).or_default().push(index);
    };
    hook(HookKind::BeforeIncomingMiddleware, "proactive.js", SNIPPET);
    if builtins {
        for kind in [
            HookKind::BeforeIncomingMiddleware,
            HookKind::AfterIncomingMiddleware,
            HookKind::BeforeOutgoingMiddleware,
        ] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks").join(kind.folder());
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            files.sort();
            for file in files {
                hook(kind, &file.file_name().unwrap_or_default().to_string_lossy(), &std::fs::read_to_string(&file).unwrap_or_default());
            }
        }
    }
    program.bots.insert("welcome-bot".into(), bot);
    program
}

fn event() -> String {
    let filler = "x".repeat(250);
    format!(
        r#"{{"id":"179533009130405440","type":"proactive-trigger","channel":"web","target":"visitor-1","botId":"welcome-bot","threadId":"1","direction":"incoming","payload":{{"type":"proactive-trigger","channel":"web","payload":{{"text":"fake message","page":"{filler}"}}}},"createdOn":1795330091304}}"#
    )
}

fn hello() -> Hello {
    Hello {
        build: String::new(),
        limits: ScriptLimits { event_waiting: u64::MAX / 4, ..ScriptLimits::default() },
        lock_in: false,
        env: Default::default(),
        process: Default::default(),
        external_url: "http://localhost:3000".into(),
        version: "bench".into(),
        slot: 0,
        trace: false,
        minimum_confidence: 0.3,
        repeat_window_ms: 20_000,
    }
}

fn realms(criterion: &mut Criterion) {
    let hello = Arc::new(hello());
    let outbox = Arc::new(Outbox::new(std::io::sink()));
    let ids = Arc::new(IdSource::new(0));
    let meter = Rc::new(Meter::new(hello.limits.clone(), Arc::default()));
    let host = || Rc::new(Host::new(Rc::clone(&meter), Arc::clone(&hello), Arc::clone(&ids), Arc::clone(&outbox)));
    criterion.bench_function("fresh realm (made, sealed, dropped)", |bencher| {
        bencher.iter(|| with_realm(&meter, |realm| BotRealm::new(realm, host()).is_ok()));
    });
    let (_route, inbox) = crossbeam_channel::unbounded();
    let occupancy = Occupancy::default();
    let mut json = BytesMut::new();
    event_work(&event(), &StateSnapshot::default(), &mut json);
    let json = Bytes::from(json);
    let job = || Job {
        dispatch: 7,
        head: DispatchHead { version: 1, kind: DispatchKind::Event, bot: "welcome-bot".into() },
        json: json.clone(),
        begun: Instant::now(),
        resume: None,
    };
    for (name, builtins) in
        [("warm event: third snippet, two replies", false), ("warm event with the built-in hooks", true)]
    {
        let loaded = Arc::new(LoadedProgram::new(program(builtins)));
        let _ = with_realm(&meter, |realm| {
            let Ok(realm) = BotRealm::new(realm, host()) else { return };
            realm.load(Arc::clone(&loaded), "welcome-bot");
            criterion.bench_function(name, |bencher| {
                bencher.iter(|| Run::new(&realm, &inbox, &occupancy, job()).run());
            });
            if std::env::var_os("PARTS").is_some() {
                let text = String::from_utf8(json.to_vec()).unwrap();
                let undefined = rquickjs::Value::new_undefined(realm.realm.ctx.clone());
                let outgoing = realm.outgoing_hooks().unwrap();
                criterion.bench_function("part: begin", |b| b.iter(|| realm.core.begin.call::<_, ()>((text.clone(), undefined.clone(), outgoing.clone())).unwrap()));
                criterion.bench_function("part: rank", |b| b.iter(|| { let o: rquickjs::Value<'_> = realm.realm.ctx.json_parse("{\"minimumConfidence\":0.3,\"repeatWindow\":20000}").unwrap(); realm.core.rank.call::<_, bool>((o,)).unwrap() }));
                criterion.bench_function("part: elect", |b| b.iter(|| { let _v: rquickjs::Value<'_> = realm.core.elect.call(()).unwrap(); }));
                criterion.bench_function("part: is_paused", |b| b.iter(|| realm.core.is_paused.call::<_, bool>(()).unwrap()));
                criterion.bench_function("part: state_change", |b| b.iter(|| realm.core.state_change.call::<_, String>((true,)).unwrap()));
                let file = realm.file(realm.hooks(HookKind::BeforeIncomingMiddleware).pop().unwrap()).unwrap();
                for drain in [true] {
                    criterion.bench_function(if drain { "part: hook and jobs" } else { "part: hook call only" }, |b| {
                        b.iter(|| {
                            realm.host.clear();
                            realm.host.flush();
                            realm.realm.meter.begin_event(std::time::Duration::ZERO);
                            realm.realm.meter.slice(|| {
                                let r: rquickjs::Result<rquickjs::Value<'_>> = realm.core.run_hook.call((file.clone(), "before_incoming_middleware", undefined.clone()));
                                if let Err(e) = r { panic!("{e} {:?}", realm.realm.caught(&realm.core.describe)); }
                                if drain { realm.realm.drain_jobs(); }
                            });
                        });
                    });
                }
                criterion.bench_function("part: scrub", |b| b.iter(|| realm.scrub()));
            }
        });
    }
}

criterion_group!(benches, realms);
criterion_main!(benches);
