//! `fetch`: calls of other servers for scripts, which cannot open a socket themselves.
//!
//! What is called is judged by name and, each time a connection is made, by address; everything that takes time, memory or
//! connections has a limit, and the limits of one bot are not another's.

mod address;
mod connect;
mod exchange;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod own;
mod problem;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::{Host, Url};

use super::fair_turns::FairTurns;
use crate::config::{FetchSettings, Settings};
use crate::model::BotId;
use crate::shares::ShareLimits;

pub(crate) use address::is_local;
use connect::{Connections, Target};
use exchange::{Answer, Head, Outgoing, Redirect, address, read, shown};
pub(crate) use own::BOT_HEADER;
use own::OwnServer;
use problem::FetchError;

/// What a call costs beside its bytes.
const PLACE: u64 = 16 << 10;
/// As many requests of one bot that are under way may have as many bytes as one may.
const LARGE_REQUESTS: usize = 64;

/// An answer.
#[derive(Debug)]
pub struct Fetched {
    /// `{ status, statusText, headers: [[name, value]], url, redirected }` as JSON.
    pub head: String,
    /// Its body, unpacked.
    pub body: Bytes,
    /// The body's place among the bytes that are held: to be kept until the script has it.
    pub held: Option<[OwnedSemaphorePermit; 2]>,
}

/// Why there is no answer; `message` is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FetchFailed {
    /// `fetch <address>: <why>`.
    pub message: String,
    /// As Node names it: `ECONNREFUSED`.
    pub code: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AnswerHead<'a> {
    status: u16,
    status_text: &'a str,
    headers: &'a [(String, String)],
    url: &'a str,
    redirected: bool,
}

/// A cheap handle.
#[derive(Clone)]
pub(super) struct Fetch(Arc<FetchState>);

struct FetchState {
    settings: FetchSettings,
    /// Largest body that fits over the wall.
    largest: usize,
    connections: Arc<Connections>,
    /// This server, where a bot's scripts may call it for that bot alone.
    own: Option<OwnServer>,
    /// Places, of each bot and of all.
    places: FairTurns,
    /// Bytes of answers.
    buffered: Arc<Semaphore>,
    bots: Mutex<HashMap<Option<BotId>, Arc<OfBot>>>,
}

/// What the calls of one bot share.
struct OfBot {
    /// Bytes of answers: of what all hold together it has a part.
    buffered: Arc<Semaphore>,
    /// Bytes of its requests, of those that wait as well.
    bytes: Arc<Semaphore>,
    most_bytes: usize,
}

/// What a call is at, for whoever wonders why it took too long.
#[derive(Clone, Copy)]
enum CallStage {
    Waiting,
    Calling,
    Reading,
}

impl CallStage {
    fn late(stage: u8) -> &'static str {
        match stage {
            stage if stage == Self::Waiting as u8 => {
                "it still waited for its turn (fetch.concurrent, fetch.connections)"
            }
            stage if stage == Self::Calling as u8 => "the server had not answered",
            _ => "the whole answer was not there",
        }
    }
}

impl Fetch {
    /// Calls for the bots of a server.
    pub(super) fn new(settings: &Settings) -> Self {
        let frame = usize::try_from(settings.scripts.frame).unwrap_or(usize::MAX);
        let (own, settings) = (OwnServer::of(settings), settings.fetch.clone());
        Self(Arc::new(FetchState {
            // The rest of the frame is for the answer's head.
            largest: settings.max_response.min(frame - (frame / 2).min(1 << 20)),
            connections: Arc::default(),
            own,
            // A bot that calls nobody yet need not wait until the calls of others are over, which may hang.
            places: FairTurns::new(ShareLimits {
                all: settings.connections,
                assured: 1,
                each: settings.concurrent,
                cost: u64::MAX,
            }),
            buffered: Arc::new(Semaphore::new(settings.buffered as usize)),
            bots: Mutex::default(),
            settings,
        }))
    }

    /// Calls a server. Dropping the future ends the call.
    pub(super) async fn call(&self, bot: Option<&BotId>, head: &str, body: Bytes) -> Result<Fetched, FetchFailed> {
        let bytes = head.len() + body.len();
        let failed = |url: &str, error: &FetchError| FetchFailed {
            message: format!("fetch {url}: {error}"),
            code: error.code(),
        };
        let head: Head =
            serde_json::from_str(head).map_err(|error| failed("", &FetchError::Malformed(error.to_string())))?;
        let first = address(&head.url)
            .map_err(|error| FetchFailed { message: format!("fetch: {error}"), code: error.code() })?;
        let inner = &self.0;
        let stage = AtomicU8::new(CallStage::Waiting as u8);
        let limit = Duration::from_millis(inner.settings.timeout);
        let call = inner.in_turn(bot, &head, body, bytes, &stage);
        let result = tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
            Err(FetchError::TimedOut {
                doing: CallStage::late(stage.load(Ordering::Relaxed)),
                ms: inner.settings.timeout,
            })
        });
        result.map_err(|error| failed(&shown(&first), &error))
    }
}

