//! What scripts may ask the server for: the methods of `bp` that need the store, the bots or the configuration.
//!
//! One const table names them all. A call does its first step at once, so that the calls of one event reach the store in
//! the order in which they were made; the future that it gives is ready when the answer is.

mod args;
mod bot_directory;
mod bots;
mod call;
mod caller;
mod cms;
mod dialog;
mod error;
mod experimental;
mod external;
mod fetch;
mod http;
mod kvs;
pub mod media;
mod pages;
mod path;
mod realtime;
mod security;
mod signature;
mod state;
mod tokens;
mod users;
mod visitors;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::config::Settings;
use crate::store::{Store, StoreError};

use args::Args;
use call::{Call, Outcome};
use error::Answer;
use external::External;
use fetch::Fetch;
use media::Media;
use state::ServiceState;

pub use bot_directory::{BotDirectory, BotEntry};
pub use caller::{Caller, Line};
pub use error::ServiceError;
pub(crate) use fetch::is_local;
pub use fetch::{FetchFailed, Fetched};
pub use pages::{Audience, Pages};
pub use tokens::{Claims, TokenError, Tokens};
pub use visitors::{VisitorError, Visitors};

/// A cheap handle to the services.
#[derive(Clone)]
pub struct Services(Arc<ServiceState>);

/// One method: its name and what it does.
struct Method {
    name: &'static str,
    /// It answers with what is stored, which may be long.
    reads: bool,
    run: fn(&Call<'_>) -> Result<Outcome, ServiceError>,
}

/// Every method, in the order of the reference.
const METHODS: &[Method] = &[
    Method { name: "cms.saveFile", reads: false, run: cms::save_file },
    Method { name: "cms.readFile", reads: true, run: cms::read_file },
    Method { name: "users.getOrCreateUser", reads: true, run: users::get_or_create },
    Method { name: "users.getAttributes", reads: true, run: users::attributes },
    Method { name: "users.setAttributes", reads: false, run: users::set },
    Method { name: "users.updateAttributes", reads: false, run: users::update },
    Method { name: "users.getAllUsers", reads: true, run: users::all },
    Method { name: "users.getUserCount", reads: false, run: users::count },
    Method { name: "dialog.deleteSession", reads: false, run: dialog::delete_session },
    Method { name: "kvs.get", reads: true, run: kvs::get },
    Method { name: "kvs.set", reads: false, run: kvs::set },
    Method { name: "kvs.delete", reads: false, run: kvs::delete },
    Method { name: "kvs.increment", reads: false, run: kvs::increment },
    Method { name: "kvs.exists", reads: true, run: kvs::exists },
    Method { name: "kvs.setStorageWithExpiry", reads: false, run: kvs::set_with_expiry },
    Method { name: "kvs.getStorageWithExpiry", reads: true, run: kvs::get_with_expiry },
    Method { name: "kvs.removeStorageKeysStartingWith", reads: false, run: kvs::remove_prefix },
    Method { name: "bots.getAllBots", reads: false, run: bots::all },
    Method { name: "bots.getBotById", reads: false, run: bots::by_id },
    Method { name: "http.createShortLink", reads: false, run: http::create_short_link },
    Method { name: "http.deleteShortLink", reads: false, run: http::delete_short_link },
    Method { name: "http.getAxiosConfigForBot", reads: false, run: http::axios_config },
    Method { name: "http.decodeExternalToken", reads: false, run: http::decode_external_token },
    Method { name: "config.getBotpressConfig", reads: false, run: bots::configuration },
    Method { name: "config.getModuleConfig", reads: false, run: bots::module },
    Method { name: "config.getModuleConfigForBot", reads: false, run: bots::module_for_bot },
    Method { name: "security.getMessageSignature", reads: false, run: security::signature },
    Method { name: "realtime.sendPayload", reads: false, run: realtime::send_payload },
    Method { name: "realtime.getVisitorIdFromGuestSocketId", reads: false, run: realtime::visitor_of_socket },
    Method { name: "experimental.disableHook", reads: false, run: experimental::disable_hook },
    Method { name: "experimental.enableHook", reads: false, run: experimental::enable_hook },
];

impl Services {
    /// Makes the services. Asks the store for the application's secret if none is configured.
    pub fn new(
        store: Store,
        bots: watch::Receiver<Arc<BotDirectory>>,
        settings: Arc<Settings>,
    ) -> Result<Self, StoreError> {
        let secret = match &settings.app_secret {
            Some(secret) => secret.clone(),
            None => store.app_secret()?,
        };
        let tokens = Tokens::new(&secret, store.clock().clone());
        let visitors = Visitors::new(&secret, settings.http.visitor_secret);
        let external = External::new(&settings.external_auth, store.clock().clone());
        Ok(Self(Arc::new(ServiceState {
            bots,
            fetch: Fetch::new(&settings),
            media: Arc::new(Media::new(settings.media.clone(), store.clock().clone())),
            settings,
            root: OnceLock::new(),
            secret,
            tokens,
            visitors,
            pages: OnceLock::new(),
            external,
            links: Mutex::default(),
            unsettled: Mutex::default(),
            store,
        })))
    }

