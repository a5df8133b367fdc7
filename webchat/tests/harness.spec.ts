/** The page's side by itself, in a real browser: what `inject.js` puts into a page. */

import { chat, embedding, expect, startServer, test } from './support'

test('a page of another origin shows the frame of the bot', async ({ page, serve, site }) => {
  const nudge = await serve()
  const host = await site({ '/': embedding(nudge.url) })
  await page.goto(`${host.url}/`)
  await expect(page.locator('div#bp-web-widget > iframe#bp-widget.bp-widget-web')).toBeAttached()
  await expect(chat(page).locator('button').first()).toBeAttached()
})

test('a server that cannot start says why', async () => {
  await expect(startServer({ 'botpress.config.json': '{ "httpServer": 7 }' })).rejects.toThrow('httpServer')
})
