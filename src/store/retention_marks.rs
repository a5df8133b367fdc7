//! When attributes of users were written that are to be forgotten some day.

use rusqlite::params;

use super::error::StoreError;
use super::memory::UserName;
use super::tx::Tx;

/// Notes that an attribute was written just now, if it is to be forgotten some day.
pub(super) fn written(tx: &Tx<'_>, user: &UserName, attribute: &str) -> Result<(), StoreError> {
    if !tx.rules.retention.contains_key(attribute) {
        return Ok(());
    }
    let sql = "INSERT INTO retention (attribute, user, written_on) \
               SELECT ?3, id, ?4 FROM users WHERE channel = ?1 AND user_id = ?2 \
               ON CONFLICT DO UPDATE SET written_on = excluded.written_on";
    tx.run(sql, params![user.channel, user.user, attribute, tx.now]).map(drop)
}

/// Notes that a user has such an attribute no more.
pub(super) fn removed(tx: &Tx<'_>, user: &UserName, attribute: &str) -> Result<(), StoreError> {
    if !tx.rules.retention.contains_key(attribute) {
        return Ok(());
    }
    let sql = "DELETE FROM retention WHERE attribute = ?3 \
               AND user = (SELECT id FROM users WHERE channel = ?1 AND user_id = ?2)";
    tx.run(sql, params![user.channel, user.user, attribute]).map(drop)
}
