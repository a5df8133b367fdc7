outer: for (const a of [1, 2]) { for (;;) { if (a === 1) continue outer; break outer } }
const { payload: { text = 'none' } = {} } = event
console.log(text, event?.missing?.deep ?? 'nullish')
