temp.age = Number(args.age)
