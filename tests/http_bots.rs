//! What editors and other servers ask of a bot: its configuration and its actions.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use app::TestApp;
use client::Answer;
use expect_test::expect;
use nudge::clock::Clock;
use nudge::model::BotId;
use nudge::services::Tokens;

const SECRET: &str = "only for these tests";

async fn get(app: &TestApp, path: &str, token: &str) -> Answer {
    app.client.send("GET", path, &[("authorization", &format!("Bearer {token}"))], Vec::new()).await
}

fn token(bot: Option<&str>) -> String {
    let bot = bot.map(|bot| BotId::parse(bot).unwrap());
    Tokens::new(SECRET, Clock::system()).make(None, bot.as_ref(), 60_000).unwrap()
}

async fn start(files: &[(&str, &str)]) -> TestApp {
    let config = format!("{{ \"appSecret\": {SECRET:?} }}");
    TestApp::start_with(&[&[("botpress.config.json", config.as_str())], files].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_actions_of_a_bot_are_listed_with_what_they_say_of_themselves() {
    let own = "const kept = 1\n/**\n * Sells it.\n * @title Sell\n * @category Shop\n * @author Us\n * @param {string} item - What\n * @param {number} [count=1] - How many\n */\nreturn kept";
    let app = start(&[
        ("bots/shop/bot.config.json", "{}"),
        ("bots/shop/actions/shop/sell.js", own),
        ("bots/shop/actions/both.js", "/** The bot's own. */"),
        ("bots/shop/actions/.off.js", ""),
        ("actions/both.js", "/** For all. */"),
        ("actions/plain.js", "return 1"),
        ("actions/secret.js", "/** @hidden */\nreturn 1"),
        ("bots/other/bot.config.json", "{}"),
    ])
    .await;
    let answer = get(&app, "/api/v1/bots/shop/actions", &token(None)).await;
    assert_eq!((answer.status, answer.content_type()), (200, "application/json; charset=utf-8"));
    let mut listed = answer.json();
    listed
        .as_array_mut()
        .unwrap()
        .retain(|action| ["both", "plain", "secret", "shop/sell"].contains(&action["name"].as_str().unwrap()));
    expect![[r#"
        [
          {
            "name": "both",
            "scope": "bot",
            "metadata": {
              "title": "",
              "description": "The bot's own.",
              "category": "",
              "author": "",
              "hidden": false,
              "params": []
            }
          },
          {
            "name": "plain",
            "scope": "global",
            "metadata": {
              "title": "",
              "description": "",
              "category": "",
              "author": "",
              "hidden": false,
              "params": []
            }
          },
          {
            "name": "secret",
            "scope": "global",
            "metadata": {
              "title": "",
              "description": "",
              "category": "",
              "author": "",
              "hidden": true,
              "params": []
            }
          },
          {
            "name": "shop/sell",
            "scope": "bot",
            "metadata": {
              "title": "Sell",
              "description": "Sells it.",
              "category": "Shop",
              "author": "Us",
              "hidden": false,
              "params": [
                {
                  "name": "item",
                  "type": "string",
                  "required": true,
                  "default": null,
                  "description": "What"
                },
                {
                  "name": "count",
                  "type": "number",
                  "required": false,
                  "default": "1",
                  "description": "How many"
                }
              ]
            }
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&listed).unwrap());
    let other = get(&app, "/api/v1/bots/other/actions", &token(Some("other"))).await.json();
    let both = other.as_array().unwrap().iter().find(|action| action["name"] == "both").unwrap();
    assert_eq!((&both["scope"], &both["metadata"]["description"]), (&"global".into(), &"For all.".into()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bots_configuration_and_actions_are_for_callers_with_a_token_that_is_good_for_it() {
    let app = start(&[
        (
            "bots/shop/bot.config.json",
            r#"{ "name": "Shop", "private": true, "smtp": { "host": "h", "password": "x" } }"#,
        ),
        ("bots/off/bot.config.json", r#"{ "disabled": true }"#),
    ])
    .await;
    for path in ["/api/v1/bots/shop", "/api/v1/bots/shop/actions"] {
        let answer = app.client.get(path).await;
        assert_eq!((answer.status, &answer.json()["errorCode"]), (401, &"BP_0041".into()), "{path}");
        for bad in ["x".to_owned(), token(Some("another"))] {
            assert_eq!(get(&app, path, &bad).await.status, 401, "{path} {bad}");
        }
        for good in [token(None), token(Some("shop"))] {
            assert_eq!(get(&app, path, &good).await.status, 200, "{path}");
        }
    }
    let answer = get(&app, "/api/v1/bots/shop", &token(None)).await;
    assert_eq!(
        answer.body,
        r#"{"locked":false,"disabled":false,"private":true,"details":{},"name":"Shop","smtp":{"host":"h"},"id":"shop"}"#
    );
    for path in ["/api/v1/bots/off", "/api/v1/bots/off/actions", "/api/v1/bots/none"] {
        assert_eq!(get(&app, path, &token(None)).await.status, 404, "{path}");
    }
    app.stop().await;
}
