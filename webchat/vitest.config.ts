/** Unit tests beside the code; those in `tests/` are for a browser (`playwright.config.ts`). */

import { defineConfig } from 'vitest/config'

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}'],
    reporters: ['dot'],
    restoreMocks: true,
    silent: 'passed-only'
  }
})
