[1].mapp(x => x)
