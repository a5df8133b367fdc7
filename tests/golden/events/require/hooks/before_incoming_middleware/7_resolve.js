console.log(require.resolve('./lib'))
const mustache = require('mustache')
console.log(mustache.render('{{a}}', { a: '<' }))
