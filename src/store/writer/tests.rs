//! Transactions in which something fails, and who is told.

use super::super::ConversationTarget;
use super::super::testing::*;
use super::*;
use crate::model::BotId;

/// Holds the writer up until the guard is dropped, so that what is submitted meanwhile is one transaction.
fn hold(fixture: &Fixture) -> Sender<()> {
    let (sender, receiver) = unbounded::<()>();
    let (entered, inside) = unbounded();
    fixture.store.write_then(
        move |_| {
            let _ = entered.send(());
            let _ = receiver.recv();
            Ok(())
        },
        drop,
    );
    inside.recv().unwrap();
    sender
}

fn put(tx: &Tx<'_>, name: &str) -> Result<(), StoreError> {
    tx.run("INSERT INTO secrets (name, value) VALUES (?, '')", [name]).map(drop)
}

fn stored(fixture: &Fixture) -> Vec<String> {
    let read = fixture.store.read(|connection| {
        let mut statement = connection.prepare("SELECT name FROM secrets ORDER BY name")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect::<Result<_, _>>().map_err(StoreError::from)
    });
    read.unwrap()
}

#[test]
fn a_failing_operation_is_undone_and_harms_no_neighbour() {
    let fixture = Fixture::new();
    let held = hold(&fixture);
    let (sender, receiver) = unbounded();
    for number in 0..9 {
        let sender = sender.clone();
        let op = move |tx: &Tx<'_>| {
            put(tx, &format!("name {number}"))?;
            match number % 3 {
                0 => Ok(()),
                1 => Err(StoreError::Invalid("no".into())),
                _ => panic!("oh dear"),
            }
        };
        fixture.store.write_then(op, move |outcome| sender.send((number, outcome.map_err(|e| e.to_string()))).unwrap());
    }
    drop((held, sender));
    let outcomes: Vec<_> = receiver.iter().collect();
    assert_eq!(outcomes.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
    assert_eq!(outcomes[0].1, Ok(()));
    assert_eq!(outcomes[1].1, Err("no".into()));
    assert_eq!(outcomes[2].1, Err("a store operation panicked: oh dear; please report this".into()));
    assert_eq!(stored(&fixture), ["name 0", "name 3", "name 6"]);
}

#[test]
fn a_failed_commit_fails_every_operation_of_the_batch_and_the_next_one_works() {
    let fixture = Fixture::new();
    let tables = "CREATE TABLE parents (id INTEGER PRIMARY KEY); \
                  CREATE TABLE children (p REFERENCES parents DEFERRABLE INITIALLY DEFERRED)";
    wait(|then| fixture.store.write_then(|tx| Ok(tx.connection.execute_batch(tables)?), then)).unwrap();
    let held = hold(&fixture);
    let (sender, receiver) = unbounded();
    for number in 0..3 {
        let sender = sender.clone();
        let op = move |tx: &Tx<'_>| match number {
            1 => tx.run("INSERT INTO children (p) VALUES (7)", []).map(drop),
            _ => put(tx, &format!("name {number}")),
        };
        fixture.store.write_then(op, move |outcome| sender.send(outcome).unwrap());
    }
    drop((held, sender));
    let outcomes: Vec<_> = receiver.iter().collect();
    assert_eq!(outcomes.len(), 3);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Commit(_)))), "{outcomes:?}");
    assert!(stored(&fixture).is_empty());
    wait(|then| fixture.store.write_then(|tx| put(tx, "later"), then)).unwrap();
    assert_eq!(stored(&fixture), ["later"]);
}

#[test]
fn when_a_transaction_is_lost_on_the_way_nothing_of_it_counts_as_stored() {
    let fixture = Fixture::new();
    let held = hold(&fixture);
    let (sender, receiver) = unbounded();
    for number in 0..3 {
        let sender = sender.clone();
        let op = move |tx: &Tx<'_>| match number {
            1 => Ok(tx.connection.execute_batch("ROLLBACK")?),
            _ => put(tx, &format!("name {number}")),
        };
        fixture.store.write_then(op, move |outcome| sender.send(outcome.is_ok()).unwrap());
    }
    drop((held, sender));
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(stored(&fixture), ["name 2"]);
}

#[test]
fn a_completion_that_panics_does_not_end_the_writer() {
    let fixture = Fixture::new();
    fixture.store.write_then(|_| Ok(()), |_: Result<(), StoreError>| panic!("in a completion"));
    assert!(fixture.accept("ann", ConversationTarget::Nowhere).event.id.0 > 0);
}

#[test]
fn what_was_submitted_is_committed_when_the_last_handle_goes_even_if_a_completion_holds_it() {
    let fixture = Fixture::new();
    let (sender, receiver) = unbounded();
    let store = fixture.store.clone();
    fixture.store.write_then(
        |tx| put(tx, "kept"),
        move |outcome| {
            sender.send(outcome.is_ok()).unwrap();
            drop(store);
        },
    );
    let fixture = fixture.reopen();
    assert!(receiver.recv().unwrap());
    assert_eq!(stored(&fixture), ["kept"]);
}

#[test]
fn a_calm_bots_operation_is_committed_in_the_second_transaction_and_a_barrier_after_all() {
    let fixture = Fixture::new();
    let held = hold(&fixture);
    let (sender, receiver) = unbounded();
    for (name, count) in [("hostile", 2_000), ("calm", 1)] {
        let store = fixture.store.of(BotId::parse(name).ok().as_ref());
        for _ in 0..count {
            let sender = sender.clone();
            store.write_then(|_| Ok(()), move |_: Result<(), StoreError>| sender.send(name).unwrap());
        }
    }
    fixture.store.barrier(move || sender.send("all").unwrap());
    drop(held);
    let order: Vec<_> = receiver.iter().collect();
    let at = |name| order.iter().position(|other| *other == name).unwrap();
    assert!(at("calm") < 512, "after {} of 2000", at("calm"));
    assert_eq!((order.len(), at("all")), (2_002, 2_001));
}
