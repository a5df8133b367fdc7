bp.foo.bar()
