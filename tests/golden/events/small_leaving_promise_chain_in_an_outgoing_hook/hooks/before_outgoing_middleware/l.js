console.log(event.payload.text || event.type)
Promise.resolve().then(() => {}).then(() => console.log('chain'))
