console.log(bp.cache, typeof Promise.resolve)
