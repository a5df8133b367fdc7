//! Connections to other servers: names are looked up, the addresses judged, and those that passed are connected to. A name
//! that leads elsewhere the next time leads nobody around the judgement.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use url::Host;

use super::address::{Denied, judge};
use super::own::{self, OwnServer};
use super::problem::FetchError;
use crate::config::{FetchSettings, HostPattern};
use crate::model::BotId;

/// Connections that are kept for the next call, and for how long: most servers keep theirs for five seconds.
const MOST_IDLE: usize = 64;
const IDLE_FOR: Duration = Duration::from_secs(4);
/// Names that are looked up at once: each takes a thread until the system answers.
const LOOKUPS: usize = 32;
/// How long one of several addresses is tried.
const TRY: Duration = Duration::from_secs(3);
/// Most bytes of an answer's head, and most headers in it.
const HEAD: usize = 64 << 10;
const HEADERS: usize = 256;

/// Where a request goes, and for whom: a connection that carried what one bot may know is not another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) bot: Option<BotId>,
    pub(super) secure: bool,
    pub(super) host: Host<String>,
    pub(super) port: u16,
}

impl Target {
    fn literal(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some((*address).into()),
            Host::Ipv6(address) => Some((*address).into()),
        }
    }
}

/// A connection. It ends when this is dropped.
pub(super) struct Link {
    sender: http1::SendRequest<Full<Bytes>>,
    task: AbortHandle,
    /// Where it begins and ends.
    ends: Option<(SocketAddr, SocketAddr)>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Idle {
    target: Target,
    link: Link,
    since: Instant,
}

/// Makes connections, and keeps some.
#[derive(Default)]
pub(super) struct Connections {
    idle: Mutex<VecDeque<Idle>>,
    pub(super) tls: OnceCell<TlsConnector>,
    lookups: Lookups,
}

struct Lookups(Arc<Semaphore>);

impl Default for Lookups {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS)))
    }
}

