//! What waits for a client beyond the few packets that its transport holds.
//!
//! A bot may say a hundred things at once, faster than any transport takes them, and a client that polls is not there
//! between two polls. Neither is a reason to drop it; a client for which more and more waits is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use engineioxide::Str;

use super::rooms::Connection;

/// Packets that a transport holds.
pub(super) const IN_TRANSPORT: usize = 32;
/// The first pause before a transport is tried again; each one is twice as long.
const PAUSE: Duration = Duration::from_millis(2);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Packets that wait, in order.
#[derive(Default)]
pub(super) struct Outbox {
    packets: VecDeque<Str>,
    bytes: usize,
}

/// Hands a packet to the transport, behind those that wait. False where more than `most` bytes would wait then.
pub(super) fn push(connection: &Connection, packet: &Str, most: usize) -> bool {
    let mut outbox = connection.data.outbox.lock();
    let first = outbox.packets.is_empty();
    if first && connection.emit(packet.clone()).is_ok() {
        return true;
    }
    // One alone may be of any size: it is there already.
    if connection.is_closed() || (!first && outbox.bytes + packet.len() > most) {
        return false;
    }
    outbox.bytes += packet.len();
    outbox.packets.push_back(packet.clone());
    drop(outbox);
    if first {
        tokio::spawn(empty(Arc::downgrade(connection)));
    }
    true
}

/// Hands over what waits as the transport takes it, until nothing is left or the connection ends.
async fn empty(connection: std::sync::Weak<engineioxide::Socket<super::desk::Peer>>) {
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        let Some(connection) = connection.upgrade() else { return };
        let mut outbox = connection.data.outbox.lock();
        let before = outbox.packets.len();
        while let Some(packet) = outbox.packets.front() {
            if connection.emit(packet.clone()).is_err() {
                break;
            }
            outbox.bytes -= outbox.packets.pop_front().map_or(0, |packet| packet.len());
        }
        if outbox.packets.is_empty() || connection.is_closed() {
            *outbox = Outbox::default();
            return;
        }
        pause = if outbox.packets.len() < before { PAUSE } else { (2 * pause).min(LONGEST_PAUSE) };
    }
}
