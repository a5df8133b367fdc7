console.log(require('./this').own)
