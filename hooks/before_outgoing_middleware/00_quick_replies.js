// The web chat draws quick replies with a component of its own, around the message that they belong to.
const { payload } = event

if ((event.channel === 'web' || event.channel === 'api') && payload && payload.type !== 'custom') {
  const { quick_replies, ...rest } = payload

  if (Array.isArray(quick_replies) && quick_replies.length) {
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
