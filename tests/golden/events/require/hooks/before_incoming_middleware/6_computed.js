const name = './li' + 'b'
console.log(require(name).name)
