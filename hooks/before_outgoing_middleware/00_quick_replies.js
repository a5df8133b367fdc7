// The web chat draws quick replies with a component of its own, around the message that they belong to.
const { payload } = event

// A payload of type `custom` names its component itself.
if (payload && Array.isArray(payload.quick_replies) && payload.quick_replies.length && payload.type !== 'custom') {
  if (event.channel === 'web' || event.channel === 'api') {
    const { quick_replies, ...rest } = payload
    event.type = 'custom'
    event.payload = {
      type: 'custom',
      module: 'channel-web',
      component: 'QuickReplies',
      quick_replies,
      wrapped: { type: 'text', ...rest }
    }
  }
}
