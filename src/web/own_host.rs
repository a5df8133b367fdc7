//! By which names the pages of development may be asked for.
//!
//! A page of another site may have its own name lead to this machine once it is open in the author's browser (DNS rebinding). For the
//! browser it then is of the same origin as what this server says, and reads it. What it cannot change is the name that the browser asks by.

use std::net::IpAddr;
use std::str::FromStr as _;

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{Extensions, HeaderMap, HeaderName, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use url::Host;

use crate::config::HttpSettings;
use crate::telemetry::escape::one_line;
use crate::telemetry::once::Once;

use super::error::HttpError;
use super::state::Web;

/// By which name the caller of a proxy asked for it.
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Longest name that is told back, in characters.
const SHOWN: usize = 100;

/// Names that were refused.
static SAID: Once = Once::new();

/// Where a connection arrived. Requests carry it.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalAddress(pub(super) IpAddr);

/// Lets requests through that name this server by a name of its own.
pub(super) async fn only(State(web): State<Web>, request: Request, next: Next) -> Response {
    let refused = {
        let asked = Asked::of(request.uri(), request.headers(), request.extensions());
        asked.foreign(&web.settings.http)
    };
    match refused {
        Some(name) => refusal(&web, &name).into_response(),
        None => next.run(request).await,
    }
}

/// Whether a request names this server by a name of its own.
pub(super) fn is_own(settings: &HttpSettings, parts: &Parts) -> bool {
    Asked::of(&parts.uri, &parts.headers, &parts.extensions).foreign(settings).is_none()
}

fn refusal(web: &Web, name: &str) -> HttpError {
    let shown: String = name.chars().take(SHOWN).collect();
    let port = web.settings.http.port.unwrap_or_default();
    let said = format!(
        "the host {shown:?} is not known to be this server's: what is there in development is told to http://localhost:{port} and to \
         hosts that \"httpServer\": {{ \"allowedHosts\": [...] }} in botpress.config.json names"
    );
    if let Some(last) = SAID.says(&shown) {
        tracing::warn!("refused: {}{last}", one_line(&said));
    }
    HttpError::Plain(StatusCode::FORBIDDEN, said.into())
}

/// What a request says of the server that it is for.
struct Asked<'r> {
    uri: &'r Uri,
    headers: &'r HeaderMap,
    /// Where its connection arrived.
    local: Option<IpAddr>,
}

impl<'r> Asked<'r> {
    fn of(uri: &'r Uri, headers: &'r HeaderMap, extensions: &Extensions) -> Self {
        Self { uri, headers, local: extensions.get().map(|LocalAddress(address)| address.to_canonical()) }
    }

    /// The first name in a request that is not this server's own.
    fn foreign(&self, settings: &HttpSettings) -> Option<String> {
        // What a proxy says is believed only where one is configured; then it is what the browser asked for.
        let said = self.headers.get_all(FORWARDED).iter().next_back().filter(|_| settings.trusted_proxies > 0);
        let mut names: Vec<String> = Vec::new();
        // A target with a host in it counts, whatever the header says; both must be fine.
        names.extend(self.uri.authority().map(ToString::to_string));
        match said {
            Some(said) => {
                let last = said.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
                names.push(String::from_utf8_lossy(last).trim().to_owned());
            }
            None => names.extend(self.headers.get_all(HOST).iter().map(|host| text(host.as_bytes()))),
        }
        if names.is_empty() {
            return Some(String::new());
        }
        names.into_iter().find(|name| !self.is_own(settings, name))
    }

    fn is_own(&self, settings: &HttpSettings, name: &str) -> bool {
        let Some((name, literal)) = host_of(name) else { return false };
        let loopback = match literal {
            Some(address) => address.is_loopback(),
            None => name == "localhost" || (name.ends_with(".localhost") && !name.starts_with('.')),
        };
        let configured = || {
            let external = settings.external_url.as_deref().and_then(|url| url::Url::parse(url).ok());
            let external = external.and_then(|url| host_of(url.host_str()?));
            let listens = Some(settings.host.as_str()).filter(|host| !host.is_empty()).and_then(host_of_setting);
            let known = |other: Option<(String, Option<IpAddr>)>| other.is_some_and(|other| other.0 == name);
            known(external) || known(listens) || settings.allowed_hosts.iter().any(|host| host.names(&name, literal))
        };
        loopback || (literal.is_some() && literal == self.local) || configured()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `httpServer.host`: an IPv6 address may stand there without brackets.
fn host_of_setting(host: &str) -> Option<(String, Option<IpAddr>)> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(plain(address)),
        Err(_) => host_of(host),
    }
}

