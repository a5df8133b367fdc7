//! Visitors and their secrets over HTTP: nobody reads or writes in another one's name.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use app::TestApp;
use client::Answer;

const BASE: &str = "/api/v1/bots/bot/mod/channel-web";

async fn server(channel_web: &str) -> TestApp {
    TestApp::start_with(&[
        ("bots/bot/bot.config.json", "{ \"id\": \"bot\", \"name\": \"Bot\" }"),
        ("bots/other/bot.config.json", "{ \"id\": \"other\", \"name\": \"Other\" }"),
        ("config/channel-web.json", channel_web),
    ])
    .await
}

async fn issued(app: &TestApp) -> (String, String) {
    let answer = app.client.post(&format!("{BASE}/visitors"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    assert_eq!(json.as_object().unwrap().len(), 2, "{json}");
    (json["visitorId"].as_str().unwrap().to_owned(), json["secret"].as_str().unwrap().to_owned())
}

/// Every route of the web channel that names a visitor.
async fn all(app: &TestApp, user: &str, secrets: &[&str]) -> Vec<Answer> {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(secrets.iter().map(|secret| ("x-visitor-secret", *secret)));
    let text = "{\"type\":\"text\",\"text\":\"hi\"}";
    let mut answers = Vec::new();
    for (method, path, body) in [
        ("POST", format!("{BASE}/conversations/{user}/new"), "{}"),
        ("POST", format!("{BASE}/messages/{user}"), text),
        ("POST", format!("{BASE}/events/{user}"), "{\"type\":\"x\"}"),
        ("GET", format!("{BASE}/conversations/{user}"), ""),
        ("GET", format!("{BASE}/conversations/{user}/null"), ""),
    ] {
        answers.push(app.client.send(method, &path, &headers, body.as_bytes().to_vec()).await);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issued_id_is_nothing_without_its_secret() {
    let app = server("{}").await;
    let (id, secret) = issued(&app).await;
    let (other, others) = issued(&app).await;
    assert_ne!(id, other);
    for secrets in [&[][..], &[""], &[others.as_str()], &["no secret"], &[secret.as_str(), secret.as_str()]] {
        for answer in all(&app, &id, secrets).await {
            assert_eq!(answer.status, 401, "{}", answer.body);
            assert!(
                answer.body.contains("X-Visitor-Secret")
                    && answer.body.contains("visitorSecret: ")
                    && answer.body.contains("\"type\":\"visitor_secret_"),
                "{}",
                answer.body
            );
        }
    }
    assert!(all(&app, &id, &[&secret]).await.iter().all(|answer| answer.status == 200));
    // Ids that no secret was issued with: those of old clients, and those that pages chose.
    for user in ["vmwrh9ce26em", "ann%40example.org"] {
        assert!(all(&app, user, &[]).await.iter().all(|answer| answer.status == 200));
    }
    // What is wrong with the request itself is said first.
    let unknown = app.client.post(&format!("/api/v1/bots/nobody/mod/channel-web/events/{id}"), "{}").await;
    assert_eq!(unknown.status, 404, "{}", unknown.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cache_keeps_what_is_for_one_visitor() {
    let app = server("{}").await;
    let (id, secret) = issued(&app).await;
    let refused = all(&app, &id, &[]).await;
    for answer in all(&app, &id, &[&secret]).await.iter().chain(&refused) {
        assert_eq!(answer.header("cache-control"), "no-store", "{}", answer.body);
    }
    let token = format!("Bearer {}", app.token(&[]));
    let path = format!("{BASE}/visitors/{id}/secret");
    let told = app.client.send("GET", &path, &[("authorization", token.as_str())], Vec::new()).await;
    assert_eq!((told.status, told.header("cache-control")), (200, "no-store"));
    let new = app.client.post(&format!("{BASE}/visitors"), "").await;
    let poll = app.client.get("/socket.io/?EIO=4&transport=polling").await;
    assert_eq!([new.header("cache-control"), poll.header("cache-control")], ["no-store"; 2]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_can_be_asked_of_every_visitor_or_of_none() {
    let app = server("{ \"visitorSecret\": \"always\" }").await;
    let (id, secret) = issued(&app).await;
    assert!(all(&app, "ann", &[]).await.iter().all(|answer| answer.status == 401));
    assert!(all(&app, &id, &[&secret]).await.iter().all(|answer| answer.status == 200));
    app.stop().await;
    let app = server("{ \"visitorSecret\": \"off\" }").await;
    let (id, _) = issued(&app).await;
    assert!(all(&app, &id, &[]).await.iter().all(|answer| answer.status == 200));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pages_own_server_gets_the_secret_of_somebody_who_signed_in() {
    let app = server("{ \"visitorSecret\": \"always\" }").await;
    let path = format!("{BASE}/visitors/ann%40example.org/secret");
    let ask = async |token: &str| {
        let header = format!("Bearer {token}");
        app.client.send("GET", &path, &[("authorization", header.as_str())], Vec::new()).await
    };
    assert_eq!(app.client.get(&path).await.status, 401);
    assert_eq!(ask("nonsense").await.status, 401);
    assert_eq!(ask(&app.token(&["--bot", "other"])).await.status, 401);
    let answer = ask(&app.token(&[])).await.json();
    assert_eq!(answer["visitorId"], "ann@example.org");
    let secret = answer["secret"].as_str().unwrap();
    assert!(all(&app, "ann%40example.org", &[secret]).await.iter().all(|answer| answer.status == 200));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_bot_gives_nobody_the_conversations_of_another_bots_visitors() {
    let app = server("{}").await;
    let (id, secret) = issued(&app).await;
    let ask = async |id: &str, token: String| {
        let header = format!("Bearer {token}");
        let path = format!("{BASE}/visitors/{id}/secret");
        app.client.send("GET", &path, &[("authorization", header.as_str())], Vec::new()).await
    };
    for id in [id.as_str(), "ann"] {
        let refused = ask(id, app.token(&["--bot", "bot"])).await;
        assert_eq!(refused.status, 401, "{}", refused.body);
        let told = ask(id, app.token(&[])).await.json();
        assert!(!refused.body.contains(told["secret"].as_str().unwrap()));
    }
    assert_eq!(ask(&id, app.token(&[])).await.json()["secret"], secret.as_str());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_only_look_issued_are_other_visitors() {
    let app = server("{}").await;
    let (id, secret) = issued(&app).await;
    let text = "{\"type\":\"text\",\"text\":\"mine\"}";
    let headers = [("content-type", "application/json"), ("x-visitor-secret", secret.as_str())];
    let said = app.client.send("POST", &format!("{BASE}/messages/{id}"), &headers, text.as_bytes().to_vec()).await;
    assert_eq!(said.status, 200, "{}", said.body);
    // The same bytes, written in another way, are the same visitor; anything else has none of its conversations.
    let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(app.client.get(&format!("{BASE}/conversations/{encoded}")).await.status, 401);
    let turned: String =
        id.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
    let fullwidth = id.replacen('n', "%EF%BD%8E", 1);
    for other in [
        turned,
        fullwidth,
        format!("{id}%20"),
        format!("%20{id}"),
        format!("{id}%2F"),
        format!("{id}%E2%80%8B"),
        format!("{id}%CC%81"),
        format!("{id};a=b"),
    ] {
        let answer = app.client.get(&format!("{BASE}/conversations/{other}")).await;
        let none = answer.status != 200 || answer.json()["conversations"].as_array().unwrap().is_empty();
        assert!(none, "{other}: {}", answer.body);
    }
    for broken in [format!("{id}%00"), format!("{id}%0A"), format!("{id}%FF")] {
        assert_eq!(app.client.get(&format!("{BASE}/conversations/{broken}")).await.status, 400, "{broken}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn converse_knows_no_secrets_of_visitors() {
    let app = server("{ \"visitorSecret\": \"always\" }").await;
    let answer = app.client.post("/api/v1/bots/bot/converse/ann", "{\"type\":\"text\",\"text\":\"hi\"}").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    app.stop().await;
}
