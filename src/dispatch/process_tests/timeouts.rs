//! Dialogs that time out: found by the clock, one turn after the other with what their users send.

use super::*;
use crate::store::Lifetimes;

/// The defaults of `dialog.timeoutInterval` and `dialog.janitorInterval`.
const TIMEOUT: Duration = Duration::from_secs(25 * 60);
const EVERY: Duration = Duration::from_secs(10);

/// A payload after which a dialog stands in which a time-out does `then`.
fn dialog(text: &str, then: Value) -> Value {
    let state = json!({ "session": { "last": text }, "temp": { "t": 1 }, "context": { "then": then } });
    json!({ "do": "reply", "text": text, "state": state })
}

impl Server {
    /// The janitor, for as long as the test runs.
    fn janitor(&self) -> tokio::task::JoinHandle<()> {
        let dispatcher = self.dispatcher.clone();
        tokio::spawn(async move { dispatcher.keep_timing_out(EVERY).await })
    }

    /// Waits until the janitor has looked at the present time and found nothing more to do.
    async fn looked(&self) {
        while self.dispatcher.stats().janitor < self.clock.now() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until so many events are over.
    async fn over(&self, events: u64) {
        while self.dispatcher.stats().processed < events {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Stores what an event of that user leaves.
    async fn leave(&self, user: &str, payload: Value) {
        let over = self.dispatcher.stats().processed + 1;
        self.dispatcher.accept(draft("web", user, payload), ConversationTarget::Nowhere, None).await.unwrap();
        self.over(over).await;
    }

    fn state(&self, user: &str) -> (String, String, String) {
        let key = draft("web", user, json!({})).key;
        let session = crate::model::SessionKey { conversation: key, thread: None };
        let state = self.store.restore(&session).unwrap();
        (state.session, state.temp, state.context)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialog_times_out_when_the_clock_says_so_and_leaves_its_session() {
    let server = server(settings()).await;
    server.serve();
    let mut told = server.dispatcher.subscribe(1 << 20, |_| true);
    let janitor = server.janitor();
    server.leave("ann", dialog("hello", json!({ "do": "bye" }))).await;
    server.clock.advance(TIMEOUT - EVERY);
    server.looked().await;
    assert_eq!(server.dispatcher.stats().timeouts, 0);
    server.clock.advance(EVERY);
    server.looked().await;
    server.over(2).await;
    let mut said = Vec::new();
    while let Some(Received::Notice(notice)) = told.try_recv() {
        if let Notice::Stored { message, .. } = notice {
            said.push(message.message_text.clone().unwrap());
        }
    }
    assert_eq!(said, ["hello", r#""timeout" after "hello""#], "nothing but its own session tells it what was said");
    assert_eq!(server.state("ann"), (r#"{"last":"hello"}"#.into(), "{}".into(), "{}".into()));
    server.clock.advance(TIMEOUT);
    server.looked().await;
    assert_eq!(server.dispatcher.stats().timeouts, 1, "a dialog that has ended does not time out");
    janitor.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_stands_behind_what_its_user_has_sent_and_then_does_nothing() {
    let server = server(settings()).await;
    server.serve();
    server.leave("ann", dialog("one", json!({ "do": "bye" }))).await;
    // It holds the turn until its realm is killed.
    let spinning = draft("web", "ann", json!({ "do": "spin" }));
    server.dispatcher.accept(spinning, ConversationTarget::Nowhere, None).await.unwrap();
    let next = draft("web", "ann", dialog("two", json!({ "do": "bye" })));
    server.dispatcher.accept(next, ConversationTarget::Nowhere, None).await.unwrap();
    server.clock.advance(TIMEOUT);
    let janitor = server.janitor();
    server.over(4).await;
    let stats = server.dispatcher.stats();
    assert_eq!((stats.timeouts, stats.dispatched), (1, 3), "the time-out is not given to a realm");
    assert_eq!(server.state("ann").0, r#"{"last":"two"}"#);
    assert!(server.state("ann").2.contains("bye"), "the dialog goes on");
    assert!(server.store.pending().unwrap().is_empty());
    janitor.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_whose_script_must_be_killed_ends_its_dialog_all_the_same() {
    let server = server(settings()).await;
    server.serve();
    server.leave("spin", dialog("one", json!({ "do": "spin" }))).await;
    server.leave("crash", dialog("two", json!({ "do": "crash" }))).await;
    server.clock.advance(TIMEOUT);
    let janitor = server.janitor();
    server.over(4).await;
    for (user, last) in [("spin", r#"{"last":"one"}"#), ("crash", r#"{"last":"two"}"#)] {
        assert_eq!(server.state(user), (last.into(), "{}".into(), "{}".into()), "{user}");
    }
    let stats = server.dispatcher.stats();
    assert_eq!((stats.timeouts, stats.set_aside, stats.ended_by_kill), (2, 1, 1));
    assert_eq!(stats.replies_committed, 4, "what the first run stored is not stored again");
    janitor.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_that_was_queued_runs_after_the_next_start() {
    let first = server(settings()).await;
    first.serve();
    first.leave("ann", dialog("hello", json!({ "do": "bye" }))).await;
    // The server stops before the time-out is found: it waits.
    first.dispatcher.stop(Duration::from_secs(1)).await;
    first.clock.advance(TIMEOUT);
    let janitor = first.janitor();
    first.looked().await;
    janitor.abort();
    assert_eq!(first.store.pending().unwrap().len(), 1);
    let second = first.again(settings(), Duration::from_secs(86_400)).await;
    second.serve();
    let janitor = second.janitor();
    second.over(1).await;
    second.looked().await;
    assert_eq!(second.state("ann"), (r#"{"last":"hello"}"#.into(), "{}".into(), "{}".into()));
    assert_eq!(second.dispatcher.stats().timeouts, 0, "it was queued once");
    janitor.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn few_of_many_time_outs_are_in_the_queue_at_a_time_and_a_user_who_is_there_is_answered_between_them() {
    let mut settings = settings();
    settings.dispatch.in_flight_per_bot = 24;
    let server = server(settings).await;
    server.serve();
    let users = 500;
    for user in 0..users {
        let payload = dialog("hello", json!({ "do": "bye" }));
        server
            .dispatcher
            .accept(draft("web", &format!("user-{user}"), payload), ConversationTarget::Nowhere, None)
            .await
            .unwrap();
    }
    server.over(users).await;
    // Nothing runs while there is no program: what is queued stays there.
    server.serve_bots(&[], Sources::new());
    server.dispatcher.0.tally.timeouts.serve(&[BotId::parse("bot").unwrap()], &HashMap::new());
    server.clock.advance(TIMEOUT);
    let janitor = server.janitor();
    while server.dispatcher.stats().timeouts < 12 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let live = server
        .dispatcher
        .accept(draft("web", "live", json!({ "do": "late" })), ConversationTarget::Nowhere, None)
        .await;
    let live = live.unwrap();
    let before = server.store.pending().unwrap().into_iter().filter(|event| event.id < live).count();
    assert_eq!(before, 12, "half of those of a bot that may run at once");
    server.serve();
    server.over(2 * users + 1).await;
    server.looked().await;
    assert_eq!(server.dispatcher.stats().timeouts, users);
    assert_eq!(server.state("user-499").2, "{}");
    janitor.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn dialogs_of_a_bot_that_is_not_in_service_wait_for_it_until_their_sessions_end() {
    let server = server(settings()).await;
    server.serve();
    server.leave("ann", dialog("hello", json!({ "do": "bye" }))).await;
    server.dispatcher.0.tally.timeouts.serve(&[], &HashMap::new());
    server.clock.advance(TIMEOUT);
    let janitor = server.janitor();
    server.looked().await;
    assert_eq!(server.dispatcher.stats().timeouts, 0);
    // It comes back.
    server.serve();
    server.clock.advance(EVERY);
    server.over(2).await;
    assert_eq!(server.dispatcher.stats().timeouts, 1);
    // It is gone for longer than its sessions live.
    server.leave("bob", dialog("hello", json!({ "do": "bye" }))).await;
    server.dispatcher.0.tally.timeouts.serve(&[], &HashMap::new());
    server.clock.advance(TIMEOUT + Duration::from_secs(5 * 60));
    server.looked().await;
    server.serve();
    server.clock.advance(EVERY);
    server.looked().await;
    assert_eq!(server.dispatcher.stats().timeouts, 1);
    assert_eq!(server.state("bob").0, "{}");
    assert!(server.store.due(10).unwrap().is_empty(), "it is not in the table any more");
    janitor.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bots_own_intervals_count_from_the_moment_they_are_published() {
    let server = server(settings()).await;
    server.serve();
    let bots = vec![BotId::parse("bot").unwrap()];
    let publish = |context: u64| {
        let lifetimes = Lifetimes { context, session: 60_000 };
        server.dispatcher.0.tally.timeouts.serve(&bots, &[(bots[0].clone(), lifetimes)].into());
    };
    publish(20_000);
    server.leave("ann", dialog("hello", json!({ "do": "bye" }))).await;
    publish(40_000);
    server.leave("bob", dialog("hello", json!({ "do": "bye" }))).await;
    let janitor = server.janitor();
    server.clock.advance(Duration::from_secs(20));
    server.looked().await;
    server.over(3).await;
    assert_eq!((server.state("ann").2.as_str(), server.dispatcher.stats().timeouts), ("{}", 1));
    server.clock.advance(Duration::from_secs(20));
    server.looked().await;
    server.over(4).await;
    assert_eq!(server.state("bob").2, "{}");
    janitor.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn time_outs_of_one_bot_that_hang_do_not_hold_up_those_of_another() {
    let mut settings = settings();
    settings.dispatch.in_flight_per_bot = 8;
    let server = server(settings).await;
    let bots = ["bot", "other"].map(|name| BotId::parse(name).unwrap());
    server.serve_bots(&["bot", "other"], Sources::new());
    for (bot, then) in bots.iter().zip(["hang", "bye"]) {
        for user in 0..20 {
            let mut draft = draft("web", &format!("user-{user}"), dialog("hello", json!({ "do": then })));
            draft.key.bot = bot.clone();
            server.dispatcher.accept(draft, ConversationTarget::Nowhere, None).await.unwrap();
        }
    }
    server.over(40).await;
    server.clock.advance(TIMEOUT);
    let janitor = server.janitor();
    server.over(60).await;
    let hanging = server.store.pending().unwrap();
    assert!(hanging.iter().all(|event| event.key.bot == bots[0]), "{hanging:?}");
    assert!((1..=4).contains(&hanging.len()), "{hanging:?}");
    janitor.abort();
}
