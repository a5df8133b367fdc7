//! Headers that are read by hand: who is asked for, by whom, how an answer is packed, and whether it is for a websocket.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, HOST, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, Uri};
use url::Host;

use crate::config::HttpSettings;
use crate::web::cached::{ASK, Packing, cached, packing};
use crate::web::client_address::{self, PeerAddress};
use crate::web::realtime::fuzzing::websocket;
use crate::web::{channel_web, own_host};

/// The first line is the target of a request, each other one a header.
pub fn headers(target: &str, lines: &[u8]) {
    let Ok(uri) = target.parse::<Uri>() else { return };
    let mut parts = Request::new(()).into_parts().0;
    parts.uri = uri;
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            parts.headers.append(name, value);
        }
    }
    drop(channel_web::conversation_id(&parts.uri));
    host(&parts);
    addresses(&mut parts);
    answers(&parts);
    websocket(&parts);
}

/// A name that is taken for this server's own leads a browser to this machine.
fn host(parts: &Parts) {
    if !own_host::is_own(&HttpSettings::default(), parts) {
        return;
    }
    let hosts = parts.headers.get_all(HOST).iter().map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    for name in hosts.chain(parts.uri.authority().map(ToString::to_string)) {
        let url = url::Url::parse(&format!("http://{name}/"));
        let url = url.unwrap_or_else(|error| panic!("{name:?} is no host of an address: {error}"));
        let here = match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name == "localhost" || name.ends_with(".localhost")
            }
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::from(address).to_canonical().is_loopback(),
            None => false,
        };
        assert!(here, "{name:?} is taken for this machine");
    }
}

/// Without a proxy that is configured, the headers do not say who calls.
fn addresses(parts: &mut Parts) {
    for peer in ["127.0.0.1", "8.8.8.8", "2001:db8::1"] {
        let Ok(peer) = peer.parse::<IpAddr>() else { continue };
        parts.extensions.insert(PeerAddress(peer));
        let own = client_address::address(&parts.extensions, &Default::default(), 0);
        assert_eq!(client_address::address(&parts.extensions, &parts.headers, 0), own);
        for proxies in 1..4 {
            if let Some(IpAddr::V6(address)) = client_address::address(&parts.extensions, &parts.headers, proxies) {
                assert_eq!(address.to_bits() as u64, 0, "{address} is not that of a network");
            }
        }
    }
}

fn answers(parts: &Parts) {
    let said = |name| {
        let values = parts.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(",").to_ascii_lowercase()
    };
    let accepts = said(ACCEPT_ENCODING);
    match packing(&parts.headers) {
        Packing::Brotli => assert!(accepts.contains("br") || accepts.contains('*'), "{accepts:?}"),
        Packing::Gzip => assert!(accepts.contains("gzip") || accepts.contains('*'), "{accepts:?}"),
        Packing::Plain => {}
    }
    let answer = cached(&parts.headers, "a1b2", ASK, HeaderValue::from_static("a/b"), Body::empty());
    if answer.status() == StatusCode::NOT_MODIFIED {
        let tags = said(IF_NONE_MATCH);
        assert!(tags.contains("\"a1b2\"") || tags.contains('*'), "{tags:?}");
    }
}
