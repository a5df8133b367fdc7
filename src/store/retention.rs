//! Attributes of users that are forgotten some time after they were written (`dataRetention`).
//!
//! What is kept is when an attribute was written, not when it goes: a policy that changes counts for what is there already.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::handle::Store;
use super::rules::Rules;
use super::tx::Tx;
use super::users;

/// As many users are looked for at once, and written in one transaction.
const BATCH: u16 = 200;

const OLD: &str = "SELECT user FROM retention WHERE attribute = ? AND written_on <= ? ORDER BY written_on LIMIT ?";

impl Store {
    /// Removes what policies say is to be forgotten, at once and then each `every` of the clock, for as long as this is
    /// polled. Without policies there is nothing to do.
    pub async fn keep_forgetting_attributes(&self, every: Duration) {
        if !self.0.rules.retention.is_empty() {
            self.each(every, "attributes that are to be forgotten", Self::forget_attributes).await;
        }
    }

    /// Removes the attributes of users whose time is over. It blocks until that is done.
    pub fn forget_attributes(&self) -> Result<(), StoreError> {
        for (attribute, keep) in &self.0.rules.retention {
            loop {
                let until = self.now().saturating_sub(*keep);
                let users: Vec<i64> = self.read(|connection| {
                    let mut statement = connection.prepare_cached(OLD)?;
                    let rows = statement.query_map(params![attribute, until, BATCH], |row| row.get(0))?;
                    rows.collect::<Result<_, _>>().map_err(StoreError::from)
                })?;
                let last = users.len() < usize::from(BATCH);
                if !users.is_empty() {
                    self.forget_attribute(attribute.clone(), users, until)?;
                }
                if last {
                    break;
                }
            }
        }
        Ok(())
    }

    fn forget_attribute(&self, attribute: String, users: Vec<i64>, until: u64) -> Result<(), StoreError> {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let op = move |tx: &Tx<'_>| {
            for user in users {
                let sql = "DELETE FROM retention WHERE attribute = ? AND user = ? AND written_on <= ?";
                // It may have been written since.
                if tx.run(sql, params![attribute, user, until])? == 1 {
                    users::forget(tx, user, &attribute)?;
                }
            }
            Ok(())
        };
        self.write_then(op, move |outcome| {
            let _ = sender.send(outcome);
        });
        receiver.recv().unwrap_or(Err(StoreError::Closed))
    }
}

/// Notes which policies there are. For a new one the users who have the attribute are found: it was written when the user
/// was, or before. Of one that is gone nothing is kept.
pub(super) fn prepare(connection: &Connection, rules: &Rules) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let outcome = note_policies(connection, rules);
    connection.execute_batch(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    outcome
}

