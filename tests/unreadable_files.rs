//! Files that no parser is up to: they end the process that reads them, or are given up; they are said, by name and with what to
//! do, and everything else is in service.

#[path = "common/server.rs"]
mod server;

use std::fs;
use std::path::Path;
use std::process::Command;

use server::{Caller, Server, log_of, workspace};

const HOOKS: &str = "hooks/before_incoming_middleware";
const BOT: &str = "{}";
/// A bot that says "Hi".
const FLOW: &str =
    r##"{ "startNode": "a", "nodes": [{ "name": "a", "onEnter": ["say #builtin_text {\"text\": \"Hi\"}"] }] }"##;

/// What is written over and over again, and how often.
type Repeated = (&'static str, usize);

/// Those that are known to have ended the server, and their siblings.
const TOO_MUCH: &[Repeated] = &[
    ("x=>", 300_000),
    ("a=", 1_900_000),
    ("new ", 975_000),
    ("a?1:", 975_000),
    ("if(a)", 780_000),
    ("for(;;)", 557_000),
    ("a**", 1_300_000),
    ("async x=>", 433_000),
    ("class extends ", 278_000),
    ("do ", 1_300_000),
    ("typeof ", 550_000),
    ("while(1)", 480_000),
    ("if(a);else ", 350_000),
    ("a?b:c,x=>", 430_000),
    ("function(){}+", 300_000),
    ("yield=>", 550_000),
];

/// Those that are read, or refused with their place, in a time that grows with their length.
const STILL_FINE: &[Repeated] =
    &[("x=>", 500), ("a=", 1_000), ("if(a)", 500), ("a?1:", 1_000), ("new ", 500), ("a+", 2_000), ("a;", 100_000)];

fn script((fragment, times): Repeated) -> String {
    format!("{}a", fragment.repeat(times))
}

fn check(folder: &Path) -> (Option<i32>, String) {
    let mut nudge = Command::new(env!("CARGO_BIN_EXE_nudge"));
    let output = nudge.arg("check").current_dir(folder).env("NO_COLOR", "1").output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// The problem that is said of a file.
fn said_of<'a>(out: &'a str, path: &str) -> Option<&'a str> {
    let start = out.lines().find(|line| line.starts_with(&format!("{path}:")))?;
    let at = out.find(start)?;
    Some(out[at..].split("\n\n").next().unwrap_or_default())
}

