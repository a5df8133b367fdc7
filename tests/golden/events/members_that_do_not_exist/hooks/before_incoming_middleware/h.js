new bp.RealTimePayload('a', 'b')
