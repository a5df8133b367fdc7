const { kvs } = bp
kvs.nope()
