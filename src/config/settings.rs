//! Every setting with its default. The numbers are the documented limits (`docs/configuration.md`).

mod realtime;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::HostPattern;
use super::LinkSettings;
use super::ReadLimits;
use super::RetentionSettings;
use super::external_auth::ExternalAuth;
use super::isolation::Isolation;
use super::secrets::Secrets;
use super::store_limits::StoreLimits;
use crate::telemetry::folding::LogLimits;

pub use realtime::RealtimeSettings;

/// Limits of scripts: they go to the workers as they are. Times are milliseconds, sizes bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ScriptLimits {
    /// `scripts.hookRunning`: computing time of one hook.
    pub hook_running: u64,
    /// `scripts.eventRunning`: computing time of all scripts of one event.
    pub event_running: u64,
    /// `scripts.slice`: computing time between two turns of the event loop.
    pub slice: u64,
    /// `scripts.hookWaiting`: how long a hook may wait for its promise.
    pub hook_waiting: u64,
    /// `scripts.actionRunning`: computing time of one action.
    pub action_running: u64,
    /// `scripts.actionWaiting`: how long an action may wait for its promise.
    pub action_waiting: u64,
    /// `scripts.eventWaiting`: how long an event may live from its dispatch.
    pub event_waiting: u64,
    /// `scripts.floating`: how long work that nobody awaits holds back the user's next event.
    pub floating: u64,
    /// `scripts.heap`: memory of one realm.
    pub heap: u64,
    /// `scripts.stack`: JavaScript stack of one realm.
    pub stack: u64,
    /// `scripts.frame`: largest message over the wall.
    pub frame: u64,
    /// `scripts.effects`: most replies and events of one event.
    pub effects: u32,
    /// `scripts.requests`: most outstanding requests of one event.
    pub requests: u32,
    /// `scripts.timers`: most pending timers of one event.
    pub timers: u32,
    /// `scripts.logLines`: most log lines of one event; the rest is counted, not written.
    pub log_lines: u32,
    /// `scripts.logLine`: longest log message, in bytes.
    pub log_line: u64,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            hook_running: 1_000,
            event_running: 5_000,
            slice: 1_000,
            hook_waiting: 15_000,
            action_running: 5_000,
            action_waiting: 30_000,
            event_waiting: 60_000,
            floating: 2_000,
            heap: 32 << 20,
            stack: 512 << 10,
            frame: 16 << 20,
            effects: 1_000,
            requests: 1_000,
            timers: 1_000,
            log_lines: 200,
            log_line: 16 << 10,
        }
    }
}

/// Whether workers lock themselves in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockIn {
    /// `scripts.lockIn: "on"`: the server does not start where a worker cannot be locked in (Linux).
    On,
    /// `scripts.lockIn: "off"`: resource limits only.
    Off,
}

/// Whether realms are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realms {
    /// `scripts.realms: "reused"`: a realm runs one event after the other.
    Reused,
    /// `scripts.realms: "fresh"`: every event has a realm of its own.
    Fresh,
}

