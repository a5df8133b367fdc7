//! What one event costs inside a realm, without the wall: the third documented snippet on a 573-byte proactive event.
//!
//! `cargo bench --bench realm` measures time. Instructions can be compared on a machine that others use, too: with
//! `NUDGE_EVENTS=1000` the same binary runs the case that is named on its command line so many times and no more, so that
//! `valgrind --tool=callgrind --toggle-collect='*counted*'` counts those events alone.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, criterion_group};
use nudge::config::ScriptLimits;
use nudge::engine::run::Run;
use nudge::engine::{BotRealm, Host, Inbox, LoadedProgram, RealmJob};
use nudge::model::StateSnapshot;
use nudge::program::{BotProgram, HookKind, Program, Role, Script, Shape};
use nudge::protocol::{DispatchKind, Hello, Outbox, event_work};
use nudge::script::{Meter, with_realm};

/// As the parser finds it of all scripts here.
fn shape() -> Shape {
    Shape { no_globals: true, reads_bp: true, ..Shape::default() }
}

const SNIPPET: &str = include_str!("../tests/snippets/3.js");

fn program(builtins: bool, snippet: &str) -> Program {
    let mut program = Program { version: 1, ..Program::default() };
    let mut bot = BotProgram { default_language: "en".into(), ..BotProgram::default() };
    let mut add = |path: &str, source: &str, role| {
        let script = Script { path: path.into(), source: source.into(), role, shape: shape() };
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
    hook(HookKind::BeforeIncomingMiddleware, "proactive.js", snippet);
    if builtins {
        for kind in
            [HookKind::BeforeIncomingMiddleware, HookKind::AfterIncomingMiddleware, HookKind::BeforeOutgoingMiddleware]
        {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks").join(kind.folder());
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            files.sort();
            for file in files {
                hook(
                    kind,
                    &file.file_name().unwrap_or_default().to_string_lossy(),
                    &std::fs::read_to_string(&file).unwrap_or_default(),
                );
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
        per_bot: false,
        build: String::new(),
        limits: ScriptLimits { event_waiting: u64::MAX / 4, ..ScriptLimits::default() },
        lock_in: false,
        env: Default::default(),
        process: Default::default(),
        external_url: "http://localhost:3000".into(),
        version: "bench".into(),
        trace: false,
        minimum_confidence: 0.3,
        repeat_window_ms: 20_000,
        max_transitions: 100,
    }
}

fn realms(criterion: &mut Criterion) {
    let hello = Arc::new(hello());
    let meter = Rc::new(Meter::new(hello.limits.clone()));
    let host = || Rc::new(Host::new(Rc::clone(&meter), Arc::clone(&hello), Outbox::new(std::io::sink())));
    if events_to_count().is_none() {
        criterion.bench_function("fresh realm (made, sealed, dropped)", |bencher| {
            bencher.iter(|| with_realm(&meter, |realm| BotRealm::new(realm, host()).is_ok()));
        });
    }
    let Ok((_server, socket)) = std::os::unix::net::UnixStream::pair() else { return };
    let inbox = Inbox::new(socket);
    let mut json = BytesMut::new();
    event_work(&event(), &StateSnapshot::default(), &mut json);
    let json = Bytes::from(json);
    let job =
        || RealmJob { dispatch: 7, kind: DispatchKind::Event, json: json.clone(), begun: Instant::now(), resume: None };
    for (name, builtins, source) in cases() {
        let loaded = Arc::new(LoadedProgram::new(program(builtins, &source)));
        let _ = with_realm(&meter, |realm| {
            let Ok(realm) = BotRealm::new(realm, host()) else { return };
            let _ = realm.warm();
            realm.load(Arc::clone(&loaded), "welcome-bot");
            realm.warm_bot();
            let event = || drop(Run::new(&realm, &inbox, job()).run());
            match events_to_count() {
                None => {
                    criterion.bench_function(name, |bencher| bencher.iter(event));
                }
                Some(events) if std::env::args().nth(1).is_some_and(|wanted| name.contains(&wanted)) => {
                    // One alone is the first of its realm.
                    (1..events.min(100)).for_each(|_| event());
                    counted(events, event);
                }
                Some(_) => {}
            }
        });
    }
}

/// `(name, with the built-in hooks, the hook)`.
fn cases() -> Vec<(&'static str, bool, String)> {
    let pieces = "const eventDestination = { channel: event.channel, target: event.target, botId: event.botId, threadId: event.threadId };";
    let render =
        format!("{pieces} bp.cms.renderElement('builtin_text', {{ text: 'x', typing: true }}, eventDestination)");
    let reply = "bp.events.replyToEvent(event, [{type:'typing',value:true},{type:'text',markdown:true,text:'x'}])";
    vec![
        ("warm event: third snippet, two replies", false, SNIPPET.into()),
        ("warm event with the built-in hooks", true, SNIPPET.into()),
        ("piece: a hook that does nothing", false, String::new()),
        ("piece: renderElement alone", false, render),
        ("piece: two replies alone", false, reply.into()),
    ]
}

fn events_to_count() -> Option<u32> {
    std::env::var("NUDGE_EVENTS").ok()?.parse().ok()
}

#[inline(never)]
fn counted(events: u32, event: impl Fn()) {
    (0..events).for_each(|_| event());
}

criterion_group!(benches, realms);

fn main() {
    if events_to_count().is_some() {
        // Criterion's own arguments are not looked at.
        realms(&mut Criterion::default().without_plots());
    } else {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
