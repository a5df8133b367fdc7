//! The welcome bot, as people meet it who start `nudge` in an empty folder.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;

use std::time::{Duration, Instant};

use app::TestApp;
use nudge::clock::Clock;
use serde_json::{Value, json};

/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

const MENU: &str = "What would you like to try?";
const MENU_IN_FRENCH: &str = "Que voulez-vous essayer ?";

/// A server on an empty folder.
async fn start(clock: &Clock) -> TestApp {
    let folder = tempfile::tempdir().unwrap();
    TestApp::serve(folder, |options| options.clock = clock.clone()).await
}

/// A clock at some time.
fn clock() -> Clock {
    Clock::manual(1_790_000_000_000)
}

/// What one who reads sees of a payload: its text, or that of the question with its buttons, or the titles of cards.
fn read(payload: &Value) -> Option<String> {
    match payload["type"].as_str()? {
        "typing" => None,
        "custom" => Some(payload["wrapped"]["text"].as_str()?.to_owned()),
        "carousel" => Some(payload["elements"][0]["title"].as_str()?.to_owned()),
        _ => Some(payload["text"].as_str()?.to_owned()),
    }
}

/// Says something by the Converse API, and reads the answer.
async fn say(app: &TestApp, user: &str, text: &str) -> Vec<String> {
    let path = format!("/api/v1/bots/welcome-bot/converse/{user}");
    let answer = app.client.post(&path, json!({ "type": "text", "text": text }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["responses"].as_array().unwrap().iter().filter_map(read).collect()
}

/// What was said to a visitor of a page so far.
async fn shown(app: &TestApp, visitor: &str) -> Vec<String> {
    let path = format!("/api/v1/bots/welcome-bot/mod/channel-web/conversations/{visitor}");
    let id = app.client.get(&path).await.json()["conversations"][0]["id"].clone();
    let messages = app.client.get(&format!("{path}/{id}")).await.json()["messages"].take();
    messages.as_array().into_iter().flatten().filter_map(|message| read(&message["payload"])).collect()
}

/// A page is opened.
async fn open_page(app: &TestApp, clock: &Clock, visitor: &str) {
    let path = format!("/api/v1/bots/welcome-bot/mod/channel-web/events/{visitor}");
    app.client.post(&path, r#"{"type":"proactive-trigger","channel":"web","payload":{}}"#).await;
    app.processed().await;
    // The typing is over.
    clock.advance(Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_greets_and_offers_a_choice() {
    let app = start(&clock()).await;
    let answer = say(&app, "ada", "Hey!").await;
    assert_eq!(answer.len(), 2, "{answer:?}");
    assert!(answer[0].contains("I am the welcome bot"), "{answer:?}");
    assert_eq!(answer[1], MENU);
    // It does not insist: after the third answer that is none of the buttons it lets go, and begins anew.
    for text in ["Hey!", "What?"] {
        assert_eq!(say(&app, "ada", text).await, ["Sorry, I only know these. Pick one, or write its number.", MENU]);
    }
    assert_eq!(say(&app, "ada", "Hm.").await, ["Let us leave it at that. Say hello, and we begin anew."]);
    assert_eq!(say(&app, "ada", "Hello").await[1], MENU);
    assert_eq!(say(&app, "ada", "what are you?").await, ["I am a folder", MENU]);
    let bye = say(&app, "ada", "5").await;
    assert!(bye == ["Goodbye! Write to me any time."] || bye == ["See you soon!"], "{bye:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_asks_checks_and_remembers_across_conversations() {
    let app = start(&clock()).await;
    say(&app, "ada", "Hello").await;
    assert_eq!(say(&app, "ada", "remember me").await, ["What is your first name?"]);
    let again = say(&app, "ada", "42").await;
    assert!(again[0].starts_with("I did not catch a name"), "{again:?}");
    let email = say(&app, "ada", "My name is Ada.").await;
    assert!(email[0].starts_with("Nice to meet you, Ada."), "{email:?}");
    let again = say(&app, "ada", "ada at example").await;
    assert!(again[0].starts_with("That does not look like an address"), "{again:?}");
    let noted = say(&app, "ada", "it is Ada@Example.org.").await;
    assert_eq!(noted[0], "I have noted Ada, ada@example.org. Come back tomorrow, and I will still know.");
    assert_eq!(noted[1], MENU);
    say(&app, "ada", "bye").await;

    let greeting = say(&app, "ada", "Hi").await;
    assert!(["Hello again, Ada!", "Welcome back, Ada!"].contains(&greeting[0].as_str()), "{greeting:?}");
    assert_eq!(say(&app, "ada", "1").await, ["You are Ada, ada@example.org. Is that right?"]);
    assert_eq!(say(&app, "ada", "forget me").await, ["Done: I know nothing about you any more.", MENU]);
    assert_eq!(say(&app, "ada", "remember me").await, ["What is your first name?"]);
    assert_eq!(say(&app, "ada", "cancel").await, ["As you like.", MENU]);
    // What a name brings in is never a template, nor HTML.
    say(&app, "bob", "Hello").await;
    say(&app, "bob", "1").await;
    assert!(say(&app, "bob", "{{bot}}").await[0].starts_with("I did not catch a name"));
    assert!(say(&app, "bob", "I am O’Neill").await[0].starts_with("Nice to meet you, O'Neill."));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_speaks_french_to_who_speaks_french_and_switches() {
    let app = start(&clock()).await;
    let answer = say(&app, "zoé", "Bonjour !").await;
    assert!(answer[0].starts_with("Bonjour !"), "{answer:?}");
    assert_eq!(answer[1], MENU_IN_FRENCH);
    assert_eq!(say(&app, "zoé", "1").await, ["Quel est votre prénom ?"]);
    assert_eq!(say(&app, "zoé", "annuler").await, ["Comme vous voulez.", MENU_IN_FRENCH]);
    assert_eq!(say(&app, "zoé", "In English").await, ["English it is.", MENU]);
    assert_eq!(say(&app, "zoé", "en français").await, ["Très bien, continuons en français.", MENU_IN_FRENCH]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_the_same_where_bots_are_kept_apart() {
    let mut said = Vec::new();
    for isolation in ["shared", "per-bot"] {
        let config = format!(r#"{{ "scripts": {{ "isolation": "{isolation}" }} }}"#);
        let (clock, folder) = (clock(), app::written(&[("botpress.config.json", config.as_str())]));
        let app = TestApp::serve(folder, |options| options.clock = clock.clone()).await;
        let mut all = Vec::new();
        for text in ["Hello", "remember me", "Ada", "ada@example.org", "1", "forget me", "how are you", "what are you?"]
        {
            all.push(say(&app, "ada", text).await);
        }
        // It greets in several ways.
        assert!(all[0].remove(0).contains("I am the welcome bot"), "{all:?}");
        open_page(&app, &clock, "ada").await;
        all.push(shown(&app, "ada").await);
        assert!(all.iter().flatten().any(|text| text.starts_with("Very well, thank you!")), "{all:?}");
        said.push(all);
        app.stop().await;
    }
    assert_eq!(said[0], said[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_asks_its_own_server_by_http_and_says_so_when_there_is_no_answer() {
    let app = start(&clock()).await;
    say(&app, "ada", "Hello").await;
    let answer = say(&app, "ada", "how are you").await;
    assert!(answer[0].starts_with("Very well, thank you!"), "{answer:?}");
    assert!(answer[0].ends_with("this is event number 2."), "{answer:?}");
    assert_eq!(answer[1], MENU);
    app.stop().await;

    let private = r#"{ "fetch": { "private": false } }"#;
    let app = TestApp::start_with(&[("botpress.config.json", private)]).await;
    say(&app, "ada", "Hello").await;
    let answer = say(&app, "ada", "how are you").await;
    assert!(answer[0].starts_with("I wanted to ask my server over HTTP, but it did not answer."), "{answer:?}");
    assert_eq!(answer[1], MENU);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_speaks_first_in_a_new_session_and_never_in_the_middle_of_a_talk() {
    let clock = clock();
    let app = start(&clock).await;
    open_page(&app, &clock, "ada").await;
    let first = ["Hello! You have just opened this page, and I speak first.", MENU];
    assert_eq!(shown(&app, "ada").await, first);
    open_page(&app, &clock, "ada").await;
    assert_eq!(shown(&app, "ada").await, first);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_its_leave_when_nobody_answers() {
    let clock = clock();
    let app = start(&clock).await;
    open_page(&app, &clock, "ada").await;
    assert_eq!(shown(&app, "ada").await.len(), 2);
    clock.advance(Duration::from_secs(6 * 60));
    let started = Instant::now();
    let mut messages = Vec::new();
    while messages.len() < 3 {
        assert!(started.elapsed() < PATIENCE, "{messages:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
        // Its typing takes a while, too.
        clock.advance(Duration::from_secs(1));
        messages = shown(&app, "ada").await;
    }
    assert!(messages[2].starts_with("You seem to be busy."), "{messages:?}");
    app.stop().await;
}