/// Realms and the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchSettings {
    /// `scripts.isolation`.
    pub isolation: Isolation,
    /// `scripts.realms`.
    pub realms: Realms,
    /// `scripts.mostRealms`: realms in all.
    pub most_realms: usize,
    /// `scripts.mostRealmsPerBot`: realms of one bot.
    pub most_realms_of_bot: usize,
    /// `scripts.runningPerBot`: realms of one bot that compute at once, of which a quarter may have done so for a short time only.
    pub running_of_bot: usize,
    /// `scripts.running`: realms that compute at once; those that wait do not count. `None` is twice the cores.
    pub running: Option<usize>,
    /// `scripts.idleRealms`: milliseconds for which a realm without work is kept.
    pub idle_realms: u64,
    /// `scripts.zygotes`: zygotes of bots.
    pub zygotes: usize,
    /// `scripts.idleZygotes`: milliseconds for which a zygote without realms is kept, never less than 10 s.
    pub idle_zygotes: u64,
    /// `scripts.lockIn`.
    pub lock_in: LockIn,
    /// `scripts.realmResident`: bytes of memory over which a realm is killed.
    pub realm_resident: u64,
    /// `scripts.allResident`: bytes of all realms and zygotes together over which no bot gets another realm.
    pub all_resident: u64,
    /// `scripts.grace`: milliseconds past its budget after which a running script's realm is killed.
    pub grace: u64,
    /// `scripts.buffered`: bytes on their way between the server and one realm, each way; who is over it waits.
    pub buffered: u64,
    /// `scripts.allBuffered`: the same from all realms together to the server.
    pub all_buffered: u64,
    /// `scripts.typing`: milliseconds for which `typing` holds back the messages to one user at most, all together.
    pub typing: u64,
    /// `scripts.typingUsers`: users whom one bot holds back by `typing` at once.
    pub typing_users: usize,
    /// `traces.bytes`: bytes of the traces that are kept.
    pub trace_bytes: u64,
    /// `queue.inFlight`: events with realms at once.
    pub in_flight: usize,
    /// `queue.inFlightPerBot`: of those, of one bot while others wait.
    pub in_flight_per_bot: usize,
    /// `queue.perBot`: events waiting for one bot; more are refused with 503.
    pub per_bot: usize,
    /// `queue.perConversation`: events waiting of one user; more are refused with 503.
    pub per_conversation: usize,
    /// `queue.bytes`: bytes of all waiting events; more are refused with 503.
    pub queue_bytes: u64,
    /// `scripts.followUps`: events a second that scripts of one bot may send for ever, and ten times as many at once.
    pub follow_ups: u32,
    /// `scripts.followUpDepth`: how many events in a row may lead to one, each sent by a script of the one before.
    pub follow_up_depth: u32,
}

impl Default for DispatchSettings {
    fn default() -> Self {
        Self {
            isolation: Isolation::Shared,
            realms: Realms::Reused,
            most_realms: 2_000,
            most_realms_of_bot: 1_000,
            running_of_bot: 32,
            running: None,
            idle_realms: 60_000,
            zygotes: 500,
            idle_zygotes: 600_000,
            lock_in: LockIn::On,
            realm_resident: 512 << 20,
            all_resident: 2 << 30,
            grace: 200,
            buffered: 64 << 20,
            all_buffered: 256 << 20,
            typing: 3_600_000,
            typing_users: 10_000,
            trace_bytes: 16 << 20,
            in_flight: 2_000,
            in_flight_per_bot: 1_000,
            per_bot: 10_000,
            per_conversation: 100,
            queue_bytes: 256 << 20,
            follow_ups: 200,
            follow_up_depth: 16,
        }
    }
}

/// HTTP and the web channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// `httpServer.host`, `BP_HOST`.
    pub host: String,
    /// `httpServer.port`, `BP_PORT`, `PORT`; `None` is 3000 or the next free one.
    pub port: Option<u16>,
    /// `httpServer.bodyLimit`: bytes.
    pub body_limit: usize,
    /// `httpServer.bodyTimeout`: milliseconds for a request's whole body to arrive.
    pub body_timeout: u64,
    /// `httpServer.bodies`: bytes of bodies, large ones of requests and of answers, that are held at once; more are refused
    /// with 503. Never less than one request's body may have.
    pub bodies: usize,
    /// `httpServer.connections`: open connections at once; more wait until one ends. Fewer where the system grants too few
    /// descriptors.
    pub connections: usize,
    /// `httpServer.writeTimeout`: milliseconds after which a client that takes nothing of its answer is dropped (Linux).
    pub write_timeout: u32,
    /// `httpServer.stalled`: milliseconds that a client has for a large answer before it may be dropped where `bodies` is used up.
    pub stalled: u64,
    /// `httpServer.cors.enabled`.
    pub cors: bool,
    /// `httpServer.externalUrl`, `EXTERNAL_URL`.
    pub external_url: Option<String>,
    /// `httpServer.allowedHosts`: names by which the pages of development may be asked for, beside those of this machine.
    pub allowed_hosts: Vec<HostPattern>,
    /// `httpServer.headerTimeout`: milliseconds for a request's head to arrive; a connection may also be idle that long.
    pub header_timeout: u64,
    /// `httpServer.headLimit`: bytes of a request's head.
    pub head_limit: usize,
    /// `httpServer.trustedProxies`: proxies of ours before this server, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: usize,
    /// `converse.timeout`: milliseconds until `/converse` gives up.
    pub converse_timeout: u64,
    /// `converse.bodyLimit`: bytes of a body of `/converse`, where that is less than `httpServer.bodyLimit`.
    pub converse_body_limit: usize,
    /// `converse.maxMessageLength`, and the web channel's: characters.
    pub max_message_length: usize,
    /// `channel-web` `recentConversationLifetime`, milliseconds.
    pub recent_conversation_lifetime: u64,
    /// The same as the user wrote it, echoed to clients.
    pub recent_conversation_lifetime_text: String,
    /// `channel-web` `startNewConvoOnTimeout`.
    pub start_new_convo_on_timeout: bool,
    /// `channel-web` `maxMessagesHistory`.
    pub max_messages_history: usize,
    /// `channel-web` `maxHistorySize`: bytes of the messages of a conversation that are shown; the oldest stay out.
    pub max_history_size: usize,
    /// `channel-web` `maxConversationsListed`: the newest of a visitor's conversations are listed.
    pub max_conversations_listed: usize,
    /// `channel-web` `maxConversations`: from that many on, a visitor cannot begin another one at will.
    pub max_conversations: usize,
    /// `channel-web` `showBotInfoPage`.
    pub show_bot_info_page: bool,
    /// `channel-web` `frameAncestors`: the origins whose pages may hold the chat; `*` among them is every page.
    pub frame_ancestors: Vec<String>,
    /// `channel-web` `visitorSecret`.
    pub visitor_secret: VisitorSecret,
    /// `channel-web` `maxTranscriptSize`: bytes of a conversation's transcript; the oldest messages stay out.
    pub max_transcript_size: usize,
    /// `channel-web` `maxFileSize`: bytes of a file that a visitor sends.
    pub max_file_size: usize,
    /// `channel-web` `maxFilesPerHour`: files that one visitor may send within an hour.
    pub max_files_per_hour: u32,
    /// `channel-web` `maxFilesPerHourOfAddress`: files that visitors of one address may send within an hour; 0 is no limit.
    pub max_files_per_hour_of_address: u32,
    /// `httpServer.uploadTimeout`: milliseconds for the whole body to arrive where it brings a file.
    pub upload_timeout: u64,
}

