//! Who may do what: tokens of the app secret, private bots, tokens of other systems, and what `/converse` tells whom.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;
#[path = "common/hearing.rs"]
mod hearing;

use std::time::Duration;

use app::TestApp;
use client::Answer;
use hearing::Hearing;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use nudge::clock::Clock;
use serde_json::{Value, json};

/// 2026-11-22T06:48:19.736Z: within the hour in which the tokens of `tests/keys` are good.
const NOW: u64 = 1_795_330_099_736;
const SECRET: &str = "a secret that nobody hears of";
const CONFIG: (&str, &str) = (
    "botpress.config.json",
    r#"{ "appSecret": "a secret that nobody hears of", "converse": { "timeout": "2s" }, "httpServer": { "host": "127.0.0.1" } }"#,
);
const OPEN: (&str, &str) = ("bots/open/bot.config.json", "{}");
const PRIVATE: (&str, &str) = ("bots/private/bot.config.json", r#"{ "private": true }"#);
const OFF: (&str, &str) = ("bots/off/bot.config.json", r#"{ "disabled": true, "private": true }"#);
/// Says what the event is made of.
const MIRROR: (&str, &str) = (
    "hooks/after_incoming_middleware/mirror.js",
    "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
     event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
     event.state.user.heard = event.payload.text
     bp.events.replyToEvent(event, [{
       type: 'text', text: event.payload.text, credentials: event.credentials, metadata: event.payload.metadata,
       contexts: event.nlu.includedContexts,
     }])",
);
const JSON: (&str, &str) = ("content-type", "application/json");
const HI: &str = r#"{"type":"text","text":"hi"}"#;

async fn start(files: &[(&str, &str)]) -> (TestApp, Clock) {
    let clock = Clock::manual(NOW);
    let folder = app::written(files);
    let app = TestApp::serve(folder, |options| {
        options.production = true;
        options.clock = clock.clone();
    })
    .await;
    (app, clock)
}

/// A token as any program with the secret makes it, good for that many seconds from [`NOW`].
fn token(seconds: i64) -> String {
    signed(Algorithm::HS256, SECRET, &json!({ "sub": "test", "exp": NOW as i64 / 1_000 + seconds }))
}

fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn post(app: &TestApp, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers: Vec<(&str, &str)> = [JSON].into_iter().chain(headers.iter().copied()).collect();
    app.client.send("POST", &format!("/api/v1/bots/{path}"), &headers, body.into()).await
}

/// Status, code and message of a refusal.
fn refusal(answer: &Answer) -> (u16, String, String) {
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (answer.status, text("errorCode"), text("message"))
}

fn unauthorized(why: &str) -> (u16, String, String) {
    (401, "BP_0041".into(), format!("Unauthorized: {why}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_bot_asks_for_a_token_on_every_route_and_a_disabled_one_is_not_there() {
    let (app, _) = start(&[CONFIG, PRIVATE, OFF, MIRROR]).await;
    let good = bearer(&token(60));
    let web = "mod/channel-web";
    let routes = [
        ("POST", "converse/ann".to_owned()),
        ("POST", "converse/ann/secured".to_owned()),
        ("GET", format!("{web}/botInfo")),
        ("POST", format!("{web}/messages/ann")),
        ("POST", format!("{web}/events/ann")),
        ("GET", format!("{web}/conversations/ann")),
        ("GET", format!("{web}/conversations/ann/null")),
        ("POST", format!("{web}/conversations/ann/new")),
    ];
    for (method, route) in &routes {
        let send = async |bot: &str, headers: &[(&str, &str)]| {
            let headers: Vec<_> = [JSON].into_iter().chain(headers.iter().copied()).collect();
            app.client.send(method, &format!("/api/v1/bots/{bot}/{route}"), &headers, HI.into()).await
        };
        let none = send("private", &[]).await;
        assert_eq!(refusal(&none), unauthorized("Authorization header is missing"), "{route}");
        let bad = send("private", &[("authorization", "Bearer abc")]).await;
        assert_eq!(refusal(&bad), unauthorized("Invalid authentication token"), "{route}");
        let fine = send("PRIVATE", &[("authorization", &good)]).await;
        assert_eq!(fine.status, 200, "{route}: {}", fine.body);
        let off = send("off", &[("authorization", &good)]).await;
        assert_eq!((off.status, &off.json()["errorCode"]), (404, &"BP_0044".into()), "{route}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_good_token_in_the_authorization_header_counts() {
    let (app, clock) = start(&[CONFIG, OPEN, MIRROR]).await;
    let good = token(60);
    let secured = async |query: &str, headers: &[(&str, &str)]| {
        post(&app, &format!("open/converse/ann/secured{query}"), headers, HI).await
    };
    let said = async |value: &str| refusal(&secured("", &[("authorization", value)]).await);
    for fine in [bearer(&good), format!("bearer  {good} ")] {
        assert_eq!(secured("", &[("authorization", &fine)]).await.status, 200);
    }
    // Elsewhere it is not looked for.
    let missing = unauthorized("Authorization header is missing");
    for query in ["token", "access_token", "authorization", "jwt"] {
        assert_eq!(refusal(&secured(&format!("?{query}={good}"), &[]).await), missing);
    }
    assert_eq!(refusal(&secured("", &[("cookie", &format!("token={good}"))]).await), missing);
    let twice = secured("", &[("authorization", &bearer(&good)), ("authorization", "Bearer x")]).await;
    assert_eq!(refusal(&twice), unauthorized("The header is there twice"));
    assert_eq!(said("Bearer ").await, unauthorized("Authentication token is missing"));
    assert_eq!(said(&good).await.1, "BP_0041");
    let long = said(&"x".repeat(1_000)).await.2;
    assert!(long.len() < 200, "{long}");
    let invalid = unauthorized("Invalid authentication token");
    let claims = json!({ "exp": NOW / 1_000 + 60 });
    for bad in [
        signed(Algorithm::HS256, "another secret", &claims),
        signed(Algorithm::HS512, SECRET, &claims),
        signed(Algorithm::HS256, SECRET, &json!({ "exp": "never" })),
        signed(Algorithm::HS256, SECRET, &json!({ "sub": "for ever" })),
        format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap()),
        include_str!("keys/rsa.jwt").trim_end().to_owned(),
        format!("{good}x"),
    ] {
        assert_eq!(said(&bearer(&bad)).await, invalid, "{bad}");
    }
    clock.advance(Duration::from_secs(60));
    assert_eq!(said(&bearer(&good)).await, invalid);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_the_command_line_are_good_before_the_first_start_and_while_the_server_runs() {
    let folder = app::written(&[OPEN, PRIVATE, MIRROR]);
    let before = app::token_of(folder.path(), &["--user", "before"]);
    let app = TestApp::serve(folder, |options| options.production = true).await;
    let during = app.token(&["--expires", "1 hour"]);
    let for_open = app.token(&["--bot", "Open"]);
    for (token, path, status) in [
        (&before, "private/converse/ann", 200),
        (&during, "private/converse/ann", 200),
        (&during, "open/converse/ann/secured", 200),
        (&for_open, "open/converse/ann/secured", 200),
        (&for_open, "private/converse/ann", 401),
    ] {
        let answer = post(&app, path, &[("authorization", &bearer(token))], HI).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_another_system_becomes_the_credentials_of_the_event() {
    const KEY: (&str, &str) = ("end_users_auth.pub", include_str!("keys/p256.pub"));
    const ON: (&str, &str) = (
        "botpress.config.json",
        r#"{ "pro": { "externalAuth": { "enabled": true, "algorithms": ["ES256"], "audience": "nudge-tests",
                                        "issuer": ["https://login.example"] } } }"#,
    );
    let (app, clock) = start(&[ON, KEY, OPEN, MIRROR]).await;
    let good = bearer(include_str!("keys/p256.jwt").trim_end());
    let claims = json!({ "sub": "ada", "role": "admin", "iss": "https://login.example", "aud": "nudge-tests",
                         "iat": 1_795_330_000, "nbf": 1_795_330_000, "exp": 1_795_333_600 });
    let said = post(&app, "open/converse/ann", &[("X-BP-ExternalAuth", &good)], HI).await.json();
    assert_eq!(said["responses"][0]["credentials"], claims);
    let said = post(&app, "open/converse/ann", &[], HI).await.json();
    assert!(said["responses"][0].get("credentials").is_none(), "{said}");
    let web = "open/mod/channel-web";
    for path in ["messages/ann", "events/bob"] {
        let answer = post(&app, &format!("{web}/{path}"), &[("X-BP-ExternalAuth", &good)], HI).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        app.processed().await;
        let user = path.rsplit('/').next().unwrap();
        let list = app.client.get(&format!("/api/v1/bots/{web}/conversations/{user}")).await.json();
        let id = &list["conversations"][0]["id"];
        let shown = app.client.get(&format!("/api/v1/bots/{web}/conversations/{user}/{id}")).await.json();
        let last = shown["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(last["payload"]["credentials"], claims, "{path}");
    }
    let queue = app.client.get("/status").await.json()["queue"].take();
    let confused = signed(Algorithm::HS256, KEY.1, &claims);
    let rsa = include_str!("keys/rsa.jwt").trim_end();
    for (bad, why) in [
        ("Bearer abc".to_owned(), "it is no JSON web token with the claims that are needed"),
        (
            format!("{}AAAA", &good[..good.len() - 4]),
            "its signature is wrong: it was signed with another secret or key",
        ),
        (bearer(&confused), "its algorithm is not allowed"),
        (bearer(rsa), "its algorithm is not allowed"),
        ("Basic abc".to_owned(), "Unknown scheme \"Basic\""),
        (good.replace("Bearer ", ""), "Unknown scheme"),
    ] {
        for path in ["open/converse/ann".to_owned(), format!("{web}/messages/ann"), format!("{web}/events/ann")] {
            let (status, code, message) = refusal(&post(&app, &path, &[("X-BP-ExternalAuth", &bad)], HI).await);
            assert_eq!((status, code.as_str()), (401, "BP_0401"), "{path}");
            assert!(message.starts_with("Invalid external token: ") && message.contains(why), "{message}");
        }
    }
    clock.advance(Duration::from_secs(3_600));
    let expired = post(&app, "open/converse/ann", &[("X-BP-ExternalAuth", &good)], HI).await;
    assert_eq!(refusal(&expired).2, "Invalid external token: it has expired");
    let after = app.client.get("/status").await.json()["queue"].take();
    assert_eq!(queue["accepted"], after["accepted"], "nothing of a refused request is stored");
    app.stop().await;

    let (app, _) = start(&[CONFIG, OPEN, MIRROR]).await;
    let answer = post(&app, "open/converse/ann", &[("X-BP-ExternalAuth", &good)], HI).await;
    assert!(refusal(&answer).2.contains("pro.externalAuth.enabled"), "{}", answer.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_gets_a_token_for_one_bot_and_five_minutes_and_nothing_of_the_secret() {
    let script = "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
      const config = await bp.http.getAxiosConfigForBot('private', { localUrl: true })
      const seen = JSON.stringify([await bp.config.getBotpressConfig(), process.env, event, config.baseURL])
      const head = config.headers.Authorization.split(' ')[1].split('.').slice(0, 2).join('.')
      const signed = await bp.security.getMessageSignature(head).catch(error => error.message)
      await bp.events.replyToEvent(event, [{ type: 'text', config, seen, signed }])";
    let hook = ("hooks/after_incoming_middleware/mirror.js", script);
    let (app, clock) = start(&[CONFIG, OPEN, PRIVATE, hook]).await;
    let said = post(&app, "open/converse/ann", &[], HI).await.json()["responses"][0].take();
    let address = format!("http://127.0.0.1:{}/api/v1/bots/private", app.client.address.port());
    assert_eq!(said["config"]["baseURL"], address.as_str());
    assert!(!said.to_string().contains(SECRET), "{said}");
    assert!(said["signed"].as_str().unwrap().contains("are not signed"), "{said}");
    let header = said["config"]["headers"]["Authorization"].as_str().unwrap();
    let call = async |path: &str| post(&app, path, &[("authorization", header)], HI).await.status;
    assert_eq!(call("private/converse/ann").await, 200);
    assert_eq!(call("private/converse/ann/secured").await, 200);
    assert_eq!(call("open/converse/ann/secured").await, 401);
    clock.advance(Duration::from_secs(300));
    assert_eq!(call("private/converse/ann").await, 401);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_ever_logged() {
    let hearing = Hearing::start();
    let folder = app::written(&[CONFIG, OPEN, PRIVATE, MIRROR]);
    let clock = Clock::manual(NOW);
    let app = TestApp::serve(folder, |options| options.clock = clock).await;
    let (good, bad) = (token(60), signed(Algorithm::HS256, "another", &json!({ "exp": 1 })));
    for token in [&good, &bad] {
        for (name, value) in [("authorization", bearer(token)), ("x-bp-externalauth", bearer(token))] {
            post(&app, "open/converse/ann/secured", &[(name, &value)], HI).await;
            let answer = post(&app, "private/converse/ann", &[(name, &value)], HI).await;
            assert!(!answer.body.contains(&**token), "{}", answer.body);
        }
    }
    let refused = post(&app, "open/converse/ann/secured", &[("authorization", &bearer(&bad))], HI).await.json();
    assert_eq!(refused["full"], "its signature is wrong: it was signed with another secret or key");
    let none = post(&app, "private/converse/ann", &[], HI).await.json();
    assert!(none["full"].as_str().unwrap().contains("make a token with `nudge token`"), "{none}");
    app.stop().await;
    let heard = hearing.take();
    assert!(!heard.is_empty());
    for heard in heard {
        let text = format!("{heard:?}");
        for secret in [SECRET, &good, &bad, bad.rsplit('.').next().unwrap(), good.rsplit('.').next().unwrap()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
