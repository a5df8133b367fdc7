//! Who is connected: the sockets of each visitor, and those of administrators.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engineioxide::sid::Sid;
use engineioxide::{DisconnectReason, Str};
use parking_lot::RwLock;
use tokio::task::AbortHandle;

use super::connection::{self, Connection, Waiting};
use crate::clock::Clock;
use crate::config::RealtimeSettings;
use crate::model::{BotId, UserId};
use crate::telemetry::escape::one_line;
use crate::telemetry::seldom::Seldom;

/// The rooms. Nobody looks through all of them, and nothing but a greeting is sent while they are locked: the store's writer
/// asks for each commit whether somebody is there.
pub(super) struct Rooms {
    members: RwLock<Members>,
    waiting: Waiting,
    /// Bytes that may wait for all connections together (`realtime.allBuffered`).
    most_waiting: usize,
    dropped: AtomicU64,
    clock: Clock,
}

/// Connections that were dropped for others.
static DROPPED: Seldom = Seldom::new();

#[derive(Default)]
struct Members {
    /// By visitor, whichever bots they talk to.
    visitors: HashMap<UserId, Vec<Connection>>,
    /// The visitor of each of those connections.
    visitor_of: HashMap<Sid, UserId>,
    admins: Vec<Admin>,
}

struct Admin {
    connection: Connection,
    /// The only bot of which it hears; all where there is none.
    bot: Option<BotId>,
    /// What ends the connection together with its token. It waits for weeks: without the administrator it has no business.
    end: AbortHandle,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.end.abort();
    }
}

impl Rooms {
    pub(super) fn new(limits: &RealtimeSettings, clock: Clock) -> Self {
        let waiting = Waiting { one: limits.buffered, all: Arc::default() };
        let (members, dropped) = (RwLock::default(), AtomicU64::new(0));
        Self { members, waiting, most_waiting: limits.all_buffered, dropped, clock }
    }

    /// How many connections were dropped because too much waited for all of them.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Puts a connection into the room of a visitor, unless `most` are there. `greet` says so to it before anything else
    /// can be said in that room.
    pub(super) fn enter(&self, visitor: UserId, connection: &Connection, most: usize, greet: impl FnOnce()) -> bool {
        let mut members = self.members.write();
        // Most have one: the first place is all that is allocated.
        let room = members.visitors.entry(visitor.clone()).or_insert_with(|| Vec::with_capacity(1));
        let fits = room.len() < most;
        if fits {
            greet();
            room.push(Arc::clone(connection));
            members.visitor_of.insert(connection.id, visitor);
        }
        fits
    }

    /// Puts a connection among the administrators; what it hears of may be one bot only. `end` is given up when it leaves.
    pub(super) fn enter_admins(&self, bot: Option<BotId>, connection: &Connection, end: AbortHandle) {
        self.members.write().admins.push(Admin { connection: Arc::clone(connection), bot, end });
    }

    /// Takes a connection out of a visitor's room.
    pub(super) fn leave(&self, visitor: &UserId, connection: &Connection) {
        let mut members = self.members.write();
        members.visitor_of.remove(&connection.id);
        if let Some(room) = members.visitors.get_mut(visitor) {
            room.retain(|other| other.id != connection.id);
            if room.is_empty() {
                members.visitors.remove(visitor);
            }
        }
    }

    /// Closes a visitor's connections, so that his pages come back and read what they have missed: how many there were.
    /// They leave at once, so that nothing more is told to them.
    pub(super) fn restart(&self, visitor: &UserId) -> usize {
        let room = {
            let mut members = self.members.write();
            let room = members.visitors.remove(visitor).unwrap_or_default();
            for connection in &room {
                members.visitor_of.remove(&connection.id);
            }
            room
        };
        for connection in &room {
            connection.close(DisconnectReason::TransportError);
        }
        room.len()
    }

    /// Takes a connection out of the administrators' room.
    pub(super) fn leave_admins(&self, connection: &Connection) {
        self.members.write().admins.retain(|admin| admin.connection.id != connection.id);
    }

