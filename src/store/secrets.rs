//! Secrets that are made once and stay.

use std::fmt::Write;

use rusqlite::{Connection, OptionalExtension};

use super::error::StoreError;
use super::handle::Store;
use super::tx::Tx;

const APP_SECRET: &str = "app";

impl Store {
    /// The secret for signatures and tokens: 64 hexadecimal digits, made when first asked for. It blocks for one commit
    /// then; ask at start, not in a request.
    pub fn app_secret(&self) -> Result<String, StoreError> {
        if let Some(secret) = self.read(stored)? {
            return Ok(secret);
        }
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let op = move |tx: &Tx<'_>| {
            let mut made = String::with_capacity(64);
            for byte in rand::random::<[u8; 32]>() {
                let _ = write!(made, "{byte:02x}");
            }
            tx.run("INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", [APP_SECRET, &made])?;
            // Another process may have been first.
            stored(tx.connection)?.ok_or(StoreError::Closed)
        };
        self.write_then(op, move |secret| {
            let _ = sender.send(secret);
        });
        receiver.recv().unwrap_or(Err(StoreError::Closed))
    }
}

/// The application's secret, if it was made.
pub(super) fn stored(connection: &Connection) -> Result<Option<String>, StoreError> {
    let sql = "SELECT value FROM secrets WHERE name = ?";
    Ok(connection.query_row(sql, [APP_SECRET], |row| row.get(0)).optional()?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Fixture;

    #[test]
    fn the_secret_is_made_once() {
        let fixture = Fixture::new();
        let secret = fixture.store.app_secret().unwrap();
        assert_eq!(secret.len(), 64);
        let fixture = fixture.reopen();
        assert_eq!(fixture.store.app_secret().unwrap(), secret);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(fixture.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
