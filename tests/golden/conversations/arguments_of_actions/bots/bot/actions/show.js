console.log(args)
