//! `nudge poisoned`: what becomes of an event on which two realms died, when the disk is full just then and later.

#[path = "common/server.rs"]
mod server;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use server::{Caller, Server, count, log_of, replies, workspace};

const HOOK: &str = "hooks/before_incoming_middleware/attack.js";
/// b04 of the attacks: nested iterator helpers overflow the native stack of the engine.
const ATTACK: &str = "if (event.type === 'attack') {
  let it = [1].values(); for (let i = 0; i < 20000; i++) it = it.map(x => x); it.next().value
}";
const MENDED: &str = "if (event.type === 'attack') {
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  bp.events.replyToEvent(event, [{ type: 'text', text: 'mended' }])
}";

/// Whether it succeeded, and all that it said.
fn poisoned(folder: &Path, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nudge"));
    let output = command.args(["poisoned", "--dir"]).arg(folder).args(args).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_set_aside_once_the_disk_lets_it_and_listed_until_somebody_decides() {
    let folder = workspace(&[(HOOK, ATTACK)]);
    let folder = folder.path();
    assert_eq!(poisoned(folder, &[]), (true, "There is no database yet: nothing was set aside.\n".into()));
    assert!(!poisoned(folder, &["--retry", "7"]).0);
    let server = Server::start(folder, &["--production", "--no-watch"]);
    let database = rusqlite::Connection::open(folder.join("data.db")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE UPDATE OF poison ON queue \
                  BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    database.execute_batch(refuse).unwrap();
    let mut caller = Caller::to(server.address);
    for user in ["ann", "bob"] {
        let path = format!("/api/v1/bots/welcome-bot/mod/channel-web/events/{user}");
        assert_eq!(caller.post(&path, r#"{"type":"attack"}"#.into()).await.unwrap().0, 200);
    }
    server.until("it cannot be set aside", |_| log_of(folder).contains("could not be stored, it is tried again")).await;
    database.execute_batch("DROP TRIGGER refuse").unwrap();
    drop(database);
    server.idle().await;
    assert_eq!(count(folder, "SELECT count(*) FROM queue WHERE poison IS NOT NULL"), 2);

    // A running server does not mind who looks, and does not let go of what it has.
    let (fine, list) = poisoned(folder, &[]);
    assert!(fine && list.contains("2 events set aside") && list.contains("attack web/ann → welcome-bot"), "{list}");
    assert!(list.contains("its realm died"), "{list}");
    let ids: Vec<&str> = list.lines().filter_map(|line| line.split("  ").next()).filter(|id| id.len() == 18).collect();
    let [ann, bob] = ids[..] else { panic!("{list}") };
    let (fine, said) = poisoned(folder, &["--retry", ann]);
    assert!(!fine && said.contains("is in use by another server"), "{said}");
    assert!(server.terminate().success());

    assert_eq!(poisoned(folder, &["--forget", bob]), (true, format!("Event {bob} is removed.\n")));
    let (fine, said) = poisoned(folder, &["--forget", bob]);
    assert!(!fine && said.contains(&format!("no event {bob} was set aside")), "{said}");
    assert_eq!(
        poisoned(folder, &["--retry", ann]),
        (true, format!("Event {ann} runs again when the server starts.\n"))
    );
    fs::write(folder.join(HOOK), MENDED).unwrap();
    let server = Server::start(folder, &["--production", "--no-watch"]);
    server.idle().await;
    assert_eq!(replies(folder), [("ann".to_owned(), "mended".to_owned())]);
    assert_eq!(poisoned(folder, &[]), (true, "No event was set aside.\n".into()));
    server.kill();
}
