const attempt = async (name, work) => { try { console.log(name, JSON.stringify(await work())) } catch (error) { console.log(name, '✗', error.name + ':', error.message) } }
const card = { title: 'Card', subtitle: 'Sub', image: '/api/v1/bots/bot/media/a.png', actions: [{ action: 'Say something', title: 'Say', text: 'said' }, { action: 'Open URL', title: 'Open', url: 'BOT_URL/x' }, { action: 'Postback', title: 'Post', payload: 'P' }] }
const all = {
  builtin_text: { text: 'T', typing: true }, builtin_image: { image: '/media/x.png', title: 'I' }, builtin_card: card, builtin_carousel: { items: [card, { title: 'Second' }] },
  'builtin_single-choice': { text: 'Q', choices: [{ title: 'Yes', value: 'yes' }, { title: 'No', value: 'no' }] }, 'builtin_action-button': { action: 'Postback', title: 'x' },
  dropdown: { message: 'M', buttonText: 'B', options: [{ label: 'L', value: 'V' }], displayInKeyboard: true, allowCreation: false, allowMultiple: true, width: 300 },
  builtin_video: { video: '/v.mp4', title: 'V' }, builtin_audio: { audio: 'https://x.org/a.mp3' }, builtin_file: { file: 'BOT_URL/f.pdf', title: 'F' }, builtin_location: { latitude: 1, longitude: 2, address: 'A', title: 'L' }
}
for (const [id, data] of Object.entries(all)) for (const channel of ['web', 'api', 'telegram', 'messenger', 'other']) await attempt(id + ' ' + channel, () => bp.cms.renderElement(id, data, channel))
await attempt('wrong action', () => bp.cms.renderElement('builtin_card', { title: 'x', actions: [{ action: 'Dance', title: 'x' }] }, 'web'))
for (const payload of [{ type: 'custom', url: '/relative', nested: { image: '/i.png', list: ['BOT_URL/a', 'x'], text: '/not a path' } }, { type: 'text', text: 'see BOT_URL/here', url: '//other.org/x' }]) bp.events.replyToEvent(event, [payload])
