//! Bots that come, go, are switched off and on, are renamed and break, while the server runs.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use app::TestApp;
use serde_json::{Value, json};

/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Writes down what is mounted and unmounted.
const MOUNTED: &str = "await note('mount ' + botId)";
const UNMOUNTED: &str = "await note('unmount ' + botId)";
const NOTE: &str = "
async function note(what) {
  const log = (await bp.kvs.get('life', 'log')) || []
  await bp.kvs.set('life', 'log', [...log, what])
}";

/// What every bot answers: its own name and how often it was spoken to in this session, what is written down, or what it
/// is told to do.
const ANSWER: &str = "
const session = event.state.session
const say = text => bp.events.replyToEvent(event, [{ type: 'text', text }])
if (event.preview === 'log') return say(JSON.stringify((await bp.kvs.get('life', 'log')) || []))
if (event.preview === 'waiting?') return say(String(!!(await bp.kvs.get('life', 'waiting'))))
if (event.preview === 'go') {
  await bp.kvs.set('life', 'go', true)
  return say('go')
}
if (event.preview === 'wait') {
  await bp.kvs.set('life', 'waiting', true)
  while (!(await bp.kvs.get('life', 'go'))) await new Promise(resolve => setTimeout(resolve, 20))
}
session.times = (session.times || 0) + 1
await say(event.botId + ' ' + session.times)
";

async fn start(bots: &[(&str, &str)]) -> TestApp {
    let (mounted, unmounted) = (format!("{MOUNTED}{NOTE}"), format!("{UNMOUNTED}{NOTE}"));
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("hooks/after_bot_mount/note.js", mounted.as_str()),
        ("hooks/after_bot_unmount/note.js", unmounted.as_str()),
        ("hooks/before_incoming_middleware/answer.js", ANSWER),
    ];
    for (path, text) in files.iter().chain(bots) {
        write(folder.path(), path, text);
    }
    TestApp::serve(folder, |options| options.watch = true).await
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What a bot says to a text, or the status if it says nothing.
async fn ask(app: &TestApp, bot: &str, text: &str) -> Result<String, u16> {
    let path = format!("/api/v1/bots/{bot}/converse/someone");
    let answer = app.client.post(&path, json!({ "type": "text", "text": text }).to_string()).await;
    if answer.status != 200 {
        return Err(answer.status);
    }
    Ok(answer.json()["responses"][0]["text"].as_str().unwrap_or_default().to_owned())
}

/// Asks until the answer is that.
async fn until(app: &TestApp, bot: &str, text: &str, fits: impl Fn(&Result<String, u16>) -> bool) {
    let started = Instant::now();
    loop {
        let answer = ask(app, bot, text).await;
        if fits(&answer) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{bot} says {answer:?} to {text}");
    }
}

/// Waits until this was written down, and nothing else.
async fn until_log(app: &TestApp, keeper: &str, expected: &[&str]) {
    let expected = json!(expected);
    until(app, keeper, "log", |answer| {
        answer.as_ref().is_ok_and(|text| serde_json::from_str::<Value>(text).unwrap() == expected)
    })
    .await;
}

