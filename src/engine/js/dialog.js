// The realm's side of the dialog engine: the conversation's place, conditions, actions and what is said. Which of them comes
// next is decided in Rust (`engine/dialog.rs`); `at.current` is the event at work.
(function (at, cms, outgoing) {
  'use strict';
  const { parse, stringify } = JSON;
  const { call, answer, settle } = outgoing;
  const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

  // ---- the place ----------------------------------------------------------------------------------------------------
  const KEYS = ['currentFlow', 'currentNode', 'previousFlow', 'previousNode', 'jumpPoints', 'hasJumped', 'queue'];
  // A script may have put anything in the place of the state or of one of its parts: that is reported when it is stored.
  const stateOf = (event) => (isRecord(event.state) ? event.state : {});
  function contextOf(event) {
    const { context } = stateOf(event);
    return isRecord(context) ? context : {};
  }
  function place() {
    const context = contextOf(at.current.event), known = {};
    for (const key of KEYS) if (context[key] !== undefined) known[key] = context[key];
    try {
      return stringify(known).toWellFormed();
    } catch {
      return '{}';
    }
  }
  /** Puts the conversation at a place; what scripts keep beside it stays. */
  function setPlace(text) {
    const { event } = at.current, context = contextOf(event), next = parse(text);
    stateOf(event).context = context;
    for (const key of KEYS) {
      if (next[key] !== undefined) context[key] = next[key];
      else if (key in context) delete context[key];
    }
  }

  /** Whether a script has led it elsewhere. */
  const hasJumped = () => !!contextOf(at.current.event).hasJumped;

  /** A script leads an event's conversation elsewhere. */
  function jump(event, flow, node) {
    const context = contextOf(event), known = typeof context.currentFlow === 'string' && typeof context.currentNode === 'string';
    const to = { currentFlow: flow.endsWith('.flow.json') ? flow : `${flow}.flow.json`, currentNode: typeof node === 'string' && node ? node : undefined, hasJumped: true, queue: undefined };
    if (known) {
      to.previousFlow = context.currentFlow;
      to.previousNode = context.currentNode;
    }
    event.state.context = { ...context, ...to };
  }

  // ---- conditions ---------------------------------------------------------------------------------------------------
  const MOST_KEPT = 1000;
  const compiled = new Map();
  let tested = 0;
  /** Conditions are sloppy code: those that look as if they could put something on the global object, and whether one ran. */
  const DOUBTFUL = /[^=!<>]=(?![=>])|\+\+|--|\b(?:this|global|globalThis|eval|Function|constructor)\b/;
  const doubtful = new Set();
  let doubted = false;
  function compile(text) {
    let condition = compiled.get(text);
    if (condition === undefined) {
      condition = new Function('event', 'user', 'temp', 'session', 'bot', `return (${text.replace(/[;\s]+$/, '')}\n)`);
      if (compiled.size >= MOST_KEPT) {
        compiled.clear();
        doubtful.clear();
      }
      compiled.set(text, condition);
      if (DOUBTFUL.test(text)) doubtful.add(text);
    }
    if (doubtful.size !== 0 && doubtful.has(text)) doubted = true;
    return condition;
  }
  /** The index of the first of some conditions that holds, or -1. A TypeError is `false`: `temp.a.b` where there is no a. */
  function test(texts) {
    const { event } = at.current, state = stateOf(event);
    for (tested = 0; tested < texts.length; tested++) {
      try {
        if (compile(texts[tested])(event, state.user, state.temp, state.session, state.bot)) return tested;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
    }
    return -1;
  }

  // ---- actions and content ------------------------------------------------------------------------------------------
  function scopeOf(event) {
    const { user, session, temp, bot } = stateOf(event);
    return { event, user, session, temp, bot };
  }
  /** Runs an action: gives a promise to wait for, or undefined. Of its arguments the strings at the top are templates. */
  function run(file, text) {
    const { event, bp } = at.current, scope = scopeOf(event), args = parse(text), view = { ...args, ...scope };
    for (const key of Object.keys(args)) {
      if (typeof args[key] === 'string') args[key] = cms.renderTemplate(args[key], view);
    }
    return settle(call(file, [bp, event, scope.user, scope.temp, scope.session, args, scope.bot, event.state.workflow]));
  }
  /** Says content: gives a promise to wait for, or undefined. */
  function say(content, text) {
    const { event } = at.current, scope = scopeOf(event);
    turn(event, content);
    return reply(event, cms.say(content, parse(text), scope, event));
  }
  /** Says the content of a node. */
  function speak(contentType, text) {
    const { event } = at.current, scope = scopeOf(event);
    turn(event, contentType);
    return reply(event, cms.speak(contentType, parse(text), scope, event));
  }
  /** Says the bot's error element; that is no turn of the dialog. */
  function apologise(content, text) {
    const { event } = at.current;
    return reply(event, cms.say(content, parse(text), scopeOf(event), event));
  }
  function reply(event, payloads) {
    if (payloads instanceof Promise) return payloads.then((rendered) => reply(event, rendered));
    return answer(event, payloads);
  }
  function turn(event, replyPreview) {
    const { session } = stateOf(event);
    if (!isRecord(session)) return;
    if (!Array.isArray(session.lastMessages)) session.lastMessages = [];
    session.lastMessages.push({
      eventId: event.id, incomingPreview: event.preview, replyConfidence: 1, replySource: 'dialogManager',
      replyDate: new Date().toISOString(), replyPreview,
    });
  }

  return {
    place, setPlace, hasJumped, jump, test, run, say, speak, apologise,
    /** Whether a condition may have put something on the global object, since the last time. */
    doubt() {
      const was = doubted;
      doubted = false;
      return was;
    },
    /** Which condition was being evaluated. */
    tested: () => tested,
    /** Where an action that throws leads to. */
    errorTarget() {
      const { temp } = stateOf(at.current.event), onErrorFlowTo = isRecord(temp) ? temp.onErrorFlowTo : undefined;
      return typeof onErrorFlowTo === 'string' ? onErrorFlowTo.toWellFormed() : '';
    },
    /** The dialog is over: what belonged to it is forgotten. */
    clear() {
      const state = stateOf(at.current.event);
      state.temp = {};
      state.context = {};
    },
  };
})
