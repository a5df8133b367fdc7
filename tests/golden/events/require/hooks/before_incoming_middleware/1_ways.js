console.log(require('./lib').name, require('lib').name, require('./lib.js') === require('./lib'), require('../shared/util').name, require('../shared').name)
console.log(require('./data.json'), require('data'))
console.log(require('./folder').name, require('./packed').name, require('dep').name, require('@scope/dep').name)
