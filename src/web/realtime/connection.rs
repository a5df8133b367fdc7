//! A connection: what is known of it, and what waits for its client beyond the few packets that its transport holds.
//!
//! A bot may say a hundred things at once, faster than any transport takes them, and a client that polls is not there
//! between two polls. Neither is a reason to drop it; a client for which more and more waits is.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use engineioxide::{Socket, Str};
use parking_lot::Mutex;

use crate::model::UserId;

/// A connection.
pub(super) type Connection = Arc<Socket<ConnectionState>>;

/// What is known of a connection.
#[derive(Default)]
pub(super) struct ConnectionState {
    pub(super) membership: Mutex<Membership>,
    unsent: Mutex<Unsent>,
}

/// The namespaces that a connection is in, and what it has sent.
#[derive(Default)]
pub(super) struct Membership {
    /// In `/guest`; the visitor, where it says which.
    pub(super) guest: Option<Option<UserId>>,
    pub(super) admin: bool,
    /// In the default namespace, by a packet of a newer client.
    pub(super) root: bool,
    /// It has ended: it enters nothing any more.
    pub(super) gone: bool,
    /// Bytes that it has sent too many, as of `spent_at` (milliseconds since the epoch).
    pub(super) spent: u64,
    pub(super) spent_at: u64,
}

/// Packets that a transport holds.
pub(super) const IN_TRANSPORT: usize = 32;
/// The first pause before a transport is tried again; each one is twice as long.
const PAUSE: Duration = Duration::from_millis(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Packets that wait, in order.
#[derive(Default)]
struct Unsent {
    packets: VecDeque<Str>,
    bytes: usize,
}

/// Hands a packet to the transport, behind those that wait. False where more than `most` bytes would wait then.
pub(super) fn send(connection: &Connection, packet: &Str, most: usize) -> bool {
    let mut unsent = connection.data.unsent.lock();
    let first = unsent.packets.is_empty();
    if first && connection.emit(packet.clone()).is_ok() {
        return true;
    }
    // One alone may be of any size: it is there already.
    if connection.is_closed() || (!first && unsent.bytes + packet.len() > most) {
        return false;
    }
    unsent.bytes += packet.len();
    unsent.packets.push_back(packet.clone());
    drop(unsent);
    if first {
        tokio::spawn(empty(Arc::downgrade(connection)));
    }
    true
}

/// Hands over what waits as the transport takes it, until nothing is left or the connection ends.
async fn empty(connection: Weak<Socket<ConnectionState>>) {
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let Some(connection) = connection.upgrade() else { return };
        let mut unsent = connection.data.unsent.lock();
        let before = unsent.packets.len();
        while let Some(packet) = unsent.packets.front() {
            if connection.emit(packet.clone()).is_err() {
                break;
            }
            unsent.bytes -= unsent.packets.pop_front().map_or(0, |packet| packet.len());
        }
        if unsent.packets.is_empty() || connection.is_closed() {
            *unsent = Unsent::default();
            return;
        }
        pause = if unsent.packets.len() < before { PAUSE } else { (2 * pause).min(LONGEST_PAUSE) };
    }
}
