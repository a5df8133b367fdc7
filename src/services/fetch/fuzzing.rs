//! For `crate::fuzzing`: what scripts ask to be fetched.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use hyper::header::{self, HeaderName};

use super::address::judge;
use super::exchange::{Head, Outgoing, Redirect, shown};
use super::own::is_of;
use crate::model::BotId;

/// Headers that say how a message is sent: never a script's.
const OWN: [HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE, header::EXPECT];

/// The first line is a method and an address, each other one a header, up to an empty one; then comes the body.
pub(in crate::services) fn fetch(line: &str, mut rest: &[u8]) {
    let (method, url) = line.split_once(' ').unwrap_or(("GET", line));
    let mut headers = Vec::new();
    loop {
        let mut parts = rest.splitn(2, |byte| *byte == b'\n');
        let line = String::from_utf8_lossy(parts.next().unwrap_or_default());
        rest = parts.next().unwrap_or_default();
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    if let Ok(start) = <[u8; 4]>::try_from(rest.get(..4).unwrap_or_default()) {
        embedded(start.into());
    }
    let head = Head { url: url.to_owned(), method: method.to_owned(), headers, redirect: Redirect::Follow };
    let Ok(outgoing) = Outgoing::read(&head, Bytes::copy_from_slice(rest)) else { return };
    let url = &outgoing.url;
    assert!(
        ["http", "https"].contains(&url.scheme()) && url.username().is_empty() && url.password().is_none(),
        "{url}"
    );
    let told = shown(url);
    let host = told.split("://").nth(1).and_then(|told| told.split('/').next()).unwrap_or_default();
    assert!(!host.is_empty() && !host.contains('@'), "{told}");
    let Ok(bot) = BotId::parse("a") else { return };
    let asked = url.path().split('/').nth(4).unwrap_or_default();
    assert!(!is_of(&bot, url.path()) || asked.eq_ignore_ascii_case("a"), "{url}");
    let Ok(request) = outgoing.request() else { return };
    assert!(request.uri().authority().is_none() && request.uri().path().starts_with('/'), "{:?}", request.uri());
    let values = |name: &HeaderName| request.headers().get_all(name).iter().cloned().collect::<Vec<_>>();
    assert_eq!(values(&header::HOST), [&url[url::Position::BeforeHost..url::Position::AfterPort]]);
    assert!(OWN.iter().all(|name| values(name).is_empty()), "{:?}", request.headers());
    let lengths = values(&header::CONTENT_LENGTH);
    assert!(lengths.len() <= 1 && lengths.iter().all(|length| *length == rest.len().to_string()), "{lengths:?}");
    assert!(rest.is_empty() || lengths.len() == 1);
}

/// What may not be called may not be called by an IPv6 address that stands for it either.
fn embedded(address: Ipv4Addr) {
    let [a, b] = [address.to_bits() >> 16, address.to_bits() & 0xffff];
    let forms = [
        format!("::ffff:{a:x}:{b:x}"),
        format!("64:ff9b::{a:x}:{b:x}"),
        format!("2002:{a:x}:{b:x}::1"),
        format!("2001:0:1:2:3:4:{:x}:{:x}", a ^ 0xffff, b ^ 0xffff),
    ];
    for private in [true, false] {
        for form in &forms {
            let Ok(form) = form.parse::<IpAddr>() else { panic!("{form} is no address") };
            assert_eq!(judge(form, private).is_ok(), judge(address.into(), private).is_ok(), "{form} {private}");
        }
    }
}
