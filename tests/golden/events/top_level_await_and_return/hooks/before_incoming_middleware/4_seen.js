console.log(event.third)
