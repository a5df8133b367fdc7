return { then(resolve) { setTimeout(() => { event.fifth = 5; resolve() }, 1) } }