/// `channel-web` `visitorSecret`: which visitor ids are good only together with their secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VisitorSecret {
    /// Those that were issued with one.
    #[default]
    Issued,
    /// All.
    Always,
    /// None.
    Off,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            port: None,
            body_limit: 10 << 20,
            body_timeout: 30_000,
            bodies: 128 << 20,
            connections: 10_000,
            write_timeout: 30_000,
            stalled: 2_000,
            cors: true,
            external_url: None,
            allowed_hosts: Vec::new(),
            header_timeout: 10_000,
            head_limit: 32 << 10,
            trusted_proxies: 0,
            converse_timeout: 5_000,
            converse_body_limit: 1 << 20,
            max_message_length: 360,
            recent_conversation_lifetime: 6 * 3_600_000,
            recent_conversation_lifetime_text: "6 hours".into(),
            start_new_convo_on_timeout: false,
            max_messages_history: 20,
            max_history_size: 4 << 20,
            max_conversations_listed: 100,
            max_conversations: 1_000,
            show_bot_info_page: false,
            frame_ancestors: vec!["*".into()],
            visitor_secret: VisitorSecret::default(),
            max_transcript_size: 4 << 20,
            max_file_size: 5 << 20,
            max_files_per_hour: 100,
            max_files_per_hour_of_address: 1_000,
            upload_timeout: 120_000,
        }
    }
}

/// What `fetch` of scripts may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchSettings {
    /// `fetch.timeout`: milliseconds from the call to the whole answer, redirects and waiting for a place among it.
    pub timeout: u64,
    /// `fetch.maxResponse`: bytes of an answer's body as the script gets it, unpacked.
    pub max_response: usize,
    /// `fetch.maxRequest`: bytes of a request, address, headers and body.
    pub max_request: usize,
    /// `fetch.redirects`: how many are followed.
    pub redirects: u32,
    /// `fetch.concurrent`: calls of one bot that are under way at once; more wait.
    pub concurrent: usize,
    /// `fetch.connections`: calls of all bots that are under way at once; more wait.
    pub connections: usize,
    /// `fetch.buffered`: bytes of answers that are held at once until their scripts get them; more are not read meanwhile.
    pub buffered: u32,
    /// `fetch.private`: this machine and addresses of local networks may be called.
    pub private: bool,
    /// `fetch.allow`: only these hosts may be called; `None` is all.
    pub allow: Option<Vec<HostPattern>>,
    /// `fetch.deny`: these hosts may not be called.
    pub deny: Vec<HostPattern>,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            timeout: 14_000,
            max_response: 5 << 20,
            max_request: 1 << 20,
            redirects: 5,
            concurrent: 1_000,
            connections: 2_000,
            buffered: 128 << 20,
            private: true,
            allow: None,
            deny: Vec::new(),
        }
    }
}

