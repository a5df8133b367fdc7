class Box {}
event.Box = Box
event.box = new Box()
event.fn = x => x + 1
