//! What a realm is to those who write scripts and run a server: a process of one event at a time, made warm, used again or not,
//! and of one bot alone.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "figures, for who runs them with --nocapture")]

#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;
#[path = "common/far.rs"]
mod far;
#[path = "common/process.rs"]
mod process;
#[path = "common/processes.rs"]
mod processes;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use far::Far;
use process::ServerProcess;
use processes::{Role, lives, of_server};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

const FRESH: (&str, &str) = ("botpress.config.json", r#"{ "scripts": { "realms": "fresh" } }"#);
const BOT: (&str, &str) = ("bots/b/bot.config.json", "{}");
const HOOK: &str = "hooks/before_incoming_middleware/say.js";

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

async fn start(files: &[(&str, &str)]) -> (ServerProcess, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(folder.path(), path, text);
    }
    (ServerProcess::start(folder.path(), &[]).await, folder)
}

/// What a user says, and what the bot answers.
async fn ask(server: &ServerProcess, bot: &str, user: &str, text: &str) -> String {
    let path = format!("/api/v1/bots/{bot}/converse/{user}");
    let answer = server.client.post(&path, json!({ "type": "text", "text": text }).to_string()).await;
    answer.json()["responses"][0]["text"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned()
}

async fn queue(server: &ServerProcess) -> Value {
    server.client.get("/status").await.json()["queue"].take()
}

fn counted<const N: usize>(queue: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| queue[name].as_u64().unwrap_or_else(|| panic!("{name}: {queue}")))
}

/// Realms by their numbers; compilers are children of the root zygote and left out.
fn realms(server: &ServerProcess) -> BTreeSet<i32> {
    let all = of_server(server.pid);
    let root = |pid: i32| all.iter().any(|process| process.pid == pid && process.role == Role::Root);
    all.iter()
        .filter(|process| process.role == Role::Realm && !root(process.parent))
        .map(|process| process.pid)
        .collect()
}

async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "it never came to this: {what}");
        tokio::task::yield_now().await;
    }
}

fn say(text: &str) -> String {
    format!("return bp.events.replyToEvent(event, [{{ type: 'text', text: String({text}) }}])")
}

