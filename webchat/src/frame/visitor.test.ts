/** Who visits, and what is kept of it. */
// @vitest-environment jsdom

import { beforeEach, expect, test, vi } from 'vitest'
import { findVisitor, forgetVisitor, keyOf, openStorage } from './visitor'

const issued = () => Promise.resolve({ id: 'nv1-new', secret: 's' })
const never = () => Promise.reject(new Error('nobody is to be issued'))

beforeEach(() => {
  localStorage.clear()
  sessionStorage.clear()
})

test('a new visitor is kept in one key, and found again', async () => {
  const keep = openStorage(false)
  expect(await findVisitor({}, keep, issued)).toEqual({ id: 'nv1-new', secret: 's' })
  expect(Object.keys({ ...localStorage })).toEqual(['nudge/visitor'])
  expect(sessionStorage.length).toBe(0)
  expect(document.cookie).toBe('')
  expect(await findVisitor({}, openStorage(false), never)).toEqual({ id: 'nv1-new', secret: 's' })
})

test('each scope has a visitor of its own', async () => {
  const keep = openStorage(false)
  await findVisitor({}, keep, issued)
  await findVisitor({ userIdScope: 'shop' }, keep, () => Promise.resolve({ id: 'other' }))
  expect((await findVisitor({ userIdScope: 'shop' }, keep, never)).id).toBe('other')
  expect((await findVisitor({}, keep, never)).id).toBe('nv1-new')
})

test('session storage is used when the page asks for it', async () => {
  await findVisitor({}, openStorage(true), issued)
  expect(localStorage.length).toBe(0)
  expect(sessionStorage.length).toBe(1)
})

test('a visitor whom the page names is not kept', async () => {
  const keep = openStorage(false)
  const named = await findVisitor({ userId: 'ada', userSecret: 'hers' }, keep, never)
  expect(named).toEqual({ id: 'ada', secret: 'hers' })
  expect(localStorage.length).toBe(0)
})

test('where storage throws, the visitor lasts as long as the frame', async () => {
  const locked = {
    get localStorage(): Storage {
      throw new DOMException('denied', 'SecurityError')
    }
  } as unknown as Window
  const keep = openStorage(false, locked)
  await findVisitor({}, keep, issued)
  expect((await findVisitor({}, keep, never)).id).toBe('nv1-new')
  expect((await findVisitor({}, openStorage(false, locked), () => Promise.resolve({ id: 'second' }))).id).toBe('second')
})

test('of two tabs that open at once, both are the visitor who was kept first', async () => {
  const keep = openStorage(false)
  const slow = findVisitor({}, keep, async () => {
    await findVisitor({}, keep, () => Promise.resolve({ id: 'fast' }))
    return { id: 'slow' }
  })
  expect((await slow).id).toBe('fast')
})

test('what is kept and makes no sense counts as nothing', async () => {
  const keep = openStorage(false)
  for (const odd of ['', '{', '[]', '{"id":7}', '{"id":""}']) {
    localStorage.setItem(keyOf(), odd)
    expect((await findVisitor({}, keep, issued)).id).toBe('nv1-new')
  }
})

test('a visitor whose secret is not taken any more is forgotten', async () => {
  const keep = openStorage(false)
  await findVisitor({}, keep, issued)
  forgetVisitor({}, keep)
  const again = vi.fn(issued)
  await findVisitor({}, keep, again)
  expect(again).toHaveBeenCalledOnce()
})
