const own = {}
own.thing.more()
