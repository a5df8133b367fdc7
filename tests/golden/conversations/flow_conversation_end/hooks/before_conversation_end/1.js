console.log('about to end at', event.state.context.currentFlow)
