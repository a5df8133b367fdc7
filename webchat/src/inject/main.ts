/** The script for people's pages: `inject.js`. */

import { install } from './api'

install((document.currentScript as HTMLScriptElement | null)?.src || '')
