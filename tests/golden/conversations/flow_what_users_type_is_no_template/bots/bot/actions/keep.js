temp.text = args.text
