//! Realms that a script has taken over speak and ask for another bot: what keeps bots apart is not in them.

use super::*;
use crate::config::Isolation;

async fn two_bots(isolation: Isolation) -> Server {
    let mut settings = settings();
    settings.dispatch.isolation = isolation;
    let server = server(settings).await;
    server.serve_bots(&["bot", "other"], Sources::new());
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_that_speaks_for_another_bot_is_not_heard_where_bots_are_kept_apart() {
    for (isolation, replies, follow_ups) in [(Isolation::PerBot, 1, 0), (Isolation::Shared, 7, 2)] {
        let server = two_bots(isolation).await;
        assert_eq!(server.converse("u", json!({ "do": "speak for another" })).await, ["\"after\""]);
        server.drained().await;
        let stats = server.dispatcher.stats();
        let came = (stats.replies_committed, stats.follow_ups_committed, stats.realms_killed);
        assert_eq!(came, (replies, follow_ups, 0), "{isolation:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_realm_that_asks_for_what_is_another_bots_is_refused_where_bots_are_kept_apart() {
    let asked = [
        ("content.of", json!(["other", "getContentElement"])),
        ("content.of", json!(["other"])),
        ("content.of", json!(["other", 7])),
        ("content.of", json!(7)),
        ("bots.getBotById", json!(["other"])),
        ("bots.getBotById", json!({ "args": ["other"], "not": {} })),
        ("http.getAxiosConfigForBot", json!(["other"])),
        ("dialog.deleteSession", json!(["api::u", "other"])),
        ("experimental.enableHook", json!(["x", "after_bot_mount"])),
    ];
    for isolation in [Isolation::PerBot, Isolation::Shared] {
        let server = two_bots(isolation).await;
        for (method, args) in &asked {
            let said = server.converse("u", json!({ "do": "ask as told", "method": method, "args": args })).await;
            let refused =
                said[0].starts_with("\"0 ") && said[0].contains(crate::config::ISOLATION.split(':').next().unwrap());
            assert_eq!(refused, isolation == Isolation::PerBot, "{isolation:?}: {method} {args}: {said:?}");
        }
        assert_eq!(server.dispatcher.stats().realms_killed, 0);
    }
}
