// Builds what the server embeds: `inject.js` (one script for people's pages) and the frame's app (modules with hashed
// names), with brotli and gzip forms beside each file, and `manifest.json`, which says what the frame's page loads.
//
// Usage: node build.mjs [folder], `dist` if none is given.

import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build } from 'vite'

const root = import.meta.dirname
const dist = resolve(process.argv[2] ?? join(root, 'dist'))

/** Settings that both builds share. Browsers of the last years; nothing is polyfilled. */
const common = {
  root,
  base: './',
  configFile: false,
  publicDir: false,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } }
}

const output = { outDir: dist, emptyOutDir: false, target: 'es2020' }

rmSync(dist, { recursive: true, force: true })

await build({
  ...common,
  build: {
    ...output,
    lib: { entry: 'src/inject/main.ts', formats: ['iife'], name: 'nudgeWebchat', fileName: () => 'inject.js' }
  }
})

await build({
  ...common,
  build: {
    ...output,
    manifest: 'manifest.json',
    // What others wrote is given on together with their names and terms; the scripts themselves hold no comments.
    license: { fileName: 'licenses.txt' },
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: {
      input: 'src/frame/main.tsx',
      output: {
        entryFileNames: 'frame.[hash].js',
        chunkFileNames: 'frame-[name].[hash].js',
        assetFileNames: 'frame.[hash][extname]'
      }
    }
  }
})

// Files with names that people's pages know.
for (const [name, path] of [
  ['inject.css', 'src/inject/inject.css'],
  ['default.css', 'src/frame/default.css'],
  ['examples/embedded-webchat.html', 'src/inject/embedded-webchat.html']
]) {
  mkdirSync(dirname(join(dist, name)), { recursive: true })
  writeFileSync(join(dist, name), readFileSync(join(root, path)))
}

for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, name)
  if (!statSync(path).isFile() || name === 'manifest.json') continue
  const text = readFileSync(path)
  writeFileSync(`${path}.br`, brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
  writeFileSync(`${path}.gz`, gzipSync(text, { level: 9 }))
}
