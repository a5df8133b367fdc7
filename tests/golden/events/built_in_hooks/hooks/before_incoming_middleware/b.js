if (event.payload.contexts) event.state.session.nluContexts = event.payload.contexts
if (event.payload.slots) event.nlu.slots = event.payload.slots
