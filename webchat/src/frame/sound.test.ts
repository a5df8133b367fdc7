/** The sound of a message. */
// @vitest-environment jsdom

import { beforeEach, expect, test, vi } from 'vitest'
import { openSound } from './sound'

let tones = 0
const knob = { setValueAtTime() {}, linearRampToValueAtTime() {}, exponentialRampToValueAtTime() {}, value: 0 }

/** What browsers have and jsdom has not. */
class Audio {
  currentTime = 0
  destination = {}
  createGain = () => ({ gain: knob, connect() {} })
  createOscillator = () => ({ frequency: knob, connect() {}, start: () => (tones += 1), stop() {} })
}

beforeEach(() => {
  tones = 0
  vi.stubGlobal('AudioContext', Audio)
})

test('nothing sounds before the visitor has touched the frame', () => {
  const play = openSound(window, () => false)
  play()
  expect(tones).toBe(0)
  window.dispatchEvent(new Event('pointerdown'))
  play()
  expect(tones).toBe(2)
})

test('nothing sounds where the page has switched it off', () => {
  let off = true
  const play = openSound(window, () => off)
  window.dispatchEvent(new Event('keydown'))
  play()
  expect(tones).toBe(0)
  off = false
  play()
  expect(tones).toBe(2)
})
