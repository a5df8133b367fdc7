//! This server as scripts call it, where bots are kept apart: what each may ask of its own bot, and nothing else.
//!
//! Whatever name led here, it is known by the connection itself: one from this machine to this machine, on our port.

use std::net::SocketAddr;

use hyper::Request;
use hyper::header::{HeaderName, HeaderValue};
use url::{Host, Url};

use super::problem::FetchError;
use crate::config::{Isolation, Settings, public_address};
use crate::model::BotId;

/// Says to this server for which bot a script asks. It is believed from everybody: who sends it hears less.
pub(crate) const BOT_HEADER: HeaderName = HeaderName::from_static("x-nudge-bot");
/// How the server is doing.
const STATUS: &str = "/status";

/// Where this server is reached.
pub(super) struct OwnServer {
    port: u16,
    /// As everybody calls it, where that is not this machine.
    public: Option<(Host<String>, Option<u16>)>,
}

impl OwnServer {
    /// Nothing where bots share all they have.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        if settings.dispatch.isolation == Isolation::Shared {
            return None;
        }
        let public = Url::parse(&public_address(settings)).ok();
        let public = public.and_then(|url| Some((url.host()?.to_owned(), url.port_or_known_default())));
        Some(Self { port: settings.http.port?, public })
    }

    /// An error where a bot asks this server, by its public name, for something that is not its own.
    pub(super) fn check_name(&self, bot: &BotId, url: &Url) -> Result<(), FetchError> {
        let (host, port) = (url.host().map(|host| host.to_owned()), url.port_or_known_default());
        let called = self.public.as_ref().is_some_and(|public| host == Some(public.0.clone()) && port == public.1);
        if called && !is_of(bot, url.path()) && url.path() != STATUS {
            Err(FetchError::OtherBot(bot.clone()))
        } else {
            Ok(())
        }
    }

    /// Whether a connection leads here.
    pub(super) fn is_end_of(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        let (to, from) = (peer.ip().to_canonical(), local.ip().to_canonical());
        peer.port() == self.port && (to.is_loopback() || to == from)
    }
}

/// A request to this server for what does not lie below the bot's path: of how the server is doing it may hear, as far as that
/// tells of no other bot.
pub(super) fn admit<B>(bot: &BotId, request: &mut Request<B>) -> Result<(), FetchError> {
    let name = HeaderValue::from_str(bot.as_str()).ok().filter(|_| request.uri().path() == STATUS);
    let Some(name) = name else { return Err(FetchError::OtherBot(bot.clone())) };
    request.headers_mut().insert(BOT_HEADER, name);
    Ok(())
}

/// Whether a path leads to what a bot may ask of this server.
pub(super) fn is_of(bot: &BotId, path: &str) -> bool {
    let below = path.strip_prefix("/api/v1/bots/").unwrap_or_default();
    below.split('/').next().is_some_and(|id| id.eq_ignore_ascii_case(bot.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DispatchSettings, HttpSettings};

    #[test]
    fn a_bot_may_ask_for_what_lies_below_its_own_path_however_that_is_written() {
        let bot = BotId::parse("a").unwrap();
        let path = |url: &str| Url::parse(&format!("http://h{url}")).unwrap().path().to_owned();
        for own in ["/api/v1/bots/a", "/api/v1/bots/A/converse/u", "/api/v1/bots/a/mod/x?y", "/api/v1/bots/b/../a/x"] {
            assert!(is_of(&bot, &path(own)), "{own}");
        }
        for other in [
            "/",
            "/status",
            "/s/a",
            "/api/v1/bots",
            "/api/v1/bots/",
            "/api/v1/bots/b/x",
            "/api/v1/bots/ab/x",
            "/api/v1/bots/a/../b/x",
            "/api/v1/bots/a/%2e%2e/b/x",
            "/api/v1/bots/a%2f..%2fb/x",
            "//api/v1/bots/a/x",
            "/api/v1/bots/%61/x",
            "\\api\\v1\\bots\\b",
        ] {
            assert!(!is_of(&bot, &path(other)), "{other}");
        }
    }

    #[test]
    fn this_server_is_known_by_its_public_name_only_where_bots_are_kept_apart() {
        let http = HttpSettings {
            external_url: Some("https://bots.example.org".into()),
            port: Some(3_000),
            ..HttpSettings::default()
        };
        let settings = Settings { http, ..Settings::default() };
        assert!(OwnServer::of(&settings).is_none());
        let dispatch = DispatchSettings { isolation: Isolation::PerBot, ..DispatchSettings::default() };
        let own = OwnServer::of(&Settings { dispatch, ..settings }).unwrap();
        let bot = BotId::parse("a").unwrap();
        let fine = |url: &str| own.check_name(&bot, &Url::parse(url).unwrap()).is_ok();
        assert!(fine("https://bots.example.org/api/v1/bots/a/x") && fine("https://example.org/api/v1/bots/b"));
        assert!(!fine("https://BOTS.example.org:443/api/v1/bots/b") && !fine("https://bots.example.org/metrics"));
    }
}
