//! Files change while events flow: nothing is lost, nothing is run half-written, and a change is in service soon.
#![expect(clippy::print_stdout, reason = "figures, for who runs them with --nocapture")]

#[path = "common/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use server::{Caller, Server, log_of, replies, workspace};
use tokio::task::JoinHandle;

const EDITS: u64 = 200;
const HOOK: &str = "hooks/before_incoming_middleware/versioned.js";
/// Some 10 KB: a long hook. Reading, parsing and compiling it in each realm is part of what is measured.
const LINES: usize = 200;

/// Version `version` of the hook: says what stands at its beginning and at its end, as far as it has them.
fn hook(version: u64) -> String {
    let mut text = format!(
        "const begin = {version}
         let end
         event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
         Promise.resolve().then(() =>
           bp.events.replyToEvent(event, [{{ type: 'text', text: `${{event.preview}} ${{begin}} ${{end}}` }}]))\n"
    );
    for line in 0..LINES {
        text.push_str(&format!("const line_{line} = 'version {version}, line {line}'\n"));
    }
    text.push_str(&format!("end = {version}\n"));
    text
}

/// What an event was told: its number, and the version at both ends of the hook, which must be one.
fn parse(text: &str) -> (u64, u64) {
    let mut words = text.split(' ').map(|word| word.parse().unwrap_or(u64::MAX));
    let (number, begin, end) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    assert_eq!(begin, end, "a half-written file ran: {text}");
    (number, begin)
}

