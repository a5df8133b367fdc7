console.log(require('own').name, require('all').name, require('last').name)
