//! One realm: a QuickJS runtime and its one context, with limits set and intrinsics frozen, on the calling thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rquickjs::context::EvalOptions;
use rquickjs::function::IntoJsFunc;
use rquickjs::{Context, Ctx, Exception, Function, Object, Persistent, Promise, Runtime, Value};

use super::error::ScriptError;
use super::heap::Heap;
use super::limits::Meter;

/// Why no realm could be made.
#[derive(Debug, thiserror::Error)]
pub enum RealmError {
    /// The engine itself failed, most likely for want of memory.
    #[error("no realm could be made: {0}")]
    Engine(#[from] rquickjs::Error),
}

/// The text of `js/base.js`.
const BASE: &str = include_str!("js/base.js");

/// A live realm. Handles into it are plain locals of the closure given to [`with_realm`].
pub struct Realm<'js> {
    /// The context.
    pub ctx: Ctx<'js>,
    /// Budgets and the interrupt.
    pub meter: Rc<Meter>,
    /// Its memory.
    pub heap: Heap,
    rejections: Rc<RefCell<Rejections>>,
    stopped_at: RefCell<String>,
}

impl std::fmt::Debug for Realm<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Realm").finish_non_exhaustive()
    }
}

/// Promises that were rejected while nobody had asked for their outcome. The engine tells of each rejection, and of
/// each handler that comes late.
#[derive(Default)]
struct Rejections(Vec<Rejection>);

struct Rejection {
    promise: Persistent<Value<'static>>,
    reason: Persistent<Value<'static>>,
    /// The script that ran.
    script: u32,
}

/// Most rejections that are kept to be reported; one script can make millions.
const MOST_REJECTIONS: usize = 32;

/// How long reading one thrown value may take, and reading all that are reported at once: getters of the script run then.
const DESCRIBING: Duration = Duration::from_millis(100);

/// Makes a realm on this thread and runs `body` in it. The realm ends with `body`.
pub fn with_realm<R>(meter: &Rc<Meter>, body: impl for<'js> FnOnce(Realm<'js>) -> R) -> Result<R, RealmError> {
    let limits = meter.limits();
    let heap = Heap::new(limits.heap);
    let runtime = Runtime::new_with_alloc(heap.allocator())?;
    runtime.set_max_stack_size(usize::try_from(limits.stack).unwrap_or(512 << 10));
    let poll = Rc::clone(meter);
    runtime.set_interrupt_handler(Some(Box::new(move || poll.poll())));
    let rejections = Rc::new(RefCell::new(Rejections::default()));
    let seen = Rc::clone(&rejections);
    let place = Rc::clone(meter);
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, handled| {
        let mut seen = seen.borrow_mut();
        let promise = Persistent::save(&ctx, promise);
        if handled {
            seen.0.retain(|known| known.promise != promise);
        } else if seen.0.len() < MOST_REJECTIONS {
            let script = place.place().script();
            seen.0.push(Rejection { promise, reason: Persistent::save(&ctx, reason), script });
        }
    })));
    let context = Context::full(&runtime)?;
    let result = context.with(|ctx| {
        let realm = Realm {
            ctx,
            meter: Rc::clone(meter),
            heap,
            rejections: Rc::clone(&rejections),
            stopped_at: RefCell::default(),
        };
        let result = body(realm);
        rejections.borrow_mut().0.clear();
        result
    });
    drop(context);
    meter.own(|| drop(runtime));
    Ok(result)
}

/// Evaluates an expression as sloppy global code under a file name.
pub fn evaluate<'js, V: rquickjs::FromJs<'js>>(ctx: &Ctx<'js>, file: &str, text: &str) -> rquickjs::Result<V> {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(file.replace('\0', "\u{fffd}"));
    ctx.eval_with_options(text, options)
}

