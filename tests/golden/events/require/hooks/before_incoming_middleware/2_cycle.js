console.log(require('./cycle/a').seen)
