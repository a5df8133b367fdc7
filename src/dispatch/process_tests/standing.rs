//! Start and mount hooks stand as long as the server does.

use super::*;

impl Server {
    async fn mount(&self, does: &str) -> Result<Box<RawValue>, DispatchError> {
        let bot = BotId::parse("bot").unwrap();
        let args = json!({ "sayAs": "7", "do": does }).as_object().unwrap().clone();
        self.dispatcher.run_hooks(HookKind::AfterBotMount, Some(&bot), args).await
    }

    /// Waits until the hooks, which say something each time, have run that often.
    async fn ran(&self, times: u64) {
        while self.dispatcher.stats().replies_committed < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn sources(number: u64) -> Sources {
    [((HookKind::AfterBotMount, Some(BotId::parse("bot").unwrap())), number)].into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_hook_that_is_edited_runs_again_and_one_that_is_not_does_not() {
    let server = server(settings()).await;
    server.serve_with(sources(1));
    server.mount("stand").await.unwrap();
    server.ran(1).await;
    server.serve_with(sources(1)).serve_with(sources(2));
    server.ran(2).await;
    server.serve_with(sources(2)).serve_with(sources(3));
    server.ran(3).await;
    assert_eq!(server.dispatcher.stats().replies_committed, 3);
    assert_eq!(server.dispatcher.stats().in_flight, 1, "the older ones have ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_hook_that_a_limit_ended_runs_again() {
    let server = server(settings()).await;
    server.serve();
    server.mount("fall").await.unwrap();
    server.ran(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_hook_that_took_its_realm_with_it_runs_again() {
    let server = server(settings()).await;
    server.serve();
    let error = server.mount("crash").await.unwrap_err();
    assert!(matches!(error, DispatchError::Ended(_)), "{error}");
    server.ran(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_hook_that_says_too_much_keeps_its_realm_and_the_rest_is_dropped() {
    let mut settings = settings();
    settings.scripts.effects = 5;
    let server = server(settings).await;
    server.serve();
    server.mount("say much").await.unwrap();
    server.ran(10).await;
    assert_eq!(server.converse("u", json!({ "do": "reply", "text": "x" })).await, ["null", "\"x\""]);
    let stats = server.dispatcher.stats();
    assert_eq!((stats.realms_killed, stats.in_flight), (0, 1));
}
