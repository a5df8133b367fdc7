console.log('the workspace waits')
