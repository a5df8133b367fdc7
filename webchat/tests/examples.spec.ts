/** The pages of `examples/`, as they are, with the bots and hooks beside them. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { button, chat, expect, replies, settled, test, type Files, type Nudge, type Page } from './support'

const EXAMPLES = join(import.meta.dirname, '../../examples')

/** The workspace of an example. */
function workspace(name: string): Files {
  const folder = join(EXAMPLES, name)
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    entry => entry.isFile() && !entry.name.startsWith('data.db')
  )
  const paths = files.map(file => join(file.parentPath, file.name))
  return Object.fromEntries(paths.map(path => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]))
}

/** Opens the example's page from the disk, as somebody does who tries it. */
async function open(page: Page, nudge: Nudge): Promise<void> {
  const path = join(nudge.folder, 'page.html')
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll('http://localhost:3000', nudge.url))
  await page.goto(pathToFileURL(path).href)
}

const unread = (page: Page) => chat(page).locator('.bpw-floating-button-unread')

test('proactive-welcome: Mia speaks first', async ({ page, serve }) => {
  const nudge = await serve(workspace('proactive-welcome'))
  await open(page, nudge)
  await expect(unread(page)).toHaveText('2')
  await button(page).click()
  await expect(replies(page).first()).toContainText('Hello, I am Mia!')
  await chat(page).getByRole('button', { name: 'Prices' }).click()
  await expect(replies(page).last()).toContainText('Ten euros a month')
})

test('feedback-form: stars and a comment by buttons', async ({ page, serve }) => {
  const nudge = await serve(workspace('feedback-form'))
  await open(page, nudge)
  await button(page).click()
  await expect(replies(page).first()).toContainText('Your order 1042 has arrived')
  await chat(page).getByRole('button', { name: '4 ★★★★' }).click()
  await expect(replies(page).last()).toContainText('What did you like best?')
  await chat(page).locator('textarea').fill('the ribbon')
  await chat(page).locator('textarea').press('Enter')
  await expect(replies(page).last()).toContainText('You gave us 4 stars.')
})

test('product-suggestion: the shop speaks up after twenty seconds', async ({ page, serve }) => {
  const nudge = await serve(workspace('product-suggestion'))
  await page.clock.install()
  await open(page, nudge)
  await expect(chat(page).locator('.bpw-floating-button')).toBeVisible()
  await settled(nudge)
  await page.clock.runFor(19_000)
  await expect(unread(page)).toHaveCount(0)
  await page.clock.runFor(1_000)
  await expect(unread(page)).toBeVisible()
  await button(page).click()
  await page.clock.resume()
  await expect(replies(page).first()).toContainText('You have been looking at this one for a while.')
  await chat(page).getByRole('button', { name: 'Put one aside for me' }).click()
  await expect(replies(page).last()).toContainText('I have put one aside for you')
})
