//! Opens the store of a workspace, which has the application's secret where the configuration gives none.

use std::path::Path;

use crate::clock::Clock;
use crate::config::{Isolation, Settings};
use crate::store::{Rules, Store};
use crate::telemetry::LogRules;

/// The store of the workspace; from here on its secret is not logged either.
pub(super) fn open(
    root: &Path,
    clock: &Clock,
    log: Option<&LogRules>,
    settings: &mut Settings,
) -> anyhow::Result<Store> {
    let rules = Rules {
        recent_conversation: settings.http.recent_conversation_lifetime,
        retention: settings.retention.policies.clone(),
        limits: settings.stored.clone(),
        per_bot: settings.dispatch.isolation == Isolation::PerBot,
    };
    let store = Store::open_with(&root.join("data.db"), clock.clone(), rules)?;
    if settings.app_secret.is_none() {
        settings.secrets = settings.secrets.with([&*store.app_secret()?]);
    }
    if let Some(log) = log {
        log.set(settings.log, settings.secrets.clone());
    }
    Ok(store)
}
