/** `window.botpressWebChat`: what pages call. */
