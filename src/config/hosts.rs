//! Hosts as they are named in the configuration: `api.example.org`, `*.example.org`, `192.168.0.7`.

use std::net::IpAddr;

use url::Host;

/// Which hosts are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// That one, as addresses in scripts have it: in lower case, without a dot at the end.
    Name(String),
    /// All below that one, and not itself.
    Below(String),
    /// The host of that address.
    Address(IpAddr),
}

impl HostPattern {
    /// Reads one; `None` where it is no host. A port or a path has no place in it.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(Self::Address(address));
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        match Host::parse(name.trim_end_matches('.')).ok()? {
            Host::Domain(name) if name.is_empty() || name.contains('*') => None,
            Host::Domain(name) if below => Some(Self::Below(name)),
            Host::Domain(name) => Some(Self::Name(name)),
            Host::Ipv4(address) if !below => Some(Self::Address(address.into())),
            _ => None,
        }
    }

    /// Whether a host that a script names is meant. A name is in lower case and has no dot at its end.
    pub fn names(&self, host: &str, literal: Option<IpAddr>) -> bool {
        match self {
            Self::Name(name) => literal.is_none() && host == name,
            Self::Below(name) => {
                literal.is_none()
                    && host.strip_suffix(name.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Self::Address(address) => literal == Some(*address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_all_below_one_or_an_address_and_nothing_else() {
        let below = HostPattern::parse("*.Example.org").unwrap();
        assert!(below.names("a.example.org", None) && below.names("b.a.example.org", None));
        assert!(!below.names("example.org", None) && !below.names("notexample.org", None));
        let name = HostPattern::parse("Bücher.example.").unwrap();
        assert_eq!(name, HostPattern::Name("xn--bcher-kva.example".into()));
        let address = HostPattern::parse("[::1]").unwrap();
        assert!(address.names("::1", "::1".parse().ok()) && !address.names("::1", None));
        assert_eq!(HostPattern::parse("127.0.0.1"), Some(HostPattern::Address("127.0.0.1".parse().unwrap())));
        for text in ["", "*", "*.", "http://x.org", "x.org:80", "x.org/a", "a b", "x*.org", "*.10.0.0.1", "10.0.0.0/8"]
        {
            assert_eq!(HostPattern::parse(text), None, "{text}");
        }
    }
}
