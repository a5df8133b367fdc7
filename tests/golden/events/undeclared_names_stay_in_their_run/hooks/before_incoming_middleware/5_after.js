console.log(event.replaced, typeof bp, typeof process.env, typeof require)