    /// Whether anybody is in a visitor's room.
    pub(super) fn has(&self, visitor: &UserId) -> bool {
        self.members.read().visitors.contains_key(visitor)
    }

    /// Sends a packet to a visitor.
    pub(super) fn send(&self, visitor: &UserId, packet: String) {
        let room: Vec<Connection> = self.members.read().visitors.get(visitor).cloned().unwrap_or_default();
        for stuck in self.deliver(room, packet) {
            self.leave(visitor, &stuck);
        }
    }

    /// Sends a packet to the administrators of a bot.
    pub(super) fn send_admins(&self, bot: Option<&BotId>, packet: String) {
        let hears = |admin: &&Admin| admin.bot.is_none() || admin.bot.as_ref() == bot;
        let room = self.members.read().admins.iter().filter(hears).map(|admin| Arc::clone(&admin.connection)).collect();
        for stuck in self.deliver(room, packet) {
            self.leave_admins(&stuck);
        }
    }

    /// Sends to each and gives those for which too much waits already (`realtime.buffered`): they do not read. They are
    /// closed, and must leave their room at once: the end of a connection that takes nothing is noticed late. A client that
    /// comes back finds what it missed in its conversation. Never under the lock, since closing leads back into the rooms.
    fn deliver(&self, room: Vec<Connection>, packet: String) -> Vec<Connection> {
        // One text for all of them.
        let packet = Str::from(packet);
        let stuck = |connection: &Connection| !connection::send(connection, &packet, &self.waiting, &self.clock);
        let stuck: Vec<Connection> = room.into_iter().filter(stuck).collect();
        for connection in &stuck {
            connection.close(DisconnectReason::TransportError);
            connection::forget(connection);
        }
        while self.waiting.all.load(Ordering::Relaxed) > self.most_waiting && self.drop_slowest() {}
        stuck
    }

    /// Drops the connection that has taken nothing for longest, so that what waits for the others can wait. False where nothing waits.
    fn drop_slowest(&self) -> bool {
        let slowest = {
            let members = self.members.read();
            let admins = members.admins.iter().map(|admin| (None, &admin.connection));
            let guests = members.visitors.iter().flat_map(|(id, room)| room.iter().map(move |one| (Some(id), one)));
            let waiting = guests.chain(admins).filter_map(|(visitor, connection)| {
                let (since, bytes) = connection::waits(connection)?;
                Some((since, std::cmp::Reverse(bytes), visitor.cloned(), Arc::clone(connection)))
            });
            waiting.min_by_key(|(since, bytes, ..)| (*since, *bytes))
        };
        let Some((since, bytes, visitor, connection)) = slowest else { return false };
        match &visitor {
            Some(visitor) => self.leave(visitor, &connection),
            None => self.leave_admins(&connection),
        }
        connection.close(DisconnectReason::TransportError);
        connection::forget(&connection);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        if let Some(times) = DROPPED.happens(now) {
            let whose = visitor.map_or_else(|| "an administrator".to_owned(), |visitor| format!("visitor {visitor}"));
            tracing::warn!(
                "a connection of {} is dropped for which {} bytes have waited for {} ms, longest of all: more than {} wait for all connections \
                 (`realtime.allBuffered`; {times} were dropped; said once a minute)",
                one_line(&whose),
                bytes.0,
                now.saturating_sub(since),
                self.most_waiting
            );
        }
        true
    }

    /// The visitor of a socket, by its id, also as older clients write it: `/guest#<id>`.
    pub(super) fn visitor_of(&self, socket: &str) -> Option<UserId> {
        let id: Sid = socket.rsplit('#').next()?.parse().ok()?;
        self.members.read().visitor_of.get(&id).cloned()
    }

    /// How many visitors are here.
    pub(super) fn visitors(&self) -> usize {
        self.members.read().visitors.len()
    }

    /// Every connection of visitors.
    pub(super) fn guests(&self) -> Vec<Connection> {
        self.members.read().visitors.values().flatten().cloned().collect()
    }
}