/// Files that belong to bots: what visitors send, what scripts and editors store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSettings {
    /// `media.maxSize`: bytes of one file that a script or a caller with a token stores.
    pub max_size: usize,
    /// `media.perBot`: bytes of all files of one bot together; more are refused.
    pub per_bot: u64,
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self { max_size: 10 << 20, per_bot: 5 << 30 }
    }
}

/// Which suggestion is elected.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionSettings {
    /// `decision.minimumConfidence`.
    pub minimum_confidence: f64,
    /// `decision.repeatWindow`: milliseconds within which the same source does not repeat itself.
    pub repeat_window: u64,
}

impl Default for DecisionSettings {
    fn default() -> Self {
        Self { minimum_confidence: 0.3, repeat_window: 20_000 }
    }
}

/// How long conversations are remembered. A bot's `dialog` keys override the first two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialogSettings {
    /// `dialog.timeoutInterval`: milliseconds until a dialog that waits for its user times out.
    pub timeout_interval: u64,
    /// `dialog.sessionTimeoutInterval`: milliseconds until an idle session is forgotten.
    pub session_timeout_interval: u64,
    /// `dialog.janitorInterval`: milliseconds between two searches for expired sessions.
    pub janitor_interval: u64,
    /// `dialog.error.contentType`: what is said when a flow or a node is missing.
    pub error_content_type: Option<String>,
    /// `dialog.error.args`: its arguments.
    pub error_args: Option<serde_json::Map<String, serde_json::Value>>,
    /// `dialog.maxTransitions`: nodes that one event may lead through before that counts as a loop.
    pub max_transitions: u32,
}

impl Default for DialogSettings {
    fn default() -> Self {
        Self {
            timeout_interval: 25 * 60_000,
            session_timeout_interval: 30 * 60_000,
            janitor_interval: 10_000,
            error_content_type: None,
            error_args: None,
            max_transitions: 100,
        }
    }
}

/// All settings of a running server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// HTTP and the web channel.
    pub http: HttpSettings,
    /// `/socket.io`.
    pub realtime: RealtimeSettings,
    /// Realms and the queue.
    pub dispatch: DispatchSettings,
    /// Limits of scripts.
    pub scripts: ScriptLimits,
    /// `fetch`.
    pub fetch: FetchSettings,
    /// Files of bots.
    pub media: MediaSettings,
    /// Suggestions.
    pub decision: DecisionSettings,
    /// How long conversations are remembered.
    pub dialog: DialogSettings,
    /// What is forgotten of users, and when.
    pub retention: RetentionSettings,
    /// What a file of the workspace may be and cost.
    pub reading: ReadLimits,
    /// How much bots may have stored.
    pub stored: StoreLimits,
    /// How much is logged.
    pub log: LogLimits,
    /// Links in the workspace.
    pub links: LinkSettings,
    /// `--production`, `BP_PRODUCTION`: no stack traces, no traces, no start page.
    pub production: bool,
    /// `pro.externalAuth`: tokens of another system that say who a user is.
    pub external_auth: ExternalAuth,
    /// What must not be read in logs, traces and pages.
    pub secrets: Secrets,
    /// `appSecret`, `APP_SECRET`: secret for signatures and tokens; generated and stored if none is given.
    pub app_secret: Option<String>,
    /// The configuration file as it stands, for `bp.config.getBotpressConfig()` (secrets redacted before it crosses the wall).
    pub raw: serde_json::Map<String, serde_json::Value>,
    /// The part of the environment that scripts may see as `process.env` (with that of the `.env` file).
    pub script_env: BTreeMap<String, String>,
    /// Variables that set options of modules (`BP_MODULE_…`), for [`module_config`](super::modules::module_config).
    pub module_env: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_packets_of_every_connection_take_no_more_than_large_bodies_do() {
        let (limits, bodies) = (RealtimeSettings::default(), HttpSettings::default().bodies);
        assert!(limits.sockets * limits.max_packet <= bodies, "{} × {}", limits.sockets, limits.max_packet);
    }
}
