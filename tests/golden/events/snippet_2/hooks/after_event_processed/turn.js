event.state.session.lastMessages.push({ eventId: event.id, replyDate: new Date() })
