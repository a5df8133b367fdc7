//! Where connections arrive: who gets into which namespace, and what becomes of what clients send.
//!
//! The Engine.IO half (transports, heartbeats, the change from polling to websocket) is `engineioxide`. Its own Socket.IO
//! half, socketioxide, takes `/guest?visitorId=…`, as clients 2.x name a namespace with a query, for another namespace
//! than `/guest` and hides the query, so that no stock client gets in; these packets are read here.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use bytes::Bytes;
use engineioxide::handler::EngineIoHandler;
use engineioxide::{DisconnectReason, ProtocolVersion, Str, TransportType};
use serde::Deserialize;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::config::RealtimeSettings;
use crate::model::UserId;
use crate::services::{Services, VisitorError};

use super::client_events::{ADMIN, GUEST};
use super::connection::{Connection, ConnectionState};
use super::packet::{self, Packet, PacketKind, ROOT, Refusal};
use super::rooms::Rooms;

/// What a packet costs beside its bytes.
const EACH: u64 = 100;

/// Lets connections into namespaces.
pub(super) struct Handler {
    pub(super) rooms: Rooms,
    services: Services,
    limits: RealtimeSettings,
    clock: Clock,
    connections: AtomicUsize,
}

/// A query as it stands in an address, or what newer clients send instead.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Credentials<'c> {
    #[serde(rename = "visitorId", borrow)]
    visitor: Option<Cow<'c, str>>,
    #[serde(rename = "visitorSecret", borrow)]
    secret: Option<Cow<'c, str>>,
    #[serde(borrow)]
    token: Option<Cow<'c, str>>,
}

impl<'c> Credentials<'c> {
    fn of_query(query: &'c str) -> Self {
        let mut found = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "visitorId" => &mut found.visitor,
                "visitorSecret" => &mut found.secret,
                "token" => &mut found.token,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        found
    }

    /// What stands nearest counts: the namespace's query, then what came with the packet, then the connection's query.
    fn over(self, other: Self) -> Self {
        Self {
            visitor: self.visitor.or(other.visitor),
            secret: self.secret.or(other.secret),
            token: self.token.or(other.token),
        }
    }
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handler").field("connections", &self.connections()).finish_non_exhaustive()
    }
}

impl Handler {
    pub(super) fn new(services: Services, limits: RealtimeSettings, clock: Clock) -> Self {
        let rooms = Rooms::new(&limits, clock.clone());
        Self { rooms, services, limits, clock, connections: AtomicUsize::new(0) }
    }

    /// How many connections there are.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Whether the connection may go on after so many bytes more.
    fn may_send(&self, connection: &Connection, bytes: usize) -> bool {
        let now = self.clock.now();
        let mut membership = connection.data.membership.lock();
        let earned = now.saturating_sub(membership.spent_at).saturating_mul(self.limits.rate) / 1_000;
        membership.spent = membership.spent.saturating_sub(earned).saturating_add(bytes as u64 + EACH);
        membership.spent_at = now;
        membership.spent <= self.limits.burst
    }

    fn received(&self, connection: &Connection, text: &str) {
        if !self.may_send(connection, text.len()) {
            tracing::debug!("a client that sends too much is dropped (`realtime.rate`, `realtime.burst`)");
            connection.close(DisconnectReason::PacketParsingError);
            return;
        }
        // What cannot be read is passed over, as the original does.
        let Some(packet) = packet::parse(text) else { return };
        match packet.kind {
            PacketKind::Connect => self.connect(connection, &packet),
            PacketKind::Disconnect => self.leave(connection, packet.namespace),
            // Nothing listens to events of clients, so there is nobody whom a forged one could reach: not other visitors, not
            // administrators, not scripts. They are paid for and forgotten.
            PacketKind::Event | PacketKind::Other => {}
        }
    }

    fn connect(&self, connection: &Connection, packet: &Packet<'_>) {
        let of_packet = Credentials::of_query(packet.query);
        let auth: Credentials<'_> = serde_json::from_str(packet.data).unwrap_or_default();
        let of_connection = Credentials::of_query(connection.req_parts.uri.query().unwrap_or_default());
        let given = of_packet.over(auth).over(of_connection);
        let entered = match packet.namespace {
            ROOT => self.enter_root(connection),
            GUEST => self.enter_guest(connection, &given),
            ADMIN => self.enter_admin(connection, &given),
            _ => Err(Refusal { message: "Invalid namespace".into(), code: None }),
        };
        if let Err(refusal) = entered {
            let newer = connection.protocol == ProtocolVersion::V4;
            // A client that takes no answer is dropped by its heartbeat.
            let _ = connection.emit(packet::refused(packet.namespace, &refusal, newer));
        }
    }

    fn enter_root(&self, connection: &Connection) -> Result<(), Refusal> {
        let mut membership = connection.data.membership.lock();
        if !std::mem::replace(&mut membership.root, true) {
            greet(connection, ROOT);
        }
        Ok(())
    }

