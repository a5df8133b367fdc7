console.log(botId, (await bp.cms.listContentElements(botId, 'builtin_text')).map(element => element.id).join())
