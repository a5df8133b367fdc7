//! A connection: what is known of it, and what waits for its client beyond the few packets that its transport holds.
//!
//! A bot may say a hundred things at once, faster than any transport takes them, and a client that polls is not there
//! between two polls. Neither is a reason to drop it; a client for which more and more waits is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use engineioxide::{Socket, Str};
use parking_lot::Mutex;

use crate::clock::Clock;
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
/// Of so many it is looked whether they wait still.
const LOOKED_AT: usize = IN_TRANSPORT - 2;
/// The first pause before a transport is tried again; each one is twice as long.
const PAUSE: Duration = Duration::from_millis(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Bytes of large packets that are handed to a transport, of which nobody says when it has sent them: more wait here.
const HANDED: usize = 64 << 10;

/// Packets that wait, in order.
#[derive(Default)]
struct Unsent {
    packets: VecDeque<Str>,
    /// Bytes of these.
    bytes: usize,
    /// Since when the first of them waits, in milliseconds since the epoch.
    since: u64,
    /// The sizes of the last packets that were handed to the transport.
    handed: VecDeque<usize>,
    /// Bytes that wait for all connections; once something waits for this one, it is among them.
    all: Option<Arc<AtomicUsize>>,
}

/// How much may wait.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    /// For one connection (`realtime.buffered`).
    pub(super) one: usize,
    /// What waits for all of them.
    pub(super) all: Arc<AtomicUsize>,
}

impl Unsent {
    fn push(&mut self, packet: &Str, all: &Arc<AtomicUsize>) {
        self.bytes += packet.len();
        self.packets.push_back(packet.clone());
        all.fetch_add(packet.len(), Ordering::Relaxed);
        self.all.get_or_insert_with(|| Arc::clone(all));
    }

    fn pop(&mut self) {
        let size = self.packets.pop_front().map_or(0, |packet| packet.len());
        self.given_back(size);
    }

    fn clear(&mut self) {
        self.given_back(self.bytes);
        self.packets = VecDeque::new();
    }

    fn given_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        if let Some(all) = &self.all {
            all.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Hands a packet to the transport, unless it has no room, or much of what it was given may wait in it still.
    fn hand(&mut self, connection: &Connection, packet: &Str) -> bool {
        if self.handed.iter().sum::<usize>() + packet.len() > HANDED {
            // Who holds the free places knows how many there are. Two are left to heartbeats. What is not free was handed over last.
            let places = std::iter::from_fn(|| connection.reserve().ok()).take(LOOKED_AT).collect::<Vec<_>>().len();
            let waiting = if places == LOOKED_AT { 0 } else { IN_TRANSPORT - places };
            while self.handed.len() > waiting {
                self.handed.pop_front();
            }
            if !self.handed.is_empty() && self.handed.iter().sum::<usize>() + packet.len() > HANDED {
                return false;
            }
        }
        let handed = connection.emit(packet.clone()).is_ok();
        if handed {
            if self.handed.len() == IN_TRANSPORT {
                self.handed.pop_front();
            }
            self.handed.push_back(packet.len());
        }
        handed
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Since when something waits for a connection, and how many bytes; nothing where nothing does.
pub(super) fn waits(connection: &Connection) -> Option<(u64, usize)> {
    let unsent = connection.data.unsent.lock();
    (unsent.bytes > 0).then_some((unsent.since, unsent.bytes))
}

/// Forgets what waits for a connection that is dropped.
pub(super) fn forget(connection: &Connection) {
    connection.data.unsent.lock().clear();
}

/// Hands a packet to the transport, behind those that wait. False where more than so many bytes would wait then.
pub(super) fn send(connection: &Connection, packet: &Str, waiting: &Waiting, clock: &Clock) -> bool {
    let mut unsent = connection.data.unsent.lock();
    let first = unsent.packets.is_empty();
    if first && unsent.hand(connection, packet) {
        return true;
    }
    // One alone may be of any size: it is there already.
    if connection.is_closed() || (!first && unsent.bytes + packet.len() > waiting.one) {
        return false;
    }
    unsent.push(packet, &waiting.all);
    if first {
        unsent.since = clock.now();
        tokio::spawn(empty(Arc::downgrade(connection), clock.clone()));
    }
    true
}

/// Hands over what waits as the transport takes it, until nothing is left or the connection ends.
async fn empty(connection: Weak<Socket<ConnectionState>>, clock: Clock) {
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let Some(connection) = connection.upgrade() else { return };
        let mut unsent = connection.data.unsent.lock();
        let before = unsent.packets.len();
        while let Some(packet) = unsent.packets.front().cloned() {
            if !unsent.hand(&connection, &packet) {
                break;
            }
            unsent.pop();
            unsent.since = clock.now();
        }
        if unsent.packets.is_empty() || connection.is_closed() {
            unsent.clear();
            return;
        }
        pause = if unsent.packets.len() < before { PAUSE } else { (2 * pause).min(LONGEST_PAUSE) };
    }
}
