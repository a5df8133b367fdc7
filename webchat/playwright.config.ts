/** Tests in a real browser, Debian's Chromium, against the real server: `npm run browser`, or `make test` for all. */

import { defineConfig } from '@playwright/test'

export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  fullyParallel: true,
  forbidOnly: !!process.env.CI,
  retries: 0,
  workers: 2,
  timeout: 30_000,
  expect: { timeout: 10_000 },
  reporter: [[process.env.VERBOSE ? 'list' : 'dot']],
  use: {
    browserName: 'chromium',
    launchOptions: {
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
      // As root, in a container, there is no sandbox to be had.
      args: process.getuid?.() === 0 ? ['--no-sandbox'] : []
    },
    locale: 'en-GB',
    timezoneId: 'Europe/Paris',
    viewport: { width: 1100, height: 720 },
    screenshot: 'only-on-failure'
  }
})