impl FetchState {
    /// Calls when there is a place for it.
    async fn in_turn(
        &self,
        bot: Option<&BotId>,
        head: &Head,
        body: Bytes,
        bytes: usize,
        stage: &AtomicU8,
    ) -> Result<Fetched, FetchError> {
        let request = Outgoing::read(head, body)?;
        if bytes > self.settings.max_request {
            return Err(FetchError::RequestTooLarge { bytes, limit: self.settings.max_request });
        }
        let of_bot = self.of_bot(bot);
        let taken =
            u32::try_from(bytes).ok().and_then(|bytes| Arc::clone(&of_bot.bytes).try_acquire_many_owned(bytes).ok());
        let Some(_bytes) = taken else { return Err(FetchError::Crowded(of_bot.most_bytes)) };
        let mut place = self.places.turn(bot, PLACE + bytes as u64).await;
        let fetched = self.follow(bot, (request, &of_bot), head.redirect, stage).await;
        if let (Some(place), Ok(fetched)) = (&mut place, &fetched) {
            place.took((bytes + fetched.body.len()) as u64);
        }
        fetched
    }

    fn of_bot(&self, bot: Option<&BotId>) -> Arc<OfBot> {
        let mut bots = self.bots.lock();
        if let Some(known) = bots.get(&bot.cloned()) {
            return Arc::clone(known);
        }
        // Bots come and go; those that call nobody are forgotten.
        bots.retain(|_, of_bot| Arc::strong_count(of_bot) > 1);
        // Most calls send little: so many may send all that one may.
        let most_bytes = self.settings.concurrent.min(LARGE_REQUESTS);
        let most_bytes = most_bytes.saturating_mul(self.settings.max_request).min(u32::MAX as usize);
        let of_bot = Arc::new(OfBot {
            buffered: Arc::new(Semaphore::new(buffered_of_bot(self.settings.buffered, self.largest))),
            bytes: Arc::new(Semaphore::new(most_bytes)),
            most_bytes,
        });
        bots.insert(bot.cloned(), Arc::clone(&of_bot));
        of_bot
    }

    /// Calls, and goes where the answer sends it.
    async fn follow(
        &self,
        bot: Option<&BotId>,
        (mut request, of_bot): (Outgoing, &OfBot),
        redirect: Redirect,
        stage: &AtomicU8,
    ) -> Result<Fetched, FetchError> {
        let mut redirects = 0;
        loop {
            let target = self.target(bot, &request.url)?;
            stage.store(CallStage::Calling as u8, Ordering::Relaxed);
            let apart = self.apart_from(bot, &request.url)?;
            let sent = request.request()?;
            let (response, link) = self.connections.send(&self.settings, (&target, apart), sent).await?;
            stage.store(CallStage::Reading as u8, Ordering::Relaxed);
            let next = if redirect == Redirect::Manual { None } else { request.redirect(&response)? };
            match next {
                Some(next) if redirect == Redirect::Error => return Err(FetchError::Redirected(shown(&next.url))),
                Some(_) if redirects == self.settings.redirects => return Err(FetchError::Redirects(redirects)),
                Some(next) => {
                    redirects += 1;
                    request = next;
                }
                None => {
                    let answer =
                        read(response, &request.method, self.largest, [&of_bot.buffered, &self.buffered]).await?;
                    self.connections.keep(target, link);
                    return Ok(fetched(answer, request.url, redirects > 0));
                }
            }
        }
    }

    /// This server with the bot that asks, where the connection must not lead to it: the path is not that bot's.
    fn apart_from<'b>(
        &'b self,
        bot: Option<&'b BotId>,
        url: &Url,
    ) -> Result<Option<(&'b OwnServer, &'b BotId)>, FetchError> {
        let Some((own, bot)) = self.own.as_ref().zip(bot) else { return Ok(None) };
        own.check_name(bot, url)?;
        Ok(Some((own, bot)).filter(|_| !own::is_of(bot, url.path())))
    }

    /// Whom an address calls, if that host may be called.
    fn target(&self, bot: Option<&BotId>, url: &Url) -> Result<Target, FetchError> {
        let no_host = || FetchError::Address(format!("{} names no host", shown(url)));
        let host = url.host().ok_or_else(no_host)?.to_owned();
        let (name, literal) = match &host {
            Host::Domain(name) => (name.trim_end_matches('.').to_owned(), None),
            Host::Ipv4(address) => (address.to_string(), Some(IpAddr::V4(*address))),
            Host::Ipv6(address) => (address.to_string(), Some(IpAddr::V6(*address).to_canonical())),
        };
        let settings = &self.settings;
        let refused = |why| Err(FetchError::Host { host: name.clone(), why });
        if settings.deny.iter().any(|pattern| pattern.names(&name, literal)) {
            return refused("it is in `fetch.deny`");
        }
        if settings.allow.as_ref().is_some_and(|allow| !allow.iter().any(|pattern| pattern.names(&name, literal))) {
            return refused("it is not in `fetch.allow`");
        }
        let port = url.port_or_known_default().ok_or_else(no_host)?;
        Ok(Target { bot: bot.cloned(), secure: url.scheme() == "https", host, port })
    }
}

/// Bytes of answers of one bot that are held: a quarter of all, so that others find room, but never less than one answer.
fn buffered_of_bot(all: u32, largest: usize) -> usize {
    let all = all as usize;
    (all / 4).max(largest.saturating_add(1 << 20)).min(all)
}

fn fetched(answer: Answer, mut url: Url, redirected: bool) -> Fetched {
    url.set_fragment(None);
    let Answer { status, status_text, headers, body, held } = answer;
    let head = AnswerHead { status, status_text: &status_text, headers: &headers, url: url.as_str(), redirected };
    // Plain text and numbers: they always have JSON.
    Fetched { head: serde_json::to_string(&head).unwrap_or_default(), body, held }
}