    fn enter_guest(&self, connection: &Connection, given: &Credentials<'_>) -> Result<(), Refusal> {
        let visitor = match given.visitor.as_deref().filter(|id| !id.is_empty()) {
            None => None,
            Some(id) => {
                let id =
                    UserId::parse(id).map_err(|error| refusal("invalid_visitor", format!("visitorId: {error}")))?;
                self.services.visitors().check(&id, given.secret.as_deref()).map_err(no_visitor)?;
                Some(id)
            }
        };
        // Held until it has entered: who leaves meanwhile leaves the room, too.
        let mut membership = connection.data.membership.lock();
        if membership.gone || membership.guest.is_some() {
            return Ok(());
        }
        match &visitor {
            None => greet(connection, GUEST),
            Some(id) => {
                let most = self.limits.per_visitor;
                if !self.rooms.enter(id.clone(), connection, most, || greet(connection, GUEST)) {
                    let message = format!("a visitor may have {most} connections at once (`realtime.perVisitor`)");
                    return Err(refusal("too_many_connections", message));
                }
            }
        }
        membership.guest = Some(visitor);
        Ok(())
    }

    fn enter_admin(&self, connection: &Connection, given: &Credentials<'_>) -> Result<(), Refusal> {
        let header = connection.req_parts.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
        let token = given.token.as_deref().or(header).unwrap_or_default().trim();
        let token = match token.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => token,
        };
        if token.is_empty() {
            return Err(refusal("credentials_required", "No Authorization header was found".into()));
        }
        let claims = match self.services.tokens().check(token) {
            Ok(claims) => claims,
            Err(error) => return Err(refusal("invalid_token", format!("Invalid authentication token: {error}"))),
        };
        let mut membership = connection.data.membership.lock();
        if !membership.gone && !std::mem::replace(&mut membership.admin, true) {
            greet(connection, ADMIN);
            let end = self.close_at(connection, claims.until.saturating_mul(1_000));
            self.rooms.enter_admins(claims.bot, connection, end);
        }
        Ok(())
    }

    /// Ends a connection when its token does. A client comes back by itself, with a newer one or not at all.
    fn close_at(&self, connection: &Connection, until: u64) -> AbortHandle {
        let (clock, waiting) = (self.clock.clone(), Arc::downgrade(connection));
        let ending = tokio::spawn(async move {
            clock.sleep_until_wall(until).await;
            if let Some(connection) = waiting.upgrade() {
                connection.close(DisconnectReason::TransportClose);
            }
        });
        ending.abort_handle()
    }

    fn leave(&self, connection: &Connection, namespace: &str) {
        let mut membership = connection.data.membership.lock();
        match namespace {
            GUEST => {
                if let Some(Some(visitor)) = membership.guest.take() {
                    self.rooms.leave(&visitor, connection);
                }
            }
            ADMIN if std::mem::take(&mut membership.admin) => self.rooms.leave_admins(connection),
            ROOT => membership.root = false,
            _ => {}
        }
    }
}

impl EngineIoHandler for Handler {
    type Data = ConnectionState;

    fn on_connect(self: Arc<Self>, connection: Connection) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        // Older clients are in the default namespace at once. Those that poll are told so with the handshake itself
        // (`exchange`), as the original does.
        if connection.protocol == ProtocolVersion::V3 && connection.transport_type() == TransportType::Websocket {
            greet(&connection, ROOT);
        }
        let waiting = Arc::downgrade(&connection);
        drop(connection);
        let limit = Duration::from_millis(self.limits.join_timeout);
        tokio::spawn(async move {
            tokio::time::sleep(limit).await;
            let Some(connection) = waiting.upgrade() else { return };
            let idle = {
                let membership = connection.data.membership.lock();
                membership.guest.is_none() && !membership.admin
            };
            if idle {
                connection.close(DisconnectReason::TransportClose);
            }
        });
    }

    fn on_disconnect(&self, connection: Connection, _reason: DisconnectReason) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        connection.data.membership.lock().gone = true;
        self.leave(&connection, GUEST);
        self.leave(&connection, ADMIN);
    }

    fn on_message(self: &Arc<Self>, text: Str, connection: Connection) {
        self.received(&connection, &text);
    }

    fn on_binary(self: &Arc<Self>, _data: Bytes, connection: Connection) {
        // No packet of ours has binary parts.
        connection.close(DisconnectReason::PacketParsingError);
    }
}

/// "You are in."
fn greet(connection: &Connection, namespace: &str) {
    let newer = connection.protocol == ProtocolVersion::V4;
    let id = newer.then(|| connection.id.to_string());
    // A new connection has room for it; one that has none is dropped at the next event.
    let _ = connection.emit(packet::connected(namespace, id.as_deref()));
}

fn refusal(code: &'static str, message: String) -> Refusal {
    Refusal { message, code: Some(code) }
}

fn no_visitor(error: VisitorError) -> Refusal {
    let hint = "send it as `visitorSecret` beside `visitorId`, or set `visitorSecret: \"off\"` in config/channel-web.json \
                for old clients";
    refusal(error.code(), format!("{error}: {hint}"))
}