/// The name that a `Host` header has, in lower case, without port and the dot at its end, and the address that it is.
fn host_of(written: &str) -> Option<(String, Option<IpAddr>)> {
    let authority = Authority::from_str(written).ok().filter(|authority| !authority.as_str().contains('@'))?;
    let host = authority.host();
    // What stands behind it is a port, or nothing.
    let rest = authority.as_str().strip_prefix(host)?;
    let port = rest.strip_prefix(':').unwrap_or(rest);
    // A number may have a sign, and a port not.
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    if !port.is_empty() && (port.len() == rest.len() || !digits || port.parse::<u16>().is_err()) {
        return None;
    }
    // One dot at the end says nothing, also of an address; a browser takes no address for one that has more.
    match Host::parse(host).ok()? {
        Host::Domain(name) => Some((name.strip_suffix('.').unwrap_or(&name).to_owned(), None)),
        Host::Ipv4(address) => Some(plain(address.into())),
        Host::Ipv6(address) => Some(plain(IpAddr::from(address).to_canonical())),
    }
}

fn plain(address: IpAddr) -> (String, Option<IpAddr>) {
    (address.to_string(), Some(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HostPattern;

    fn settings() -> HttpSettings {
        HttpSettings {
            external_url: Some("https://Bots.example.org:8443/x".into()),
            allowed_hosts: ["dev.example.org", "*.preview.example.org", "10.1.2.3"]
                .map(|host| HostPattern::parse(host).unwrap())
                .into(),
            ..HttpSettings::default()
        }
    }

    fn request(target: &str, headers: &[(HeaderName, &str)]) -> Parts {
        let mut request = axum::http::Request::get(target);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        parts.extensions.insert(LocalAddress([192, 168, 0, 7].into()));
        parts
    }

    fn own(host: &str) -> bool {
        is_own(&settings(), &request("/", &[(HOST, host)]))
    }

    #[test]
    fn loopback_names_the_address_that_was_called_and_configured_hosts_are_its_own() {
        for host in [
            "localhost",
            "LocalHost:3000",
            "localhost.",
            "localhost.:3000",
            "a.b.localhost",
            "127.0.0.1",
            "127.9.9.9:80",
            "127.0.0.1.",
            "[::1]",
            "[::1]:3000",
            "[0:0:0:0:0:0:0:1]:3000",
            "[::ffff:127.0.0.1]",
            "192.168.0.7:3000",
            "[::ffff:192.168.0.7]",
            "bots.example.org",
            "BOTS.example.org:1",
            "dev.example.org:3000",
            "a.preview.example.org",
            "10.1.2.3",
            "localhost:",
        ] {
            assert!(own(host), "{host}");
        }
    }

    #[test]
    fn every_other_name_is_foreign_however_it_is_written() {
        for host in [
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "localhost..",
            "127.0..",
            "127.0.0.1..",
            "192.168.0.8",
            "8.8.8.8",
            "[::2]:3000",
            "::1",
            "[::1",
            "[fe80::1%25eth0]",
            "localhost@evil.example",
            "evil.example@localhost",
            "localhost:3000:80",
            "localhost:x",
            "localhost:+80",
            "[::1]:+80",
            "localhost:99999",
            "localhost evil",
            "localhost,evil.example",
            "localhost/evil",
            "localhost#",
            "localhost?",
            "",
            ".",
            ".localhost",
            "preview.example.org",
            "0.0.0.0",
        ] {
            assert!(!own(host), "{host:?}");
        }
        assert!(!is_own(&settings(), &request("/", &[])), "none at all");
        assert!(!is_own(&settings(), &request("/", &[(HOST, "localhost"), (HOST, "evil.example")])));
    }

    #[test]
    fn a_target_with_a_host_counts_beside_the_header() {
        for (target, host, expected) in [
            ("http://localhost/", "localhost", true),
            ("http://evil.example/", "localhost", false),
            ("http://localhost/", "evil.example", false),
        ] {
            assert_eq!(is_own(&settings(), &request(target, &[(HOST, host)])), expected, "{target} {host}");
        }
    }

    #[test]
    fn what_a_proxy_says_counts_only_where_one_is_trusted_and_then_alone() {
        let forwarded = |host: &str, said: &str, proxies| {
            let settings = HttpSettings { trusted_proxies: proxies, ..settings() };
            is_own(&settings, &request("/", &[(HOST, host), (FORWARDED, said)]))
        };
        assert!(!forwarded("evil.example", "localhost", 0));
        assert!(forwarded("localhost", "evil.example", 0));
        assert!(!forwarded("localhost:3000", "evil.example", 1));
        assert!(!forwarded("localhost:3000", "localhost, evil.example", 1));
        assert!(forwarded("upstream", "dev.example.org", 1));
    }

    #[test]
    fn where_it_is_told_to_listen_it_answers_by_that_name() {
        for (host, named) in [("0.0.0.0", "0.0.0.0:3000"), ("::1", "[::1]"), ("My-Box.local", "my-box.local:3000")] {
            let settings = HttpSettings { host: host.into(), ..HttpSettings::default() };
            assert!(is_own(&settings, &request("/", &[(HOST, named)])), "{host}");
        }
        let all = HttpSettings { host: "0.0.0.0".into(), ..HttpSettings::default() };
        assert!(!is_own(&all, &request("/", &[(HOST, "8.8.8.8")])));
    }
}
