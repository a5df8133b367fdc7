//! Globals that are made when a script first touches them.

use std::rc::Rc;
use std::sync::Arc;

use super::tests::{Sink, hello};
use super::{BotRealm, Host, IdSource};
use crate::config::ScriptLimits;
use crate::protocol::Outbox;
use crate::script::realm::evaluate;
use crate::script::{Meter, with_realm};

/// A fresh realm.
fn with_fresh_realm(body: impl FnOnce(&BotRealm<'_>)) {
    let limits = ScriptLimits::default();
    let meter = Rc::new(Meter::new(limits.clone(), Arc::default()));
    let outbox = Arc::new(Outbox::new(Sink::default()));
    let host = Rc::new(Host::new(Rc::clone(&meter), Arc::new(hello(limits)), Arc::new(IdSource::new(0)), outbox));
    with_realm(&meter, |realm| body(&BotRealm::new(realm, host).unwrap())).unwrap();
}

#[test]
fn a_realm_loads_lodash_once_and_only_when_a_script_touches_it() {
    with_fresh_realm(|realm| {
        let loads = |text: &str| {
            let before = realm.host.loaded.get();
            evaluate::<bool>(&realm.realm.ctx, "x.js", text).unwrap();
            realm.host.loaded.get() - before
        };
        assert_eq!(loads("'_' in globalThis && !Object.keys(globalThis).includes('_')"), 0);
        assert_eq!(loads("typeof _ === 'function'"), 1);
        assert_eq!(loads("_.isEqual([1], [1])"), 0);
        assert!(realm.scrub(), "it is no leftover of an event");
    });
}
