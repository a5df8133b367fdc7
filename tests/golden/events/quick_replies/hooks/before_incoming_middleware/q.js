const payload = { text: 'choose', quick_replies: [{ title: 'A', payload: 'A_VALUE' }], typing: false, extra: 1 }
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
await bp.events.replyToEvent(event, [payload])
await bp.events.replyToEvent(event, [{ type: 'custom', module: 'own', component: 'C', quick_replies: [{ title: 'x' }] }, { text: 'none', quick_replies: [] }])
const rendered = await bp.cms.renderElement('builtin_single-choice', { text: 'Sure?', choices: [{ title: 'Yes', value: 'yes' }, { title: 'No', value: 'no' }], typing: true }, event)
await bp.events.replyToEvent(event, rendered)
await bp.events.replyToEvent({ channel: 'sms', target: 'x', botId: event.botId }, [payload])
