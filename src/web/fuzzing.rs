//! For `crate::fuzzing`: what this server reads of HTTP by hand. The first line of an input says what the rest is.

mod bodies;
mod headers;
mod heads;
mod runtime;

pub use bodies::{http_body, multipart};
pub use headers::headers;
pub use heads::http_head;

pub use super::realtime::fuzzing::packets;
