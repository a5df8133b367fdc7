const broken = null
broken.thing(args.a)
