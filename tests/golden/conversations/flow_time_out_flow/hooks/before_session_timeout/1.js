console.log(event.type, 'at', event.state.context.currentNode)