const KEEPER: (&str, &str) = ("bots/keeper/bot.config.json", "{}");

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_appears_is_a_bot_and_one_that_disappears_is_none() {
    let app = start(&[KEEPER]).await;
    assert_eq!(ask(&app, "late", "hi").await, Err(404));
    write(app.folder.path(), "bots/late/bot.config.json", "{}");
    until(&app, "late", "hi", |answer| answer.as_deref() == Ok("late 1")).await;
    until_log(&app, "keeper", &["mount keeper", "mount late"]).await;
    fs::remove_dir_all(app.folder.path().join("bots/late")).unwrap();
    until(&app, "late", "hi", |answer| *answer == Err(404)).await;
    until_log(&app, "keeper", &["mount keeper", "mount late", "unmount late"]).await;
    assert_eq!(app.client.get("/api/v1/bots/late/mod/channel-web/botInfo").await.status, 404);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_runs_when_its_bot_is_removed_finishes_and_is_answered() {
    let app = start(&[KEEPER, ("bots/late/bot.config.json", "{}")]).await;
    let (client, body) = (app.client, json!({ "type": "text", "text": "wait" }).to_string());
    let waiting = tokio::spawn(async move { client.post("/api/v1/bots/late/converse/patient", body).await });
    until(&app, "keeper", "waiting?", |answer| answer.as_deref() == Ok("true")).await;
    fs::remove_dir_all(app.folder.path().join("bots/late")).unwrap();
    until(&app, "late", "hi", |answer| *answer == Err(404)).await;
    until_log(&app, "keeper", &["mount keeper", "mount late", "unmount late"]).await;
    // The realms have the new program when it answers from it.
    write(app.folder.path(), "bots/other/bot.config.json", "{}");
    until(&app, "other", "hi", |answer| answer.is_ok()).await;
    assert_eq!(ask(&app, "keeper", "go").await.as_deref(), Ok("go"));
    let answer = waiting.await.unwrap();
    assert_eq!((answer.status, &answer.json()["responses"][0]["text"]), (200, &json!("late 1")));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mount_hook_leaves_behind_ends_with_its_bot_even_if_the_bot_goes_while_it_runs() {
    let hook = "await bp.kvs.set('life', 'waiting', true)
        while (!(await bp.kvs.get('life', 'go'))) await new Promise(resolve => setTimeout(resolve, 20))
        setInterval(() => {}, 1000)";
    let app = start(&[KEEPER]).await;
    write(app.folder.path(), "bots/late/hooks/after_bot_mount/stay.js", hook);
    write(app.folder.path(), "bots/late/bot.config.json", "{}");
    until(&app, "keeper", "waiting?", |answer| answer.as_deref() == Ok("true")).await;
    fs::remove_dir_all(app.folder.path().join("bots/late")).unwrap();
    until_log(&app, "keeper", &["mount keeper", "mount late", "unmount late"]).await;
    write(app.folder.path(), "bots/other/bot.config.json", "{}");
    until(&app, "other", "log", |answer| answer.is_ok()).await;
    assert_eq!(ask(&app, "keeper", "go").await.as_deref(), Ok("go"));
    let started = Instant::now();
    while app.client.get("/status").await.json()["queue"]["inFlight"] != 0 {
        assert!(started.elapsed() < PATIENCE, "the hook's timer runs on");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_disabled_is_not_there_and_what_waits_for_it_waits_until_it_is_back() {
    let app = start(&[KEEPER, ("bots/shop/bot.config.json", "{}")]).await;
    let messages = "/api/v1/bots/shop/mod/channel-web/messages/visitor";
    for text in ["wait", "second"] {
        let answer = app.client.post(messages, json!({ "type": "text", "text": text }).to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    until(&app, "keeper", "waiting?", |answer| answer.as_deref() == Ok("true")).await;
    write(app.folder.path(), "bots/shop/bot.config.json", r#"{ "disabled": true }"#);
    until(&app, "shop", "hi", |answer| *answer == Err(404)).await;
    until_log(&app, "keeper", &["mount keeper", "mount shop", "unmount shop"]).await;
    write(app.folder.path(), "bots/other/bot.config.json", "{}");
    until(&app, "other", "hi", |answer| answer.is_ok()).await;
    assert_eq!(ask(&app, "keeper", "go").await.as_deref(), Ok("go"));
    let queue = || async { app.client.get("/status").await.json()["queue"].take() };
    let started = Instant::now();
    while queue().await["inFlight"] != 0 {
        assert!(started.elapsed() < PATIENCE);
    }
    assert_eq!(queue().await["waiting"], 1, "the second message");
    write(app.folder.path(), "bots/shop/bot.config.json", r#"{ "disabled": false }"#);
    until(&app, "shop", "hi", |answer| answer.is_ok()).await;
    app.processed().await;
    let list = app.client.get("/api/v1/bots/shop/mod/channel-web/conversations/visitor").await.json();
    let path = format!("/api/v1/bots/shop/mod/channel-web/conversations/visitor/{}", list["conversations"][0]["id"]);
    let conversation = app.client.get(&path).await.json();
    let texts: Vec<&str> =
        conversation["messages"].as_array().unwrap().iter().filter_map(|one| one["message_text"].as_str()).collect();
    assert_eq!(texts, ["wait", "second", "shop 1", "shop 2"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_configuration_keeps_the_last_good_one_and_harms_no_other_bot() {
    let app = start(&[
        KEEPER,
        ("bots/shop/bot.config.json", r#"{ "name": "Shop" }"#),
        ("bots/never/bot.config.json", "{ broken"),
    ])
    .await;
    let name = || async {
        let answer = app.client.get("/api/v1/bots/shop/mod/channel-web/botInfo").await;
        if answer.status == 200 { answer.json()["name"].take() } else { Value::Null }
    };
    assert_eq!(ask(&app, "never", "hi").await, Err(404));
    assert_eq!(name().await, "Shop");
    for broken in [r#"{ "name": 7 }"#, r#"{ "name": "Store", "disabled": "yes" }"#, "{", ""] {
        write(app.folder.path(), "bots/shop/bot.config.json", broken);
        // It was looked at when what was written after it is in service.
        let mark = format!("after {}", broken.len());
        write(app.folder.path(), "bots/keeper/bot.config.json", &json!({ "name": mark }).to_string());
        let keeper = "/api/v1/bots/keeper/mod/channel-web/botInfo";
        let started = Instant::now();
        while app.client.get(keeper).await.json()["name"] != mark {
            assert!(started.elapsed() < PATIENCE);
        }
        assert_eq!(name().await, "Shop", "{broken}");
        assert!(ask(&app, "shop", "hi").await.is_ok());
    }
    write(app.folder.path(), "bots/shop/bot.config.json", r#"{ "name": "Store" }"#);
    let started = Instant::now();
    while name().await != "Store" {
        assert!(started.elapsed() < PATIENCE);
    }
    write(app.folder.path(), "bots/never/bot.config.json", "{}");
    until(&app, "never", "hi", |answer| answer.is_ok()).await;
    // Nobody was unmounted meanwhile.
    until_log(&app, "keeper", &["mount keeper", "mount shop", "mount never"]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_is_renamed_is_another_one_and_under_its_old_name_it_remembers() {
    let app = start(&[KEEPER, ("bots/one/bot.config.json", "{}")]).await;
    let bots = app.folder.path().join("bots");
    assert_eq!(ask(&app, "one", "hi").await.as_deref(), Ok("one 1"));
    fs::rename(bots.join("one"), bots.join("two")).unwrap();
    until(&app, "one", "log", |answer| *answer == Err(404)).await;
    until(&app, "two", "hi", |answer| answer.as_deref() == Ok("two 1")).await;
    until_log(&app, "keeper", &["mount keeper", "mount one", "unmount one", "mount two"]).await;
    fs::rename(bots.join("two"), bots.join("One")).unwrap();
    until(&app, "one", "log", |answer| answer.is_ok()).await;
    assert_eq!(ask(&app, "one", "hi").await.as_deref(), Ok("one 2"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_bot_gives_way_to_the_first_folder_and_comes_back_with_all_it_knew() {
    let app = start(&[]).await;
    assert_eq!(ask(&app, "welcome-bot", "hi").await.as_deref(), Ok("welcome-bot 1"));
    write(app.folder.path(), "bots/mine/bot.config.json", "{}");
    until(&app, "welcome-bot", "log", |answer| *answer == Err(404)).await;
    until(&app, "mine", "hi", |answer| answer.as_deref() == Ok("mine 1")).await;
    until_log(&app, "mine", &["mount welcome-bot", "unmount welcome-bot", "mount mine"]).await;
    fs::remove_dir_all(app.folder.path().join("bots/mine")).unwrap();
    until(&app, "welcome-bot", "log", |answer| answer.is_ok()).await;
    assert_eq!(ask(&app, "welcome-bot", "hi").await.as_deref(), Ok("welcome-bot 2"));
    app.stop().await;
}