impl<'js> Realm<'js> {
    /// Evaluates one of our own files: an expression whose value is a function.
    pub fn part(&self, name: &str, text: &str) -> rquickjs::Result<Function<'js>> {
        self.evaluate(&format!("nudge:{name}"), text.trim_end())
    }

    /// Evaluates `js/base.js` with the functions it needs from the host.
    pub fn base(&self, host: Object<'js>) -> rquickjs::Result<Object<'js>> {
        self.part("base", BASE)?.call((host,))
    }

    fn evaluate<V: rquickjs::FromJs<'js>>(&self, file: &str, text: &str) -> rquickjs::Result<V> {
        evaluate(&self.ctx, file, text)
    }

    /// A function for scripts. Those that we give them do not panic; one that did would end the worker once the call
    /// returned, and the server would run again what was under way.
    pub fn function<P, F>(&self, name: &str, f: F) -> rquickjs::Result<Function<'js>>
    where
        F: IntoJsFunc<'js, P> + 'js,
    {
        Function::new(self.ctx.clone(), f)?.with_name(name)
    }

    /// Runs the jobs there are, within the slice that the caller has opened.
    pub fn drain_jobs(&self) {
        let mut count = 0u32;
        while self.ctx.execute_pending_job() {
            count = count.wrapping_add(1);
            // Microtasks that make microtasks never reach the interrupt handler.
            if count.is_multiple_of(64) && self.meter.poll() {
                return;
            }
        }
    }

    /// Whether a job was left; runs it, so the realm must be closed before and given up after.
    pub fn has_job(&self) -> bool {
        self.ctx.execute_pending_job()
    }

    /// The pending exception, read through `describe` of `js/base.js` as `[name, message, stack]`, all plain text.
    /// `None` where it is the interrupt, which is no error of its own.
    pub fn caught(&self, describe: &Function<'js>) -> Option<Thrown> {
        let value = self.ctx.catch();
        if value.is_uncatchable_error() {
            self.note_interrupt(&value);
            return None;
        }
        Some(self.describe(describe, value))
    }

    /// Drops the pending exception, if there is one. Where it is the interrupt, its stack is kept.
    pub fn drop_exception(&self) {
        let value = self.ctx.catch();
        if value.is_uncatchable_error() {
            self.note_interrupt(&value);
        }
    }

    fn note_interrupt(&self, value: &Value<'js>) {
        // The engine made it and scripts never saw it: its stack is a plain string.
        let stack = value.as_object().and_then(|error| error.get::<_, String>("stack").ok());
        self.stopped_at(&stack.unwrap_or_default());
    }

    /// Keeps the stack at which a script was stopped.
    pub fn stopped_at(&self, stack: &str) {
        stack.clone_into(&mut self.stopped_at.borrow_mut());
    }

    /// Takes the stack at which a script was stopped last; empty where that was in a job.
    pub fn take_stopped_at(&self) -> String {
        self.stopped_at.take()
    }

    /// What was thrown, as plain text.
    pub fn describe(&self, describe: &Function<'js>, value: Value<'js>) -> Thrown {
        // Where no memory is left for an Error, the engine throws `null`, as scripts may.
        if value.is_null() && self.heap.refused() {
            return Thrown::out_of_memory();
        }
        let text = self.meter.pardon(DESCRIBING, || describe.call::<_, String>((value,)));
        text.ok().and_then(|text| Thrown::read(&text)).unwrap_or_else(|| {
            self.ctx.catch();
            Thrown::unreadable()
        })
    }

    /// Takes the rejections that nobody has handled by now, each with the script that ran.
    pub fn unhandled(&self, describe: &Function<'js>) -> Vec<(u32, Thrown)> {
        let taken = std::mem::take(&mut self.rejections.borrow_mut().0);
        let begun = Instant::now();
        let read = |rejection: Rejection| {
            let reason = rejection.reason.restore(&self.ctx).ok()?;
            let late = begun.elapsed() >= DESCRIBING;
            let thrown = if late { Thrown::unreadable() } else { self.describe(describe, reason) };
            Some((rejection.script, thrown))
        };
        taken.into_iter().filter_map(read).collect()
    }

    /// The outcome of this promise has been seen to.
    pub fn handled(&self, promise: &Promise<'js>) {
        let promise = Persistent::save(&self.ctx, promise.clone().into_value());
        self.rejections.borrow_mut().0.retain(|known| known.promise != promise);
    }

    /// Whether a promise was rejected that nobody has asked for.
    pub fn has_rejections(&self) -> bool {
        !self.rejections.borrow().0.is_empty()
    }

    /// Forgets rejections that were not reported.
    pub fn forget_rejections(&self) {
        self.rejections.borrow_mut().0.clear();
    }

    /// Throws a TypeError out of a host function.
    pub fn type_error(ctx: &Ctx<'js>, message: &str) -> rquickjs::Error {
        Exception::throw_type(ctx, message)
    }
}

/// A thrown value as plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thrown {
    /// `name` of an error, `Uncaught` for anything else.
    pub name: String,
    /// `message` of an error, else the value itself.
    pub message: String,
    /// `stack` of an error, or nothing.
    pub stack: String,
}

impl Thrown {
    /// Reads `[name, message, stack]` as `describe` writes it.
    pub fn read(text: &str) -> Option<Self> {
        let (name, message, stack) = serde_json::from_str(text).ok()?;
        Some(Self { name, message, stack })
    }

    /// What stands for an error that does not let itself be read.
    fn unreadable() -> Self {
        let message = "an error whose message cannot be read".into();
        Self { name: "Error".into(), message, stack: String::new() }
    }

    /// What stands for an error that there was no memory for.
    pub fn out_of_memory() -> Self {
        Self { name: "InternalError".into(), message: "out of memory".into(), stack: String::new() }
    }

    /// Whether the realm ran out of memory. After that nothing in it can be relied upon.
    pub fn is_out_of_memory(&self) -> bool {
        // The second is what the engine says where there is no memory for the first.
        self.name == "InternalError" && ["out of memory", "Invalid error message"].contains(&&*self.message)
    }

    /// With file, line and column read off the stack; `file` is where it is looked for first.
    pub fn locate(&self, file: &str, head_columns: impl Fn(&str) -> u32) -> ScriptError {
        ScriptError::new(&self.name, &self.message, &self.stack, file).without_wrappers(head_columns)
    }
}
