//! What scripts may ask the server for: the methods of `bp` that need the store, the bots or the configuration.
//!
//! One const table names them all. A call does its first step at once, so that the calls of one event reach the store in
//! the order in which they were made; the future that it gives is ready when the answer is.

mod args;
mod bots;
mod call;
mod dialog;
mod experimental;
mod fetch;
mod http;
mod kvs;
mod path;
mod security;
mod users;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::config::Settings;
use crate::model::{BotId, EventId};
use crate::store::{Store, StoreError};

use args::Args;
use call::{Call, Outcome};
use fetch::Fetch;

pub use bots::{BotDirectory, BotEntry};
pub use fetch::{FetchFailed, Fetched};

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The bot whose script it is; `None` for scripts of no bot.
    pub bot: Option<BotId>,
    /// What its calls are in line with: they take effect in the order in which they are made.
    pub line: Option<Line>,
}

/// Calls that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// Those of one event, also when it runs a second time.
    Event(EventId),
    /// Those of one run of hooks without an event, by the number of its dispatch.
    Hooks(u64),
}

/// Why a call failed; its text is what the script sees.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// An argument is not what it must be.
    #[error("bp.{method}: \"{argument}\" must be {expected}, got {got}")]
    Argument {
        /// The method, without `bp.`.
        method: &'static str,
        /// The argument's name.
        argument: &'static str,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// There is no such method.
    #[error("bp.{0} is not offered by this server")]
    Unknown(String),
    /// What was asked for does not exist or cannot be done.
    #[error("bp.{method}: {message}")]
    Refused {
        /// The method, without `bp.`.
        method: &'static str,
        /// Why.
        message: String,
    },
    /// The store refused.
    #[error("bp.{method}: {source}")]
    Store {
        /// The method, without `bp.`.
        method: &'static str,
        /// Why.
        source: StoreError,
    },
}

/// A cheap handle to the services.
#[derive(Clone)]
pub struct Services(Arc<Inner>);

struct Inner {
    store: Store,
    bots: watch::Receiver<Arc<BotDirectory>>,
    settings: Arc<Settings>,
    fetch: Fetch,
    /// The workspace's folder, where there is one.
    root: OnceLock<PathBuf>,
    /// For signatures; never leaves the server.
    secret: String,
    /// Destinations by name in lower case.
    links: Mutex<HashMap<String, String>>,
    /// How many writes of a line are not committed yet. Reads in these lines wait for their turn.
    unsettled: Mutex<HashMap<Line, u32>>,
}

/// What a method gives: JSON text, empty for `undefined`.
type Answer = Result<String, ServiceError>;

/// One method: its name and what it does.
struct Method {
    name: &'static str,
    /// It answers with what is stored, which may be long.
    reads: bool,
    run: fn(&Call<'_>) -> Result<Outcome, ServiceError>,
}

/// Every method, in the order of the reference.
const METHODS: &[Method] = &[
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
    Method { name: "config.getBotpressConfig", reads: false, run: bots::configuration },
    Method { name: "config.getModuleConfig", reads: false, run: bots::module },
    Method { name: "config.getModuleConfigForBot", reads: false, run: bots::module_for_bot },
    Method { name: "security.getMessageSignature", reads: false, run: security::signature },
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
        Ok(Self(Arc::new(Inner {
            store,
            bots,
            fetch: Fetch::new(&settings),
            settings,
            root: OnceLock::new(),
            secret,
            links: Mutex::default(),
            unsettled: Mutex::default(),
        })))
    }

