//! Packets of Socket.IO, in both dialects: protocol 4 (clients 1 and 2, over Engine.IO 3) and 5 (clients 3 and 4, over
//! Engine.IO 4). Only text: nobody here has use for binary events.

use serde_json::json;

/// The namespace that every connection is in.
pub(super) const ROOT: &str = "/";

/// What a client sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'p> {
    pub(super) kind: PacketKind,
    /// The namespace, `/` for the default one.
    pub(super) namespace: &'p str,
    /// What stands behind the `?` of the namespace: older clients put their query there, too.
    pub(super) query: &'p str,
    /// The number that an acknowledgement would name.
    pub(super) number: Option<u64>,
    /// JSON, or nothing.
    pub(super) data: &'p str,
}

/// What kind of packet it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PacketKind {
    Connect,
    Disconnect,
    Event,
    /// Acknowledgements and the like: nothing here waits for them.
    Other,
}

/// Reads a packet: `<kind>[/namespace[?query],][number][data]`. `None` is no packet, or one with binary parts.
pub(super) fn parse(text: &str) -> Option<Packet<'_>> {
    let kind = match text.as_bytes().first()? {
        b'0' => PacketKind::Connect,
        b'1' => PacketKind::Disconnect,
        b'2' => PacketKind::Event,
        b'3' | b'4' => PacketKind::Other,
        _ => return None,
    };
    let rest = &text[1..];
    let (place, rest) = match rest.strip_prefix('/') {
        Some(_) => rest.split_once(',').unwrap_or((rest, "")),
        None => (ROOT, rest),
    };
    let (namespace, query) = place.split_once('?').unwrap_or((place, ""));
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, data) = rest.split_at(digits);
    Some(Packet { kind, namespace, query, number: number.parse().ok(), data })
}

/// The namespace as it stands in a packet: the default one is not named.
fn place(namespace: &str) -> String {
    if namespace == ROOT { String::new() } else { format!("{namespace},") }
}

/// "You are in": newer clients are told an id, older ones nothing.
pub(super) fn connected(namespace: &str, id: Option<&str>) -> String {
    match id {
        Some(id) if namespace == ROOT => format!("0{{\"sid\":\"{id}\"}}"),
        Some(id) => format!("0{namespace},{{\"sid\":\"{id}\"}}"),
        None if namespace == ROOT => "0".to_owned(),
        None => format!("0{namespace},"),
    }
}

/// Why a client is not let into a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// For people.
    pub(super) message: String,
    /// For programs; `None` where the namespace does not exist.
    pub(super) code: Option<&'static str>,
}

/// "You are not in". `newer` is protocol 5, where the error is always an object and what is beside the message its `data`.
pub(super) fn refused(namespace: &str, refusal: &Refusal, newer: bool) -> String {
    let Refusal { message, code } = refusal;
    let body = match (code, newer) {
        (None, false) => json!(message),
        (None, true) => json!({ "message": message }),
        (Some(code), false) => json!({ "message": message, "code": code, "type": "UnauthorizedError" }),
        (Some(code), true) => {
            json!({ "message": message, "data": { "code": code, "type": "UnauthorizedError" } })
        }
    };
    format!("4{}{body}", place(namespace))
}

/// The event `event` with that JSON, to a namespace.
pub(super) fn event(namespace: &str, name: &str, data: &str) -> String {
    format!("2{}[\"event\",{{\"name\":{},\"data\":{data}}}]", place(namespace), json!(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_as_clients_of_both_protocols_write_them() {
        let read = |text| parse(text).map(|packet| (packet.kind, packet.namespace, packet.query, packet.data));
        let old = (PacketKind::Connect, "/guest", "visitorId=a%2Cb", "");
        assert_eq!(read("0/guest?visitorId=a%2Cb,"), Some(old));
        assert_eq!(read("0/guest?visitorId=a%2Cb"), Some(old));
        assert_eq!(
            read("0/guest,{\"visitorId\":\"a,b\"}"),
            Some((PacketKind::Connect, "/guest", "", "{\"visitorId\":\"a,b\"}"))
        );
        assert_eq!(read("0"), Some((PacketKind::Connect, "/", "", "")));
        assert_eq!(read("1/guest,"), Some((PacketKind::Disconnect, "/guest", "", "")));
        assert_eq!(read("2[\"event\",{}]"), Some((PacketKind::Event, "/", "", "[\"event\",{}]")));
        assert_eq!(parse("2/guest,17[\"event\"]").unwrap().number, Some(17));
        assert_eq!(read("20/guest,[1]"), Some((PacketKind::Event, "/", "", "/guest,[1]")));
        for none in ["", "é", "5", "51-[]", "61-/é,1[]", "9"] {
            assert_eq!(read(none), None, "{none}");
        }
        for odd in ["2/é,[\"é\"]", "2/é", "0?é", "299999999999999999999999[]"] {
            assert!(read(odd).is_some(), "{odd}");
        }
    }

    #[test]
    fn what_is_said_has_the_form_that_each_protocol_knows() {
        assert_eq!(connected("/guest", None), "0/guest,");
        assert_eq!(connected(ROOT, None), "0");
        assert_eq!(connected("/guest", Some("x")), "0/guest,{\"sid\":\"x\"}");
        assert_eq!(connected(ROOT, Some("x")), "0{\"sid\":\"x\"}");
        let unknown = Refusal { message: "Invalid namespace".into(), code: None };
        assert_eq!(refused("/nope", &unknown, false), "4/nope,\"Invalid namespace\"");
        assert_eq!(refused("/nope", &unknown, true), "4/nope,{\"message\":\"Invalid namespace\"}");
        let token = Refusal { message: "no".into(), code: Some("c") };
        let older = "4/admin,{\"message\":\"no\",\"code\":\"c\",\"type\":\"UnauthorizedError\"}";
        assert_eq!(refused("/admin", &token, false), older);
        let newer = "4/admin,{\"message\":\"no\",\"data\":{\"code\":\"c\",\"type\":\"UnauthorizedError\"}}";
        assert_eq!(refused("/admin", &token, true), newer);
        assert_eq!(event("/guest", "a\"b", "{}"), "2/guest,[\"event\",{\"name\":\"a\\\"b\",\"data\":{}}]");
    }
}
