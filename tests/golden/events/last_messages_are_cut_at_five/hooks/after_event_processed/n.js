console.log(event.state.session.lastMessages.map(turn => turn.replyPreview).join())
