//! Every kind of call, with its arguments, its answer and its order.

use serde_json::json as value;

use super::*;
use crate::config::{ExternalAuth, HttpSettings};
use crate::model::{BotId, EventId};
use crate::store::Rules;
use crate::store::testing::{Fixture, block_on};

struct Bench {
    fixture: Fixture,
    services: Services,
    caller: Caller,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let config = value!({ "id": "my-bot", "custom": { "x": 1, "apiKey": "k" } });
        let entry = BotEntry { config: Arc::new(config.as_object().unwrap().clone()) };
        let directory = BotDirectory([(BotId::parse("my-bot").unwrap(), entry)].into_iter().collect());
        let (_, bots) = watch::channel(Arc::new(directory));
        let mut settings = Settings {
            app_secret: Some("key".into()),
            raw: value!({ "httpServer": { "port": 3000 }, "appSecret": "key", "smtpPassword": "key",
                           "list": [{ "client_secret": "key", "a": 2 }] })
            .as_object()
            .unwrap()
            .clone(),
            http: HttpSettings { external_url: Some("https://bots.example.org".into()), ..HttpSettings::default() },
            external_auth: ExternalAuth {
                enabled: true,
                public_key: Some(include_str!("../../tests/keys/rsa.pub").into()),
                ..ExternalAuth::default()
            },
            ..Settings::default()
        };
        change(&mut settings);
        let fixture = Fixture::with_rules(Rules { limits: settings.stored.clone(), ..Rules::default() });
        let services = Services::new(fixture.store.clone(), bots, Arc::new(settings)).unwrap();
        let caller = Caller { bot: Some(BotId::parse("my-bot").unwrap()), line: Some(Line::Event(EventId(7))) };
        Self { fixture, services, caller }
    }

    fn call(&self, method: &str, args: serde_json::Value) -> Result<String, String> {
        let args = RawValue::from_string(args.to_string()).unwrap();
        let answer = async { self.services.begin(&self.caller, method, &args).await.answer().await };
        block_on(answer).map_err(|error| error.to_string())
    }

    /// Calls that must succeed.
    fn get(&self, method: &str, args: serde_json::Value) -> String {
        self.call(method, args).unwrap()
    }
}

