//! The first frame of all.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::{Isolation, LockIn, Settings, public_address};
use crate::protocol::Hello;

/// What the processes of that build are told.
pub(super) fn hello(settings: &Settings, build: &str) -> Hello {
    let external_url = public_address(settings);
    let proxy = std::env::var("BP_PROXY").or_else(|_| std::env::var("HTTP_PROXY")).ok();
    let port = settings.http.port.unwrap_or(3_000);
    let process = [
        ("HOST", Value::from(settings.http.host.clone())),
        ("PORT", Value::from(port)),
        ("EXTERNAL_URL", Value::from(external_url.clone())),
        ("PROXY", Value::from(proxy)),
        ("ROOT_PATH", Value::from("")),
    ];
    Hello {
        build: build.to_owned(),
        limits: settings.scripts.clone(),
        lock_in: settings.dispatch.lock_in == LockIn::On,
        per_bot: settings.dispatch.isolation == Isolation::PerBot,
        env: settings.script_env.clone(),
        process: process.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>(),
        external_url,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        trace: !settings.production,
        minimum_confidence: settings.decision.minimum_confidence,
        repeat_window_ms: settings.decision.repeat_window,
        max_transitions: settings.dialog.max_transitions,
    }
}