const COUNTED: (&str, &str) =
    ("node_modules/counted/index.js", "let count = 0; exports.next = () => ++count; exports.born = Date.now()");

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_is_used_again_and_keeps_what_modules_keep() {
    let (server, _folder) = start(&[BOT, COUNTED, (HOOK, &say("require('counted').next()"))]).await;
    assert_eq!(ask(&server, "b", "u", "x").await, "1");
    let first = realms(&server);
    for count in 2..6 {
        assert_eq!(ask(&server, "b", &format!("u{count}"), "x").await, count.to_string());
    }
    assert_eq!(realms(&server), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_realm_for_every_event_begins_as_the_one_before_has_begun_and_ends_with_its_event() {
    let (server, _folder) = start(&[FRESH, BOT, COUNTED, (HOOK, &say("require('counted').next()"))]).await;
    for user in 0..5 {
        assert_eq!(ask(&server, "b", &format!("u{user}"), "x").await, "1");
    }
    until("all have ended", || realms(&server).is_empty()).await;
    let names = ["dispatched", "runAgain", "realmsKilled", "realmsCrashed", "unfitUnclean"];
    assert_eq!(counted(&queue(&server).await, names), [5, 0, 0, 0, 0]);
}

/// Everything that scripts may draw by lot.
const DRAWN: &str = "
const lodash = require('lodash')
const other = bp.IO.Event({ type: 'x', direction: 'incoming', channel: 'web', target: 'u', botId: event.botId, payload: {} })
const drawn = {
  random: Math.random(), lodash: lodash.random(0, 1, true), id: other.id, own: event.id,
}
return bp.events.replyToEvent(event, [{ type: 'text', text: JSON.stringify(drawn) }])";

#[tokio::test(flavor = "multi_thread")]
async fn two_forks_of_one_zygote_draw_different_lots() {
    for config in ["{}", FRESH.1] {
        let (server, _folder) = start(&[("botpress.config.json", config), BOT, (HOOK, DRAWN)]).await;
        let server = std::sync::Arc::new(server);
        // At once, so that there are several realms also where they are used again.
        let asked: Vec<_> = (0..24)
            .map(|user| {
                let server = std::sync::Arc::clone(&server);
                tokio::spawn(async move { ask(&server, "b", &format!("u{user}"), "x").await })
            })
            .collect();
        let mut seen = BTreeSet::new();
        for one in asked {
            let drawn: Value = serde_json::from_str(&one.await.unwrap()).unwrap();
            for (name, value) in drawn.as_object().unwrap() {
                assert!(!value.is_null(), "{name} of {drawn}");
                assert!(seen.insert(format!("{name} {value}")), "{name} {value} was drawn twice: {config}");
            }
        }
        assert_eq!(seen.len(), 24 * 4);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_evaluated_once_for_a_bot_and_each_realm_begins_with_what_it_made() {
    let (server, _folder) = start(&[FRESH, BOT, COUNTED, (HOOK, &say("require('counted').born"))]).await;
    let mut born = BTreeSet::new();
    for user in 0..5 {
        born.insert(ask(&server, "b", &format!("u{user}"), "x").await);
    }
    assert_eq!(born.len(), 1, "{born:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_logs_or_hangs_or_draws_lots_while_it_is_loaded_is_left_to_the_realms_and_that_is_said() {
    let hook = "
if (event.preview === 'stuck') return require('stuck')
return bp.events.replyToEvent(event, [{ type: 'text', text: require('chatty').born + ' ' + require('dice').born }])";
    let (server, _folder) = start(&[
        FRESH,
        BOT,
        ("node_modules/chatty/index.js", "console.log('I am loaded'); exports.born = Date.now()"),
        ("node_modules/dice/index.js", "exports.born = Math.random()"),
        ("node_modules/stuck/index.js", "while (true) {}"),
        (HOOK, hook),
    ])
    .await;
    for package in ["chatty", "dice", "stuck"] {
        let said = |entry: &Value| {
            let of = entry["file"].as_str()?.contains(package);
            (of && entry["message"].as_str()?.contains("evaluated by each realm for itself")).then_some(())
        };
        server.log.wait(package, said).await;
    }
    let mut born: [BTreeSet<String>; 2] = Default::default();
    for user in 0..3 {
        let both = ask(&server, "b", &format!("u{user}"), "x").await;
        for (all, one) in born.iter_mut().zip(both.split(' ')) {
            all.insert(one.to_owned());
        }
    }
    assert_eq!(born.each_ref().map(BTreeSet::len), [3, 3], "each realm evaluates it for itself: {born:?}");
    server
        .client
        .post("/api/v1/bots/b/mod/channel-web/events/u", r#"{"type":"text","preview":"stuck","text":"stuck"}"#)
        .await;
    server.log.wait("it is stopped", |entry| entry["message"].as_str()?.contains("TimeoutError").then_some(())).await;
    ask(&server, "b", "u", "x").await;
    let names = ["endedByKill", "runAgain", "setAside", "zygotesDied"];
    assert_eq!(counted(&queue(&server).await, names), [0, 0, 0, 0]);
}

/// Kilobytes that a process has written to and has to itself.
fn own_memory(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Kilobytes that a process allocated, its share of those that it has together with others.
fn heap(pid: i32) -> u64 {
    let (mut in_heap, mut held) = (false, 0);
    for line in fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default().lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["Pss:", kilobytes, _] if in_heap => held += kilobytes.parse::<u64>().unwrap(),
            [first, ..] if !first.ends_with(':') => in_heap = line.ends_with("[heap]"),
            _ => {}
        }
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn requiring_the_packages_that_come_along_costs_a_realm_next_to_nothing() {
    let require = "const all = [require('lodash'), require('axios'), require('mustache')]\n";
    let (server, _folder) = start(&[
        ("bots/plain/bot.config.json", "{}"),
        ("bots/plain/hooks/before_incoming_middleware/say.js", &say("typeof 1")),
        ("bots/packed/bot.config.json", "{}"),
        ("bots/packed/hooks/before_incoming_middleware/say.js", &format!("{require}{}", say("typeof all[0].chunk"))),
    ])
    .await;
    let mut memory = Vec::new();
    for (bot, says) in [("plain", "number"), ("packed", "function")] {
        let before = realms(&server);
        for user in 0..3 {
            assert_eq!(ask(&server, bot, &format!("u{user}"), "x").await, says);
        }
        let [own] = realms(&server).difference(&before).copied().collect::<Vec<_>>()[..] else { panic!("one realm") };
        memory.push(own_memory(own));
    }
    println!("{memory:?} KB");
    // To evaluate them takes some megabytes; to look at what is there copies some pages of it.
    assert!(memory[1] < memory[0] + 700, "{memory:?} KB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_nobody_talks_to_is_not_kept_ready_for_ever_and_answers_all_the_same() {
    let config = r#"{ "scripts": { "idleRealms": "1ms", "idleZygotes": "1ms" } }"#;
    let files = [("botpress.config.json", config), BOT, ("bots/c/bot.config.json", "{}"), (HOOK, &say("event.botId"))];
    let (server, _folder) = start(&files).await;
    assert_eq!([ask(&server, "b", "u", "x").await, ask(&server, "c", "u", "x").await], ["b", "c"]);
    let zygotes = || of_server(server.pid).iter().filter(|process| process.role == Role::Zygote).count();
    until("only what there is without a bot is ready", || zygotes() == 1).await;
    assert_eq!(counted(&queue(&server).await, ["zygotes", "realms"]), [2, 0], "the root counts");
    assert_eq!([ask(&server, "c", "u", "x").await, ask(&server, "b", "u", "x").await], ["c", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_kept_ready_and_its_realm_share_most_of_what_all_have() {
    let bots: Vec<String> = (0..12).map(|bot| format!("b{bot}")).collect();
    let configs: Vec<String> = bots.iter().map(|bot| format!("bots/{bot}/bot.config.json")).collect();
    let hook = say("event.botId");
    let mut files: Vec<(&str, &str)> = configs.iter().map(|path| (path.as_str(), "{}")).collect();
    files.push((HOOK, &hook));
    let (server, _folder) = start(&files).await;
    for bot in &bots {
        assert_eq!(ask(&server, bot, "u", "x").await, *bot);
    }
    let all = of_server(server.pid);
    let root = all.iter().find(|process| process.role == Role::Root).unwrap().pid;
    let of_bots = all.iter().filter(|process| process.pid != root && process.parent != root);
    let held = of_bots.map(|process| heap(process.pid)).sum::<u64>() / 12;
    println!("{held} KB of heap a bot with its realm");
    // Where a collection of garbage touches all objects of a zygote it is 3,700.
    assert!(held < 2_700, "{held} KB a bot: {all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_events_that_wait_for_another_server_do_so_at_once_and_nobody_waits_for_them() {
    let far = Far::start().await;
    let config = r#"{ "fetch": { "concurrent": 300, "timeout": "2m" }, "scripts": { "hookWaiting": "2m" }, "converse": { "timeout": "2m" } }"#;
    let hook = format!(
        "if (event.preview === 'calm') {}
const url = '{}/gate'
const text = event.target.endsWith('0') ? await (await fetch(url)).text() : (await require('axios').get(url)).data
{}",
        say("'calm'"),
        far.url(),
        say("text")
    );
    let (server, _folder) =
        start(&[("botpress.config.json", config), BOT, ("bots/calm/bot.config.json", "{}"), (HOOK, &hook)]).await;
    let server = std::sync::Arc::new(server);
    let asked: Vec<_> = (0..200)
        .map(|user| {
            let server = std::sync::Arc::clone(&server);
            tokio::spawn(async move { ask(&server, "b", &format!("u{user}"), "x").await })
        })
        .collect();
    far.arrived(200).await;
    // While all of them wait, others are answered, also of the same bot.
    assert_eq!(ask(&server, "calm", "other", "calm").await, "calm");
    assert_eq!(ask(&server, "b", "other", "calm").await, "calm");
    let metrics = server.client.get("/metrics").await.body;
    let shown = |name: &str| -> u64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in {metrics}")).parse().unwrap()
    };
    assert_eq!(shown("nudge_in_flight"), 200);
    assert!((200..=220).contains(&shown("nudge_realms")), "{}", shown("nudge_realms"));
    far.open();
    for one in asked {
        assert_eq!(one.await.unwrap(), "open");
    }
    let names = ["dispatched", "runAgain", "endedByKill", "realmsKilled", "realmsCrashed", "setAside", "unfitLimit"];
    assert_eq!(counted(&queue(&server).await, names), [202, 0, 0, 0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_concerns_the_bots_that_run_the_file_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let hook = |bot: &str| format!("bots/{bot}/hooks/before_incoming_middleware/say.js");
    for bot in ["a", "b"] {
        write(folder.path(), &format!("bots/{bot}/bot.config.json"), "{}");
        write(folder.path(), &hook(bot), &say("'first'"));
    }
    let server = ServerProcess::start_watching(folder.path()).await;
    let mut own = Vec::new();
    for bot in ["a", "b"] {
        let before = realms(&server);
        assert_eq!(ask(&server, bot, "u", "x").await, "first");
        own.push(realms(&server).difference(&before).copied().collect::<BTreeSet<_>>());
    }
    let (a, b) = (&own[0], &own[1]);
    assert!(!a.is_empty() && !b.is_empty(), "{own:?}");
    write(folder.path(), &hook("a"), &say("'second'"));
    let begun = Instant::now();
    while ask(&server, "a", "u", "x").await != "second" {
        assert!(begun.elapsed() < PATIENCE, "it does not come into service");
    }
    until("realms with the old file end", || a.iter().all(|pid| !lives(*pid))).await;
    assert_eq!(ask(&server, "b", "u", "x").await, "first");
    assert!(b.iter().all(|pid| lives(*pid)), "{own:?}, now {:?}", of_server(server.pid));
    // A file that all bots run concerns all.
    write(folder.path(), "hooks/before_incoming_middleware/0_all.js", "event.all = true");
    until("all realms are new", || b.iter().all(|pid| !lives(*pid))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_that_computes_for_fifty_milliseconds_is_used_again() {
    let compute = "const until = Date.now() + 50; while (Date.now() < until) {}\n";
    let (server, _folder) =
        start(&[BOT, COUNTED, (HOOK, &format!("{compute}{}", say("require('counted').next()")))]).await;
    assert_eq!(ask(&server, "b", "u", "x").await, "1");
    let first = realms(&server);
    for count in 2..6 {
        assert_eq!(ask(&server, "b", "u", "x").await, count.to_string());
    }
    assert_eq!(realms(&server), first);
    let names = ["unfitLimit", "unfitMemory", "unfitUnclean", "unfitWorn", "unfitSlowed", "realmsKilled"];
    assert_eq!(counted(&queue(&server).await, names), [0; 6]);
}
