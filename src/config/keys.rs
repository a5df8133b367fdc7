//! The keys of the configuration files: one row each, with what it may hold and where it goes.

use serde_json::Value;

use super::isolation::Isolation;
use super::schema::{Key, ValueKind as Kind};
use super::settings::{LockIn, Realms, Settings, VisitorSecret};
use super::values::duration_of;

/// Bytes of a megabyte.
const MB: u64 = 1 << 20;

/// `botpress.config.json`.
pub const MAIN: &[Key<Settings>] = &[
    Key { path: "appSecret", kind: Kind::Text, set: |s, v, _| s.app_secret = Some(v.text()) },
    // The older name; `load` lets the newer one win whatever the order in the file.
    Key { path: "jwtSecret", kind: Kind::Text, set: |s, v, _| s.app_secret = Some(v.text()) },
    Key { path: "pro.externalAuth.enabled", kind: Kind::Flag, set: |s, v, _| s.external_auth.enabled = v.flag() },
    Key {
        path: "pro.externalAuth.audience",
        kind: Kind::Text,
        set: |s, v, _| s.external_auth.audience = Some(v.text()).filter(|audience| !audience.is_empty()),
    },
    Key {
        path: "pro.externalAuth.issuer",
        kind: Kind::TextOrTexts,
        set: |s, _, written| s.external_auth.issuers = texts(written),
    },
    Key {
        path: "pro.externalAuth.algorithms",
        kind: Kind::Texts,
        set: |s, _, written| s.external_auth.algorithms = texts(written),
    },
    Key {
        path: "pro.externalAuth.allowWithoutExpiry",
        kind: Kind::Flag,
        set: |s, v, _| s.external_auth.allow_without_expiry = v.flag(),
    },
    Key {
        path: "pro.externalAuth.publicKey",
        kind: Kind::Text,
        set: |s, v, _| s.external_auth.public_key = Some(v.text()).filter(|key| !key.is_empty()),
    },
    Key { path: "httpServer.host", kind: Kind::Text, set: |s, v, _| s.http.host = v.text() },
    Key { path: "httpServer.port", kind: Kind::Whole(0, 65_535), set: |s, v, _| s.http.port = Some(v.whole()) },
    Key {
        path: "httpServer.bodyLimit",
        kind: Kind::Size(1 << 10, 1 << 30),
        set: |s, v, _| s.http.body_limit = v.whole(),
    },
    Key { path: "httpServer.bodyTimeout", kind: Kind::Duration(100), set: |s, v, _| s.http.body_timeout = v.whole() },
    Key {
        path: "httpServer.uploadTimeout",
        kind: Kind::Duration(100),
        set: |s, v, _| s.http.upload_timeout = v.whole(),
    },
    Key { path: "httpServer.bodies", kind: Kind::Size(1, 1 << 40), set: |s, v, _| s.http.bodies = v.whole() },
    Key { path: "httpServer.connections", kind: Kind::Whole(1, MB), set: |s, v, _| s.http.connections = v.whole() },
    Key { path: "httpServer.headLimit", kind: Kind::Size(8 << 10, MB), set: |s, v, _| s.http.head_limit = v.whole() },
    Key {
        path: "httpServer.trustedProxies",
        kind: Kind::Whole(0, 16),
        set: |s, v, _| s.http.trusted_proxies = v.whole(),
    },
    Key { path: "httpServer.writeTimeout", kind: Kind::Duration(100), set: |s, v, _| s.http.write_timeout = v.whole() },
    Key { path: "httpServer.stalled", kind: Kind::Duration(1), set: |s, v, _| s.http.stalled = v.whole() },
    Key { path: "httpServer.cors.enabled", kind: Kind::Flag, set: |s, v, _| s.http.cors = v.flag() },
    Key { path: "httpServer.externalUrl", kind: Kind::Address, set: |s, v, _| s.http.external_url = Some(v.text()) },
    Key { path: "httpServer.allowedHosts", kind: Kind::Hosts, set: |s, v, _| s.http.allowed_hosts = v.hosts() },
    Key {
        path: "httpServer.headerTimeout",
        kind: Kind::Duration(100),
        set: |s, v, _| s.http.header_timeout = v.whole(),
    },
    Key { path: "realtime.sockets", kind: Kind::Whole(1, MB), set: |s, v, _| s.realtime.sockets = v.whole() },
    Key { path: "realtime.perVisitor", kind: Kind::Whole(1, MB), set: |s, v, _| s.realtime.per_visitor = v.whole() },
    Key {
        path: "realtime.socketsPerAddress",
        kind: Kind::Whole(0, MB),
        set: |s, v, _| s.realtime.sockets_per_address = v.whole(),
    },
    Key {
        path: "realtime.maxPacket",
        kind: Kind::Size(1 << 10, 16 * MB),
        set: |s, v, _| s.realtime.max_packet = v.whole(),
    },
    Key {
        path: "realtime.buffered",
        kind: Kind::Size(1 << 10, 1 << 30),
        set: |s, v, _| s.realtime.buffered = v.whole(),
    },
    Key {
        path: "realtime.allBuffered",
        kind: Kind::Size(1 << 10, 1 << 40),
        set: |s, v, _| s.realtime.all_buffered = v.whole(),
    },
    Key { path: "realtime.rate", kind: Kind::Size(1 << 10, 1 << 30), set: |s, v, _| s.realtime.rate = v.whole() },
    Key { path: "realtime.burst", kind: Kind::Size(1 << 10, 1 << 30), set: |s, v, _| s.realtime.burst = v.whole() },
    Key { path: "realtime.joinTimeout", kind: Kind::Duration(100), set: |s, v, _| s.realtime.join_timeout = v.whole() },
    Key { path: "realtime.waiting", kind: Kind::Size(1 << 10, 1 << 30), set: |s, v, _| s.realtime.waiting = v.whole() },
    Key { path: "realtime.ahead", kind: Kind::Whole(1, 1 << 32), set: |s, v, _| s.realtime.ahead = v.whole() },
    Key { path: "converse.timeout", kind: Kind::Duration(100), set: |s, v, _| s.http.converse_timeout = v.whole() },
    Key {
        path: "converse.bodyLimit",
        kind: Kind::Size(1 << 10, 1 << 30),
        set: |s, v, _| s.http.converse_body_limit = v.whole(),
    },
    Key {
        path: "converse.maxMessageLength",
        kind: Kind::Whole(1, MB),
        set: |s, v, _| s.http.max_message_length = v.whole(),
    },
    Key {
        path: "decision.minimumConfidence",
        kind: Kind::Fraction(0.0, 1.0),
        set: |s, v, _| s.decision.minimum_confidence = v.fraction(),
    },
    Key { path: "decision.repeatWindow", kind: Kind::Duration(0), set: |s, v, _| s.decision.repeat_window = v.whole() },
    Key {
        path: "dialog.timeoutInterval",
        kind: Kind::Duration(1),
        set: |s, v, _| s.dialog.timeout_interval = v.whole(),
    },
    Key {
        path: "dialog.sessionTimeoutInterval",
        kind: Kind::Duration(1),
        set: |s, v, _| s.dialog.session_timeout_interval = v.whole(),
    },
    Key {
        path: "dialog.janitorInterval",
        kind: Kind::Duration(100),
        set: |s, v, _| s.dialog.janitor_interval = v.whole(),
    },
    Key {
        path: "dialog.error.contentType",
        kind: Kind::Text,
        set: |s, v, _| s.dialog.error_content_type = Some(v.text()),
    },
    Key {
        path: "dialog.error.args",
        kind: Kind::Object,
        set: |s, _, written| s.dialog.error_args = written.as_object().cloned(),
    },
    Key { path: "fetch.timeout", kind: Kind::Duration(100), set: |s, v, _| s.fetch.timeout = v.whole() },
    Key { path: "fetch.maxResponse", kind: Kind::Size(1, 128 * MB), set: |s, v, _| s.fetch.max_response = v.whole() },
    Key {
        path: "fetch.maxRequest",
        kind: Kind::Size(1 << 10, 128 * MB),
        set: |s, v, _| s.fetch.max_request = v.whole(),
    },
    Key { path: "fetch.redirects", kind: Kind::Whole(0, 100), set: |s, v, _| s.fetch.redirects = v.whole() },
    Key { path: "fetch.concurrent", kind: Kind::Whole(1, 65_536), set: |s, v, _| s.fetch.concurrent = v.whole() },
    Key { path: "fetch.connections", kind: Kind::Whole(1, 65_536), set: |s, v, _| s.fetch.connections = v.whole() },
    Key { path: "fetch.buffered", kind: Kind::Size(MB, 4095 * MB), set: |s, v, _| s.fetch.buffered = v.whole() },
    Key { path: "fetch.private", kind: Kind::Flag, set: |s, v, _| s.fetch.private = v.flag() },
    Key { path: "fetch.allow", kind: Kind::Hosts, set: |s, v, _| s.fetch.allow = Some(v.hosts()) },
    Key { path: "fetch.deny", kind: Kind::Hosts, set: |s, v, _| s.fetch.deny = v.hosts() },
    Key { path: "media.maxSize", kind: Kind::Size(1, 1 << 30), set: |s, v, _| s.media.max_size = v.whole() },
    Key { path: "media.perBot", kind: Kind::Size(1, 1 << 50), set: |s, v, _| s.media.per_bot = v.whole() },
    Key { path: "dialog.maxState", kind: Kind::Size(4 << 10, 64 * MB), set: |s, v, _| s.stored.state = v.whole() },
    Key { path: "kvs.maxValue", kind: Kind::Size(1 << 10, 128 * MB), set: |s, v, _| s.stored.value = v.whole() },
    Key { path: "kvs.perBot", kind: Kind::Size(1 << 10, 1 << 50), set: |s, v, _| s.stored.values_of_bot = v.whole() },
    Key {
        path: "users.maxAttributes",
        kind: Kind::Size(1 << 10, 16 * MB),
        set: |s, v, _| s.stored.attributes = v.whole(),
    },
    Key { path: "users.maxListed", kind: Kind::Whole(1, 1 << 20), set: |s, v, _| s.stored.users_listed = v.whole() },
    Key { path: "shortLinks.maxTarget", kind: Kind::Size(256, MB), set: |s, v, _| s.stored.link_target = v.whole() },
    Key { path: "shortLinks.perBot", kind: Kind::Whole(1, MB), set: |s, v, _| s.stored.links_of_bot = v.whole() },
    Key { path: "shortLinks.lifetime", kind: Kind::Duration(1_000), set: |s, v, _| s.stored.link_lifetime = v.whole() },
    Key {
        path: "dialog.maxTransitions",
        kind: Kind::Whole(1, 100_000),
        set: |s, v, _| s.dialog.max_transitions = v.whole(),
    },
    Key {
        path: "dataRetention.janitorInterval",
        kind: Kind::Duration(100),
        set: |s, v, _| s.retention.janitor_interval = v.whole(),
    },
    Key {
        path: "dataRetention.policies",
        kind: Kind::Durations(1),
        set: |s, _, written| {
            let policies = written.as_object().into_iter().flatten();
            s.retention.policies =
                policies.filter_map(|(name, keep)| Some((name.clone(), duration_of(keep)?))).collect();
        },
    },
    Key { path: "queue.inFlight", kind: Kind::Whole(1, 65_536), set: |s, v, _| s.dispatch.in_flight = v.whole() },
    Key {
        path: "queue.inFlightPerBot",
        kind: Kind::Whole(1, 65_536),
        set: |s, v, _| s.dispatch.in_flight_per_bot = v.whole(),
    },
    Key { path: "queue.perBot", kind: Kind::Whole(1, 1 << 32), set: |s, v, _| s.dispatch.per_bot = v.whole() },
    Key {
        path: "queue.perConversation",
        kind: Kind::Whole(1, 1 << 32),
        set: |s, v, _| s.dispatch.per_conversation = v.whole(),
    },
    Key { path: "queue.bytes", kind: Kind::Size(MB, 1 << 40), set: |s, v, _| s.dispatch.queue_bytes = v.whole() },
    Key {
        path: "scripts.isolation",
        kind: Kind::Choice(&["shared", "per-bot"]),
        set: |s, v, _| {
            s.dispatch.isolation = if v.text() == "per-bot" { Isolation::PerBot } else { Isolation::Shared };
        },
    },
    Key {
        path: "scripts.realms",
        kind: Kind::Choice(&["reused", "fresh"]),
        set: |s, v, _| s.dispatch.realms = if v.text() == "fresh" { Realms::Fresh } else { Realms::Reused },
    },
    Key { path: "scripts.mostRealms", kind: Kind::Whole(1, 2_000), set: |s, v, _| s.dispatch.most_realms = v.whole() },
    Key {
        path: "scripts.mostRealmsPerBot",
        kind: Kind::Whole(1, 2_000),
        set: |s, v, _| s.dispatch.most_realms_of_bot = v.whole(),
    },
    Key {
        path: "scripts.runningPerBot",
        kind: Kind::Whole(1, 2_000),
        set: |s, v, _| s.dispatch.running_of_bot = v.whole(),
    },
    Key { path: "scripts.running", kind: Kind::Whole(1, 1_024), set: |s, v, _| s.dispatch.running = Some(v.whole()) },
    Key { path: "scripts.idleRealms", kind: Kind::Duration(0), set: |s, v, _| s.dispatch.idle_realms = v.whole() },
    Key { path: "scripts.zygotes", kind: Kind::Whole(1, 65_536), set: |s, v, _| s.dispatch.zygotes = v.whole() },
    Key { path: "scripts.idleZygotes", kind: Kind::Duration(0), set: |s, v, _| s.dispatch.idle_zygotes = v.whole() },
    Key {
        path: "scripts.lockIn",
        kind: Kind::Choice(&["on", "off"]),
        set: |s, v, _| s.dispatch.lock_in = if v.text() == "off" { LockIn::Off } else { LockIn::On },
    },
    Key {
        path: "scripts.realmResident",
        kind: Kind::Size(64 * MB, 1 << 40),
        set: |s, v, _| s.dispatch.realm_resident = v.whole(),
    },
    Key {
        path: "scripts.allResident",
        kind: Kind::Size(64 * MB, 1 << 40),
        set: |s, v, _| s.dispatch.all_resident = v.whole(),
    },
    Key { path: "scripts.pathsToFolder", kind: Kind::Whole(1, 1_024), set: |s, v, _| s.links.paths = v.whole() },
    Key { path: "scripts.linksOutside", kind: Kind::Flag, set: |s, v, _| s.links.outside = v.flag() },
    Key { path: "scripts.grace", kind: Kind::Duration(0), set: |s, v, _| s.dispatch.grace = v.whole() },
    Key { path: "scripts.buffered", kind: Kind::Size(MB, 1 << 40), set: |s, v, _| s.dispatch.buffered = v.whole() },
    Key {
        path: "scripts.allBuffered",
        kind: Kind::Size(MB, 1 << 40),
        set: |s, v, _| s.dispatch.all_buffered = v.whole(),
    },
    Key { path: "scripts.typing", kind: Kind::Duration(500), set: |s, v, _| s.dispatch.typing = v.whole() },
    Key { path: "scripts.typingUsers", kind: Kind::Whole(1, MB), set: |s, v, _| s.dispatch.typing_users = v.whole() },
    Key { path: "traces.bytes", kind: Kind::Size(1, 1 << 40), set: |s, v, _| s.dispatch.trace_bytes = v.whole() },
    Key { path: "workspace.nesting", kind: Kind::Whole(100, 10_000), set: |s, v, _| s.reading.nesting = v.whole() },
    Key { path: "workspace.requires", kind: Kind::Whole(100, 100_000), set: |s, v, _| s.reading.requires = v.whole() },
    Key { path: "workspace.nodes", kind: Kind::Whole(100, MB), set: |s, v, _| s.reading.nodes = v.whole() },
    Key { path: "workspace.elements", kind: Kind::Whole(100, MB), set: |s, v, _| s.reading.elements = v.whole() },
    Key { path: "workspace.readTime", kind: Kind::Duration(100), set: |s, v, _| s.reading.read_time = v.whole() },
    Key {
        path: "workspace.readMemory",
        kind: Kind::Size(64 * MB, 4096 * MB),
        set: |s, v, _| s.reading.read_memory = v.whole(),
    },
    Key { path: "scripts.hookRunning", kind: Kind::Duration(10), set: |s, v, _| s.scripts.hook_running = v.whole() },
    Key { path: "scripts.eventRunning", kind: Kind::Duration(10), set: |s, v, _| s.scripts.event_running = v.whole() },
    Key { path: "scripts.slice", kind: Kind::Duration(10), set: |s, v, _| s.scripts.slice = v.whole() },
    Key { path: "scripts.hookWaiting", kind: Kind::Duration(50), set: |s, v, _| s.scripts.hook_waiting = v.whole() },
    Key {
        path: "scripts.actionRunning",
        kind: Kind::Duration(10),
        set: |s, v, _| s.scripts.action_running = v.whole(),
    },
    Key {
        path: "scripts.actionWaiting",
        kind: Kind::Duration(50),
        set: |s, v, _| s.scripts.action_waiting = v.whole(),
    },
    Key { path: "scripts.eventWaiting", kind: Kind::Duration(50), set: |s, v, _| s.scripts.event_waiting = v.whole() },
    Key { path: "scripts.floating", kind: Kind::Duration(0), set: |s, v, _| s.scripts.floating = v.whole() },
    Key { path: "scripts.heap", kind: Kind::Size(4 * MB, 4096 * MB), set: |s, v, _| s.scripts.heap = v.whole() },
    // Half of a realm's thread (1 MiB), or native code overflows it.
    Key { path: "scripts.stack", kind: Kind::Size(64 << 10, MB / 2), set: |s, v, _| s.scripts.stack = v.whole() },
    Key { path: "scripts.frame", kind: Kind::Size(MB, 256 * MB), set: |s, v, _| s.scripts.frame = v.whole() },
    Key { path: "scripts.effects", kind: Kind::Whole(1, MB), set: |s, v, _| s.scripts.effects = v.whole() },
    Key { path: "scripts.followUps", kind: Kind::Whole(1, MB), set: |s, v, _| s.dispatch.follow_ups = v.whole() },
    Key {
        path: "scripts.followUpDepth",
        kind: Kind::Whole(1, MB),
        set: |s, v, _| s.dispatch.follow_up_depth = v.whole(),
    },
    Key { path: "scripts.requests", kind: Kind::Whole(1, MB), set: |s, v, _| s.scripts.requests = v.whole() },
    Key { path: "scripts.timers", kind: Kind::Whole(1, MB), set: |s, v, _| s.scripts.timers = v.whole() },
    Key { path: "scripts.logLines", kind: Kind::Whole(1, MB), set: |s, v, _| s.scripts.log_lines = v.whole() },
    Key { path: "scripts.logLine", kind: Kind::Size(256, MB), set: |s, v, _| s.scripts.log_line = v.whole() },
    Key { path: "log.perPlace", kind: Kind::Whole(1, MB), set: |s, v, _| s.log.per_place = v.whole() },
    Key { path: "log.perBot", kind: Kind::Whole(1, MB), set: |s, v, _| s.log.per_bot = v.whole() },
    Key { path: "log.all", kind: Kind::Whole(1, MB), set: |s, v, _| s.log.all = v.whole() },
    Key { path: "log.bytes", kind: Kind::Size(1 << 10, 1 << 40), set: |s, v, _| s.log.bytes = v.whole() },
    Key { path: "log.text", kind: Kind::Size(256, 16 * MB), set: |s, v, _| s.log.text = v.whole() },
];

