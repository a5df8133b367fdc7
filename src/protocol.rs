//! What server and workers say to each other: frames over a socket pair, and the JSON inside them.
//!
//! A frame is a fixed header and an opaque body. The threads that move frames never parse a body; what they need in
//! order to route one (dispatch number, bot, version) stands outside the JSON. Both ends are the same build of the same
//! binary, so there is no versioning beyond the build id in [`Hello`].

pub mod frame;
pub mod messages;
pub mod outbox;

pub use frame::{Frame, FrameError, FrameKind, FrameReader, HEADER_BYTES};
pub use messages::*;
pub use outbox::Outbox;
