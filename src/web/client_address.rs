//! Where a request comes from: the address by which limits count callers.
//!
//! The headers of a request are anybody's to write. What proxies say of the address before them is believed only as far as
//! `httpServer.trustedProxies` says that there are proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{Extensions, HeaderMap, HeaderName};

use crate::services::is_local;

/// Where each proxy adds the address that called it.
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of a request's connection. Requests carry it.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerAddress(pub(super) IpAddr);

/// The address that counts for a request behind so many proxies of ours. `None` where none counts: this machine and local
/// networks, unless a proxy says that they call. A proxy that nobody told the server of may be there, and then all
/// callers have one address.
pub(super) fn address(extensions: &Extensions, headers: &HeaderMap, proxies: usize) -> Option<IpAddr> {
    let PeerAddress(peer) = extensions.get::<PeerAddress>()?;
    let said = proxies.checked_sub(1).and_then(|before| forwarded(headers, before));
    // Without it the call went past the proxies.
    said.or(Some(*peer).filter(|peer| !is_local(*peer))).map(counted)
}

/// Whether a proxy seems to be there of which nobody told: a local one that says for whom it calls.
pub(super) fn unknown_proxy(extensions: &Extensions, headers: &HeaderMap, proxies: usize) -> bool {
    proxies == 0
        && headers.contains_key(FORWARDED)
        && extensions.get::<PeerAddress>().is_some_and(|peer| is_local(peer.0))
}

/// The address that a proxy of ours saw; after it, so many others of ours added theirs. What stands before it, the caller
/// itself may have written.
fn forwarded(headers: &HeaderMap, after: usize) -> Option<IpAddr> {
    let lines = headers.get_all(FORWARDED).iter().rev();
    let mut said = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    let text = std::str::from_utf8(said.nth(after)?).ok()?.trim();
    // Some proxies add the port.
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

/// One address of those that are one caller's: whoever has an IPv6 address has all of its network of 64 bits.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(peer: &str, said: &[&str]) -> (Extensions, HeaderMap) {
        let (mut extensions, mut headers) = (Extensions::new(), HeaderMap::new());
        extensions.insert(PeerAddress(peer.parse().unwrap()));
        for line in said {
            headers.append(FORWARDED, line.parse().unwrap());
        }
        (extensions, headers)
    }

    fn of(peer: &str, said: &[&str], proxies: usize) -> Option<String> {
        let (extensions, headers) = request(peer, said);
        address(&extensions, &headers, proxies).map(|address| address.to_string())
    }

    #[test]
    fn without_proxies_the_other_end_counts_whatever_the_request_says() {
        assert_eq!(of("8.8.8.8", &["1.2.3.4"], 0).as_deref(), Some("8.8.8.8"));
        assert_eq!(of("::ffff:8.8.8.8", &[], 0).as_deref(), Some("8.8.8.8"));
    }

    #[test]
    fn local_addresses_count_only_where_a_proxy_names_them() {
        for local in
            ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "192.168.0.7", "172.17.0.1", "fe80::1", "fd00::1"]
        {
            assert_eq!(of(local, &["1.2.3.4"], 0), None, "{local}");
            assert_eq!(of(local, &[], 1), None, "{local}");
        }
        assert_eq!(of("127.0.0.1", &["10.0.0.9"], 1).as_deref(), Some("10.0.0.9"));
    }

    #[test]
    fn a_local_proxy_of_which_nobody_told_is_noticed() {
        for (peer, said, proxies, noticed) in [
            ("127.0.0.1", &["1.2.3.4"][..], 0, true),
            ("127.0.0.1", &["1.2.3.4"], 1, false),
            ("127.0.0.1", &[], 0, false),
            // Anybody may write that.
            ("8.8.8.8", &["1.2.3.4"], 0, false),
        ] {
            let (extensions, headers) = request(peer, said);
            assert_eq!(unknown_proxy(&extensions, &headers, proxies), noticed, "{peer} {said:?} {proxies}");
        }
    }

    #[test]
    fn of_what_proxies_say_that_counts_which_the_first_of_ours_has_seen() {
        let said = &["6.6.6.6, 1.2.3.4", "5.5.5.5"];
        assert_eq!(of("127.0.0.1", said, 1).as_deref(), Some("5.5.5.5"));
        assert_eq!(of("127.0.0.1", said, 2).as_deref(), Some("1.2.3.4"));
        for (said, address) in
            [("1.2.3.4:567", "1.2.3.4"), ("[2001:db8::1]:567", "2001:db8::"), ("[2001:db8::1]", "2001:db8::")]
        {
            assert_eq!(of("127.0.0.1", &[said], 1).as_deref(), Some(address), "{said}");
        }
    }

    #[test]
    fn where_the_proxies_say_nothing_of_use_the_other_end_counts() {
        for said in ["", "unknown", "1.2.3.4, ", "1.2.3", "\u{fc}"] {
            assert_eq!(of("8.8.8.8", &[said], 1).as_deref(), Some("8.8.8.8"), "{said}");
        }
        assert_eq!(of("8.8.8.8", &["1.2.3.4"], 2).as_deref(), Some("8.8.8.8"));
    }

    #[test]
    fn addresses_of_one_network_of_64_bits_are_one() {
        assert_eq!(of("2001:db8:1:2:3:4:5:6", &[], 0).as_deref(), Some("2001:db8:1:2::"));
        assert_eq!(of("2001:db8:1:2::9", &[], 0).as_deref(), Some("2001:db8:1:2::"));
    }
}