/// One event over `/converse`: the version that answered.
async fn version(caller: &mut Caller, user: &str, number: u64) -> u64 {
    let path = format!("/api/v1/bots/welcome-bot/converse/{user}");
    let (status, body) = caller.post(&path, format!(r#"{{"type":"text","text":"{number}"}}"#)).await.unwrap();
    assert_eq!(status, 200, "{body}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let responses = body["responses"].as_array().unwrap();
    assert_eq!(responses.len(), 1, "{body}");
    let (answered, version) = parse(responses[0]["text"].as_str().unwrap());
    assert_eq!(answered, number);
    version
}

/// A user who talks until there is no more to see, on both channels; gives how many messages were acknowledged.
fn talk(address: SocketAddr, user: usize, over: &Arc<AtomicBool>) -> JoinHandle<(String, u64)> {
    let (user, over) = (format!("user-{user}"), Arc::clone(over));
    tokio::spawn(async move {
        let mut caller = Caller::to(address);
        let path = format!("/api/v1/bots/welcome-bot/mod/channel-web/messages/{user}");
        let (mut number, mut last) = (0, 0);
        while !over.load(Ordering::Relaxed) {
            let (status, body) = caller.post(&path, format!(r#"{{"type":"text","text":"{number}"}}"#)).await.unwrap();
            assert_eq!(status, 200, "{body}");
            // Not faster than the bot answers.
            let seen = version(&mut caller, &user, number).await;
            assert!(seen >= last, "{user} was answered by version {last} and then by {seen}");
            (number, last) = (number + 1, seen);
        }
        (user, number)
    })
}

/// Saves as most programs do: the file is emptied and written anew. An event comes while half of it is there.
async fn truncate_and_write(path: &Path, text: &str, caller: &mut Caller, number: u64) {
    let mut file = File::create(path).unwrap();
    let (first, second) = text.split_at(text.len() / 2);
    file.write_all(first.as_bytes()).unwrap();
    file.sync_data().unwrap();
    version(caller, "editor", number).await;
    file.write_all(second.as_bytes()).unwrap();
}

/// Saves as careful programs do: another file takes the place of the old one.
fn rename_over(path: &Path, text: &str) {
    let beside = path.with_extension("js.new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

/// Sends events one after the other until one is answered by that version; gives the time since `saved`.
async fn in_service(caller: &mut Caller, wanted: u64, saved: Instant) -> Duration {
    loop {
        let seen = version(caller, "editor", 0).await;
        let took = saved.elapsed();
        if seen == wanted {
            return took;
        }
        assert_eq!(seen, wanted - 1, "an older version came back, or one that was not saved yet");
        assert!(took < Duration::from_secs(20), "version {wanted} is not in service");
    }
}

fn print_times(how: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize].as_secs_f64() * 1_000.0;
    println!(
        "from save to in service, {how:<18} median {:6.1} ms   p99 {:6.1} ms   worst {:6.1} ms   ({} saves)",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_edits_while_events_flow_lose_none_and_run_no_half_written_file() {
    let folder = workspace(&[(HOOK, &hook(0))]);
    let path = folder.path().join(HOOK);
    let server = Server::start(folder.path(), &[]);
    let over = Arc::default();
    let users: Vec<_> = (0..4).map(|user| talk(server.address, user, &over)).collect();
    let mut caller = Caller::to(server.address);
    let (mut written, mut renamed) = (Vec::new(), Vec::new());
    for edit in 1..=EDITS {
        let text = hook(edit);
        if edit % 2 == 1 {
            truncate_and_write(&path, &text, &mut caller, edit).await;
            written.push(in_service(&mut caller, edit, Instant::now()).await);
        } else {
            rename_over(&path, &text);
            renamed.push(in_service(&mut caller, edit, Instant::now()).await);
        }
        if edit == EDITS / 2 {
            break_and_go_on(&server, folder.path(), &path, &mut caller, edit).await;
        }
    }
    over.store(true, Ordering::Relaxed);
    let mut talked = BTreeMap::new();
    for user in users {
        let (user, messages) = user.await.unwrap();
        talked.insert(user, messages);
    }
    server.idle().await;
    let mut answered: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (user, text) in replies(folder.path()) {
        answered.entry(user).or_default().push(parse(&text).0);
    }
    for (user, messages) in &talked {
        // Each number was asked for once on either channel.
        let both = (0..*messages).flat_map(|number| [number, number]).collect();
        assert_eq!(answered.remove(user), Some(both), "{user}: lost, doubled or out of order");
    }
    print_times("truncate and write", &mut written);
    print_times("rename", &mut renamed);
    println!("{} messages and as many calls of /converse meanwhile", talked.values().sum::<u64>());
}

/// A broken file leaves the last good version in service and is reported once, with the place.
async fn break_and_go_on(server: &Server, folder: &Path, path: &Path, caller: &mut Caller, edit: u64) {
    fs::write(path, "const fine = 1\nconst broken = (\n").unwrap();
    server.until("the broken file is reported", |_| log_of(folder).contains("versioned.js:")).await;
    for number in 0..20 {
        assert_eq!(version(caller, "editor", number).await, edit, "the last good version stays in service");
    }
    let log = log_of(folder);
    assert_eq!(log.matches("versioned.js:2").count(), 1, "it is reported once:\n{log}");
    for expected in ["> 2 | const broken = (", "the last good version stays in service"] {
        assert!(log.contains(expected), "{expected:?} is missing in\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_goes_on_in_a_fresh_realm_does_so_however_often_files_changed_meanwhile() {
    // The first hook runs into its limit, and the event goes on with the second one in another realm. (With so long a
    // grace the worker is not killed from outside, however loaded the machine is.)
    let config = r#"{ "converse": { "timeout": "60s" }, "scripts": { "hookRunning": "500ms", "grace": "10s" } }"#;
    let version = |version: u64| {
        format!(
            "if (event.preview === 'version') reply({version})\nfunction reply(version) {{
      bp.events.replyToEvent(event, [{{ type: 'text', text: String(version) }}])\n}}\n"
        )
    };
    let folder = workspace(&[
        ("botpress.config.json", config),
        ("hooks/before_incoming_middleware/1_loop.js", "if (event.preview === 'loop') while (true) {}"),
        (
            "hooks/before_incoming_middleware/2_after.js",
            "if (event.preview === 'loop') bp.events.replyToEvent(event, [{ type: 'text', text: 'went on' }])",
        ),
        ("hooks/before_incoming_middleware/3_version.js", &version(0)),
    ]);
    let path = folder.path().join("hooks/before_incoming_middleware/3_version.js");
    let server = Server::start(folder.path(), &[]);
    let address = server.address;
    let ask = async move |user: &str, text: &str| {
        let path = format!("/api/v1/bots/welcome-bot/converse/{user}");
        let body = format!(r#"{{"type":"text","text":"{text}"}}"#);
        let (_, body) = Caller::to(address).post(&path, body).await.unwrap();
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["responses"][0]["text"].as_str().unwrap_or_default().to_owned()
    };
    let looping = tokio::spawn(async move { ask("looping", "loop").await });
    let mut saves = 0;
    while !looping.is_finished() {
        saves += 1;
        rename_over(&path, &version(saves));
        while ask("editor", "version").await != saves.to_string() {}
    }
    println!("{saves} versions came into service while the hook ran");
    assert_eq!(looping.await.unwrap(), "went on", "{}", log_of(folder.path()));
}
