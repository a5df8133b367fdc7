//! Bots whose flows are wrong, each in its own way: said when they are loaded and when it comes to it, and nobody else is
//! harmed.

#[path = "common/server.rs"]
mod server;

use std::fs;

use server::{Caller, Server, log_of, workspace};

const CONFIG: &str = r##"{ "dialog": { "error": { "contentType": "#builtin_text", "args": { "text": "Sorry." } } } }"##;

/// A flow whose first node says "Hi", runs an instruction and goes somewhere.
fn flow(instruction: &str, condition: &str, to: &str) -> String {
    let enter: Vec<&str> =
        ["say #builtin_text {\"text\": \"Hi\"}", instruction].into_iter().filter(|text| !text.is_empty()).collect();
    let next = serde_json::json!([{ "condition": condition, "node": to }]);
    let node = serde_json::json!({ "name": "entry", "onEnter": enter, "onReceive": null, "next": next });
    serde_json::json!({ "startNode": "entry", "nodes": [node] }).to_string()
}

/// What is wrong, the bot's main flow, what the bot says, and what stands in the log at the start and when it came to it.
struct Case {
    bot: &'static str,
    main: String,
    says: &'static [&'static str],
    at_load: &'static str,
    at_run: &'static str,
}

fn cases() -> Vec<Case> {
    let case = |bot, main, says, at_load, at_run| Case { bot, main, says, at_load, at_run };
    vec![
        case(
            "missing-node",
            flow("", "true", "gone"),
            &["Hi", "Sorry."],
            "leads to \"gone\"",
            "has no node \"gone\" (main.flow.json, node \"entry\"",
        ),
        case(
            "missing-flow",
            flow("", "true", "gone.flow.json"),
            &["Hi", "Sorry."],
            "the flow \"gone.flow.json\"",
            "there is no flow \"gone.flow.json\"",
        ),
        case(
            "unknown-action",
            flow("gone {}", "true", "END"),
            &["Hi"],
            "runs the action \"gone\"",
            "(main.flow.json, node \"entry\": gone {})",
        ),
        case(
            "unknown-element",
            flow("say #!gone", "true", "END"),
            &["Hi"],
            "says the element \"gone\"",
            "(main.flow.json, node \"entry\": say #!gone)",
        ),
        case(
            "unknown-type",
            flow("say #gone", "true", "END"),
            &["Hi"],
            "says the content type \"gone\"",
            "(main.flow.json, node \"entry\": say #gone)",
        ),
        case(
            "bad-arguments",
            flow("builtin/wait {", "true", "END"),
            &["Hi"],
            "the arguments are not valid JSON",
            "node \"entry\": builtin/wait {)",
        ),
        case(
            "bad-condition",
            flow("", "a b", "END"),
            &["Hi"],
            "is no JavaScript expression",
            "(main.flow.json, node \"entry\": a b",
        ),
        case(
            "no-start",
            "{ \"nodes\": [{ \"name\": \"entry\" }] }".into(),
            &["Sorry."],
            "has no \"startNode\"",
            "has no node \"\", its startNode",
        ),
        case("no-json", "{ \"startNode\": \"entry\", ".into(), &[], "not valid JSON", ""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_said_at_the_start_and_when_it_comes_to_it_and_the_other_bots_work() {
    let folder =
        workspace(&[("bots/fine/bot.config.json", "{}"), ("bots/fine/flows/main.flow.json", &flow("", "true", "END"))]);
    let cases = cases();
    for case in &cases {
        let bot = folder.path().join("bots").join(case.bot);
        fs::create_dir_all(bot.join("flows")).unwrap();
        fs::write(bot.join("bot.config.json"), CONFIG).unwrap();
        fs::write(bot.join("flows/main.flow.json"), &case.main).unwrap();
    }
    let server = Server::start(folder.path(), &[]);
    let at_load = log_of(folder.path());
    let mut caller = Caller::to(server.address);
    for case in &cases {
        let line = format!("bots/{}/flows/main.flow.json:", case.bot);
        assert_eq!(at_load.matches(&line).count(), 1, "{}:\n{at_load}", case.bot);
        assert!(
            at_load.lines().any(|text| text.contains(&line) && text.contains(case.at_load)),
            "{}:\n{at_load}",
            case.bot
        );
        let before = log_of(folder.path()).len();
        assert_eq!(says(&mut caller, case.bot).await, case.says, "{}", case.bot);
        // The answer may be there before its log is written.
        server.until(case.at_run, |_| log_of(folder.path())[before..].contains(case.at_run)).await;
        assert_eq!(says(&mut caller, "fine").await, ["Hi"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_breaks_while_the_server_runs_stays_as_it_was_and_is_said_once() {
    let main = "bots/fine/flows/main.flow.json";
    let folder = workspace(&[("bots/fine/bot.config.json", "{}"), (main, &flow("", "true", "END"))]);
    let server = Server::start(folder.path(), &[]);
    let mut caller = Caller::to(server.address);
    assert_eq!(says(&mut caller, "fine").await, ["Hi"]);
    fs::write(folder.path().join(main), "{ \"startNode\": ").unwrap();
    server.until("the broken flow is said", |_| log_of(folder.path()).contains("main.flow.json:1:")).await;
    assert_eq!(says(&mut caller, "fine").await, ["Hi"]);
    // Another file that changes says nothing of it again.
    fs::write(folder.path().join("bots/fine/bot.config.json"), r#"{ "name": "Fine" }"#).unwrap();
    server.until("the configuration is read", |_| log_of(folder.path()).contains("configuration of fine")).await;
    let log = log_of(folder.path());
    assert_eq!(log.matches("main.flow.json:1:").count(), 1, "{log}");
    assert!(log.contains("the last good version stays in service"), "{log}");
    // What is wrong with the sense of a flow keeps nothing of it from service.
    fs::write(folder.path().join(main), flow("say #builtin_text {\"text\": \"again\"}", "true", "nowhere")).unwrap();
    server.until("the flow is in service", |_| log_of(folder.path()).contains("leads to \"nowhere\"")).await;
    let mut said = says(&mut caller, "fine").await;
    while said == ["Hi"] {
        said = says(&mut caller, "fine").await;
    }
    assert_eq!(said[..2], ["Hi", "again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_bot_with_very_many_errors_some_are_said_and_the_others_counted() {
    let enter: Vec<String> = (0..40).map(|number| format!("gone/{number}")).collect();
    let main = serde_json::json!({ "startNode": "a", "nodes": [{ "name": "a", "onEnter": enter }] }).to_string();
    let folder = workspace(&[("bots/many/bot.config.json", "{}"), ("bots/many/flows/main.flow.json", &main)]);
    let _server = Server::start(folder.path(), &[]);
    let log = log_of(folder.path());
    assert_eq!(log.matches("runs the action").count(), 30, "{log}");
    assert!(log.contains("10 more problems in the workspace's files; `nudge check` names them all"), "{log}");
}

async fn says(caller: &mut Caller, bot: &str) -> Vec<String> {
    let path = format!("/api/v1/bots/{bot}/converse/someone");
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
