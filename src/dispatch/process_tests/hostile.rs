//! Realms that say what is wrong or impossible, or ask for too much.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_with_a_wrong_address_is_refused_and_its_realm_lives() {
    let server = server(settings()).await;
    server.serve();
    assert_eq!(server.converse("u", json!({ "do": "bad effects" })).await, ["\"after\""]);
    let stats = server.dispatcher.stats();
    assert_eq!((stats.realms_killed, stats.replies_committed), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_protocol_ends_the_event_of_the_realm_that_said_it_and_nobody_elses() {
    let server = server(settings()).await;
    server.serve();
    let hanging =
        server.dispatcher.accept(draft("api", "h", json!({ "do": "hang" })), ConversationTarget::Nowhere, None);
    hanging.await.unwrap();
    let hostile = ["no json", "lie", "be a zygote", "free at once", "flood"];
    for (ended, does) in (1..).zip(hostile) {
        let said = server.converse("u", json!({ "do": does })).await;
        assert!(said.is_empty() || does == "flood", "{does}: {said:?}");
        let stats = server.dispatcher.stats();
        assert_eq!((stats.ended_by_kill, stats.realms_killed, stats.set_aside), (ended, ended, 0), "{does}");
    }
    let pending = server.store.pending().unwrap();
    assert_eq!((pending.len(), pending[0].deaths), (1, 0), "the other one is no suspect");
    assert_eq!(server.converse("u", json!({ "do": "reply", "text": "x" })).await, ["null", "\"x\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_twice_that_it_is_done_is_killed_after_its_event_is_over() {
    let server = server(settings()).await;
    server.serve();
    for does in ["say it twice", "free twice"] {
        assert!(server.converse("u", json!({ "do": does })).await.is_empty(), "{does}");
        assert_eq!(server.converse("u", json!({ "do": "reply", "text": "x" })).await, ["null", "\"x\""]);
    }
    let stats = server.dispatcher.stats();
    assert_eq!((stats.processed, stats.ended_by_kill, stats.run_again), (4, 0, 0));
}

/// What a process of these tests holds by itself is more than any sensible limit of this one.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn events_go_on_after_all_realms_together_held_too_much_memory() {
    let mut settings = settings();
    settings.dispatch.all_resident = 100 << 20;
    let server = server(settings).await;
    server.serve();
    let said = server.converse("u", json!({ "do": "hoard", "text": "x" })).await;
    // It may be replaced before this test looks: only that it has gone can be waited for.
    let hoarder = std::path::Path::new("/proc").join(said[0].trim_matches('"'));
    while hoarder.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.converse("u", json!({ "do": "reply", "text": "next" })).await, ["null", "\"next\""]);
    assert_eq!(server.dispatcher.stats().realms_crashed, 0);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_memory_that_cannot_be_kept_stops_no_event() {
    let mut settings = settings();
    settings.dispatch.all_resident = 1;
    let server = server(settings).await;
    server.serve();
    assert_eq!(server.converse("u", json!({ "do": "reply", "text": "x" })).await, ["null", "\"x\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_events_wait_in_the_store_alone_and_too_many_of_them_are_refused() {
    let mut settings = settings();
    settings.dispatch.queue_bytes = 1 << 20;
    let first = server(settings.clone()).await;
    let huge = || json!({ "do": "reply", "text": "x".repeat(600_000) });
    first.dispatcher.accept(draft("api", "u", huge()), ConversationTarget::Nowhere, None).await.unwrap();
    let error =
        first.dispatcher.accept(draft("api", "v", huge()), ConversationTarget::Nowhere, None).await.unwrap_err();
    assert!(matches!(error, AcceptError::Full { queue: FullQueue::Bytes, .. }), "{error}");
    // What an earlier run left has its body back when it runs.
    let second = first.again(settings, Duration::ZERO).await;
    let error =
        second.dispatcher.accept(draft("api", "v", huge()), ConversationTarget::Nowhere, None).await.unwrap_err();
    assert!(matches!(error, AcceptError::Full { queue: FullQueue::Bytes, .. }), "{error}");
    second.serve();
    second.drained().await;
    assert_eq!(second.dispatcher.stats().replies_committed, 2, "typing and the text");
    assert_eq!(second.converse("v", huge()).await[1].len(), 600_002, "one that has just come is read back too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_large_requests_waits_for_its_answers_and_nobody_is_killed() {
    let mut settings = settings();
    settings.dispatch.buffered = 50_000;
    let server = server(settings).await;
    server.serve();
    let said = server.converse("u", json!({ "do": "stream" })).await;
    // The text of the reply is JSON again, and its quotes are escaped.
    assert_eq!(said[0].len(), 20_000 + "\"1 \\\"\\\"\"".len());
    assert_eq!(server.dispatcher.stats().realms_killed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_a_mount_hook_chooses_occupies_no_events_number() {
    let server = server(settings()).await;
    server.serve();
    let bot = BotId::parse("bot").unwrap();
    let args = || json!({ "sayAs": "7" }).as_object().unwrap().clone();
    for _ in 0..2 {
        server.dispatcher.run_hooks(HookKind::AfterBotMount, Some(&bot), args()).await.unwrap();
    }
    while server.dispatcher.stats().replies_committed < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
