//! What scripts may ask the server for: the methods of `bp` that need the store, the bots or the configuration.
//!
//! One const table names them all. Each call begins in a turn of its bot, and what is called in order begins in order, so that the
//! calls of one event reach the store as they were made; the answer of one is not waited for before the next begins.

mod args;
mod bot_directory;
mod bots;
mod call;
mod caller;
mod cms;
mod configurations;
mod dialog;
mod error;
mod experimental;
mod external;
mod fair_turns;
mod fetch;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod isolation;
mod kvs;
pub mod media;
mod pages;
mod path;
mod realtime;
mod security;
pub mod served;
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
use crate::model::BotId;
use crate::shares::ShareLimits;
use crate::store::{Store, StoreError};

use args::Args;
use call::{Call, LONG, Outcome, took};
use configurations::Configurations;
use external::External;
use fair_turns::FairTurns;
use fetch::Fetch;
use media::Media;
use state::ServiceState;

pub use bot_directory::{BotDirectory, BotEntry};
pub use call::{Begun, Pending};
pub use caller::{Caller, Line};
pub use error::ServiceError;
pub(crate) use fetch::{BOT_HEADER, is_local};
pub use fetch::{FetchFailed, Fetched};
pub use pages::{Audience, Pages};
pub use tokens::{Claims, TokenError, Tokens};
pub use visitors::{VisitorError, Visitors};

/// What a call costs beside its bytes and those of its answer.
const CALL: u64 = 1 << 10;
/// Calls under way, each of which has at most [`LONG`] bytes: as many of a bot wait before another bot's at the writer.
const CALLS: ShareLimits = ShareLimits { all: 256, assured: 1, each: 32, cost: 1 << 20 };
/// Longer ones.
const LONG_CALLS: ShareLimits = ShareLimits { all: 2, assured: 0, each: 1, cost: u64::MAX };

/// A cheap handle to the services.
#[derive(Clone)]
pub struct Services(Arc<ServiceState>);

/// One method: its name and what it does.
struct Method {
    name: &'static str,
    /// It sees what its line has written before: that is committed by then.
    reads: bool,
    run: fn(&Call<'_>) -> Result<Outcome, ServiceError>,
}

/// Every method, in the order of the reference.
const METHODS: &[Method] = &[
    Method { name: "cms.saveFile", reads: false, run: cms::save_file },
    Method { name: "cms.readFile", reads: false, run: cms::read_file },
    Method { name: "users.getOrCreateUser", reads: false, run: users::get_or_create },
    Method { name: "users.getAttributes", reads: true, run: users::attributes },
    Method { name: "users.setAttributes", reads: false, run: users::set },
    Method { name: "users.updateAttributes", reads: false, run: users::update },
    Method { name: "users.getAllUsers", reads: true, run: users::all },
    Method { name: "users.getUserCount", reads: true, run: users::count },
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
        let external = External::new(&settings.external_auth, settings.http.head_limit, store.clock().clone());
        Ok(Self(Arc::new(ServiceState {
            bots,
            fetch: Fetch::new(&settings),
            media: Arc::new(Media::new(settings.media.clone(), settings.links.outside, store.clock().clone())),
            settings,
            configurations: Configurations::default(),
            root: OnceLock::new(),
            secret,
            tokens,
            visitors,
            pages: OnceLock::new(),
            external,
            calls: FairTurns::new(CALLS),
            long_calls: FairTurns::new(LONG_CALLS),
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

    /// Begins a call of a method with its arguments, a JSON array. The answer is JSON text; an **empty text is `undefined`**.
    ///
    /// Calls of a line take effect in the order in which they begin: who begins the next one when this is ready keeps it. It
    /// waits for a turn of its bot: whatever the bots ask for, each has its share.
    pub async fn begin(&self, caller: &Caller, method: &str, args: &RawValue) -> Begun {
        let known = METHODS.iter().find(|known| known.name == method);
        let Some(known) = known else {
            return Begun::Answered(Err(ServiceError::Unknown(method.chars().take(100).collect())));
        };
        let (state, bytes) = (&self.0, args.get().len() as u64);
        if known.reads {
            state.settled(caller.line).await;
        }
        let long = bytes > LONG;
        let turns = if long { &state.long_calls } else { &state.calls };
        let mut turn = turns.turn(caller.bot.as_ref(), CALL + bytes).await;
        let outcome = Args::parse(known.name, args).and_then(|args| run(state, known, caller, args));
        match outcome {
            Err(error) => Begun::Answered(Err(error)),
            Ok(Outcome::Now(text)) => {
                let answer = Ok(text);
                took(turn.as_mut(), &answer);
                Begun::Answered(answer)
            }
            // What comes next may be about what this writes, which is too long for the writer to take apart.
            Ok(Outcome::Later(answer)) if long => Begun::Answered(Pending { answer, turn }.answer().await),
            Ok(Outcome::Later(answer)) => Begun::Pending(Pending { answer, turn }),
            Ok(Outcome::Long { bytes, work }) => {
                if !long {
                    // Nobody waits for a long call while holding the place of a short one.
                    drop(turn);
                    turn = state.long_calls.turn(caller.bot.as_ref(), CALL + bytes).await;
                }
                let answer = work.await;
                took(turn.as_mut(), &answer);
                Begun::Answered(answer)
            }
        }
    }

    /// Has something done for a script that is none of the methods, in a turn of its bot.
    pub async fn in_turn(&self, caller: &Caller, work: impl FnOnce() -> String) -> String {
        let turn = self.0.calls.turn(caller.bot.as_ref(), CALL).await;
        let text = work();
        if let Some(mut turn) = turn {
            turn.took(text.len() as u64);
        }
        text
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

    /// Signs a message as `bp.security.getMessageSignature` does: hexadecimal HMAC-SHA256 with the application's secret.
    pub fn signature(&self, message: &str) -> String {
        signature::sign(self.0.secret.as_bytes(), message)
    }

    /// Whether a message was signed so by [`Services::signature`], or by a script of that bot where each bot signs with a key of
    /// its own. How long that takes says nothing of the right one.
    pub fn is_signature(&self, bot: &BotId, message: &str, signature: &str) -> bool {
        let signed = |key: &[u8]| signature::is_signed(key, message, signature);
        let of_bot = self.0.settings.dispatch.isolation.within(Some(bot));
        signed(self.0.secret.as_bytes()) || of_bot.is_some_and(|bot| signed(&security::key_of(&self.0.secret, bot)))
    }

    /// Whether a caller may have the content of the bot that these arguments name.
    ///
    /// # Errors
    /// It may not; the text is for the script.
    pub fn admit_content(&self, caller: &Caller, args: &RawValue) -> Result<(), String> {
        self.0.admit_content(caller, args)
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
}

/// Runs a method, if the caller may have what it asks for.
fn run<'c>(
    state: &'c Arc<ServiceState>,
    known: &Method,
    caller: &'c Caller,
    args: Args<'_>,
) -> Result<Outcome, ServiceError> {
    let instead = state.admit(caller, known.name, &args)?;
    // Among arguments that live for as long as this one.
    let mut args: Args<'_> = args;
    if let Some((at, given)) = &instead {
        args.replace(*at, given);
    }
    (known.run)(&Call { services: state, caller, method: known.name, args })
}

#[cfg(test)]
mod tests;
