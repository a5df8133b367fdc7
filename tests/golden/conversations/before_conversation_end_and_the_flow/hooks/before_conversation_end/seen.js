console.log('ends at', event.state.context.currentFlow)
