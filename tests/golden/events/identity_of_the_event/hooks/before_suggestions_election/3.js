console.log(event.fn(), sessionId, suggestions === event.suggestions, event.bp === bp)
