// `bp.RealTimePayload` and what is sent with it: events for the pages of visitors, and for administrators.
(function (base, event, requests) {
  'use strict';
  const { kindOf } = event;
  const { request } = requests;

  class RealTimePayload {
    constructor(eventName, payload) {
      if (typeof eventName !== 'string' || eventName === '') {
        throw new TypeError(`bp.RealTimePayload: "eventName" must be a string that is not empty, got ${kindOf(eventName)}`);
      }
      this.eventName = eventName.toLowerCase();
      this.payload = payload;
    }
    static forVisitor(visitorId, eventName, payload) {
      return new RealTimePayload(`guest.${eventName}`, { ...payload, __room: `visitor:${visitorId}` });
    }
    static forAdmins(eventName, payload) {
      return new RealTimePayload(eventName, payload);
    }
  }
  for (const member of [RealTimePayload.forVisitor, RealTimePayload.forAdmins, RealTimePayload]) base.shared(member);

  /** At once: nobody waits for a page. What the server refuses is reported like any rejection that nobody caught. */
  function sendPayload(payload) {
    if (payload === null || typeof payload !== 'object' || typeof payload.eventName !== 'string') {
      throw new TypeError(`bp.realtime.sendPayload: "payload" must be a bp.RealTimePayload, got ${kindOf(payload)}`);
    }
    const data = payload.payload;
    request('realtime.sendPayload', [payload.eventName, data === undefined ? null : data]);
  }

  return { RealTimePayload, sendPayload };
})
