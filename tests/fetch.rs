//! Scripts that call another server, through a whole server with real processes of scripts. `golden/fetch/<case>.js` is the body of a
//! hook that gets the other server's address as `base` and says things with `say`; `<case>.out` has what it said and what
//! was reported. `UPDATE=1` writes it, `CASE=<part of a name>` runs some cases only.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;
#[path = "common/far.rs"]
mod far;
#[path = "common/hearing.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod hearing;

use std::fmt::Write as _;
use std::fs;

use app::{TestApp, fixture};
use far::Far;
use hearing::Hearing;
use serde_json::{Value, json};

const BOT: (&str, &str) = ("bots/bot/bot.config.json", "{}");
/// What comes before each script, on its first line.
const HEAD: &str = "const [name, base] = event.preview.split(' '); if (name !== NAME) return; const say = (...values) => \
                    bp.events.replyToEvent(event, values.map(value => ({ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }))); ";

/// A hook that runs for messages that begin with its name.
fn hook(name: &str, script: &str) -> (String, String) {
    let path = format!("hooks/before_incoming_middleware/{name}.js");
    (path, HEAD.replace("NAME", &format!("{name:?}")) + script)
}

/// A server with these hooks, by name, and more files.
async fn serving(hooks: &[(&str, &str)], more: &[(&str, &str)]) -> TestApp {
    let hooks: Vec<_> = hooks.iter().map(|(name, script)| hook(name, script)).collect();
    let hooks = hooks.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    TestApp::start_in_development(&hooks.chain([BOT]).chain(more.iter().copied()).collect::<Vec<_>>()).await
}

/// What a hook says when it is called.
async fn said(app: &TestApp, name: &str, far: &Far) -> Vec<String> {
    let body = json!({ "type": "text", "text": format!("{name} {}", far.url()) }).to_string();
    let answer = app.client.post(&format!("/api/v1/bots/bot/converse/{name}"), body).await;
    assert_eq!(answer.status, 200, "{name}: {}", answer.body);
    let responses = answer.json()["responses"].take();
    let texts = responses.as_array().unwrap().iter().map(|response| match &response["text"] {
        Value::String(text) => text.replace(&far.url(), "BASE"),
        other => other.to_string(),
    });
    texts.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_script_that_calls_a_server_says_what_its_out_says() {
    let hearing = Hearing::start();
    let far = Far::start().await;
    let wanted = std::env::var("CASE").unwrap_or_default();
    let mut cases: Vec<_> = fs::read_dir(fixture("golden/fetch")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|extension| extension == "js"));
    cases.sort();
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    cases.retain(|path| name(path).contains(&wanted));
    let scripts: Vec<_> = cases.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect();
    let hooks: Vec<_> = scripts.iter().map(|(name, script)| (name.as_str(), script.as_str())).collect();
    let app = serving(&hooks, &[]).await;
    let mut failures = String::new();
    for path in &cases {
        hearing.take();
        let mut out = String::new();
        for line in said(&app, &name(path), &far).await {
            writeln!(out, "{line}").unwrap();
        }
        app.processed().await;
        for heard in hearing.take().into_iter().filter(|heard| heard.level == "error") {
            let place = heard.file.map_or(String::new(), |file| file.rsplit('/').next().unwrap().to_owned());
            let line = heard.line.map_or("?".to_owned(), |line| line.to_string());
            writeln!(out, "error {place}:{line} {}", heard.message.replace(&far.url(), "BASE")).unwrap();
        }
        let expected = path.with_extension("out");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(expected, out).unwrap();
        } else if fs::read_to_string(expected).unwrap_or_default() != out {
            writeln!(failures, "{}:\n{out}", name(path)).unwrap();
        }
    }
    app.stop().await;
    assert!(failures.is_empty(), "UPDATE=1 writes what is right now\n{failures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_when_its_script_gives_it_up_or_is_over() {
    let far = Far::start().await;
    let hooks = [
        (
            "aborted",
            "const stop = new AbortController(); setTimeout(() => stop.abort(), 50)
             try { await fetch(base + '/hang', { signal: stop.signal }) } catch (error) { say(error.name) }",
        ),
        (
            "timed",
            "try { await (await fetch(base + '/drip', { signal: AbortSignal.timeout(50) })).text() } catch (error) { say(error.name) }",
        ),
        ("floating", "fetch(base + '/hang'); say('left')"),
    ];
    let config = r#"{ "scripts": { "eventWaiting": "500ms", "floating": "100ms" } }"#;
    let app = serving(&hooks, &[("botpress.config.json", config)]).await;
    assert_eq!(said(&app, "aborted", &far).await, ["AbortError"]);
    far.given_up(1).await;
    assert_eq!(said(&app, "timed", &far).await, ["TimeoutError"]);
    far.given_up(2).await;
    assert_eq!(said(&app, "floating", &far).await, ["left"]);
    far.given_up(3).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_says_who_may_be_called_and_how_long_and_how_much() {
    let far = Far::start().await;
    let call = |what: &str| {
        format!(
            "try {{ say(String((await (await fetch({what})).text()).length)) }} catch (error) {{ say(error.message) }}"
        )
    };
    let (fits, large) = (call("base + '/big/1000'"), call("base + '/big/1001'"));
    let (slow, sent) = (call("base + '/hang'"), call("base, { method: 'POST', body: 'x'.repeat(5000) }"));
    let hooks = [("fits", fits.as_str()), ("large", &large), ("slow", &slow), ("sent", &sent)];
    let config =
        r#"{ "fetch": { "timeout": "200ms", "maxResponse": 1000, "maxRequest": "4kb", "deny": ["*.example.org"] } }"#;
    let app = serving(&hooks, &[("botpress.config.json", config)]).await;
    assert_eq!(said(&app, "fits", &far).await, ["1000"]);
    assert_eq!(
        said(&app, "large", &far).await,
        ["fetch BASE/big/1001: the answer has more than 1000 bytes (fetch.maxResponse)"]
    );
    assert_eq!(
        said(&app, "slow", &far).await,
        ["fetch BASE/hang: the server had not answered after 200 ms (fetch.timeout)"]
    );
    let sent = said(&app, "sent", &far).await.remove(0);
    assert!(sent.ends_with("bytes with its headers, at most 4096 are allowed (fetch.maxRequest)"), "{sent}");
    app.stop().await;
    let private = r#"{ "fetch": { "private": false } }"#;
    let app = serving(&hooks, &[("botpress.config.json", private)]).await;
    let refused = said(&app, "fits", &far).await.remove(0);
    assert!(refused.ends_with("this machine may not be called (`fetch.private` is false)"), "{refused}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_live_on_call_servers_as_well() {
    let far = Far::start().await;
    let start = format!(
        "setInterval(async () => {{ const answer = await fetch('{}/x'); await bp.kvs.set('bot', 'seen', (await answer.json()).uri) }}, 10)",
        far.url()
    );
    let asked = "for (;;) { const seen = await bp.kvs.get('bot', 'seen'); if (seen) return say(seen) }";
    let app = serving(&[("asked", asked)], &[("hooks/after_server_start/poll.js", &start)]).await;
    assert_eq!(said(&app, "asked", &far).await, ["/x"]);
    app.stop().await;
}
