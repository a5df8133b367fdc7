if (event.first) {
  console.log('after', event.first)
  return
}
console.log('not reached')
