console.log(event.channel, event.type, Object.keys(event.payload).join())
