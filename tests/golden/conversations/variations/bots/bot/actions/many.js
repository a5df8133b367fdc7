return (async () => {
  const said = new Set()
  for (let i = 0; i < 100; i++) {
    const [payload] = await bp.cms.renderElement('!builtin_text-hello', { user, name: 'Ann' }, event)
    said.add(payload.text)
  }
  console.log([...said].sort())
})()
