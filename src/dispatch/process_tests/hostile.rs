//! Workers that say what is wrong or impossible, or ask for too much.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_with_a_wrong_address_is_refused_and_its_worker_lives() {
    let server = server(settings()).await;
    server.serve();
    assert_eq!(server.converse("u", json!({ "do": "bad effects" })).await, ["\"after\""]);
    let stats = server.dispatcher.stats();
    assert_eq!((stats.workers_killed, stats.replies_committed), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_cannot_be_read_is_the_fault_of_the_dispatch_that_it_names() {
    let server = server(settings()).await;
    server.serve();
    let hanging = server.dispatcher.accept(draft("api", "h", json!({ "do": "hang" })), Place::Nowhere, None);
    hanging.await.unwrap();
    assert!(server.converse("u", json!({ "do": "no json" })).await.is_empty());
    let stats = server.dispatcher.stats();
    assert_eq!((stats.ended_by_kill, stats.workers_killed, stats.set_aside), (1, 1, 0));
    assert_eq!(server.store.pending().unwrap()[0].deaths, 0, "the other one is no suspect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_blames_a_dispatch_that_is_not_its_own_does_not_run_for_ever() {
    let server = server(settings()).await;
    server.serve();
    assert!(server.converse("u", json!({ "do": "blame" })).await.is_empty());
    let stats = server.dispatcher.stats();
    assert_eq!((stats.workers_killed, stats.set_aside), (2, 1));
}