impl Connections {
    /// Sends a request to where it goes; gives the answer, whose body is still to come, and the connection it comes by.
    pub(super) async fn send(
        &self,
        settings: &FetchSettings,
        (target, apart): (&Target, Option<(&OwnServer, &BotId)>),
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Link), FetchError> {
        // What changes nothing may be asked twice.
        let asks = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        let admit = |link: &Link, request: &mut Request<Full<Bytes>>| match (apart, link.ends) {
            (Some((own, bot)), Some((local, peer))) if own.is_end_of(local, peer) => own::admit(bot, request),
            // Where it leads is not known: it is not believed to lead elsewhere.
            (Some((_, bot)), None) => Err(FetchError::OtherBot(bot.clone())),
            _ => Ok(()),
        };
        while let Some(mut link) = self.take(target) {
            admit(&link, &mut request)?;
            let again = asks.then(|| request.clone());
            match link.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, link)),
                // The other end had closed it: nothing of the request went out, or it may go out again.
                Err(mut error) => match error.take_message().or(again) {
                    Some(unsent) => request = unsent,
                    None => return Err(FetchError::broken(error.error())),
                },
            }
        }
        let mut link = self.connect(settings, target).await?;
        admit(&link, &mut request)?;
        let response = link.sender.send_request(request).await.map_err(|error| FetchError::broken(&error))?;
        Ok((response, link))
    }

    /// Keeps a connection whose answer has been read to its end, if the other end does.
    pub(super) fn keep(self: &Arc<Self>, target: Target, mut link: Link) {
        let connections = Arc::clone(self);
        tokio::spawn(async move {
            if !matches!(tokio::time::timeout(IDLE_FOR, link.sender.ready()).await, Ok(Ok(()))) {
                return;
            }
            let mut idle = connections.idle.lock();
            if idle.len() >= MOST_IDLE {
                idle.pop_front();
            }
            idle.push_back(Idle { target, link, since: Instant::now() });
        });
    }

    /// One that was kept.
    fn take(&self, target: &Target) -> Option<Link> {
        let mut idle = self.idle.lock();
        idle.retain(|idle| idle.since.elapsed() < IDLE_FOR && !idle.link.sender.is_closed());
        let at = idle.iter().rposition(|idle| idle.target == *target)?;
        idle.remove(at).map(|idle| idle.link)
    }

    async fn connect(&self, settings: &FetchSettings, target: &Target) -> Result<Link, FetchError> {
        let stream = reach(&self.addresses(settings, target).await?).await.map_err(FetchError::Unreachable)?;
        // Small requests should not wait to be put together with others.
        let _ = stream.set_nodelay(true);
        let ends = stream.local_addr().ok().zip(stream.peer_addr().ok());
        if !target.secure {
            return shake(stream, ends).await;
        }
        let name = match &target.host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|_| FetchError::Insecure(format!("{name} is no name that a certificate can have")))?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
        };
        let tls = self.tls.get_or_try_init(secure).await?;
        let stream = tls.connect(name, stream).await.map_err(|error| FetchError::Insecure(error.to_string()))?;
        shake(stream, ends).await
    }

    /// The addresses of a host that may be called.
    async fn addresses(&self, settings: &FetchSettings, target: &Target) -> Result<Vec<SocketAddr>, FetchError> {
        let found = match (&target.host, target.literal()) {
            (_, Some(address)) => vec![SocketAddr::new(address, target.port)],
            (Host::Domain(name), None) => self.look_up(name, target.port).await?,
            _ => Vec::new(),
        };
        let verdict = |address: &SocketAddr| {
            let address = address.ip().to_canonical();
            if settings.deny.contains(&HostPattern::Address(address)) {
                return Err(Denied::Listed);
            }
            judge(address, settings.private)
        };
        let mut denied = None;
        let mut fine = Vec::new();
        for address in found {
            match verdict(&address) {
                Ok(()) => fine.push(address),
                Err(why) => denied = denied.or(Some(FetchError::Denied { address: address.ip(), why })),
            }
        }
        match denied {
            Some(denied) if fine.is_empty() => Err(denied),
            _ => Ok(fine),
        }
    }

    async fn look_up(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, FetchError> {
        let unknown = |why: String| FetchError::Unknown { host: name.to_owned(), why };
        // It is never closed.
        let place = Arc::clone(&self.lookups.0).acquire_owned().await;
        let asked = name.to_owned();
        let found = tokio::task::spawn_blocking(move || {
            // The place is taken for as long as the system needs, also when nobody waits any more.
            let found = (asked.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            drop(place);
            found
        });
        let found = found.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let found = found.map_err(|error| {
            let text = error.to_string();
            let text = text.rsplit(": ").next().unwrap_or_default();
            unknown(text[..1.min(text.len())].to_lowercase() + text.get(1..).unwrap_or_default())
        })?;
        if found.is_empty() { Err(unknown("it has no address".into())) } else { Ok(found) }
    }
}

/// Connects to the first address that answers.
async fn reach(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = None;
    for (index, address) in addresses.iter().enumerate() {
        let connecting = TcpStream::connect(address);
        // The last one may take all the time there is.
        let result = if index + 1 == addresses.len() {
            connecting.await
        } else {
            tokio::time::timeout(TRY, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match result {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

async fn shake(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    ends: Option<(SocketAddr, SocketAddr)>,
) -> Result<Link, FetchError> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD).max_header_size(HEAD).max_headers(HEADERS).ignore_invalid_headers_in_responses(true);
    let made = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(|error| FetchError::broken(&error))?;
    // What goes wrong with it is told to the call that uses it.
    let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
    Ok(Link { sender, task, ends })
}

/// What the system trusts, read once, when it is first needed.
async fn secure() -> Result<TlsConnector, FetchError> {
    let read = tokio::task::spawn_blocking(|| {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
            return Err(format!(
                "this machine has no root certificates; install its package ca-certificates, or name a file in \
                 SSL_CERT_FILE{why}"
            ));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
        Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
    });
    read.await.unwrap_or_else(|error| Err(error.to_string())).map_err(FetchError::Insecure)
}
