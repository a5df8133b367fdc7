const [type] = (await bp.cms.getAllContentTypes()).filter(type => type.id === 'builtin_text')
console.log(type.jsonSchema.kept)
type.jsonSchema.kept = 1
