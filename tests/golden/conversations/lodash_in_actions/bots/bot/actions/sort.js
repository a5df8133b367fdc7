const lodash = require('lodash')
temp.sorted = lodash.sortBy(event.preview.split(' ')).join(' ')
console.log(_.chunk([1, 2, 3], 2), lodash === require('lodash'))
