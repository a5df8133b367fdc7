//! Files of the configuration that are edited while the server runs.

#[path = "common/server.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod server;

use std::fs;

use server::{Server, log_of, workspace};

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_configuration_is_said_once_with_its_keys_and_what_would_stop_the_next_start() {
    let folder = workspace(&[("botpress.config.json", r#"{ "scripts": { "heap": "16mb" } }"#)]);
    let server = Server::start(folder.path(), &[]);
    let file = folder.path().join("botpress.config.json");
    let path = folder.path();
    let says = |what: &'static str| move |_: &Server| log_of(path).contains(what);
    fs::write(&file, r#"{ "scripts": { "heap": "24mb" }, "queue": { "perBot": 7 } }"#).unwrap();
    let edited = "botpress.config.json was edited: queue.perBot, scripts.heap; restart the server to apply it";
    server.until(edited, says(edited)).await;
    fs::write(&file, r#"{ "scripts": { "heap": "1kb" } }"#).unwrap();
    let refused = "the server would not start again: botpress.config.json:1:";
    server.until(refused, says(refused)).await;
    fs::write(&file, r#"{ "scripts": { "heap": "16mb" } } // as before"#).unwrap();
    let again = "the configuration is again as the server has read it";
    server.until(again, says(again)).await;
    assert_eq!(log_of(folder.path()).matches(edited).count(), 1);
}