#[test]
fn each_is_said_by_check_with_the_limit_and_its_key_and_all_other_files_are_read() {
    let folder = workspace(&[
        ("botpress.config.json", r#"{ "workspace": { "readTime": "2s" } }"#),
        ("bots/fine/bot.config.json", BOT),
        ("bots/fine/flows/main.flow.json", FLOW),
        (&format!("{HOOKS}/zz_last.js"), "return"),
    ]);
    for (index, repeated) in TOO_MUCH.iter().enumerate() {
        fs::write(folder.path().join(format!("{HOOKS}/{index:02}.js")), script(*repeated)).unwrap();
    }
    let (code, out) = check(folder.path());
    assert_eq!(code, Some(1), "{out}");
    for (index, (fragment, _)) in TOO_MUCH.iter().enumerate() {
        let said = said_of(&out, &format!("{HOOKS}/{index:02}.js")).unwrap_or_else(|| panic!("{fragment:?}: {out}"));
        assert!(said.contains(": error: "), "{fragment:?}: {said}");
    }
    let keys = ["`workspace.readMemory`)\nhelp: break long chains", "`workspace.readTime`)\nhelp: "];
    assert!(said_of(&out, &format!("{HOOKS}/00.js")).unwrap().contains(keys[0]), "{out}");
    let (_, summary) = out.rsplit_once("checked ").unwrap();
    assert!(summary.contains("2 bots") || summary.contains("1 bot, 1 flow with 1 node"), "{summary}");
}

#[test]
fn what_people_may_write_is_read() {
    let folder = workspace(&[("bots/fine/bot.config.json", BOT)]);
    fs::create_dir_all(folder.path().join(HOOKS)).unwrap();
    for (index, repeated) in STILL_FINE.iter().enumerate() {
        fs::write(folder.path().join(format!("{HOOKS}/{index:02}.js")), script(*repeated)).unwrap();
    }
    let (code, out) = check(folder.path());
    for (index, (fragment, times)) in STILL_FINE.iter().enumerate() {
        let said = said_of(&out, &format!("{HOOKS}/{index:02}.js"));
        assert!(
            said.is_none_or(|said| !said.contains("`workspace.") && !said.contains("the parser")),
            "{fragment:?} × {times}: {said:?}"
        );
    }
    assert!(matches!(code, Some(0 | 1)), "{out}");
}

#[test]
fn files_of_every_kind_are_read_there() {
    let deep = |fragment: &'static str, times: usize| serde_json::to_string(&script((fragment, times))).unwrap();
    let condition = format!(
        r#"{{ "startNode": "a", "nodes": [{{ "name": "a", "next": [{{ "condition": {}, "node": "END" }}] }}] }}"#,
        deep("x=>", 300_000)
    );
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let bot = format!(r#"{{ "mine": {nested} }}"#);
    let elements = format!(r#"[{{ "id": "builtin_text-1", "formData": {{ "a": {nested} }} }}]"#);
    let module = format!("// not plain JSON\n{nested}");
    let chain = script(("x=>", 300_000));
    let files = [
        ("bots/a/bot.config.json", BOT),
        ("bots/a/flows/main.flow.json", condition.as_str()),
        ("bots/b/bot.config.json", bot.as_str()),
        ("bots/c/bot.config.json", BOT),
        ("bots/c/content-elements/builtin_text.json", elements.as_str()),
        ("bots/c/actions/x.js", chain.as_str()),
        ("content-types/t.js", chain.as_str()),
        ("bots/c/hooks/after_bot_mount/x.js", "require('./deep.json'); require('chain')"),
        ("bots/c/hooks/after_bot_mount/deep.json", module.as_str()),
        ("node_modules/chain/index.js", chain.as_str()),
    ];
    let folder = workspace(&files);
    let (code, out) = check(folder.path());
    assert_eq!(code, Some(1), "{out}");
    for path in [files[1].0, files[2].0, files[4].0, files[5].0, files[6].0, files[8].0, files[9].0] {
        assert!(said_of(&out, path).is_some_and(|said| said.contains(": error: ")), "{path}: {out}");
    }
    assert!(out.contains("3 bots") || out.contains("2 bots"), "{out}");
}

#[test]
fn a_smaller_limit_refuses_what_a_larger_one_reads_and_the_error_says_it() {
    let hook = format!("{HOOKS}/x.js");
    let many = format!("return [{}]", "a,".repeat(500_000));
    for (memory, refused) in [("512mb", None), ("64mb", Some("64 MB"))] {
        let config = format!(r#"{{ "workspace": {{ "readTime": "30s", "readMemory": "{memory}" }} }}"#);
        let folder = workspace(&[("botpress.config.json", &config), (&hook, &many)]);
        let (_, out) = check(folder.path());
        let said = said_of(&out, &hook);
        match refused {
            // It is too much for the script's own memory then.
            None => assert!(said.is_none_or(|said| !said.contains("`workspace.")), "{said:?}"),
            Some(limit) => assert!(
                said.is_some_and(|said| said.contains(limit) && said.contains("`workspace.readMemory`")),
                "{said:?}"
            ),
        }
    }
    let deep = |levels: usize| format!("return {}1{}", "(".repeat(levels), ")".repeat(levels));
    for (levels, fine) in [(100, true), (101, false)] {
        let config = r#"{ "workspace": { "nesting": 100 } }"#;
        let folder = workspace(&[("botpress.config.json", config), (&hook, &deep(levels))]);
        let (_, out) = check(folder.path());
        let said = said_of(&out, &hook).unwrap_or_default();
        assert_eq!(said.is_empty(), fine, "{levels}: {said}");
        assert!(fine || said.contains("more than 100 levels (`workspace.nesting`)"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_starts_without_such_a_file_and_serves_all_others() {
    let folder = workspace(&[
        ("bots/fine/bot.config.json", BOT),
        ("bots/fine/flows/main.flow.json", FLOW),
        (&format!("{HOOKS}/a.js"), &script(("x=>", 300_000))),
        (&format!("{HOOKS}/b.js"), "event.state.temp = { b: 1 }"),
    ]);
    for _ in 0..2 {
        let server = Server::start(folder.path(), &[]);
        assert_eq!(says(&server, "fine").await, ["Hi"]);
        let log = log_of(folder.path());
        assert!(log.contains(&format!("{HOOKS}/a.js")) && log.contains("nested too deeply to be read"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_version_stays_while_files_of_other_bots_come_into_service() {
    let main = |bot: &str| format!("bots/{bot}/flows/main.flow.json");
    let flow = |text: &str| FLOW.replace("Hi", text);
    let action = |text: &str| format!("bp.events.replyToEvent(event, [{{ type: 'text', text: '{text}' }}])");
    let folder = workspace(&[
        ("bots/bad/bot.config.json", BOT),
        (&main("bad"), r#"{ "startNode": "a", "nodes": [{ "name": "a", "onEnter": ["talk {}"] }] }"#),
        ("bots/bad/actions/talk.js", &action("first")),
        ("bots/fine/bot.config.json", BOT),
        (&main("fine"), &flow("Hi")),
    ]);
    let server = Server::start(folder.path(), &[]);
    assert_eq!(says(&server, "bad").await, ["first"]);
    let talk = folder.path().join("bots/bad/actions/talk.js");
    fs::write(&talk, script(("a=", 1_900_000))).unwrap();
    fs::write(folder.path().join(main("fine")), flow("Ho")).unwrap();
    server.until("the file is said", |_| log_of(folder.path()).contains("bots/bad/actions/talk.js")).await;
    server.until("the other bot's is in service", |_| log_of(folder.path()).contains("reloaded in")).await;
    let mut said = says(&server, "fine").await;
    while said == ["Hi"] {
        said = says(&server, "fine").await;
    }
    assert_eq!(said, ["Ho"]);
    assert_eq!(says(&server, "bad").await, ["first"]);
    let log = log_of(folder.path());
    assert!(log.contains("the last good version stays in service"), "{log}");
    fs::write(&talk, action("second")).unwrap();
    let mut said = says(&server, "bad").await;
    while said == ["first"] {
        said = says(&server, "bad").await;
    }
    assert_eq!(said, ["second"]);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_process_that_reads_is_locked_in_and_ends_when_there_is_nothing_to_read() {
    let flow = "bots/fine/flows/main.flow.json";
    let folder = workspace(&[("bots/fine/bot.config.json", BOT), (flow, FLOW)]);
    let server = Server::start(folder.path(), &[]);
    assert_eq!(readers(server.pid()), [] as [u32; 0], "after the first reading it is not needed");
    fs::write(folder.path().join(flow), FLOW.replace("Hi", "Ho")).unwrap();
    server.until("the file is read", |server| !readers(server.pid()).is_empty()).await;
    let reader = readers(server.pid())[0];
    let of = |what: &str| fs::read_to_string(format!("/proc/{reader}/{what}")).unwrap();
    server.until("it is locked in", |_| of("status").contains("Seccomp:\t2")).await;
    assert!(of("status").contains("NoNewPrivs:\t1"), "{}", of("status"));
    for (limit, most) in [("Max data size", 512 << 20), ("Max file size", 0), ("Max core file size", 0)] {
        let limits = of("limits");
        let line = limits.lines().find(|line| line.starts_with(limit)).unwrap();
        assert!(line[limit.len()..].split_whitespace().next() == Some(&most.to_string()), "{line}");
    }
    let open = fs::read_dir(format!("/proc/{reader}/fd")).unwrap().count();
    assert_eq!(open, 4, "standard input, output, error and one socket");
    server.until("it has ended and is buried", |_| !Path::new(&format!("/proc/{reader}")).exists()).await;
}

/// The children of a server that read files.
#[cfg(target_os = "linux")]
fn readers(server: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let reads = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let called = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        status.contains(&format!("\nPPid:\t{server}\n")) && called.starts_with(b"nudge-reader")
    };
    pids.filter(reads).collect()
}

#[test]
fn thousands_of_mistakes_in_a_flow_are_some_that_are_named_and_a_number() {
    for count in [1_000, 8_000] {
        let node = |index: usize| {
            serde_json::json!({ "name": format!("node-{index:06}"), "onEnter": [format!("act-{index:06} {{}}"), "say #!gone"],
                "next": [{ "condition": "true", "node": format!("nod-{index:06}") }, { "condition": "true", "node": "" }] })
        };
        let nodes: Vec<_> = (0..count).map(node).collect();
        let flow = serde_json::json!({ "startNode": "node-000000", "nodes": nodes }).to_string();
        let config = format!(r#"{{ "workspace": {{ "readTime": "60s", "nodes": {count} }} }}"#);
        let folder = workspace(&[
            ("botpress.config.json", &config),
            ("bots/b/bot.config.json", BOT),
            ("bots/b/flows/main.flow.json", &flow),
        ]);
        let (code, out) = check(folder.path());
        assert_eq!(code, Some(1), "{out}");
        let more = format!("{} more problems of this flow are not named", count - 100);
        assert!(out.contains(&more), "{more}: {}", &out[out.len().saturating_sub(2_000)..]);
        assert!(out.contains("did you mean \"node-000000\"?"), "{}", &out[..2_000]);
    }
}

async fn says(server: &Server, bot: &str) -> Vec<String> {
    let path = format!("/api/v1/bots/{bot}/converse/someone");
    let mut caller = Caller::to(server.address);
    let (status, body) = caller.post(&path, r#"{ "type": "text", "text": "hello" }"#.to_owned()).await.unwrap();
    assert_eq!(status, 200, "{bot}: {body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    body["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["text"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// What is repeated to a megabyte, and to the most that a file may have.
const FRAGMENTS: [&str; 66] = [
    "x=>",
    "a=",
    "new ",
    "a?1:",
    "if(a)",
    "for(;;)",
    "a**",
    "async x=>",
    "class extends ",
    "do ",
    "a:",
    "await ",
    "with(a)",
    "typeof ",
    "void ",
    "delete ",
    "!",
    "-",
    "+ ",
    "~",
    "a,",
    "a+",
    "a&&",
    "a||",
    "a??",
    "a?.",
    ".a",
    "a.",
    "a[",
    "a(",
    "(",
    "[",
    "{",
    "({a:",
    "[...",
    "`${",
    "`",
    "'",
    "\"",
    "/",
    "/(",
    "function(){",
    "(function(){",
    "()=>{",
    "async()=>{",
    "class{static{",
    "class a{b(){",
    "switch(a){case ",
    "try{",
    "while(a)",
    "for(a in ",
    "for(a of ",
    "if(a);else ",
    "else ",
    "return ",
    "throw ",
    "yield ",
    "var a=",
    "let ",
    "a;",
    "{}",
    "//",
    "/*",
    "<",
    "#a in ",
    "import(",
];

/// `SWEEP=out.txt cargo test --release --test unreadable_files -- --ignored --nocapture sweep`
#[test]
#[ignore = "reads a few hundred megabytes: for who changes how files are read, or their limits"]
fn a_sweep_over_what_can_be_repeated_ends_no_server() {
    let folder = workspace(&[("bots/b/bot.config.json", BOT)]);
    fs::create_dir_all(folder.path().join(HOOKS)).unwrap();
    let name = |index: usize, size: usize| format!("{HOOKS}/{index:02}-{}mb.js", size >> 20);
    let mut files = 0;
    for (index, fragment) in FRAGMENTS.iter().enumerate() {
        for size in [1 << 20, 4 << 20] {
            fs::write(folder.path().join(name(index, size)), fragment.repeat(size / fragment.len())).unwrap();
            files += 1;
        }
    }
    let server = Server::start(folder.path(), &[]);
    let (_, out) = check(folder.path());
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for (index, fragment) in FRAGMENTS.iter().enumerate() {
        for size in [1 << 20, 4 << 20] {
            let said = said_of(&out, &name(index, size)).unwrap_or_default();
            let what = match said {
                "" => "read",
                said if said.contains("ran out of") && said.contains("stack") => "out of stack",
                said if said.contains("ran out of") => "out of memory",
                said if said.contains("given up after") => "given up after its time",
                said if said.contains("the parser failed") => "the parser failed",
                said if said.contains("cannot be read:") => panic!("{fragment:?}: {said}"),
                _ => "refused with its place",
            };
            *counts.entry(what).or_default() += 1;
        }
    }
    // It serves whatever came before.
    drop(server);
    assert_eq!(counts.values().sum::<usize>(), files);
    if let Some(report) = std::env::var_os("SWEEP") {
        fs::write(report, format!("{files} files: {counts:?}\n")).unwrap();
    }
}
