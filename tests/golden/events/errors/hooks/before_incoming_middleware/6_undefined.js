return Promise.reject()
