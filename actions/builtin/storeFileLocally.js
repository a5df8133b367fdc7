/**
 * Stores the file that the user sent among the bot's media, and lets the event's address lead there.
 * @title Store file locally
 * @category Utils
 * @author nudge
 * @param {string} [output=storedFile] - The variable of temp that gets the address of the stored file; gone where there is none
 */
const output = args.output || 'storedFile'
const { url } = event.payload || {}

// What a user sends is no reason to stop the dialog: it asks again where there is no file.
delete temp[output]
if (typeof url !== 'string' || url === '') {
  console.warn('storeFileLocally: nothing was stored, the payload of the event has no "url"')
  return
}
try {
  const { data } = await require('axios')({ method: 'get', url, responseType: 'arraybuffer' })
  const name = decodeURIComponent(new URL(url).pathname.split('/').pop()) || 'file'
  const stored = await bp.cms.saveFile(event.botId, name, Buffer.from(data))
  temp[output] = event.payload.url = bp.cms.getFilePath(event.botId, stored)
} catch (error) {
  console.error(`storeFileLocally: ${url} was not stored: ${error.message}`)
}
