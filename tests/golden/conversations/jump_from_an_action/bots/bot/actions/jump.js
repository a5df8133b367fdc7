const [flow, node, how] = event.preview.split(' ')
if (flow.startsWith('other')) {
  const jumped = bp.dialog.jumpTo(bp.dialog.createId(event), event, flow, node === '-' ? undefined : node)
  if (how === 'await') return jumped
}
