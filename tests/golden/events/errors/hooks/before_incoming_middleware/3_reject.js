return Promise.reject(new Error('rejected'))
