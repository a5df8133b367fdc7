//! Globals that are made when a script first touches them.

use std::rc::Rc;
use std::sync::Arc;

use super::tests::{Sink, hello};
use super::{BotRealm, Host};
use crate::config::ScriptLimits;
use crate::protocol::Outbox;
use crate::script::realm::evaluate;
use crate::script::{Meter, with_realm};

/// A fresh realm.
fn with_fresh_realm(body: impl FnOnce(&BotRealm<'_>)) {
    let limits = ScriptLimits::default();
    let meter = Rc::new(Meter::new(limits.clone()));
    let host = Rc::new(Host::new(Rc::clone(&meter), Arc::new(hello(limits)), Outbox::new(Sink::default())));
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

#[test]
fn a_realm_loads_of_fetch_and_its_kin_what_a_script_touches() {
    with_fresh_realm(|realm| {
        let loads = |text: &str| {
            let before = realm.host.loaded.get();
            evaluate::<bool>(&realm.realm.ctx, "x.js", text).unwrap();
            realm.host.loaded.get() - before
        };
        assert_eq!(loads("['fetch', 'URL', 'FormData', 'AbortSignal'].every((name) => name in globalThis)"), 0);
        assert_eq!(loads("new URL('http://a').host === 'a'"), 1);
        assert_eq!(loads("fetch !== Request"), 2, "with text");
        assert_eq!(loads("new TextEncoder() && new URLSearchParams() && true"), 0);
        assert_eq!(loads("new AbortController().signal.aborted"), 1);
        assert_eq!(loads("new FormData().has('x')"), 1);
        assert!(realm.scrub(), "they are no leftovers of an event");
    });
}

#[test]
fn a_call_that_is_given_up_is_neither_outstanding_nor_answered() {
    with_fresh_realm(|realm| {
        let call =
            "globalThis.stop = new AbortController(); fetch('http://a', { signal: stop.signal }).catch(() => {}); true";
        evaluate::<bool>(&realm.realm.ctx, "x.js", call).unwrap();
        assert!(realm.host.awaits_something());
        evaluate::<bool>(&realm.realm.ctx, "x.js", "stop.abort(); true").unwrap();
        assert!(!realm.host.awaits_something());
        realm.core.fetched.call::<_, ()>((0, "{}", "late")).unwrap();
    });
}

#[test]
fn a_signal_that_nobody_waits_for_keeps_no_timer() {
    with_fresh_realm(|realm| {
        let text = "globalThis.late = AbortSignal.timeout(1e6); globalThis.both = AbortSignal.any([late]); true";
        evaluate::<bool>(&realm.realm.ctx, "x.js", text).unwrap();
        assert!(!realm.host.awaits_something());
        evaluate::<bool>(&realm.realm.ctx, "x.js", "both.onabort = () => {}; true").unwrap();
        assert!(realm.host.awaits_something());
        evaluate::<bool>(&realm.realm.ctx, "x.js", "both.onabort = null; true").unwrap();
        assert!(!realm.host.awaits_something());
    });
}

#[test]
fn buffer_is_that_of_node_is_loaded_when_touched_and_stays_as_it_is() {
    with_fresh_realm(|realm| {
        let check = |text: &str| {
            let before = realm.host.loaded.get();
            assert!(evaluate::<bool>(&realm.realm.ctx, "x.js", text).unwrap(), "{text}");
            realm.host.loaded.get() - before
        };
        assert_eq!(check("'Buffer' in globalThis"), 0);
        assert_eq!(check("Buffer.from('déjà vu').toString('hex') === '64c3a96ac3a0207675'"), 1);
        for fine in [
            "Buffer.from('64c3a9', 'hex').toString() === 'dé' && Buffer.from('ZA==', 'base64').toString('latin1') === 'd'",
            "Buffer.from('abc') instanceof Uint8Array && Buffer.isBuffer(Buffer.alloc(2)) && !Buffer.isBuffer(new Uint8Array(2))",
            "JSON.stringify(Buffer.from([1, 2])) === '{\"type\":\"Buffer\",\"data\":[1,2]}'",
            "Buffer.concat([Buffer.from('a'), new Uint8Array([98])]).equals(Buffer.from('ab'))",
            "const shared = Buffer.from('abc'); shared.slice(1).fill('x'); shared.toString() === 'axx'",
            "Buffer.from('abc').indexOf('c') === 2 && Buffer.from('abc').includes('b') && [...Buffer.from('ab')].join() === '97,98'",
            "Buffer.from('abcd').readUInt16BE(1) === 0x6263 && Buffer.byteLength('é') === 2",
            "Buffer.from(new Uint8Array([1, 2]).buffer).length === 2 && Buffer.from('abc').subarray(1) instanceof Buffer",
            "Buffer.from(Buffer.from('hi')).toString() === 'hi' && Buffer.from('a').buffer instanceof ArrayBuffer",
            "try { Buffer.from(5); false } catch (error) { error instanceof TypeError }",
            "Buffer.prototype.leak = 1; Buffer.leak = 1; Buffer.from('').leak === undefined && Buffer.leak === undefined",
            "Buffer.prototype.slice = null; typeof Buffer.from('').slice === 'function'",
        ] {
            assert_eq!(check(&format!("(() => {{ {} }})()", with_return(fine))), 0);
        }
        assert_eq!(check("_.isBuffer(Buffer.from('a')) && !_.isBuffer(new Uint8Array(1)) && !_.isBuffer('a')"), 1);
        assert_eq!(check("Buffer.isBuffer(_.cloneDeep({ a: Buffer.from('a') }).a)"), 0);
        assert!(realm.scrub(), "it is no leftover of an event");
    });
}

/// The last statement's value is what the function gives.
fn with_return(text: &str) -> String {
    match text.rsplit_once("; ") {
        Some((before, last)) if !last.starts_with("false }") => format!("{before}; return {last}"),
        Some(_) => text.replace("; false }", "; return false }").replace("error instanceof", "return error instanceof"),
        None => format!("return {text}"),
    }
}
