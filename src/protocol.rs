//! What the server and the processes of scripts say to each other: frames over socket pairs, and the JSON inside them.
//!
//! A frame is a fixed header and an opaque body. Who moves frames never parses a body; what is needed in order to route one
//! stands outside the JSON. Both ends are the same build of the same binary, so there is no versioning beyond the build id
//! in [`Hello`].

pub mod board;
pub mod candidate;
pub mod control;
pub mod frame;
pub mod messages;
pub mod outbox;

pub use board::{Board, Glimpse, PLACES, is_before};
pub use candidate::{Candidate, read_blobs, write_blobs};
pub use frame::{Frame, FrameError, FrameKind, FrameReader, HEADER_BYTES};
pub use messages::*;
pub use outbox::Outbox;
