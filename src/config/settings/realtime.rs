//! Limits of `/socket.io`, with their defaults.

/// `/socket.io`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealtimeSettings {
    /// `realtime.sockets`: connections at once; one more is refused with 503. At most four fifths of
    /// `httpServer.connections`, where they count, too.
    pub sockets: usize,
    /// `realtime.perVisitor`: connections of one visitor; one more is refused.
    pub per_visitor: usize,
    /// `realtime.socketsPerAddress`: connections of one address; one more is refused with 429. 0 is no limit.
    pub sockets_per_address: usize,
    /// `realtime.maxPacket`: bytes of one packet of a client, or of one request of a client that polls; it is dropped.
    pub max_packet: usize,
    /// `realtime.buffered`: bytes that wait for a client; one that does not read is dropped.
    pub buffered: usize,
    /// `realtime.allBuffered`: bytes that wait for all clients together; the one that has read nothing for longest is dropped.
    pub all_buffered: usize,
    /// `realtime.rate`: bytes a second that a client may send for ever; it is dropped.
    pub rate: u64,
    /// `realtime.burst`: bytes that it may send beyond that before it is dropped.
    pub burst: u64,
    /// `realtime.joinTimeout`: milliseconds after which a connection that is in no namespace is dropped.
    pub join_timeout: u64,
    /// `realtime.waiting`: bytes of messages, of all visitors who are connected, that wait to be told; a visitor for whom
    /// more would have to wait begins anew.
    pub waiting: usize,
    /// `realtime.ahead`: messages held back by typing, of all visitors, each counted once for every KB that it has; beyond
    /// that they are delivered early.
    pub ahead: usize,
}

impl Default for RealtimeSettings {
    fn default() -> Self {
        Self {
            sockets: 8_000,
            per_visitor: 20,
            sockets_per_address: 200,
            max_packet: 16 << 10,
            buffered: 1 << 20,
            all_buffered: 64 << 20,
            rate: 16 << 10,
            burst: 256 << 10,
            join_timeout: 45_000,
            waiting: 8 << 20,
            ahead: 100_000,
        }
    }
}
