console.log('after', event.state.temp.tried)
