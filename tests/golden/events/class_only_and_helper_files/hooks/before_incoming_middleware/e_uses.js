console.log(require('./b_exports').helper(1), require('c_function').toText(2))
