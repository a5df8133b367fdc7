//! What runs when at the start of the server.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use app::TestApp;

const FILES: [(&str, &str); 3] = [
    ("bots/quiet/bot.config.json", r#"{ "id": "quiet", "name": "Quiet" }"#),
    (
        // Longer than the start waits.
        "hooks/after_bot_mount/slow.js",
        "await new Promise(resolve => setTimeout(resolve, 2500)); await bp.kvs.set('start', 'mounted', true)",
    ),
    (
        "hooks/after_server_start/look.js",
        "const mounted = await bp.kvs.get('start', 'mounted');
         await bp.http.createShortLink('order', mounted ? 'http://h/after' : 'http://h/before')",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_the_servers_start_wait_for_bots_that_take_long_to_mount() {
    let app = TestApp::start_with(&FILES).await;
    let answer = loop {
        let answer = app.client.get("/s/order").await;
        if answer.status != 404 {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(answer.header("location"), "http://h/after");
    app.stop().await;
}
