console.log('timed out at', event.state.context.currentNode, event.state.temp, event.type, event.preview)
