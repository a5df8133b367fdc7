bp.ghost.forBot('x').readFileAsString('a', 'b')
