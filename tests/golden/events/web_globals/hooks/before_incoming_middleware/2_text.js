const text = 'a é € 😀 \ud800'
const bytes = new TextEncoder().encode(text)
console.log(bytes.length, new TextDecoder().decode(bytes), new TextDecoder('UTF8').encoding, new TextEncoder().encode().length)
console.log(new TextEncoder().encodeInto('é€😀', new Uint8Array(6)))
const decoder = new TextDecoder()
let pieces = ''
for (const byte of new TextEncoder().encode('é€😀')) pieces += decoder.decode(new Uint8Array([byte]), { stream: true })
console.log(pieces + decoder.decode(), decoder.decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61])), new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf])).length)
console.log(new TextDecoder('latin1').decode(new Uint8Array([0x80, 0xe9])), new TextDecoder('utf-16le').decode(new Uint16Array([0x20ac, 0xd83d, 0xde00])))
console.log(new TextDecoder().decode(new Uint8Array([0x61, 0xff, 0xe2, 0x82])), new TextDecoder().decode(new DataView(bytes.buffer, 2, 2)), new TextDecoder().decode(new ArrayBuffer(0)) === '')
for (const wrong of [() => new TextDecoder('klingon'), () => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff])), () => new TextDecoder().decode('text')]) {
  try {
    wrong()
  } catch (error) {
    console.log(error.name, error.message)
  }
}
console.log(btoa('abc'), atob('YWJj'))
