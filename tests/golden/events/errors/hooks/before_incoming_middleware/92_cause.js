const error = new Error('outer')
error.name = 'MyError'
throw error
