//! Short links that scripts make: a name, where it leads, and whose it is.

use rusqlite::{OptionalExtension, params};

use super::error::StoreError;
use super::handle::Store;
use super::tx::Tx;
use crate::model::BotId;

/// A link that is to be made.
#[derive(Debug, Clone)]
pub struct ShortLink {
    /// Its name, in lower case.
    pub name: String,
    /// The address that it leads to.
    pub target: String,
    /// Whose it is: the bot's whose script makes it, or nobody's.
    pub owner: Option<BotId>,
    /// It is made anew at each start, and stays until then.
    pub lasting: bool,
}

impl Store {
    /// Where a short link leads, whose time is not over. It is read here and now.
    pub fn short_link(&self, name: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT target FROM short_links WHERE name = ? AND (expires_on IS NULL OR expires_on > ?)";
        let now = self.now();
        self.read(|connection| {
            Ok(connection.prepare_cached(sql)?.query_row(params![name, now], |row| row.get(0)).optional()?)
        })
    }

    /// Makes a link, or leads it elsewhere. [`StoreError::Invalid`] if it belongs to another bot, unless it has the bot's own
    /// name; or if the bot has as many as it may have. Who is no bot may take all names.
    pub fn put_short_link(&self, link: ShortLink, then: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let op = move |tx: &Tx<'_>| {
            let ShortLink { name, target, owner, lasting } = &link;
            let (bytes, most) = (target.len() as u64, tx.rules.limits.link_target);
            if bytes > most {
                return Err(StoreError::Invalid(format!(
                    "the address of short link {name:?} has {bytes} bytes, at most {most} are allowed \
                     (`shortLinks.maxTarget`)"
                )));
            }
            let before = owner_of(tx, name)?;
            belongs(name, before.as_deref(), owner.as_ref())?;
            let owner = owner.as_ref().map_or("", BotId::as_str);
            if before.as_deref() != Some(owner) {
                has_room(tx, owner)?;
            }
            let expires_on = (!lasting).then(|| tx.now.saturating_add(tx.rules.limits.link_lifetime));
            let sql = "INSERT OR REPLACE INTO short_links (name, owner, target, expires_on) VALUES (?, ?, ?, ?)";
            tx.run(sql, params![name, owner, target, expires_on]).map(drop)
        };
        self.write_then(op, then);
    }

    /// Removes a link, if there is one. [`StoreError::Invalid`] if it belongs to another bot.
    pub fn delete_short_link(
        &self,
        name: String,
        asker: Option<BotId>,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let op = move |tx: &Tx<'_>| {
            belongs(&name, owner_of(tx, &name)?.as_deref(), asker.as_ref())?;
            tx.run("DELETE FROM short_links WHERE name = ?", [&name]).map(drop)
        };
        self.write_then(op, then);
    }
}

/// The owner of a link whose time is not over.
fn owner_of(tx: &Tx<'_>, name: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT owner FROM short_links WHERE name = ? AND (expires_on IS NULL OR expires_on > ?)";
    Ok(tx.connection.prepare_cached(sql)?.query_row(params![name, tx.now], |row| row.get(0)).optional()?)
}

/// An error if a link is not the asker's to change.
fn belongs(name: &str, owner: Option<&str>, asker: Option<&BotId>) -> Result<(), StoreError> {
    let (Some(owner), Some(asker)) = (owner, asker) else { return Ok(()) };
    if owner == asker.as_str() || name == asker.as_str() {
        return Ok(());
    }
    let whose = if owner.is_empty() { "a script without a bot".to_owned() } else { format!("bot \"{owner}\"") };
    Err(StoreError::Invalid(format!("short link {name:?} belongs to {whose}; choose another name")))
}

/// An error if somebody has as many links as one may have.
fn has_room(tx: &Tx<'_>, owner: &str) -> Result<(), StoreError> {
    let most = tx.rules.limits.links_of_bot;
    // Of those whose time is over the janitor removes some now and then.
    let sql = "SELECT count(*) FROM short_links WHERE owner = ? AND (expires_on IS NULL OR expires_on > ?)";
    let links: u32 = tx.connection.prepare_cached(sql)?.query_row(params![owner, tx.now], |row| row.get(0))?;
    if links < most {
        return Ok(());
    }
    let whose = if owner.is_empty() { "scripts without a bot have".to_owned() } else { format!("bot \"{owner}\" has") };
    Err(StoreError::Invalid(format!(
        "{whose} {links} short links, at most {most} are allowed (`shortLinks.perBot`); delete some"
    )))
}

/// At the start: links that hooks make anew have their time from now on, until that is done.
pub(super) fn prepare(connection: &rusqlite::Connection, now: u64, lifetime: u64) -> Result<(), StoreError> {
    let sql = "UPDATE short_links SET expires_on = ? WHERE expires_on IS NULL";
    connection.execute(sql, [now.saturating_add(lifetime)])?;
    Ok(())
}

