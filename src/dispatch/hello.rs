//! The first frame to a worker.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::Settings;
use crate::protocol::Hello;

/// Identity of the build. Both ends are the same executable; this notices one that was replaced while the server runs.
pub(super) fn build_id() -> String {
    option_env!("NUDGE_BUILD").unwrap_or(env!("CARGO_PKG_VERSION")).to_owned()
}

/// What a worker in that slot is told.
pub(super) fn hello(settings: &Settings, slot: u8) -> Hello {
    let external_url = external_url(settings);
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
        build: build_id(),
        limits: settings.scripts.clone(),
        env: settings.script_env.clone(),
        process: process.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>(),
        external_url,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        slot,
        trace: !settings.production,
        minimum_confidence: settings.decision.minimum_confidence,
        repeat_window_ms: settings.decision.repeat_window,
    }
}

fn external_url(settings: &Settings) -> String {
    match &settings.http.external_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let host = match settings.http.host.as_str() {
                "" | "0.0.0.0" | "::" => "localhost",
                host => host,
            };
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            format!("http://{host}:{}", settings.http.port.unwrap_or(3_000))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_address_is_one_that_can_be_opened() {
        let mut settings = Settings::default();
        assert_eq!(external_url(&settings), "http://localhost:3000");
        settings.http.host = "0.0.0.0".into();
        settings.http.port = Some(8080);
        assert_eq!(external_url(&settings), "http://localhost:8080");
        settings.http.host = "::1".into();
        assert_eq!(external_url(&settings), "http://[::1]:8080");
        settings.http.external_url = Some("https://bot.example.org/".into());
        assert_eq!(external_url(&settings), "https://bot.example.org");
    }
}
