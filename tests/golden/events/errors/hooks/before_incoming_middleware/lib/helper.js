module.exports = function helper() {
  throw new Error('in a helper')
}