/// A text or an array of texts as a list; an empty text is none.
fn texts(written: &Value) -> Vec<String> {
    let items = written.as_array().map_or(std::slice::from_ref(written), Vec::as_slice);
    items.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).map(ToOwned::to_owned).collect()
}

/// `config/channel-web.json`.
pub const CHANNEL_WEB: &[Key<Settings>] = &[
    Key {
        path: "recentConversationLifetime",
        kind: Kind::Duration(0),
        set: |s, v, written| {
            s.http.recent_conversation_lifetime = v.whole();
            s.http.recent_conversation_lifetime_text =
                written.as_str().map_or_else(|| written.to_string(), ToOwned::to_owned);
        },
    },
    Key {
        path: "startNewConvoOnTimeout",
        kind: Kind::Flag,
        set: |s, v, _| s.http.start_new_convo_on_timeout = v.flag(),
    },
    Key {
        path: "maxMessagesHistory",
        kind: Kind::Whole(1, 100_000),
        set: |s, v, _| s.http.max_messages_history = v.whole(),
    },
    Key { path: "maxHistorySize", kind: Kind::Size(1, 1 << 30), set: |s, v, _| s.http.max_history_size = v.whole() },
    Key {
        path: "maxConversationsListed",
        kind: Kind::Whole(1, 100_000),
        set: |s, v, _| s.http.max_conversations_listed = v.whole(),
    },
    Key {
        path: "maxConversations",
        kind: Kind::Whole(1, 1 << 32),
        set: |s, v, _| s.http.max_conversations = v.whole(),
    },
    Key { path: "maxMessageLength", kind: Kind::Whole(1, MB), set: |s, v, _| s.http.max_message_length = v.whole() },
    Key {
        path: "maxTranscriptSize",
        kind: Kind::Size(1, 1 << 30),
        set: |s, v, _| s.http.max_transcript_size = v.whole(),
    },
    Key { path: "maxFileSize", kind: Kind::Size(1, 1 << 30), set: |s, v, _| s.http.max_file_size = v.whole() },
    Key { path: "maxFilesPerHour", kind: Kind::Whole(1, MB), set: |s, v, _| s.http.max_files_per_hour = v.whole() },
    Key {
        path: "maxFilesPerHourOfAddress",
        kind: Kind::Whole(0, MB),
        set: |s, v, _| s.http.max_files_per_hour_of_address = v.whole(),
    },
    Key { path: "showBotInfoPage", kind: Kind::Flag, set: |s, v, _| s.http.show_bot_info_page = v.flag() },
    Key {
        path: "visitorSecret",
        kind: Kind::Choice(&["issued", "always", "off"]),
        set: |s, v, _| {
            s.http.visitor_secret = match v.text().as_str() {
                "always" => VisitorSecret::Always,
                "off" => VisitorSecret::Off,
                _ => VisitorSecret::Issued,
            };
        },
    },
    Key { path: "frameAncestors", kind: Kind::Origins, set: |s, _, written| s.http.frame_ancestors = texts(written) },
];

