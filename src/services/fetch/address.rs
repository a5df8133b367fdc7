//! Which addresses scripts may call: judged on the address that is connected to, whatever name led to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// Where machines in a cloud are told their secrets.
    #[error("it is the metadata service of a cloud, which tells secrets of this machine")]
    Metadata,
    /// Only ever of this network segment.
    #[error("it is link-local")]
    LinkLocal,
    /// No host has it.
    #[error("no host has it")]
    NoHost,
    /// `fetch.private`.
    #[error("this machine may not be called (`fetch.private` is false)")]
    Loopback,
    /// `fetch.private`.
    #[error("it belongs to a local network, which may not be called (`fetch.private` is false)")]
    Private,
    /// `fetch.deny`.
    #[error("it is in `fetch.deny`")]
    Listed,
}

/// Metadata services of clouds, beside the link-local one that most of them have.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Whether an address is of this machine or a local network, rather than of the internet.
pub(crate) fn is_local(address: IpAddr) -> bool {
    matches!(judge(address, false), Err(Denied::Loopback | Denied::Private | Denied::LinkLocal))
}

/// Judges an address. With `private`, this machine and local networks may be called.
pub(super) fn judge(address: IpAddr, private: bool) -> Result<(), Denied> {
    if METADATA.contains(&address) {
        return Err(Denied::Metadata);
    }
    match address {
        IpAddr::V4(address) => judge_v4(address, private),
        IpAddr::V6(address) => match within(address) {
            // However it is written, packets end up there.
            Some(inner) => judge(IpAddr::V4(inner), private),
            None => judge_v6(address, private),
        },
    }
}

fn judge_v4(address: Ipv4Addr, private: bool) -> Result<(), Denied> {
    let [a, b, c, _] = address.octets();
    if address.is_link_local() {
        return Err(Denied::LinkLocal);
    }
    // 0.0.0.0 is this machine to some systems, and 0/8 no network to any.
    if a == 0 || a >= 224 {
        return Err(Denied::NoHost);
    }
    if private {
        return Ok(());
    }
    if address.is_loopback() {
        return Err(Denied::Loopback);
    }
    // Shared by providers, for tests of networks, and of protocols: local in the same way.
    let shared = (a == 100 && b & 0xc0 == 64) || (a == 198 && b & 0xfe == 18) || (a, b, c) == (192, 0, 0);
    if address.is_private() || shared { Err(Denied::Private) } else { Ok(()) }
}

fn judge_v6(address: Ipv6Addr, private: bool) -> Result<(), Denied> {
    let first = address.segments()[0];
    if first & 0xffc0 == 0xfe80 {
        return Err(Denied::LinkLocal);
    }
    if address.is_unspecified() || address.is_multicast() {
        return Err(Denied::NoHost);
    }
    if private {
        return Ok(());
    }
    if address.is_loopback() {
        return Err(Denied::Loopback);
    }
    // fc00::/7, and fec0::/10 as it once was.
    if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0 { Err(Denied::Private) } else { Ok(()) }
}

/// The IPv4 address that an IPv6 address stands for, if it does: mapped, compatible, NAT64, 6to4, Teredo.
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let of = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] if !(address.is_unspecified() || address.is_loopback()) => of(high, low),
        [0, 0, 0, 0, 0xffff, 0, high, low] => of(high, low),
        [0x64, 0xff9b, 0 | 1, _, _, _, high, low] => of(high, low),
        [0x2002, high, low, ..] => of(high, low),
        [0x2001, 0, .., high, low] => of(!high, !low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str, private: bool) -> Result<(), Denied> {
        judge(text.parse().unwrap(), private)
    }

    #[test]
    fn link_local_metadata_and_no_hosts_are_denied_however_they_are_written() {
        for (text, why) in [
            ("169.254.169.254", Denied::Metadata),
            ("100.100.100.200", Denied::Metadata),
            ("192.0.0.192", Denied::Metadata),
            ("fd00:ec2::254", Denied::Metadata),
            ("::ffff:169.254.169.254", Denied::Metadata),
            ("::169.254.169.254", Denied::Metadata),
            ("::ffff:0:169.254.169.254", Denied::Metadata),
            ("64:ff9b::169.254.169.254", Denied::Metadata),
            ("64:ff9b:1::100.100.100.200", Denied::Metadata),
            ("2002:a9fe:a9fe::1", Denied::Metadata),
            ("2001:0:1:2:3:4:5601:5601", Denied::Metadata),
            ("169.254.1.1", Denied::LinkLocal),
            ("::ffff:169.254.0.1", Denied::LinkLocal),
            ("fe80::1", Denied::LinkLocal),
            ("febf::1", Denied::LinkLocal),
            ("0.0.0.0", Denied::NoHost),
            ("0.1.2.3", Denied::NoHost),
            ("::", Denied::NoHost),
            ("::ffff:0.0.0.0", Denied::NoHost),
            ("64:ff9b::", Denied::NoHost),
            ("224.0.0.1", Denied::NoHost),
            ("255.255.255.255", Denied::NoHost),
            ("ff02::1", Denied::NoHost),
        ] {
            assert_eq!(verdict(text, true), Err(why), "{text}");
            assert_eq!(verdict(text, false), Err(why), "{text}");
        }
    }

    #[test]
    fn this_machine_and_local_networks_are_denied_only_where_they_are_private() {
        for (text, why) in [
            ("127.0.0.1", Denied::Loopback),
            ("127.9.9.9", Denied::Loopback),
            ("::1", Denied::Loopback),
            ("::ffff:127.0.0.1", Denied::Loopback),
            ("10.0.0.1", Denied::Private),
            ("172.16.0.1", Denied::Private),
            ("192.168.1.1", Denied::Private),
            ("100.64.0.1", Denied::Private),
            ("198.19.0.1", Denied::Private),
            ("::ffff:10.0.0.1", Denied::Private),
            ("64:ff9b::192.168.1.1", Denied::Private),
            ("2002:0a00:0001::", Denied::Private),
            ("fc00::1", Denied::Private),
            ("fd12::1", Denied::Private),
            ("fec0::1", Denied::Private),
        ] {
            assert_eq!(verdict(text, true), Ok(()), "{text}");
            assert_eq!(verdict(text, false), Err(why), "{text}");
        }
        for text in ["93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:2800:220:1::1", "::ffff:8.8.8.8"] {
            assert_eq!(verdict(text, false), Ok(()), "{text}");
        }
    }
}
