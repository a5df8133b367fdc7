const work = async () => {
  await bp.kvs.set('x', 'k', 1)
  event.third = await bp.kvs.get('x', 'k')
}
return work()