/// `bots/<id>/bot.config.json`; other keys are kept for scripts.
pub const BOT: &[Key<()>] = &[
    only("id", Kind::Text),
    only("name", Kind::Text),
    only("description", Kind::Text),
    only("defaultLanguage", Kind::Text),
    only("languages", Kind::Texts),
    only("disabled", Kind::Flag),
    only("private", Kind::Flag),
    only("locked", Kind::Flag),
    only("imports.contentTypes", Kind::Any),
    only("details.website", Kind::Text),
    only("details.phoneNumber", Kind::Text),
    only("details.termsConditions", Kind::Text),
    only("details.privacyPolicy", Kind::Text),
    only("details.emailAddress", Kind::Text),
    only("details.avatarUrl", Kind::Text),
    only("details.coverPictureUrl", Kind::Text),
    only("dialog.timeoutInterval", Kind::Duration(1)),
    only("dialog.sessionTimeoutInterval", Kind::Duration(1)),
    only("dialog.error.contentType", Kind::Text),
    only("dialog.error.args", Kind::Object),
    only("category", Kind::Text),
    only("pipeline_status", Kind::Object),
];

const fn only(path: &'static str, kind: Kind) -> Key<()> {
    Key { path, kind, set: |(), _, _| () }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::{check, expectation};

    #[test]
    fn no_key_stands_in_a_table_twice_or_above_another() {
        let tables: [Vec<&str>; 3] = [
            MAIN.iter().map(|key| key.path).collect(),
            CHANNEL_WEB.iter().map(|key| key.path).collect(),
            BOT.iter().map(|key| key.path).collect(),
        ];
        for paths in tables {
            for (index, path) in paths.iter().enumerate() {
                for other in &paths[index + 1..] {
                    assert_ne!(path, other);
                    assert!(!other.starts_with(&format!("{path}.")) && !path.starts_with(&format!("{other}.")));
                }
            }
        }
    }

    #[test]
    fn every_key_of_scripts_reaches_its_setting() {
        let mut settings = Settings::default();
        for key in MAIN.iter().filter(|key| key.path.starts_with("scripts.") || key.path.starts_with("queue.")) {
            let value = match key.kind {
                Kind::Choice(words) => words[words.len() - 1].into(),
                Kind::Size(min, _) | Kind::Whole(min, _) => (min + 1).into(),
                Kind::Duration(min) => (min + 7).into(),
                Kind::Flag => true.into(),
                other => panic!("{}: {}", key.path, expectation(other)),
            };
            let before = settings.clone();
            (key.set)(&mut settings, check(key.kind, &value).unwrap(), &value);
            assert_ne!(before, settings, "{}", key.path);
        }
        // What crosses the wall has a key for each field.
        let fields = serde_json::to_value(&settings.scripts).unwrap();
        for field in fields.as_object().unwrap().keys() {
            assert!(MAIN.iter().any(|key| key.path == format!("scripts.{field}")), "{field}");
        }
    }
}
