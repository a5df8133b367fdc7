_.forEach([1, 2], number => {
  if (number === 2) throw new Error(`inside lodash: ${number}`)
})
