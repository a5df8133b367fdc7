for await (const x of [Promise.resolve(event.fifth)]) console.log(x)
// a last comment