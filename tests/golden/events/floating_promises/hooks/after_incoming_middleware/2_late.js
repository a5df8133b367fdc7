if (event.payload.text === 'late') setTimeout(async () => {
  event.state.temp.late = true
  await bp.events.replyToEvent(event, [{ type: 'text', text: 'late, and still of this event' }])
}, 1000)
