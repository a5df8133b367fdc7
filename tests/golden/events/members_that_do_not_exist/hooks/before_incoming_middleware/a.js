const own = { thing: {} }
own.thing.more()