fn note_policies(connection: &Connection, rules: &Rules) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT attribute FROM retention_policies")?;
    let known: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for gone in known.iter().filter(|attribute| !rules.retention.contains_key(*attribute)) {
        connection.execute("DELETE FROM retention WHERE attribute = ?", [gone])?;
        connection.execute("DELETE FROM retention_policies WHERE attribute = ?", [gone])?;
    }
    for new in rules.retention.keys().filter(|attribute| !known.contains(attribute)) {
        connection.execute("INSERT INTO retention_policies (attribute) VALUES (?)", [new])?;
        let sql = "INSERT OR IGNORE INTO retention (attribute, user, written_on) SELECT ?1, id, updated_at FROM users \
                   WHERE EXISTS (SELECT 1 FROM json_each(users.attributes) WHERE key = ?1)";
        connection.execute(sql, [new])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Attributes, ConversationTarget};
    use super::*;
    use crate::clock::Clock;

    const DAY: Duration = Duration::from_secs(86_400);

    fn rules(policies: &[(&str, u64)]) -> Rules {
        let days = |days: u64| days * 86_400_000;
        let retention = policies.iter().map(|(name, keep)| ((*name).to_owned(), days(*keep))).collect();
        Rules { retention, ..Rules::default() }
    }

    fn some(json: &str) -> Attributes {
        serde_json::from_str(json).unwrap()
    }

    fn update(fixture: &Fixture, user: &str, json: &str) {
        wait(|then| fixture.store.update_attributes("web".into(), user.into(), some(json), then)).unwrap();
    }

    fn attributes(fixture: &Fixture, user: &str) -> String {
        fixture.store.attributes("web", user).unwrap().unwrap()
    }

    fn rows(fixture: &Fixture) -> u64 {
        let sql = "SELECT count(*) FROM retention";
        fixture.store.read(|connection| Ok(connection.query_row(sql, [], |row| row.get(0))?)).unwrap()
    }

    #[test]
    fn an_attribute_goes_when_its_time_is_over_and_the_others_stay() {
        let fixture = Fixture::with_rules(rules(&[("email", 60), ("mood", 1)]));
        update(&fixture, "ann", r#"{"email":"a@b.c","mood":"fine","lang":"en"}"#);
        fixture.clock.advance(DAY);
        fixture.store.forget_attributes().unwrap();
        assert_eq!(attributes(&fixture, "ann"), r#"{"email":"a@b.c","lang":"en"}"#);
        fixture.clock.advance(58 * DAY);
        fixture.store.forget_attributes().unwrap();
        assert_eq!(attributes(&fixture, "ann"), r#"{"email":"a@b.c","lang":"en"}"#);
        fixture.clock.advance(DAY);
        fixture.store.forget_attributes().unwrap();
        assert_eq!(attributes(&fixture, "ann"), r#"{"lang":"en"}"#);
        assert_eq!(rows(&fixture), 0);
    }

    #[test]
    fn whoever_writes_an_attribute_again_renews_its_time() {
        let fixture = Fixture::with_rules(rules(&[("mood", 2)]));
        for user in ["hook", "update", "set", "nobody"] {
            update(&fixture, user, r#"{"mood":"fine"}"#);
        }
        fixture.clock.advance(DAY);
        let event = fixture.accept("hook", ConversationTarget::Nowhere).event;
        let change = serde_json::from_str(r#"{"user":{"mood":"better"}}"#).unwrap();
        fixture.finish(&event, Some(change));
        update(&fixture, "update", r#"{"mood":"fine"}"#);
        wait(|then| fixture.store.set_attributes("web".into(), "set".into(), some(r#"{"mood":"fine"}"#), then))
            .unwrap();
        update(&fixture, "nobody", r#"{"lang":"en"}"#);
        fixture.clock.advance(DAY);
        fixture.store.forget_attributes().unwrap();
        assert_eq!(attributes(&fixture, "hook"), r#"{"mood":"better"}"#);
        assert_eq!(attributes(&fixture, "update"), r#"{"mood":"fine"}"#);
        assert_eq!(attributes(&fixture, "set"), r#"{"mood":"fine"}"#);
        assert_eq!(attributes(&fixture, "nobody"), r#"{"lang":"en"}"#);
        fixture.clock.advance(DAY);
        fixture.store.forget_attributes().unwrap();
        for user in ["hook", "update", "set"] {
            assert_eq!(attributes(&fixture, user), "{}");
        }
    }

    #[test]
    fn of_an_attribute_that_was_removed_nothing_is_kept_and_a_new_one_has_its_own_time() {
        let fixture = Fixture::with_rules(rules(&[("mood", 2)]));
        for user in ["hook", "set"] {
            update(&fixture, user, r#"{"mood":"fine"}"#);
        }
        fixture.clock.advance(DAY);
        let event = fixture.accept("hook", ConversationTarget::Nowhere).event;
        fixture.finish(&event, Some(serde_json::from_str(r#"{"user":{"mood":null}}"#).unwrap()));
        wait(|then| fixture.store.set_attributes("web".into(), "set".into(), some("{}"), then)).unwrap();
        assert_eq!(rows(&fixture), 0);
        update(&fixture, "hook", r#"{"mood":"new"}"#);
        fixture.clock.advance(DAY);
        fixture.store.forget_attributes().unwrap();
        assert_eq!(attributes(&fixture, "hook"), r#"{"mood":"new"}"#);
    }

    #[test]
    fn a_policy_that_is_gone_forgets_nothing_and_one_that_comes_counts_for_what_is_there() {
        let fixture = Fixture::with_rules(rules(&[("mood", 2)]));
        update(&fixture, "ann", r#"{"mood":"fine","email":"a@b.c"}"#);
        let fixture = fixture.reopen_with_rules(rules(&[]));
        fixture.clock.advance(10 * DAY);
        fixture.store.forget_attributes().unwrap();
        assert_eq!((attributes(&fixture, "ann").as_str(), rows(&fixture)), (r#"{"mood":"fine","email":"a@b.c"}"#, 0));
        let fixture = fixture.reopen_with_rules(rules(&[("email", 10), ("mood", 20)]));
        fixture.store.forget_attributes().unwrap();
        assert_eq!(attributes(&fixture, "ann"), r#"{"mood":"fine"}"#);
        // A shorter policy counts for what was written under the longer one.
        let fixture = fixture.reopen_with_rules(rules(&[("mood", 1)]));
        fixture.clock.advance(DAY);
        fixture.store.forget_attributes().unwrap();
        assert_eq!(attributes(&fixture, "ann"), "{}");
    }

    #[test]
    fn a_policy_for_every_key_that_is_legal_json() {
        let fixture = Fixture::new();
        let name = "a.b \"c\" $[0] é";
        update(&fixture, "ann", &serde_json::json!({ name: 1, "a": { "b": 1 } }).to_string());
        let fixture = fixture.reopen_with_rules(rules(&[(name, 0)]));
        fixture.store.forget_attributes().unwrap();
        assert_eq!(attributes(&fixture, "ann"), r#"{"a":{"b":1}}"#);
    }

    #[test]
    fn more_users_than_one_batch_are_forgotten_in_one_go() {
        let fixture = Fixture::with_rules(rules(&[("mood", 1)]));
        for user in 0..BATCH + 1 {
            let user = format!("user-{user}");
            fixture.store.update_attributes("web".into(), user, some(r#"{"mood":1}"#), |outcome| outcome.unwrap());
        }
        wait(|then| fixture.store.barrier(move || then(())));
        fixture.clock.advance(DAY);
        fixture.store.forget_attributes().unwrap();
        assert_eq!(rows(&fixture), 0);
        assert_eq!(attributes(&fixture, &format!("user-{BATCH}")), "{}");
    }

    #[tokio::test]
    async fn it_happens_when_the_clock_says_so_without_anybody_asking() {
        let fixture = Fixture::with_rules(rules(&[("mood", 1)]));
        update(&fixture, "ann", r#"{"mood":1}"#);
        let hour = Duration::from_secs(3_600);
        let gone = async {
            for _ in 0..24 {
                assert_eq!(attributes(&fixture, "ann"), r#"{"mood":1}"#);
                fixture.clock.advance(hour);
            }
            while attributes(&fixture, "ann") != "{}" {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = fixture.store.keep_forgetting_attributes(hour) => {}
            () = gone => {}
        }
        assert_eq!(attributes(&fixture, "ann"), "{}");
    }

    #[test]
    fn what_is_to_be_forgotten_is_found_by_an_index() {
        let fixture = Fixture::with_clock(Clock::manual(NOW));
        fixture.plan(OLD, &["SEARCH retention USING COVERING INDEX retention_oldest (attribute=? AND written_on<?)"]);
    }
}
