const [flow, node, how] = event.preview.split(' ')
if (flow.startsWith('other')) {
  return (async () => {
    const jumped = bp.dialog.jumpTo(bp.dialog.createId(event), event, flow, node === '-' ? undefined : node)
    if (how === 'await') await jumped
  })()
}
