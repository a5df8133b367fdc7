console.log(JSON.stringify(await bp.kvs.get(event.botId, 'global')), JSON.stringify(bot))
