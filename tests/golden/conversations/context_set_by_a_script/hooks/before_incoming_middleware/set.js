if (event.preview === 'go') event.state.context = { currentFlow: 'other.flow.json', currentNode: 'there' }
if (event.preview === 'clear') event.state.context = {}
