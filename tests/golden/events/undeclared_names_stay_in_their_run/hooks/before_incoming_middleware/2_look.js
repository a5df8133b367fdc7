console.log(typeof foo, typeof bar, typeof list, typeof i)
foo = 'mine'
