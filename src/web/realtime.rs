//! `/socket.io`: what happens is told to visitors and administrators as it happens, over websockets or long polls.
//!
//! Clients of Socket.IO 1 to 4 are served. See [`handler`] for what is ours of it and what is `engineioxide`'s.

mod addresses;
mod client_events;
mod connection;
mod delivery;
pub(super) mod exchange;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod handler;
mod packet;
mod rooms;
mod schedule;
mod websocket_request;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use engineioxide::DisconnectReason;
use engineioxide::config::EngineIoConfig;
use engineioxide::service::EngineIoService;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Settings;
use crate::dispatch::Dispatcher;
use crate::services::{Audience, Pages, Services};
use crate::store::{Store, StoreError};

use addresses::Addresses;
use handler::Handler;

/// As recorded.
const PING_INTERVAL: Duration = Duration::from_secs(25);
/// As recorded.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that are read of a websocket at once. Clients say little.
const READ_BUFFER: usize = 1 << 10;

/// The realtime server. Cheap to clone.
#[derive(Clone)]
pub struct Realtime(Arc<Shared>);

struct Shared {
    handler: Arc<Handler>,
    engine: EngineIoService<Handler>,
    /// Connections at once.
    sockets: usize,
    /// Connections of each address.
    addresses: Addresses,
    /// `httpServer.trustedProxies`.
    proxies: usize,
    /// It was said that a proxy seems to be there.
    proxy_said: AtomicBool,
    /// How long a client may take to send a packet by POST.
    body_timeout: Duration,
    stopping: watch::Sender<bool>,
}

impl std::fmt::Debug for Realtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Realtime").field(&self.0.handler).finish()
    }
}

impl Realtime {
    /// Begins to listen to the dispatcher. Must be called before events run: what an earlier run of the server left to be
    /// delivered is read here, and nothing may be told twice.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn start(
        dispatcher: &Dispatcher,
        store: &Store,
        services: &Services,
        settings: &Settings,
        clock: &Clock,
    ) -> Result<Self, StoreError> {
        let limits = settings.realtime.clone();
        let config = EngineIoConfig::builder()
            .req_path("/socket.io")
            .ping_interval(PING_INTERVAL)
            .ping_timeout(PING_TIMEOUT)
            .max_buffer_size(connection::IN_TRANSPORT)
            .max_payload(limits.max_packet as u64)
            .ws_read_buffer_size(READ_BUFFER)
            .ws_max_message_size(limits.max_packet)
            .ws_max_frame_size(limits.max_packet)
            .build();
        let (most, waiting, places) = (limits.ahead, limits.waiting, settings.http.connections);
        let sockets = limits.sockets.min(places - places / 5).max(1);
        let addresses = Addresses::new(limits.sockets_per_address);
        let handler = Arc::new(Handler::new(services.clone(), limits, clock.clone()));
        services.serve_pages(pages(&handler));
        let ahead = store.ahead(clock.now(), most)?;
        let listening = Arc::downgrade(&handler);
        let notices = dispatcher
            .subscribe(waiting, move |key| listening.upgrade().is_some_and(|handler| delivery::hears(&handler, key)));
        tokio::spawn(delivery::run(notices, ahead, most, Arc::clone(&handler), clock.clone()));
        Ok(Self(Arc::new(Shared {
            engine: EngineIoService::with_config(Arc::clone(&handler), config),
            handler,
            sockets,
            addresses,
            proxies: settings.http.trusted_proxies,
            proxy_said: AtomicBool::new(false),
            body_timeout: Duration::from_millis(settings.http.body_timeout),
            stopping: watch::channel(false).0,
        })))
    }

    /// How many connections and how many visitors there are.
    pub fn count(&self) -> (usize, usize) {
        (self.0.handler.connections(), self.0.handler.rooms.visitors())
    }

    /// How many connections were dropped because too much waited for all of them.
    pub(super) fn dropped(&self) -> u64 {
        self.0.handler.rooms.dropped()
    }

    /// Answers those who poll, so that they hold nothing up, takes nobody new, and closes the connections of visitors.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
        for connection in self.0.handler.rooms.guests() {
            connection.close(DisconnectReason::ClosingServer);
        }
    }
}

/// The way by which scripts reach those who are connected. It must not keep the services alive, which keep it.
fn pages(handler: &Arc<Handler>) -> Pages {
    let (telling, finding) = (Arc::downgrade(handler), Arc::downgrade(handler));
    Pages {
        tell: Box::new(move |audience, name, data| {
            let Some(handler) = telling.upgrade() else { return };
            match audience {
                Audience::Visitor(visitor) => handler.rooms.send(visitor, client_events::data(visitor, name, data)),
                Audience::Admins(bot) => handler.rooms.send_admins(bot, client_events::admin(name, data)),
            }
        }),
        visitor_of: Box::new(move |socket| finding.upgrade()?.rooms.visitor_of(socket)),
    }
}
