if (event.preview === 'sorry') temp.onErrorFlowTo = 'sorry'
throw new Error('no luck')
