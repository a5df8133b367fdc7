//! Golden cases of reading settings from real folders.

use super::*;
use expect_test::{Expect, expect};

fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}

fn load_with(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<(Settings, Vec<Problem>), ConfigError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(workspace(files).path(), &Overrides::default(), &environment)
}

fn check_error(files: &[(&str, &str)], environment: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&load_with(files, environment).unwrap_err().to_string());
}

fn warnings(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_empty_folder_has_the_defaults() {
    let (settings, problems) = load_with(&[], &[]).unwrap();
    assert_eq!(settings, Settings::default());
    assert!(problems.is_empty());
}

#[test]
fn both_layouts_are_read_with_comments_and_trailing_commas() {
    for (main, web) in [
        ("botpress.config.json", "config/channel-web.json"),
        ("data/global/botpress.config.json", "data/global/config/channel-web.json"),
    ] {
        let (settings, problems) = load_with(
            &[
                (
                    main,
                    r#"{
                        "$schema": "x", "version": "11.9.0", // ignored
                        "jwtSecret": "old",
                        "httpServer": { "host": "0.0.0.0", "port": 4001, "bodyLimit": "1mb", "externalUrl": "https://x.org/", },
                        "dialog": { "timeoutInterval": "2m", "sessionTimeoutInterval": "30m" },
                        "scripts": { "hookRunning": "2s", "heap": "64mb", "lockIn": "off", "mostRealms": 3, "realms": "fresh" },
                    }"#,
                ),
                (web, r#"{ "recentConversationLifetime": "1 hour", "maxMessagesHistory": 5 }"#),
            ],
            &[],
        )
        .unwrap();
        assert_eq!(warnings(&problems), "");
        assert_eq!(settings.http.host, "0.0.0.0");
        assert_eq!(settings.http.port, Some(4001));
        assert_eq!(settings.http.body_limit, 1 << 20);
        assert_eq!(settings.http.external_url.as_deref(), Some("https://x.org"));
        assert_eq!(settings.http.recent_conversation_lifetime, 3_600_000);
        assert_eq!(settings.http.recent_conversation_lifetime_text, "1 hour");
        assert_eq!(settings.http.max_messages_history, 5);
        assert_eq!(settings.dialog.timeout_interval, 120_000);
        assert_eq!(settings.scripts.hook_running, 2_000);
        assert_eq!(settings.scripts.heap, 64 << 20);
        assert_eq!(
            (settings.dispatch.most_realms, settings.dispatch.realms),
            (3, crate::config::settings::Realms::Fresh)
        );
        assert_eq!(settings.app_secret.as_deref(), Some("old"));
        assert_eq!(settings.raw["version"], "11.9.0");
    }
}

#[test]
fn what_callers_may_take_is_set_by_keys() {
    let main = r#"{
        "httpServer": { "headLimit": "16kb", "bodyTimeout": "5s", "bodies": "64mb", "connections": 50, "writeTimeout": "9s" },
        "converse": { "bodyLimit": "20kb" }
    }"#;
    let web = r#"{ "maxHistorySize": "1mb", "maxConversationsListed": 7, "maxConversations": 8 }"#;
    let files = [("botpress.config.json", main), ("config/channel-web.json", web)];
    let (settings, problems) = load_with(&files, &[]).unwrap();
    assert_eq!(warnings(&problems), "");
    let http = &settings.http;
    assert_eq!((http.head_limit, http.body_timeout, http.bodies), (16 << 10, 5_000, 64 << 20));
    assert_eq!((http.connections, http.write_timeout, http.converse_body_limit), (50, 9_000, 20 << 10));
    assert_eq!((http.max_history_size, http.max_conversations_listed, http.max_conversations), (1 << 20, 7, 8));
}

