require('./lib/helper')()