    /// Says where the workspace lies, for calls that change its files. The first word counts.
    pub fn serve_workspace(&self, root: &Path) {
        self.0.root.get_or_init(|| root.to_owned());
        self.0.media.serve(root);
    }

    /// Says how those who are connected are reached. The first word counts.
    pub fn serve_pages(&self, pages: Pages) {
        self.0.pages.get_or_init(|| pages);
    }

    /// Calls a method with its arguments, a JSON array. The answer is JSON text; an **empty text is `undefined`**.
    ///
    /// The call is submitted before this returns, whether or not the future is awaited.
    pub fn call(
        &self,
        caller: &Caller,
        method: &str,
        args: &RawValue,
    ) -> impl Future<Output = Answer> + Send + 'static + use<> {
        let outcome = self.begin(caller, method, args);
        async move {
            match outcome? {
                Outcome::Now(answer) => Ok(answer),
                Outcome::Later(answer) => answer.await,
            }
        }
    }

    /// Calls another server, with what `fetch` of a script says and a body. Dropping the future ends the call.
    ///
    /// # Errors
    /// There is no answer, or it may not be had.
    pub fn fetch(
        &self,
        caller: &Caller,
        head: &RawValue,
        body: Bytes,
    ) -> impl Future<Output = Result<Fetched, FetchFailed>> + Send + 'static + use<> {
        let (fetch, bot, head) = (self.0.fetch.clone(), caller.bot.clone(), head.get().to_owned());
        async move { fetch.call(bot.as_ref(), &head, body).await }
    }

    /// The address that a short link leads to.
    pub fn short_link(&self, name: &str) -> Option<String> {
        self.0.links.lock().get(&name.to_lowercase()).cloned()
    }

    /// Signs a message as `bp.security.getMessageSignature` does: hexadecimal HMAC-SHA256 with the application's secret.
    pub fn signature(&self, message: &str) -> String {
        signature::sign(self.0.secret.as_bytes(), message)
    }

    /// Whether a message was signed so by [`Services::signature`]. How long that takes says nothing of the right one.
    pub fn is_signature(&self, message: &str, signature: &str) -> bool {
        signature::is_signed(self.0.secret.as_bytes(), message, signature)
    }

    /// The files of bots.
    pub fn media(&self) -> &Arc<Media> {
        &self.0.media
    }

    /// The tokens of the application's secret.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// The visitors of the web channel.
    pub fn visitors(&self) -> &Visitors {
        &self.0.visitors
    }

    /// What the token of another system says of a user, once it is verified: `event.credentials`.
    pub fn credentials(&self, token: &str) -> Result<Box<RawValue>, TokenError> {
        self.0.external.as_ref().ok_or(TokenError::Disabled)?.check(token)
    }

    /// Whether a method's answer may be long: as long as what is stored.
    pub fn reads(method: &str) -> bool {
        METHODS.iter().any(|known| known.name == method && known.reads)
    }

    fn begin(&self, caller: &Caller, method: &str, args: &RawValue) -> Result<Outcome, ServiceError> {
        let known = METHODS.iter().find(|known| known.name == method);
        let known = known.ok_or_else(|| ServiceError::Unknown(method.chars().take(100).collect()))?;
        let args = Args::parse(known.name, args)?;
        (known.run)(&Call { services: &self.0, caller, method: known.name, args })
    }
}

#[cfg(test)]
mod tests;