/// Removes links whose time was over at `then`.
pub(super) fn forget_expired(tx: &Tx<'_>, then: u64) -> Result<(), StoreError> {
    let sql = "DELETE FROM short_links WHERE name IN (SELECT name FROM short_links WHERE expires_on <= ? LIMIT 1000)";
    tx.run(sql, [then]).map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::rules::Rules;
    use super::super::testing::*;
    use super::*;
    use crate::config::StoreLimits;

    fn rules() -> Rules {
        let limits = StoreLimits { link_target: 20, links_of_bot: 2, link_lifetime: 1_000, ..StoreLimits::default() };
        Rules { limits, ..Rules::default() }
    }

    fn put(fixture: &Fixture, owner: &str, name: &str, target: &str, lasting: bool) -> Result<(), String> {
        let owner = BotId::parse(owner).ok();
        let link = ShortLink { name: name.into(), target: target.into(), owner, lasting };
        wait(|then| fixture.store.put_short_link(link, then)).map_err(|error| error.to_string())
    }

    fn delete(fixture: &Fixture, asker: &str, name: &str) -> Result<(), String> {
        let asker = BotId::parse(asker).ok();
        wait(|then| fixture.store.delete_short_link(name.into(), asker, then)).map_err(|error| error.to_string())
    }

    fn target(fixture: &Fixture, name: &str) -> Option<String> {
        fixture.store.short_link(name).unwrap()
    }

    fn rows(fixture: &Fixture) -> u64 {
        let sql = "SELECT count(*) FROM short_links";
        fixture.store.read(|connection| Ok(connection.query_row(sql, [], |row| row.get(0))?)).unwrap()
    }

    #[test]
    fn a_link_survives_a_restart_and_is_led_elsewhere_and_removed_by_its_bot() {
        let fixture = Fixture::new();
        put(&fixture, "a", "x", "http://h/1", false).unwrap();
        let fixture = fixture.reopen();
        assert_eq!(target(&fixture, "x").as_deref(), Some("http://h/1"));
        put(&fixture, "a", "x", "http://h/2", false).unwrap();
        assert_eq!(target(&fixture, "x").as_deref(), Some("http://h/2"));
        delete(&fixture, "a", "x").unwrap();
        delete(&fixture, "a", "x").unwrap();
        assert_eq!(target(&fixture, "x"), None);
    }

    #[test]
    fn what_belongs_to_another_bot_is_not_touched_and_the_server_s_own_scripts_may_do_all() {
        let fixture = Fixture::new();
        put(&fixture, "a", "x", "http://a", false).unwrap();
        let refused = Err("short link \"x\" belongs to bot \"a\"; choose another name".to_owned());
        assert_eq!(
            (put(&fixture, "b", "x", "http://b", false), delete(&fixture, "b", "x")),
            (refused.clone(), refused)
        );
        assert_eq!(target(&fixture, "x").as_deref(), Some("http://a"));
        // What has a bot's own name is that bot's, whoever was there before.
        put(&fixture, "a", "b", "http://a", false).unwrap();
        put(&fixture, "b", "b", "http://b", false).unwrap();
        assert!(delete(&fixture, "a", "b").is_err());
        put(&fixture, "", "x", "http://c", false).unwrap();
        let refused = Err("short link \"x\" belongs to a script without a bot; choose another name".to_owned());
        assert_eq!(put(&fixture, "a", "x", "http://a", false), refused);
        delete(&fixture, "", "b").unwrap();
    }

    #[test]
    fn an_address_has_as_many_bytes_as_configured_and_a_bot_as_many_links() {
        let fixture = Fixture::with_rules(rules());
        put(&fixture, "a", "x", &"x".repeat(20), false).unwrap();
        assert_eq!(
            put(&fixture, "a", "x", &"x".repeat(21), false).unwrap_err(),
            "the address of short link \"x\" has 21 bytes, at most 20 are allowed (`shortLinks.maxTarget`)"
        );
        put(&fixture, "a", "y", "1", false).unwrap();
        assert_eq!(
            put(&fixture, "a", "z", "1", false).unwrap_err(),
            "bot \"a\" has 2 short links, at most 2 are allowed (`shortLinks.perBot`); delete some"
        );
        put(&fixture, "a", "y", "2", false).unwrap();
        put(&fixture, "b", "z", "1", false).unwrap();
        delete(&fixture, "a", "y").unwrap();
        put(&fixture, "a", "y", "1", false).unwrap();
    }

    #[test]
    fn a_link_of_an_event_goes_when_its_time_is_over_and_makes_room() {
        let fixture = Fixture::with_rules(rules());
        for name in ["x", "y"] {
            put(&fixture, "a", name, "1", false).unwrap();
        }
        fixture.clock.advance(Duration::from_millis(999));
        assert!(target(&fixture, "x").is_some());
        fixture.clock.advance(Duration::from_millis(1));
        assert_eq!((target(&fixture, "x"), rows(&fixture)), (None, 2));
        put(&fixture, "a", "z", "1", false).unwrap();
        put(&fixture, "b", "x", "1", false).unwrap();
        fixture.store.forget_expired().unwrap();
        wait(|then| fixture.store.barrier(move || then(())));
        assert_eq!((target(&fixture, "x").as_deref(), rows(&fixture)), (Some("1"), 2));
    }

    #[test]
    fn a_link_of_a_hook_that_runs_at_each_start_stays_until_a_start_at_which_it_is_not_made() {
        let fixture = Fixture::with_rules(rules());
        put(&fixture, "a", "a", "1", true).unwrap();
        fixture.clock.advance(Duration::from_secs(9));
        assert!(target(&fixture, "a").is_some());
        let fixture = fixture.reopen_with_rules(rules());
        assert!(target(&fixture, "a").is_some(), "until hooks have run");
        put(&fixture, "a", "a", "1", true).unwrap();
        fixture.clock.advance(Duration::from_secs(9));
        assert!(target(&fixture, "a").is_some());
        let fixture = fixture.reopen_with_rules(rules());
        fixture.clock.advance(Duration::from_secs(9));
        assert_eq!(target(&fixture, "a"), None);
    }
}
