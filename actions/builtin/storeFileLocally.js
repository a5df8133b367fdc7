/**
 * Stores the file that the user sent among the bot's media, and lets the event's address lead there.
 * @title Store file locally
 * @category Utils
 * @author nudge
 * @param {string} [output=storedFile] - The variable of temp that gets the address of the stored file
 */
const { url } = event.payload || {}

if (typeof url !== 'string' || url === '') {
  throw new Error('storeFileLocally: the event has no file, its payload has no "url"')
}
if (!bp.cms.saveFile) {
  throw new Error('storeFileLocally: this server cannot store media yet (bp.cms.saveFile); see docs/differences.md')
}

const { data } = await require('axios')({ method: 'get', url, responseType: 'arraybuffer' })
const name = decodeURIComponent(new URL(url).pathname.split('/').pop()) || 'file'
const stored = await bp.cms.saveFile(event.botId, name, Buffer.from(data))

event.payload.url = bp.cms.getFilePath(event.botId, stored)
temp[args.output || 'storedFile'] = event.payload.url
