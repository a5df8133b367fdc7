//! For `crate::fuzzing`: packets of Socket.IO, what clients are told, and requests for websockets.

use axum::http::header::SEC_WEBSOCKET_KEY;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::client_events::{self, GUEST};
use super::packet::{self, Packet, Refusal};
use super::websocket_request;
use crate::model::UserId;
use crate::web::json_members;

/// The first line is a packet; the rest is the data of an event that a script sends, which has the name of that line.
pub fn packets(line: &str, data: &[u8]) {
    if let Some(packet) = packet::parse(line) {
        read(line, &packet);
    }
    told(line, &String::from_utf8_lossy(data));
}

/// Each byte of a packet stands in one of its parts, or parts two of them; what is answered names the same namespace.
fn read(text: &str, packet: &Packet<'_>) {
    let Packet { namespace, query, number, data, .. } = packet;
    assert!(namespace.starts_with('/') && !namespace.contains([',', '?']), "{packet:?}");
    assert!(!query.contains(','), "{packet:?}");
    assert!(text.ends_with(data) && !data.starts_with(|c: char| c.is_ascii_digit()), "{packet:?}");
    assert!(namespace.len() + query.len() + data.len() <= text.len() + 1, "{packet:?}");
    assert!(number.is_none_or(|number| text.contains(&number.to_string())), "{packet:?}");
    for id in [None, Some("x")] {
        let greeting = packet::connected(namespace, id);
        let again = packet::parse(&greeting).map(|packet| packet.namespace.to_owned());
        assert_eq!(again.as_deref(), Some(*namespace), "{greeting:?}");
    }
    for (code, newer) in [(None, false), (None, true), (Some("c"), false), (Some("c"), true)] {
        let refused = packet::refused(namespace, &Refusal { message: text.to_owned(), code }, newer);
        let again = packet::parse(&refused).map(|packet| (packet.namespace, is_json(packet.data)));
        assert_eq!(again, Some((*namespace, true)), "{refused:?}");
    }
}

/// An event of a script: JSON, and in the room that it goes to, whatever the script says.
fn told(name: &str, data: &str) {
    #[derive(Deserialize)]
    struct Event<'e>(String, #[serde(borrow)] Told<'e>);
    #[derive(Deserialize)]
    struct Told<'e> {
        name: String,
        #[serde(borrow)]
        data: &'e RawValue,
    }
    let (Ok(visitor), Ok(payload)) = (UserId::parse("ann"), RawValue::from_string(data.to_owned())) else { return };
    let sent = client_events::data(&visitor, name, &payload);
    assert!(sent.len() <= 2 * data.len() + 7 * name.len() + 100, "{} bytes of {}", sent.len(), data.len());
    let packet = packet::parse(&sent).expect("a packet");
    assert_eq!(packet.namespace, GUEST);
    let event: Event<'_> = serde_json::from_str(packet.data).unwrap_or_else(|error| panic!("{error}: {sent}"));
    assert_eq!((event.0.as_str(), event.1.name.as_str()), ("event", name));
    if payload.get().starts_with('{') {
        let mut rooms = Vec::new();
        let members = json_members::each(event.1.data, |name, _, value| {
            if name == "__room" {
                rooms.push(value.get());
            }
        });
        assert!(members.is_ok());
        assert_eq!(rooms, ["\"visitor:ann\""], "{sent}");
    }
    drop(client_events::admin(name, &payload));
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Whoever is let through has said so as RFC 6455 has it: with one key.
pub(in crate::web) fn websocket(parts: &Parts) {
    if websocket_request::refusal(parts).is_none() {
        assert_eq!(parts.headers.get_all(SEC_WEBSOCKET_KEY).iter().count(), 1);
    }
}