    /// Says where the workspace lies, for calls that change its files. The first word counts.
    pub fn serve_workspace(&self, root: &Path) {
        self.0.root.get_or_init(|| root.to_owned());
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

    /// The address that a short link leads to.
    pub fn short_link(&self, name: &str) -> Option<String> {
        self.0.links.lock().get(&name.to_lowercase()).cloned()
    }

    /// Signs a message as `bp.security.getMessageSignature` does: hexadecimal HMAC-SHA256 with the application's secret.
    pub fn signature(&self, message: &str) -> String {
        security::sign(&self.0.secret, message)
    }

    /// The application's secret, for tokens.
    pub fn app_secret(&self) -> &str {
        &self.0.secret
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
mod tests {
    use serde_json::json as value;

    use super::*;
    use crate::store::testing::{Fixture, block_on};

    struct Bench {
        fixture: Fixture,
        services: Services,
        caller: Caller,
    }

    impl Bench {
        fn new() -> Self {
            let fixture = Fixture::new();
            let config = value!({ "id": "my-bot", "custom": { "x": 1, "apiKey": "k" } });
            let entry = BotEntry { config: config.as_object().unwrap().clone() };
            let directory = BotDirectory([(BotId::parse("my-bot").unwrap(), entry)].into_iter().collect());
            let (_, bots) = watch::channel(Arc::new(directory));
            let settings = Settings {
                app_secret: Some("key".into()),
                raw: value!({ "httpServer": { "port": 3000 }, "appSecret": "key", "smtpPassword": "key",
                               "list": [{ "client_secret": "key", "a": 2 }] })
                .as_object()
                .unwrap()
                .clone(),
                ..Settings::default()
            };
            let services = Services::new(fixture.store.clone(), bots, Arc::new(settings)).unwrap();
            let caller = Caller { bot: Some(BotId::parse("my-bot").unwrap()), line: Some(Line::Event(EventId(7))) };
            Self { fixture, services, caller }
        }

        fn call(&self, method: &str, args: serde_json::Value) -> Result<String, String> {
            let args = RawValue::from_string(args.to_string()).unwrap();
            block_on(self.services.call(&self.caller, method, &args)).map_err(|error| error.to_string())
        }

        /// Calls that must succeed.
        fn get(&self, method: &str, args: serde_json::Value) -> String {
            self.call(method, args).unwrap()
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        let bench = Bench::new();
        for (method, args, message) in [
            ("kvs.get", value!(["b"]), "bp.kvs.get: \"key\" must be a string, got undefined"),
            ("kvs.get", value!(["b", 7]), "bp.kvs.get: \"key\" must be a string, got a number"),
            ("kvs.set", value!(["b", "k"]), "bp.kvs.set: \"value\" must be a value that JSON can hold, got undefined"),
            (
                "kvs.setStorageWithExpiry",
                value!(["b", "k", 1, "soon"]),
                "bp.kvs.setStorageWithExpiry: \"expiry\" must be a time such as '6 hours' or '10m', 'never', or a number of \
                 milliseconds, got \"soon\"",
            ),
            (
                "users.setAttributes",
                value!(["web", "u", [1]]),
                "bp.users.setAttributes: \"attributes\" must be an object, got an array",
            ),
            (
                "users.getAttributes",
                value!(["web", ""]),
                "bp.users.getAttributes: \"userId\" must be a string that is not empty, got an empty string",
            ),
            (
                "kvs.get",
                value!({ "args": ["b", null], "not": { "1": "a function" } }),
                "bp.kvs.get: \"key\" must be a string, got a function",
            ),
            (
                "kvs.get",
                value!({ "args": ["b", "k", null], "not": { "2": "a symbol" } }),
                "bp.kvs.get: \"path\" must be a path such as \"a.b[0]\" or an array of keys, got a symbol",
            ),
            (
                "kvs.get",
                value!({ "args": 7 }),
                "bp.kvs.get: arguments must be an array: invalid type: integer `7`, expected a sequence at line 1 column 9",
            ),
            ("kvs.nope", value!([]), "bp.kvs.nope is not offered by this server"),
            (
                "security.getMessageSignature",
                value!([""]),
                "bp.security.getMessageSignature: \"message\" must be a string that is not empty, got an empty string",
            ),
        ] {
            assert_eq!(bench.call(method, args).unwrap_err(), message);
        }
    }

    #[test]
    fn values_are_set_and_read_whole_and_by_path() {
        let bench = Bench::new();
        assert_eq!(bench.get("kvs.get", value!(["b", "__proto__"])), "", "undefined");
        bench.get("kvs.set", value!(["b", "__proto__", { "a": [1] }]));
        assert_eq!(bench.get("kvs.get", value!(["b", "__proto__"])), r#"{"a":[1]}"#);
        bench.get("kvs.set", value!(["b", "__proto__", "x", "a[1].b"]));
        assert_eq!(bench.get("kvs.get", value!(["b", "__proto__", "a[1]"])), r#"{"b":"x"}"#);
        assert_eq!(bench.get("kvs.get", value!(["b", "__proto__", "no.such"])), "");
        bench.get("kvs.set", value!(["b", "new", 1, "p.q"]));
        assert_eq!(bench.get("kvs.get", value!(["b", "new"])), r#"{"p":{"q":1}}"#);
        assert_eq!(bench.get("kvs.exists", value!(["b", "new"])), "true");
        bench.get("kvs.delete", value!(["b", "new"]));
        assert_eq!(bench.get("kvs.exists", value!(["b", "new"])), "false");
        bench.get("kvs.removeStorageKeysStartingWith", value!(["__pro"]));
        assert_eq!(bench.get("kvs.get", value!(["b", "__proto__"])), "");
        bench.get("kvs.setStorageWithExpiry", value!(["b", "e", 1, "10m"]));
        bench.get("kvs.set", value!(["b", "f", 1, null, 500]));
        assert_eq!(bench.get("kvs.getStorageWithExpiry", value!(["b", "e"])), "1");
        bench.fixture.clock.advance(std::time::Duration::from_secs(600));
        assert_eq!(bench.get("kvs.getStorageWithExpiry", value!(["b", "e"])), "");
        assert_eq!(bench.get("kvs.get", value!(["b", "f"])), "");
    }

    #[test]
    fn parts_are_removed_and_counted_up_in_one_step() {
        let bench = Bench::new();
        bench.get("kvs.set", value!(["b", "k", { "a": { "b": 1, "c": 2 } }]));
        bench.get("kvs.delete", value!(["b", "k", "a.b"]));
        bench.get("kvs.delete", value!(["b", "k", ["no", "such"]]));
        assert_eq!(bench.get("kvs.get", value!(["b", "k"])), r#"{"a":{"c":2}}"#);
        bench.get("kvs.delete", value!(["b", "none", "a"]));
        assert_eq!(bench.get("kvs.exists", value!(["b", "none"])), "false");

        assert_eq!(bench.get("kvs.increment", value!(["b", "n"])), "1");
        assert_eq!(bench.get("kvs.increment", value!(["b", "n", -3])), "-2");
        assert_eq!(bench.get("kvs.increment", value!(["b", "n", 0.5])), "-1.5");
        assert_eq!(bench.get("kvs.increment", value!(["b", "k", 5, "a.c"])), "7");
        assert_eq!(bench.get("kvs.increment", value!(["b", "k", null, ["days", "2026-01-01"]])), "1");
        assert_eq!(bench.get("kvs.get", value!(["b", "k"])), r#"{"a":{"c":7},"days":{"2026-01-01":1}}"#);
        let error = bench.call("kvs.increment", value!(["b", "k"])).unwrap_err();
        assert_eq!(error, "bp.kvs.increment: what is stored there is no number to add to");
        let error = bench.call("kvs.increment", value!(["b", "k", "1"])).unwrap_err();
        assert_eq!(error, "bp.kvs.increment: \"by\" must be a number, got \"1\"");
    }

    #[test]
    fn a_value_does_not_grow_past_what_can_be_read_again() {
        let bench = Bench::new();
        let long = "x".repeat(9 << 20);
        bench.get("kvs.set", value!(["b", "k", long, "one"]));
        let error = bench.call("kvs.set", value!(["b", "k", long, "two"])).unwrap_err();
        assert!(error.starts_with("bp.kvs.set: the value would have"), "{error}");
        assert_eq!(bench.get("kvs.get", value!(["b", "k", "two"])), "");
    }

    #[test]
    fn calls_of_one_event_take_effect_in_their_order_awaited_or_not() {
        in_order(Bench::new());
    }

    #[test]
    fn reads_of_a_start_hook_do_not_overtake_its_writes() {
        let mut bench = Bench::new();
        bench.caller.line = Some(Line::Hooks(3));
        in_order(bench);
    }

    fn in_order(bench: Bench) {
        let start = |method: &str, args: serde_json::Value| {
            let args = RawValue::from_string(args.to_string()).unwrap();
            bench.services.call(&bench.caller, method, &args)
        };
        let mut reads = Vec::new();
        for number in 0..50 {
            drop(start("kvs.set", value!(["b", "k", number])));
            reads.push(start("kvs.get", value!(["b", "k"])));
        }
        let seen: Vec<String> = reads.into_iter().map(|read| block_on(read).unwrap()).collect();
        assert_eq!(seen, (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
        drop(start("kvs.get", value!(["b", "k"])));
        crate::store::testing::wait(|then| bench.fixture.store.barrier(move || then(())));
        assert!(bench.services.0.unsettled.lock().is_empty());
    }

    #[test]
    fn users_are_made_read_and_changed() {
        let bench = Bench::new();
        assert_eq!(
            bench.get("users.getOrCreateUser", value!(["WEB", "__proto__"])),
            r#"{"created":true,"result":{"id":"__proto__","channel":"web","attributes":{},"createdOn":"2026-11-22T06:48:19.736Z","updatedOn":"2026-11-22T06:48:19.736Z","otherChannels":[]}}"#
        );
        bench.get("users.setAttributes", value!(["web", "__proto__", { "a": 1 }]));
        bench.get("users.updateAttributes", value!(["Web", "__proto__", { "b": null }]));
        assert_eq!(bench.get("users.getAttributes", value!(["web", "__proto__"])), r#"{"a":1,"b":null}"#);
        assert_eq!(
            bench.call("users.getAttributes", value!(["web", "nobody"])).unwrap_err(),
            "bp.users.getAttributes: there is no user \"nobody\" of channel \"web\""
        );
        assert_eq!(bench.get("users.getUserCount", value!([])), "1");
        assert!(
            bench
                .get("users.getAllUsers", value!([{ "count": 1 }]))
                .starts_with(r#"[{"channel":"web","user_id":"__proto__""#)
        );
        assert_eq!(bench.get("users.getAllUsers", value!([{ "start": 1 }])), "[]");
    }

    #[test]
    fn configurations_keep_unknown_keys_and_lose_secrets() {
        let bench = Bench::new();
        assert_eq!(bench.get("bots.getBotById", value!(["My-Bot"])), r#"{"id":"my-bot","custom":{"x":1}}"#);
        assert_eq!(bench.get("bots.getBotById", value!(["no bot"])), "");
        assert_eq!(bench.get("bots.getAllBots", value!([])), r#"{"my-bot":{"id":"my-bot","custom":{"x":1}}}"#);
        assert_eq!(
            bench.get("config.getBotpressConfig", value!([])),
            r#"{"httpServer":{"port":3000},"list":[{"a":2}]}"#
        );
    }

    #[test]
    fn configurations_of_modules_are_read_from_their_files_less_their_secrets() {
        let bench = Bench::new();
        assert_eq!(bench.get("config.getModuleConfig", value!(["nlu"])), "{}", "without a workspace");
        let root = tempfile::tempdir().unwrap();
        for (path, text) in
            [("config/nlu.json", r#"{ "a": 1, "apiKey": "k" }"#), ("bots/My-Bot/config/nlu.json", r#"{ "b": 2 }"#)]
        {
            std::fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
            std::fs::write(root.path().join(path), text).unwrap();
        }
        bench.services.serve_workspace(root.path());
        assert_eq!(bench.get("config.getModuleConfig", value!(["nlu"])), r#"{"a":1}"#);
        assert_eq!(bench.get("config.getModuleConfigForBot", value!(["nlu", "my-bot"])), r#"{"a":1,"b":2}"#);
        for (args, message) in [
            (
                value!(["../nlu"]),
                "bp.config.getModuleConfigForBot: \"moduleId\" must be the name of a module, got \"../nlu\"",
            ),
            (value!(["nlu", "no bot"]), "bp.config.getModuleConfigForBot: there is no bot \"no bot\""),
            (value!(["nlu", "other"]), "bp.config.getModuleConfigForBot: there is no bot \"other\""),
        ] {
            assert_eq!(bench.call("config.getModuleConfigForBot", args).unwrap_err(), message);
        }
    }

    #[test]
    fn short_links_carry_their_parameters_and_are_found_without_regard_to_case() {
        let bench = Bench::new();
        let params = value!({ "m": "channel-web", "v": "Fullscreen", "options": "{\"hideWidget\":true}" });
        bench.get("http.createShortLink", value!(["My-Bot", "http://h/lite/my-bot/", params]));
        assert_eq!(
            bench.services.short_link("MY-BOT").unwrap(),
            "http://h/lite/my-bot/?m=channel-web&v=Fullscreen&options=%7B%22hideWidget%22%3Atrue%7D"
        );
        bench.get("http.deleteShortLink", value!(["my-bot"]));
        assert!(bench.services.short_link("my-bot").is_none());
    }

    #[test]
    fn a_signature_is_hmac_sha256_in_hexadecimal() {
        let bench = Bench::new();
        let message = "The quick brown fox jumps over the lazy dog";
        let expected = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
        assert_eq!(bench.get("security.getMessageSignature", value!([message])), format!("\"{expected}\""));
        assert_eq!(bench.services.signature(message), expected);
    }

    #[test]
    fn every_method_has_one_row() {
        let mut names: Vec<_> = METHODS.iter().map(|method| method.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METHODS.len());
    }
}
