//! For `crate::fuzzing`: what only this module reaches.

use super::credit::Credit;
use super::messages::parse;
use crate::protocol::Frame;

/// A frame of a process of scripts: its dispatch is named where it is no protocol, and what it borrows is given back.
pub fn message(frame: Frame) {
    let (credit, dispatch) = (Credit::new(1), frame.dispatch);
    match parse(frame, &credit) {
        Ok(message) => drop(message),
        Err(broken) => {
            assert_eq!(broken.dispatch.unwrap_or(0), dispatch);
            assert!(!broken.why.is_empty());
        }
    }
    assert!(credit.has_room(), "bytes are not given back");
}