#[test]
fn a_key_that_nothing_uses_is_named_once_with_its_place() {
    let (_, problems) = load_with(
        &[(
            "botpress.config.json",
            "{\n  \"ndu\": { \"enabled\": true, \"x\": 1 },\n  \"httpServer\": { \"prt\": 1 }\n}",
        )],
        &[],
    )
    .unwrap();
    expect![[r#"
        botpress.config.json:2:3: warning: the key "ndu" is not used
        botpress.config.json:3:19: warning: the key "httpServer.prt" is not used
        help: did you mean "httpServer.port"?"#]]
    .assert_eq(&warnings(&problems));
}

#[test]
fn a_wrong_type_is_an_error_with_file_way_line_and_what_was_expected() {
    check_error(
        &[(
            "botpress.config.json",
            "{\n  \"httpServer\": {\n    \"port\": \"three\",\n    \"cors\": true\n  },\n  \"dialog\": { \"timeoutInterval\": \"soon\" },\n  \"appSecret\": 12345\n}",
        )],
        &[],
        expect![[r#"
            botpress.config.json:3:13: error: "httpServer.port" must be a whole number from 0 to 65535, got the text "three"
              1 | {
              2 |   "httpServer": {
            > 3 |     "port": "three",
                |             ^
              4 |     "cors": true
              5 |   },

            botpress.config.json:4:13: error: "httpServer.cors" must be an object, got true
              2 |   "httpServer": {
              3 |     "port": "three",
            > 4 |     "cors": true
                |             ^
              5 |   },
              6 |   "dialog": { "timeoutInterval": "soon" },

            botpress.config.json:6:34: error: "dialog.timeoutInterval" must be a duration such as "10s", "2m", or a number of milliseconds, at least 1 ms, got the text "soon"
              4 |     "cors": true
              5 |   },
            > 6 |   "dialog": { "timeoutInterval": "soon" },
                |                                  ^
              7 |   "appSecret": 12345
              8 | }

            botpress.config.json:7:16: error: "appSecret" must be a text"#]],
    );
}

#[test]
fn text_that_is_no_json_is_an_error_with_its_place() {
    check_error(
        &[("data/global/botpress.config.json", "{ \"a\": }")],
        &[],
        expect![[r#"
            data/global/botpress.config.json:1:8: error: not valid JSON: unexpected close brace
            > 1 | { "a": }
                |        ^"#]],
    );
}

#[test]
fn the_environment_wins_over_files_and_the_command_line_over_all() {
    let files = [
        (
            "botpress.config.json",
            r#"{ "httpServer": { "host": "a", "port": 1 }, "appSecret": "a", "own": { "key": 1 } }"#,
        ),
        (".env", "BP_HOST=b\nPORT=2\nEXPOSED_X=env\nEXPOSED_Y=file\nAPP_SECRET=b\n"),
    ];
    let (settings, _) = load_with(&files, &[]).unwrap();
    assert_eq!((settings.http.host.as_str(), settings.http.port), ("b", Some(2)));
    assert_eq!(settings.app_secret.as_deref(), Some("b"));
    let environment = [
        ("BP_HOST", "c"),
        ("BP_PORT", "3"),
        ("BP_PRODUCTION", "true"),
        ("EXTERNAL_URL", "http://x"),
        ("EXPOSED_X", "process"),
        ("SECRET_Z", "z"),
        ("BP_CONFIG_SCRIPTS_HOOKRUNNING", "3s"),
        ("BP_CONFIG_OWN_KEY", "[2]"),
        ("BP_MODULE_CHANNEL_WEB_MAXMESSAGESHISTORY", "7"),
    ];
    let (settings, problems) = load_with(&files, &environment).unwrap();
    assert_eq!((settings.http.host.as_str(), settings.http.port), ("c", Some(3)));
    assert!(settings.production);
    assert_eq!(settings.http.external_url.as_deref(), Some("http://x"));
    assert_eq!(settings.scripts.hook_running, 3_000);
    assert_eq!(settings.raw["scripts"]["hookRunning"], "3s");
    assert_eq!(settings.raw["own"]["key"], serde_json::json!([2]));
    assert_eq!(settings.http.max_messages_history, 7);
    assert_eq!(
        settings.script_env.into_iter().collect::<Vec<_>>(),
        [("EXPOSED_X".to_owned(), "process".to_owned()), ("EXPOSED_Y".to_owned(), "file".to_owned())]
    );
    expect![[r#"botpress.config.json:1:63: warning: the key "own" is not used"#]].assert_eq(&warnings(&problems));

    let root = workspace(&files);
    let overrides = Overrides { host: Some("d".into()), port: Some(4), production: true };
    let (settings, _) = load(root.path(), &overrides, &BTreeMap::new()).unwrap();
    assert_eq!((settings.http.host.as_str(), settings.http.port, settings.production), ("d", Some(4), true));
}

#[test]
fn variables_that_are_wrong_or_unused_are_named() {
    check_error(
        &[],
        &[("BP_PORT", "x"), ("BP_PRODUCTION", "maybe"), ("REDIS_URL", "redis://x"), ("BP_CONFIG_HTTPSERVER_PRT", "1")],
        expect![[r#"
            environment variable BP_PORT: error: must be a whole number from 0 to 65535, got the text "x"

            environment variable BP_PRODUCTION: error: must be true or false, got the text "maybe"

            environment variable BP_CONFIG_HTTPSERVER_PRT: warning: not used: there is no such key
            help: did you mean BP_CONFIG_HTTPSERVER_PORT?

            environment variable REDIS_URL: warning: not used: one server serves a workspace"#]],
    );
}

#[test]
fn the_newer_name_of_the_secret_wins_and_an_empty_one_counts_as_none() {
    let (settings, _) =
        load_with(&[("botpress.config.json", r#"{ "jwtSecret": "old", "appSecret": "new" }"#)], &[]).unwrap();
    assert_eq!(settings.app_secret.as_deref(), Some("new"));
    let (settings, _) = load_with(&[("botpress.config.json", r#"{ "appSecret": "" }"#)], &[]).unwrap();
    assert_eq!(settings.app_secret, None);
}

#[test]
fn a_second_configuration_file_is_warned_of() {
    let (_, problems) =
        load_with(&[("botpress.config.json", "{}"), ("data/global/botpress.config.json", "{}")], &[]).unwrap();
    assert_eq!(
        warnings(&problems),
        "data/global/botpress.config.json: warning: not read: botpress.config.json is there too, and comes first"
    );
}

#[test]
fn policies_of_retention_are_durations_under_any_name_and_each_wrong_one_is_named() {
    let file = r#"{ "dataRetention": {
        "janitorInterval": "2m",
        "policies": { "email": "60d", "a.b": 5000, "kept": null }
    } }"#;
    let (settings, problems) = load_with(&[("botpress.config.json", file)], &[]).unwrap();
    assert_eq!(warnings(&problems), "");
    assert_eq!(settings.retention.janitor_interval, 120_000);
    let policies: Vec<_> = settings.retention.policies.iter().map(|(name, keep)| (name.as_str(), *keep)).collect();
    assert_eq!(policies, [("a.b", 5_000), ("email", 60 * 86_400_000)]);
    let variable = [("BP_CONFIG_DATARETENTION_POLICIES", r#"{ "mood": "1d" }"#)];
    let (settings, _) = load_with(&[("botpress.config.json", file)], &variable).unwrap();
    assert_eq!(settings.retention.policies.into_iter().collect::<Vec<_>>(), [("mood".to_owned(), 86_400_000)]);
    check_error(
        &[(
            "botpress.config.json",
            "{ \"dataRetention\": { \"policies\": {\n  \"email\": \"60 fortnights\",\n  \"mood\": \"1d\",\n  \"name\": 0\n} } }",
        )],
        &[],
        expect![[r#"
            botpress.config.json:2:12: error: "dataRetention.policies.email" must be a duration such as "10s", "2m", or a number of milliseconds, at least 1 ms, got the text "60 fortnights"
              1 | { "dataRetention": { "policies": {
            > 2 |   "email": "60 fortnights",
                |            ^
              3 |   "mood": "1d",
              4 |   "name": 0

            botpress.config.json:4:11: error: "dataRetention.policies.name" must be a duration such as "10s", "2m", or a number of milliseconds, at least 1 ms, got the number 0
              2 |   "email": "60 fortnights",
              3 |   "mood": "1d",
            > 4 |   "name": 0
                |           ^
              5 | } } }"#]],
    );
    check_error(
        &[("botpress.config.json", r#"{ "dataRetention": { "policies": ["email"] } }"#)],
        &[],
        expect![[r#"
            botpress.config.json:1:34: error: "dataRetention.policies" must be an object of durations such as { "email": "60d" }, got an array
            > 1 | { "dataRetention": { "policies": ["email"] } }
                |                                  ^"#]],
    );
}

#[test]
fn the_key_of_external_tokens_is_configured_or_lies_in_its_file_and_scripts_do_not_see_it() {
    let key = include_str!("../../../tests/keys/rsa.pub");
    let on = r#"{ "pro": { "externalAuth": { "enabled": true, "issuer": "me", "audience": "" } } }"#;
    for path in ["end_users_auth.pub", "data/global/end_users_auth.pub"] {
        let (settings, problems) = load_with(&[("botpress.config.json", on), (path, key)], &[]).unwrap();
        assert_eq!(warnings(&problems), "");
        assert_eq!(settings.external_auth.public_key.as_deref(), Some(key));
        assert_eq!((settings.external_auth.issuers, settings.external_auth.audience), (vec!["me".into()], None));
    }
    let written = on.replace("\"me\"", &format!("[\"a\", \"b\"], \"publicKey\": {}", serde_json::json!(key)));
    let (settings, _) = load_with(&[("botpress.config.json", &written)], &[]).unwrap();
    assert_eq!(settings.external_auth.issuers, ["a", "b"]);
    assert_eq!(settings.external_auth.public_key.as_deref(), Some(key));
    assert!(!serde_json::to_string(&settings.raw).unwrap().contains("BEGIN"), "{:?}", settings.raw);
    let from_outside = load_with(&[("botpress.config.json", on)], &[("BP_CONFIG_PRO_EXTERNALAUTH_PUBLICKEY", key)]);
    assert!(!serde_json::to_string(&from_outside.unwrap().0.raw).unwrap().contains("BEGIN"));
}

#[test]
fn a_key_that_cannot_verify_is_an_error_once_it_is_switched_on() {
    let off = r#"{ "pro": { "externalAuth": { "enabled": false, "algorithms": ["HS256"], "publicKey": "" } } }"#;
    assert!(load_with(&[("botpress.config.json", off)], &[]).is_ok());
    check_error(
        &[("botpress.config.json", &off.replace("false", "true"))],
        &[],
        expect![[
            r#"botpress.config.json: error: "pro.externalAuth" needs a key: put it into "pro.externalAuth.publicKey", or into the file end_users_auth.pub"#
        ]],
    );
    check_error(
        &[
            ("botpress.config.json", &off.replace("false", "true")),
            ("end_users_auth.pub", include_str!("../../../tests/keys/rsa.pub")),
        ],
        &[],
        expect![[
            r#"end_users_auth.pub: error: "pro.externalAuth.algorithms" has HS256, which the public key is not for; it can verify RS256, RS384, RS512, PS256, PS384, PS512"#
        ]],
    );
}

#[test]
fn a_key_that_was_used_once_says_what_to_use_instead() {
    let file = r#"{ "scripts": { "workers": 4, "silence": "1s", "workerResident": "512mb" } }"#;
    let (settings, problems) =
        load_with(&[("botpress.config.json", file)], &[("BP_CONFIG_SCRIPTS_WORKERS", "4")]).unwrap();
    assert_eq!(settings.dispatch, Settings::default().dispatch);
    let told = warnings(&problems);
    for expected in [
        "\"scripts.workers\" is not used",
        "\"scripts.running\" says",
        "\"scripts.realmResident\"",
        "\"scripts.grace\"",
    ] {
        assert!(told.contains(expected), "{expected} is missing in\n{told}");
    }
    assert!(!told.contains("did you mean"), "{told}");
    // A number of realms was fine once, and would be taken for a fault of the file.
    let error = load_with(&[("botpress.config.json", r#"{ "scripts": { "realms": 64 } }"#)], &[]).unwrap_err();
    assert!(error.to_string().contains("\"scripts.mostRealms\" now"), "{error}");
}

#[test]
fn a_value_that_was_fine_once_is_brought_to_the_nearest_that_is_and_said() {
    let file = r#"{ "scripts": { "hookRunning": "5ms", "hookWaiting": 20 }, "converse": { "bodyLimit": "512b" },
        "fetch": { "buffered": 4294967295 } }"#;
    let (settings, problems) =
        load_with(&[("botpress.config.json", file)], &[("BP_CONFIG_FETCH_TIMEOUT", "50ms")]).unwrap();
    assert_eq!((settings.scripts.hook_running, settings.scripts.hook_waiting), (10, 50));
    assert_eq!((settings.http.converse_body_limit, settings.fetch.timeout), (1 << 10, 100));
    assert_eq!(settings.fetch.buffered, 4095 << 20);
    let told = warnings(&problems);
    for expected in [
        "\"scripts.hookRunning\" must be a duration",
        "at least 10 ms, got the text \"5ms\"",
        "help: the nearest, 10 ms, is taken instead",
        "the nearest, 1kb, is taken instead",
        "the nearest, 4095mb, is taken instead",
        "environment variable BP_CONFIG_FETCH_TIMEOUT: warning: must be a duration",
    ] {
        assert!(told.contains(expected), "{expected} is missing in\n{told}");
    }
    // What never was fine is not now either.
    for file in [
        r#"{ "scripts": { "hookRunning": 0 } }"#,
        r#"{ "scripts": { "slice": "no" } }"#,
        r#"{ "fetch": { "buffered": "4gb" } }"#,
        r#"{ "scripts": { "typing": "1ms" } }"#,
    ] {
        assert!(load_with(&[("botpress.config.json", file)], &[]).is_err(), "{file}");
    }
}

#[test]
fn of_thousands_of_variables_that_no_key_knows_some_are_named_and_the_others_counted() {
    let file: String = (0..5_000).map(|number| format!("BP_CONFIG_HTTPSERVER_PRT{number}=1\n")).collect();
    let (_, problems) = load_with(&[(".env", &file)], &[]).unwrap();
    assert_eq!(problems.len(), 101);
    assert!(problems[99].message.starts_with("not used: there is no such key"), "{}", problems[99]);
    assert_eq!(problems[100].message, "4900 more variables are not used: there are no such keys");
}
