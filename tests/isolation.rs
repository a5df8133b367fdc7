//! What one bot's scripts may reach of another's: nothing with `scripts.isolation: "per-bot"`, and all that the same attempts reach
//! with `"shared"`, which shows that they would be seen.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "isolation/attempts.rs"]
mod attempts;
#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;
#[path = "common/hearing.rs"]
mod hearing;
#[path = "isolation/scene.rs"]
mod scene;
#[path = "common/socket.rs"]
mod socket;
#[path = "isolation/workspace.rs"]
mod workspace;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use attempts::{Apart, Shared};
use hearing::Hearing;
use scene::Scene;
use serde_json::json;
use tokio::sync::Mutex;

/// The setting as every refusal names it.
const KEY: &str = r#"(scripts.isolation: "per-bot")"#;

/// What is logged in this process: tests in one process come one after the other.
static HEARING: OnceLock<Mutex<Hearing>> = OnceLock::new();

fn hearing() -> &'static Mutex<Hearing> {
    HEARING.get_or_init(|| Mutex::new(Hearing::start()))
}

#[test]
fn there_are_eighty_attempts_at_least_and_each_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = attempts::all().map(|attempt| attempt.name).collect();
    assert_eq!(names.len(), attempts::all().count());
    let fair = attempts::all().filter(|attempt| attempt.shared == Shared::Works).count();
    assert!(names.len() >= 80 && fair >= 80, "{} attempts, {fair} of which would work", names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_of_one_bot_at_another_comes_to_anything_where_bots_are_kept_apart() {
    let hearing = hearing().lock().await;
    let mut scene = Scene::start("per-bot").await;
    let mut wrong = Vec::new();
    for (number, attempt) in attempts::all().enumerate() {
        hearing.take();
        let came = scene.attempt(number).await;
        let logged: Vec<String> = hearing.take().into_iter().map(|heard| heard.message).collect();
        let refused = came.said.starts_with("threw ") && came.said.contains(KEY) && came.said.contains(r#"bot "a""#);
        let told = logged.iter().any(|message| message.contains(KEY) && message.contains(r#"bot "a""#));
        let as_stated = match attempt.apart {
            Apart::Refused => refused,
            Apart::Logged => told,
            Apart::Nothing => !refused,
        };
        if came.reached() || !as_stated {
            wrong.push(format!("{} ({:?}):\n{came}\nlogged: {logged:#?}", attempt.name, attempt.apart));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_attempts_are_seen_to_work_where_bots_share_what_they_have() {
    let _hearing = hearing().lock().await;
    let mut scene = Scene::start("shared").await;
    let mut wrong = Vec::new();
    for (number, attempt) in attempts::all().enumerate() {
        let came = scene.attempt(number).await;
        if came.reached() != (attempt.shared == Shared::Works) || came.said.contains(KEY) {
            wrong.push(format!("{} ({:?}):\n{came}", attempt.name, attempt.shared));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_made_by_one_bot_is_good_on_its_own_routes_and_on_no_others() {
    let _hearing = hearing().lock().await;
    let at_start = (
        "hooks/after_server_start/sign.js",
        "bp.http.createShortLink('signed', await bp.security.getMessageSignature('a message'))",
    );
    for (isolation, on_another) in [("shared", 200), ("per-bot", 400)] {
        let scene = Scene::start_with(isolation, &[at_start]).await;
        let [by_a, by_b] = [signature(&scene, "a").await, signature(&scene, "b").await];
        assert_eq!(by_a == by_b, isolation == "shared");
        for (bot, signature, status) in
            [("a", &by_a, 200), ("b", &by_b, 200), ("b", &by_a, on_another), ("a", &by_b, on_another)]
        {
            assert_eq!(scene.refer(bot, "a message", signature).await, status, "{isolation}: {signature} for {bot}");
        }
        // What runs for no bot signs for all of them.
        let by_all = scene.link("signed").await;
        assert_eq!(scene.refer("b", "a message", &by_all).await, 200, "{isolation}");
        scene.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_for_no_bot_reaches_all_of_them_and_what_mounts_a_bot_reaches_that_bot() {
    let hearing = hearing().lock().await;
    let hooks = [
        (
            "hooks/after_server_start/reach.js",
            "await bp.events.replyToEvent({ channel: 'web', target: 'eve', botId: 'a' }, [{ type: 'text', text: 'to all' }]); \
             await bp.kvs.set('b', 'planted', 'at the start')",
        ),
        (
            "bots/a/hooks/after_bot_mount/reach.js",
            "await bp.kvs.set('a', 'planted', 'by a'); await bp.kvs.set('b', 'planted', 'by a')",
        ),
    ];
    hearing.take();
    let scene = Scene::start_with("per-bot", &hooks).await;
    scene.until(async || scene.run_as("b", "planted").await == json!("at the start")).await;
    assert_eq!(scene.run_as("a", "planted").await, json!("by a"));
    scene.until(async || scene.messages_of("a", "eve") == ["to all"]).await;
    let logged: Vec<String> = hearing.take().into_iter().map(|heard| heard.message).collect();
    let refused = logged.iter().filter(|message| message.contains(KEY)).collect::<Vec<_>>();
    assert!(matches!(refused[..], [one] if one.contains("bp.kvs.set") && one.contains(r#"bot "b""#)), "{logged:#?}");
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_has_all_that_is_its_own_where_bots_are_kept_apart() {
    let _hearing = hearing().lock().await;
    let scene = Scene::start("per-bot").await;
    for (bot, name) in [("a", "A"), ("b", "B")] {
        let ann = json!({ "name": format!("Ann of {bot}") });
        let expected = json!({
            "user": ["ann", "web", ann], "listed": ["web", ann, true], "kvs": [bot, { "deep": bot }], "bots": [bot],
            "config": name,
        });
        assert_eq!(scene.run_as(bot, "everything").await, expected);
    }
    scene.stop().await;
}

async fn signature(scene: &Scene, bot: &str) -> String {
    scene.run_as(bot, "sign").await.as_str().unwrap().to_owned()
}