#[test]
fn every_method_has_a_row_in_the_table_of_members() {
    for method in METHODS {
        assert!(
            crate::sdk::Member::of(method.name).is_some(),
            "{}: nobody may call it where bots are kept apart",
            method.name
        );
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
fn a_value_does_not_grow_past_its_limit_in_parts_either() {
    let bench = Bench::new();
    let half = "x".repeat(33_000);
    bench.get("kvs.set", value!(["b", "k", half, "one"]));
    let error = bench.call("kvs.set", value!(["b", "k", half, "two"])).unwrap_err();
    assert!(error.starts_with("bp.kvs.set: the value of \"k\" would have"), "{error}");
    assert!(error.ends_with("at most 65536 are allowed (`kvs.maxValue`)"), "{error}");
    assert_eq!(bench.get("kvs.get", value!(["b", "k", "two"])), "");
    let error = bench.call("kvs.setStorageWithExpiry", value!(["b", "e", "x".repeat(65_535), "1h"])).unwrap_err();
    assert!(error.contains("(`kvs.maxValue`)"), "{error}");
}

#[test]
fn a_long_value_is_read_and_changed_in_parts_and_counted_up_in_one_step_like_any_other() {
    let bench = Bench::with(|settings| settings.stored.value = 4 << 20);
    bench.get("kvs.set", value!(["b", "k", { "long": "x".repeat(1 << 20), "n": 1, "a": { "b": 2 } }]));
    assert_eq!(bench.get("kvs.get", value!(["b", "k", "a.b"])), "2");
    assert_eq!(bench.get("kvs.get", value!(["b", "k"])).len(), (1 << 20) + 29);
    assert_eq!(bench.get("kvs.exists", value!(["b", "k"])), "true");
    let args = RawValue::from_string(value!(["b", "k", 1, "n"]).to_string()).unwrap();
    // Of two events at the same time.
    let other = Caller { line: Some(Line::Event(EventId(8))), ..bench.caller.clone() };
    let count = async |caller: &Caller| bench.services.begin(caller, "kvs.increment", &args).await.answer().await;
    block_on(async {
        for _ in 0..10 {
            let (one, two) = tokio::join!(count(&bench.caller), count(&other));
            assert!(one.is_ok() && two.is_ok());
        }
    });
    assert_eq!(bench.get("kvs.get", value!(["b", "k", "n"])), "21");
    bench.get("kvs.delete", value!(["b", "k", "long"]));
    assert_eq!(bench.get("kvs.get", value!(["b", "k"])), r#"{"n":21,"a":{"b":2}}"#);
    let error = bench.call("kvs.increment", value!(["b", "k", 1, "a"])).unwrap_err();
    assert_eq!(error, "bp.kvs.increment: what is stored there is no number to add to");
}

#[test]
fn calls_of_one_event_take_effect_in_their_order_where_some_take_long() {
    let bench = Bench::with(|settings| settings.stored.value = 4 << 20);
    let begin = async |method: &str, args: serde_json::Value| {
        let args = RawValue::from_string(args.to_string()).unwrap();
        bench.services.begin(&bench.caller, method, &args).await
    };
    let read = block_on(async {
        drop(begin("kvs.set", value!(["b", "k", { "long": "x".repeat(1 << 20) }])).await);
        drop(begin("kvs.set", value!(["b", "k", 1, "n"])).await);
        let whole = begin("kvs.get", value!(["b", "k"])).await;
        drop(begin("kvs.set", value!(["b", "k", { "n": 5 }])).await);
        drop(begin("kvs.increment", value!(["b", "k", 2, "n"])).await);
        drop(begin("kvs.removeStorageKeysStartingWith", value!(["x"])).await);
        let short = begin("kvs.get", value!(["b", "k"])).await;
        (whole.answer().await.unwrap(), short.answer().await.unwrap())
    });
    assert!(read.0.len() > 1 << 20 && read.0.ends_with(r#","n":1}"#), "{}", read.0.len());
    assert_eq!(read.1, r#"{"n":7}"#);
}

#[test]
fn a_calm_bots_call_is_served_before_more_than_a_few_of_nine_hundred_long_ones_of_another() {
    let bench = Bench::with(|settings| settings.stored.value = 4 << 20);
    bench.get("kvs.set", value!(["b", "k", { "long": "x".repeat(1 << 20), "n": 0 }]));
    bench.get("kvs.set", value!(["c", "k", 1]));
    let long = RawValue::from_string(value!(["b", "k", 1, "n"]).to_string()).unwrap();
    let calm = RawValue::from_string(value!(["c", "k"]).to_string()).unwrap();
    let of = |bot: &str, event| Caller { bot: BotId::parse(bot).ok(), line: Some(Line::Event(EventId(event))) };
    let served = std::sync::atomic::AtomicU32::new(0);
    block_on(async {
        let one = async |event| {
            bench.services.begin(&of("hostile", event), "kvs.increment", &long).await.answer().await.unwrap();
            served.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        };
        let mut hostile: Vec<_> = (0..900).map(|event| Box::pin(one(event))).collect();
        // All of them ask, in this order.
        for call in &mut hostile {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_pending());
        }
        let calm = async |method: &str| bench.services.begin(&of("calm", 7), method, &calm).await.answer().await;
        assert_eq!(calm("kvs.get").await.unwrap(), "1");
        assert_eq!(calm("kvs.increment").await.unwrap(), "2");
        assert!(served.load(std::sync::atomic::Ordering::SeqCst) <= 2);
    });
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
    let start = |method: &'static str, args: serde_json::Value| {
        let args = RawValue::from_string(args.to_string()).unwrap();
        async { bench.services.begin(&bench.caller, method, &{ args }).await }
    };
    let seen = block_on(async {
        let mut reads = Vec::new();
        for number in 0..50 {
            drop(start("kvs.set", value!(["b", "k", number])).await);
            drop(start("kvs.increment", value!(["b", "k", 100])).await);
            reads.push(start("kvs.get", value!(["b", "k"])).await);
        }
        let mut seen = Vec::new();
        for read in reads {
            seen.push(read.answer().await.unwrap());
        }
        seen
    });
    assert_eq!(seen, (0..50).map(|number| (number + 100).to_string()).collect::<Vec<_>>());
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
    assert_eq!(bench.get("config.getBotpressConfig", value!([])), r#"{"httpServer":{"port":3000},"list":[{"a":2}]}"#);
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
    let link = || bench.fixture.store.short_link("my-bot").unwrap();
    assert_eq!(
        link().unwrap(),
        "http://h/lite/my-bot/?m=channel-web&v=Fullscreen&options=%7B%22hideWidget%22%3Atrue%7D"
    );
    bench.get("http.deleteShortLink", value!(["MY-BOT"]));
    assert!(link().is_none());
}

#[test]
fn the_name_of_a_bot_is_a_short_link_for_that_bot_alone_and_names_have_an_end() {
    let mut bench = Bench::new();
    bench.caller.bot = BotId::parse("other").ok();
    let refused = "short link \"my-bot\" belongs to bot \"my-bot\"; choose another name";
    for (method, args) in
        [("createShortLink", value!(["My-Bot", "http://h/"])), ("deleteShortLink", value!(["My-Bot"]))]
    {
        let error = bench.call(&format!("http.{method}"), args).unwrap_err();
        assert_eq!(error, format!("bp.http.{method}: {refused}"));
    }
    bench.get("http.createShortLink", value!(["x".repeat(200), "http://h/"]));
    assert_eq!(
        bench.call("http.createShortLink", value!(["x".repeat(201), "http://h/"])).unwrap_err(),
        "bp.http.createShortLink: the name of a short link must have 200 bytes at most"
    );
    bench.caller.bot = None;
    bench.get("http.createShortLink", value!(["My-Bot", "http://h/"]));
}

#[test]
fn what_an_event_links_goes_some_day_and_what_a_start_hook_links_stays() {
    let mut bench = Bench::new();
    bench.get("http.createShortLink", value!(["event", "http://h/"]));
    bench.caller.line = Some(Line::Hooks(3));
    bench.get("http.createShortLink", value!(["hook", "http://h/"]));
    bench.fixture.clock.advance(std::time::Duration::from_secs(90 * 86_400));
    let there = |name| bench.fixture.store.short_link(name).unwrap().is_some();
    assert_eq!((there("event"), there("hook")), (false, true));
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
fn what_would_make_a_token_is_not_signed() {
    let bench = Bench::new();
    let token = bench.services.tokens().make(None, None, 60_000).unwrap();
    let (head, _) = token.rsplit_once('.').unwrap();
    assert_eq!(
        bench.call("security.getMessageSignature", value!([head])).unwrap_err(),
        "bp.security.getMessageSignature: the head and the claims of a token are not signed"
    );
    for fine in ["a.b", "hello-ref", "eyJ", &head[..head.find('.').unwrap()]] {
        assert!(bench.call("security.getMessageSignature", value!([fine])).is_ok(), "{fine}");
    }
}

#[test]
fn calls_of_the_server_to_itself_have_a_token_for_five_minutes_and_one_bot() {
    let bench = Bench::new();
    let config = bench.get("http.getAxiosConfigForBot", value!(["My-Bot"]));
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["baseURL"], "https://bots.example.org/api/v1/bots/my-bot");
    let header = config["headers"]["Authorization"].as_str().unwrap();
    let token = header.strip_prefix("Bearer ").unwrap();
    let claims = bench.services.tokens().check(token).unwrap();
    assert_eq!(claims.bot, BotId::parse("my-bot").ok());
    bench.fixture.clock.advance(std::time::Duration::from_secs(298));
    assert!(bench.services.tokens().check(token).is_ok());
    bench.fixture.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(bench.services.tokens().check(token), Err(TokenError::Expired));
    let local = bench.get("http.getAxiosConfigForBot", value!(["other", { "localUrl": true }]));
    assert!(local.starts_with(r#"{"baseURL":"http://localhost:3000/api/v1/bots/other","headers""#), "{local}");
    assert!(bench.get("http.getAxiosConfigForBot", value!(["x", { "localUrl": null }])).contains("bots.example.org"));
    assert_eq!(
        bench.call("http.getAxiosConfigForBot", value!(["../x"])).unwrap_err(),
        "bp.http.getAxiosConfigForBot: \"botId\" must be the id of a bot, got \"../x\""
    );
}

#[test]
fn the_token_of_another_system_is_decoded_where_that_is_switched_on() {
    const TOKEN: &str = include_str!("../../tests/keys/rsa.jwt");
    let bench = Bench::new();
    let claims: serde_json::Value =
        serde_json::from_str(&bench.get("http.decodeExternalToken", value!([TOKEN]))).unwrap();
    assert_eq!((&claims["sub"], &claims["role"]), (&"ada".into(), &"admin".into()));
    assert!(bench.call("http.decodeExternalToken", value!([format!("Bearer {TOKEN}")])).is_ok());
    assert_eq!(
        bench.call("http.decodeExternalToken", value!(["abc"])).unwrap_err(),
        "bp.http.decodeExternalToken: the token is not good: it is no JSON web token with the claims that are needed"
    );
    let fixture = Fixture::new();
    let services = Services::new(fixture.store.clone(), watch::channel(Arc::default()).1, Arc::default()).unwrap();
    assert_eq!(services.credentials(TOKEN.trim()).unwrap_err(), TokenError::Disabled);
}

#[test]
fn every_method_has_one_row() {
    let mut names: Vec<_> = METHODS.iter().map(|method| method.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), METHODS.len());
}
