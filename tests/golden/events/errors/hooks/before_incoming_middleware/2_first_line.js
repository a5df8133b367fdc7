event.nothing.here
